"""UTF-8 bytes of blocks in; 64-bit token hashes and 128-bit fingerprints out, in one pass over the bytes.

ASCII separators cut the bytes into pieces. A piece of ASCII is one token, folded and hashed eight bytes at a time;
another is folded character by character, and may be any number of tokens.
"""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U8, U32, U64
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.masks import STRIDE, between, roomy
from dedup.kernels.mixing import K_FIRST, K_LENGTH, K_SECOND, K_TOKEN, lowest_bit, mix64, ones

SEPARATOR = np.uint32(0)
SKIP = np.uint32(1)
NUMBER = np.uint32(1 << 21)
ALONE = np.uint32(1 << 22)
MARK = np.uint32(1 << 23)
EXPANSION = np.uint32(ALONE | MARK)
VALUE = np.uint32((1 << 21) - 1)
TWO_BYTES = np.uint8(0x80)
THREE_BYTES = np.uint8(0xE0)
FOUR_BYTES = np.uint8(0xF0)
# Unicode's Stream-Safe Text Format (UAX #15, section 13) allows 30 marks in a row; past that, order is kept as is.
MAX_MARKS = 32
SEED = np.uint64(0x243F6A8885A308D3)
ZERO = np.uint64(0)
ONE = np.uint64(1)
EIGHT = np.uint64(8)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
# In each of eight bytes: the bit that only bytes beyond ASCII have, and the one that of ASCII's letters and digits only
# letters have; half of it is the bit that makes a letter a small one.
BEYOND_ASCII = np.uint64(0x8080808080808080)
LETTER = np.uint64(0x4040404040404040)


