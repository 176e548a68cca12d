"""Clusters around keepers against the naive greedy clustering, and the exact joins it rests on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import frozen, tokenized

from dedup import cluster
from dedup.kernels.compare import Rows, Rules
from dedup.kernels.tables import FREE
from dedup.lsh import BLOCK_SHINGLES, make_scheme
from dedup.schema import Matches
from dedup.sketch import sketch_rows
from dedup.workspace import Workspace

Row = tuple[int, ...]
# Hashes of a few words, some of which end alike in binary.
WORDS = st.sampled_from([naive.mix64(k) >> 20 * (k % 2) << 20 * (k % 2) for k in range(1, 9)])
ROWS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(tuple), max_size=12)
SHINGLES = st.sampled_from([(1, 2), (1, 1), (2, 3), (5, 5)])
THRESHOLDS = st.sampled_from([0.2, 1 / 3, 0.5, 0.6, 0.7, 0.8, 1.0])
VARIANTS = {"apart": (False, False), "match": (True, False), "join": (True, True)}


def as_pieces(rows: Sequence[Sequence[Row]]) -> Rows:
    """Lay rows, each given as its pieces, down as the matcher reads them; equal pieces are shared, empty ones FREE."""
    distinct = sorted({piece for row in rows for piece in row if piece})
    pieces = [distinct.index(piece) if piece else FREE for row in rows for piece in row]
    ends = np.cumsum([0, *map(len, rows)])
    return Rows(
        frozen([token for piece in distinct for token in piece], np.uint64),
        frozen(np.cumsum([0, *map(len, distinct)]), np.int64),
        frozen(pieces, np.int64),
        ends[:-1],
        ends[1:],
    )


def match(
    rows: Sequence[Sequence[Row]],
    rules: Rules,
    *,
    keys: Sequence[Sequence[int]] | None = None,
    families: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
    workers: int = 2,
) -> Matches:
    """Match rows; if not told otherwise, all of them stand in one bucket, and no sketch keeps them apart."""
    n = len(rows)
    with Workspace() as workspace, ThreadPoolExecutor(workers) as pool:
        found = cluster.match(
            as_pieces(rows),
            [frozen(band, np.uint32) for band in ([[0] * n] if keys is None else keys)],
            frozen([0] * 2 * n, np.uint64),
            frozen([0] * n if families is None else families, np.uint64),
            np.array(range(n) if order is None else order, np.int64),
            rules,
            workspace,
            pool,
            workers,
        )
        return found._replace(keepers=found.keepers.copy(), variants=found.variants.copy())


def result(found: Matches) -> list[naive.Cluster]:
    """Return what became of each row."""
    similarity = np.asarray(found.similarity).tolist()
    columns = zip(found.keepers.tolist(), similarity, found.variants.tolist(), strict=True)
    return list(itertools.starmap(naive.Cluster, columns))


def rules(n: tuple[int, int], threshold: float, variants: str = "apart", limit: int = 1000) -> Rules:
    """Return rules that leave nothing out."""
    return Rules(*n, threshold, *VARIANTS[variants], limit, limit)


def always(_: int, __: int) -> bool:
    """Let any two rows meet."""
    return True


@pytest.mark.parametrize("variants", VARIANTS)
@given(rows=ROWS, n=SHINGLES, threshold=THRESHOLDS, data=st.data())
def test_clusters_equal_the_twin(
    variants: str, rows: list[Row], n: tuple[int, int], threshold: float, data: st.DataObject
) -> None:
    families = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    order = data.draw(st.permutations(range(len(rows)))) if rows else []
    order = order[: data.draw(st.integers(0, len(rows)))]
    sets = [naive.shingles(row, *n) for row in rows]
    found = match([[row] for row in rows], rules(n, threshold, variants), families=families, order=order)
    assert result(found) == naive.cluster(sets, order, threshold, families, always, variants)
    assert found.skipped == 0


@given(ROWS, THRESHOLDS, st.data())
def test_only_rows_that_share_a_bucket_meet(rows: list[Row], threshold: float, data: st.DataObject) -> None:
    band = st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))
    keys = data.draw(st.lists(band, min_size=1, max_size=3))
    sets = [naive.shingles(row, 1, 2) for row in rows]

    def meet(x: int, y: int) -> bool:
        return any(band[x] == band[y] for band in keys)

    found = match([[row] for row in rows], rules((1, 2), threshold), keys=keys)
    expected = naive.cluster(sets, range(len(rows)), threshold, [0] * len(rows), meet, "apart")
    assert result(found) == expected


@given(ROWS, THRESHOLDS, st.integers(1, 5), st.integers(1, 3))
def test_windows_and_workers_change_nothing(rows: list[Row], threshold: float, window: int, workers: int) -> None:
    families = [len(row) % 3 for row in rows]
    sets = [naive.shingles(row, 1, 2) for row in rows]
    expected = naive.cluster(sets, range(len(rows)), threshold, families, always, "apart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "WINDOW", window)
        found = match([[row] for row in rows], rules((1, 2), threshold), families=families, workers=workers)
    assert result(found) == expected


@given(st.lists(st.lists(st.lists(WORDS, max_size=4).map(tuple), max_size=4), max_size=6), SHINGLES)
def test_a_row_of_pieces_is_the_text_they_make(rows: list[list[Row]], n: tuple[int, int]) -> None:
    texts = [tuple(itertools.chain(*row)) for row in rows]
    sets = [naive.shingles(text, *n) for text in texts]
    expected = naive.cluster(sets, range(len(rows)), 0.5, [0] * len(rows), always, "apart")
    assert result(match(rows, rules(n, 0.5))) == expected


@given(ROWS, SHINGLES, THRESHOLDS)
def test_members_are_within_the_threshold_of_a_keeper(rows: list[Row], n: tuple[int, int], threshold: float) -> None:
    found = result(match([[row] for row in rows], rules(n, threshold)))
    sets = [naive.shingles(row, *n) for row in rows]
    near = naive.all_pairs(sets, threshold)
    for row, (keeper, similarity, _) in enumerate(found):
        assert found[keeper].keeper == keeper <= row
        assert similarity == (0 if keeper == row else near[keeper, row])
    keepers = [row for row, (keeper, _, _) in enumerate(found) if keeper == row]
    assert not any(pair in near for pair in itertools.combinations(keepers, 2))


def words(text: str) -> Row:
    """Return the token hashes of a text."""
    return tuple(map(naive.token_hash, naive.tokenize(text)))


def test_no_chain_is_followed() -> None:
    # each shares 3 of 5 words with the next (J = 0.6), the first and the last 1 of 7
    rows = [[words(text)] for text in ("a b c d", "b c d e", "c d e f")]
    assert result(match(rows, rules((1, 1), 0.6))) == [(0, 0.0, -1), (0, 0.6, -1), (2, 0.0, -1)]
    assert result(match(rows, rules((1, 1), 0.6), order=[1, 0, 2])) == [(1, 0.6, -1), (1, 0.0, -1), (1, 0.6, -1)]


def test_the_most_similar_keeper_wins_and_the_earliest_of_equals() -> None:
    rows = [[words(text)] for text in ("a b c x y z", "a b c d x p", "a b c d x q", "a b c d x")]
    found = result(match(rows, rules((1, 1), 0.5), keys=[[0, 1, 2, 0], [3, 4, 5, 4], [6, 7, 8, 8]]))
    assert found[1:3] == [(1, 0.0, -1), (2, 0.0, -1)]  # they share no bucket, so they never met
    assert found[3] == (1, 5 / 6, -1)
    again = result(match(rows, rules((1, 1), 0.5), keys=[[0, 1, 2, 2], [3, 4, 5, 4]], order=[2, 1, 0, 3]))
    assert again[3] == (2, 5 / 6, -1)


def test_rows_that_are_not_asked_about_keep_themselves() -> None:
    rows = [[words("a b c")]] * 3
    assert result(match(rows, rules((1, 1), 0.5), order=[2, 0])) == [(2, 1.0, -1), (1, 0.0, -1), (2, 0.0, -1)]


@pytest.mark.parametrize(
    ("variants", "last"), [("apart", (2, 2 / 8, 0)), ("match", (2, 2 / 8, 0)), ("join", (0, 2 / 8, -1))]
)
def test_number_variants_far_apart(variants: str, last: tuple[int, float, int]) -> None:
    rows = [[words(text)] for text in ("road a 1 2 3", "other text", "road a 7 8 9")]
    found = result(match(rows, rules((1, 1), 0.7, variants), families=[5, 0, 5]))
    assert found == [(0, 0.0, -1), (1, 0.0, -1), last]


@pytest.mark.parametrize(("variants", "last"), [("apart", (1, 5 / 7, 0)), ("match", (0, 5 / 7, -1))])
def test_number_variants_that_are_near(variants: str, last: tuple[int, float, int]) -> None:
    rows = [[words(text)] for text in ("the road a is 1", "the road a is 1 2", "the road a is 1 7")]
    found = result(match(rows, rules((1, 1), 0.5, variants), families=[5, 5, 5]))
    near = naive.jaccard({*rows[0][0]}, {*rows[1][0]})
    assert found[1] == ((1, near, 0) if variants == "apart" else (0, near, -1))
    assert found[2] == ((2, near, 0) if variants == "apart" else (0, near, -1))
    assert last[1] < near


def test_nothing_to_match() -> None:
    assert result(match([], rules((1, 2), 0.7))) == []
    assert result(match([[], [()]], rules((1, 2), 0.7))) == [(0, 0.0, -1), (1, 0.0, -1)]
    assert result(match([[words("a")]], rules((1, 2), 0.7), order=[])) == [(0, 0.0, -1)]


def test_a_full_bucket_forgets_keepers_and_counts_them() -> None:
    rows = [[words(text)] for text in ("a b", "c d", "e f", "e f", "a b")]
    found = match(rows, rules((1, 1), 0.9)._replace(bucket_limit=2))
    assert found.keepers.tolist() == [0, 1, 2, 3, 0]
    assert found.skipped == 1 + 2  # the fourth row misses one keeper, the fifth two
    assert match(rows, rules((1, 1), 0.9)._replace(bucket_limit=3)).keepers.tolist() == [0, 1, 2, 2, 0]


def test_of_too_many_candidates_those_with_most_buckets_are_compared() -> None:
    rows = [[words(text)] for text in ("a b", "c d", "e f", "c d")]
    keys = [[0, 1, 2, 1], [3, 4, 5, 4], [6, 7, 8, 6]]
    found = match(rows, rules((1, 1), 0.9)._replace(candidate_limit=1), keys=keys)
    assert found.keepers.tolist() == [0, 1, 2, 1]
    assert (found.compared, found.skipped) == (1, 1)


@pytest.mark.parametrize(
    ("shared", "size"),
    # 0.28 * 25, 0.55 * 100 and 0.56 * 100 are a little more than 7, 55 and 56 in binary
    [(1, 2), (2, 3), (7, 10), (4, 5), (3, 5), (70, 100), (7, 25), (55, 100), (56, 100)],
)
def test_a_pair_exactly_at_the_threshold_matches(shared: int, size: int) -> None:
    whole = tuple(map(naive.mix64, range(1, size + 1)))
    part = whole[:shared]
    for threshold, keeper in ((shared / size, 0), (np.nextafter(shared / size, 2), 1)):
        found = match([[part], [whole]], rules((1, 1), float(threshold)))
        assert found.keepers.tolist() == [0, keeper]


@given(ROWS, SHINGLES, THRESHOLDS)
def test_the_prefix_filter_finds_all_pairs(rows: list[Row], n: tuple[int, int], threshold: float) -> None:
    sets = [naive.shingles(row, *n) for row in rows]
    assert naive.prefix_join(sets, threshold) == naive.all_pairs(sets, threshold)


def edited_texts(count: int, seed: int) -> list[str]:
    """Write texts, and for most of them copies with one to four words replaced."""
    chance = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        base = [f"w{word}" for word in chance.integers(0, 3000, chance.integers(12, 40))]
        for copy in range(chance.integers(1, 4)):
            for place in chance.integers(0, len(base), min(copy, 1) * int(chance.integers(1, 5))):
                base[place] = f"w{chance.integers(0, 3000)}"
            texts.append(" ".join(base))
    return texts


def test_near_duplicates_found_through_sketches_are_exact_and_nearly_all() -> None:
    documents = edited_texts(300, 4)
    hashes, bounds, _ = tokenized(documents)
    scheme = make_scheme(BLOCK_SHINGLES, 0.7, 168, 0.96, 1)
    n = len(documents)
    sketches = sketch_rows(hashes, bounds, np.arange(n), scheme)
    numbers = np.arange(n)
    rows = Rows(frozen(hashes, np.uint64), frozen(bounds, np.int64), frozen(numbers, np.int64), numbers, numbers + 1)
    with Workspace() as workspace, ThreadPoolExecutor(2) as pool:
        found = cluster.match(
            rows,
            [frozen(band, np.uint32) for band in sketches.keys],
            frozen(sketches.bits, np.uint64),
            frozen(sketches.families, np.uint64),
            numbers,
            rules((1, 2), 0.7),
            workspace,
            pool,
            2,
        )
        clusters = result(found)
    sets = [naive.shingles(naive.tokenize(document), 1, 2) for document in documents]
    near = naive.prefix_join(sets, 0.7)
    members = [row for row, one in enumerate(clusters) if one.keeper != row]
    assert all(clusters[row].similarity == near[clusters[row].keeper, row] for row in members)
    expected = naive.cluster(sets, range(n), 0.7, [0] * n, always, "apart")
    joined = sum(one.keeper != row for row, one in enumerate(expected))
    assert joined > 150
    assert len(members) >= 0.96 * joined


@given(st.lists(WORDS, min_size=1, max_size=8).map(tuple), st.integers(2, 30))
def test_copies_cost_one_comparison_each(row: Row, copies: int) -> None:
    assume(len(naive.shingles(row, 1, 2)) > 0)
    found = match([[row]] * copies, rules((1, 2), 0.7))
    assert found.keepers.tolist() == [0] * copies
    assert found.compared == copies - 1


def test_the_limit_counts_older_keepers_and_those_of_the_window_apart() -> None:
    rows = [[words(text)] for text in ("a b", "c d", "e f", "g h", "i j")]
    keys = [[0, 1, 2, 3, 0], [4, 5, 6, 7, 5], [8, 9, 10, 11, 10], [12, 13, 14, 15, 15]]  # only the last meets others
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "WINDOW", 3)  # the last row and the one before it are in one window
        found = match(rows, rules((1, 1), 0.9)._replace(candidate_limit=2), keys=keys)
    assert (found.compared, found.skipped) == (3, 1)


def test_limits_far_beyond_the_rows_cost_nothing() -> None:
    assert match([[words("a b")]] * 3, rules((1, 1), 0.9, limit=10**12)).keepers.tolist() == [0, 0, 0]
