"""A corpus and a run in; the corpus without what the run drops out, every removal written down and undoable."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa

from dedup.arrays import I64
from dedup.cut import Plan, cut_text, make_plan
from dedup.errors import GuardRail, InputError, SettingsError, StoreError
from dedup.formats import Chunk, Cut, Edited, File, Inputs, Parsed, chunks_of, open_inputs
from dedup.formats.base import Removed
from dedup.formats.extracted import Extracted
from dedup.formats.memory import ArrowTable, Records
from dedup.formats.outputs import Outputs
from dedup.formats.registry import FORMATS, WRITTEN_SUFFIXES
from dedup.formats.text import TextTree
from dedup.pipeline import Progress, pool_of, scan, silent
from dedup.run import (
    REJECTS_FILE,
    REMOVALS_FILE,
    SUMMARY_FILE,
    Run,
    TextsDigest,
    beside,
    json_line,
    raw_fields,
    summary_bytes,
)
from dedup.schema import Reject
from dedup.settings import FormatName, Settings
from dedup.store import Workspace, atomic_directory, atomic_file
from dedup.threads import ordered_map

ROWS = 1 << 14  # removals that are put into words at a time
RESERVED = (REMOVALS_FILE, REJECTS_FILE, SUMMARY_FILE)


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """What cleaning did.

    Attributes:
        run: the run it applied.
        path: the output; None for a dry run and for tables in memory.
        summary: counts of what was removed.
        records: the cleaned dicts or Arrow table where the input was one of these, else None.
        removals: what was removed from a table in memory, a row each, else None.
    """

    run: Run
    path: pathlib.Path | None
    summary: dict[str, Any]
    records: list[dict[str, Any]] | pa.Table | None = None
    removals: list[dict[str, Any]] | None = None


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
            Removals and rejects stand beside the file or in the directory. None for tables in memory, ``-`` for
            standard output.
        settings: see ``Settings``; ignored where a run is given, but for ``allow``.
        run: a scan of these very inputs; None to scan now.
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
        if out is None and not dry_run and not isinstance(opened[0], Records | ArrowTable):
            raise SettingsError("out", None, "a path, since the input is one")
        if run is None:
            run = scan(opened, settings, progress=progress)
        elif run.alarms and not settings.allow:
            raise GuardRail(run.alarms)
        else:
            check_scores(run, settings)
            fields = {name: run.summary["settings"][name] for name in ("text", "id", "source", "newest")}
            settings = dataclasses.replace(settings, **fields)
            check_unchanged(run, opened, settings)
        if dry_run:
            return Cleaned(run, None, removal_counts(run))
        plan = make_plan(run)
        if isinstance(opened[0], Records):
            return clean_records(inputs, rejected_rows(run), run, plan, settings)
        if isinstance(opened[0], ArrowTable):
            return clean_table(opened[0].table, rejected_rows(run), run, plan, settings)
        return clean_files(
            cast("list[File]", opened), cast("str | os.PathLike[str]", out), run, plan, settings, progress
        )


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
    if isinstance(inputs, str | os.PathLike | Mapping) or hasattr(inputs, "__arrow_c_stream__"):
        return False
    return isinstance(inputs, Iterable)


def open_twice(inputs: Any, as_format: FormatName | None, workspace: Workspace) -> Inputs:
    """Open inputs to be read twice: standard input, if it is among them, is copied to a file."""
    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    if not isinstance(given, list | tuple) or "-" not in [one for one in given if isinstance(one, str)]:
        return open_inputs(inputs, as_format)
    kept = workspace.path / f"stdin{FORMATS[as_format or 'jsonl'].suffixes[0]}"
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
        digest = TextsDigest()
        for chunk in opened[0].chunks(settings.batch_bytes):
            digest.add(opened[0].parse(chunk, settings).documents)
        same = digest.hexdigest() == run.summary["texts"]
    if not same:
        raise InputError(f"the inputs are not those that {run.path} was made from: scan again")


def rejected_rows(run: Run) -> set[int]:
    """Return the 1-based numbers of the records of a table that could not be used."""
    return {row["line"] for row in run.rejects}


def removal_counts(run: Run) -> dict[str, Any]:
    """Return the part of a run's summary that tells what cleaning removes."""
    names = ("documents", "documents_dropped", "blocks", "blocks_dropped", "bytes", "bytes_dropped", "rejects")
    return {name: run.summary[name] for name in names}


