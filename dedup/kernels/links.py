"""Bytes of blocks in; where URLs and e-mail addresses stand out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U8, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.mixing import STRIDE, lowest_bit, pack

AT, COLON, SLASH, DOT, SPACE, W = np.uint8(64), np.uint8(58), np.uint8(47), np.uint8(46), np.uint8(32), np.uint8(119)
ZERO, ONE = np.uint64(0), np.uint64(1)
HEAD = 48  # bytes of a block in which a colon is looked for


@helper
def breaks(c: np.uint8) -> bool:
    """Whether a byte ends a URL or an address: white space, quotation marks, brackets, letters of three bytes."""
    quote = c == 34 or c == 39 or c == 124
    return bool(c <= SPACE or c >= 0xE0 or quote or c == 40 or c == 41 or c == 60 or c == 62 or c == 91 or c == 93)


@helper
def is_word(c: np.uint8) -> bool:
    """Whether a byte is a letter or a digit of ASCII, or beyond ASCII."""
    return bool(np.uint8((c | 32) - 97) < 26 or np.uint8(c - 48) < 10 or c >= 128)


@kernel
def find_links(data: U8, doc_bounds: I64, spans: I64) -> int:
    """Find what looks like a URL (``://``, ``www.``) or an e-mail address.

    Args:
        data: uint8, valid UTF-8.
        doc_bounds: int64[docs + 1], where each document begins in ``data``: no link goes on in another.
        spans: int64[m, 2], filled with the first byte and the byte after the last of each, ascending, apart; further
            ones than ``m`` are counted only.

    Returns:
        How many there are.
    """
    flags = np.zeros(STRIDE, np.uint8)
    eights = flags.view(np.uint64)
    count, done, doc = 0, 0, 0
    for base in range(0, data.size - 3, STRIDE):
        size = min(STRIDE, data.size - 3 - base)
        part, next1, next2 = (
            data[base : base + size],
            data[base + 1 : base + 1 + size],
            data[base + 2 : base + 2 + size],
        )
        if size < STRIDE:
            for k in range(STRIDE):
                flags[k] = 0
        for k in range(size):
            flags[k] = (
                (part[k] == AT)
                | ((part[k] == COLON) & (next1[k] == SLASH) & (next2[k] == SLASH))
                | ((part[k] | SPACE == W) & (next1[k] | SPACE == W) & (next2[k] | SPACE == W))
            )
        bits = pack(eights)
        while bits != ZERO:
            at = base + int(np.int64(lowest_bit(bits)))
            bits &= bits - ONE
            while doc_bounds[doc + 1] <= at:
                doc += 1
            first, end = max(doc_bounds[doc], done), doc_bounds[doc + 1]
            if at < first or at + 3 >= end:
                continue
            address, scheme = data[at] == AT, data[at] == COLON
            if not address and not scheme and (data[at + 3] != DOT or (at > first and is_word(data[at - 1]))):
                continue
            lo, hi = at, at + 1
            while (address or scheme) and lo > first and data[lo - 1] < 0x80 and not breaks(data[lo - 1]):
                if scheme and not is_word(data[lo - 1]):
                    break
                lo -= 1
            while hi < end and not breaks(data[hi]):
                hi += 1
            if hi - at < 4 or (lo == at and (address or scheme)):
                continue
            if count < spans.shape[0]:
                spans[count, 0], spans[count, 1] = lo, hi
            count += 1
            done = hi
    return count


@kernel
def first_colons(data: U8, starts: I64, ends: I64, fit: Bool, colons: I64) -> None:
    """Find the first colon, of any width, among the first bytes of each block.

    Args:
        data: uint8, valid UTF-8.
        starts: int64[n], first byte of each block. ``ends`` likewise, the byte after its last.
        ends: see ``starts``.
        fit: bool[n], blocks to look at.
        colons: int64[n], filled; -1 where there is none, and for others.
    """
    for i in range(starts.size):
        colons[i] = -1
        if not fit[i]:
            continue
        for p in range(starts[i], min(ends[i], starts[i] + HEAD)):
            wide = data[p] == 0xEF and p + 2 < ends[i] and data[p + 1] == 0xBC and data[p + 2] == 0x9A
            if data[p] == COLON or wide:
                colons[i] = p
                break


@kernel
def count_dividers(data: U8, starts: I64, ends: I64, fit: Bool, counts: I32) -> None:
    """Count what stands between the steps of a path (``>``), or the links of a menu of three (``|``, ``/``, a dot).

    Args:
        data: uint8, valid UTF-8.
        starts: int64[n], first byte of each block. ``ends`` likewise, the byte after its last.
        ends: see ``starts``.
        fit: bool[n], blocks to look at.
        counts: int32[n], filled; 0 for others.
    """
    for i in range(starts.size):
        counts[i] = 0
        if not fit[i]:
            continue
        bars, paths, wide = 0, 0, 0
        for p in range(starts[i] + 1, ends[i] - 1):
            c = data[p]
            if c == 124 or c == SLASH:  # | /
                bars += data[p - 1] == SPACE and data[p + 1] == SPACE
            elif c == 62:  # >
                paths += data[p - 1] == SPACE and data[p + 1] == SPACE
            elif c == 0xC2:  # middle dot, double angle quotation mark
                bars += data[p - 1] == SPACE and data[p + 1] == 0xB7
                paths += data[p - 1] == SPACE and data[p + 1] == 0xBB
            elif c == 0xE2 and p + 2 < ends[i]:  # bullet, single angle quotation mark, arrow
                bars += data[p - 1] == SPACE and data[p + 1] == 0x80 and data[p + 2] == 0xA2
                angle = data[p + 1] == 0x80 and data[p + 2] == 0xBA
                paths += data[p - 1] == SPACE and (angle or (data[p + 1] == 0x86 and data[p + 2] == 0x92))
            elif c == 0xE3 and p + 2 < ends[i]:  # ideographic space, alone: a run of them sets a table
                blank = data[p + 1] == 0x80 and data[p + 2] == 0x80
                again = p + 5 < ends[i] and data[p + 3] == 0xE3 and data[p + 4] == 0x80 and data[p + 5] == 0x80
                before = p >= starts[i] + 3 and data[p - 3] == 0xE3 and data[p - 2] == 0x80 and data[p - 1] == 0x80
                wide += blank and not again and not before
            elif c == 0xEF and p + 2 < ends[i]:  # full-width bar and greater-than sign
                bars += data[p + 1] == 0xBD and data[p + 2] == 0x9C
                paths += data[p + 1] == 0xBC and data[p + 2] == 0x9E
        counts[i] = paths + (bars if bars > 1 else 0) + (wide if wide > 2 else 0)
