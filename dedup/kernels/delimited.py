"""Bytes of delimited text (CSV, TSV) in, piece by piece; records, their fields and the text of these out.

A quotation mark opens a quoted field where it is the field's first byte; within it two stand for one. What follows the
closing mark up to the next separator belongs to the field as it stands, as Python's ``csv`` module takes it. A record
ends at LF, CR or CRLF outside quotation marks.
"""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, kernel
from dedup.kernels.lines import CR, LF
from dedup.kernels.masks import STRIDE, equal, roomy
from dedup.kernels.mixing import lowest_bit, ones

QUOTE = 34
# Where a piece ends: before a field, in one, in quotation marks, after a mark that may close them, after a CR.
START, IN_FIELD, IN_QUOTES, AFTER_MARK, AFTER_CR = 0, 1, 2, 3, 4
# What is kept between pieces: the place in a record; in which line the record began, what of it was read (bytes, line
# ends), and where in it the last quoted field opened; whether the last byte was a CR.
MODE, LINE, DONE, ENDS, OPENED, LAST_CR = 0, 1, 2, 3, 4, 5
STATES = 6
ABSENT, PLAIN, QUOTED, ODD, OPEN = (
    0,
    1,
    2,
    3,
    4,
)  # kinds of field; ODD: text follows the closing mark; OPEN: none closes


@helper
def count_line_ends(data: U8, lo: int, hi: int, after_cr: bool) -> int:
    """Count the line ends in ``data[lo:hi]``, CRLF as one.

    Args:
        data: uint8, 64 bytes at the least.
        lo: first byte.
        hi: the byte after the last.
        after_cr: whether a CR stands before.
    """
    count = np.uint64(0)
    carried = np.uint64(after_cr)
    p = lo
    while p < hi:
        cr, lf = equal(data, p, CR), equal(data, p, LF)
        if hi - p < STRIDE:
            inside = (np.uint64(1) << np.uint64(hi - p)) - np.uint64(1)
            cr &= inside
            lf &= inside
        count += ones(cr | (lf & ~((cr << np.uint64(1)) | carried)))
        carried = cr >> np.uint64(STRIDE - 1)
        p += STRIDE
    return int(np.int64(count))


@helper
def find_end(data: U8, p: int, end: int, separator: int) -> int:
    """Return where the next separator or line end stands before ``end``; ``end`` if none does."""
    while p < end:
        bits = equal(data, p, separator) | equal(data, p, LF) | equal(data, p, CR)
        if bits != np.uint64(0):
            return min(end, p + int(np.int64(lowest_bit(bits))))
        p += STRIDE
    return end


@helper
def find_mark(data: U8, p: int, end: int) -> int:
    """Return where the next quotation mark stands before ``end``; ``end`` if none does."""
    while p < end:
        bits = equal(data, p, QUOTE)
        if bits != np.uint64(0):
            return min(end, p + int(np.int64(lowest_bit(bits))))
        p += STRIDE
    return end


@kernel
def find_rows(piece: U8, separator: int, state: I64) -> tuple[I64, I64]:
    """Find where records end in the next piece of a text.

    Args:
        piece: uint8.
        separator: byte between fields.
        state: int64[STATES], what is kept between pieces; at first zeros, but LINE.

    Returns:
        int64[n], the byte after each record and its line end; int64[n], the line in which each begins. The last record
        of a text that ends without a line end, or with CR, is not among them.
    """
    size = piece.size
    data = roomy(piece)
    most = np.uint64(2)
    for base in range(0, size, STRIDE):
        most += ones(equal(data, base, LF) | equal(data, base, CR))
    ends, lines = np.empty(np.int64(most), np.int64), np.empty(np.int64(most), np.int64)
    mode, line = state[MODE], state[LINE]
    n, p, begin = int(np.int64(0)), int(np.int64(0)), int(np.int64(0))
    while p < size:
        ended = False
        if mode == START:
            mode = IN_FIELD
            if data[p] == QUOTE:
                mode = IN_QUOTES
                state[OPENED] = state[DONE] + p - begin
                p += 1
        elif mode == IN_FIELD:
            p = find_end(data, p, size, separator)
            if p < size:
                c = data[p]
                p += 1
                mode = AFTER_CR if c == CR else START
                ended = c == LF
        elif mode == IN_QUOTES:
            p = find_mark(data, p, size)
            if p < size:
                p += 1
                mode = AFTER_MARK
        elif mode == AFTER_MARK:
            mode = IN_FIELD
            if data[p] == QUOTE:
                mode = IN_QUOTES
                p += 1
        else:  # after the CR that ends a record
            p += data[p] == LF
            mode = START
            ended = True
        if ended:
            ends[n], lines[n] = p, line
            n += 1
            line += state[ENDS] + count_line_ends(data, begin, p, state[LAST_CR] == 1)
            state[DONE] = state[ENDS] = state[LAST_CR] = 0
            begin = p
    if size > begin:
        state[DONE] += size - begin
        state[ENDS] += count_line_ends(data, begin, size, state[LAST_CR] == 1)
        state[LAST_CR] = data[size - 1] == CR
    state[MODE], state[LINE] = mode, line
    return ends[:n], lines[:n]