def describe(run: Run, rows: I64) -> list[dict[str, Any]]:
    """Return verdicts as dicts, for removals."""
    names = ["doc", "block", "start", "end", "kind", "reason", "partner_doc", "partner_block", "similarity"]
    names += [name for name in ("substance", "reasons") if name in run.verdicts.column_names]
    return as_dicts(run.verdicts.select(names), rows)


def describe_documents(run: Run, rows: I64) -> list[dict[str, Any]]:
    """Return verdicts on documents as dicts, for removals."""
    names = ["doc", "reason", "partner_doc", "similarity"]
    names += [name for name in ("substance",) if name in run.documents.column_names]
    return as_dicts(run.documents.select(names), rows)


def as_dicts(table: pa.Table, rows: I64) -> list[dict[str, Any]]:
    """Return some rows of a table as dicts; rows that stand together are taken from their part of it alone."""
    first, end = int(rows.min(initial=table.num_rows)), int(rows.max(initial=-1)) + 1
    part = table.slice(first, max(0, end - first))
    return cast("list[dict[str, Any]]", part.take(pa.array(rows - first)).to_pylist())


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
        told = describe(run, plan.bounds[row] + np.array([block for *_, block in spans]))
        removals += [{**why, "text": data[a:b].decode()} for why, (a, b, _) in zip(told, spans, strict=True)]
        kept.append({**record, settings.text: cut_text(data, spans).decode()})
    return Cleaned(run, None, removal_counts(run), kept, removals)


def clean_table(table: pa.Table, rejected: set[int], run: Run, plan: Plan, settings: Settings) -> Cleaned:
    """Clean an Arrow table; its other columns, its schema and its rejected rows stay as they are."""
    texts = table[settings.text].to_pylist()
    mark = "row"
    rows = [{settings.text: text, mark: k} for k, text in enumerate(texts)]
    cleaned = clean_records(rows, rejected, run, plan, settings)
    left = cast("list[dict[str, Any]]", cleaned.records)
    position = table.column_names.index(settings.text)
    field = table.schema.field(position)
    column = pa.array([row[settings.text] for row in left], pa.large_string())
    if pa.types.is_dictionary(field.type):
        column = column.dictionary_encode()
    part = take_rows(table, np.array([row[mark] for row in left], np.int64))
    part = part.set_column(position, field, column.cast(field.type))
    return dataclasses.replace(cleaned, records=part)


def clean_files(
    opened: list[File],
    out: str | os.PathLike[str],
    run: Run,
    plan: Plan,
    settings: Settings,
    progress: Progress,
) -> Cleaned:
    """Clean files into a file, a directory, or standard output."""
    target = pathlib.Path(out)
    summary = {**removal_counts(run), "inputs": [one.path for one in opened]}
    if os.fspath(out) == "-":
        # a stream of our own: where Python runs unbuffered, its own writes a part and says nothing
        with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as stream:
            for _ in write_outputs(opened, Outputs(None, stream), run, plan, settings, progress):
                pass
        return Cleaned(run, None, summary)
    single = len(opened) == 1 and not (isinstance(opened[0], TextTree) and opened[0].is_tree)
    if single and target.suffix in WRITTEN_SUFFIXES:
        if isinstance(opened[0], Extracted) and target.resolve() == pathlib.Path(opened[0].path).resolve():
            raise StoreError(
                f"{target} is the input, which cannot be restored from what is written: name another output"
            )
        with contextlib.ExitStack() as stack:
            data = stack.enter_context(atomic_file(target))
            others = [stack.enter_context(atomic_file(beside(target, name))) for name in RESERVED]
            outputs = Outputs(None, data)
            write_rows(write_outputs(opened, outputs, run, plan, settings, progress), others[0], others[1])
            others[2].write(summary_with_outputs(summary, outputs))
            # all are on disk before the first takes its place, so that they do so at once; the data come last
            for file in (data, *others):
                file.flush()
                os.fsync(file.fileno())
        return Cleaned(run, target, summary)
    for one in opened:
        if not set(RESERVED).isdisjoint(pathlib.PurePath(one.name).parts[:1]):
            raise InputError(f"{one.name} is a name this command writes itself: rename the input", one.path)
        if pathlib.Path(one.path).resolve().is_relative_to(target.resolve()):
            raise StoreError(f"{target} holds the input {one.path} and would be replaced: name another output")
    with atomic_directory(target) as made:
        outputs = Outputs(made, None)
        with (made / REMOVALS_FILE).open("wb") as rows, (made / REJECTS_FILE).open("wb") as bad:
            write_rows(write_outputs(opened, outputs, run, plan, settings, progress), rows, bad)
        (made / SUMMARY_FILE).write_bytes(summary_with_outputs(summary, outputs))
    return Cleaned(run, target, summary)


