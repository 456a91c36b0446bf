-- The reservations in the way of ids.
--
--   ARGV[3…]  ids
--   answer    milliseconds now, then ticket, segment and times of each

local broken = unstamped('reservations')
if broken then
  return foreign(broken)
end
local intents = fetch('intents', 3, #ARGV - 2)
if not intents then
  return foreign('intents')
end
local reply, known = answer(), {}
reply[5] = milliseconds()
for index = 2, #intents do
  local intent = intents[index]
  if intent then
    for position = 2, #intent, 6 do
      local ticket = sub(intent, position, position + 5)
      if not known[ticket] then
        known[ticket] = true
        local reserved = call('HGET', key('reservations'), 't' .. ticket)
        if reserved then
          reply[#reply + 1] = ticket .. reserved
        end
      end
    end
  end
end
return reply
