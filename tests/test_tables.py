"""Hash tables and groupings against dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import naive
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import frozen

from dedup.arrays import I64, U64, Bool
from dedup.cluster import candidate_pairs
from dedup.corpus import Interner
from dedup.grouping import Tables, group_rows, index_type
from dedup.kernels.tables import FREE, best_occurrences, count_members, gather, intern, rehash, transpose
from dedup.workspace import Workspace

# Few different words, some of which end alike in binary: fingerprints and keys that share a slot.
WORDS = st.sampled_from([0, 1, 2, 1 << 12, 1 << 13, 1 << 32, (1 << 32) + 1, (1 << 64) - 1])
FINGERPRINTS = st.tuples(WORDS, WORDS)
BATCHES = st.lists(st.lists(st.tuples(FINGERPRINTS, st.booleans()), max_size=30), max_size=5)
NONE_KNOWN: U64 = np.empty((0, 2), np.uint64)
INDICES = pytest.mark.parametrize("kind", [np.int32, np.int64])


def columns(batch: list[tuple[tuple[int, int], bool]]) -> tuple[U64, Bool]:
    """Return a batch as arrays: uint64[m, 2], bool[m]."""
    fingerprints = np.array([fingerprint for fingerprint, _ in batch], np.uint64).reshape(-1, 2)
    return fingerprints, np.array([present for _, present in batch], np.bool_)


@pytest.fixture(scope="module", params=[None, 0], ids=["in memory", "in files"])
def workspace(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """Yield a workspace with room for hot arrays, and one without."""
    with Workspace(most=request.param) as workspace:
        yield workspace


@given(BATCHES)
def test_interner_numbers_in_order_of_first_standing(
    workspace: Workspace, batches: list[list[tuple[tuple[int, int], bool]]]
) -> None:
    interner = Interner(NONE_KNOWN, workspace)
    known: dict[tuple[int, int], int] = {}
    for batch in batches:
        expected, new = [], []
        for fingerprint, present in batch:
            new.append(present and fingerprint not in known)
            expected.append(known.setdefault(fingerprint, len(known)) if present else FREE)
        numbers, first = interner.number(*columns(batch))
        assert numbers.tolist() == expected
        assert first.tolist() == new
        assert interner.count == len(known)
    assert list(map(tuple, interner._fingerprints[: interner.count].tolist())) == list(known)


@given(BATCHES, st.integers(0, 9))
def test_an_interner_goes_on(workspace: Workspace, batches: list[list[tuple[tuple[int, int], bool]]], cut: int) -> None:
    whole, first = Interner(NONE_KNOWN, workspace), Interner(NONE_KNOWN, workspace)
    numbers = [whole.number(*columns(batch))[0].tolist() for batch in batches]
    for batch in batches[:cut]:
        first.number(*columns(batch))
    second = Interner(first._fingerprints[: first.count], workspace)
    assert [second.number(*columns(batch))[0].tolist() for batch in batches[cut:]] == numbers[cut:]


@pytest.mark.parametrize("batches", [1, 3, 50])
def test_interner_grows(workspace: Workspace, batches: int) -> None:
    chance = np.random.default_rng(1)
    fingerprints = chance.integers(0, 1 << 64, (20_000, 2), dtype=np.uint64)
    fingerprints[:, 0] &= np.uint64(0xFFF)  # many in each slot
    chosen = chance.integers(0, 20_000, 30_000)
    interner = Interner(NONE_KNOWN, workspace)
    known: dict[int, int] = {}
    for part in np.array_split(chosen, batches):
        expected = [known.setdefault(row, len(known)) for row in part.tolist()]
        numbers, _ = interner.number(fingerprints[part], np.ones(part.size, np.bool_))
        assert numbers.tolist() == expected
    assert interner.count == len(known) > 10_000
    assert np.array_equal(interner._fingerprints[: interner.count], fingerprints[list(known)])


@given(st.lists(FINGERPRINTS, unique=True, max_size=30), st.lists(st.tuples(FINGERPRINTS, st.booleans()), max_size=30))
def test_intern_after_rehash_finds_all(known: list[tuple[int, int]], batch: list[tuple[tuple[int, int], bool]]) -> None:
    table = np.empty((len(known) + len(batch), 2), np.uint64)
    table[: len(known)] = np.array(known, np.uint64).reshape(-1, 2)
    slots = np.full(128, FREE, np.int64)
    rehash(table, len(known), slots)
    assert sorted(slots[slots != FREE].tolist()) == list(range(len(known)))
    rows = np.empty(len(batch), np.int64)
    count = intern(*columns(batch), table, len(known), slots, rows)
    numbers = {fingerprint: row for row, fingerprint in enumerate(known)}
    expected = [numbers.setdefault(one, len(numbers)) if present else FREE for one, present in batch]
    assert rows.tolist() == expected
    assert count == len(numbers)


def naive_groups(keys: list[int], alive: list[bool]) -> list[list[int]]:
    """Return the groups of two or more rows, in order of their first."""
    rows = [row for row, one in enumerate(alive) if one]
    groups = naive.group_by_key([keys[row] for row in rows]).values()
    return [[rows[place] for place in places] for places in groups if len(places) > 1]


@INDICES
@pytest.mark.parametrize("width", [np.uint32, np.uint64])
@given(data=st.data())
def test_group_equals_the_twin(workspace: Workspace, kind: type[Any], width: type[Any], data: st.DataObject) -> None:
    words = WORDS.map(lambda word: word & int(np.iinfo(width).max))
    rows = data.draw(st.lists(st.tuples(words, st.sampled_from([True, True, True, False])), max_size=40))
    keys, alive = [key for key, _ in rows], [one for _, one in rows]
    entries, sizes = group_rows(frozen(keys, width), np.array(alive, np.bool_), Tables(len(rows), kind, workspace))
    groups = naive_groups(keys, alive)
    bucket_of = {row: bucket for bucket, members in enumerate(groups) for row in members}
    assert entries.dtype == sizes.dtype == kind
    assert entries.tolist() == [[row, bucket_of[row]] for row in sorted(bucket_of)]
    assert sizes.tolist() == [len(members) for members in groups]


def test_tables_are_used_again(workspace: Workspace) -> None:
    tables = Tables(4, np.int32, workspace)
    alive = np.ones(4, np.bool_)
    for keys in ([1, 1, 2, 2], [1, 2, 3, 4], [5, 6, 6, 5], [7, 7, 7, 7]):
        entries, sizes = group_rows(frozen(keys, np.uint32), alive, tables)
        assert sizes.tolist() == [len(members) for members in naive_groups(keys, [True] * 4)]
        assert entries[:, 0].tolist() == sorted(row for members in naive_groups(keys, [True] * 4) for row in members)


def test_group_of_many_rows(workspace: Workspace) -> None:
    keys = frozen(np.random.default_rng(2).integers(0, 20_000, 50_000), np.uint32)
    alive = keys % 7 != 0
    tables = Tables(keys.size, np.int32, workspace)
    entries, sizes = group_rows(keys, alive, tables)
    found, buckets = len(entries), len(sizes)
    groups = naive_groups(keys.tolist(), alive.tolist())
    assert buckets == len(groups) > 10_000
    assert found == sum(map(len, groups))
    assert sizes[:buckets].tolist() == list(map(len, groups))
    places = sorted((row, bucket) for bucket, members in enumerate(groups) for row in members)
    assert list(map(tuple, entries[:found].tolist())) == places


@INDICES
@given(data=st.data())
def test_transpose_equals_the_twin(kind: type[Any], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 8))
    band = st.dictionaries(st.integers(0, n - 1), st.integers(0, 5), max_size=n).map(lambda one: sorted(one.items()))
    bands = data.draw(st.lists(band, max_size=5))
    ends = np.cumsum([len(one) for one in bands], dtype=np.int64)
    first = np.arange(len(bands)) * 100
    entries: npt.NDArray[Any] = np.array(list(itertools.chain.from_iterable(bands)), kind).reshape(-1, 2)
    bounds, out = np.zeros(n + 1, np.int64), np.empty(len(entries), kind)
    transpose(entries, np.arange(0, -1000, -1).astype(kind), first, ends, bounds, out)
    expected = [[-(100 * k + dict(one)[row]) for k, one in enumerate(bands) if row in dict(one)] for row in range(n)]
    assert [out[lo:hi].tolist() for lo, hi in itertools.pairwise(bounds.tolist())] == expected
    assert bounds[0] == 0


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=12), min_size=1, max_size=4).filter(
    lambda bands: len(set(map(len, bands))) == 1
))  # fmt: skip
def test_candidate_pairs_are_those_that_share_a_bucket(bands: list[list[int]]) -> None:
    keys = [frozen(band, np.uint32) for band in bands]
    pairs = itertools.combinations(range(len(bands[0])), 2)
    expected = [[i, j] for i, j in pairs if any(band[i] == band[j] for band in bands)]
    assert candidate_pairs(keys).tolist() == expected


@pytest.mark.parametrize(
    ("largest", "kind"), [(0, np.int32), ((1 << 31) - 1, np.int32), (1 << 31, np.int64), (1 << 40, np.int64)]
)
def test_smallest_index_type(largest: int, kind: type[Any]) -> None:
    assert index_type(largest) is kind
    assert np.iinfo(kind).max >= largest


RUNS = st.lists(st.lists(st.integers(FREE, 6), max_size=6), max_size=6)


def runs(rows: list[list[int]]) -> tuple[I64, I64]:
    """Lay runs one behind the other: int64, the values; int64[n + 1], where each begins."""
    flat = list(itertools.chain.from_iterable(rows))
    return np.array(flat, np.int64), np.cumsum([0, *map(len, rows)])


@given(RUNS.filter(bool), st.data())
def test_gather_copies_runs(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    values, bounds = runs(rows)
    expected = [value for row in chosen for value in rows[row]]
    out = np.empty(len(expected), np.uint64)
    gather((values + 1).astype(np.uint64), bounds, np.array(chosen, np.int64), out)
    assert (out.astype(np.int64) - 1).tolist() == expected


@given(RUNS, st.data())
def test_best_occurrence_is_the_first_of_the_best_document(docs: list[list[int]], data: st.DataObject) -> None:
    alive = data.draw(st.lists(st.booleans(), min_size=len(docs), max_size=len(docs)))
    rank = data.draw(st.one_of(st.just([]), st.permutations(range(len(docs)))))
    distinct, bounds = runs(docs)
    best = np.full(7, FREE, np.int64)
    best_occurrences(distinct, bounds, np.array(alive, np.bool_), np.array(rank, np.int64), best)
    expected = [FREE] * 7
    for doc in sorted(range(len(docs)), key=rank.__getitem__) if rank else range(len(docs)):
        for place, content in enumerate(docs[doc]):
            if alive[doc] and content != FREE and expected[content] == FREE:
                expected[content] = int(bounds[doc]) + place
    assert best.tolist() == expected


@given(RUNS, st.data())
def test_members_are_counted_for_their_keepers(docs: list[list[int]], data: st.DataObject) -> None:
    alive = data.draw(st.lists(st.booleans(), min_size=len(docs), max_size=len(docs)))
    keepers = data.draw(st.lists(st.integers(0, 6), min_size=7, max_size=7))
    distinct, bounds = runs(docs)
    counts = np.zeros(7, np.int32)
    count_members(distinct, bounds, np.array(alive, np.bool_), np.array(keepers, np.int64), counts)
    members = [
        keepers[content] for doc, one in zip(docs, alive, strict=True) if one for content in doc if content != FREE
    ]
    assert counts.tolist() == [members.count(keeper) for keeper in range(7)]
