-- Ends the reservation of a segment, at whose key a tombstone lies.
--
--   ARGV[3]  key of the segment

local broken = unstamped('reservations', 'claims', 'intents')
if broken then
  return foreign(broken)
end
local ticket = call('HGET', key('reservations'), 'k' .. ARGV[3])
if ticket then
  local reserved = call('HGET', key('reservations'), 't' .. ticket)
  finish(ticket, reserved, call('HGET', key('claims'), ticket) or '')
  call('HSET', root, 'releases', releases)
end
return answer()
