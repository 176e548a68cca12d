"""Inputs in; a run (verdicts on every block and document) out. The order of the stages, on one screen."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.arrays import I32, I64, U8, U32
from dedup.background import identify
from dedup.blocks import split_blocks
from dedup.corpus import Corpus, Fresh, Looks, Said
from dedup.decide import Decisions, decide, survivor_rank, tell_contained
from dedup.errors import GuardRail, InputError
from dedup.formats import Chunk, Input, Inputs, chunks_of, open_inputs
from dedup.frequencies import count_terms_of
from dedup.kernels.classes import LEAST_PAGES
from dedup.kernels.shape import CHARS, LETTERS
from dedup.kernels.tables import FREE
from dedup.lsh import schemes
from dedup.marks import find_marks
from dedup.run import (
    DOCUMENTS_FILE,
    FORMAT,
    ORDER_FILE,
    REJECTS_FILE,
    SUMMARY_FILE,
    TEMPLATES_FILE,
    VERDICTS_FILE,
    Run,
    TextsDigest,
    json_lines,
    reject_row,
    summary_bytes,
    write_table,
)
from dedup.schema import (
    BLOCK_SCORES,
    DOC_REASONS,
    DOCUMENT_SCORES,
    DOCUMENTS,
    REASONS,
    TEMPLATES,
    VERDICTS,
    Blocks,
    Documents,
    Reason,
    Reject,
)
from dedup.settings import Settings
from dedup.shape import find_shapes
from dedup.sketch import Sketches, Tokens, sketch_rows, tokenize_blocks
from dedup.store import Workspace, atomic_directory
from dedup.substance import count_names, find_forms
from dedup.templates import find_templates, mask_names
from dedup.threads import ordered_map
from dedup.verdicts import Tally, block_verdicts, document_verdicts, told_templates

MOST_FILLER = 0.5  # share of a document that may go as filler unnoticed
MOST_NAMES = (1 << 16) - 1  # that are counted in a block
Progress = Callable[[str, int, int | None], None]


class Batch(NamedTuple):
    """A chunk after the first stages."""

    documents: Documents
    blocks: Blocks
    tokens: Tokens
    looks: Looks
    said: Said | None
    rejects: list[Reject]
    read: int


def scan(
    inputs: Any,
    settings: Settings | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Find what a corpus repeats.

    Args:
        inputs: a path or several (files, directories, patterns), an iterable of dicts, or an object with
            ``__arrow_c_stream__``.
        settings: see ``Settings``.
        out: the run directory to write, replacing an older run; None for a temporary one that goes with the ``Run``.
        progress: called with a stage, bytes done and bytes in all (None if unknown).

    Returns:
        The run: its tables and its summary.

    Raises:
        NotFound: an input does not exist.
        InputError: an input cannot be read, or, in strict mode, a record is unusable.
        MissingExtra: a format needs packages that are not installed.
        StoreError: the run directory cannot be written.
        GuardRail: the run would drop more than the settings allow; it is written all the same.

    >>> run = scan([{"id": "a", "text": "The ferry leaves the old harbour at nine in the morning."},
    ...             {"id": "b", "text": "The ferry leaves the old harbour at ten in the morning."}])
    >>> run.verdicts.select(["doc", "action", "reason", "partner_doc"]).to_pylist()[1]
    {'doc': 'b', 'action': 'drop', 'reason': 'near_duplicate', 'partner_doc': 'a'}
    """
    settings = settings or Settings()
    opened = open_inputs(inputs, settings.format)
    if out is not None:
        with atomic_directory(out) as made:
            _scan_into(made, opened, settings, progress or silent)
        run = Run.open(out)
    else:
        made = pathlib.Path(tempfile.mkdtemp(prefix="dedup-run-"))
        try:
            _scan_into(made, opened, settings, progress or silent)
            run = Run.open(made)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        weakref.finalize(run, shutil.rmtree, made, ignore_errors=True)
    if run.alarms and not settings.allow:
        raise GuardRail(run.alarms)
    return run


def silent(stage: str, done: int, total: int | None) -> None:
    """Report nothing."""


