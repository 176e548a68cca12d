"""UTF-8 bytes of documents in; block boundaries and kinds out.

A line ends at LF, CR, CRLF, VT or FF. Each line is looked at once and classified by how it starts; runs of lines
are then joined into blocks by the rule the caller names, or where they look wrapped.
"""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.masks import STRIDE, between, roomy
from dedup.kernels.mixing import lowest_bit, ones

HEADING, PARAGRAPH, LIST_ITEM, OTHER = 0, 1, 2, 3  # the codes of dedup.schema.KINDS
UNKNOWN = -1
BLANK, FENCE, UNDERLINE = 4, 5, 6  # kinds a line can have beside those of blocks
AUTO, BLANK_LINES, LINES = 0, 1, 2  # the codes of dedup.settings.SPLITS
# A line that goes on in the next one has at least, and at most, so many characters ...
MIN_WRAPPED, MAX_WRAPPED = 30, 160
# ... and with the next line's first word fills so much of the widest line.
FILLED = 0.9

LF, VT, FF, CR, TAB, SPACE = 10, 11, 12, 13, 9, 32


@helper
def blank_width(data: U8, p: int, end: int) -> int:
    """Return the bytes of the blank character at ``p``: space, tab, no-break or ideographic space, BOM; 0 if none."""
    c = data[p]
    if c in (SPACE, TAB):
        return 1
    if c == 0xC2 and p + 1 < end and data[p + 1] == 0xA0:
        return 2
    if c == 0xE3 and p + 2 < end and data[p + 1] == 0x80 and data[p + 2] == 0x80:
        return 3
    if c == 0xEF and p + 2 < end and data[p + 1] == 0xBB and data[p + 2] == 0xBF:
        return 3
    return 0


@helper
def trim(data: U8, lo: int, hi: int) -> tuple[int, int]:
    """Shrink ``[lo, hi)`` to what stands between blanks."""
    while lo < hi:
        width = blank_width(data, lo, hi)
        if width == 0:
            break
        lo += width
    while lo < hi:
        if blank_width(data, hi - 1, hi) == 1:
            hi -= 1
        elif hi - lo >= 2 and blank_width(data, hi - 2, hi) == 2:
            hi -= 2
        elif hi - lo >= 3 and blank_width(data, hi - 3, hi) == 3:
            hi -= 3
        else:
            break
    return lo, hi


@inline
def is_digit(c: int) -> bool:
    """Whether a byte is an ASCII digit."""
    return 48 <= c <= 57


@helper
def is_blank_at(data: U8, p: int, hi: int) -> bool:
    """Whether a blank stands at ``p``."""
    return p < hi and blank_width(data, p, hi) > 0


@helper
def is_item(data: U8, lo: int, hi: int) -> bool:
    """Whether a line starts with a bullet or a number: ``- * + •`` ..., ``1. 1) (1)``, ``１．``, ``1、``, ``・``."""
    c = data[lo]
    if c in (45, 42, 43):  # - * +
        return is_blank_at(data, lo + 1, hi)
    if c == 0xC2 and hi - lo > 2 and data[lo + 1] == 0xB7:  # middle dot
        return is_blank_at(data, lo + 2, hi)
    if hi - lo > 3 and c == 0xE2:
        d, e = data[lo + 1], data[lo + 2]
        # bullets U+2022 2023 2043, squares and circles U+25A0-25FF, ticks and crosses U+2713-2718, arrows U+2794-27BE
        if (d == 0x80 and e in (0xA2, 0xA3)) or (d == 0x81 and e == 0x83) or (d == 0x96 and e >= 0xA0) or d == 0x97:
            return is_blank_at(data, lo + 3, hi)
        if (d == 0x9C and 0x93 <= e <= 0x98) or (d == 0x9E and e >= 0x94):
            return is_blank_at(data, lo + 3, hi)
    if hi - lo > 3 and c == 0xE3 and data[lo + 1] == 0x83 and data[lo + 2] == 0xBB:  # katakana middle dot
        return True
    p = lo + 1 if c == 40 else lo  # (
    digits = 0
    while p < hi and digits < 4:
        if is_digit(data[p]):
            p += 1
        elif p + 2 < hi and data[p] == 0xEF and data[p + 1] == 0xBC and 0x90 <= data[p + 2] <= 0x99:  # full width
            p += 3
        else:
            break
        digits += 1
    if digits == 0 or digits > 3 or p >= hi:
        return False
    if data[p] in (46, 41):  # . )
        return (data[p] == 41 or c != 40) and is_blank_at(data, p + 1, hi)
    if p + 2 < hi and c != 40:
        ideographic = data[p] == 0xE3 and data[p + 1] == 0x80 and data[p + 2] == 0x81
        full_width = data[p] == 0xEF and data[p + 1] == 0xBC and data[p + 2] in (0x8E, 0x89)
        return ideographic or full_width
    return False


