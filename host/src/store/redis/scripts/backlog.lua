-- How many records groups have not acknowledged, counted at one instant.
-- KEYS: partitions. ARGV: per partition, how many groups, and then their names.
local total, position = 0, 1
for _, key in ipairs(KEYS) do
  local wanted, count = {}, tonumber(ARGV[position])
  for i = 1, count do
    wanted[ARGV[position + i]] = true
  end
  position = position + count + 1
  if redis.call('EXISTS', key) == 1 then
    local stream = fields(redis.call('XINFO', 'STREAM', key))
    for _, row in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local group = fields(row)
      if wanted[group['name']] then
        wanted[group['name']] = nil
        total = total + group['pending'] + undelivered(key, stream, group)
      end
    end
    -- A group that is not known yet will begin with the oldest record.
    for _ in pairs(wanted) do
      total = total + stream['length']
    end
  end
end
return total
