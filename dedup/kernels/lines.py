"""UTF-8 bytes of documents in; block boundaries and kinds out.

A line ends at LF, CR, CRLF, VT or FF. Each line is looked at once and classified by how it starts; runs of lines
are then joined into blocks by the rule the caller names, or by the rule each document calls for.
"""

from __future__ import annotations

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, inline, kernel

HEADING, PARAGRAPH, LIST_ITEM, OTHER = 0, 1, 2, 3  # the codes of dedup.schema.KINDS
BLANK, FENCE, UNDERLINE = 4, 5, 6  # kinds a line can have beside those of blocks
AUTO, BLANK_LINES, LINES = 0, 1, 2  # the codes of dedup.settings.SPLITS
# A line break inside a hard-wrapped paragraph: the line before is this long at least ...
MIN_WRAPPED = 30
# ... and documents count as wrapped where two fifths of the telling breaks are of this sort.
WRAPPED_SHARE = 0.4

LF, VT, FF, CR, TAB, SPACE = 10, 11, 12, 13, 9, 32


@inline
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


@inline
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


@inline
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
def count_line_ends(data: U8) -> int:
    """Count the bytes that end a line; CRLF counts twice."""
    count = 0
    for c in data:
        count += (c >= LF) & (c <= CR)
    return count


@kernel
def split(
    data: U8, bounds: I64, mode: int, docs: I64, starts: I64, ends: I64, kinds: U8, lines: I64, line_kinds: U8
) -> int:
    """Split ``n`` documents into blocks.

    Args:
        data: uint8, valid UTF-8.
        bounds: int64[n + 1], where each document begins.
        mode: AUTO, BLANK_LINES or LINES.
        docs: int64, filled with each block's document, 0-based.
        starts: int64, filled with each block's first byte in ``data``.
        ends: int64, filled with the byte after its last.
        kinds: uint8, filled with HEADING, PARAGRAPH, LIST_ITEM or OTHER.
        lines: int64[:, 3], scratch for the lines of a document: start, end, length in characters.
        line_kinds: uint8, scratch. All six hold ``count_line_ends(data) + n`` rows.

    Returns:
        The number of blocks.
    """
    blocks = 0
    for doc in range(bounds.size - 1):
        n = scan_lines(data, bounds[doc], bounds[doc + 1], lines, line_kinds)
        join, width = BLANK_LINES, 0
        if mode == LINES:
            join = LINES
        elif mode == AUTO:
            width = wrap_width(data, n, lines, line_kinds)
            if width == 0:
                join = LINES
        i = 0
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
            elif kind in (PARAGRAPH, LIST_ITEM) and join == BLANK_LINES:
                # in a document found to be wrapped, a line of less than half the width ends its paragraph
                while last + 1 < n and line_kinds[last + 1] == PARAGRAPH and 2 * lines[last, 2] >= width:
                    if last + 2 < n and line_kinds[last + 2] == UNDERLINE:
                        break
                    last += 1
            docs[blocks] = doc
            starts[blocks] = lines[i, 0]
            ends[blocks] = lines[last, 1]
            kinds[blocks] = kind
            blocks += 1
            i = last + 1
    return blocks


@helper
def scan_lines(data: U8, lo: int, hi: int, lines: I64, line_kinds: U8) -> int:
    """Fill ``lines`` and ``line_kinds`` with the lines of ``data[lo:hi]``, blanks trimmed; return how many."""
    n = 0
    start = lo
    characters = 0
    for p in range(lo, hi + 1):
        c = LF if p == hi else data[p]
        if c < LF or c > CR:
            characters += (c & 0xC0) != 0x80
            continue
        if p < hi or p > start:
            first, end = trim(data, start, p)
            lines[n, 0] = first
            lines[n, 1] = end
            lines[n, 2] = characters
            line_kinds[n] = line_kind(data, first, end)
            # the LF of a CRLF would stand as an empty line of its own
            if not (c == LF and p == start and p > lo and p < hi and data[p - 1] == CR):
                n += 1
        start = p + 1
        characters = 0
    return n


@helper
def wrap_width(data: U8, n: int, lines: I64, line_kinds: U8) -> int:
    """Return the characters a line of a hard-wrapped document holds at most, or 0 where a line is a paragraph.

    Telling is a break between two lines of running text: before a lower-case letter and after a line of some
    length it is a wrap; after a short line or the end of a sentence it is a paragraph's end.
    """
    soft, hard, width = 0, 0, 0
    for i in range(n - 1):
        if line_kinds[i + 1] != PARAGRAPH or line_kinds[i] not in (PARAGRAPH, LIST_ITEM):
            continue
        if lines[i, 2] >= MIN_WRAPPED and starts_lower(data, lines[i + 1, 0], lines[i + 1, 1]):
            soft += 1
            width = max(width, lines[i, 2])
        elif lines[i, 2] < MIN_WRAPPED or ends_sentence(data, lines[i, 0], lines[i, 1]):
            hard += 1
    return width if soft >= WRAPPED_SHARE * (soft + hard) else 0
