"""What the Redis server is to do by itself, without a word in between: four scripts in Lua.

Keys of an index begin with its name, ``N``; bands stand under ``N:blocks`` and ``N:pages`` as datasketch's MinHashLSH
has them under a ``basename``, ``B``:

    B_bucket_II          hash: hash values of band II (two bytes, big-endian) -> name of the set of its rows
    B_bucket_II + H      set: rows, in decimal digits
    B_keys               hash: row -> name of the list of its hash values
    B_keys + row         list: its hash values, a band each

Beside these, under names that datasketch does not use:

    B:marks              hash: row -> 128 one-bit MinHash values, 16 bytes, and its number in the order of entering, 8
    B:prints             hash: 8 bytes of a fingerprint -> rows, with commas between
    B:families           hash: 8 bytes of a family -> rows, with commas between
"""

from __future__ import annotations

from dedup.index.wire import script

# N, token ('' for none), milliseconds: {0, milliseconds of the lock}, or {1, version, meta, documents a language}
BEGIN = script("""
local name = ARGV[1]
if ARGV[2] ~= '' and redis.call('GET', name .. ':lock') ~= ARGV[2] then
  if not redis.call('SET', name .. ':lock', ARGV[2], 'NX', 'PX', ARGV[3]) then
    return {0, redis.call('PTTL', name .. ':lock')}
  end
end
return {
  1, redis.call('GET', name .. ':version') or '', redis.call('HGETALL', name .. ':meta'),
  redis.call('HGETALL', name .. ':languages')
}
""")

# N, token, milliseconds (0 to let go): whether the lock was still held
HOLD = script("""
if redis.call('GET', ARGV[1] .. ':lock') ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', ARGV[1] .. ':lock') else redis.call('PEXPIRE', ARGV[1] .. ':lock', ARGV[3]) end
return 1
""")

# B, bands, bytes a band, hash values, fingerprints, families:
# {which of the hash values, its rows, ...}, {rows}, {their marks}, {of each fingerprint}, {of each family}
FIND = script("""
local base, bands, width = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local names = {}
for band = 0, bands - 1 do
  names[band] = base .. '_bucket_' .. string.char(math.floor(band / 256), band % 256)
end
local function cut(blob, size)
  local parts = {}
  for at = 1, #blob, size do parts[#parts + 1] = string.sub(blob, at, at + size - 1) end
  return parts
end
local function look(key, fields)
  local found = {}
  for first = 1, #fields, 4000 do
    local some = redis.call('HMGET', key, unpack(fields, first, math.min(first + 3999, #fields)))
    for _, one in ipairs(some) do found[#found + 1] = one end
  end
  return found
end
local found, rows, known = {}, {}, {}
for k, value in ipairs(cut(ARGV[4], width)) do
  local members = redis.call('SMEMBERS', names[(k - 1) % bands] .. value)
  if #members > 0 then
    found[#found + 1] = k - 1
    found[#found + 1] = members
    for _, row in ipairs(members) do
      if not known[row] then
        known[row] = true
        rows[#rows + 1] = row
      end
    end
  end
end
return {
  found, rows, look(base .. ':marks', rows), look(base .. ':prints', cut(ARGV[5], 8)),
  look(base .. ':families', cut(ARGV[6], 8))
}
""")

