"""Batches of sketched documents in, in input order; the columns of the whole corpus out, at rest on disk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F32, I32, I64, U8, U16, U32, U64, Bool
from dedup.frequencies import Counts, DocumentFrequencies
from dedup.kernels.tables import FREE, gather, intern, rehash
from dedup.lsh import Scheme
from dedup.schema import Blocks, Documents
from dedup.sketch import Sketches, Tokens
from dedup.workspace import Workspace


class Interner:
    """Numbers 128-bit fingerprints in order of first standing.

    Args:
        known: uint64[count, 2], those that have numbers already.
        workspace: where the tables rest.
    """

    def __init__(self, known: U64, workspace: Workspace) -> None:
        self.count = len(known)
        self._workspace = workspace
        self._fingerprints = self._room_for(known, max(1 << 12, 2 * self.count))
        self._slots = self._enter(max(13, (2 * self.count).bit_length()))

    def _room_for(self, known: U64, size: int) -> U64:
        """Return room for so many fingerprints, uint64[size, 2], that begins with those that are known."""
        room: U64 = self._workspace.scratch(2 * size, np.uint64, hot=True).reshape(size, 2)
        room[: self.count] = known
        return room

    def _enter(self, bits: int) -> I64:
        """Return a hash table of the fingerprints, int64[2 ** bits]."""
        slots: I64 = self._workspace.scratch(1 << bits, np.int64, FREE, hot=True)
        rehash(self._fingerprints, self.count, slots)
        return slots

    def number(self, fingerprints: U64, present: Bool) -> tuple[I64, Bool]:
        """Look fingerprints up.

        Args:
            fingerprints: uint64[m, 2].
            present: bool[m], False for what has no content; its number is FREE.

        Returns:
            int64[m], their numbers; bool[m], whether each stands here for the first time.
        """
        most = self.count + len(fingerprints)
        if most > len(self._fingerprints):
            known = self._fingerprints[: self.count]
            self._fingerprints = self._room_for(known, max(most, 2 * len(self._fingerprints)))
        if 3 * most > 2 * self._slots.size:
            self._slots = self._enter((3 * most // 2).bit_length())
        before = self.count
        numbers = np.empty(len(fingerprints), np.int64)
        self.count = intern(fingerprints, present, self._fingerprints, before, self._slots, numbers)
        # new numbers are given in order, so a number is new where it exceeds all before it
        highest = np.maximum.accumulate(np.concatenate([[before - 1], numbers]))
        return numbers, numbers > highest[:-1]


class Fresh(NamedTuple):
    """What a batch brought that was not seen before.

    Attributes:
        blocks: int64, rows of the batch with new content that is long enough to be sketched.
        docs: int64, documents of the batch with new content.
    """

    blocks: I64
    docs: I64


class Looks(NamedTuple):
    """What ``n`` blocks of a batch look like: columns of the same names in ``Corpus``."""

    keys: U64
    bare: U64
    marks: U32
    words: F32
    odds: F32
    page_odds: F32


class Said(NamedTuple):
    """What substance is scored by, of ``n`` blocks in ``docs`` documents of a batch.

    Attributes:
        letters: uint32[n], letters and digits of each block.
        names: uint16[n], its words that begin with a capital, beyond one a sentence.
        chars: uint32[n], its characters.
        forms: uint8[n], what it is, if no text to score, see ``dedup.reasons``.
        titles: int64[docs], the block with each document's title, counted from its first, FREE where there is none.
        languages: int32[docs], numbers of ``Background.languages``, FREE where not known.
        counts: terms of the documents.
    """

    letters: U32
    names: U16
    chars: U32
    forms: U8
    titles: I64
    languages: I32
    counts: Counts


class Corpus:
    """The columns of a corpus.

    ``n`` blocks in ``docs`` documents; ``d`` distinct contents of blocks, of which ``m`` are sketched; ``e`` distinct
    contents of documents.

    Attributes:
        ids: string[docs]. ``sources`` and ``ages`` likewise.
        block_bounds: int64[docs + 1], where each document's blocks begin.
        starts: int64[n], first byte of each block in its document. ``ends`` likewise.
        kinds: uint8[n].
        keys: uint64[n], template keys; ``bare``, without the slots that blocks begin with, likewise.
        marks: uint32[n], see ``dedup.kernels.classes``.
        words: float32[n]; ``odds`` and ``page_odds``, float32[n], log-odds to be content, see ``Shapes``.
        content: int64[n], number of each block's content, FREE for blocks without a token.
        doc_content: int64[docs], likewise of documents.
        prints: uint64[2 * d], fingerprints of distinct contents; ``doc_prints``, uint64[2 * e], of documents.
        tokens: uint64, token hashes of distinct contents.
        token_bounds: int64[d + 1], where each content begins in ``tokens``.
        sketched: int64[m], contents that are sketched.
        bands: for each band uint32[m], keys of the sketched contents.
        bits: uint64[2 * m], one-bit MinHash values; ``families``: uint64[m], equal where texts differ in numbers.
        letters, names, chars, forms, titles, languages: see ``Said``; empty where substance is not scored.
        frequencies: of the terms of distinct documents, likewise.
        texts: uint64[docs], hashes of the documents' texts, which whoever reads them appends.
        doc_first: int64[e], first document of each; ``doc_bands``, ``doc_bits``, ``doc_families`` as for blocks.
    """

    def __init__(self, workspace: Workspace, blocks: Scheme, docs: Scheme, min_tokens: int) -> None:
        column = workspace.kept
        self.workspace = workspace
        self.ids, self.sources, self.ages = (workspace.kept_strings(name) for name in ("ids", "sources", "ages"))
        self.block_bounds = column("block_bounds", np.int64)
        self.starts, self.ends = column("starts", np.int64), column("ends", np.int64)
        self.kinds = column("kinds", np.uint8)
        self.keys, self.bare = column("keys", np.uint64), column("bare", np.uint64)
        self.marks = column("marks", np.uint32)
        self.words, self.odds, self.page_odds = (column(name, np.float32) for name in ("words", "odds", "page_odds"))
        self.letters, self.chars = column("letters", np.uint32), column("chars", np.uint32)
        self.names, self.forms = column("names", np.uint16), column("forms", np.uint8)
        self.titles, self.languages = column("titles", np.int64), column("languages", np.int32)
        self.frequencies = DocumentFrequencies()
        self.content, self.doc_content = column("content", np.int64), column("doc_content", np.int64)
        self.tokens = column("tokens", np.uint64)
        self.token_bounds = column("token_bounds", np.int64)
        for bounds in (self.block_bounds, self.token_bounds):
            if not bounds.size:
                bounds.append(np.zeros(1, np.int64))
        self.sketched = column("sketched", np.int64)
        self.doc_first = column("doc_first", np.int64)
        name, doc_name = (f"{one.bands}x{one.rows}of{one.a.size}" for one in (blocks, docs))
        self.bands = workspace.kept_columns(f"{name}-band", np.uint32, blocks.bands)
        self.bits, self.families = column(f"{name}-bits", np.uint64), column(f"{name}-families", np.uint64)
        self.doc_bands = workspace.kept_columns(f"doc-{doc_name}-band", np.uint32, docs.bands)
        self.doc_bits = column(f"doc-{doc_name}-bits", np.uint64)
        self.doc_families = column(f"doc-{doc_name}-families", np.uint64)
        self.prints, self.doc_prints = column("prints", np.uint64), column("doc_prints", np.uint64)
        self.doc_tokens = column("doc_tokens", np.int64)
        self.texts = column("texts", np.uint64)
        self._min_tokens = min_tokens
        self._numbers: tuple[Interner, Interner] | None = None  # of blocks and of documents

    @property
    def doc_count(self) -> int:
        """Number of documents."""
        return self.doc_content.size

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return self.content.size

    def fingerprints(self) -> U64:
        """Return uint64[d, 2], the fingerprints of distinct contents."""
        return self.prints.map().reshape(-1, 2)

    def doc_fingerprints(self) -> U64:
        """Return uint64[e, 2], those of documents."""
        return self.doc_prints.map().reshape(-1, 2)

    def finish(self) -> None:
        """Free what only adding needs."""
        self._numbers = None

    def add(self, documents: Documents, blocks: Blocks, tokens: Tokens, looks: Looks, said: Said | None) -> Fresh:
        """Take a batch; its new contents get numbers, and their tokens are written down."""
        if self._numbers is None:
            known = self.fingerprints(), self.doc_fingerprints()
            self._numbers = Interner(known[0], self.workspace), Interner(known[1], self.workspace)
        block_numbers, doc_numbers = self._numbers
        docs_before = self.doc_count
        for column, values in (
            (self.ids, documents.ids),
            (self.sources, documents.sources),
            (self.ages, documents.ages),
        ):
            column.append(values)
        self.block_bounds.append(blocks.bounds[1:] + self.block_count)
        self.starts.append(blocks.starts)
        self.ends.append(blocks.ends)
        self.kinds.append(blocks.kinds)
        for name, values in looks._asdict().items():
            getattr(self, name).append(values)
        lengths = np.diff(tokens.bounds)
        content, new = block_numbers.number(tokens.fingerprints, lengths > 0)
        self.content.append(content)
        rows = np.flatnonzero(new)
        self.prints.append(tokens.fingerprints[rows].reshape(-1))
        self.token_bounds.append(np.cumsum(lengths[rows]) + self.tokens.size)
        fresh = np.empty(lengths[rows].sum(), np.uint64)
        gather(tokens.hashes, tokens.bounds, rows, fresh)
        self.tokens.append(fresh)
        sketched = rows[lengths[rows] >= self._min_tokens]
        self.sketched.append(content[sketched])
        doc_lengths = np.diff(tokens.doc_bounds)
        doc_content, doc_new = doc_numbers.number(tokens.doc_fingerprints, doc_lengths > 0)
        self.doc_content.append(doc_content)
        self.doc_tokens.append(doc_lengths)
        docs = np.flatnonzero(doc_new)
        self.doc_prints.append(tokens.doc_fingerprints[docs].reshape(-1))
        self.doc_first.append(docs + docs_before)
        if said is not None:
            for name in ("letters", "names", "chars", "forms", "titles", "languages"):
                getattr(self, name).append(getattr(said, name))
            self.frequencies.add(said.counts, said.languages, docs)
        return Fresh(sketched, docs)

    def add_sketches(self, blocks: Sketches, docs: Sketches) -> None:
        """Take the sketches of a batch's fresh rows, in the order of ``add``."""
        self.add_block_sketches(blocks)
        self.add_doc_sketches(docs)

    def add_block_sketches(self, blocks: Sketches) -> None:
        """Take the sketches of contents."""
        self.bands.append(blocks.keys)
        self.bits.append(blocks.bits)
        self.families.append(blocks.families)

    def add_doc_sketches(self, docs: Sketches) -> None:
        """Take the sketches of documents."""
        self.doc_bands.append(docs.keys)
        self.doc_bits.append(docs.bits)
        self.doc_families.append(docs.families)
