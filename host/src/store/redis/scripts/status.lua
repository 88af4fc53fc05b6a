-- Partitions and how far their groups are. Per key nil (no such partition), or {newest id, length, group …}
-- with group = {name, done, whether a record before `done` exists, undelivered, pending, oldest id, its `at`, lost}.
-- KEYS: lost, then partitions. ARGV: their fields in `lost`, without the group.

-- The `at` of an entry.
local function at(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'at' then
      return entry[2][i + 1]
    end
  end
  return ''
end

-- The id up to which everything is acknowledged, the oldest entry that is not, and whether that was trimmed
-- before it was acknowledged.
local function place(key, stream, group, next)
  if group['pending'] == 0 then
    return group['last-delivered-id'], next, false
  end
  local lowest = redis.call('XPENDING', key, group['name'])[2]
  local done = redis.call('XREVRANGE', key, '(' .. lowest, '-', 'COUNT', 1)[1]
  local oldest = redis.call('XRANGE', key, lowest, lowest)[1]
  local trimmed = not oldest
  oldest = oldest or { lowest, {} }
  if done then
    return done[1], oldest, trimmed
  end
  -- Nothing is before it: it never was, or it was trimmed.
  if stream['entries-added'] == stream['length'] then
    return '0-0', oldest, trimmed
  end
  return '(' .. lowest, oldest, trimmed
end

-- Whether entries were taken out that the group was not given.
local function skipped(stream, group, missing)
  local last = group['last-delivered-id']
  if before(last, stream['max-deleted-entry-id']) then
    return true
  end
  return group['entries-read'] and stream['entries-added'] - group['entries-read'] > missing
    and (stream['length'] == 0 or before(last, stream['first-entry'][1]))
end

local function status(key, field)
  if redis.call('EXISTS', key) == 0 then
    return false
  end
  local stream = fields(redis.call('XINFO', 'STREAM', key))
  local reply = { stream['last-generated-id'], stream['length'] }
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = fields(row)
    local missing, next = undelivered(key, stream, group)
    local done, oldest, trimmed = place(key, stream, group, next)
    local lost = trimmed or skipped(stream, group, missing)
      or redis.call('HEXISTS', KEYS[1], field .. ':' .. group['name']) == 1
    reply[#reply + 1] = {
      group['name'], done, missing, group['pending'],
      oldest and oldest[1] or '', oldest and at(oldest) or '', lost and 1 or 0,
    }
  end
  return reply
end

local reply = {}
for i = 2, #KEYS do
  reply[i - 1] = status(KEYS[i], ARGV[i - 1])
end
return reply
