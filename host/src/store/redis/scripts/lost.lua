#!lua flags=allow-oom
-- Is done with entries whose bodies are gone; how many there were.
-- KEYS: the partition, lost. ARGV: the group, the field of `lost`, ids.
local done = redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 3))
if done > 0 then
  redis.call('HINCRBY', KEYS[2], ARGV[2], done)
end
return done
