-- Which cached handles are no longer what a version says.
--
--   ARGV[3]           the version's counter
--   ARGV[4]           how many
--   ARGV[5…]          ids, then as many handles (version, length, chain; empty = absent)
--   answer            index, handle, index, handle, … of those that differ

local at, count = tonumber(ARGV[3]), tonumber(ARGV[4])
if at < floor then
  return { 'expired', floor }
end
local records = fetch('handles', 5, count)
if not records then
  return foreign('handles')
end
local old = at < version
if old and not in_past(epoch) then
  return foreign('past')
end
local reply = answer()
for index = 1, count do
  local known, record = ARGV[4 + count + index], records[index + 1]
  if record then
    if old and parse('>I5', record) > at then
      record = past_of(ARGV[4 + index], record, at)
    else
      record = sub(record, 1, state_end(record))
    end
  end
  local kind = record and kind_of(record)
  if not kind or kind == REMOVED or kind == COUNTER then
    record = ''
  end
  if record ~= known then
    reply[#reply + 1] = index - 1
    reply[#reply + 1] = record
  end
end
return reply