def _scan_into(made: pathlib.Path, inputs: Inputs, settings: Settings, progress: Progress) -> None:
    """Run all stages and write the run directory."""
    begun = time.perf_counter()
    with Workspace(made) as workspace, pool_of(settings.workers) as pool:
        digest = TextsDigest()
        corpus, rejects, read = sketch_corpus(inputs, settings, workspace, pool, digest, progress)
        progress("matching", read, None)
        decisions = decide(corpus, settings, pool)
        progress("writing verdicts", read, None)
        order = np.arange(corpus.doc_count)
        if settings.survivor != "first":
            # whatever order the input came in, the same rows come out
            order = np.argsort(survivor_rank(corpus, dataclasses.replace(settings, survivor="longest")))
            np.save(made / ORDER_FILE, order)
        # contained documents are looked for beside the writing of the blocks' verdicts, which say nothing of them
        documents = pool.submit(tell_documents, made, corpus, decisions, settings, order)
        tally = Tally()
        tables = block_verdicts(corpus, decisions, settings, order, tally, pool)
        write_table(made / VERDICTS_FILE, with_scores(VERDICTS, BLOCK_SCORES, settings), tables, pool)
        write_table(made / TEMPLATES_FILE, TEMPLATES, [told_templates(corpus, decisions)])
        if rejects:
            (made / REJECTS_FILE).write_bytes(b"".join(json_lines(map(reject_row, rejects))))
        summary = _summarise(corpus, settings, inputs, documents.result(), tally)
        summary["texts"] = digest.hexdigest()
        summary["rejects"] = len(rejects)
        summary["seconds"] = round(time.perf_counter() - begun, 3)
        (made / SUMMARY_FILE).write_bytes(summary_bytes(summary))


@contextlib.contextmanager
def pool_of(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose waiting work is dropped when the block fails."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="dedup")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def sketch_corpus(
    inputs: list[Input],
    settings: Settings,
    workspace: Workspace,
    pool: ThreadPoolExecutor,
    digest: TextsDigest,
    progress: Progress,
) -> tuple[Corpus, list[Reject], int]:
    """Read, split, tokenise and sketch everything; return the corpus, the rejects and the bytes read."""
    for_blocks, for_docs = schemes(settings)
    corpus = Corpus(workspace, for_blocks, for_docs, settings.min_tokens)
    total = sum(one.size or 0 for one in inputs) if all(one.size is not None for one in inputs) else None
    rejects: list[Reject] = []
    ahead = settings.workers + 1

    def prepare(work: tuple[Input, Chunk]) -> Batch:
        source, chunk = work
        parsed = source.parse(chunk, settings)
        documents = parsed.documents
        blocks = split_blocks(documents.data, documents.bounds, settings.split)
        tokens = tokenize_blocks(documents.data, documents.bounds, blocks)
        looks, said = look_at(documents.data, documents.bounds, blocks, tokens, scored=settings.scores)
        return Batch(documents, blocks, tokens, looks, said, parsed.rejects, chunk.read)

    def sketch(work: tuple[Tokens, Fresh]) -> tuple[Sketches, Sketches]:
        tokens, fresh = work
        return (
            sketch_rows(tokens.hashes, tokens.bounds, fresh.blocks, for_blocks),
            sketch_rows(tokens.hashes, tokens.doc_bounds, fresh.docs, for_docs),
        )

    def commit() -> Iterator[tuple[Tokens, Fresh]]:
        for batch in ordered_map(pool, prepare, chunks_of(inputs, settings.batch_bytes), ahead):
            if batch.rejects and settings.strict:
                first = batch.rejects[0]
                raise InputError(first.error, first.path, first.line)
            rejects.extend(batch.rejects)
            digest.add(batch.documents)
            progress("reading", batch.read, total)
            yield batch.tokens, corpus.add(batch.documents, batch.blocks, batch.tokens, batch.looks, batch.said)

    for sketches in ordered_map(pool, sketch, commit(), ahead):
        corpus.add_sketches(*sketches)
    return corpus, rejects, total or 0


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


def with_scores(schema: pa.Schema, scores: pa.Schema, settings: Settings) -> pa.Schema:
    """Return the columns of a table, those of scores among them where substance is scored."""
    return pa.schema([*schema, *scores]) if settings.scores else schema


