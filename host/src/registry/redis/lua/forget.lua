-- Drops history in bounded steps.
--
--   ARGV[3]  retention in milliseconds
--   ARGV[4]  bytes of history beyond which the oldest goes earlier
--   ARGV[5]  how long the lowest snapshot in use need not be looked up anew, in milliseconds
--   ARGV[6]  most steps
--   answer   1 = there may be more to drop

local broken = unstamped('handles', 'snapshots')
if broken then
  return foreign(broken)
end
if not in_past(epoch) or not in_queue(epoch) then
  return foreign('past or queue')
end
local more = prune(milliseconds(), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
call('HSET', root, 'floor', floor, 'bytes', string.format('%.0f', bytes))
local reply = answer()
reply[5] = more and 1 or 0
return reply
