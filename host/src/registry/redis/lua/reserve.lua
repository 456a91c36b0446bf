-- Step 1 of a commit: every observation still holds, what is claimed exclusively was observed or is fresh, and no id
-- carries an intent of another transaction, earlier ones of the group included. Then intents, and a ticket.
--
--   ARGV[3]   key of the segment
--   ARGV[4]   lease in milliseconds
--   ARGV[5]   how many ids
--   ARGV[6…]  the ids, each once; then one string for each request:
--             flags 1 | observations 4 | claims 4 | [spills 4] | (id 4, version 5)… | (id 4, claim 1)…
--             flags: 1 = priority, 2 = consumes bodies written ahead, the earliest of them in the period `spills`
--             an id is its number from 1; version: 2^40 - 1 = absent; claim: 0 exclusive, 1 shared, 2 relocation
--   answer    ticket (0 = none), then a verdict for each request: {0} granted, {1, ids…} changed, {2, ids…} busy,
--             {3} the bodies written ahead may be gone

local segment, lease, count = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local broken = unstamped('reservations', 'claims')
if broken then
  return foreign(broken)
end
if not in_marks(epoch) then
  return foreign('marks')
end
if call('HEXISTS', key('reservations'), 'k' .. segment) == 1 then
  return { 'invalid', 'this segment is reserved already' }
end
if parse('>I4', segment, 5) < period then
  return { 'period', period }
end
local records = fetch('handles', 6, count)
local intents = fetch('intents', 6, count)
if not records or not intents then
  return foreign('handles or intents')
end

-- Waiting marks, looked for only while there are any.
local now, marked = milliseconds(), {}
local marks = call('ZCARD', key('marks')) > 1
if marks then
  for from = 6, 5 + count, piece do
    local scores = call('ZMSCORE', key('marks'), unpack(ARGV, from, math.min(from + piece - 1, 5 + count)))
    for offset, score in ipairs(scores) do
      if score and now < tonumber(score) then
        marked[from - 6 + offset] = true
      end
    end
  end
end

local EXCLUSIVE, SHARED = 0, 1
local placed, order = {}, {}

local function busy(id, claim)
  local intent = placed[id] or (intents[id + 1] and byte(intents[id + 1]))
  return intent and not (intent == 115 and claim == SHARED)
end

-- Decodes without making strings: this is most of the time of a large transaction.
local function judge(request)
  local flags, observations, claims, position = parse('>BI4I4', request)
  local priority = flags % 2
  if flags >= 2 then
    local spills = parse('>I4', request, position)
    position = position + 4
    if spills < (tonumber(call('HGET', root, 'spill_floor')) or 0) then
      return { 3 }
    end
  end
  local changed, waiting, observed = { 1 }, { 2 }, {}
  for _ = 1, observations do
    local a, b, c, d, v, w, x, y, z = byte(request, position, position + 8)
    local id = ((a * 256 + b) * 256 + c) * 256 + d
    position = position + 9
    observed[id] = true
    -- Removed is as good as absent.
    local record, e, f, g, h, i, high, low = records[id + 1], nil, nil, nil, nil, nil, 0, 0
    if record then
      e, f, g, h, i, high, low = byte(record, 1, 7)
    end
    if high == 0 and low == 0 then
      e, f, g, h, i = 255, 255, 255, 255, 255
    end
    if z ~= i or y ~= h or x ~= g or w ~= f or v ~= e then
      changed[#changed + 1] = id
    elseif placed[id] or intents[id + 1] then
      waiting[#waiting + 1] = id
    end
  end
  local first_claim = position
  for _ = 1, claims do
    local a, b, c, d, claim = byte(request, position, position + 4)
    local id = ((a * 256 + b) * 256 + c) * 256 + d
    position = position + 5
    if claim == EXCLUSIVE and not observed[id] and records[id + 1] then
      changed[#changed + 1] = id
    elseif ((placed[id] or intents[id + 1]) and busy(id, claim)) or (priority == 0 and marked[id]) then
      waiting[#waiting + 1] = id
    end
  end
  if #changed > 1 then
    return changed
  elseif #waiting > 1 then
    return waiting
  end
  for start = first_claim, position - 1, 5 do
    local a, b, c, d, claim = byte(request, start, start + 4)
    local id = ((a * 256 + b) * 256 + c) * 256 + d
    if not placed[id] then
      order[#order + 1] = id
    end
    placed[id] = claim == SHARED and 115 or 120
  end
  return { 0 }, priority == 1 and observed
end

local reply, freed = answer(), {}
reply[5] = 0
for index = 6 + count, #ARGV do
  reply[#reply + 1], freed[#freed + 1] = judge(ARGV[index])
end

-- Writes from here on. Those who held others back and were granted end their marks, and all that ran out.
if marks then
  for _, observed in ipairs(freed) do
    if observed then
      local ids = {}
      for id in pairs(observed) do
        if marked[id] then
          ids[#ids + 1] = ARGV[5 + id]
        end
      end
      local gone = call('ZREMRANGEBYSCORE', key('marks'), '-inf', now)
      if #ids > 0 then
        for from = 1, #ids, piece do
          gone = gone + call('ZREM', key('marks'), unpack(ids, from, math.min(from + piece - 1, #ids)))
        end
      end
      if gone > 0 then
        releases = call('HINCRBY', root, 'releases', 1)
      end
    end
  end
  reply[4] = releases
end
if #order > 0 then
  local ticket = pack('>I6', next_ticket)
  local values, ids, exclusive, shared = {}, {}, 'x' .. ticket, ''
  for index, id in ipairs(order) do
    local name, value = ARGV[5 + id], exclusive
    if placed[id] == 115 then
      value, shared = (intents[id + 1] or 's') .. ticket, 's'
    end
    ids[index], values[2 * index - 1], values[2 * index] = name, name, value
  end
  write('HSET', key('intents'), values)
  call('HSET', key('claims'), ticket, table.concat(ids))
  call('HSET', key('reservations'), 't' .. ticket, segment .. pack('>I6I6', now, now + lease) .. shared,
    'k' .. segment, ticket)
  call('HSET', root, 'ticket', string.format('%.0f', next_ticket + 1))
  reply[5] = next_ticket
end
return reply
