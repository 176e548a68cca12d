"""Band keys and texts of distinct rows in; clusters around keepers out, every similarity exact."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from dedup.arrays import F64, I64, U32, U64, Bool
from dedup.kernels.match import COMPARED, FREE, SKIPPED, Rows, Rules, resolve, scratch
from dedup.kernels.tables import group, transpose
from dedup.schema import Matches
from dedup.store import Workspace
from dedup.threads import ordered_map


def match(
    rows: Rows,
    keys: Sequence[U32],
    families: U64,
    order: I64,
    rules: Rules,
    workspace: Workspace,
    pool: Executor,
) -> Matches:
    """Find each row's keeper.

    Args:
        rows: the texts of ``n`` rows.
        keys: for each band uint32[n], its keys.
        families: uint64[n], equal and not 0 where rows differ in numbers only.
        order: int64[o], the rows that take part, in the order in which they may survive.
        rules: when rows match.
        workspace: where large arrays rest.
        pool: threads to group bands in.
    """
    n = rows.starts.size
    alive = np.zeros(n, np.bool_)
    alive[order] = True
    family_of, family_count = number_families(families, alive, workspace)
    buckets, bounds, bucket_count = find_buckets(keys, alive, workspace, pool)
    busy = order[(bounds[order + 1] > bounds[order]) | (family_of[order] != FREE)]
    keepers = workspace.scratch(n, np.int64)
    keepers[:] = np.arange(n)
    similarity: F64 = workspace.scratch(n, np.float64, 0)
    variants = workspace.scratch(n, np.int64, FREE)
    counters = np.zeros(2, np.int64)
    room = scratch(longest_row(rows, busy), rules)
    resolve(
        rows, busy, buckets, bounds, bucket_count, family_of, family_count, rules, room, keepers, similarity, variants,
        counters,
    )  # fmt: skip
    return Matches(keepers, similarity, variants, int(counters[COMPARED]), int(counters[SKIPPED]))


def number_families(families: U64, alive: Bool, workspace: Workspace) -> tuple[I64, int]:
    """Number the families of two or more rows; return int64[n] (FREE for none) and how many there are."""
    n = families.size
    found, numbers, count = group_rows(families, alive & (families != 0), workspace)
    family_of = workspace.scratch(n, np.int64, FREE)
    family_of[found] = numbers
    return family_of, count


def group_rows(keys: U32 | U64, alive: Bool, workspace: Workspace) -> tuple[I64, I64, int]:
    """Find rows that share their key: int64[f] rows, int64[f] their buckets, how many buckets."""
    n = keys.size
    slots = workspace.scratch(1 << max(1, 2 * n - 1).bit_length(), np.int64)
    heads, rows, buckets = (workspace.scratch(n, np.int64) for _ in range(3))
    found, count = group(keys, alive, slots, heads, rows, buckets, 0)
    return rows[:found], buckets[:found], count


def find_buckets(
    keys: Sequence[U32], alive: Bool, workspace: Workspace, pool: Executor
) -> tuple[I64, I64, int]:
    """Group every band.

    Returns:
        int64[e], the buckets of two or more rows that each row is in; int64[n + 1], where each row begins there;
        how many buckets there are.
    """
    n = alive.size
    all_rows = workspace.column("bucket_rows", np.int64)
    all_buckets = workspace.column("buckets", np.int64)
    total = 0
    for rows, buckets, count in ordered_map(pool, lambda band: group_rows(band, alive, workspace), keys, ahead=2):
        all_rows.append(rows)
        all_buckets.append(buckets + total)
        total += count
    bounds = workspace.scratch(n + 1, np.int64, 0)
    by_row = workspace.scratch(all_rows.size, np.int64)
    transpose(all_rows.map(), all_buckets.map(), bounds, by_row)
    return by_row, bounds, total


def longest_row(rows: Rows, which: I64) -> int:
    """Return the most tokens that any of these rows has."""
    if not which.size:
        return 0
    lengths = np.zeros(rows.pieces.size + 1, np.int64)
    real = rows.pieces != FREE
    lengths[1:][real] = (rows.bounds[1:] - rows.bounds[:-1])[rows.pieces[real]]
    np.cumsum(lengths, out=lengths)
    return int((lengths[rows.ends[which]] - lengths[rows.starts[which]]).max())


def candidate_pairs(keys: Sequence[U32], workspace: Workspace, pool: Executor) -> I64:
    """List every pair of rows that shares a bucket: int64[p, 2], a < b, sorted, unique. For measuring recall."""
    alive = np.ones(keys[0].size, np.bool_)
    pairs = []
    for rows, buckets, _ in pool.map(lambda band: group_rows(band, alive, workspace), keys):
        ordered = np.argsort(buckets, kind="stable")
        cuts = np.flatnonzero(np.diff(buckets[ordered])) + 1
        for members in np.split(rows[ordered], cuts):
            a, b = np.triu_indices(members.size, 1)
            pairs.append(np.stack([members[a], members[b]], axis=1))
    return np.unique(np.concatenate(pairs), axis=0) if pairs else np.empty((0, 2), np.int64)