@helper
def line_kind(data: U8, lo: int, hi: int) -> int:
    """Classify the trimmed line ``[lo, hi)`` by itself."""
    if lo == hi:
        return BLANK
    c = data[lo]
    if c == 35:  # '#'
        p = lo
        while p < hi and data[p] == 35:
            p += 1
        return HEADING if p - lo <= 6 and is_blank_at(data, p, hi) else PARAGRAPH
    if c in (96, 126) and hi - lo >= 3 and data[lo + 1] == c and data[lo + 2] == c:  # ``` or ~~~
        return FENCE
    if c == 124:  # a table row
        return OTHER
    if c < 0x80 and not is_digit(c) and not 65 <= (c & 0xDF) <= 90:
        ruled = True  # nothing but ASCII punctuation
        equals = True
        for p in range(lo, hi):
            d = data[p]
            if d >= 0x80 or is_digit(d) or 65 <= (d & 0xDF) <= 90:
                ruled = False
                break
            equals = equals and d == 61
        if ruled:
            return UNDERLINE if equals and hi - lo >= 3 else OTHER
    return LIST_ITEM if is_item(data, lo, hi) else PARAGRAPH


@helper
def starts_lower(data: U8, p: int, hi: int) -> bool:
    """Whether a line starts with a lower-case letter (ASCII, Latin-1, Greek or Cyrillic)."""
    c = data[p]
    if c < 0x80:
        return 97 <= c <= 122
    if hi - p < 2:
        return False
    d = data[p + 1]
    if c == 0xC3:
        return d >= 0x9F
    if c == 0xCE:
        return d >= 0xAC
    if c == 0xCF:
        return d <= 0x8E
    return (c == 0xD0 and d >= 0xB0) or (c == 0xD1 and d <= 0x9F)


@helper
def ends_sentence(data: U8, lo: int, hi: int) -> bool:
    """Whether a line ends with ``. ! ? : ;`` or a full-width or typographic one of them."""
    c = data[hi - 1]
    if c in (46, 33, 63, 58, 59):
        return True
    if hi - lo < 3:
        return False
    d, e = data[hi - 3], data[hi - 2]
    if d == 0xE3 and e == 0x80 and c == 0x82:
        return True
    return (d == 0xEF and e == 0xBC and c in (0x81, 0x9F, 0x9A, 0x9B)) or (d == 0xE2 and e == 0x80 and c == 0xA6)


@kernel
def count_byte(data: U8, value: int) -> int:
    """Count the bytes that equal ``value``."""
    count = 0
    for c in data:
        count += c == np.uint8(value)
    return count


