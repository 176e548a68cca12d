"""Inputs in; a run (verdicts on every block and document) out. The order of the stages, on one screen."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import time
import weakref
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.arrays import I64
from dedup.checkpoint import STATE, go_on, open_sketches
from dedup.corpus import Corpus
from dedup.decide import Decisions, decide, survivor_rank, tell_contained
from dedup.errors import GuardRail, InputError
from dedup.formats import Inputs, open_inputs
from dedup.formats.memory import ArrowTable, Records
from dedup.kernels.classes import LEAST_PAGES
from dedup.publishing import check_target, publish, scan_directory
from dedup.reading import Progress, pool_of, silent, sketch_corpus
from dedup.run import (
    DOCUMENTS_FILE,
    FORMAT,
    ORDER_FILE,
    REJECTS_FILE,
    SUMMARY_FILE,
    TEMPLATES_FILE,
    VERDICTS_FILE,
    Run,
    named_run,
    summary_bytes,
    texts_digest,
    write_table,
)
from dedup.schema import (
    BLOCK_SCORES,
    DOCUMENT_SCORES,
    DOCUMENTS,
    REASONS,
    TEMPLATES,
    VERDICTS,
    Reason,
)
from dedup.settings import Settings
from dedup.store import (
    SKETCHES,
    check_replaceable,
    clear,
    temporary_directory,
    told_when_full,
    unfinished_directory,
)
from dedup.urls import is_url, local_path
from dedup.verdicts import Tally, block_verdicts, document_verdicts, told_templates
from dedup.workspace import Workspace

MOST_FILLER = 0.5  # share of a document that may go as filler unnoticed


def scan(
    inputs: Any,
    settings: Settings | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Find what a corpus repeats.

    A scan into a run directory goes on from the sketches there: inputs that have not changed since are not read again,
    nor what a scan that was stopped has read.

    Args:
        inputs: a path or several (files, directories, patterns), an iterable of dicts, or an object with
            ``__arrow_c_stream__``; or a run directory, to decide again without reading anything.
        settings: see ``Settings``; None for those of the run, where the input is one.
        out: the run directory to write, or a URL, replacing an older run; None for a temporary one that goes with the
            ``Run``, or for the run that is decided on again.
        keep: whether the sketches are to stay in the run directory; they never do in a store (a URL).
        progress: called with a stage, bytes done and bytes in all (None if unknown).

    Returns:
        The run: its tables and its summary.

    Raises:
        NotFound: an input does not exist.
        InputError: an input cannot be read, or no record of files can be used, or, in strict mode, one cannot.
        MissingExtra: a format needs packages that are not installed.
        StoreError: the run directory cannot be written, or another process is at it.
        SettingsMismatch: the run that is decided on again has sketches that other settings need.
        GuardRail: the run would drop more than the settings allow; it is written all the same.

    >>> run = scan([{"id": "a", "text": "The ferry leaves the old harbour at nine in the morning."},
    ...             {"id": "b", "text": "The ferry leaves the old harbour at ten in the morning."}])
    >>> run.verdicts.select(["doc", "action", "reason", "partner_doc"]).to_pylist()[1]
    {'doc': 'b', 'action': 'drop', 'reason': 'near_duplicate', 'partner_doc': 'a'}
    """
    if out is not None and is_url(out):
        return _scan_to_store(inputs, settings, os.fspath(out), keep=keep, progress=progress)
    out = None if out is None else local_path(os.fspath(out))
    old = named_run(inputs)
    if old is not None:
        settings, out = settings or old.settings, out or old.path
        opened = Inputs(open_sketches(old.path, settings), old.summary.get("ignored"))
    else:
        settings = settings or Settings()
        opened = open_inputs(inputs, settings.format)
    if out is not None:
        check_replaceable(pathlib.Path(out), "run")
        with unfinished_directory(out, f"{SKETCHES}/{STATE}") as made:
            base = old.path if old is not None else pathlib.Path(out) if keep else None
            _scan_into(made, opened, settings, progress or silent, base)
        run = Run.open(out)
    else:
        temporary = temporary_directory()
        try:
            with told_when_full(temporary.path):
                _scan_into(temporary.path, opened, settings, progress or silent, None)
            run = Run.open(temporary.path)
        except BaseException:
            temporary.close()
            raise
        weakref.finalize(run, temporary.close)
    if run.alarms and not settings.allow:
        raise GuardRail(run.alarms, run.summary)
    return run


