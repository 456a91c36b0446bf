-- Makes what was staged the registry of its epoch; called once.
--
--   ARGV[3]  the identity that the claim names
--   ARGV[4]  the next ticket
--   ARGV[5]  how many batches were staged
--   ARGV[6]  how many entries

if identity ~= ARGV[3] then
  return { 'foreign', 'the claim is for another server, or for an earlier life of this one' }
end
local number = call('HGET', root, 'number')
if number and tonumber(number) >= tonumber(epoch) then
  return { 'foreign', 'epoch ' .. number .. ' was here already' }
end
if ARGV[5] == '0' then
  if call('EXISTS', key('staged'), key('handles')) > 0 then
    return { 'foreign', 'something was staged' }
  end
else
  local staged = call('HMGET', key('staged'), '', 'batches', 'entries')
  if staged[1] ~= stamp or not in_hash('handles', epoch) then
    return { 'foreign', 'what was staged is gone' }
  end
  if staged[2] ~= ARGV[5] or staged[3] ~= ARGV[6]
    or call('HLEN', key('handles')) ~= tonumber(ARGV[6]) + 1 then
    return { 'foreign', 'what was staged is not complete' }
  end
end

-- Writes from here on. Older epochs go, and so does what was staged for them; this takes no time in proportion.
local epochs = sub(root, 1, -6) .. 'epochs'
local older = call('SRANDMEMBER', epochs, 64)
older[#older + 1] = number or nil
for _, old in ipairs(older) do
  if tonumber(old) < tonumber(epoch) then
    for _, part in ipairs(hashes) do
      call('UNLINK', key_of(old, part))
    end
    call('UNLINK', key_of(old, 'past'), key_of(old, 'marks'), key_of(old, 'queue'), key_of(old, 'staged'))
    call('SREM', epochs, old)
  end
end
call('SADD', epochs, epoch)
for _, part in ipairs(hashes) do
  if part ~= 'handles' then
    call('UNLINK', key(part))
  end
  call('HSET', key(part), '', stamp)
end
call('UNLINK', key('past'), key('marks'), key('queue'), key('staged'))
call('ZADD', key('past'), 0, past_stamp .. stamp)
call('ZADD', key('marks'), '+inf', stamp)
call('RPUSH', key('queue'), stamp)
call('UNLINK', root)
call('HSET', root, 'stamp', stamp, 'number', epoch, 'version', 0, 'floor', 0, 'releases', 0, 'bytes', 0,
  'ticket', ARGV[4], 'outcomes', 0, 'tickets', 0, 'forgotten', 0,
  'spill_floor', 0, 'relocations', 0, 'period', 0, 'period_ticket', ARGV[4], 'period_since', string.format('%.0f', milliseconds()))
return { 'ok' }
