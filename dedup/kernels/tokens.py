"""UTF-8 bytes of blocks in; 64-bit token hashes and 128-bit fingerprints out, in one pass over the bytes."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U8, U32, U64
from dedup.kernels.compile import inline, kernel
from dedup.kernels.mixing import K_FIRST, K_LENGTH, K_SECOND, K_TOKEN, mix64

SEPARATOR = np.uint32(0)
SKIP = np.uint32(1)
NUMBER = np.uint32(1 << 21)
ALONE = np.uint32(1 << 22)
MARK = np.uint32(1 << 23)
EXPANSION = np.uint32(ALONE | MARK)
NOT_ASCII = np.uint32(0xFFFFFFFF)
VALUE = np.uint32((1 << 21) - 1)
THREE_BYTES = np.uint8(0xE0)
FOUR_BYTES = np.uint8(0xF0)
# Unicode's Stream-Safe Text Format (UAX #15, section 13) allows 30 marks in a row; past that, order is kept as is.
MAX_MARKS = 32
# What the tokeniser is in: between tokens, in one, in one that has marks waiting or that ends with this character.
CLOSED, OPEN, SPECIAL = 0, 1, 2
SEED = np.uint64(0x243F6A8885A308D3)
ONE = np.uint64(1)
ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)


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


@inline
def add(h: np.uint64, entry: np.uint32) -> np.uint64:
    """Take one folded character into a token's running hash."""
    return (h ^ np.uint64(entry)) * K_TOKEN


@inline
def flush(h: np.uint64, marks: U32, pending: int) -> np.uint64:
    """Take the waiting marks into a token's running hash."""
    for k in range(pending):
        h = add(h, marks[k])
    return h


@inline
def unfinished(h: np.uint64, number: np.uint32) -> np.uint64:
    """Return a token's running hash, its lowest bit set where every character is a number."""
    return h & ~ONE | np.uint64((number & NUMBER) >> np.uint32(21))


@inline
def finish(h: np.uint64) -> np.uint64:
    """Return the hash of a token; its lowest bit stays."""
    return mix64(h & ~ONE) & ~ONE | h & ONE


@inline
def fingerprint(tokens: U64, lo: int, hi: int) -> tuple[np.uint64, np.uint64]:
    """Hash the sequence ``tokens[lo:hi]`` to 128 bits."""
    first, second = SEED, K_LENGTH
    for k in range(lo, hi):
        first = (first ^ tokens[k]) * K_FIRST
        first ^= first >> np.uint64(32)
        second = (second + tokens[k]) * K_SECOND
        second ^= second >> np.uint64(29)
    length = np.uint64(hi - lo) * K_LENGTH
    return mix64(first ^ length), mix64(second + length)


