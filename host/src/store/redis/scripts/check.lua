-- Moves a snapshot forward: the present version if nothing it has read was written since, else nil.
-- KEYS: version, then per space state and index. ARGV: the version read, {{reads, ranges} per space}.
local version = tonumber(ARGV[1])
for i, space in ipairs(cmsgpack.unpack(ARGV[2])) do
  if changed(KEYS[2 * i], KEYS[2 * i + 1], space[1], space[2], version) then
    return false
  end
end
return tonumber(redis.call('GET', KEYS[1]) or 0)