@kernel
def find_bytes(data: U8, low: int, high: int) -> I64:
    """Return where the bytes from ``low`` to ``high`` stand."""
    found = np.empty((data.size + STRIDE - 1) // STRIDE, np.uint64)
    data = roomy(data)
    count = np.uint64(0)
    for i in range(found.size):
        found[i] = between(data, STRIDE * i, low, high)
        count += ones(found[i])
    places = np.empty(np.int64(count), np.int64)
    n = 0
    for i in range(found.size):
        bits = found[i]
        while bits != np.uint64(0):
            places[n] = STRIDE * i + np.int64(lowest_bit(bits))
            bits &= bits - np.uint64(1)
            n += 1
    return places


@kernel
def split(
    data: U8,
    bounds: I64,
    line_ends: I64,
    mode: int,
    docs: I64,
    starts: I64,
    ends: I64,
    kinds: U8,
    lines: I64,
    line_kinds: U8,
) -> int:
    """Split ``n`` documents into blocks.

    Args:
        data: uint8, valid UTF-8.
        bounds: int64[n + 1], where each document begins.
        line_ends: int64, places of the bytes from LF to CR.
        mode: AUTO, BLANK_LINES or LINES.
        docs: int64, filled with each block's document, 0-based.
        starts: int64, filled with each block's first byte in ``data``.
        ends: int64, filled with the byte after its last.
        kinds: uint8, filled with HEADING, PARAGRAPH, LIST_ITEM or OTHER.
        lines: int64[:, 3], scratch for the lines of a document: start, end, length (UNKNOWN until asked for).
        line_kinds: uint8, scratch. All six hold ``line_ends.size + n`` rows.

    Returns:
        The number of blocks.
    """
    blocks = 0
    next_end = 0
    for doc in range(bounds.size - 1):
        first_end = next_end
        while next_end < line_ends.size and line_ends[next_end] < bounds[doc + 1]:
            next_end += 1
        n = scan_lines(data, bounds[doc], bounds[doc + 1], line_ends[first_end:next_end], lines, line_kinds)
        i = int(np.int64(0))  # a plain 0 is a type of its own, and what is called with it compiled twice
        closed = True  # whether a fence may still find its end
        while i < n:
            kind = line_kinds[i]
            if kind == BLANK:
                i += 1
                continue
            last = i
            if kind == FENCE:
                kind = OTHER
                if closed and mode != LINES:
                    k = i + 1
                    while k < n and line_kinds[k] != FENCE:
                        k += 1
                    if k < n:
                        last = k
                    else:
                        closed = False
            elif kind == UNDERLINE:
                kind = OTHER
            elif kind == PARAGRAPH and mode != LINES and i + 1 < n and line_kinds[i + 1] == UNDERLINE:
                kind = HEADING
                last = i + 1
            elif kind in (PARAGRAPH, LIST_ITEM) and mode == BLANK_LINES:
                while has_more(n, line_kinds, last):
                    last += 1
            elif kind in (PARAGRAPH, LIST_ITEM) and mode == AUTO:
                last = wrapped_until(data, n, lines, line_kinds, i)
            docs[blocks] = doc
            starts[blocks] = lines[i, 0]
            ends[blocks] = lines[last, 1]
            kinds[blocks] = kind
            blocks += 1
            i = last + 1
    return blocks


@helper
def scan_lines(data: U8, lo: int, hi: int, line_ends: I64, lines: I64, line_kinds: U8) -> int:
    """Fill ``lines`` and ``line_kinds`` with the lines of ``data[lo:hi]``, blanks trimmed; return how many."""
    n = 0
    start = lo
    for k in range(line_ends.size + 1):
        end = line_ends[k] if k < line_ends.size else hi
        # the LF of a CRLF would stand as an empty line of its own
        is_rest = end == start and end < hi and data[end] == LF and end > lo and data[end - 1] == CR
        if not is_rest and (end < hi or end > start):
            lines[n, 0], lines[n, 1] = trim(data, start, end)
            lines[n, 2] = UNKNOWN
            line_kinds[n] = line_kind(data, lines[n, 0], lines[n, 1])
            n += 1
        start = end + 1
    return n


@helper
def length_of(data: U8, lines: I64, i: int) -> int:
    """Return the columns that line ``i`` takes: its indent and its characters."""
    if lines[i, 2] == UNKNOWN:
        columns = indent(data, lines[i, 0])
        for c in data[lines[i, 0] : lines[i, 1]]:
            columns += (c & 0xC0) != 0x80
        lines[i, 2] = columns
    return lines[i, 2]


@helper
def indent(data: U8, p: int) -> int:
    """Return how far in ``p`` stands: 1 for each space before it, 4 for each tab."""
    columns = 0
    while p > 0 and data[p - 1] in (SPACE, TAB):
        p -= 1
        columns += 4 if data[p] == TAB else 1
    return columns


@helper
def has_more(n: int, line_kinds: U8, i: int) -> bool:
    """Whether text that is no heading stands in the line after line ``i``."""
    if i + 1 >= n or line_kinds[i + 1] != PARAGRAPH:
        return False
    return i + 2 >= n or line_kinds[i + 2] != UNDERLINE


@helper
def first_word(data: U8, lo: int, hi: int) -> int:
    """Count the characters before the first blank."""
    characters = 0
    for p in range(lo, hi):
        if data[p] in (SPACE, TAB):
            break
        characters += (data[p] & 0xC0) != 0x80
    return characters


@helper
def goes_on(data: U8, lines: I64, line_kinds: U8, i: int) -> bool:
    """Whether line ``i``, by itself and the next, goes on there.

    The next line stands further in than the item that it belongs to. Or the line is of some length, no sentence ends
    with it, and a lower-case letter follows; the next line is not much longer, and if it is much shorter, ends a
    sentence.
    """
    lo, hi = lines[i + 1, 0], lines[i + 1, 1]
    if line_kinds[i] == LIST_ITEM and indent(data, lo) >= indent(data, lines[i, 0]) + 2:
        return True
    if not starts_lower(data, lo, hi) or ends_sentence(data, lines[i, 0], lines[i, 1]):
        return False
    length, following = length_of(data, lines, i), length_of(data, lines, i + 1)
    if length < MIN_WRAPPED or length > MAX_WRAPPED:
        return False
    if 4 * (length + 1 + first_word(data, lo, hi)) < 3 * following:
        return False
    return 2 * following >= length or ends_sentence(data, lo, hi)


@helper
def wrapped_until(data: U8, n: int, lines: I64, line_kinds: U8, i: int) -> int:
    """Return the last line of the hard-wrapped paragraph that begins with line ``i``; ``i`` where it is not wrapped.

    A line goes on in the next one where the two say so themselves (``goes_on``), or where others of the paragraph do
    and it is full: the next line's first word would not have fitted the width. Nothing but the lines of a paragraph
    decides on it, so that it stays one when others around it are cut.
    """
    last, width, wrapped = i, 0, False
    while has_more(n, line_kinds, last):
        following = last + 1
        if goes_on(data, lines, line_kinds, last):
            wrapped = True
        else:
            # the lines from the next one on that are held together by themselves count as evidence
            evidence = wrapped
            k = following
            while has_more(n, line_kinds, k) and goes_on(data, lines, line_kinds, k):
                evidence = True
                k += 1
            if not evidence:
                break
            widest = width
            for m in range(last, k + 1):
                widest = max(widest, length_of(data, lines, m))
            filled = length_of(data, lines, last) + 1 + first_word(data, lines[following, 0], lines[following, 1])
            if filled <= FILLED * widest:
                break
        width = max(width, length_of(data, lines, last))
        last = following
    return last