@helper
def field_end(data: U8, p: int, end: int, separator: int) -> tuple[int, int]:
    """Return the kind of the field at ``p``, and the byte after its last, ``end`` at most."""
    if p == end or data[p] != QUOTE:
        return PLAIN, find_end(data, p, end, separator)
    p += 1
    while True:
        p = find_mark(data, p, end) + 1
        if p > end:
            return OPEN, end
        if p == end or data[p] == separator:
            return QUOTED, p
        if data[p] != QUOTE:
            return ODD, find_end(data, p, end, separator)
        p += 1


@kernel
def find_fields(raw: U8, starts: I64, ends: I64, wanted: I64, separator: int, spans: I64, kinds: U8) -> None:
    """Find some fields of ``n`` records.

    Args:
        raw: uint8.
        starts: int64[n], first byte of each record.
        ends: int64[n], the byte after it and its line end.
        wanted: int64[w], which fields, 0-based; -1 for none.
        separator: byte between fields.
        spans: int64[w, n, 2], filled with the first byte of each field and the byte after its last.
        kinds: uint8[w, n], filled with PLAIN, QUOTED, ODD, OPEN; ABSENT where a record has no such field.
    """
    data = roomy(raw)
    last = np.max(wanted)
    for i in range(starts.size):
        p, end = starts[i], ends[i]
        if end > p and data[end - 1] == LF:
            end -= 1
        if end > p and data[end - 1] == CR:
            end -= 1
        for k in range(wanted.size):
            kinds[k, i] = ABSENT
            spans[k, i, 0] = spans[k, i, 1] = end
        if p == end:
            continue
        column = 0
        while column <= last:
            begin = p
            kind, p = field_end(data, p, end, separator)
            for k in range(wanted.size):
                if wanted[k] == column:
                    kinds[k, i] = kind
                    spans[k, i, 0], spans[k, i, 1] = begin, p
            if p >= end:
                break
            p += 1
            column += 1


@kernel
def decode_fields(raw: U8, spans: I64, kinds: U8, out: U8, bounds: I64) -> None:
    """Decode ``n`` fields: without the quotation marks around them, and one for two within.

    Args:
        raw: uint8.
        spans: int64[n, 2], see ``find_fields``.
        kinds: uint8[n].
        out: uint8, filled with the text of the fields, one behind the other; as long as the fields at the least.
        bounds: int64[n + 1], filled with where each begins in ``out``.
    """
    o = 0
    for i in range(kinds.size):
        bounds[i] = o
        p, end = spans[i, 0], spans[i, 1]
        if kinds[i] == PLAIN:
            for k in range(end - p):
                out[o + k] = raw[p + k]
            o += end - p
        elif kinds[i] == QUOTED:
            p += 1
            end -= 1
            while p < end:
                if p + STRIDE <= raw.size and o + STRIDE <= out.size:
                    # as many bytes at once as stand before the next quotation mark
                    source, target = raw[p : p + STRIDE], out[o : o + STRIDE]
                    run = min(end - p, int(np.int64(lowest_bit(equal(raw, p, QUOTE)))))
                    for k in range(STRIDE):
                        target[k] = source[k]
                    p += run
                    o += run
                    if run == STRIDE or p == end:
                        continue
                c = raw[p]
                out[o] = c
                o += 1
                p += 2 if c == QUOTE else 1
        elif kinds[i] != ABSENT:
            p += 1
            inside = True
            while p < end:
                c = raw[p]
                p += 1
                if inside and c == QUOTE:
                    if p == end or raw[p] != QUOTE:
                        inside = False
                        continue
                    p += 1
                out[o] = c
                o += 1
    bounds[kinds.size] = o


@kernel
def find_fresh_row(raw: U8, start: int, separator: int, columns: int, whole: bool) -> int:
    """Find a line that is a whole record of so many fields if no quoted field is open before it.

    Args:
        raw: uint8.
        start: where to begin; the first line looked at is the next.
        separator: byte between fields.
        columns: how many fields, 2 at the least.
        whole: whether the text ends with ``raw``, so that its last line needs no line end.

    Returns:
        Its first byte, -1 if there is none.
    """
    size = raw.size
    data = roomy(raw)
    p = int(np.int64(start))
    while True:
        while p < size and data[p] != LF and data[p] != CR:
            p += 1
        if p < size and data[p] == CR and p + 1 < size and data[p + 1] == LF:
            p += 1
        p += 1
        if p >= size:
            return -1
        end = p
        while end < size and data[end] != LF and data[end] != CR:
            end += 1
        if end == size and not whole:
            return -1
        q, fields = p, 0
        while True:
            kind, q = field_end(data, q, end, separator)
            fields += 1
            if kind == OPEN or q >= end:
                break
            q += 1
        if kind != OPEN and fields == columns:
            return p
