"""Band keys and texts of distinct rows in; clusters around keepers out, every similarity exact."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.arrays import F64, I64, U32, U64, Bool, Index
from dedup.grouping import Tables, group_rows, index_type
from dedup.kernels.compare import Rows, Rules, most_tokens, scratch
from dedup.kernels.match import LISTED, Buckets, Found, compare_families, match_known, relist, settle
from dedup.kernels.tables import FREE, transpose
from dedup.schema import Matches
from dedup.threads import ordered_map
from dedup.version import __version__
from dedup.workspace import Workspace, checksum_of

# Rows decided on at a time. Of a window's rows, those that are alike are compared by one thread; a longer window has
# more of them, a shorter one more often waits for the slowest thread.
WINDOW = 1 << 14
FLAGS = 1 << 17  # some times the buckets that the keepers of a window are in


def match(
    rows: Rows,
    keys: Sequence[U32],
    bits: U64,
    families: U64,
    order: I64,
    rules: Rules,
    workspace: Workspace,
    pool: Executor,
    workers: int,
    *,
    resembled: bool = False,
    name: str | None = None,
) -> Matches:
    """Find each row's keeper.

    Args:
        rows: the texts of ``n`` rows.
        keys: for each band uint32[n], its keys.
        bits: uint64[2 * n], 128 one-bit MinHash values of each row.
        families: uint64[n], equal and not 0 where rows differ in numbers only.
        order: int64[o], the rows that take part, in the order in which they may survive.
        rules: when rows match.
        workspace: where large arrays rest.
        pool: threads to work in.
        workers: how many.
        resembled: whether to look for rows like lone keepers among those that went.
        name: under which the workspace is to remember the buckets; None for not at all.
    """
    n = rows.starts.size
    alive = np.zeros(n, np.bool_)
    alive[order] = True
    kind = index_type(n * (len(keys) + 1) * (LISTED + 2) // 2)  # buckets hold two rows at least
    buckets = find_buckets(keys, alive, rules.bucket_limit, kind, workspace, pool, name)
    entries, family_sizes = group_rows(families, alive & (families != 0), Tables(n, kind, workspace))
    family_of = workspace.scratch(n, kind, FREE, hot=True)
    family_of[entries[:, 0]] = entries[:, 1]
    first_of_family = np.full(family_sizes.size, FREE, kind)
    counts = buckets.bounds[order + 1] - buckets.bounds[order]
    taking_part = (counts > 0) | (family_of[order] != FREE)
    busy, most_buckets = order[taking_part], int(counts.max(initial=0))
    del counts, order, taking_part  # large ones
    sizes = workspace.scratch(n, np.int32, 0, hot=True)
    longest = most_tokens(rows, busy)
    # for each thread, and for what is done beside another
    rooms = [
        scratch(workspace.scratch(n, np.int32, 0, hot=True), longest, most_buckets, rules) for _ in range(workers + 1)
    ]
    counters = np.zeros((workers + 1, 2), np.int64)

    def compare_with_known(which: I64, first: int, found: Found) -> None:
        """Compare rows, the first of which has this place, with the keepers that are known; a share in each thread."""
        step = -(-which.size // workers)
        tasks = [
            pool.submit(
                match_known, rows, bits, which[k * step : (k + 1) * step], first + k * step, buckets, family_of, rules,
                rooms[k], sizes, found, counters[k],
            )
            for k in range(workers)
        ]  # fmt: skip
        for task in tasks:
            task.result()

    def compare_with_families(which: I64) -> None:
        """Compare rows that are decided on with the others of their families."""
        compare_families(rows, which, rules, rooms[workers], sizes, found, counters[workers])

    found = nothing_found(n, kind, workspace)
    before = busy[:0]
    for first in range(0, busy.size, WINDOW):
        window = busy[first : first + WINDOW]
        compare_with_known(window, first, found)
        number = first // WINDOW + 1
        beside = pool.submit(compare_with_families, before)
        settle(
            rows, bits, window, number, buckets, family_of, first_of_family, rules, rooms[0], sizes, found, counters[0]
        )
        beside.result()
        before = window
    compare_with_families(before)
    likes = np.full(n if resembled else 0, FREE, np.int64)
    if resembled:
        alone = np.bincount(found.keepers[busy], minlength=n)[busy] == 1
        lone = busy[alone & (found.keepers[busy] == busy) & (found.variants[busy] == FREE)]
        relist(busy[found.keepers[busy] != busy], buckets, rules)
        others = nothing_found(n, kind, workspace)
        compare_with_known(lone, 0, others)
        lone = lone[others.keepers[lone] != lone]
        likes[lone] = others.keepers[lone]
        found.similarity[lone] = others.similarity[lone]
    compared, skipped = counters.sum(axis=0).tolist()
    return Matches(found.keepers, found.similarity, found.variants, likes, compared, skipped)


def nothing_found(n: int, kind: type[np.int32 | np.int64], workspace: Workspace) -> Found:
    """Return what is known of ``n`` rows before any was compared."""
    keepers = workspace.scratch(n, np.int64)
    keepers[:] = np.arange(n)
    similarity: F64 = workspace.scratch(n, np.float64, 0)
    return Found(keepers, similarity, workspace.scratch(n, np.int64, FREE), workspace.scratch(n, kind, 0, hot=True))


def find_buckets(
    keys: Sequence[U32],
    alive: Bool,
    limit: int,
    kind: type[np.int32 | np.int64],
    workspace: Workspace,
    pool: Executor,
    name: str | None = None,
) -> Buckets:
    """Group every band; the buckets of two or more rows, no keepers in them yet, room for ``limit`` of them.

    They depend on no threshold, so a workspace that keeps columns remembers them, if they have a ``name`` there.
    """

    def make() -> dict[str, npt.NDArray[Any]]:
        return group_bands(keys, alive, limit, kind, workspace, pool)

    if name is None:
        found: Mapping[str, npt.NDArray[Any]] = make()
    else:
        key = f"{__version__} {len(keys)} {checksum_of(keys[0])} {checksum_of(alive)} {limit} {np.dtype(kind).str}"
        found = workspace.remembered(name, key, make)
    room = workspace.scratch(int(found["size"][0]), kind, 0)
    return Buckets(found["of_rows"], found["bounds"], room, np.zeros(FLAGS, np.bool_))


def group_bands(
    keys: Sequence[U32],
    alive: Bool,
    limit: int,
    kind: type[np.int32 | np.int64],
    workspace: Workspace,
    pool: Executor,
) -> dict[str, npt.NDArray[Any]]:
    """Return ``of_rows`` and ``bounds`` of ``Buckets``, and the ``size`` of their room, [1]."""
    n = alive.size
    own = threading.local()
    column = workspace.column("entries", kind)

    def group_band(band: U32) -> tuple[Index, Index]:
        if not hasattr(own, "tables"):
            own.tables = Tables(n, kind, workspace)
        entries, sizes = group_rows(band, alive, own.tables)
        return entries.copy(), sizes.copy()

    first_buckets, ends, begins = [0], [], workspace.column("begins", kind)
    size = 0
    for entries, sizes in ordered_map(pool, group_band, keys, ahead=2):
        column.append(entries.reshape(-1))
        ends.append(column.size // 2)
        room = np.minimum(sizes, min(limit, n)) + LISTED
        begins.append(np.cumsum(room) - room + size)
        first_buckets.append(begins.size)
        size += int(room.sum())
    bounds = workspace.scratch(n + 1, np.int64, 0)
    of_rows = workspace.scratch(column.size // 2, kind)
    transpose(column.map().reshape(-1, 2), begins.map(), np.array(first_buckets), np.array(ends), bounds, of_rows)
    return {"of_rows": of_rows, "bounds": bounds, "size": np.array([size])}


def candidate_pairs(keys: Sequence[U32]) -> I64:
    """List every pair of rows that shares a bucket: int64[p, 2], a < b, sorted, unique. For measuring recall."""
    alive = np.ones(keys[0].size, np.bool_)
    pairs = [np.empty((0, 2), np.int64)]
    with Workspace() as workspace:
        tables = Tables(keys[0].size, np.int64, workspace)
        for band in keys:
            entries, _ = group_rows(band, alive, tables)
            ordered = entries[np.argsort(entries[:, 1], kind="stable")]
            for members in np.split(ordered[:, 0], np.flatnonzero(np.diff(ordered[:, 1])) + 1):
                a, b = np.triu_indices(members.size, 1)
                pairs.append(np.stack([members[a], members[b]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0)
