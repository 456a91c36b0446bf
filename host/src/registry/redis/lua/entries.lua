-- Some of all entries as of a version that is registered: first the newest versions and the ones before them, in the order of
-- the hash, then still older ones, in the order of their ids. None is above that version, none was superseded below the floor.
--
--   ARGV[3]  the version's counter
--   ARGV[4]  where to go on: 'h' and a cursor of the hash, or 'p' and the last member that was looked at
--   ARGV[5]  how many, about
--   answer   where to go on (false = that was all), relocations so far, then id, record, id, record, …; old ones lack the ticket

local at, place, count = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
if at < floor then
  return { 'expired', floor }
end
local broken = unstamped('handles')
if broken then
  return foreign(broken)
end
if not in_past(epoch) then
  return foreign('past')
end
local reply = answer()
reply[5], reply[6] = false, tonumber(call('HGET', root, 'relocations')) or 0
if byte(place) == 104 then
  local found = call('HSCAN', key('handles'), sub(place, 2), 'COUNT', count)
  reply[5] = found[1] == '0' and 'p' or 'h' .. found[1]
  local pairs_found = found[2]
  for index = 1, #pairs_found, 2 do
    local id, record = pairs_found[index], pairs_found[index + 1]
    if id ~= '' then
      local newest, newer = state_end(record) + 6, parse('>I5', record)
      if newer <= at then
        reply[#reply + 1] = id
        reply[#reply + 1] = sub(record, 1, newest)
      end
      -- What was superseded at or below the floor is no history any more.
      if #record > newest and newer > floor and parse('>I5', record, newest + 1) <= at then
        reply[#reply + 1] = id
        reply[#reply + 1] = sub(record, newest + 1)
      end
    end
  end
else
  local after = #place > 1 and '(' .. sub(place, 2) or '-'
  local members = call('ZRANGEBYLEX', key('past'), after, '+', 'LIMIT', 0, count)
  reply[5] = #members == count and 'p' .. members[#members]
  for _, member in ipairs(members) do
    if sub(member, 1, 17) ~= past_stamp and parse('>I5', member, 17) <= at then
      reply[#reply + 1] = sub(member, 1, 16)
      reply[#reply + 1] = sub(member, 17)
    end
  end
end
return reply
