#!lua
-- Makes groups that are done with a stream up to an entry, once. KEYS: the stream. ARGV: for each group its name,
-- that entry's id, and how many entries the stream has up to there.
for i = 1, #ARGV, 3 do
  local made = redis.pcall(
    'XGROUP', 'CREATE', KEYS[1], ARGV[i], ARGV[i + 1], 'MKSTREAM', 'ENTRIESREAD', ARGV[i + 2]
  )
  if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
    return made
  end
end
return 1
