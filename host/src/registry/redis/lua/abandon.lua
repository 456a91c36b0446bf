-- Ends the reservation of a segment, at whose key a tombstone lies.
--
--   ARGV[3]  key of the segment

local broken = unstamped('reservations', 'claims', 'intents')
if broken then
  return foreign(broken)
end
local ticket = call('HGET', key('reservations'), 'k' .. ARGV[3])
if ticket then
  finish(ticket, ARGV[3], claimed(ticket))
  call('HSET', root, 'releases', releases)
end
return answer()
