"""Template keys of a corpus in; the templates that recur, and how often and where each does, out."""

from __future__ import annotations

import itertools
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U64, Bool, Index
from dedup.grouping import Tables, group_rows, index_type
from dedup.kernels.recur import (
    ABOVE,
    BELOW,
    PLAINLY_CONTENT,
    Counts,
    Pages,
    Part,
    count_clusters,
    count_documents,
    join_copies,
    keys_in_sources,
    outline_keys,
)
from dedup.kernels.tables import FREE
from dedup.lexicon import lexicon
from dedup.store import Workspace

SHARES = 8  # parts of the documents that threads take
LEAST_CLUSTERS = 2  # clusters of documents that a template stands in, ...
# ... and share of its source's, for templates of up to so many words: one word recurs by chance, a sentence does not
LEAST_SHARES = ((3.0, 0.1), (7.0, 0.01), (np.inf, 0.002))
# Pages are copies of each other where so much of their bodies is the same, of what at most such a share of a source's
# pages has: the more may have it, the more must be the same, for furniture may look like content.
COPIES = ((0.3, 0.7), (0.5, 0.9))
# Documents without a source may have nothing in common: what recurs among them does so in many.
LEAST_UNNAMED, LEAST_UNNAMED_SHARE = 3, 0.1
# What blocks whose keys are theirs alone may share: so many items from the beginning, from the end, the templates of
# none, one or both neighbours; how many clusters must share it, and what share of their source's.
OUTLINES = (
    ((2, 2, 0), 3, 0.0),
    ((6, 1, 0), 2, 0.0),
    ((1, 0, BELOW | ABOVE), 3, 0.0),
    ((0, 1, BELOW | ABOVE), 3, 0.0),
    ((0, 1, BELOW), 3, 0.0),
    ((2, 0, 0), 3, 0.5),
)


class Texts(NamedTuple):
    """Tokens of blocks.

    Attributes:
        content: int64[n], number of each block's content, FREE for blocks without a token.
        tokens: uint64, token hashes of the contents.
        bounds: int64, where each content begins in ``tokens``.
    """

    content: I64
    tokens: U64
    bounds: I64


class Sources(NamedTuple):
    """Sources of documents.

    Attributes:
        number: how many there are.
        unnamed: the one that documents without a source are in, FREE if all have one.
    """

    number: int
    unnamed: int


class Recurrence(NamedTuple):
    """Templates that recur.

    Attributes:
        templates: int32 or int64[n], each block's template, FREE where it has none that recurs.
        counts: what is known of each template.
        names: uint64[t], what tells a template from others.
        learnt: bool[t], whether the template was learnt from what its lines share, and not by its key.
        clusters: int64[docs], the document that stands for each one's near-duplicates and copies.
        docs_of: int32[s], documents of each source; ``clusters_of``: int32[s], clusters of them.
    """

    templates: Index
    counts: Counts
    names: U64
    learnt: Bool
    clusters: I64
    docs_of: I32
    clusters_of: I32


def no_counts(size: int) -> Counts:
    """Return counts of so many templates before anything was counted."""
    return Counts(
        docs=np.zeros(size, np.int32),
        clusters=np.zeros(size, np.int32),
        repeated=np.zeros(size, np.int32),
        blocks=np.zeros(size, np.int32),
        from_top=np.zeros(size),
        from_bottom=np.zeros(size),
        first=np.full(size, FREE, np.int64),
    )


