-- The ledger's chain, see chain.rs: SHA-256 over the hash before and what a commit's entries make, 64 bytes. Part of
-- `commit`, and run once where there are movements: it costs some 60 microseconds. (Redis itself offers SHA-1
-- alone, which forgers can beat.)
--
-- Words that are kept are below 2^32. What `bit` is given may be a sum of a few: it takes numbers modulo 2^32
-- and reads them exactly below 2^51.

-- The hash, in hex, that follows from one in hex (none: the chain begins) and 32 bytes.
local function link(before, part)
  local band, bxor, ror, rshift = bit.band, bit.bxor, bit.ror, bit.rshift
  local WORD = 4294967296

  local K = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  }
  -- The schedule of the second block, which is the padding of 64 bytes and always the same, with K added.
  local PADDING = {
    0xc28a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf374,
    0x649b69c1, 0xf0fe4786, 0x0fe1edc6, 0x240cf254, 0x4fe9346f, 0x6cc984be, 0x61b9411e, 0x16f988fa,
    0xf2c65152, 0xa88e5a6d, 0xb019fc65, 0xb9d99ec7, 0x9a1231c3, 0xe70eeaa0, 0xfdb1232b, 0xc7353eb0,
    0x3069bad5, 0xcb976d5f, 0x5a0f118f, 0xdc1eeefd, 0x0a35b689, 0xde0b7a04, 0x58f4ca9d, 0xe15d5b16,
    0x007f3e86, 0x37088980, 0xa507ea32, 0x6fab9537, 0x17406110, 0x0d8cd6f1, 0xcdaa3b6d, 0xc0bbbe37,
    0x83613bda, 0xdb48a363, 0x0b02e931, 0x6fd15ca7, 0x521afaca, 0x31338431, 0x6ed41a95, 0x6d437890,
    0xc39c91f2, 0x9eccabbd, 0xb5c9a0e6, 0x532fb63c, 0xd2c741c6, 0x07237ea3, 0xa4954b68, 0x4c191d76,
  }

  -- One block: the words of its schedule, with K added, on the eight words of the state.
  local function compress(words, s)
    local a, b, c, d, e, f, g, h = s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]
    for i = 1, 64 do
      -- choose = (e and f) + (not e and g), majority = (a and b) + (c and (a xor b)).
      local t = h + words[i] + band(e, f) + g - band(e, g) + bxor(ror(e, 6), ror(e, 11), ror(e, 25))
      local ab = band(a, b)
      h, g, f, e = g, f, e, (d + t) % WORD
      t = t + ab + band(c, a + b - 2 * ab) + bxor(ror(a, 2), ror(a, 13), ror(a, 22))
      d, c, b, a = c, b, a, t % WORD
    end
    return {
      (s[1] + a) % WORD, (s[2] + b) % WORD, (s[3] + c) % WORD, (s[4] + d) % WORD,
      (s[5] + e) % WORD, (s[6] + f) % WORD, (s[7] + g) % WORD, (s[8] + h) % WORD,
    }
  end

  -- Makes the 64 words of a block from its first 16.
  local function schedule(words)
    for i = 17, 64 do
      local p, q = words[i - 15], words[i - 2]
      local mixed = bxor(ror(p, 7), ror(p, 18), rshift(p, 3)) + bxor(ror(q, 17), ror(q, 19), rshift(q, 10))
      words[i] = (words[i - 16] + words[i - 7] + mixed) % WORD
    end
    for i = 1, 64 do
      words[i] = words[i] + K[i]
    end
    return words
  end

  local words = { struct.unpack('>I4I4I4I4I4I4I4I4', part) }
  for i = 8, 1, -1 do
    words[i + 8] = words[i]
    words[i] = tonumber(string.sub(before or '', 8 * i - 7, 8 * i), 16) or 0
  end
  local state = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  }
  state = compress(PADDING, compress(schedule(words), state))
  return string.format('%08x%08x%08x%08x%08x%08x%08x%08x', unpack(state))
end