def _scan_to_store(inputs: Any, settings: Settings | None, url: str, *, keep: bool, progress: Progress | None) -> Run:
    """Scan into a directory of this machine, and from there into a store; the sketches go when all is there."""
    check_target(url, "run")
    local = scan_directory(url)
    stopped: GuardRail | None = None
    try:
        scan(inputs, settings, out=local, keep=keep, progress=progress)
    except GuardRail as error:
        stopped = error
    publish(local, url, SUMMARY_FILE, "run", without=[SKETCHES])
    shutil.rmtree(local.parent, ignore_errors=True)
    if stopped is not None:
        raise stopped
    return Run.open(url)


def _scan_into(
    made: pathlib.Path, inputs: Inputs, settings: Settings, progress: Progress, base: pathlib.Path | None
) -> None:
    """Run all stages and write the run directory.

    Args:
        made: the directory.
        inputs: the inputs.
        settings: the settings.
        progress: see ``scan``.
        base: the run to go on from, if there is one; None where sketches are not to stay.
    """
    begun = time.perf_counter()
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(pool_of(settings.workers))
        book = None if base is None else go_on(made, base, inputs, settings, pool)
        clear(made, None if book is None else book.path)
        kept, sizes = (None, None) if book is None else (book.path, book.state.sizes())
        workspace = stack.enter_context(Workspace(made, kept=kept, sizes=sizes, most=settings.room))
        corpus, ledger = sketch_corpus(inputs, settings, workspace, pool, progress, book)
        in_memory = all(isinstance(one, Records | ArrowTable) for one in inputs)  # they come back as they are
        reject = None if corpus.doc_count or in_memory else ledger.first_reject()
        if reject is not None:
            if book is not None:
                shutil.rmtree(book.path)  # nothing to go on from
            raise unusable(reject, ledger.rejected)
        progress("matching", ledger.size() or 0, None)
        positions = ledger.positions()
        decisions = decide(corpus, settings, positions, pool)
        progress("writing verdicts", ledger.size() or 0, None)
        standing = positions if positions.size else np.arange(corpus.doc_count)
        order = np.argsort(standing)
        if settings.survivor != "first":
            # whatever order the input came in, the same rows come out
            chosen = dataclasses.replace(settings, survivor="longest")
            order = np.argsort(survivor_rank(corpus, chosen, positions))
            np.save(made / ORDER_FILE, standing[order])
        # contained documents are looked for beside the writing of the blocks' verdicts, which say nothing of them
        documents = pool.submit(tell_documents, made, corpus, decisions, settings, order)
        tally = Tally()
        tables = block_verdicts(corpus, decisions, settings, order, tally, pool)
        write_table(made / VERDICTS_FILE, with_scores(VERDICTS, BLOCK_SCORES, settings), tables, pool)
        write_table(made / TEMPLATES_FILE, TEMPLATES, [told_templates(corpus, decisions)])
        summary = _summarise(corpus, settings, inputs, documents.result(), tally)
        summary["texts"] = texts_digest(ledger.texts(corpus.texts.map(), positions))
        summary["rejects"] = ledger.write_rejects(made / REJECTS_FILE)
        summary["seconds"] = round(time.perf_counter() - begun, 3)
        (made / SUMMARY_FILE).write_bytes(summary_bytes(summary))


def unusable(first: dict[str, Any], count: int) -> InputError:
    """Say that no record could be used, of so many, and why not the first."""
    message = f"{first['error']}: no record could be used, of {count:,}; see --text and --format"
    return InputError(message, first["file"], first["line"])


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
    reasons = np.bincount(docs.reason, minlength=len(REASONS)).tolist()
    return {
        "documents": corpus.doc_count,
        "documents_dropped": int((~docs.alive).sum()),
        "documents_by_reason": {name: n for name, n in zip(REASONS, reasons, strict=True) if name and n},
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
