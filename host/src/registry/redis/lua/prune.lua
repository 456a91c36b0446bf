-- Goes before the scripts that drop history.
--
-- The queue holds, in the order of publishing and after its stamp, entries for the versions that were superseded:
--
--   by 5 | when 6 | bytes 6 | the new states are ends 1 | id 16, …    at most 64 ids: those with something in `past`, and ends

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
  -- A server that is full refuses a script whose first write takes room, and this one is to make room.
  call('HDEL', key('snapshots'), 'hold')
  call('HSET', key('snapshots'), 'hold', pack('>I6I5', now + hold_ms, lowest))
  return lowest
end

-- Drops what was superseded in bounded steps: what is past retention, later ones while the bytes are too many. Raises
-- the floor. Answers whether there may be more to drop. The caller found all stamps and writes `floor` and `bytes`.
local function prune(now, retention, bytes_max, hold_ms, steps)
  local past_key = key('past')
  local dropped, hold, entries, done = 0, nil, {}, 0
  while done < steps do
    -- A few at a time: most often the first one is not due.
    local at = dropped % 16 + 1
    if at == 1 then
      entries = call('LRANGE', key('queue'), dropped + 1, dropped + 16)
    end
    local entry = entries[at]
    if not entry then
      break
    end
    local by, time, size, ended = parse('>I5I6I6B', entry)
    local first = sub(entry, 1, 5)
    if now - time < retention and bytes <= bytes_max then
      break
    end
    hold = hold or held(now, hold_ms)
    if by > hold then
      break
    end
    for position = 19, #entry, 16 do
      local id = sub(entry, position, position + 15)
      call('ZREMRANGEBYLEX', past_key, '[' .. id, '(' .. id .. first)
      if ended == 1 then
        local record = call('HGET', key('handles'), id)
        if record and kind_of(record) == REMOVED and sub(record, 1, 5) == first then
          call('HDEL', key('handles'), id)
        end
      end
      done = done + 1
    end
    bytes = math.max(bytes - size, 0)
    floor = math.max(floor, by)
    dropped, done = dropped + 1, done + 1
  end
  if dropped > 0 then
    call('LTRIM', key('queue'), dropped, -1)
    call('LSET', key('queue'), 0, stamp)
  end
  return done >= steps
end
