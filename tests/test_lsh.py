"""Permutations, bands and rows: datasketch's numbers, and the recall that was asked for."""

from __future__ import annotations

import datasketch
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import tokenized

from dedup.cluster import candidate_pairs
from dedup.errors import SettingsError
from dedup.lsh import BLOCK_SHINGLES, choose_bands, collision_probability, make_scheme, permutations
from dedup.sketch import sketch_rows

THRESHOLDS = st.floats(0.05, 1.0)
RECALLS = st.floats(0.01, 0.999)
BUDGETS = st.integers(1, 300)


@pytest.mark.parametrize("num_perm", [1, 64, 128, 168, 256])
@pytest.mark.parametrize("seed", [0, 1, 42, 2**32 - 1])
def test_permutations_are_datasketch_s(num_perm: int, seed: int) -> None:
    a, b = permutations(num_perm, seed)
    theirs = datasketch.MinHash(num_perm=num_perm, seed=seed, scheme="affine32").permutations
    assert a.dtype == b.dtype == np.uint32
    assert a.tolist() == theirs[0].tolist()
    assert b.tolist() == theirs[1].tolist()


@given(BUDGETS, st.integers(0, 2**32 - 1))
def test_multipliers_are_odd(num_perm: int, seed: int) -> None:
    a, b = permutations(num_perm, seed)
    assert a.shape == b.shape == (num_perm,)
    assert np.all(a % 2 == 1)


@given(THRESHOLDS, st.integers(1, 40), st.integers(1, 12))
def test_collision_probability_by_its_complement(jaccard: float, bands: int, rows: int) -> None:
    missed = 1.0
    for _ in range(bands):
        missed *= 1 - jaccard**rows
    assert collision_probability(jaccard, bands, rows) == pytest.approx(1 - missed, abs=1e-12)


@pytest.mark.parametrize(
    ("jaccard", "bands", "rows", "probability"),
    [
        (0.8, 21, 6, 0.998),
        (0.7, 21, 6, 0.928),
        (0.8, 9, 13, 0.399),
        (0.5, 1, 1, 0.5),
        (1.0, 1, 200, 1.0),
        (0.0, 9, 2, 0.0),
    ],
)
def test_collision_probability_by_hand(jaccard: float, bands: int, rows: int, probability: float) -> None:
    assert collision_probability(jaccard, bands, rows) == pytest.approx(probability, abs=5e-4)


@given(THRESHOLDS, BUDGETS, RECALLS)
def test_bands_are_the_longest_that_reach_the_recall(threshold: float, num_perm: int, recall: float) -> None:
    enough = [
        rows for rows in range(1, num_perm + 1) if collision_probability(threshold, num_perm // rows, rows) >= recall
    ]
    if not enough:
        with pytest.raises(SettingsError, match=f"num_perm={num_perm} is not allowed: more permutations, to reach"):
            choose_bands(threshold, num_perm, recall)
    else:
        bands, rows = choose_bands(threshold, num_perm, recall)
        assert (bands, rows) == (num_perm // max(enough), max(enough))
        assert 1 <= bands * rows <= num_perm


def test_a_recall_out_of_reach_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"to reach recall 0\.99 at threshold 0\.1$") as caught:
        choose_bands(0.1, 16, 0.99)
    assert (caught.value.name, caught.value.value) == ("num_perm", 16)


@given(THRESHOLDS, BUDGETS, RECALLS, RECALLS)
def test_more_recall_means_bands_as_long_or_shorter(threshold: float, num_perm: int, one: float, two: float) -> None:
    low, high = sorted((one, two))
    assume(collision_probability(threshold, num_perm, 1) >= high)
    assert choose_bands(threshold, num_perm, high)[1] <= choose_bands(threshold, num_perm, low)[1]


@pytest.mark.parametrize(
    ("threshold", "num_perm", "recall", "chosen"),
    [(0.7, 168, 0.96, (28, 6)), (0.8, 168, 0.96, (21, 8)), (1.0, 168, 0.96, (1, 168)), (0.5, 1, 0.5, (1, 1))],
)
def test_bands_by_hand(threshold: float, num_perm: int, recall: float, chosen: tuple[int, int]) -> None:
    assert choose_bands(threshold, num_perm, recall) == chosen


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("num_perm", [30, 168])
def test_a_scheme_holds_all_permutations(threshold: float, num_perm: int) -> None:
    scheme = make_scheme((2, 4), threshold, num_perm, 0.96, 7)
    a, b = permutations(num_perm, 7)
    assert (scheme.n_min, scheme.n_max) == (2, 4)
    assert (scheme.bands, scheme.rows) == choose_bands(threshold, num_perm, 0.96)
    assert (scheme.a.tolist(), scheme.b.tolist()) == (a.tolist(), b.tolist())


def test_pairs_at_the_threshold_are_found_as_often_as_asked_for() -> None:
    # texts of 16 different words, of which a pair shares 14 in one run: 27 of 35 shingles, J = 0.771
    pairs, jaccard = 1000, 27 / 35
    documents = []
    for k in range(pairs):
        shared = [f"w{k}x{place}" for place in range(14)]
        documents += [" ".join([*shared, f"l{k}", f"m{k}"]), " ".join([*shared, f"r{k}", f"s{k}"])]
    hashes, bounds, _ = tokenized(documents)
    for recall in (0.5, 0.8, 0.96):
        scheme = make_scheme(BLOCK_SHINGLES, jaccard, 168, recall, 1)
        keys = sketch_rows(hashes, bounds, np.arange(2 * pairs), scheme).keys
        found = candidate_pairs(list(keys))
        true = found[(found[:, 0] % 2 == 0) & (found[:, 1] == found[:, 0] + 1)]
        expected = collision_probability(jaccard, scheme.bands, scheme.rows)
        sigma = np.sqrt(expected * (1 - expected) / pairs)
        assert expected >= recall
        assert abs(len(true) / pairs - expected) <= 4 * sigma
