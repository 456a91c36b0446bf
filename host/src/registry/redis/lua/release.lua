-- Goes before the scripts that end a reservation.

-- Ends a reservation: clears its intents, and only those. The hashes were found stamped.
--
--   reserved   segment, times, and `s` if some of its intents are shared
--   claims     its ids
local function finish(ticket, reserved, claims)
  local ids, gone, left = {}, {}, {}
  for first = 1, #claims, 16 do
    ids[#ids + 1] = sub(claims, first, first + 15)
  end
  if #reserved == 28 then
    -- Nobody else has an intent on them.
    gone = ids
  else
    local exclusive, alone = 'x' .. ticket, 's' .. ticket
    for from = 1, #ids, piece do
      local last = math.min(from + piece - 1, #ids)
      local values = call('HMGET', key('intents'), unpack(ids, from, last))
      for offset, value in ipairs(values) do
        local id = ids[from + offset - 1]
        if value == exclusive or value == alone then
          gone[#gone + 1] = id
        elseif value and byte(value) == 115 then
          local others = { 's' }
          for position = 2, #value, 6 do
            local holder = sub(value, position, position + 5)
            if holder ~= ticket then
              others[#others + 1] = holder
            end
          end
          left[#left + 1] = id
          left[#left + 1] = table.concat(others)
        end
      end
    end
  end
  write('HDEL', key('intents'), gone)
  write('HSET', key('intents'), left)
  call('HDEL', key('reservations'), 't' .. ticket, 'k' .. sub(reserved, 1, 16))
  call('HDEL', key('claims'), ticket)
  releases = releases + 1
end
