"""Bytes in; words of 64 bits that tell which of 64 of them lie in a range, the first byte's bit lowest, out.

Written in LLVM's vectors, a few instructions each on any processor. A loop over bytes vectorises too, but what it finds
has to be gathered from a byte each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from dedup.kernels.compile import helper, inline

if TYPE_CHECKING:
    from collections.abc import Callable

    from dedup.arrays import U8

STRIDE = 64  # bytes that are looked at together
BYTE, LANE, WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES = ir.VectorType(BYTE, STRIDE)
FIRST_LANE = ir.Constant(ir.VectorType(LANE, STRIDE), None)  # taken by each lane


def all_lanes(builder: Any, value: Any) -> Any:
    """Build a vector of one byte."""
    nothing = ir.Constant(BYTES, ir.Undefined)
    return builder.shuffle_vector(builder.insert_element(nothing, value, ir.Constant(LANE, 0)), nothing, FIRST_LANE)


def build_bits(_: Any, data: Any, start: Any, low: Any, high: Any) -> Any:  # noqa: ARG001 - their types
    """Build the comparison of 64 bytes of ``data``, from ``start`` on, with ``low`` and ``high``."""
    if not isinstance(data, types.Array) or data.layout != "C" or data.dtype != types.uint8 or data.ndim != 1:
        raise TypingError(f"bytes behind one another are needed, not {data}")

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), BYTES.as_pointer())
        above = builder.sub(builder.load(place, align=1), all_lanes(builder, arguments[2]))
        width = all_lanes(builder, builder.sub(arguments[3], arguments[2]))
        return builder.bitcast(builder.icmp_unsigned("<=", above, width), WORD)

    return types.uint64(data, types.int64, types.uint8, types.uint8), build


bits_between = cast("Callable[[U8, int, int, int], np.uint64]", intrinsic(build_bits))


@helper
def roomy(data: U8) -> U8:
    """Return bytes that are 64 at the least, zeros behind them if need be."""
    if data.size >= STRIDE:
        return data
    padded = np.zeros(STRIDE, np.uint8)
    for k in range(data.size):
        padded[k] = data[k]
    return padded


@inline
def between(data: U8, base: int, low: int, high: int) -> np.uint64:
    """Tell which of the bytes from ``base`` on, 64 or as many as there are, are ``low``, ``high`` or between them.

    Args:
        data: uint8, 64 bytes at the least, see ``roomy``.
        base: a place in it.
        low: the smallest byte; not 0, which may be there for room only.
        high: the largest.
    """
    start = min(base, data.size - STRIDE)
    return bits_between(data, start, low, high) >> np.uint64(base - start)


@inline
def equal(data: U8, base: int, value: int) -> np.uint64:
    """Tell which of the bytes from ``base`` on, see ``between``, are ``value``."""
    return between(data, base, value, value)
