-- Who answers, and which epoch is complete here.
--
--   answer   identity, active epoch (false = none), the newest epoch remembered (false = none)

local known = call('HMGET', root, 'stamp', 'number')
local number = known[2]
local active = number and known[1] == stamp_of(number)
if active then
  for _, part in ipairs(hashes) do
    active = active and in_hash(part, number)
  end
  active = active and in_past(number) and in_marks(number) and in_queue(number)
end
return { 'ok', identity, active and tonumber(number), number and tonumber(number) }