# N, version expected, version to come, token, limit of buckets, then as often as there is something: how many words,
# a command of so many words; 0; and then, six words each, what is to be done with bands:
#   list, B, row, hash values, bytes a band, marks
#   unlist, B, row, '', '', ''
#   put or take, key of a hash, row, field, '', ''
#   count, key of a table of terms, '', buckets and counts of 4 bytes each (little-endian), '', ''
# 1 where it was written, by this call or the same one before; 0 where another has written
COMMIT = script("""
local name, limit = ARGV[1], tonumber(ARGV[5])
if (redis.call('GET', name .. ':version') or '') ~= ARGV[2] then
  return redis.call('EXISTS', name .. ':done:' .. ARGV[3])
end
local buckets = {}
local function bucket_of(base, band)
  local of = buckets[base]
  if not of then
    of = {}
    buckets[base] = of
  end
  if not of[band] then of[band] = base .. '_bucket_' .. string.char(math.floor(band / 256), band % 256) end
  return of[band]
end
local function unlist(base, row)
  local list = base .. '_keys' .. row
  for k, value in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local bucket = bucket_of(base, k - 1)
    if redis.call('SREM', bucket .. value, row) == 1 and redis.call('EXISTS', bucket .. value) == 0 then
      redis.call('HDEL', bucket, value)
    end
  end
  redis.call('DEL', list)
  redis.call('HDEL', base .. '_keys', row)
  redis.call('HDEL', base .. ':marks', row)
end
local function list(base, row, values, width, marks)
  if redis.call('HEXISTS', base .. '_keys', row) == 1 then unlist(base, row) end
  local all = {}
  for at = 1, #values, width do
    local value = string.sub(values, at, at + width - 1)
    local bucket = bucket_of(base, #all)
    local set = bucket .. value
    local size = redis.call('SCARD', set)
    if size == 0 then redis.call('HSET', bucket, value, set) end
    if size < limit then redis.call('SADD', set, row) end
    all[#all + 1] = value
  end
  redis.call('RPUSH', base .. '_keys' .. row, unpack(all))
  redis.call('HSET', base .. '_keys', row, base .. '_keys' .. row)
  redis.call('HSET', base .. ':marks', row, marks)
end
local function change(key, row, field, put)
  local rows = {}
  for one in string.gmatch(redis.call('HGET', key, field) or '', '[^,]+') do
    if one ~= row then rows[#rows + 1] = one end
  end
  if put then rows[#rows + 1] = row end
  if #rows > 0 then redis.call('HSET', key, field, table.concat(rows, ',')) else redis.call('HDEL', key, field) end
end
local function count(key, blob)
  local words = {}
  for at = 1, #blob, 8 do
    local bucket, times = struct.unpack('<I4I4', blob, at)
    words[#words + 1] = 'INCRBY'
    words[#words + 1] = 'u32'
    words[#words + 1] = '#' .. bucket
    words[#words + 1] = times
    if #words == 4000 or at + 8 > #blob then
      redis.call('BITFIELD', key, 'OVERFLOW', 'SAT', unpack(words))
      words = {}
    end
  end
end
local at = 6
while ARGV[at] ~= '0' do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + 1 + words
end
for k = at + 1, #ARGV, 6 do
  local what, key, row = ARGV[k], ARGV[k + 1], ARGV[k + 2]
  if what == 'list' then
    list(key, row, ARGV[k + 3], tonumber(ARGV[k + 4]), ARGV[k + 5])
  elseif what == 'unlist' then
    unlist(key, row)
  elseif what == 'count' then
    count(key, ARGV[k + 3])
  else
    change(key, row, ARGV[k + 3], what == 'put')
  end
end
redis.call('SET', name .. ':version', ARGV[3])
redis.call('SET', name .. ':done:' .. ARGV[3], '1', 'EX', 120)
if redis.call('GET', name .. ':lock') == ARGV[4] then redis.call('DEL', name .. ':lock') end
return 1
""")

# B, limit of buckets, bytes a band, then row and hash values by turns: the rows that are not wholly listed
LISTED = script("""
local base, limit, width = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local missing = {}
for k = 4, #ARGV, 2 do
  local row, values = ARGV[k], ARGV[k + 1]
  local good = redis.call('HEXISTS', base .. '_keys', row) == 1 and redis.call('HEXISTS', base .. ':marks', row) == 1
  good = good and table.concat(redis.call('LRANGE', base .. '_keys' .. row, 0, -1)) == values
  for at = 1, #values, width do
    local band = (at - 1) / width
    local value = string.sub(values, at, at + width - 1)
    local bucket = base .. '_bucket_' .. string.char(math.floor(band / 256), band % 256)
    local there = redis.call('SISMEMBER', bucket .. value, row) == 1 and redis.call('HEXISTS', bucket, value) == 1
    good = good and (there or redis.call('SCARD', bucket .. value) >= limit)
  end
  if not good then missing[#missing + 1] = row end
end
return missing
""")
ALL = (BEGIN, HOLD, FIND, COMMIT, LISTED)
