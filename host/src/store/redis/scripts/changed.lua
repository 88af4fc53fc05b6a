-- Whether anything that was read has been written after a version. Part of `commit` and `check`.
--
-- A value in a space's hash begins with the version that wrote it, so do tombstones. The empty field
-- holds two versions: tombstones up to the first are forgotten, and the last write was the second.

-- Most keys of one command: `unpack` has a limit of some thousands.
local CHUNK = 500

local function written_after(values, version)
  for i = 1, #values do
    local value = values[i]
    if value and struct.unpack('>I7', value) > version then
      return true
    end
  end
  return false
end

local function range_changed(state, index, range, version)
  local from, to = range[1], range[2]
  while true do
    local keys = redis.call('ZRANGE', index, from, to, 'BYLEX', 'LIMIT', 0, CHUNK)
    if #keys == 0 then
      return false
    end
    if written_after(redis.call('HMGET', state, unpack(keys)), version) then
      return true
    end
    from = '(' .. keys[#keys]
  end
end

local function changed(state, index, reads, ranges, version)
  local marks = (#reads > 0 or #ranges > 0) and redis.call('HGET', state, '')
  if not marks then
    return false
  end
  local forgotten, last = struct.unpack('>I7I7', marks)
  if last <= version then
    return false
  end
  if forgotten > version then
    return true
  end
  for i = 1, #reads, CHUNK do
    local last = math.min(i + CHUNK - 1, #reads)
    if written_after(redis.call('HMGET', state, unpack(reads, i, last)), version) then
      return true
    end
  end
  for _, range in ipairs(ranges) do
    if range_changed(state, index, range, version) then
      return true
    end
  end
  return false
end
