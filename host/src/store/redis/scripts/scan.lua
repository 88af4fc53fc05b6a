#!lua flags=no-writes
-- One step of a scan: {newest version seen, version up to which tombstones are forgotten, whether the scan is
-- complete, last key looked at, key, value, key, value …}.
-- KEYS: state, index. ARGV: where to begin and to end, as ZRANGE says it, REV or nothing, entries wanted.

-- Keys looked at in one step, and bytes returned, after which another step goes on: other clients
-- wait meanwhile.
local LOOKS_MAX, BYTES_MAX = 2000, 4194304
local CHUNK = 500

local state, index = KEYS[1], KEYS[2]
local from, to, reverse, limit = ARGV[1], ARGV[2], ARGV[3] == 'REV', tonumber(ARGV[4])
local marks = redis.call('HGET', state, '')
local newest, found, looked, bytes, complete, last = 0, 0, 0, 0, 0, ''
local reply = { 0, 0, 0, '' }

-- Takes keys until there is enough; whether there is.
local function take(keys, values)
  for i = 1, #keys do
    local value = values[i]
    last, looked = keys[i], looked + 1
    if value then
      newest = math.max(newest, (struct.unpack('>I7', value)))
      if string.byte(value, 8) == 1 then
        found, bytes = found + 1, bytes + #last + #value
        reply[#reply + 1], reply[#reply + 2] = last, value
      end
    end
    if found == limit or looked >= LOOKS_MAX or bytes >= BYTES_MAX then
      return true
    end
  end
  return false
end

while true do
  -- A few more than wanted, since some may be tombstones.
  local count, keys = math.min(CHUNK, limit - found + 8), nil
  if reverse then
    keys = redis.call('ZRANGE', index, from, to, 'BYLEX', 'REV', 'LIMIT', 0, count)
  else
    keys = redis.call('ZRANGE', index, from, to, 'BYLEX', 'LIMIT', 0, count)
  end
  if #keys == 0 then
    complete = 1
    break
  end
  if take(keys, redis.call('HMGET', state, unpack(keys))) then
    break
  end
  from = '(' .. last
end

reply[1], reply[3], reply[4] = newest, complete, last
if marks then
  reply[2] = struct.unpack('>I7', marks)
end
return reply
