#!lua flags=allow-oom
-- Takes over what other consumers of a group hold: {next id to go on from, records lost}, or nil where
-- the unit is not the holder's.
-- KEYS: the partition, owners, lost. ARGV: the group, the holder, the unit, the field of `lost`, where to begin.

-- Entries of one step, and steps of one call: other clients wait meanwhile.
local COUNT, STEPS_MAX = 1000, 10

local key, group, holder = KEYS[1], ARGV[1], ARGV[2]
if redis.call('HGET', KEYS[2], ARGV[3]) ~= holder then
  return false
end
local start, lost = ARGV[5], 0
for _ = 1, STEPS_MAX do
  local claimed = redis.call('XAUTOCLAIM', key, group, holder, 0, start, 'COUNT', COUNT, 'JUSTID')
  start, lost = claimed[1], lost + #claimed[3]
  if start == '0-0' then
    break
  end
end
if lost > 0 then
  redis.call('HINCRBY', KEYS[3], ARGV[4], lost)
end
if start == '0-0' then
  -- Hosts that are gone leave consumers behind; they hold nothing now.
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, group)) do
    local fields = {}
    for i = 1, #consumer, 2 do
      fields[consumer[i]] = consumer[i + 1]
    end
    if fields['name'] ~= holder and fields['pending'] == 0 then
      redis.call('XGROUP', 'DELCONSUMER', key, group, fields['name'])
    end
  end
end
return { start, lost }
