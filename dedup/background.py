"""How common words are in their languages, and which language a text is in.

The table ``background.npz`` is built by ``bench/build_background.py`` from the counts of wordfreq (Speer 2022, CC BY-SA
4.0). It is read by token hashes; of scripts without spaces it has characters, and pairs of neighbours.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, I32, I64, U8, U32, U64
from dedup.kernels.tables import FREE
from dedup.kernels.terms import LANGUAGE_SHIFT, WORD_SHIFT, count_common_words, pair_of

STEP = 0.04  # of the Zipf scale: the logarithm to base 10 of how often a word stands in a billion
PLANES = 4  # bytes of a key
COMMON = 5.28  # frequency of words by which a language is known
SAMPLE = 64  # tokens of a text that are looked at for that, from all over it
SPARE = 4  # slots of their table for each
LEAST_SHARE = 0.1  # share of them that must be common words of the language


class Background(NamedTuple):
    """Frequencies of ``w`` words of ``l`` languages.

    Attributes:
        languages: their codes (ISO 639), in order.
        bounds: int64[l + 1], where each one's words begin.
        keys: uint32[w], the words' keys, ascending within a language.
        zipf: float32[w], frequencies on the Zipf scale (van Heuven et al. 2014): 3 is once in a million words.
    """

    languages: tuple[str, ...]
    bounds: I64
    keys: U32
    zipf: F32


def keys_of(tokens: U64) -> U32:
    """Return the keys of tokens: the upper halves of their hashes."""
    return (tokens >> np.uint64(32)).astype(np.uint32)


def pairs_of(tokens: U64) -> U64:
    """Return hashes of each token and the one behind it: uint64[n - 1]."""
    hashes: U64 = pair_of.py_func(tokens[:-1], tokens[1:])  # type: ignore[attr-defined]  # the kernels' own formula
    return hashes


def pack(words: Mapping[str, tuple[U32, F32]]) -> dict[str, np.ndarray]:
    """Put the keys and frequencies of each language's words into the arrays of the file."""
    keys, steps = [], []
    for own, zipf in words.values():
        order = np.argsort(own, kind="stable")
        keys.append(np.diff(own[order], prepend=np.uint32(0)).astype("<u4"))
        steps.append(np.round(zipf[order] / STEP).astype(np.uint8))
    gaps = np.concatenate(keys)
    return {
        "languages": np.array(list(words)),
        "bounds": np.cumsum([0, *map(len, keys)]),
        "gaps": gaps.view(np.uint8).reshape(-1, PLANES).T,  # a byte of all gaps after another: most are the same
        "steps": np.concatenate(steps),
    }


def unpack(arrays: Mapping[str, np.ndarray]) -> Background:
    """Read what ``pack`` wrote."""
    bounds: I64 = arrays["bounds"].astype(np.int64)
    gaps = np.ascontiguousarray(arrays["gaps"].T).view("<u4").ravel()
    keys: U32 = np.concatenate([np.cumsum(gaps[a:b], dtype=np.uint32) for a, b in itertools.pairwise(bounds.tolist())])
    steps: U8 = arrays["steps"]
    return Background(tuple(arrays["languages"].tolist()), bounds, keys, (steps * np.float32(STEP)).astype(np.float32))


@functools.cache
def background() -> Background:
    """Return the table as shipped."""
    with importlib.resources.files(__package__).joinpath("background.npz").open("rb") as file, np.load(file) as arrays:
        return unpack(arrays)


def words_of(language: int) -> tuple[U32, F32]:
    """Return the listed words of a language by their keys, uint32[w], and how common they are, float32[w]."""
    table = background()
    own = slice(*table.bounds[language : language + 2].tolist())
    return table.keys[own], table.zipf[own]


def zipf_of(tokens: U64, language: int) -> F32:
    """Return how common tokens, or pairs of them, are: float32[n], 0 for those that are not listed.

    Args:
        tokens: uint64[n], hashes.
        language: a number of ``Background.languages``.
    """
    keys, zipf = words_of(language)
    wanted = keys_of(tokens)
    places = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    return np.where(keys[places] == wanted, zipf[places], np.float32(0))


@functools.cache
def common_words() -> U64:
    """Return the table of the common words of all languages that ``count_common_words`` takes."""
    table = background()
    rows = np.flatnonzero(np.round(table.zipf / STEP) >= round(COMMON / STEP))
    languages = np.searchsorted(table.bounds, rows, side="right") - 1
    weights = np.round((table.zipf[rows] - (COMMON - 1)) / STEP).astype(np.int64)
    slots = np.zeros(1 << (SPARE * rows.size).bit_length(), np.uint64)
    mask = slots.size - 1
    for key, language, weight in zip(table.keys[rows].tolist(), languages.tolist(), weights.tolist(), strict=True):
        slot = key & mask
        while slots[slot]:
            slot = slot + 1 & mask
        slots[slot] = key << WORD_SHIFT | language << LANGUAGE_SHIFT | weight
    return slots


def identify(tokens: U64, bounds: I64) -> I32:
    """Tell the language of each text by its common words.

    Args:
        tokens: uint64, token hashes of the texts, one behind the other.
        bounds: int64[n + 1], where each one's begin.

    Returns:
        int32[n], numbers of ``Background.languages``; FREE where no language has enough of the words.
    """
    sums = np.zeros((bounds.size - 1, len(background().languages)), np.int64)
    found = np.zeros(sums.shape, np.int32)
    count_common_words(tokens, bounds, SAMPLE, common_words(), sums, found)
    best = sums.argmax(axis=1)
    lengths = np.diff(bounds)
    looked_at = -(-lengths // np.maximum(1, lengths // SAMPLE))
    enough = found[np.arange(best.size), best] >= np.maximum(1, LEAST_SHARE * looked_at)
    return np.where(enough, best, FREE).astype(np.int32)
