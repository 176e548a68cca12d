"""Documents that others contain, against their twin and by hand."""

from __future__ import annotations

from collections.abc import Sequence

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import frozen

from dedup.containment import Containers, contained_documents
from dedup.kernels.tables import FREE
from dedup.workspace import Workspace

LABELS = 6
DOCS = st.lists(st.lists(st.integers(0, LABELS - 1), max_size=9), max_size=7)
SHARES = st.sampled_from([0.3, 0.5, 0.6, 0.8, 1.0])


def find(
    docs: Sequence[Sequence[int]],
    share: float,
    limit: int = 1000,
    keepers: Sequence[int] | None = None,
    long: Sequence[bool] | None = None,
    alive: Sequence[bool] | None = None,
) -> Containers:
    """Find contained documents, given as lists of contents."""
    labels = 1 + max((content for doc in docs for content in doc), default=0)
    with Workspace() as workspace:
        return contained_documents(
            frozen([content for doc in docs for content in doc], np.int64),
            np.arange(labels) if keepers is None else np.array(keepers, np.int64),
            np.ones(labels, np.bool_) if long is None else np.array(long, np.bool_),
            frozen(np.cumsum([0, *map(len, docs)]), np.int64),
            np.ones(len(docs), np.bool_) if alive is None else np.array(alive, np.bool_),
            np.empty(0, np.int64),
            share,
            limit,
            workspace,
        )


def assert_equal(found: Containers, expected: Sequence[tuple[float, set[int]]]) -> None:
    """Check shares exactly, and that each container is one of the best."""
    assert found.shares.tolist() == [share for share, _ in expected]
    for container, (_, best) in zip(found.containers.tolist(), expected, strict=True):
        assert container in (best or {FREE})


@given(DOCS, SHARES)
def test_containers_equal_the_twin(docs: list[list[int]], share: float) -> None:
    found = find(docs, share)
    assert found.skipped == 0
    assert_equal(found, naive.containers(docs, share))


@given(st.lists(st.integers(0, 40), min_size=2, max_size=30), st.data(), SHARES)
def test_what_is_left_of_a_document_is_contained_in_it(whole: list[int], data: st.DataObject, share: float) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)).filter(lambda x: sum(x) >= 2))
    part = [content for content, one in zip(whole, kept, strict=True) if one]
    found = find([whole, part], share)
    assert found.containers.tolist() == [FREE, 0]
    assert found.shares.tolist() == [0.0, 1.0]


@given(DOCS, SHARES, st.data())
def test_only_long_contents_of_living_documents_count(docs: list[list[int]], share: float, data: st.DataObject) -> None:
    docs = [[content or FREE for content in doc] for doc in docs]
    keepers = data.draw(st.lists(st.integers(0, LABELS - 1), min_size=LABELS, max_size=LABELS))
    long = data.draw(st.lists(st.booleans(), min_size=LABELS, max_size=LABELS))
    alive = data.draw(st.lists(st.booleans(), min_size=len(docs), max_size=len(docs)))
    found = find(docs, share, keepers=keepers, long=long, alive=alive)
    labels = [
        [keepers[content] for content in doc if content != FREE and long[content]] if one else []
        for doc, one in zip(docs, alive, strict=True)
    ]
    assert_equal(found, naive.containers(labels, share))


@pytest.mark.parametrize(
    ("docs", "share", "containers", "shares"),
    [
        ([], 0.8, [], []),
        ([[], []], 0.8, [FREE, FREE], [0, 0]),
        ([[1, 2, 3, 4, 5], [2, 4]], 0.8, [FREE, 0], [0, 1]),
        ([[2, 4], [1, 2, 3, 4, 5]], 0.8, [1, FREE], [1, 0]),
        ([[1, 2, 3], [1, 2, 3]], 0.8, [FREE, 0], [0, 1]),  # of two as long, the later one
        ([[1, 2, 3, 4, 5], [4, 2]], 0.8, [FREE, FREE], [0, 0]),  # another order
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 9]], 0.8, [FREE, 0], [0, 0.8]),
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3, 8, 9]], 0.8, [FREE, FREE], [0, 0]),
        ([[1, 2, 3], [1]], 0.8, [FREE, FREE], [0, 0]),  # one block is too little
        ([[1, 2, 3], [1, 9]], 0.5, [FREE, FREE], [0, 0]),
        ([[1, 2, 3], [1, 2, 4], [1, 2]], 0.8, [FREE, FREE, 0], [0, 0, 1]),  # of equal shares, the first
        ([[1, 1, 2, 3], [1, 1, 1]], 0.6, [FREE, 0], [0, 2 / 3]),
        ([[1, 2, 7, 8], [1, 2, 3, 9, 9], [1, 2, 3]], 0.6, [FREE, FREE, 1], [0, 0, 1]),  # the larger share
        ([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 2, 3, 4, 5, 6, 9]], 0.8, [FREE, 0], [0, 1]),
    ],
)
def test_by_hand(docs: list[list[int]], share: float, containers: list[int], shares: list[float]) -> None:
    found = find(docs, share)
    assert found.containers.tolist() == containers
    assert found.shares.tolist() == shares


@pytest.mark.parametrize(("share", "contained"), [(0.55, True), (0.56, False), (0.07, True)])
def test_a_share_exactly_met_is_enough(share: float, contained: bool) -> None:
    # 0.55 * 100 and 0.07 * 100 are a little more than 55 and 7 in binary
    whole = [*range(55), *range(200, 300)]
    part = [*range(55), *range(300, 345)]
    found = find([whole, part], share)
    assert found.containers.tolist() == [FREE, 0 if contained else FREE]
    assert found.shares[1] == (0.55 if contained else 0)


def test_the_limit_leaves_comparisons_out_and_counts_them() -> None:
    docs = [[1, 2, 10 + k, 20 + k] for k in range(5)] + [[1, 2]]
    found = find(docs, 0.8, limit=2)
    assert found.containers.tolist() == [FREE] * 5 + [0]
    assert found.skipped == 3  # the five share too few blocks to be compared with one another
    assert find(docs, 0.8, limit=5).skipped == 0


def test_many_documents_equal_the_twin() -> None:
    chance = np.random.default_rng(5)
    docs = [chance.integers(0, 400, chance.integers(0, 25)).tolist() for _ in range(60)]
    docs += [[content for content in docs[k] if chance.random() < 0.9] for k in range(40)]
    found = find(docs, 0.7)
    assert np.count_nonzero(found.containers != FREE) >= 20
    assert_equal(found, naive.containers(docs, 0.7))


def test_of_equal_shares_the_first_container_stays_whatever_their_size() -> None:
    part = list(range(22))
    wholes = [[*range(15), *range(base, base + 10)] for base in (100, 200)]
    assert find([*wholes, part], 0.65).containers.tolist() == [FREE, FREE, 0]


def test_work_is_bounded_where_many_documents_share_a_block() -> None:
    docs = [[0] * 10 + [k + 1] for k in range(30_000)]  # a look at each pair of them would take minutes
    found = find(docs, 0.9, limit=4)
    assert found.containers[:2].tolist() == [FREE, 0]
    assert np.all(found.shares[1:] == 10 / 11)
    assert found.skipped == sum(k - 4 for k in range(5, 30_000))
