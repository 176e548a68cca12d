"""Inputs in; a corpus of their sketches out, batch by batch in threads, in input order."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np

from dedup.arrays import I32, I64, U8, U32, U64
from dedup.background import identify
from dedup.blocks import split_blocks
from dedup.checkpoint import REJECTS, Sketchbook
from dedup.corpus import Corpus, Fresh, Looks, Said
from dedup.errors import InputError, NotFound
from dedup.formats import Chunk, Input, Inputs
from dedup.frequencies import count_terms_of
from dedup.kernels.shape import CHARS, LETTERS
from dedup.kernels.tables import FREE, gather
from dedup.ledger import Ledger, Parts, Read, find_parts
from dedup.lsh import Scheme, schemes
from dedup.marks import find_marks
from dedup.run import hash_texts
from dedup.schema import Blocks, Documents, Reject
from dedup.settings import Settings
from dedup.shape import find_shapes
from dedup.sketch import Sketches, Tokens, sketch_rows, tokenize_blocks
from dedup.substance import count_names, find_forms
from dedup.templates import find_templates, mask_names
from dedup.threads import ordered_map
from dedup.workspace import Workspace

MOST_NAMES = (1 << 16) - 1  # that are counted in a block
ROWS = 1 << 15  # contents that are sketched again at a time
Progress = Callable[[str, int, int | None], None]


class Batch(NamedTuple):
    """A chunk after the first stages."""

    documents: Documents
    blocks: Blocks
    tokens: Tokens
    looks: Looks
    said: Said | None
    rejects: list[Reject]
    texts: U64
    read: int


def silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


@contextlib.contextmanager
def pool_of(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose waiting work is dropped when the block fails."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dedup")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def sketch_corpus(
    inputs: Inputs,
    settings: Settings,
    workspace: Workspace,
    pool: Executor,
    progress: Progress = silent,
    book: Sketchbook | None = None,
) -> tuple[Corpus, Ledger]:
    """Read, split, tokenise and sketch what is not in the book; return the corpus, and what was read."""
    for_blocks, for_docs = schemes(settings) if book is None else book.schemes(settings)
    corpus = Corpus(workspace, for_blocks, for_docs, settings.min_tokens)
    ledger = open_ledger(inputs, settings, workspace, book)
    scored = settings.scores
    if book is not None:
        scored |= book.state.scored
        book.restore(corpus)
        sketch_again(corpus, for_blocks, for_docs, pool)
    ahead, done = settings.workers + 1, False
    batches = add_batches(read_batches(ledger, settings, pool, scored=scored), corpus, ledger, settings, progress)

    def leg() -> Iterator[tuple[Tokens, Fresh]]:
        nonlocal done
        for batch in batches:
            yield batch
            if book is not None and book.is_due():
                return
        done = True

    def sketch(work: tuple[Tokens, Fresh]) -> tuple[Sketches, Sketches]:
        tokens, fresh = work
        return (
            sketch_rows(tokens.hashes, tokens.bounds, fresh.blocks, for_blocks),
            sketch_rows(tokens.hashes, tokens.doc_bounds, fresh.docs, for_docs),
        )

    while not done:  # between legs no batch is on its way
        for sketches in ordered_map(pool, sketch, leg(), ahead):
            corpus.add_sketches(*sketches)
        if book is not None:
            book.save(corpus, ledger, (for_blocks, for_docs), pool)
    corpus.finish()
    return corpus, ledger


def open_ledger(inputs: Inputs, settings: Settings, workspace: Workspace, book: Sketchbook | None) -> Ledger:
    """Return what was read of the inputs, and what was not.

    Raises:
        InputError: in strict mode, a record is unusable.
    """
    parts = None if book is None else book.parts
    if parts is None:
        parts = cast("Parts", find_parts(inputs, (), settings))
    ledger = Ledger(parts, (workspace.path if book is None else book.path) / REJECTS)
    reject = ledger.first_reject() if settings.strict else None
    if reject is not None:
        raise InputError(reject["error"], reject["file"], reject["line"])
    return ledger


def read_batches(
    ledger: Ledger, settings: Settings, pool: Executor, *, scored: bool
) -> Iterator[tuple[Read, Batch | None]]:
    """Read what is left of the inputs, and do what needs a batch alone; None at the end of each input."""

    def chunks() -> Iterator[tuple[Input, Read, Chunk | None]]:
        before = sum(read.size or 0 for read in ledger.reads if read.done)
        for source, read, _ in ledger.left():
            done = 0
            for chunk in itertools.islice(source.chunks(settings.batch_bytes), read.chunks, None):
                done = chunk.read
                if source.size is not None and done > source.size:  # it may grow faster than it is read
                    check_unchanged(source, read)
                yield source, read, dataclasses.replace(chunk, read=before + done)
            before += done if source.size is None else source.size
            check_unchanged(source, read)
            yield source, read, None

    def prepare(work: tuple[Input, Read, Chunk | None]) -> tuple[Read, Batch | None]:
        source, read, chunk = work
        if chunk is None:
            return read, None
        parsed = source.parse(chunk, settings)
        documents = parsed.documents
        blocks = split_blocks(documents.data, documents.bounds, settings.split)
        tokens = tokenize_blocks(documents.data, documents.bounds, blocks)
        looks, said = look_at(documents.data, documents.bounds, blocks, tokens, scored=scored)
        return read, Batch(documents, blocks, tokens, looks, said, parsed.rejects, hash_texts(documents), chunk.read)

    return ordered_map(pool, prepare, chunks(), settings.workers + 1)


def add_batches(
    batches: Iterator[tuple[Read, Batch | None]], corpus: Corpus, ledger: Ledger, settings: Settings, progress: Progress
) -> Iterator[tuple[Tokens, Fresh]]:
    """Add batches to a corpus; yield of each its tokens, and what of it is new.

    Raises:
        InputError: in strict mode, a record is unusable.
    """
    total = ledger.size()
    for read, batch in batches:
        if batch is None:
            read.done = True
            continue
        if batch.rejects and settings.strict:
            first = batch.rejects[0]
            raise InputError(first.error, first.path, first.line)
        ledger.set_aside(read, batch.rejects)
        read.chunks += 1
        read.docs += batch.texts.size
        corpus.texts.append(batch.texts)
        progress("reading", batch.read, total)
        yield batch.tokens, corpus.add(batch.documents, batch.blocks, batch.tokens, batch.looks, batch.said)


def check_unchanged(source: Input, read: Read) -> None:
    """Check that an input is what it was when it was opened.

    Raises:
        InputError: it is not.
    """
    try:
        same = source.stamp() == read.stamp
    except NotFound:
        same = False
    if not same:
        raise InputError("changed while it was read: scan again when nothing writes to it", source.path)


def sketch_again(corpus: Corpus, for_blocks: Scheme, for_docs: Scheme, pool: Executor) -> None:
    """Sketch contents and documents that were sketched in another way, by their tokens."""
    tokens, bounds = corpus.tokens.map(), corpus.token_bounds.map()
    sketched, first = corpus.sketched.map(), corpus.doc_first.map()
    content, block_bounds = corpus.content.map(), corpus.block_bounds.map()

    def take(contents: I64) -> tuple[U64, I64]:
        """Return the tokens of contents, one behind the other, and where each begins."""
        begins = np.append(0, np.cumsum(bounds[contents + 1] - bounds[contents]))
        taken = np.empty(begins[-1], np.uint64)
        gather(tokens, bounds, contents, taken)
        return taken, begins

    def of_blocks(contents: I64) -> Sketches:
        return sketch_rows(*take(contents), np.arange(contents.size), for_blocks)

    def of_docs(docs: I64) -> Sketches:
        own = [content[a:b] for a, b in zip(block_bounds[docs], block_bounds[docs + 1], strict=True)]
        counts = np.cumsum([0, *(np.count_nonzero(one != FREE) for one in own)])
        contents = np.concatenate(own)
        taken, begins = take(contents[contents != FREE])
        return sketch_rows(taken, begins[counts], np.arange(docs.size), for_docs)

    def parts(rows: I64, size: int) -> Iterator[I64]:
        return (rows[k : k + size] for k in range(0, rows.size, size))

    if corpus.families.size < sketched.size:
        for sketches in ordered_map(pool, of_blocks, parts(sketched, ROWS), 2):
            corpus.add_block_sketches(sketches)
    if corpus.doc_families.size < first.size:
        for sketches in ordered_map(pool, of_docs, parts(first, ROWS // 16), 2):
            corpus.add_doc_sketches(sketches)


def look_at(data: U8, bounds: I64, blocks: Blocks, tokens: Tokens, *, scored: bool) -> tuple[Looks, Said | None]:
    """Tell what the blocks of a batch look like; and, if they are scored, what they say."""
    templates, shapes = find_templates(data, bounds, blocks, tokens), find_shapes(data, bounds, blocks)
    templates, credited = mask_names(data, bounds, blocks, tokens, shapes.counts, templates)
    marks = find_marks(data, bounds, blocks, tokens, templates, shapes, credited)
    looks = Looks(templates.keys, templates.bare, marks, shapes.words, shapes.odds, shapes.page_odds)
    return looks, say(data, bounds, blocks, tokens, templates.titles, marks, shapes.counts) if scored else None


def say_of(data: U8, bounds: I64, blocks: Blocks, tokens: Tokens) -> Said:
    """Tell what the blocks of a batch say, without the rest."""
    templates, shapes = find_templates(data, bounds, blocks, tokens), find_shapes(data, bounds, blocks)
    marks = find_marks(data, bounds, blocks, tokens, templates, shapes, np.empty(0, np.int64))
    return say(data, bounds, blocks, tokens, templates.titles, marks, shapes.counts)


def say(data: U8, bounds: I64, blocks: Blocks, tokens: Tokens, titles: I64, marks: U32, counts: I32) -> Said:
    """Put together what substance is scored by.

    Args:
        data: uint8, valid UTF-8 of the documents.
        bounds: int64[docs + 1], where each document begins in ``data``.
        blocks: their blocks.
        tokens: the blocks' tokens.
        titles: int64[docs], the block with each document's title, FREE where there is none.
        marks: uint32[n], see ``dedup.kernels.classes``.
        counts: int32[n, COLUMNS], see ``dedup.kernels.shape``.
    """
    languages = identify(tokens.hashes, tokens.doc_bounds)
    return Said(
        letters=counts[:, LETTERS].astype(np.uint32),
        names=np.minimum(count_names(counts), MOST_NAMES).astype(np.uint16),
        chars=counts[:, CHARS].astype(np.uint32),
        forms=find_forms(data, bounds, blocks, np.diff(tokens.bounds), languages, marks, counts),
        titles=np.where(titles == FREE, FREE, titles - blocks.bounds[:-1]),
        languages=languages,
        counts=count_terms_of(tokens, blocks, languages),
    )
