-- All kept versions of ids.
--
--   ARGV[3…]  ids
--   answer    for each id its records, newest first; old ones end before the ticket

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
  local record = records[index + 1]
  local newer = record and parse('>I5', record)
  -- What was superseded at or below the floor can no longer be read, even where it still lies around.
  local function keep(state)
    if newer > floor then
      kept[#kept + 1] = state
      newer = parse('>I5', state)
    end
  end
  if record then
    kept[1] = record
    local before = state_end(record) + 7
    if before <= #record then
      keep(sub(record, before))
      local members = call('ZREVRANGEBYLEX', key('past'), '(' .. id .. sub(record, before, before + 4), '[' .. id)
      for _, member in ipairs(members) do
        keep(sub(member, 17))
      end
    end
  end
  reply[#reply + 1] = kept
end
return reply
