-- Goes before the scripts that drop history.
--
-- The queue holds, in the order of publishing and after its stamp, an entry for every version that was superseded:
--
--   by 5 | when 6 | bytes 6 | the new state is an end 1 | id 16

-- No version above this may be given up: someone may read it. Looked up anew now and then, lowered at once by `now`.
local function held(now, hold_ms)
  local hold = call('HGET', key('snapshots'), 'hold')
  if hold then
    local till, lowest = parse('>I6I5', hold)
    if now < till then
      return lowest
    end
  end
  local lowest, gone = version, {}
  local all = call('HGETALL', key('snapshots'))
  for index = 1, #all, 2 do
    local host = all[index]
    if host ~= '' and host ~= 'hold' then
      local deadline, bound = parse('>I6I5', all[index + 1])
      if deadline <= now then
        gone[#gone + 1] = host
      elseif bound < lowest then
        lowest = bound
      end
    end
  end
  write('HDEL', key('snapshots'), gone)
  call('HSET', key('snapshots'), 'hold', pack('>I6I5', now + hold_ms, lowest))
  return lowest
end

-- Drops up to so many superseded versions: those past retention, older ones while the bytes are too many. Raises the
-- floor. Answers whether there may be more to drop. The caller found all stamps and writes `floor` and `bytes`.
local function prune(now, retention, bytes_max, hold_ms, steps)
  local dropped, hold, entries = 0, nil, {}
  while dropped < steps do
    -- A few at a time: most often the first one is not due.
    local at = dropped % 64 + 1
    if at == 1 then
      entries = call('LRANGE', key('queue'), dropped + 1, dropped + 64)
    end
    local entry = entries[at]
    if not entry then
      break
    end
    local by, time, size, ended = parse('>I5I6I6B', entry)
    if now - time < retention and bytes <= bytes_max then
      break
    end
    hold = hold or held(now, hold_ms)
    if by > hold then
      break
    end
    local id, first = sub(entry, 19), sub(entry, 1, 5)
    call('ZREMRANGEBYLEX', key('past'), '[' .. id, '(' .. id .. first)
    if ended == 1 then
      local record = call('HGET', key('handles'), id)
      if record and kind_of(record) == REMOVED and sub(record, 1, 5) == first then
        call('HDEL', key('handles'), id)
      end
    end
    bytes = math.max(bytes - size, 0)
    floor = math.max(floor, by)
    dropped = dropped + 1
  end
  if dropped > 0 then
    call('LTRIM', key('queue'), dropped, -1)
    call('LSET', key('queue'), 0, stamp)
  end
  return dropped == steps
end
