-- Ends a period and begins the next one: all that a checkpoint says about the moment.
--
--   ARGV[3]  the period that ends
--   ARGV[4]  most tickets between the lowest unresolved one and the next one
--   answer   the new period, the oldest one with a reservation, the lowest unresolved ticket, the next ticket, fields of
--            the handles, the spill floor that the oldest period began with (0 = nobody remembers), relocations so far, then
--            the tickets in between that are published
--
-- The hash `spills`: host -> deadline 6, period 4. A host holds bodies written ahead in segments from that period on.

if period ~= tonumber(ARGV[3]) then
  return { 'period', period }
end
local broken = unstamped('reservations', 'published', 'handles', 'spills')
if broken then
  return foreign(broken)
end
local begun, low_water = period + 1, next_ticket
local oldest = begun
local all = call('HGETALL', key('reservations'))
for index = 1, #all, 2 do
  local field, reserved = all[index], all[index + 1]
  if byte(field) == 116 and #field == 7 then
    low_water = math.min(low_water, (parse('>I6', field, 2)))
    oldest = math.min(oldest, (parse('>I4', reserved, 5)))
  end
end
local forgotten = tonumber(call('HGET', root, 'forgotten'))
if not forgotten then
  return foreign('the root is damaged')
end
if low_water <= forgotten or next_ticket - low_water > tonumber(ARGV[4]) then
  return { 'later', 'too much was published since reservation ' .. low_water .. ', which is not resolved yet' }
end
local reply = answer()
reply[5], reply[6], reply[7], reply[8], reply[9] = begun, oldest, low_water, next_ticket, call('HLEN', key('handles'))
local now, held, gone = milliseconds(), begun, {}
local holds = call('HGETALL', key('spills'))
for index = 1, #holds, 2 do
  if holds[index] ~= '' then
    local deadline, from = parse('>I6I4', holds[index + 1])
    if deadline <= now then
      gone[#gone + 1] = holds[index]
    else
      held = math.min(held, from)
    end
  end
end
local before = tonumber(call('HGET', root, 'spill_floor')) or 0
local spill_floor = math.max(before, held)
reply[10] = oldest == begun and spill_floor or oldest == period and before or 0
reply[11] = tonumber(call('HGET', root, 'relocations')) or 0
for first = low_water, next_ticket - 1, piece do
  local tickets = {}
  for ticket = first, math.min(first + piece, next_ticket) - 1 do
    tickets[#tickets + 1] = pack('>I6', ticket)
  end
  local found = call('HMGET', key('published'), unpack(tickets))
  for index = 1, #tickets do
    if found[index] then
      reply[#reply + 1] = first + index - 1
    end
  end
end

-- Writes from here on.
write('HDEL', key('spills'), gone)
call('HSET', root, 'period', begun, 'period_ticket', string.format('%.0f', next_ticket),
  'period_since', string.format('%.0f', now), 'spill_floor', spill_floor)
return reply
