"""JSON string literals in; their decoded text, or where bytes of it stand in a literal, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, kernel
from dedup.kernels.masks import STRIDE, equal
from dedup.kernels.mixing import lowest_bit


@helper
def hex_value(c: int) -> int:
    """Return the value of an ASCII hexadecimal digit."""
    return c - 48 if c <= 57 else (c & 0xDF) - 55


@helper
def code_unit(raw: U8, p: int) -> int:
    """Return the UTF-16 code unit whose four hexadecimal digits stand at ``p``."""
    unit = 0
    for k in range(p, p + 4):
        unit = unit * 16 + hex_value(raw[k])
    return unit


STRING, MISSING, OTHER_TYPE = 0, 1, 2


@kernel
def unescape(raw: U8, out: U8, bounds: I64, status: U8) -> None:
    """Decode ``n`` JSON values that stand one a line.

    Args:
        raw: uint8, valid JSON values, each ended by LF; an empty line or ``null`` is a missing value.
        out: uint8, as large as ``raw``, filled with the UTF-8 of the strings; other values as they stand.
        bounds: int64[n + 1], filled with where each begins in ``out``.
        status: uint8[n], filled with STRING, MISSING or OTHER_TYPE.
    """
    p, o = 0, 0
    for i in range(status.size):
        bounds[i] = o
        if raw[p] != 34:  # a quotation mark
            start = p
            while raw[p] != 10:
                out[o] = raw[p]
                o += 1
                p += 1
            is_null = p - start == 4 and raw[start] == 110
            status[i] = MISSING if p == start or is_null else OTHER_TYPE
            p += 1
            continue
        status[i] = STRING
        p += 1
        while True:
            if raw[p] != 92 and p + STRIDE <= raw.size and o + STRIDE <= out.size:
                # as many bytes at once as stand before the next quotation mark or backslash
                source, target = raw[p : p + STRIDE], out[o : o + STRIDE]
                run = int(np.int64(lowest_bit(equal(raw, p, 34) | equal(raw, p, 92))))
                for k in range(STRIDE):
                    target[k] = source[k]
                p += run
                o += run
                if run == STRIDE:
                    continue
            c = raw[p]
            if c == 34:
                break
            if c != 92:
                out[o] = c
                o += 1
                p += 1
                continue
            c = raw[p + 1]
            p += 2
            if c != 117:
                if c == 110:
                    c = 10
                elif c == 116:
                    c = 9
                elif c == 114:
                    c = 13
                elif c == 98:
                    c = 8
                elif c == 102:
                    c = 12
                out[o] = c
                o += 1
                continue
            unit = code_unit(raw, p)
            p += 4
            if 0xD800 <= unit < 0xDC00:
                unit = 0x10000 + ((unit - 0xD800) << 10) + code_unit(raw, p + 2) - 0xDC00
                p += 6
            if unit < 0x80:
                out[o] = unit
                o += 1
                continue
            if unit < 0x800:
                out[o] = 0xC0 | unit >> 6
                o += 1
            else:
                if unit < 0x10000:
                    out[o] = 0xE0 | unit >> 12
                    o += 1
                else:
                    out[o] = 0xF0 | unit >> 18
                    out[o + 1] = 0x80 | unit >> 12 & 0x3F
                    o += 2
                out[o] = 0x80 | unit >> 6 & 0x3F
                o += 1
            out[o] = 0x80 | unit & 0x3F
            o += 1
        p += 2
    bounds[status.size] = o


@kernel
def literal_offsets(raw: U8, wanted: I64, found: I64) -> None:
    """Map byte offsets of a decoded text to byte offsets in its JSON literal.

    Args:
        raw: uint8, a valid JSON string literal with its quotation marks.
        wanted: int64[m], offsets into the UTF-8 of the decoded text, ascending, at character boundaries.
        found: int64[m], filled with offsets into ``raw``.
    """
    p = 1
    decoded = 0
    done = 0
    while done < wanted.size:
        while done < wanted.size and wanted[done] <= decoded:
            found[done] = p
            done += 1
        if p >= raw.size - 1:
            break
        if raw[p] != 92:  # a backslash
            p += 1
            decoded += 1
        elif raw[p + 1] != 117:  # \n and its like
            p += 2
            decoded += 1
        else:
            unit = code_unit(raw, p + 2)
            p += 6
            if unit < 0x80:
                decoded += 1
            elif unit < 0x800:
                decoded += 2
            elif 0xD800 <= unit < 0xDC00:  # the first half of a pair; the second follows as an escape too
                p += 6
                decoded += 4
            else:
                decoded += 3
    while done < wanted.size:
        found[done] = p
        done += 1