@kernel
def tokenize(
    data: U8, starts: I64, ends: I64, pages: I32, entries: U32, expansions: U32, tokens: U64
) -> tuple[I64, U64]:
    """Hash the tokens of ``n`` spans of valid UTF-8.

    A token is a maximal run of letters, numbers and marks after folding; a character of a script written without
    spaces is one by itself. Its hash's lowest bit tells whether it is all numbers.

    Args:
        data: uint8, the bytes.
        starts: int64[n], first byte of each span.
        ends: int64[n], end of each span.
        pages: int32[4352], see ``dedup.unicode``.
        entries: uint32, see there.
        expansions: uint32, see there.
        tokens: uint64, filled with the hashes; ``2 * bytes + 1`` entries are always enough.

    Returns:
        int64[n + 1], where each span's tokens begin in ``tokens``; uint64[n, 2], fingerprints of the sequences.
    """
    n = starts.size
    bounds = np.zeros(n + 1, np.int64)
    fingerprints = np.empty((n, 2), np.uint64)
    marks = np.empty(MAX_MARKS, np.uint32)
    by_byte, keep = np.empty(256, np.uint32), np.empty(256, np.uint64)
    for c in range(256):
        by_byte[c] = entries[pages[0] + c] if c < 128 else NOT_ASCII
        keep[c] = np.uint64(0) if by_byte[c] == SEPARATOR else ALL_BITS
    count = 0
    for i in range(n):
        p, end = np.uint64(starts[i]), np.uint64(ends[i])
        h, number = SEED, NUMBER
        state, pending, is_alone = CLOSED, 0, False
        while p < end:
            entry = by_byte[data[p]]
            if state != SPECIAL and entry != NOT_ASCII:
                # The common case, without a branch but for the end of the ASCII run (mispredicted at each word, it
                # would take as long as the rest): what is hashed so far is written down at every byte, but counted
                # only where a separator follows a token.
                at, in_token = np.uint64(count), np.uint64(state)
                while True:
                    kept = keep[data[p]]
                    tokens[at] = unfinished(h, number)
                    at += in_token & ~kept
                    in_token = kept & np.uint64(1)
                    h = add(h, entry) & kept | SEED & ~kept
                    number = number & entry | NUMBER & ~np.uint32(kept)
                    p += np.uint64(1)
                    if p == end:
                        break
                    entry = by_byte[data[p]]
                    if entry == NOT_ASCII:
                        break
                count, state = int(np.int64(at)), int(np.int64(in_token))
                continue
            # not ASCII, or ASCII behind a mark or behind a character that is a token by itself
            queued, queue_end = 0, 1
            expanded = False
            if entry != NOT_ASCII:
                p += np.uint64(1)
            else:
                cp, p = code_point(data, p, data[p])
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
                if entry & MARK:
                    # marks go to the open token, sorted by combining class (canonical order, UAX #15)
                    if state == CLOSED:
                        continue
                    if rank == 0 or pending == MAX_MARKS:
                        h = add(flush(h, marks, pending), entry)
                        pending = 0
                    else:
                        k = pending
                        while k > 0 and marks[k - 1] >> np.uint32(24) > rank:
                            marks[k] = marks[k - 1]
                            k -= 1
                        marks[k] = entry
                        pending += 1
                        state = SPECIAL
                    continue
                h = flush(h, marks, pending)
                pending = 0
                if state != CLOSED and (entry == SEPARATOR or is_alone or entry & ALONE):
                    tokens[count] = unfinished(h, number)
                    count += 1
                    h, number = SEED, NUMBER
                    state, is_alone = CLOSED, False
                if entry != SEPARATOR:
                    h = add(h, entry)
                    number &= entry
                    is_alone = entry & ALONE != 0
                    state = SPECIAL if is_alone else OPEN
        if state != CLOSED:
            tokens[count] = unfinished(flush(h, marks, pending), number)
            count += 1
        for k in range(bounds[i], count):
            tokens[k] = finish(tokens[k])
        bounds[i + 1] = count
        fingerprints[i, 0], fingerprints[i, 1] = fingerprint(tokens, bounds[i], count)
    return bounds, fingerprints


@kernel
def fingerprint_sequences(tokens: U64, bounds: I64) -> U64:
    """Fingerprint ``n`` runs of token hashes as ``tokenize`` fingerprints a span of these tokens.

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each run begins.

    Returns:
        uint64[n, 2].
    """
    n = bounds.size - 1
    fingerprints = np.empty((n, 2), np.uint64)
    for i in range(n):
        fingerprints[i, 0], fingerprints[i, 1] = fingerprint(tokens, bounds[i], bounds[i + 1])
    return fingerprints


@kernel
def masked_keys(tokens: U64, bounds: I64, least_words: int) -> U64:
    """Hash ``n`` runs of token hashes with runs of numbers masked: equal where they differ in numbers only.

    Args:
        tokens: uint64, token hashes.
        bounds: int64[n + 1], where each run begins.
        least_words: tokens other than numbers that a run needs; there must also be as many of them as numbers.

    Returns:
        uint64[n], 0 for runs without numbers or with too few words.
    """
    n = bounds.size - 1
    keys = np.zeros(n, np.uint64)
    for i in range(n):
        numbers = 0
        for k in range(bounds[i], bounds[i + 1]):
            numbers += int(np.int64(tokens[k] & np.uint64(1)))
        words = bounds[i + 1] - bounds[i] - numbers
        if numbers == 0 or words < least_words or words < numbers:
            continue
        h, masked = SEED, False
        for k in range(bounds[i], bounds[i + 1]):
            token = tokens[k]
            is_number = token & np.uint64(1) != np.uint64(0)
            if not (is_number and masked):
                h = (h ^ (K_LENGTH if is_number else token)) * K_FIRST
                h ^= h >> np.uint64(32)
            masked = is_number
        keys[i] = mix64(h) | np.uint64(1)
    return keys
