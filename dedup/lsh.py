"""A threshold and a recall in; the permutations, bands and rows of MinHash-LSH out.

MinHash: Broder, "On the resemblance and containment of documents", 1997. Banding: Leskovec, Rajaraman & Ullman,
"Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from dedup.arrays import U32
from dedup.errors import SettingsError
from dedup.settings import Settings

BLOCK_SHINGLES = (1, 2)
DOC_SHINGLES = (5, 5)


class Scheme(NamedTuple):
    """How rows are sketched.

    Attributes:
        n_min: shortest word n-gram of the shingle set.
        n_max: longest one.
        bands: number of bands.
        rows: permutations a band.
        a: uint32[k], odd multipliers of the permutations; k >= bands * rows.
        b: uint32[k], their offsets.
        signed: whether sketches keep the signatures.
    """

    n_min: int
    n_max: int
    bands: int
    rows: int
    a: U32
    b: U32
    signed: bool = False


def permutations(num_perm: int, seed: int) -> tuple[U32, U32]:
    """Draw the permutations ``h -> a * h + b mod 2^32`` as datasketch's scheme affine32 does.

    Args:
        num_perm: how many.
        seed: of NumPy's legacy generator.

    Returns:
        uint32[num_perm], odd; uint32[num_perm].
    """
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)


def collision_probability(jaccard: float, bands: int, rows: int) -> float:
    """Return the probability that two sets of this similarity share a band: 1 - (1 - J^r)^b."""
    return float(1 - (1 - jaccard**rows) ** bands)


def choose_bands(threshold: float, num_perm: int, recall: float) -> tuple[int, int]:
    """Choose the longest bands with which a pair exactly at the threshold is still found.

    Long bands make few chance candidates; verification removes those that remain. (datasketch balances errors on
    both sides instead, which costs recall: 9 x 13 at 0.8, where 21 x 6 finds 99.8 % and 9 x 13 40 %.)

    Args:
        threshold: Jaccard similarity, 0-1.
        num_perm: permutations to spend.
        recall: probability asked for, 0-1.

    Returns:
        Bands and rows; bands * rows <= num_perm.

    Raises:
        SettingsError: even bands of one row do not reach the recall.

    >>> choose_bands(0.7, 168, 0.96), choose_bands(0.8, 168, 0.96)
    ((28, 6), (21, 8))
    """
    for rows in range(num_perm, 0, -1):
        bands = num_perm // rows
        if collision_probability(threshold, bands, rows) >= recall:
            return bands, rows
    raise SettingsError("num_perm", num_perm, f"more permutations, to reach recall {recall} at threshold {threshold}")


@functools.lru_cache
def make_scheme(shingles: tuple[int, int], threshold: float, num_perm: int, recall: float, seed: int) -> Scheme:
    """Put a scheme together; bands take the first ``bands * rows`` of the permutations."""
    bands, rows = choose_bands(threshold, num_perm, recall)
    return Scheme(*shingles, bands, rows, *permutations(num_perm, seed))


def schemes(settings: Settings) -> tuple[Scheme, Scheme]:
    """Return how blocks and how documents are sketched."""
    return (
        make_scheme(BLOCK_SHINGLES, settings.threshold, settings.num_perm, settings.recall, settings.seed),
        make_scheme(DOC_SHINGLES, settings.doc_threshold, settings.doc_num_perm, settings.doc_recall, settings.seed),
    )
