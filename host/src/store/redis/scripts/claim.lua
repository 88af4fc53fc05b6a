#!lua flags=allow-oom
-- Takes over what other consumers of a group hold: {next id to go on from, records lost}, or nil where
-- the unit is not the holder's.
-- KEYS: the partition, owners, lost. ARGV: the group, the holder, the unit, the field of `lost`, where to begin.

-- Entries of one step, and steps of one call: other clients wait meanwhile.
local COUNT, STEPS_MAX = 1000, 10

-- Entries counted to set right how many the group has read: a server that was started again, or that took
-- over from another, has not been told.
local COUNTED_MAX = 5000

local function fields(flat)
  local named = {}
  for i = 1, #flat, 2 do
    named[flat[i]] = flat[i + 1]
  end
  return named
end

-- Sets right what Redis computes the group's lag from, where that takes little.
local function recount(key, group)
  local last, missing, from = nil, 0, nil
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local found = fields(row)
    if found['name'] == group then
      last = found['last-delivered-id']
    end
  end
  from = last
  repeat
    local entries = redis.call('XRANGE', key, '(' .. from, '+', 'COUNT', 1000)
    missing = missing + #entries
    if #entries > 0 then
      from = entries[#entries][1]
    end
  until #entries < 1000 or missing >= COUNTED_MAX
  if missing < COUNTED_MAX then
    local added = fields(redis.call('XINFO', 'STREAM', key))['entries-added']
    redis.call('XGROUP', 'SETID', key, group, last, 'ENTRIESREAD', added - missing)
  end
end

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
  recount(key, group)
  -- Hosts that are gone leave consumers behind; they hold nothing now.
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, group)) do
    local found = fields(consumer)
    if found['name'] ~= holder and found['pending'] == 0 then
      redis.call('XGROUP', 'DELCONSUMER', key, group, found['name'])
    end
  end
end
return { start, lost }
