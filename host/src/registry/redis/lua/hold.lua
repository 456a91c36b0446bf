-- Holds bodies written ahead in segments from a period on, until the hold is renewed or runs out: see period.lua.
--
--   ARGV[3]  this host
--   ARGV[4]  the period
--   ARGV[5]  how long, in milliseconds

local broken = unstamped('spills')
if broken then
  return foreign(broken)
end
local from = tonumber(ARGV[4])
if from < (tonumber(call('HGET', root, 'spill_floor')) or 0) then
  return { 'period', period }
end
call('HSET', key('spills'), ARGV[3], pack('>I6I4', milliseconds() + tonumber(ARGV[5]), from))
return answer()
