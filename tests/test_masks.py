"""Which of 64 bytes lie in a range, against a look at one byte at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dedup.arrays import U8, U64
from dedup.kernels.compile import helper
from dedup.kernels.masks import STRIDE, between, equal, roomy


@helper
def told(data: U8, base: int, low: int, high: int, found: U64) -> None:
    """Ask for a range and for one byte."""
    padded = roomy(data)
    found[0], found[1] = between(padded, base, low, high), equal(padded, base, low)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 199), st.integers(1, 255), st.integers(1, 255))
def test_bits_equal_the_twin(data: bytes, base: int, one: int, other: int) -> None:
    base, low, high = base % len(data), min(one, other), max(one, other)
    found = np.empty(2, np.uint64)
    told(np.frombuffer(data, np.uint8), base, low, high, found)
    part = data[base : base + STRIDE]
    assert found.tolist() == [
        sum((low <= byte <= high) << k for k, byte in enumerate(part)),
        sum((byte == low) << k for k, byte in enumerate(part)),
    ]


def test_bytes_that_are_many_stay_where_they_are() -> None:
    data = np.arange(STRIDE, dtype=np.uint8)
    assert np.shares_memory(roomy(data), data)
    assert roomy(data[:5]).tolist() == [0, 1, 2, 3, 4, *[0] * (STRIDE - 5)]