def find_recurrence(pages: Pages, texts: Texts, sources: Sources, workspace: Workspace, pool: Executor) -> Recurrence:
    """Count templates in each source over clusters of documents; learn templates of blocks that are left.

    Nothing depends on the order of documents but the numbers of templates.

    Args:
        pages: the blocks; its ``clusters`` are joined where documents have the same body.
        texts: their tokens.
        sources: the documents' sources.
        workspace: where large arrays rest.
        pool: threads to work in.
    """
    n = pages.keys.size
    kind = index_type(2 * n)
    docs_of = np.bincount(pages.sources, minlength=sources.number).astype(np.int32)
    keys, alone = workspace.scratch(n, np.uint64), np.empty(n, np.bool_)
    templates = workspace.scratch(n, kind, FREE)

    def group(part: Part, keys: U64, alone: Bool, tables: Tables, into: Index) -> tuple[Counts, U64, F64]:
        shown = keys.view()
        shown.flags.writeable = False  # as a mapped column is: kernels are compiled for each kind of array
        entries, sizes = group_rows(shown, ~alone, tables)
        into[entries[:, 0]] = entries[:, 1]
        names = np.empty(sizes.size, np.uint64)
        names[entries[:, 1]] = keys[entries[:, 0]]
        counts, lengths = no_counts(sizes.size), np.full(sizes.size, np.inf)
        count_documents(pages, part, into, counts, lengths)
        shares = np.select([lengths <= words for words, _ in LEAST_SHARES], [share for _, share in LEAST_SHARES])
        return counts, names, shares

    everything = Part(pages.bounds, np.empty(0, np.int64))
    keys_in_sources(pages, keys, alone)
    counts, names, least_shares = group(everything, keys, alone, Tables(n, kind), templates)
    for rare_share, body_share in COPIES:
        join_copies(pages, templates, counts, docs_of, rare_share, body_share)
    order = np.argsort(pages.clusters, kind="stable")
    clusters_of = np.bincount(pages.sources[np.unique(pages.clusters)], minlength=sources.number).astype(np.int32)
    least_of = np.zeros(sources.number)
    if sources.unnamed != FREE:
        share = np.ceil(LEAST_UNNAMED_SHARE * clusters_of[sources.unnamed])
        least_of[sources.unnamed] = max(LEAST_UNNAMED, share)

    def keep_common(part: Part, into: Index, counts: Counts, least: int, least_shares: F64) -> None:
        count_clusters(pages, part, order, into, counts)
        of = pages.sources[counts.first]
        drop_rare(into, counts.clusters >= np.maximum(np.maximum(least, least_of[of]), least_shares * clusters_of[of]))

    keep_common(everything, templates, counts, LEAST_CLUSTERS, least_shares)
    found, known = [(counts, names)], counts.docs.size
    rows = np.flatnonzero((templates == FREE) & (texts.content != FREE) & ~(pages.odds > PLAINLY_CONTENT))
    bounds = np.searchsorted(rows, pages.bounds)
    bounds.flags.writeable = False  # see above
    left, m = Part(bounds, rows), rows.size
    keys, alone, tables = keys[:m], alone[:m], Tables(m, kind)
    shares = np.searchsorted(bounds, np.linspace(0, m, SHARES + 1)).tolist()
    for outline, least, share in OUTLINES:
        more, so_far = np.full(m, FREE, kind), np.concatenate([one for _, one in found])
        tasks = [
            pool.submit(outline_keys, pages, left, templates, so_far, *texts, *lexicon(), outline, a, b, keys, alone)
            for a, b in itertools.pairwise(shares)
        ]
        for task in tasks:
            task.result()
        counts, names, least_shares = group(left, keys, alone, tables, more)
        keep_common(left, more, counts, least, np.maximum(least_shares, share))
        new = more != FREE
        templates[left.rows[new]] = more[new] + so_far.size
        found.append((counts, names))
    all_counts = Counts(*(np.concatenate(columns) for columns in zip(*(one for one, _ in found), strict=True)))
    all_names = np.concatenate([one for _, one in found])
    learnt = np.arange(all_names.size) >= known
    return Recurrence(templates, all_counts, all_names, learnt, pages.clusters, docs_of, clusters_of)


def drop_rare(templates: Index, common: Bool) -> None:
    """Take the templates that are not common from the blocks that have them."""
    left = np.append(np.where(common, np.arange(common.size), FREE), FREE).astype(templates.dtype)
    templates[:] = left[templates]  # FREE is the last
