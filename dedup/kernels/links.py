"""Bytes of blocks in; where URLs and e-mail addresses stand out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8
from dedup.kernels.compile import helper, kernel
from dedup.kernels.masks import STRIDE, equal, roomy
from dedup.kernels.mixing import lowest_bit

AT, COLON, SLASH, DOT, SPACE, W = np.uint8(64), np.uint8(58), np.uint8(47), np.uint8(46), np.uint8(32), np.uint8(119)
ZERO, ONE, LAST = np.uint64(0), np.uint64(1), np.uint64(1 << 63)


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
    size, data = data.size, roomy(data)
    count, done, doc = 0, 0, 0
    for base in range(0, size, STRIDE):
        # what may begin one by itself and the byte behind it, whatever that is where these 64 end
        w = equal(data, base, 119) | equal(data, base, 87)
        slash = equal(data, base, 47)
        bits = equal(data, base, 64) | equal(data, base, 58) & (slash >> ONE | LAST) | w & (w >> ONE | LAST)
        while bits != ZERO:
            at = base + int(np.int64(lowest_bit(bits)))
            bits &= bits - ONE
            while doc_bounds[doc + 1] <= at:
                doc += 1
            first, end = max(doc_bounds[doc], done), doc_bounds[doc + 1]
            if at < first or at + 3 >= end:
                continue
            address, scheme = data[at] == AT, data[at] == COLON
            if scheme and (data[at + 1] != SLASH or data[at + 2] != SLASH):
                continue
            if not address and not scheme:
                www = data[at + 1] | SPACE == W and data[at + 2] | SPACE == W and data[at + 3] == DOT
                if not www or (at > first and is_word(data[at - 1])):
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
