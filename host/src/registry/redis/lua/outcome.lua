-- The version of a committed transaction that is still remembered.
--
--   ARGV[3]  its id
--   answer   the version's counter, or false

local broken = unstamped('published')
if broken then
  return foreign(broken)
end
local found = call('HGET', key('published'), ARGV[3])
local reply = answer()
reply[5] = found and parse('>I5', found)
return reply
