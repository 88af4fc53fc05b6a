#!lua flags=allow-oom
-- Removes entries below an id, a bounded number; how many went.
-- KEYS: the partition. ARGV: the id.

-- Entries looked at: a millisecond or two.
local LIMIT = 10000

local removed = redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[1], 'LIMIT', LIMIT)
if removed > 0 then
  return removed
end
-- What is left is less than one node of the stream, which is small.
return redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
