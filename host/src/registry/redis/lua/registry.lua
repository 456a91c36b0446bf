-- Goes before every script of a registry, after identity.lua: refuses whatever is not the registry of the epoch.
--
-- A record, the value of an id in `handles`:
--
--   version 5 | kind 2 | body | ticket 6 | before   big-endian; version = its counter, ticket = of the last writer
--               0 = removed, 65535 = counter (body: 8, two's complement), else length of the chain (body: 24 each)
--
--   before: version, kind and body that were superseded last, if anything ever was; what was superseded earlier and may
--   still be read is in `past`. So what changes seldom costs no entry there.

local function foreign(what)
  return { 'foreign', what }
end

local state = call('HMGET', root, 'stamp', 'version', 'floor', 'releases', 'ticket', 'bytes',
  'period', 'period_ticket', 'period_since')
if state[1] ~= stamp then
  return foreign('epoch ' .. epoch .. ' is not active on this server')
end
local version, floor, releases = tonumber(state[2]), tonumber(state[3]), tonumber(state[4])
local next_ticket, bytes = tonumber(state[5]), tonumber(state[6])
local period, period_ticket, period_since = tonumber(state[7]), tonumber(state[8]), tonumber(state[9])
if not (version and floor and releases and next_ticket and bytes and period and period_ticket and period_since) then
  return foreign('the root is damaged')
end
if version < seen then
  return foreign('version ' .. version .. ' is older than what was seen')
end

-- The first of these hashes without its stamp.
local function unstamped(...)
  for _, part in ipairs({ ... }) do
    if not in_hash(part, epoch) then
      return part
    end
  end
end

-- Values of the fields ARGV[first], … of a stamped hash: the i-th is at i + 1. Nothing if the stamp is missing.
local function fetch(part, first, count)
  local name = key(part)
  local found = call('HMGET', name, '', unpack(ARGV, first, first + math.min(count, piece) - 1))
  if found[1] ~= stamp then
    return nil
  end
  for from = first + piece, first + count - 1, piece do
    local last = math.min(from + piece, first + count) - 1
    for _, value in ipairs(call('HMGET', name, unpack(ARGV, from, last))) do
      found[#found + 1] = value
    end
  end
  return found
end

local REMOVED, COUNTER = 0, 65535

local function kind_of(record)
  return byte(record, 6) * 256 + byte(record, 7)
end

-- Where version, kind and body in a record end.
local function state_end(record)
  local kind = kind_of(record)
  return kind == COUNTER and 15 or 7 + 24 * kind
end

-- What an id was as of a version, where its record is newer: the next older version, without a ticket.
local function past_of(id, record, at)
  local before = state_end(record) + 7
  if before > #record then
    return false
  elseif parse('>I5', record, before) <= at then
    return sub(record, before)
  end
  local above = '(' .. id .. pack('>I5', at + 1)
  local members = call('ZREVRANGEBYLEX', key('past'), above, '[' .. id, 'LIMIT', 0, 1)
  return members[1] and sub(members[1], 17) or false
end

-- The start of an answer: what every caller learns.
local function answer()
  return { 'ok', version, floor, releases }
end
