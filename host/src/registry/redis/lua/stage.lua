-- Puts a batch of records aside for an epoch that is not active: into the handles of that epoch, which nobody reads.
--
--   ARGV[3]   number of the batch
--   ARGV[4…]  id, record, id, record, …

local number = call('HGET', root, 'number')
if number and tonumber(number) >= tonumber(epoch) then
  return { 'foreign', 'epoch ' .. number .. ' was here already' }
end
local begun = call('HGET', key('staged'), '')
local handles = call('HGET', key('handles'), '')
if begun ~= handles or (begun and begun ~= stamp) then
  return { 'foreign', 'what was staged before is gone' }
end
if call('HEXISTS', key('staged'), 'b' .. ARGV[3]) == 1 then
  return { 'ok' }
end
if not begun then
  call('SADD', sub(root, 1, -6) .. 'epochs', epoch)
  call('HSET', key('staged'), '', stamp, 'batches', 0, 'entries', 0)
  call('HSET', key('handles'), '', stamp)
end
for first = 4, #ARGV, piece do
  call('HSET', key('handles'), unpack(ARGV, first, math.min(first + piece - 1, #ARGV)))
end
call('HSET', key('staged'), 'b' .. ARGV[3], 1)
call('HINCRBY', key('staged'), 'batches', 1)
call('HINCRBY', key('staged'), 'entries', (#ARGV - 3) / 2)
return { 'ok' }
