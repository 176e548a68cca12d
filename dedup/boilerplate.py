"""A corpus and the clusters of its documents in; for each block the class of boilerplate it is, and why, out."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np

from dedup.arrays import F32, F64, I32, I64, U8, U32, U64, Index
from dedup.grouping import Tables, group_rows, index_type, runs_of_documents
from dedup.kernels.classes import LEAST_PAGES, Judgeable, classify
from dedup.kernels.context import SITE, WIDTH, site_features
from dedup.kernels.matter import Shared, take_matter
from dedup.kernels.recur import Counts, Pages, count_sources
from dedup.kernels.tables import FREE
from dedup.recurrence import Recurrence, Sources, Texts, find_recurrence
from dedup.shape import model
from dedup.threads import ordered_map
from dedup.workspace import Workspace

BLOCKS = 1 << 14  # blocks that are judged at a time
COUNTED = "counted_"  # names of what was counted of templates begin so, where they are kept
NO_FEATURES: F32 = np.empty((0, WIDTH), np.float32)


class Columns(NamedTuple):
    """What is known of ``n`` blocks of ``docs`` documents.

    Attributes:
        pages: their template keys, shapes and sources.
        texts: their tokens.
        bare: uint64[n], see ``Templates``.
        kinds: uint8[n].
        starts: int64[n], first byte of each block in its document. ``ends`` likewise, the byte after its last.
        ends: see ``starts``.
        marks: uint32[n], see ``dedup.kernels.classes``.
        odds: float32[n], log-odds to be content by the block's shape alone; ``pages.odds`` consider its page.
    """

    pages: Pages
    texts: Texts
    bare: U64
    kinds: U8
    starts: I64
    ends: I64
    marks: U32
    odds: F32


class Boilerplate(NamedTuple):
    """What was found out about ``n`` blocks.

    Attributes:
        reasons: uint8[n], codes of ``Reason``, 0 for content.
        probabilities: float32[n], to be boilerplate.
        recurrence: the templates that recur.
        pages: float64[docs], clusters of documents of each document's source.
    """

    reasons: U8
    probabilities: F32
    recurrence: Recurrence
    pages: F64


def as_arrays(found: Boilerplate) -> dict[str, Any]:
    """Return what was found as arrays of one dimension, to be kept."""
    of_templates = {COUNTED + name: value for name, value in found.recurrence.counts._asdict().items()}
    parts = {**found._asdict(), **found.recurrence._asdict(), **of_templates}
    return {name: np.atleast_1d(value) for name, value in parts.items() if name not in {"recurrence", "counts"}}


def from_arrays(arrays: Mapping[str, Any]) -> Boilerplate:
    """Put together what was kept."""
    counts = Counts(*(arrays[COUNTED + name] for name in Counts._fields))
    whole = {**arrays, "counts": counts, "beginnings": int(arrays["beginnings"][0])}
    whole["recurrence"] = Recurrence(*(whole[name] for name in Recurrence._fields))
    return Boilerplate(*(whole[name] for name in Boilerplate._fields))


def find_boilerplate(
    columns: Columns, sources: Sources, threshold: float, workspace: Workspace, pool: Executor
) -> Boilerplate:
    """Judge every block.

    Args:
        columns: the blocks.
        sources: the documents' sources.
        threshold: least probability of a block whose template recurs to be boilerplate.
        workspace: where large arrays rest.
        pool: threads to work in.
    """
    pages = columns.pages
    recurrence = find_recurrence(pages, columns.texts, sources, workspace, pool)
    of_source = recurrence.clusters_of.astype(np.float64)[pages.sources]
    n = pages.keys.size
    # where a source has pages enough, its own counts tell
    spread: I32 = workspace.scratch(n, np.int32, 0)
    if (of_source < LEAST_PAGES).any():
        count_spread(pages, spread, workspace)
    reasons, probabilities = workspace.scratch(n, np.uint8), workspace.scratch(n, np.float32)
    blocks = Judgeable(
        pages.bounds, columns.bare, columns.texts.content, columns.kinds, columns.marks, pages.words,
        recurrence.templates, spread, of_source,
    )  # fmt: skip
    fitted = model("site", SITE)
    coefficients = fitted.coefficients.astype(np.float32)

    def judge(run: I64) -> None:
        first, end = pages.bounds[run[0]], pages.bounds[run[-1] + 1]
        odds, usual = np.empty(end - first, np.float32), np.empty(end - first, np.bool_)
        own_words = np.empty(run.size, np.float32)
        site_features(
            run, pages.bounds, columns.odds, pages.odds, pages.words, pages.keys, recurrence.templates,
            recurrence.counts, recurrence.learnt, of_source, columns.kinds, columns.marks, coefficients,
            fitted.intercept, odds, usual, own_words, NO_FEATURES,
        )  # fmt: skip
        enough = np.repeat(of_source[run] >= LEAST_PAGES, np.diff(pages.bounds[run[0] : run[-1] + 2]))
        probabilities[first:end] = 1 / (1 + np.exp(-np.where(enough, odds, -pages.odds[first:end])))
        classify(run, blocks, probabilities[first:end], usual, own_words, threshold, reasons[first:end])

    every = np.arange(pages.sources.size)
    runs = (run for run in runs_of_documents(every, pages.bounds, BLOCKS) if run.size)
    for _ in ordered_map(pool, judge, runs, 2):
        pass
    unnamed = np.flatnonzero(pages.sources == sources.unnamed)
    if unnamed.size and of_source[unnamed[0]] >= LEAST_PAGES:
        shared = Shared(
            pages.bounds, recurrence.templates, recurrence.counts.clusters, columns.texts.content, columns.starts,
            columns.ends, columns.marks, pages.words, pages.odds,
        )  # fmt: skip
        take_matter(unnamed, one_of_each_cluster(pages, unnamed), shared, recurrence.beginnings, reasons, probabilities)
    return Boilerplate(reasons, probabilities, recurrence, of_source)


def one_of_each_cluster(pages: Pages, docs: I64) -> I64:
    """Return one of each cluster of some documents, that of the smallest hash."""
    order = docs[np.lexsort((pages.prints[docs], pages.clusters[docs]))]
    return order[np.flatnonzero(np.diff(pages.clusters[order], prepend=FREE))]


def count_spread(pages: Pages, spread: I32, workspace: Workspace) -> None:
    """Count the sources that have each block's template, in ``spread``, int32[n]."""
    kind = index_type(2 * spread.size)
    entries, sizes = group_rows(pages.keys, pages.keys != 0, Tables(spread.size, kind, workspace))
    templates: Index = np.full(spread.size, FREE, kind)
    templates[entries[:, 0]] = entries[:, 1]
    order = np.argsort(pages.sources, kind="stable")
    count_sources(pages, order, templates, np.zeros(sizes.size, np.int32), spread)
