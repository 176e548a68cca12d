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
from dedup.workspace import Workspace

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
# none, one or both neighbours; how many clusters must share it, and what share of their source's, if it has a name.
# The last one is that of beginnings alone.
OUTLINES = (
    ((2, 2, 0), 3, 0.0),
    ((6, 1, 0), 2, 0.0),
    ((1, 0, BELOW | ABOVE), 3, 0.0),
    ((0, 1, BELOW | ABOVE), 3, 0.0),
    ((0, 1, BELOW), 3, 0.0),
    ((1, 3, 0), 3, 0.0),
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
        beginnings: the first template that was learnt from nothing but how its lines begin; all after it are.
        clusters: int64[docs], the document that stands for each one's near-duplicates and copies.
        docs_of: int32[s], documents of each source; ``clusters_of``: int32[s], clusters of them.
    """

    templates: Index
    counts: Counts
    names: U64
    learnt: Bool
    beginnings: int
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


class Found(NamedTuple):
    """Templates that were found at once: what was counted of them, their names, words of the shortest block of each."""

    counts: Counts
    names: U64
    lengths: F64


class Quorum(NamedTuple):
    """How many clusters of documents must have a template.

    Attributes:
        clusters_of: int32[s], clusters of each source.
        unnamed: the source that documents without one are in, FREE if all have one.
    """

    clusters_of: I32
    unnamed: int

    def reached(self, found: Found, sources: I32, least: int, least_share: float) -> Bool:
        """Tell which templates enough clusters have.

        Args:
            found: the templates.
            sources: int32[t], the source of each.
            least: clusters that are needed at least.
            least_share: share of a source's that is, if it has a name.
        """
        shares = np.select([found.lengths <= words for words, _ in LEAST_SHARES], [share for _, share in LEAST_SHARES])
        of, unnamed = self.clusters_of[sources], sources == self.unnamed
        needed = np.maximum(least, np.maximum(shares, np.where(unnamed, 0.0, least_share)) * of)
        of_unnamed = np.where(unnamed, np.maximum(LEAST_UNNAMED, np.ceil(LEAST_UNNAMED_SHARE * of)), 0)
        enough: Bool = found.counts.clusters >= np.maximum(needed, of_unnamed)
        return enough


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
    everything = Part(pages.bounds, np.empty(0, np.int64))
    keys_in_sources(pages, keys, alone)
    known = number_templates(pages, everything, keys, alone, Tables(n, kind, workspace), templates)
    for rare_share, body_share in COPIES:
        join_copies(pages, templates, known.counts, docs_of, rare_share, body_share)
    order = np.argsort(pages.clusters, kind="stable")
    clusters_of = np.bincount(pages.sources[np.unique(pages.clusters)], minlength=sources.number).astype(np.int32)
    quorum = Quorum(clusters_of, sources.unnamed)
    count_clusters(pages, everything, order, templates, known.counts)
    drop_rare(templates, quorum.reached(known, pages.sources[known.counts.first], LEAST_CLUSTERS, 0.0))
    found = [known]
    left = open_blocks(pages, texts, sources, templates)
    m = left.rows.size
    keys, alone, tables = keys[:m], alone[:m], Tables(m, kind, workspace)
    shares = np.searchsorted(left.bounds, np.linspace(0, m, SHARES + 1)).tolist()
    for outline, least, share in OUTLINES:
        more, names = np.full(m, FREE, kind), np.concatenate([one.names for one in found])
        known_so_far = (pages, left, templates, names, *texts, *lexicon(), outline, sources.unnamed)
        tasks = [
            pool.submit(outline_keys, *known_so_far, first, end, keys, alone)
            for first, end in itertools.pairwise(shares)
        ]
        for task in tasks:
            task.result()
        learnt = number_templates(pages, left, keys, alone, tables, more)
        count_clusters(pages, left, order, more, learnt.counts)
        drop_rare(more, quorum.reached(learnt, pages.sources[learnt.counts.first], least, share))
        new = more != FREE
        templates[left.rows[new]] = more[new] + names.size
        found.append(learnt)
    counts = Counts(*(np.concatenate(columns) for columns in zip(*(one.counts for one in found), strict=True)))
    names = np.concatenate([one.names for one in found])
    by_outline = np.arange(names.size) >= known.names.size
    beginnings = names.size - found[-1].names.size
    return Recurrence(templates, counts, names, by_outline, beginnings, pages.clusters, docs_of, clusters_of)


def number_templates(pages: Pages, part: Part, keys: U64, alone: Bool, tables: Tables, templates: Index) -> Found:
    """Number keys that several blocks have, and count the documents with each.

    Args:
        pages: all blocks.
        part: those that are looked at.
        keys: uint64[m], their keys; ``alone``, bool[m], whether one has none.
        alone: see ``keys``.
        tables: room for ``m``.
        templates: int32 or int64[m], all FREE; filled with the numbers.
    """
    shown = keys.view()
    shown.flags.writeable = False  # as a mapped column is: kernels are compiled for each kind of array
    entries, sizes = group_rows(shown, ~alone, tables)
    templates[entries[:, 0]] = entries[:, 1]
    names = np.empty(sizes.size, np.uint64)
    names[entries[:, 1]] = keys[entries[:, 0]]
    found = Found(no_counts(sizes.size), names, np.full(sizes.size, np.inf))
    count_documents(pages, part, templates, found.counts, found.lengths)
    return found


def open_blocks(pages: Pages, texts: Texts, sources: Sources, templates: Index) -> Part:
    """Return the blocks that may yet share a template: they have none, and do not plainly look like content."""
    open_ = pages.odds <= PLAINLY_CONTENT
    if sources.unnamed != FREE:  # there even those that do, see ``outline_keys``
        open_ |= np.repeat(pages.sources == sources.unnamed, np.diff(pages.bounds))
    rows = np.flatnonzero(open_ & (templates == FREE) & (texts.content != FREE))
    bounds = np.searchsorted(rows, pages.bounds)
    bounds.flags.writeable = False  # as the bounds of all blocks are
    return Part(bounds, rows)


def drop_rare(templates: Index, common: Bool) -> None:
    """Take the templates that are not common from the blocks that have them."""
    left = np.append(np.where(common, np.arange(common.size), FREE), FREE).astype(templates.dtype)
    templates[:] = left[templates]  # FREE is the last
