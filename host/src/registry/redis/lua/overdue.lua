-- All reservations past their deadline.
--
--   answer    milliseconds now, then ticket, segment and times of each

local broken = unstamped('reservations')
if broken then
  return foreign(broken)
end
local reply, all = answer(), call('HGETALL', key('reservations'))
local now = milliseconds()
reply[5] = now
for index = 1, #all, 2 do
  local field, reserved = all[index], all[index + 1]
  if byte(field) == 116 and #field == 7 and parse('>I6', reserved, 23) <= now then
    reply[#reply + 1] = sub(field, 2) .. reserved
  end
end
return reply
