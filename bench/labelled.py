"""Labelled pages in; their columns, labels and features, as the package sees them, out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from inputs import read_records

from dedup.arrays import F32, I64, Bool
from dedup.blocks import split_blocks
from dedup.boilerplate import Columns
from dedup.corpus import Corpus
from dedup.decide import columns_of, match_documents
from dedup.formats import open_inputs
from dedup.kernels.context import WIDTH, site_features
from dedup.kernels.tables import FREE
from dedup.reading import pool_of, sketch_corpus
from dedup.recurrence import Recurrence, find_recurrence
from dedup.schema import Blocks
from dedup.settings import Settings, Split
from dedup.sketch import lay_out
from dedup.workspace import Workspace

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "corpus"
TAUGHT = {"content": 0, "boilerplate:site_template": 1, "boilerplate:navigation": 1}


class Labelled(NamedTuple):
    """``n`` blocks of labelled documents.

    Attributes:
        name: of the data.
        records: the documents.
        doc: int64[n], each block's document.
        boilerplate: int64[n], 1 for boilerplate, 0 for content, -1 for what is neither here nor there.
        chars: int64[n], characters of each block.
        texts: the blocks.
        blocks: their spans.
        source: int64[n], number of each block's source.
        pages: int64[n], pages of the source; ``clusters`` of them.
        recurrence: the templates that recur.
        features: float32[n, WIDTH], see ``dedup.kernels.context``; ``usual``, bool[n], likewise.
    """

    name: str
    records: list[dict[str, Any]]
    doc: I64
    boilerplate: I64
    chars: I64
    texts: list[str]
    blocks: Blocks
    source: I64
    pages: I64
    recurrence: Recurrence
    features: F32
    usual: Bool

    @property
    def recurs(self) -> Bool:
        """Whether each block's template recurs."""
        found: Bool = self.recurrence.templates != FREE
        return found


@contextlib.contextmanager
def columns(records: Sequence[dict[str, Any]], split: Split) -> Iterator[tuple[Corpus, Columns, Recurrence, I64]]:
    """Run the stages up to the templates that recur; yield also int64[docs], the clusters of each one's source."""
    settings = dataclasses.replace(Settings(), split=split)
    with Workspace() as workspace, pool_of(settings.workers) as pool:
        corpus, _ = sketch_corpus(open_inputs(list(records)), settings, workspace, pool)
        docs, _ = match_documents(corpus, settings, np.empty(0, np.int64), pool)
        table, sources = columns_of(corpus, docs)
        recurrence = find_recurrence(table.pages, table.texts, sources, workspace, pool)
        yield corpus, table, recurrence, recurrence.clusters_of[table.pages.sources].astype(np.int64)


def line_starts(text: str) -> I64:
    """Return where each line of a text begins in its UTF-8."""
    starts: I64 = np.cumsum([0, *(len(line) + 1 for line in text.encode().split(b"\n"))])[:-1]
    return starts


def load_lines(name: str, path: pathlib.Path) -> Labelled:
    """Read pages whose lines are labelled: 1 for content."""
    records = list(read_records(path))
    labels = [(line_starts(record["text"]), 1 - np.array(record["labels"])) for record in records]
    return describe(name, records, "lines", labels)


def load_corpus() -> Labelled:
    """Read this project's labelled articles; what other classes than templates and navigation hold is left out."""
    records = list(read_records(CORPUS / "articles.jsonl"))
    spans: dict[str, list[tuple[int, int]]] = {record["id"]: [] for record in records}
    for line in (CORPUS / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        spans[label["doc"]].append((label["start"], TAUGHT.get(label["role"], -1)))
    labels = [tuple(np.array(column) for column in zip(*spans[record["id"]], strict=True)) for record in records]
    return describe("corpus", records, "auto", labels)


def describe(name: str, records: list[dict[str, Any]], split: Split, labels: Sequence[Any]) -> Labelled:
    """Compute the features of labelled documents; labels are starts of spans and a value for each."""
    with columns(records, split) as (corpus, table, recurrence, clusters):
        bounds, starts, ends = corpus.block_bounds.map(), corpus.starts.map().copy(), corpus.ends.map().copy()
        features, usual = np.empty((starts.size, WIDTH), np.float32), np.empty(starts.size, np.bool_)
        pages = table.pages
        site_features(
            np.arange(bounds.size - 1), pages.bounds, table.odds, pages.odds, pages.words, pages.keys,
            recurrence.templates, recurrence.counts, recurrence.learnt, clusters.astype(np.float64),
            table.kinds, table.marks, np.zeros(WIDTH, np.float32), 0.0, np.empty(starts.size, np.float32), usual,
            np.empty(bounds.size - 1, np.float32), features,
        )  # fmt: skip
        doc = np.repeat(np.arange(bounds.size - 1), np.diff(bounds))
        sources, docs_of = pages.sources.astype(np.int64), recurrence.docs_of
        blocks = Blocks(bounds.copy(), starts, ends, corpus.kinds.map().copy())
        found = recurrence._replace(templates=recurrence.templates.copy())
    values, texts = np.empty(starts.size, np.int64), []
    for number, (record, (places, value)) in enumerate(zip(records, labels, strict=True)):
        rows = slice(bounds[number], bounds[number + 1])
        values[rows] = value[np.searchsorted(places, starts[rows], side="right") - 1]
        data = record["text"].encode()
        texts += [data[a:b].decode() for a, b in zip(starts[rows], ends[rows], strict=True)]
    return Labelled(
        name, records, doc, values, np.array(list(map(len, texts))), texts, blocks, sources[doc],
        docs_of[sources][doc].astype(np.int64), found, features, usual,
    )  # fmt: skip


def page_columns(records: Sequence[dict[str, Any]]) -> tuple[np.ndarray, I64, Blocks]:
    """Put the texts of pages behind each other and split them into lines."""
    data, bounds, _ = lay_out([record["text"] for record in records])
    return data, bounds, split_blocks(data, bounds, "lines")
