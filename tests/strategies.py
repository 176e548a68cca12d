"""Hypothesis strategies and small builders that several test files share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import unicodedata2
from hypothesis import strategies as st

from dedup.arrays import I64, U8, U64
from dedup.schema import Blocks
from dedup.sketch import tokenize_blocks

# Letters whose case pairs came after Unicode 14: the fold table took case folding from the Python that built it.
RECENT_CASED = (
    (0x1C89, 0x1C8A), (0xA7CB, 0xA7E2), (0xAB6C, 0xAB6D), (0x10D50, 0x10D85), (0x16EA0, 0x16ED3), (0x1D6A6, 0x1D6A6),
    (0x1DF1F, 0x1DFFF),
)  # fmt: skip
PLAIN = "aAbBeE zZ0019 ,.-\n"
TELLING = (
    "éÉßſİıΣσςάЖждЙй｡ガｶﾞパﾊﾟ東京ไทย७५²½ⅷ①㌖ﷺ한글ᄀ"
    "\u0300\u0327\u0323\u0301\u00ad\u200d\u0645\u0651\u064e\u05d0\u05bc\0👍🏽"
)


def is_settled(char: str) -> bool:
    """Whether every Python since 3.11 folds a character alike."""
    return not any(first <= ord(char) <= last for first, last in RECENT_CASED)


characters = st.one_of(
    st.sampled_from(PLAIN), st.sampled_from(TELLING), st.characters(codec="utf-8").filter(is_settled)
)


def marks_in_a_row(text: str) -> int:
    """Return the length of the longest run of combining marks, once decomposed."""
    longest = run = 0
    for char in unicodedata2.normalize("NFKD", text):
        if char not in "\u00ad\u200d":
            run = run + 1 if unicodedata2.category(char)[0] == "M" else 0
        longest = max(longest, run)
    return longest


# Canonical order is kept up to 32 marks in a row, so longer runs have tests of their own.
texts = st.text(characters, max_size=60).filter(lambda text: marks_in_a_row(text) <= 30)

words = st.sampled_from(["the", "of", "a", "river", "rose", "by", "two", "metres", "in", "gate", "17", "2024", "1,000"])
sentences = st.lists(words, max_size=30).map(" ".join)


def frozen(values: Any, dtype: Any) -> npt.NDArray[Any]:
    """Return a read-only array, as mapped columns are: each kind of array costs a compilation."""
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array


def utf8(documents: Sequence[str]) -> tuple[U8, I64]:
    """Lay documents one behind the other: uint8, their bytes; int64[n + 1], where each begins."""
    data = [document.encode() for document in documents]
    bounds = np.cumsum([0, *map(len, data)])
    return np.frombuffer(b"".join(data), np.uint8), bounds


def tokenized(documents: Sequence[str]) -> tuple[U64, I64, U64]:
    """Tokenise documents whole: the hashes, where each document begins, and the fingerprints."""
    data, bounds = utf8(documents)
    each, sizes = np.arange(bounds.size), np.diff(bounds)
    whole = Blocks(each, np.zeros_like(sizes), sizes, np.zeros(sizes.size, np.uint8))
    tokens = tokenize_blocks(data, bounds, whole)
    return tokens.hashes, tokens.bounds, tokens.fingerprints
