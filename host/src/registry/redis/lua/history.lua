-- All kept versions of ids.
--
--   ARGV[3…]  ids
--   answer    for each id its records, newest first; old ones lack the ticket

local count = #ARGV - 2
local records = fetch('handles', 3, count)
if not records then
  return foreign('handles')
end
if not in_past(epoch) then
  return foreign('past')
end
local reply = answer()
for index = 1, count do
  local id, kept = ARGV[2 + index], {}
  if records[index + 1] then
    kept[1] = records[index + 1]
    local members = call('ZREVRANGEBYLEX', key('past'), '[' .. id .. '\255\255\255\255\255', '[' .. id)
    for _, member in ipairs(members) do
      kept[#kept + 1] = sub(member, 17)
    end
  end
  reply[#reply + 1] = kept
end
return reply
