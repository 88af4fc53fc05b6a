#!lua
-- Takes a unit, if it is held by whom the taker believes to hold it.
-- KEYS: owners, takes. ARGV: unit, holder so far (empty: nobody), taker, this take's own name.
-- Answers 1 where it did, also when it is sent again.
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[4] then
  return 1
end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
return 1
