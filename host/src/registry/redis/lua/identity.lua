-- Goes before every script: who answers, and the names of the keys.
--
--   KEYS[1]  sop:{name}:epoch, the root: says which epoch is active. All other keys have the same hash tag.
--   ARGV[1]  the epoch that the caller lives in, or prepares
--   ARGV[2]  the counter of the highest version that the caller has seen
--
-- Numbers: the counter of a version (below 2^40), tickets and milliseconds (below 2^48) are exact in a Lua number. Ids
-- are strings that are only ever compared for equality: `<` on strings would follow the locale of the server.

local call, sub, byte = redis.call, string.sub, string.byte
local pack, parse = struct.pack, struct.unpack
local root, epoch, seen = KEYS[1], ARGV[1], tonumber(ARGV[2])

local function key_of(number, part)
  return sub(root, 1, -6) .. number .. ':' .. part
end

local function key(part)
  return key_of(epoch, part)
end

-- Patterns would be tried at every position: plain text is found faster.
local function identifier(info, name)
  local _, last = string.find(info, name, 1, true)
  return sub(info, last + 1, last + 40)
end
local replication = call('INFO', 'replication')
if not string.find(replication, 'role:master', 1, true) then
  local host = string.match(replication, 'master_host:([^\r]*)') or '?'
  return { 'unavailable', 'this server is a replica of ' .. host .. ':'
    .. (string.match(replication, 'master_port:(%d+)') or '?')
    .. ': name its master as the registry, or wait until it is promoted' }
end
local identity = identifier(call('INFO', 'server'), 'run_id:') .. '.' .. identifier(replication, 'master_replid:')

-- What every key of an epoch carries inside itself, so that one that was deleted, evicted or made anew shows.
local function stamp_of(number)
  return identity .. '.' .. number
end

local stamp = stamp_of(epoch)
local hashes = { 'handles', 'intents', 'reservations', 'claims', 'feed', 'published', 'snapshots', 'spills' }
-- In the sorted set of old versions all scores are equal and no id is as high as this.
local past_stamp = string.rep('\255', 17)

local function in_hash(part, number)
  return call('HGET', key_of(number, part), '') == stamp_of(number)
end
local function in_past(number)
  return call('ZSCORE', key_of(number, 'past'), past_stamp .. stamp_of(number)) and true
end
local function in_marks(number)
  return call('ZSCORE', key_of(number, 'marks'), stamp_of(number)) and true
end
local function in_queue(number)
  return call('LINDEX', key_of(number, 'queue'), 0) == stamp_of(number)
end

-- More arguments than this do not fit the stack of Lua in one call. Even, so that pairs stay together.
local piece = 4000

-- Writes a list of arguments, in pieces.
local function write(command, name, list)
  for first = 1, #list, piece do
    call(command, name, unpack(list, first, math.min(first + piece - 1, #list)))
  end
end

-- Milliseconds of the server's clock. They only say when to stop waiting and what to forget.
local function milliseconds()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
