#!lua
-- Makes a group that begins with the oldest record kept, if it is not there.
-- KEYS: the partition. ARGV: the group.
local key, group = KEYS[1], ARGV[1]
local before = 0
if redis.call('EXISTS', key) == 1 then
  local stream = redis.call('XINFO', 'STREAM', key)
  local fields = {}
  for i = 1, #stream, 2 do
    fields[stream[i]] = stream[i + 1]
  end
  before = fields['entries-added'] - fields['length']
end
-- Counting what was gone before lets Redis know how many the group has not seen.
local made = redis.pcall('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM', 'ENTRIESREAD', before)
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
return 1
