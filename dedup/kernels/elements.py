"""Bytes of one JSON array in, piece by piece; where its elements are parted, and where it ends, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I64, U8
from dedup.kernels.compile import kernel
from dedup.kernels.masks import STRIDE, between, equal, roomy
from dedup.kernels.mixing import lowest_bit, ones

QUOTE, COMMA, BACKSLASH = 34, 44, 92
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE = 91, 93, 123, 125  # between them only \ and |
# What is kept between pieces: how many brackets are open, whether a string is, whether its next byte is escaped.
DEPTH, IN_STRING, ESCAPED = 0, 1, 2
STATES = 3


@kernel
def find_commas(piece: U8, state: I64) -> tuple[I64, int]:
    """Find the commas between the elements of an array in its next piece.

    Args:
        piece: uint8, what follows the opening bracket, or the piece before.
        state: int64[STATES], what is kept between pieces; at first a DEPTH of 1 and zeros.

    Returns:
        int64[n], where the commas stand; where the bracket stands that closes the array, -1 if it does not.
    """
    size = piece.size
    data = roomy(piece)
    most = np.uint64(0)
    for base in range(0, size, STRIDE):
        most += ones(equal(data, base, COMMA))
    commas = np.empty(np.int64(most), np.int64)
    depth, inside = state[DEPTH], state[IN_STRING] == 1
    n, p = int(np.int64(0)), int(np.int64(0))
    if size > 0:
        p += state[ESCAPED]
        state[ESCAPED] = 0
    while p < size:
        if inside:
            bits = equal(data, p, QUOTE) | equal(data, p, BACKSLASH)
        else:
            bits = equal(data, p, QUOTE) | between(data, p, OPEN_BRACKET, CLOSE_BRACKET)
            bits |= between(data, p, OPEN_BRACE, CLOSE_BRACE)
            if depth == 1:
                bits |= equal(data, p, COMMA)
        if bits == np.uint64(0):
            p += STRIDE
            continue
        p += int(np.int64(lowest_bit(bits)))
        c = data[p]
        p += 1
        if c == QUOTE:
            inside = not inside
        elif inside:  # a backslash
            if p == size:
                state[ESCAPED] = 1
            p += 1
        elif c == COMMA:
            commas[n] = p - 1
            n += 1
        elif c == OPEN_BRACKET or c == OPEN_BRACE:
            depth += 1
        elif c == CLOSE_BRACKET or (c == CLOSE_BRACE and depth > 1):  # a brace too many is the element's fault
            depth -= 1
            if depth == 0:
                state[DEPTH] = 0
                return commas[:n], p - 1
    state[DEPTH], state[IN_STRING] = depth, inside
    return commas[:n], -1
