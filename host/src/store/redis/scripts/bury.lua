#!lua
-- Puts an entry that no offset can name among the dead letters, once; whether it did.
-- KEYS: the partition, owners, the dead letters. ARGV: the group, the holder, the unit, the entry's id, the letter's
-- key, the letter, its instant.
if redis.call('HGET', KEYS[2], ARGV[3]) ~= ARGV[2] then
  return 0
end
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[4]) == 0 then
  return 0
end
redis.call('XADD', KEYS[3], '*', 'key', ARGV[5], 'payload', ARGV[6], 'at', ARGV[7])
return 1
