"""Decisions in; the tables of verdicts on blocks and documents out, a run of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.arrays import F32, I32, I64, U8, U64, Bool, Index, ranges
from dedup.articles import Substance
from dedup.background import background
from dedup.corpus import Corpus
from dedup.decide import Decisions, dropped_reasons
from dedup.grouping import runs_of_documents
from dedup.kernels.classes import LEAST_PAGES
from dedup.kernels.judge import Judged, judge, name_clusters, share_of_filler, take_strings
from dedup.kernels.tables import FREE
from dedup.reasons import tell
from dedup.recurrence import Recurrence
from dedup.schema import (
    ACTIONS,
    BLOCK_SCORES,
    DOCUMENT_SCORES,
    DOCUMENTS,
    KINDS,
    REASONS,
    TEMPLATES,
    VERDICTS,
    Reason,
)
from dedup.settings import Settings
from dedup.substance import listed_languages
from dedup.threads import ordered_map

Codes = U8 | Bool
ROWS = 1 << 16  # blocks that are put into words at a time


class Tally:
    """Counts over all verdicts on blocks.

    Attributes:
        reasons: int64, how many blocks have each reason.
        dropped: how many blocks go.
        size: bytes of all blocks.
        size_dropped: bytes of those that go.
    """

    def __init__(self) -> None:
        self.reasons: I64 = np.zeros(len(REASONS), np.int64)
        self.dropped = self.size = self.size_dropped = 0

    def add(self, reason: U8, drop: Bool, lengths: I64) -> None:
        """Count a run of blocks."""
        self.reasons += np.bincount(reason, minlength=len(REASONS))
        self.dropped += int(drop.sum())
        self.size += int(lengths.sum())
        self.size_dropped += int(lengths[drop].sum())


def rows_of(run: I64, bounds: I64) -> I64:
    """Return the blocks of some documents, one behind the other."""
    return ranges(bounds[run], bounds[run + 1] - bounds[run])


def template_names(recurrence: Recurrence) -> U64:
    """Return the names of templates as ``cluster_names`` takes them: uint64[t, 1]."""
    return recurrence.names.reshape(-1, 1)


def words(codes: Codes, table: tuple[str, ...]) -> pa.DictionaryArray:
    """Spell codes out."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(table))


def empty_verdicts(n: int) -> Judged:
    """Make room for verdicts on ``n`` blocks."""
    return Judged(
        doc=np.empty(n, np.int32),
        position=np.empty(n, np.int32),
        start=np.empty(n, np.int64),
        end=np.empty(n, np.int64),
        kind=np.empty(n, np.uint8),
        drop=np.empty(n, np.bool_),
        reason=np.empty(n, np.uint8),
        partner_doc=np.empty(n, np.int64),
        partner_block=np.empty(n, np.int32),
        similarity=np.empty(n, np.float64),
        cluster=np.empty(n, np.int64),
    )


class Words(NamedTuple):
    """Strings to take by number: uint8, one behind the other; int64[n + 1], where each begins."""

    data: U8
    bounds: I64


def word_list(table: tuple[str | None, ...]) -> Words:
    """Put a few words into columns."""
    encoded = [(word or "").encode() for word in table]
    return Words(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)]))


def strings(data: U8, offsets: I64, present: Bool) -> pa.Array:
    """Make a string array, null where not present; in a file it is like any other, but it may hold more than 2 GiB.

    Not a dictionary: for nulls of one pyarrow (26.0) writes what happens to lie in memory, so that bytes change
    from run to run, though the values read back are right.
    """
    buffers = [pa.py_buffer(np.packbits(present, bitorder="little")), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), present.size, buffers)


def take(words: Words, rows: I64) -> pa.Array:
    """Return strings by number, null where FREE."""
    offsets = np.empty(rows.size + 1, np.int64)
    return strings(take_strings(words.data, words.bounds, rows, offsets), offsets, rows != FREE)


def repeated(values: pa.Array, rows: Index) -> pa.DictionaryArray:
    """Return values by number, many times each.

    Values may be equal, but those of a dictionary must not: of such a one pyarrow (26.0) writes other bytes each time.
    """
    codes = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices.take(pa.array(rows)), codes.dictionary)