def tell_documents(
    made: pathlib.Path, corpus: Corpus, decisions: Decisions, settings: Settings, order: I64
) -> dict[str, Any]:
    """Look for contained documents, write the verdicts on documents; return what a summary says of them."""
    decisions = tell_contained(corpus, decisions, settings)
    docs = decisions.docs
    tables = document_verdicts(corpus, decisions, settings, order)
    write_table(made / DOCUMENTS_FILE, with_scores(DOCUMENTS, DOCUMENT_SCORES, settings), tables)
    reasons = np.bincount(docs.reason, minlength=len(DOC_REASONS)).tolist()
    return {
        "documents": corpus.doc_count,
        "documents_dropped": int((~docs.alive).sum()),
        "documents_by_reason": {name: n for name, n in zip(DOC_REASONS, reasons, strict=True) if name and n},
        "low_evidence": int((decisions.boilerplate.pages < LEAST_PAGES).sum()),
        "duplicate_ids": corpus.doc_count - len(corpus.ids.map().unique()),
        "largest_cluster": decisions.largest_cluster,
        "pairs_compared": decisions.compared,
        "pairs_skipped": decisions.skipped,
        **({} if decisions.substance is None else {"filler": int(decisions.substance.filler(settings.filler).sum())}),
        "alarms": find_alarms(corpus, decisions, settings),
    }


def _summarise(
    corpus: Corpus, settings: Settings, inputs: Inputs, of_documents: dict[str, Any], tally: Tally
) -> dict[str, Any]:
    """Put counts and alarms together."""
    chosen = dataclasses.asdict(settings)
    chosen["drop"] = sorted(settings.drop)
    return {
        "format": FORMAT,
        "inputs": [{"path": one.path, "size": one.size} for one in inputs],
        **({"ignored": inputs.ignored} if inputs.ignored else {}),
        **of_documents,
        "blocks": corpus.block_count,
        "blocks_dropped": tally.dropped,
        "blocks_by_reason": {name: n for name, n in zip(REASONS, tally.reasons.tolist(), strict=True) if name and n},
        "distinct_blocks": corpus.token_bounds.size - 1,
        "bytes": tally.size,
        "bytes_dropped": tally.size_dropped,
        "settings": chosen,
    }


def find_alarms(corpus: Corpus, decisions: Decisions, settings: Settings) -> list[str]:
    """Say in a sentence each what the guard rails object to."""
    alarms = []
    if decisions.largest_cluster > settings.max_cluster:
        alarms.append(
            f"one cluster holds {decisions.largest_cluster:,} different texts (max_cluster={settings.max_cluster:,})"
        )
    codes = corpus.sources.map().dictionary_encode()
    sources = codes.indices.fill_null(len(codes.dictionary)).to_numpy()
    everything = np.bincount(sources, minlength=len(codes.dictionary) + 1)
    dropped = np.bincount(sources[~decisions.docs.alive], minlength=len(codes.dictionary) + 1)
    for source in np.flatnonzero(
        (everything >= settings.guard_min_docs) & (dropped > settings.max_drop_share * everything)
    ):
        name = f"source {codes.dictionary[source].as_py()!r}" if source < len(codes.dictionary) else "the input"
        alarms.append(
            f"{dropped[source]:,} of {everything[source]:,} documents of {name} would be dropped "
            f"(max_drop_share={settings.max_drop_share})"
        )
    hollow = count_hollow(corpus, decisions, settings)
    if corpus.doc_count >= settings.guard_min_docs and hollow > settings.max_drop_share * corpus.doc_count:
        alarms.append(
            f"{hollow:,} of {corpus.doc_count:,} documents would lose most of their text as filler "
            f"(max_drop_share={settings.max_drop_share})"
        )
    return alarms


def count_hollow(corpus: Corpus, decisions: Decisions, settings: Settings) -> int:
    """Count the documents more than half of whose characters go as filler."""
    if "filler" not in settings.drop:
        return 0
    chars, bounds = corpus.chars.map().astype(np.float64), corpus.block_bounds.map()
    doc = np.repeat(np.arange(corpus.doc_count), np.diff(bounds))
    going = chars * (decisions.judged == Reason.FILLER)
    shares = np.bincount(doc, going, corpus.doc_count) / np.maximum(np.bincount(doc, chars, corpus.doc_count), 1)
    return int(((shares > MOST_FILLER) & decisions.docs.alive).sum())
