-- Some of all entries as of a version that is registered: first those whose newest version is not above it or else the one
-- before, in the order of the hash, then older versions, in the order of their ids.
--
--   ARGV[3]  the version's counter
--   ARGV[4]  where to go on: 'h' and a cursor of the hash, or 'p' and the last member that was looked at
--   ARGV[5]  how many, about
--   answer   where to go on (false = that was all), then id, record, id, record, …; old ones lack the ticket

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
if byte(place) == 104 then
  local found = call('HSCAN', key('handles'), sub(place, 2), 'COUNT', count)
  reply[5] = found[1] == '0' and 'p' or 'h' .. found[1]
  local pairs_found = found[2]
  for index = 1, #pairs_found, 2 do
    local id, record = pairs_found[index], pairs_found[index + 1]
    if id ~= '' then
      local newest = state_end(record) + 6
      local state
      if parse('>I5', record) <= at then
        state = sub(record, 1, newest)
      elseif #record > newest and parse('>I5', record, newest + 1) <= at then
        state = sub(record, newest + 1)
      end
      if state then
        reply[#reply + 1] = id
        reply[#reply + 1] = state
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
