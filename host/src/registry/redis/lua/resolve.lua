-- Records as of a version.
--
--   ARGV[3]   the version's counter
--   ARGV[4…]  ids
--   answer    the records, index-aligned; old ones end before the ticket

local at = tonumber(ARGV[3])
if at < floor then
  return { 'expired', floor }
end
local count = #ARGV - 3
local records = fetch('handles', 4, count)
if not records then
  return foreign('handles')
end
if at < version then
  if not in_past(epoch) then
    return foreign('past')
  end
  for index = 2, count + 1 do
    local record = records[index]
    if record and parse('>I5', record) > at then
      records[index] = past_of(ARGV[index + 2], record, at)
    end
  end
end
local reply = answer()
reply[5] = records
return reply