@kernel
def find_pieces(data: U8, inside: U64) -> int:
    """Find the bytes that no ASCII separator is: letters, digits, and all beyond ASCII.

    Args:
        data: uint8.
        inside: uint64[data.size // 64 + 1], filled: bit ``k % 64`` of word ``k // 64`` tells of byte ``k``.

    Returns:
        How many tokens the bytes hold at the very most, and one more for each span that begins inside a piece: a piece
        of ASCII is one, and of three bytes beyond ASCII an expansion makes six.
    """
    size, data = data.size, roomy(data)
    pieces, beyond, before = ZERO, ZERO, ZERO
    inside[inside.size - 1] = ZERO
    for i in range((size + STRIDE - 1) // STRIDE):
        base = STRIDE * i
        others = between(data, base, 0x80, 0xFF)
        bits = between(data, base, 65, 90) | between(data, base, 97, 122) | between(data, base, 48, 57) | others
        inside[i] = bits
        pieces += ones(bits & ~(bits << ONE | before))
        beyond += ones(others)
        before = bits >> np.uint64(63)
    return int(np.int64(pieces + beyond + beyond))


@inline
def eight_bytes(data: U8, p: np.uint64) -> np.uint64:
    """Return the eight bytes at ``p`` as a number, the first lowest; compiles to one load."""
    word = np.uint64(data[p]) | np.uint64(data[p + ONE]) << EIGHT
    word |= np.uint64(data[p + np.uint64(2)]) << np.uint64(16) | np.uint64(data[p + np.uint64(3)]) << np.uint64(24)
    word |= np.uint64(data[p + np.uint64(4)]) << np.uint64(32) | np.uint64(data[p + np.uint64(5)]) << np.uint64(40)
    return (
        word | np.uint64(data[p + np.uint64(6)]) << np.uint64(48) | np.uint64(data[p + np.uint64(7)]) << np.uint64(56)
    )


@inline
def last_bytes(data: U8, p: np.uint64, end: np.uint64) -> np.uint64:
    """Return the bytes ``data[p:end]``, one to eight of them, as ``eight_bytes`` does, zeros behind them."""
    if p + EIGHT <= np.uint64(data.size):
        return eight_bytes(data, p) & ALL_BITS >> (EIGHT * (EIGHT - (end - p)))
    word = ZERO
    for k in range(end - p):
        word |= np.uint64(data[p + np.uint64(k)]) << np.uint64(8 * k)
    return word


@inline
def take(h: np.uint64, word: np.uint64) -> np.uint64:
    """Take eight bytes of a folded token, the last padded with zeros, into its running hash."""
    h = (h ^ word) * K_TOKEN
    return h ^ (h >> np.uint64(32))


@inline
def finish(h: np.uint64, is_number: np.uint64) -> np.uint64:
    """Return the hash of a token; its lowest bit tells whether every character is a number."""
    return mix64(h) & ~ONE | is_number


@inline
def code_point(data: U8, p: np.uint64, c: np.uint8) -> tuple[np.uint32, np.uint64]:
    """Decode the character of two to four bytes at ``p``; valid UTF-8 is the caller's promise."""
    tail = np.uint32(0x3F)
    second = np.uint32(data[p + np.uint64(1)]) & tail
    if c < THREE_BYTES:
        return (np.uint32(c) & np.uint32(0x1F)) << np.uint32(6) | second, p + np.uint64(2)
    third = np.uint32(data[p + np.uint64(2)]) & tail
    if c < FOUR_BYTES:
        cp = (np.uint32(c) & np.uint32(0x0F)) << np.uint32(12) | second << np.uint32(6)
        return cp | third, p + np.uint64(3)
    cp = (np.uint32(c) & np.uint32(0x07)) << np.uint32(18) | second << np.uint32(12) | third << np.uint32(6)
    return cp | np.uint32(data[p + np.uint64(3)]) & tail, p + np.uint64(4)


@helper
def add(h: np.uint64, word: np.uint64, filled: np.uint64, entry: np.uint32) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Take a folded character into a token: its running hash, the bytes that wait, and how many they are.

    A character of ASCII is one byte, another three, seven bits in each.
    """
    code, width = np.uint64(entry & VALUE), ONE
    if code >= np.uint64(TWO_BYTES):
        low, middle, high = code & np.uint64(0x7F), code >> np.uint64(7) & np.uint64(0x7F), code >> np.uint64(14)
        code = high | middle << np.uint64(8) | low << np.uint64(16) | np.uint64(0x808080)
        width = np.uint64(3)
    word |= code << (EIGHT * filled)
    filled += width
    if filled >= EIGHT:
        h = take(h, word)
        filled -= EIGHT
        word = code >> (EIGHT * (width - filled))
    return h, word, filled


@helper
def fold_piece(
    data: U8,
    start: np.uint64,
    end: np.uint64,
    pages: I32,
    entries: U32,
    expansions: U32,
    marks: U32,
    tokens: U64,
    count: int,
) -> int:
    """Hash the tokens of a piece character by character, from ``tokens[count]`` on; return the new count.

    Args:
        data: uint8, valid UTF-8.
        start: first byte of the piece.
        end: the byte after its last.
        pages: int32[4352], see ``dedup.unicode``. So are ``entries`` and ``expansions``.
        entries: see there.
        expansions: see there.
        marks: uint32[MAX_MARKS], scratch: combining marks that wait for others of a smaller class.
        tokens: uint64, filled.
        count: tokens so far.
    """
    h, word, filled = SEED, ZERO, ZERO
    number = NUMBER
    pending = 0
    is_open, is_alone = False, False
    p = start
    while p < end:
        queued, queue_end = 0, 1
        expanded = False
        c = data[p]
        if c < TWO_BYTES:
            entry = entries[pages[0] + c]
            p += ONE
        else:
            cp, p = code_point(data, p, c)
            entry = entries[pages[cp >> np.uint32(8)] + np.int64(cp & np.uint32(0xFF))]
            if entry == SKIP:
                continue
            if entry & EXPANSION == EXPANSION:
                expanded = True
                queued = int(np.int64(entry & VALUE))
                queue_end = queued + int(np.int64(entry >> np.uint32(24)))
        while queued < queue_end:
            if expanded:
                entry = expansions[queued]
            queued += 1
            rank = entry >> np.uint32(24)
            if entry & MARK and not is_open:
                continue
            if entry & MARK and rank != 0 and pending < MAX_MARKS:
                # marks of the open token wait, sorted by combining class (canonical order, UAX #15)
                k = pending
                while k > 0 and marks[k - 1] >> np.uint32(24) > rank:
                    marks[k] = marks[k - 1]
                    k -= 1
                marks[k] = entry
                pending += 1
                continue
            for k in range(pending):
                h, word, filled = add(h, word, filled, marks[k])
            pending = 0
            if is_open and entry & MARK == 0 and (entry == SEPARATOR or is_alone or entry & ALONE):
                tokens[count] = finish(take(h, word) if filled > ZERO else h, np.uint64(number >> np.uint32(21)))
                count += 1
                h, word, filled = SEED, ZERO, ZERO
                number = NUMBER
                is_open = False
            if entry != SEPARATOR:
                h, word, filled = add(h, word, filled, entry)
                if entry & MARK == 0:
                    number &= entry
                    is_alone = entry & ALONE != 0
                    is_open = True
    if is_open:
        for k in range(pending):
            h, word, filled = add(h, word, filled, marks[k])
        tokens[count] = finish(take(h, word) if filled > ZERO else h, np.uint64(number >> np.uint32(21)))
        count += 1
    return count


@inline
def take_token(first: np.uint64, second: np.uint64, token: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Take a token into the two running halves of a fingerprint."""
    first = (first ^ token) * K_FIRST
    second = (second + token) * K_SECOND
    return first ^ first >> np.uint64(32), second ^ second >> np.uint64(29)


@inline
def finish_fingerprint(first: np.uint64, second: np.uint64, count: int) -> tuple[np.uint64, np.uint64]:
    """Return the fingerprint of ``count`` tokens, 128 bits."""
    length = np.uint64(count) * K_LENGTH
    return mix64(first ^ length), mix64(second + length)


@kernel
def fingerprint_rows(tokens: U64, bounds: I64) -> U64:
    """Return the fingerprints of rows of tokens: uint64[n, 2].

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each row begins.
    """
    found = np.empty((bounds.size - 1, 2), np.uint64)
    for row in range(bounds.size - 1):
        first, second = SEED, K_LENGTH
        for k in range(bounds[row], bounds[row + 1]):
            first, second = take_token(first, second, tokens[k])
        found[row, 0], found[row, 1] = finish_fingerprint(first, second, bounds[row + 1] - bounds[row])
    return found


@kernel
def tokenize(
    data: U8,
    doc_bounds: I64,
    block_bounds: I64,
    starts: I64,
    ends: I64,
    inside: U64,
    pages: I32,
    entries: U32,
    expansions: U32,
    tokens: U64,
) -> tuple[I64, U64, U64]:
    """Hash the tokens of ``n`` blocks of valid UTF-8.

    A token is a maximal run of letters, numbers and marks after folding; a character of a script written without
    spaces is one by itself. Its hash's lowest bit tells whether it is all numbers.

    Args:
        data: uint8, the bytes.
        doc_bounds: int64[docs + 1], where each document begins in ``data``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        starts: int64[n], first byte of each block, counted from the start of its document.
        ends: int64[n], the byte after its last.
        inside: uint64, see ``find_pieces``.
        pages: int32[4352], see ``dedup.unicode``.
        entries: uint32, see there.
        expansions: uint32, see there.
        tokens: uint64, filled with the hashes; ``n`` entries more than ``find_pieces`` says are enough.

    Returns:
        int64[n + 1], where each block's tokens begin in ``tokens``; uint64[n, 2], fingerprints of the blocks' token
        sequences; uint64[docs, 2], fingerprints of the documents'.
    """
    n, docs = starts.size, doc_bounds.size - 1
    bounds = np.zeros(n + 1, np.int64)
    fingerprints, doc_fingerprints = np.empty((n, 2), np.uint64), np.empty((docs, 2), np.uint64)
    marks = np.empty(MAX_MARKS, np.uint32)
    low = np.uint64(STRIDE - 1)
    count = 0
    for doc in range(docs):
        doc_first, doc_second = SEED, K_LENGTH
        for i in range(block_bounds[doc], block_bounds[doc + 1]):
            lo, end = np.uint64(doc_bounds[doc] + starts[i]), np.uint64(doc_bounds[doc] + ends[i])
            first, second = SEED, K_LENGTH
            start, before = ZERO, ZERO
            clip = ALL_BITS << (lo & low)
            for at in range(lo >> np.uint64(6), (end >> np.uint64(6)) + ONE):
                base = np.uint64(at) << np.uint64(6)
                bits = inside[at] & clip
                clip = ALL_BITS
                if base + np.uint64(STRIDE) > end:
                    bits &= (ONE << (end & low)) - ONE
                shifted = bits << ONE | before
                begins, stops = bits & ~shifted, ~bits & shifted
                if before == ZERO:
                    start = base + lowest_bit(begins)
                    begins &= begins - ONE
                before = bits >> low
                while stops != ZERO:
                    stop = base + lowest_bit(stops)
                    stops &= stops - ONE
                    h, seen, p = SEED, ZERO, start
                    while p + EIGHT < stop:
                        word = eight_bytes(data, p)
                        seen |= word
                        h = take(h, word | (word & LETTER) >> ONE)
                        p += EIGHT
                    word = last_bytes(data, p, stop)
                    seen |= word
                    h = take(h, word | (word & LETTER) >> ONE)
                    if seen & BEYOND_ASCII == ZERO:
                        token = finish(h, np.uint64(seen & LETTER == ZERO))
                        tokens[count] = token
                        count += 1
                        first, second = take_token(first, second, token)
                        doc_first, doc_second = take_token(doc_first, doc_second, token)
                    else:
                        known = count
                        count = fold_piece(data, start, stop, pages, entries, expansions, marks, tokens, count)
                        for k in range(known, count):
                            first, second = take_token(first, second, tokens[k])
                            doc_first, doc_second = take_token(doc_first, doc_second, tokens[k])
                    start = base + lowest_bit(begins)
                    begins &= begins - ONE
            bounds[i + 1] = count
            fingerprints[i, 0], fingerprints[i, 1] = finish_fingerprint(first, second, count - bounds[i])
        size = count - bounds[block_bounds[doc]]
        doc_fingerprints[doc, 0], doc_fingerprints[doc, 1] = finish_fingerprint(doc_first, doc_second, size)
    return bounds, fingerprints, doc_fingerprints


@kernel
def masked_keys(tokens: U64, bounds: I64, rows: I64, least_words: int) -> U64:
    """Hash ``m`` runs of token hashes with runs of numbers masked: equal where they differ in numbers only.

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each run begins.
        rows: int64[m], the runs to hash.
        least_words: tokens other than numbers that a run needs; there must also be as many of them as numbers.

    Returns:
        uint64[m], 0 for runs without numbers or with too few words.
    """
    keys = np.zeros(rows.size, np.uint64)
    for i in range(rows.size):
        row = tokens[bounds[rows[i]] : bounds[rows[i] + 1]]
        found = ZERO
        for k in range(row.size):  # a loop that vectorises, and mostly finds nothing
            found += row[k] & ONE
        numbers = np.int64(found)
        words = row.size - numbers
        if numbers == 0 or words < least_words or words < numbers:
            continue
        # a sum of hashes of what stands and where: a hash of hashes would wait for itself at each token, and a branch
        # at each number
        h, place, masked = SEED, ZERO, ZERO
        for k in range(row.size):
            is_number = row[k] & ONE
            kept = ~(is_number & masked) & ONE
            masked = is_number
            item = ((row[k] & (is_number - ONE)) + place * K_LENGTH) * K_FIRST
            h += (item ^ item >> np.uint64(32)) * K_SECOND * kept
            place += kept
        keys[i] = mix64(h) | ONE
    return keys
