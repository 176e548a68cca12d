"""Keys of rows in; the rows that share theirs with another, and their buckets, out. Also runs of documents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dedup.arrays import I64, U32, U64, Bool, Index
from dedup.kernels.tables import group
from dedup.workspace import Workspace

WIDTH = 4  # bytes of the keys of bands


def index_type(largest: int) -> type[np.int32 | np.int64]:
    """Return the smallest integer that counts to ``largest``: half the bytes, and cache misses, up to 2^31."""
    return np.int32 if largest < 1 << 31 else np.int64


class Tables:
    """Room to group ``n`` keys in, used again for band after band by one thread."""

    def __init__(self, n: int, kind: type[np.int32 | np.int64], workspace: Workspace) -> None:
        self.seen: U64 = workspace.scratch(max(1, (1 << max(1, 2 * n - 1).bit_length()) // 32), np.uint64, hot=True)
        self.slots: U64 = workspace.scratch(1 << max(1, 2 * n - 1).bit_length(), np.uint64, hot=True)
        self.heads: Index = workspace.scratch(n, kind, hot=True)
        self.entries: Index = workspace.scratch(2 * n, kind, hot=True).reshape(n, 2)
        self.sizes: Index = workspace.scratch(n, kind, hot=True)


def group_rows(keys: U32 | U64, alive: Bool, tables: Tables) -> tuple[Index, Index]:
    """Find rows that share their key: [f, 2], rows and their buckets; [c], sizes of the buckets.

    Both are views of ``tables``, valid until the next call.
    """
    exact = keys.itemsize == WIDTH and keys.size <= 1 << 32
    found, count = group(keys, alive, exact, tables.seen, tables.slots, tables.heads, tables.entries, tables.sizes)
    return tables.entries[:found], tables.sizes[:count]


def runs_of_documents(order: I64, bounds: I64, size: int) -> Iterator[I64]:
    """Cut documents, in this order, into runs of about ``size`` blocks; ``bounds`` are where each one's begin."""
    sizes = np.diff(bounds)[order]
    runs = (np.cumsum(sizes) - sizes) // size
    yield from np.split(order, np.flatnonzero(np.diff(runs)) + 1)
