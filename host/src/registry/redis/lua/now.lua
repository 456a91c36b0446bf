-- Point A: a version to read at, what is being published, what changed lately; keeps the history of the version.
--
--   ARGV[3]  the version's counter; empty = the newest
--   ARGV[4]  since which version changes are asked for; -1 = too long ago
--   ARGV[5]  this host
--   ARGV[6]  the lowest version that this host has in use; empty = none
--   ARGV[7]  how long a registration lasts, in milliseconds
--   ARGV[8]  age of a registration at which it is written anew
--   ARGV[9]  most ids being published to list
--   ARGV[10] most changed ids to list; as many changes are in the feed
--   answer   version, ids with intents (false = too many), ids changed in publications (false = too many)

local at = tonumber(ARGV[3]) or version
if at > version then
  return { 'invalid', 'the version lies in the future' }
end
if at < floor then
  return { 'expired', floor }
end
local broken = unstamped('intents', 'feed', 'snapshots')
if broken then
  return foreign(broken)
end

local publishing, publishing_max = false, tonumber(ARGV[9])
if call('HLEN', key('intents')) - 1 <= publishing_max then
  publishing = call('HKEYS', key('intents'))
end

-- Every publication changes something, so more versions than ids may be listed are too many ids.
local changed, since, changed_max = false, tonumber(ARGV[4]), tonumber(ARGV[10])
if since >= version then
  changed = {}
elseif since >= 0 and version - since <= changed_max then
  local slots, room = {}, changed_max
  for number = since + 1, version do
    slots[#slots + 1] = number % changed_max
  end
  changed = call('HMGET', key('feed'), unpack(slots))
  for index, entry in ipairs(changed) do
    -- An entry without ids has too many; one of another version would be a hole.
    if not entry or #entry < 21 or parse('>I5', entry) ~= since + index then
      room = -1
      break
    end
    room = room - (#entry - 5) / 16
  end
  if room < 0 then
    changed = false
  end
end

-- The lower of two registrations stays until it is renewed: too much history is kept, never too little.
local host, now = ARGV[5], milliseconds()
local bound, lease = math.min(at, tonumber(ARGV[6]) or at), tonumber(ARGV[7])
local known = call('HGET', key('snapshots'), host)
local deadline, registered
if known then
  deadline, registered = parse('>I6I5', known)
end
if not known or bound < registered or now > deadline - lease + tonumber(ARGV[8]) then
  call('HSET', key('snapshots'), host, pack('>I6I5', now + lease, bound))
  local hold = call('HGET', key('snapshots'), 'hold')
  if hold then
    local till, lowest = parse('>I6I5', hold)
    if bound < lowest then
      call('HSET', key('snapshots'), 'hold', pack('>I6I5', till, bound))
    end
  end
end

local reply = answer()
reply[5], reply[6], reply[7] = at, publishing, changed
return reply
