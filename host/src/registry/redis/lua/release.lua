-- Goes before the scripts that end a reservation.

-- The ids of a reservation.
local function claimed(ticket)
  local all, ids = call('HGET', key('claims'), ticket), {}
  if all then
    for first = 1, #all, 16 do
      ids[#ids + 1] = sub(all, first, first + 15)
    end
  end
  return ids
end

-- Ends a reservation: clears its intents, and only those. The hashes were found stamped.
local function finish(ticket, segment, ids)
  local gone, left = {}, {}
  for from = 1, #ids, piece do
    local last = math.min(from + piece - 1, #ids)
    local values = call('HMGET', key('intents'), unpack(ids, from, last))
    for offset, value in ipairs(values) do
      local id = ids[from + offset - 1]
      if value == 'x' .. ticket or value == 's' .. ticket then
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
  write('HDEL', key('intents'), gone)
  write('HSET', key('intents'), left)
  call('HDEL', key('reservations'), 't' .. ticket, 'k' .. segment)
  call('HDEL', key('claims'), ticket)
  releases = releases + 1
end
