"""Decisions in; the tables of verdicts on blocks and documents out, a run of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
import pyarrow as pa

from dedup.arrays import I64, U8, U64, Bool
from dedup.corpus import Corpus
from dedup.decide import Decisions, codes_to_drop
from dedup.kernels.tables import FREE
from dedup.schema import ACTIONS, DOC_REASONS, DOCUMENTS, KINDS, REASONS, VERDICTS, Reason
from dedup.settings import Settings
from dedup.threads import ordered_map

Codes = U8 | Bool
SHIFTS = np.arange(60, -4, -4).astype(np.uint64)  # of the 16 hexadecimal digits of a 64-bit word
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
ROWS = 1 << 17  # blocks that are put into words at a time


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


def runs_of_documents(order: I64, bounds: I64) -> Iterator[I64]:
    """Cut documents, in the order in which they are written, into runs of about ``ROWS`` blocks."""
    sizes = np.diff(bounds)[order]
    runs = (np.cumsum(sizes) - sizes) // ROWS
    yield from np.split(order, np.flatnonzero(np.diff(runs)) + 1)


def words(codes: Codes, table: tuple[str, ...]) -> pa.DictionaryArray:
    """Spell codes out."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(table))


def reasons(codes: U8, table: tuple[str | None, ...]) -> pa.Array:
    """Spell reasons out, null for none."""
    indices = pa.array(codes.astype(np.int32), mask=codes == Reason.NONE)
    return spelt(pa.DictionaryArray.from_arrays(indices, pa.array([word or "" for word in table])))


def spelt(array: pa.DictionaryArray) -> pa.Array:
    """Return an array with nulls as plain strings, for writing.

    For nulls of a dictionary array pyarrow (26.0) writes what happens to lie in memory: the values read back are right,
    but the file's bytes change from run to run.
    """
    return array.cast(pa.string())


def take(strings: pa.LargeStringArray, rows: I64) -> pa.Array:
    """Return strings by row, null where FREE."""
    return strings.take(pa.array(rows, mask=rows == FREE)).cast(pa.string())


def cluster_names(fingerprints: U64, contents: I64) -> pa.Array:
    """Name clusters by 64 bits of their keeper's fingerprint, null where FREE: the same in every run and order."""
    present = contents != FREE
    values = fingerprints[contents[present], :1]
    digits = HEX[(values >> SHIFTS) & np.uint64(15)]
    offsets = np.zeros(contents.size + 1, np.int32)
    np.cumsum(16 * present, out=offsets[1:])
    buffers = [pa.py_buffer(np.packbits(present, bitorder="little")), pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.Array.from_buffers(pa.string(), contents.size, buffers)


def block_verdicts(
    corpus: Corpus, decisions: Decisions, settings: Settings, order: I64, tally: Tally, pool: Executor
) -> Iterator[pa.Table]:
    """Write the verdicts on the blocks of documents, taken in ``order``, and count them."""
    bounds, content = corpus.block_bounds.map(), corpus.content.map()
    starts, ends, kinds = corpus.starts.map(), corpus.ends.map(), corpus.kinds.map()
    ids, fingerprints = corpus.ids.map(), corpus.block_numbers.fingerprints()
    docs, blocks = decisions.docs, decisions.blocks
    dropping = np.isin(np.arange(len(REASONS)), codes_to_drop(settings))

    def judge(run: I64) -> tuple[pa.Table, U8, Bool, I64]:
        sizes = bounds[run + 1] - bounds[run]
        local = np.repeat(np.arange(run.size), sizes)
        doc = run[local]
        position = np.arange(local.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        row = bounds[doc] + position
        own = content[row]
        real = own != FREE
        own = np.where(real, own, 0)
        alive = docs.alive[doc]
        judged = real & alive & blocks.long[own] if blocks.long.size else np.zeros(row.size, np.bool_)
        reason = np.zeros(row.size, np.uint8)
        partner = np.full(row.size, FREE, np.int64)
        similarity = np.full(row.size, np.nan)
        if judged.any():
            mine, here = own[judged], row[judged]
            keeper = blocks.keepers[mine]
            near, copy = keeper != mine, blocks.best[mine] != here
            variant = ~near & ~copy & (blocks.variants[mine] != FREE)
            close = blocks.similarity[mine] >= settings.threshold
            reason[judged] = np.select(
                [near & close, near, copy, variant],
                [Reason.NEAR_DUPLICATE, Reason.NUMBER_VARIANT, Reason.EXACT_DUPLICATE, Reason.NUMBER_VARIANT],
                Reason.NONE,
            )
            partner[judged] = np.select(
                [near | copy, variant], [blocks.best[keeper], blocks.best[blocks.variants[mine]]], FREE
            )
            similarity[judged] = np.select([near | variant, copy], [blocks.similarity[mine], 1.0], np.nan)
        drop = ~alive
        if judged.any():
            drop[judged] = dropping[reason[judged]]
        reason[~alive] = docs.reason[doc[~alive]]
        similarity[~alive] = docs.similarity[doc[~alive]]
        partner_doc = np.where(partner != FREE, np.searchsorted(bounds, partner, side="right") - 1, FREE)
        partner_block = partner - bounds[partner_doc]
        partner_doc[~alive] = docs.partner[doc[~alive]]
        grouped = real & alive
        cluster = np.full(row.size, FREE, np.int64)
        if grouped.any():
            stands_for = blocks.keepers[own[grouped]]
            cluster[grouped] = np.where(blocks.members[stands_for] > 1, stands_for, FREE)
        table = pa.table(
            [
                pa.DictionaryArray.from_arrays(
                    pa.array(local.astype(np.int32)), ids.take(pa.array(run)).cast(pa.string())
                ),
                position.astype(np.int32),
                starts[row],
                ends[row],
                words(kinds[row], KINDS),
                words(drop, ACTIONS),
                reasons(reason, REASONS),
                take(ids, partner_doc),
                pa.array(partner_block.astype(np.int32), mask=partner == FREE),
                pa.array(similarity, mask=np.isnan(similarity)),
                cluster_names(fingerprints, cluster),
            ],
            names=VERDICTS.names,
        )
        return table, reason, drop, ends[row] - starts[row]

    for table, reason, drop, lengths in ordered_map(pool, judge, runs_of_documents(order, bounds), 2):
        tally.add(reason, drop, lengths)
        yield table


def document_verdicts(corpus: Corpus, decisions: Decisions, order: I64) -> Iterator[pa.Table]:
    """Write the verdicts on documents, taken in ``order``."""
    bounds, content = corpus.block_bounds.map(), corpus.doc_content.map()
    ids, fingerprints = corpus.ids.map(), corpus.doc_numbers.fingerprints()
    docs = decisions.docs
    for first in range(0, order.size, ROWS):
        run = order[first : first + ROWS]
        keeper = docs.keeper[run]
        cluster = np.where(keeper != FREE, content[keeper], FREE)
        reason, similarity = docs.reason[run], docs.similarity[run]
        yield pa.table(
            [
                ids.take(pa.array(run)).cast(pa.string()),
                words(~docs.alive[run], ACTIONS),
                reasons(reason, DOC_REASONS),
                take(ids, docs.partner[run]),
                pa.array(similarity, mask=np.isnan(similarity)),
                cluster_names(fingerprints, cluster),
                (bounds[run + 1] - bounds[run]).astype(np.int32),
            ],
            names=DOCUMENTS.names,
        )