def spelt(codes: U8, words: Words) -> pa.Array:
    """Spell reasons out, null for none."""
    return take(words, np.where(codes == Reason.NONE, FREE, codes.astype(np.int64)))


def cluster_names(fingerprints: U64, contents: I64) -> pa.Array:
    """Name clusters by 64 bits of their keeper's fingerprint, null where FREE: the same in every run and order."""
    offsets = np.empty(contents.size + 1, np.int64)
    return strings(name_clusters(fingerprints, contents, offsets), offsets, contents != FREE)


def block_verdicts(
    corpus: Corpus, decisions: Decisions, settings: Settings, order: I64, tally: Tally, pool: Executor
) -> Iterator[pa.Table]:
    """Write the verdicts on the blocks of documents, taken in ``order``, and count them."""
    bounds, boilerplate = corpus.block_bounds.map(), decisions.boilerplate
    names, templates = template_names(boilerplate.recurrence), boilerplate.recurrence.templates
    starts, ends, kinds = corpus.starts.map(), corpus.ends.map(), corpus.kinds.map()
    ids, fingerprints, whys = Words(*corpus.ids.arrays()), corpus.fingerprints(), word_list(REASONS)
    dropping = dropped_reasons(settings)

    def put(run: I64) -> tuple[pa.Table, Judged]:
        rows = rows_of(run, bounds)
        n = rows.size
        judged = empty_verdicts(n)
        judge(
            run, bounds, decisions.content, starts, ends, kinds, decisions.judged, decisions.docs, decisions.blocks,
            dropping, settings.threshold, judged,
        )  # fmt: skip
        table = pa.table(
            [
                repeated(take(ids, run), judged.doc),
                judged.position,
                judged.start,
                judged.end,
                words(judged.kind, KINDS),
                words(judged.drop, ACTIONS),
                spelt(judged.reason, whys),
                take(ids, judged.partner_doc),
                pa.array(judged.partner_block, mask=judged.partner_block == FREE),
                pa.array(judged.similarity, mask=np.isnan(judged.similarity)),
                cluster_names(fingerprints, judged.cluster),
                np.round(boilerplate.probabilities[rows], 2),
                cluster_names(names, templates[rows].astype(np.int64)),
                *block_scores(decisions.substance, rows),
            ],
            names=VERDICTS.names + (BLOCK_SCORES.names if decisions.substance else []),
        )
        return table, judged

    for table, judged in ordered_map(pool, put, runs_of_documents(order, bounds, ROWS), 2):
        tally.add(judged.reason, judged.drop, judged.end - judged.start)
        yield table


def block_scores(substance: Substance | None, rows: I64) -> list[pa.Array]:
    """Return the columns of ``BLOCK_SCORES``, none where substance was not scored."""
    if substance is None:
        return []
    found, reasons = (
        np.round(substance.blocks[rows].astype(np.float64), 1),
        tell(substance.reasons[rows], substance.forms[rows]),
    )
    missing = np.isnan(found)
    return [pa.array(found, mask=missing), pa.array(~missing), reasons]


def document_scores(corpus: Corpus, decisions: Decisions, filler: F32, run: I64) -> list[pa.Array]:
    """Return the columns of ``DOCUMENT_SCORES``, none where substance was not scored."""
    if decisions.substance is None:
        return []
    found, languages = np.round(decisions.substance.articles[run].astype(np.float64), 1), corpus.languages.map()[run]
    missing, codes = np.isnan(found), word_list(background().languages)
    return [
        pa.array(found, mask=missing),
        np.round(filler[run].astype(np.float64), 3),
        pa.array(~missing),
        take(codes, languages.astype(np.int64)),
        listed_languages()[languages],
    ]


def filler_shares(corpus: Corpus, decisions: Decisions, settings: Settings) -> F32:
    """Return the share of each document's characters in filler, boilerplate and repeats: float32[docs]."""
    shares = np.zeros(corpus.doc_count, np.float32)
    if decisions.substance is not None:
        share_of_filler(
            corpus.block_bounds.map(), decisions.content, corpus.chars.map(), decisions.boilerplate.reasons,
            decisions.substance.filler(settings.filler), decisions.docs, decisions.blocks, settings.threshold, shares,
        )  # fmt: skip
    return shares


