"""A JSON string literal in; where bytes of its decoded text stand in it out."""

from __future__ import annotations

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, kernel


@helper
def hex_value(c: int) -> int:
    """Return the value of an ASCII hexadecimal digit."""
    return c - 48 if c <= 57 else (c & 0xDF) - 55


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
            unit = 0
            for k in range(2, 6):
                unit = unit * 16 + hex_value(raw[p + k])
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
