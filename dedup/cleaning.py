"""A corpus and a run in; the corpus without what the run drops out, every removal written down and undoable."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from dedup.arrays import I64, U64
from dedup.cut import Plan, as_dicts, cut_text, make_plan
from dedup.errors import GuardRail, InputError, SettingsError, StoreError
from dedup.formats import (
    Chunk,
    Cut,
    Edited,
    File,
    Inputs,
    Parsed,
    check_readable_twice,
    chunks_of,
    narrow,
    open_inputs,
)
from dedup.formats.base import BETWEEN, Removed
from dedup.formats.columnar import Columnar
from dedup.formats.extracted import Extracted
from dedup.formats.kinds import is_table
from dedup.formats.memory import ArrowTable, Left, Records
from dedup.formats.outputs import Outputs
from dedup.formats.sinks import Listed
from dedup.formats.text import TextTree
from dedup.pipeline import scan
from dedup.publishing import published
from dedup.reading import Progress, pool_of, silent
from dedup.run import (
    LISTS,
    OUTPUTS,
    REJECTS_FILE,
    REMOVALS_FILE,
    SUMMARY_FILE,
    Run,
    TextsSum,
    beside,
    hash_texts,
    json_line,
    raw_fields,
    summary_bytes,
    texts_digest,
)
from dedup.schema import Reject
from dedup.settings import FormatName, Settings
from dedup.store import REMOVED, atomic_directory, atomic_files, check_replaceable, told_when_full
from dedup.targets import check_out, is_single
from dedup.threads import ordered_map
from dedup.urls import Url, is_url, local_path
from dedup.workspace import Workspace

ROWS = 1 << 14  # removals that are put into words at a time
RESERVED = (REMOVALS_FILE, REJECTS_FILE, SUMMARY_FILE)


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """What cleaning did.

    Attributes:
        run: the run it applied.
        path: the output; None for a dry run, for tables in memory and where it is a URL.
        summary: counts of what was removed.
        records: the cleaned dicts, or a table of the kind that was given (else one of Arrow's); None for files.
        removals: what was removed from a table in memory, a row each, else None.
        url: the output where it is a URL, else None.
    """

    run: Run
    path: pathlib.Path | None
    summary: dict[str, Any]
    records: Any = None
    removals: list[dict[str, Any]] | None = None
    url: Url | None = None


def clean(
    inputs: Any,
    out: str | os.PathLike[str] | None = None,
    settings: Settings | None = None,
    *,
    run: Run | str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Cleaned:
    r"""Remove from a corpus what it repeats.

    Args:
        inputs: as for ``scan``.
        out: where the cleaned corpus goes: a file (its name ends like a data file's; one input file) or a directory.
            Removals and rejects stand beside the file or in the directory. It may be a URL. None for tables in memory,
            ``-`` for standard output.
        settings: see ``Settings``; ignored where a run is given, but for ``allow``.
        run: a scan of these very inputs, or its path or URL; None to scan now.
        dry_run: decide and count, write nothing.
        progress: see ``scan``.

    Returns:
        What was done, and the cleaned records of tables in memory.

    Raises:
        InputError: an input cannot be read or is not what was scanned.
        StoreError: the output cannot be written.
        GuardRail: the run would drop more than the settings allow; nothing is written.

    >>> text = "The ferry leaves the old harbour at nine in the morning."
    >>> cleaned = clean([{"text": text}, {"text": f"{text}\n\nSo much for today."}])
    >>> cleaned.records[1], cleaned.removals[0]["reason"]
    ({'text': 'So much for today.'}, 'exact_duplicate')
    """
    settings, progress = settings or Settings(), progress or silent
    with Workspace() as workspace:
        if is_iterable_of_dicts(inputs):
            inputs = list(inputs)
        if isinstance(run, str | os.PathLike):
            run = Run.open(run)
        as_format = settings.format if run is None else run.summary["settings"].get("format")
        opened = open_twice(inputs, as_format, workspace)
        check_readable_twice(opened)
        if not dry_run and not isinstance(opened[0], Records | ArrowTable):
            check_out(opened, out)
        if run is None:
            run = scan(opened, settings, progress=progress)
        elif run.alarms and not settings.allow:
            raise GuardRail(run.alarms, run.summary)
        else:
            check_scores(run, settings)
            fields = {name: run.summary["settings"][name] for name in ("text", "id", "source", "newest")}
            settings = dataclasses.replace(settings, **fields)
            check_unchanged(run, opened, settings)
        if dry_run:
            return Cleaned(run, None, removal_counts(run))
        with told_when_full(workspace.path):
            plan = make_plan(run, workspace)
        if isinstance(opened[0], Records):
            return clean_records(inputs, rejected_rows(run), run, plan, settings)
        if isinstance(opened[0], ArrowTable):
            return clean_table(opened[0], run, plan, settings, progress)
        return clean_to(cast("list[File]", opened), cast("str | os.PathLike[str]", out), run, plan, settings, progress)


def check_scores(run: Run, settings: Settings) -> None:
    """Check that a run has removed what is asked for by score, which is decided when scanning.

    Raises:
        SettingsError: it has not.
    """
    chosen = run.summary["settings"]
    if settings.min_substance not in {None, chosen["min_substance"]}:
        raise SettingsError("min_substance", settings.min_substance, "what the run was scanned with: scan again")
    if "filler" in settings.drop and ("filler" not in chosen["drop"] or settings.filler != chosen["filler"]):
        raise SettingsError("drop", "filler", "to be asked of a scan with the same settings: scan again")


def is_iterable_of_dicts(inputs: object) -> bool:
    """Whether inputs are neither paths nor a table, and so to be kept for the second pass."""
    if isinstance(inputs, str | bytes | os.PathLike | Mapping | AbstractSet) or is_table(inputs):
        return False
    return isinstance(inputs, Iterable)


def open_twice(inputs: Any, as_format: FormatName | None, workspace: Workspace) -> Inputs:
    """Open inputs to be read twice: standard input, if it is among them, is copied to a file."""
    given = [inputs] if isinstance(inputs, str | bytes | os.PathLike) else inputs
    if not isinstance(given, list | tuple) or "-" not in [one for one in given if isinstance(one, str)]:
        return open_inputs(inputs, as_format)
    if list(given).count("-") > 1:  # before it is waited for
        return open_inputs(inputs, as_format)
    kept = workspace.path / "stdin"
    with kept.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return open_inputs(inputs, as_format, str(kept))


def check_unchanged(run: Run, opened: Inputs, settings: Settings) -> None:
    """Check, before anything is written, what can be checked cheaply: sizes of files, the texts of tables.

    Raises:
        InputError: the inputs are not those that were scanned.
    """
    same = [one["size"] for one in run.summary["inputs"]] == [one.size for one in opened]
    if same and isinstance(opened[0], Records | ArrowTable):
        texts, table = TextsSum(), narrow(opened[0], settings)
        for chunk in table.chunks(settings.batch_bytes):
            texts.add(hash_texts(table.parse(chunk, settings).documents))
        same = texts_digest([texts]) == run.summary["texts"]
    if not same:
        raise InputError(f"the inputs are not those that {run.place} was made from: scan again")


def rejected_rows(run: Run) -> set[int]:
    """Return the 1-based numbers of the records of a table that could not be used."""
    return {row["line"] for row in run.read_rejects()}


def removal_counts(run: Run) -> dict[str, Any]:
    """Return the part of a run's summary that tells what cleaning removes."""
    names = ("documents", "documents_dropped", "blocks", "blocks_dropped", "bytes", "bytes_dropped", "rejects")
    return {name: run.summary[name] for name in names}


def describe_documents(run: Run, rows: I64) -> list[dict[str, Any]]:
    """Return verdicts on documents as dicts, for removals."""
    names = ["doc", "reason", "partner_doc", "similarity"]
    names += [name for name in ("substance",) if name in run.documents.column_names]
    return as_dicts(run.documents.select(names), rows)


def clean_records(
    records: Sequence[dict[str, Any]], rejected: set[int], run: Run, plan: Plan, settings: Settings
) -> Cleaned:
    """Clean dicts; the rejected ones (by 1-based number) stay as they are."""
    kept: list[dict[str, Any]] = []
    removals: list[dict[str, Any]] = []
    doc = 0
    for number, record in enumerate(records, 1):
        if number in rejected:
            kept.append(record)
            continue
        row = plan.rows[doc]
        doc += 1
        if plan.gone[row]:
            removals.append({**describe_documents(run, np.array([row]))[0], "text": record[settings.text]})
            continue
        data = record[settings.text].encode()
        spans = plan.spans(row, data)
        if not spans:
            kept.append(record)
            continue
        told = plan.describe(plan.bounds[row] + np.array([block for *_, block in spans]))
        removals += [{**why, "text": data[a:b].decode()} for why, (a, b, _) in zip(told, spans, strict=True)]
        kept.append({**record, settings.text: cut_text(data, spans).decode()})
    return Cleaned(run, None, removal_counts(run), kept, removals)


def clean_table(source: ArrowTable, run: Run, plan: Plan, settings: Settings, progress: Progress) -> Cleaned:
    """Clean a table in memory; its other columns, its schema and its rejected rows stay as they are."""
    left: list[Left] = []
    removals: list[dict[str, Any]] = []
    for work in edited_chunks([cast("File", narrow(source, settings))], run, plan, settings):
        edited = cast("Edited", work.edited)
        left += [piece for _, piece in edited.pieces]
        removals += told_removals(work, edited.removed, run, plan, collections.Counter())
        progress("cleaning", work.chunk.read, None)
    return Cleaned(run, None, removal_counts(run), source.cleaned(left, settings.text), removals)


def clean_to(
    opened: list[File],
    out: str | os.PathLike[str],
    run: Run,
    plan: Plan,
    settings: Settings,
    progress: Progress,
) -> Cleaned:
    """Clean files to where a path or a URL leads."""
    if not is_url(out):
        return clean_files(opened, local_path(os.fspath(out)), run, plan, settings, progress)
    with published(os.fspath(out), "cleaned", single=is_single(opened, out)) as made:
        cleaned = clean_files(opened, made, run, plan, settings, progress)
    return dataclasses.replace(cleaned, path=None, url=Url(os.fspath(out)))


def clean_files(
    opened: list[File],
    out: str | os.PathLike[str],
    run: Run,
    plan: Plan,
    settings: Settings,
    progress: Progress,
) -> Cleaned:
    """Clean files into a file, a directory, or standard output."""
    single, target = is_single(opened, out), pathlib.Path(out)
    summary = {**removal_counts(run), "inputs": [one.path for one in opened]}
    if os.fspath(out) == "-":
        # a stream of our own: where Python runs unbuffered, its own writes a part and says nothing
        with (
            os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as stream,
            Outputs(settings, single=stream) as outputs,
        ):
            for _ in write_outputs(opened, outputs, run, plan, settings, progress):
                pass
        return Cleaned(run, None, summary)
    if single:
        clean_file(opened[0], target, summary, run, plan, settings, progress)
        return Cleaned(run, target, summary)
    reserved = (*RESERVED, REMOVED) if any(isinstance(one, Columnar) for one in opened) else RESERVED
    for one in opened:
        if not set(reserved).isdisjoint(pathlib.PurePath(one.name).parts[:1]):
            raise InputError(f"{one.name} is a name this command writes itself: rename the input", one.path)
        if not is_url(one.path) and pathlib.Path(one.path).resolve().is_relative_to(target.resolve()):
            raise StoreError(f"{target} holds the input {one.path} and would be replaced: name another output")
    check_replaceable(target, "cleaned")
    with atomic_directory(target) as made:
        with (
            (made / REMOVALS_FILE).open("wb") as rows,
            (made / REJECTS_FILE).open("wb") as bad,
            Outputs(settings, root=made) as outputs,
        ):
            lists = write_rows(write_outputs(opened, outputs, run, plan, settings, progress), rows, bad)
        (made / SUMMARY_FILE).write_bytes(summary_with_outputs(summary, outputs, lists))
    return Cleaned(run, target, summary)


def clean_file(
    source: File, target: pathlib.Path, summary: dict[str, Any], run: Run, plan: Plan, settings: Settings,
    progress: Progress,
) -> None:  # fmt: skip
    """Clean a file into another, beside which stand its removals, rejects and summary."""
    path = source.path
    if isinstance(source, Extracted) and not is_url(path) and target.resolve() == pathlib.Path(path).resolve():
        raise StoreError(f"{target} is the input, which cannot be restored from what is written: name another output")
    names = [beside(target, name).name for name in RESERVED]
    removed = beside(target, f"{REMOVED}{target.suffix}").name if isinstance(source, Columnar) else None
    with atomic_files(target, names if removed is None else [*names, removed]) as files:
        rows, rejects, told = (files[name] for name in names)
        of_removed = None if removed is None else files[removed]
        with Outputs(settings, single=files[target.name], suffix=target.suffix, removed=of_removed) as outputs:
            lists = write_rows(write_outputs([source], outputs, run, plan, settings, progress), rows, rejects)
        told.write(summary_with_outputs(summary, outputs, lists))


def summary_with_outputs(summary: dict[str, Any], outputs: Outputs, lists: dict[str, dict[str, int]]) -> bytes:
    """Return the summary that stands beside cleaned files; ``undo`` knows them, and what was removed, by it."""
    return summary_bytes({**summary, OUTPUTS: outputs.written, LISTS: lists})


def write_rows(rows: Iterator[dict[str, Any]], removals: BinaryIO, rejects: BinaryIO) -> dict[str, dict[str, int]]:
    """Write removals, and rejects, as JSON lines; ``seq`` numbers them through both. Return what each list holds."""
    written = {REMOVALS_FILE: Listed(removals), REJECTS_FILE: Listed(rejects)}
    for seq, row in enumerate(rows):
        written[REJECTS_FILE if "error" in row else REMOVALS_FILE].add(json_line({"seq": seq, **row}))
    return {name: listed.as_dict() for name, listed in written.items()}


class EditedChunk(NamedTuple):
    """A chunk on its way from input to output.

    Attributes:
        source: the input.
        chunk: the records as read.
        parsed: their documents and rejects.
        first: number of the first document in the whole input.
        cuts: what to cut from each document.
        blocks: for each document that spans are cut from, which blocks they are.
        edited: what to write and what is removed; None until they are made.
    """

    source: File
    chunk: Chunk
    parsed: Parsed
    first: int
    cuts: list[Cut]
    blocks: dict[int, list[int]]
    edited: Edited | None


def edited_chunks(opened: list[File], run: Run, plan: Plan, settings: Settings) -> Iterator[EditedChunk]:
    """Read the inputs again, in order, and cut from each chunk what the plan drops.

    Raises:
        InputError: the texts are not those that were scanned, which may be known at the end only.
    """
    texts = [TextsSum() for _ in opened]

    def parse(work: tuple[int, Chunk]) -> tuple[int, Chunk, Parsed, U64]:
        number, chunk = work
        parsed = opened[number].parse(chunk, settings)
        return number, chunk, parsed, hash_texts(parsed.documents)

    def edit(work: EditedChunk) -> EditedChunk:
        rejected = frozenset(reject.line for reject in work.parsed.rejects)
        cuts, blocks = plan.cuts(work.parsed.documents, work.first)
        return work._replace(cuts=cuts, blocks=blocks, edited=work.source.edit(work.chunk, cuts, rejected, settings))

    def planned(pool: Executor) -> Iterator[EditedChunk]:
        first = 0
        kept: collections.Counter[int] = collections.Counter()  # records of each input that stay
        work = chunks_of(opened, settings.batch_bytes)
        for number, chunk, parsed, hashes in ordered_map(pool, parse, work, settings.workers + 1):
            source, count = opened[number], len(parsed.documents.ids)
            texts[number].add(hashes)
            if first + count > plan.rows.size:
                raise InputError("more documents than were scanned: scan again", source.path)
            placed = dataclasses.replace(chunk, kept=kept[chunk.file])
            yield EditedChunk(source, placed, parsed, first, [], {}, None)
            kept[chunk.file] += count - int(plan.gone[plan.rows[first : first + count]].sum())
            first += count
        if texts_digest(texts) != run.summary["texts"]:
            raise InputError("the texts are not those that were scanned: scan again")

    with pool_of(settings.workers) as pool:
        yield from ordered_map(pool, edit, planned(pool), settings.workers + 1)


def write_outputs(
    opened: list[File], outputs: Outputs, run: Run, plan: Plan, settings: Settings, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Write the cleaned files; yield a row for each removal and each reject, in the order of the output."""
    total = sum(one.size or 0 for one in opened)
    offsets: collections.Counter[str] = collections.Counter()
    seen: set[str] = set()
    for work in edited_chunks(opened, run, plan, settings):
        edited = cast("Edited", work.edited)
        for name, piece in edited.pieces:
            outputs.write(name, piece, work.source)
            seen.add(name)
        yield from told_removals(work, edited.removed, run, plan, offsets)
        for name, piece in edited.pieces:
            offsets[name] += len(piece)
        progress("cleaning", work.chunk.read, total)
    for source in opened:
        if source.name in seen:
            continue
        if not isinstance(source, TextTree):  # a file without a record
            outputs.open(source.name, source)
        elif not source.is_tree:  # the one document is gone
            outputs.leave_out(source.name, source)


def told_removals(
    work: EditedChunk, removed: list[Removed], run: Run, plan: Plan, offsets: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Put what a chunk lost into rows: why it went, its text, and where its raw bytes belong."""
    errors = iter(work.parsed.rejects)
    for start in range(0, len(removed), ROWS):
        yield from told_batch(work, removed[start : start + ROWS], errors, run, plan, offsets)


def told_batch(
    work: EditedChunk,
    removed: Sequence[Removed],
    errors: Iterator[Reject],
    run: Run,
    plan: Plan,
    offsets: Mapping[str, int],
) -> Iterator[dict[str, Any]]:
    """Put some of what a chunk lost into rows."""
    parsed, first, blocks = work.parsed, work.first, work.blocks
    spans = [one for one in removed if one.span >= 0]
    whole = [one for one in removed if one.doc >= 0 and one.span < 0]
    rows = plan.rows[first + np.array([one.doc for one in spans], np.int64)]
    positions = np.array([blocks[one.doc][one.span] for one in spans], np.int64)
    why_block = iter(plan.describe(plan.bounds[rows] + positions))
    why_doc = iter(describe_documents(run, plan.rows[first + np.array([one.doc for one in whole], np.int64)]))
    data, bounds = parsed.documents.data.data, parsed.documents.bounds
    for one in removed:
        place = place_of(one, offsets[one.name])
        if one.doc == BETWEEN:
            yield {"doc": None, "reason": "separator", "text": "", **place}
            continue
        if one.doc < 0:
            further = Reject(0, work.chunk.line, work.source.path, work.chunk.damage or "", b"")  # part of a record
            reject = next(errors, further)
            yield {"input": reject.path, "line": reject.line, "error": reject.error, **place}
            continue
        start, end = int(bounds[one.doc]), int(bounds[one.doc + 1])
        if one.span >= 0:
            first, last = cast("Sequence[tuple[int, int]]", work.cuts[one.doc])[one.span]
            start, end = start + first, start + last
        yield {**next(why_doc if one.span < 0 else why_block), "text": str(data[start:end], "utf-8"), **place}


def place_of(one: Removed, before: int) -> dict[str, Any]:
    """Say where something removed belongs, for JSON: nowhere for tables in memory.

    Args:
        one: what was removed.
        before: how many bytes, or rows, of the output stand before the piece it was removed from.
    """
    if not one.name:
        return {}
    if one.row is None:
        place = {"file": one.name, "offset": before + one.offset, **raw_fields(one.raw)}
        return {**place, "added": one.added} if one.added else place
    place = {"file": one.name, "row": before + one.row}
    return place if one.span < 0 else {**place, "offset": one.offset, **raw_fields(one.raw)}
