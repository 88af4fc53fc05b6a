#!lua
-- Ends a copy: from now on hosts open the namespace. KEYS: meta. ARGV: the copy's name.
-- Answers whether it was this copy's to end.
if redis.call('HGET', KEYS[1], 'copied') == ARGV[1] then
  return 1
end
if redis.call('HGET', KEYS[1], 'copying') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'copied', ARGV[1])
redis.call('HDEL', KEYS[1], 'copying')
return 1
