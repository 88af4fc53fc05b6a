-- Commits one transaction, or refuses it whole, and says the same again when it is sent again.
--
-- KEYS: version, sent, owners, accounts, entries, spaces, ledger; then those that the transaction names by number:
-- state, index and removed of each space, and partitions of streams.
-- ARGV: the commit's number, the lowest number of the sender that has no answer yet, most records of a
-- partition, the transaction's instant (ms), and the transaction, see `encode` in commit.rs.
-- Returns `OK <version> <id of the last record per partition>…`, or why not.
--
-- Everything is checked before the first write: a script that fails half way is not undone.

-- One line, so that proofs can break it.
local FENCE, DEDUPE, ACKNOWLEDGE = true, true, true

-- How long a removed key is remembered, ms: far longer than an invocation or a commit on its way.
local REMEMBERED_MS = 60000
-- Tombstones forgotten beside each commit, besides twice as many as it makes itself.
local FORGOTTEN_MIN = 100
-- How long a sender's outcomes stay after its last commit, ms: a day, longer than any connection lives.
local SENT_MS = 86400000
-- What an account's sum may be: the greatest that a double holds exactly.
local SUM_MAX = 9007199254740991
-- Values of one movement: numbers of giver and taker, amount, reference, and its hash in the chain; of the last
-- one, what is to be linked to the hash before.
local MOVEMENT = 5
-- A sequence that an entry's id should not pass, well below the 2^20 that an offset holds: a clock
-- that was set back lets sequences grow.
local SEQUENCE_MAX = 786432

local VERSION, SENT, OWNERS, ACCOUNTS, ENTRIES, SPACES, LEDGER = unpack(KEYS, 1, 7)
local number, floor, log_max, at = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local input, read_version, spaces, logs, removals, names, postings =
  unpack(cmsgpack.unpack(ARGV[5]), 1, 7)

-- Remembers a refusal as well: a copy that comes late must not find that it may commit by now.
local function finish(outcome)
  if DEDUPE then
    redis.call('HSET', SENT, number, outcome)
  end
  return outcome
end

