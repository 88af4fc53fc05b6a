#!lua
-- Appends entries under ids of their own, once. KEYS: the stream. ARGV: how many fields an entry has, their names,
-- the last entry's id, then the id and the values of each entry.
local key, width = KEYS[1], tonumber(ARGV[1])
local last = ARGV[width + 2]
if #redis.call('XRANGE', key, last, last) > 0 then
  return 0
end
local entry = {}
for first = width + 3, #ARGV, width + 1 do
  for i = 1, width do
    entry[2 * i - 1], entry[2 * i] = ARGV[1 + i], ARGV[first + i]
  end
  redis.call('XADD', key, ARGV[first], unpack(entry))
end
return 1
