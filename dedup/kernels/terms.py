"""Tokens of documents in; their languages, and the terms of each with their counts, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U32, U64, Bool
from dedup.kernels.compile import inline, kernel
from dedup.kernels.mixing import K_FIRST, K_SECOND, mix64
from dedup.kernels.tables import FREE

BUCKETS = 1 << 19  # of the terms of a language
BUCKET_SHIFT = np.uint64(64 - 19)
WORD_SHIFT, LANGUAGE_SHIFT = 32, 16  # of an entry in the table of common words
SIXTEEN = np.uint64(0xFFFF)
HALF = np.uint64(32)
NUMBER = np.uint64(1)  # the lowest bit of a number's hash
ONE = np.uint64(1)


@inline
def pair_of(first: np.uint64, second: np.uint64) -> np.uint64:
    """Hash two neighbours, see ``dedup.background.pairs_of``."""
    return (first * K_FIRST + second) * K_SECOND


@inline
def term_key(term: np.uint64, language: int) -> np.uint64:
    """Hash a term of a language, by the upper half of its hash; the upper 19 bits are the term's bucket."""
    return mix64((term >> HALF) + (np.uint64(language + 1) << HALF))


@kernel
def count_common_words(tokens: U64, bounds: I64, sample: int, slots: U64, sums: I64, found: I32) -> None:
    """Add up, for each text and language, how common those of its words are that are common in it.

    Args:
        tokens: uint64, token hashes of ``n`` texts.
        bounds: int64[n + 1], where each one's begin.
        sample: how many tokens of each are looked at, or up to twice as many, from all over it.
        slots: uint64, a power of two, 0 where free: the upper half of a word's hash, then 16 bits for a language whose
            word it is, and 16 for its weight there; an open-addressing table, a word once for each of its languages.
        sums: int64[n, l], all zero; filled with sums of weights.
        found: int32[n, l], all zero; filled with how many tokens are common words.
    """
    mask = np.uint64(slots.size - 1)
    for text in range(bounds.size - 1):
        step = max(1, (bounds[text + 1] - bounds[text]) // sample)
        for k in range(bounds[text], bounds[text + 1], step):
            key = tokens[k] >> HALF
            slot = key & mask
            while slots[slot] != 0:
                entry = slots[slot]
                if entry >> HALF == key:
                    language = int(np.int64(entry >> np.uint64(LANGUAGE_SHIFT) & SIXTEEN))
                    sums[text, language] += np.int64(entry & SIXTEEN)
                    found[text, language] += 1
                slot = (slot + ONE) & mask


@kernel
def count_terms(
    tokens: U64, bounds: I64, block_bounds: I64, languages: I32, paired: Bool, indices: I32, counts: I32, indptr: I64
) -> None:
    """Count the terms of documents: tokens that are no numbers; where scripts have no spaces, pairs of neighbours.

    Args:
        tokens: uint64, token hashes of ``n`` blocks.
        bounds: int64[n + 1], where each block begins in ``tokens``.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        languages: int32[docs], FREE where not known.
        paired: bool[l + 1], whether a language's terms are pairs; the last, FREE, is of no language.
        indices: int32[tokens], filled: the buckets of a document's terms, in order of first standing.
        counts: int32[tokens], filled: how often each stands there.
        indptr: int64[docs + 1], filled: where each document's begin.
    """
    longest = 0
    for doc in range(block_bounds.size - 1):
        longest = max(longest, bounds[block_bounds[doc + 1]] - bounds[block_bounds[doc]])
    room = 2
    while room < 2 * longest:
        room *= 2
    ahead = np.empty(room, np.int32)  # the buckets of a document's terms
    places = np.full(room, FREE, np.int32)  # in ``indices``; those of earlier documents are before ``start``
    out = 0
    indptr[0] = 0
    for doc in range(block_bounds.size - 1):
        language, pairs, start = languages[doc], paired[languages[doc]], out
        size = 2
        while size < 2 * (bounds[block_bounds[doc + 1]] - bounds[block_bounds[doc]]):
            size *= 2
        terms = 0
        for block in range(block_bounds[doc], block_bounds[doc + 1]):
            for k in range(bounds[block], bounds[block + 1] - pairs):
                term = tokens[k]
                number = term & NUMBER
                if pairs:
                    number |= tokens[k + 1] & NUMBER
                    term = pair_of(term, tokens[k + 1])
                ahead[terms] = np.int32(term_key(term, language) >> BUCKET_SHIFT)
                terms += number == 0
        for k in range(terms):
            bucket = ahead[k]
            slot = bucket & (size - 1)
            while places[slot] >= start and indices[places[slot]] != bucket:
                slot = (slot + 1) & (size - 1)
            if places[slot] < start:
                places[slot] = out
                indices[out], counts[out] = bucket, 0
                out += 1
            counts[places[slot]] += 1
        indptr[doc + 1] = out


@kernel
def add_frequencies(indices: I32, indptr: I64, docs: I64, frequencies: U32) -> None:
    """Add the terms of some documents to the frequencies: uint32[BUCKETS], in how many documents each stands."""
    for doc in docs:
        for k in range(indptr[doc], indptr[doc + 1]):
            frequencies[indices[k]] += np.uint32(1)