def told_templates(corpus: Corpus, decisions: Decisions) -> pa.Table:
    """Put the templates that stand in boilerplate into a table, sorted by source and name."""
    boilerplate = decisions.boilerplate
    found = boilerplate.recurrence
    counts, bounds = found.counts, corpus.block_bounds.map()
    used = np.zeros(found.names.size, np.bool_)
    used[found.templates[(boilerplate.reasons != Reason.NONE) & (found.templates != FREE)]] = True
    rows = np.flatnonzero(used)
    first, blocks = examples(corpus, found, rows)
    named = corpus.sources.map().is_valid().to_numpy(zero_copy_only=False)
    sources, ids = (Words(*strings.arrays()) for strings in (corpus.sources, corpus.ids))
    table = pa.table(
        [
            cluster_names(template_names(found), rows),
            take(sources, np.where(named[first], first, FREE)),
            spelt(boilerplate.reasons[bounds[first] + blocks], word_list(REASONS)),
            found.learnt[rows],
            counts.clusters[rows],
            boilerplate.pages[first].astype(np.int32),
            counts.docs[rows],
            counts.repeated[rows],
            counts.blocks[rows],
            counts.from_top[rows],
            counts.from_bottom[rows],
            take(ids, first),
            blocks,
        ],
        names=TEMPLATES.names,
    )
    return table.sort_by([("source", "ascending"), ("clusters", "descending"), ("template", "ascending")])


def examples(corpus: Corpus, found: Recurrence, rows: I64) -> tuple[I64, I32]:
    """Return a document and a block of it with each of some templates: int64[t] and int32[t].

    Of documents with equal content it is the one whose id comes first, so that their order does not matter.
    """
    bounds, content, ids = corpus.block_bounds.map(), corpus.doc_content.map(), corpus.ids.map()
    docs, blocks = found.counts.first[rows], np.zeros(rows.size, np.int32)
    equal: dict[int, list[int]] = {}
    for doc in np.flatnonzero(np.isin(content, content[docs])).tolist():
        equal.setdefault(int(content[doc]), []).append(doc)
    for same in equal.values():
        same.sort(key=lambda doc: ids[doc].as_py())
    for k, row in enumerate(rows.tolist()):
        for doc in equal[int(content[docs[k]])]:
            has = np.flatnonzero(found.templates[bounds[doc] : bounds[doc + 1]] == row)
            if has.size:
                docs[k], blocks[k] = doc, has[0]
                break
    return docs, blocks


def document_verdicts(corpus: Corpus, decisions: Decisions, settings: Settings, order: I64) -> Iterator[pa.Table]:
    """Write the verdicts on documents, taken in ``order``."""
    bounds, content = corpus.block_bounds.map(), corpus.doc_content.map()
    ids, fingerprints, whys = Words(*corpus.ids.arrays()), corpus.doc_fingerprints(), word_list(REASONS)
    docs, filler = decisions.docs, filler_shares(corpus, decisions, settings)
    for first in range(0, order.size, ROWS):
        run = order[first : first + ROWS]
        keeper = docs.keeper[run]
        cluster = np.where(keeper != FREE, content[keeper], FREE)
        reason, similarity = docs.reason[run], docs.similarity[run]
        yield pa.table(
            [
                take(ids, run),
                words(~docs.alive[run], ACTIONS),
                spelt(reason, whys),
                take(ids, docs.partner[run]),
                pa.array(similarity, mask=np.isnan(similarity)),
                cluster_names(fingerprints, cluster),
                (bounds[run + 1] - bounds[run]).astype(np.int32),
                decisions.boilerplate.pages[run] < LEAST_PAGES,
                *document_scores(corpus, decisions, filler, run),
            ],
            names=DOCUMENTS.names + (DOCUMENT_SCORES.names if decisions.substance else []),
        )