def summary_with_outputs(summary: dict[str, Any], outputs: Outputs) -> bytes:
    """Return the summary that stands beside cleaned files; ``undo`` knows them by it."""
    written = {name: one.as_dict() for name, one in outputs.written.items()}
    return summary_bytes({**summary, "outputs": written})


def take_rows(table: pa.Table, rows: I64) -> pa.Table:
    """Return some rows of a table, in ascending order."""
    try:
        return table.take(pa.array(rows))
    except pa.ArrowNotImplementedError:  # views of strings, as polars gives them
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        return pa.concat_tables([table.slice(run[0], run.size) for run in runs if run.size] or [table.slice(0, 0)])


def write_rows(rows: Iterator[dict[str, Any]], removals: BinaryIO, rejects: BinaryIO) -> None:
    """Write removals, and rejects, as JSON lines; ``seq`` numbers them through both."""
    for seq, row in enumerate(rows):
        file = rejects if "error" in row else removals
        file.write(json_line({"seq": seq, **row}))


class EditedChunk(NamedTuple):
    """A chunk on its way from input to output.

    Attributes:
        source: the input.
        chunk: the records as read.
        parsed: their documents and rejects.
        first: number of the first document in the whole input.
        cuts: what to cut from each document.
        blocks: for each document, which blocks its cut spans are.
        edited: the bytes to write and those removed; None until they are made.
    """

    source: File
    chunk: Chunk
    parsed: Parsed
    first: int
    cuts: list[Cut]
    blocks: list[list[int]]
    edited: Edited | None


def edited_chunks(opened: list[File], run: Run, plan: Plan, settings: Settings) -> Iterator[EditedChunk]:
    """Read the inputs again, in order, and cut from each chunk what the plan drops.

    Raises:
        InputError: the texts are not those that were scanned, which may be known at the end only.
    """
    digest = TextsDigest()

    def parse(work: tuple[File, Chunk]) -> tuple[File, Chunk, Parsed]:
        source, chunk = work
        return source, chunk, source.parse(chunk, settings)

    def edit(work: EditedChunk) -> EditedChunk:
        rejected = frozenset(reject.line for reject in work.parsed.rejects)
        return work._replace(edited=work.source.edit(work.chunk, work.cuts, rejected, settings))

    def planned(pool: Executor) -> Iterator[EditedChunk]:
        first = 0
        work = cast("Iterator[tuple[File, Chunk]]", chunks_of(opened, settings.batch_bytes))
        for source, chunk, parsed in ordered_map(pool, parse, work, settings.workers + 1):
            count = len(parsed.documents.ids)
            digest.add(parsed.documents)
            if first + count > plan.rows.size:
                raise InputError("more documents than were scanned: scan again", source.path)
            yield EditedChunk(source, chunk, parsed, first, *plan.cuts(parsed.documents, first), None)
            first += count
        if digest.hexdigest() != run.summary["texts"]:
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
        codec = getattr(work.source, "codec", None)
        for name, data in edited.pieces:
            outputs.write(name, data, codec)
            seen.add(name)
        yield from told_removals(work, edited.removed, run, plan, offsets)
        for name, data in edited.pieces:
            offsets[name] += len(data)
        progress("cleaning", work.chunk.read, total)
    for source in opened:  # files without a record
        if source.name not in seen and not isinstance(source, TextTree):
            outputs.write(source.name, b"", getattr(source, "codec", None))
    outputs.close()


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
    why_block = iter(describe(run, plan.bounds[rows] + positions))
    why_doc = iter(describe_documents(run, plan.rows[first + np.array([one.doc for one in whole], np.int64)]))
    data, bounds = parsed.documents.data.data, parsed.documents.bounds
    plain = isinstance(work.chunk.data, list)  # files of text: their raw bytes are the text
    for one in removed:
        place = {"file": one.name, "offset": offsets[one.name] + one.offset, **raw_fields(one.raw)}
        if one.doc < 0:
            further = Reject(0, work.chunk.line, work.source.path, work.chunk.damage or "", b"")  # part of a record
            reject = next(errors, further)
            yield {"input": reject.path, "line": reject.line, "error": reject.error, **place}
        elif one.span < 0:
            text = str(data[bounds[one.doc] : bounds[one.doc + 1]], "utf-8")
            yield {**next(why_doc), "text": text, **place}
        else:
            text = one.raw.decode() if plain else msgspec.json.decode(b'"' + one.raw + b'"')
            yield {**next(why_block), "text": text, **place}
