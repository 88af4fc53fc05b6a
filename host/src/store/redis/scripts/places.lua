-- How far groups are in a partition. Part of `status` and `backlog`.

-- Records counted one by one where Redis does not know how many there are, at most.
local COUNTED_MAX = 100000
-- Records that are counted in any case: a tenth of a millisecond.
local EXACT_MAX = 200

local function fields(flat)
  local named = {}
  for i = 1, #flat, 2 do
    named[flat[i]] = flat[i + 1]
  end
  return named
end

local function before(a, b)
  local a_ms, a_sequence = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_sequence = string.match(b, '^(%d+)-(%d+)$')
  a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
  return a_ms < b_ms or (a_ms == b_ms and tonumber(a_sequence) < tonumber(b_sequence))
end

local function count_after(key, id)
  local count = 0
  repeat
    local entries = redis.call('XRANGE', key, '(' .. id, '+', 'COUNT', 1000)
    count = count + #entries
    if #entries > 0 then
      id = entries[#entries][1]
    end
  until #entries < 1000 or count >= COUNTED_MAX
  return count
end

-- How many entries a group was not given yet, and the first of them.
local function undelivered(key, stream, group)
  local last = group['last-delivered-id']
  if stream['length'] == 0 or last == stream['last-generated-id'] then
    return 0, nil
  end
  local entries = redis.call('XRANGE', key, '(' .. last, '+', 'COUNT', EXACT_MAX)
  if #entries < EXACT_MAX then
    return #entries, entries[1]
  end
  if entries[1][1] == stream['first-entry'][1] then
    return stream['length'], entries[1]
  end
  -- Redis' counters count what was removed before the group saw it for ever; where single entries were
  -- taken out they may say nothing.
  if group['lag'] and not before(last, stream['max-deleted-entry-id']) then
    return math.max(math.min(group['lag'], stream['length']), EXACT_MAX), entries[1]
  end
  return count_after(key, last), entries[1]
end