-- Forgets outcomes that nobody will ask for.
local function raise_floor(from)
  for first = from, floor - 1, CHUNK do
    local old = {}
    for i = first, math.min(first + CHUNK, floor) - 1 do
      old[#old + 1] = string.format('%.0f', i)
    end
    redis.call('HDEL', SENT, unpack(old))
  end
  redis.call('HSET', SENT, 'floor', ARGV[2])
  redis.call('PEXPIRE', SENT, SENT_MS)
end

-- What was answered before, if this was here before or is too late to be.
local function known()
  local sent = redis.call('HMGET', SENT, number, 'floor')
  if sent[1] then
    return sent[1]
  end
  local stored = tonumber(sent[2] or 0)
  if tonumber(number) < stored then
    return 'LATE'
  end
  if floor > stored then
    raise_floor(stored > 0 and stored or floor)
  end
  return nil
end

-- Whether the input is not the holder's to be done with, or not next: the first record must be the first
-- that is pending, and all of them this consumer's.
local function fenced(log, group, holder, unit, ids)
  if redis.call('HGET', OWNERS, unit) ~= holder then
    return true
  end
  local all = redis.pcall('XPENDING', log, group)
  if all.err or all[2] ~= ids[1] then
    return true
  end
  -- Where nobody else has anything pending, first and last tell of all between them.
  local first, count = ids[#ids], 1
  if #all[4] > 1 then
    first, count = ids[1], #ids
  end
  local rows = redis.call('XPENDING', log, group, first, ids[#ids], count)
  for _, row in ipairs(rows) do
    if row[2] ~= holder then
      return true
    end
  end
  return #rows == 0 or rows[#rows][1] ~= ids[#ids]
end

local function conflicts()
  if tonumber(redis.call('GET', VERSION) or 0) > read_version then
    for _, space in ipairs(spaces) do
      local seen = cmsgpack.unpack(space[2])
      if changed(KEYS[space[1]], KEYS[space[1] + 1], seen[1], seen[2], read_version) then
        return true
      end
    end
  end
  for _, removal in ipairs(removals) do
    if #redis.call('XRANGE', KEYS[removal[1]], removal[2], removal[2]) == 0 then
      return true
    end
  end
  return false
end

-- The first partition that has no room.
local function full()
  for i, log in ipairs(logs) do
    if redis.call('XLEN', KEYS[log[1]]) + #log[2] / 2 > log_max then
      return i
    end
  end
  return nil
end

-- The sums of the accounts that move, {debits, credits} by the numbers of their names.
local function accounts()
  local sums = {}
  for i = 1, #names, CHUNK do
    local kept = redis.call('HMGET', ACCOUNTS, unpack(names, i, math.min(i + CHUNK - 1, #names)))
    for j = 1, #kept do
      local debits, credits = string.match(kept[j] or '0 0', '^(%d+) (%d+)$')
      sums[i + j - 1] = { tonumber(debits), tonumber(credits) }
    end
  end
  return sums
end

-- Judges the movements in order, each on what those before it left; why they are refused, if they are.
local function judge(sums)
  for i = 1, #postings, MOVEMENT do
    local debit, credit, amount = postings[i], postings[i + 1], postings[i + 2]
    if amount == 0 then
      return 'INVALID 1'
    end
    if debit == credit then
      return 'INVALID 2'
    end
    local giver, taker = sums[debit], sums[credit]
    local balance = math.max(giver[2] - giver[1], 0)
    if amount > balance and names[debit] ~= 'issuer' then
      return string.format('OVERDRAWN %d %.0f', debit, balance)
    end
    giver[1], taker[2] = giver[1] + amount, taker[2] + amount
    if giver[1] > SUM_MAX or taker[2] > SUM_MAX then
      return 'INVALID 3'
    end
  end
  return nil
end

-- Puts keys, given with their values in turn, under a header.
local function put(space, pairs, header)
  local state, index = KEYS[space[1]], KEYS[space[1] + 1]
  for first = 1, #pairs, 2 * CHUNK do
    local last = math.min(first + 2 * CHUNK - 1, #pairs)
    for i = first + 1, last, 2 do
      pairs[i] = header .. pairs[i]
    end
    if redis.call('HSET', state, unpack(pairs, first, last)) > 0 then
      local members = {}
      for i = first, last, 2 do
        members[#members + 1], members[#members + 2] = '0', pairs[i]
      end
      redis.call('ZADD', index, unpack(members))
      redis.call('SADD', SPACES, space[5])
    end
  end
end

local function remember_removals(space, pairs, now)
  for first = 1, #pairs, 2 * CHUNK do
    local members = {}
    for i = first, math.min(first + 2 * CHUNK - 1, #pairs), 2 do
      members[#members + 1], members[#members + 2] = now, pairs[i]
    end
    redis.call('ZADD', KEYS[space[1] + 2], unpack(members))
  end
end

-- Forgets some old tombstones; the version up to which they are gone.
local function bury(space, forgotten, now)
  local state, index, removed = unpack(KEYS, space[1], space[1] + 2)
  local left = FORGOTTEN_MIN + #space[4]
  while left > 0 do
    local old = redis.call(
      'ZRANGE', removed, '-inf', now - REMEMBERED_MS, 'BYSCORE', 'LIMIT', 0, math.min(left, CHUNK)
    )
    if #old == 0 then
      break
    end
    local gone, values = {}, redis.call('HMGET', state, unpack(old))
    for i = 1, #old do
      -- A key that was written again since is no tombstone any more.
      if values[i] and string.byte(values[i], 8) == 0 then
        gone[#gone + 1] = old[i]
        forgotten = math.max(forgotten, (struct.unpack('>I7', values[i])))
      end
    end
    if #gone > 0 then
      redis.call('HDEL', state, unpack(gone))
      redis.call('ZREM', index, unpack(gone))
    end
    redis.call('ZREM', removed, unpack(old))
    left = left - #old
  end
  return forgotten
end

local function write_space(space, version, now)
  local state, head = KEYS[space[1]], struct.pack('>I7', version)
  put(space, space[3], head .. '\1')
  put(space, space[4], head .. '\0')
  remember_removals(space, space[4], now)
  local marks = redis.call('HGET', state, '')
  local forgotten = bury(space, marks and struct.unpack('>I7', marks) or 0, now)
  redis.call('HSET', state, '', struct.pack('>I7', forgotten) .. head)
end

-- Appends a partition's records; the last one's id.
local function append(log)
  local key, records, id = KEYS[log[1]], log[2], nil
  for i = 1, #records, 2 do
    id = redis.call('XADD', key, '*', 'key', records[i], 'payload', records[i + 1], 'at', at)
  end
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  if tonumber(sequence) > SEQUENCE_MAX then
    redis.call('XSETID', key, string.format('%.0f-0', tonumber(ms) + 1))
  end
  return id
end

-- Enters the movements and what the accounts have by then; the ledger's head is kept beside them.
local function enter(sums, version)
  local entries, head = unpack(redis.call('HMGET', LEDGER, 'entries', 'head'))
  head = link(head, postings[#postings])
  postings[#postings] = head
  for i = 1, #postings, MOVEMENT do
    redis.call(
      'XADD', ENTRIES, string.format('%.0f-%d', version, (i - 1) / MOVEMENT),
      'debit', names[postings[i]], 'credit', names[postings[i + 1]],
      'amount', string.format('%.0f', postings[i + 2]), 'reference', postings[i + 3], 'at', at,
      'chain', postings[i + 4]
    )
  end
  entries = (tonumber(entries) or 0) + #postings / MOVEMENT
  redis.call('HSET', LEDGER, 'entries', string.format('%.0f', entries), 'head', head)
  for i, sum in ipairs(sums) do
    redis.call('HSET', ACCOUNTS, names[i], string.format('%.0f %.0f', sum[1], sum[2]))
  end
end

local function acknowledge(log, group, ids)
  for i = 1, #ids, CHUNK do
    redis.call('XACK', log, group, unpack(ids, i, math.min(i + CHUNK - 1, #ids)))
  end
end

local function write_spaces(version)
  local now = nil
  for _, space in ipairs(spaces) do
    if #space[3] > 0 or #space[4] > 0 then
      if not now then
        local time = redis.call('TIME')
        now = time[1] * 1000 + math.floor(time[2] / 1000)
      end
      write_space(space, version, now)
    end
  end
end

local answered = DEDUPE and known()
if answered then
  return answered
end
if FENCE and input and fenced(KEYS[input[1]], input[2], input[3], input[4], input[5]) then
  return finish('FENCED')
end
if conflicts() then
  return finish('CONFLICT')
end
local no_room = full()
if no_room then
  return finish('FULL ' .. no_room)
end
local sums = accounts()
local refused = judge(sums)
if refused then
  return finish(refused)
end

local version = redis.call('INCR', VERSION)
write_spaces(version)
local outcome = { string.format('OK %.0f', version) }
for _, log in ipairs(logs) do
  outcome[#outcome + 1] = append(log)
end
for _, removal in ipairs(removals) do
  redis.call('XDEL', KEYS[removal[1]], removal[2])
end
if #postings > 0 then
  enter(sums, version)
end
if ACKNOWLEDGE and input then
  acknowledge(KEYS[input[1]], input[2], input[5])
end
return finish(table.concat(outcome, ' '))
