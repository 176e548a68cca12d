"""A corpus and a run in; the corpus without what the run drops out, every removal written down and undoable."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.arrays import I64, Bool
from dedup.errors import Corrupt, GuardRail, InputError, NotFound, SettingsError
from dedup.formats import Chunk, Cut, Edited, Input, Parsed, open_inputs
from dedup.formats.base import Removed
from dedup.formats.compression import Codec, Decompressed, compress_to, detect_codec
from dedup.formats.memory import ArrowTable, Records, cut_text
from dedup.pipeline import Progress, pool_of, scan, silent
from dedup.run import Run, json_lines, raw_bytes, raw_fields
from dedup.schema import Documents
from dedup.settings import Settings
from dedup.store import Workspace, atomic_directory, atomic_file
from dedup.threads import ordered_map

REMOVALS, REJECTS, SUMMARY = "removals.jsonl", "rejects.jsonl", "summary.json"
RESERVED = (REMOVALS, REJECTS, SUMMARY)
FILE_SUFFIXES = (".jsonl", ".ndjson", ".json", ".gz", ".zst", ".zstd", ".txt", ".md", ".markdown", ".text")
LINE_ENDS = (b"\n", b"\r", b"\x0b", b"\x0c")


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


class Plan(NamedTuple):
    """A run's verdicts as arrays.

    Attributes:
        bounds: int64[docs + 1], where each document's blocks begin; documents in the order of the verdicts.
        rows: int64[docs], place of each document of the input in that order.
        starts: int64[n], first byte of each block.
        ends: int64[n].
        dropped: bool[n].
        gone: bool[docs], documents that go as a whole.
    """

    bounds: I64
    rows: I64
    starts: I64
    ends: I64
    dropped: Bool
    gone: Bool

    def spans(self, row: int, text: bytes) -> list[tuple[int, int, int]]:
        """Return what to cut from the document at ``row``, see ``spans_to_cut``."""
        lo, hi = self.bounds[row], self.bounds[row + 1]
        if not self.dropped[lo:hi].any():
            return []
        if self.ends[hi - 1] > len(text):
            raise InputError("a text is shorter than when it was scanned: scan again")
        return spans_to_cut(text, self.starts[lo:hi].tolist(), self.ends[lo:hi].tolist(), self.dropped[lo:hi].tolist())

    def cuts(self, documents: Documents, first: int) -> tuple[list[Cut], list[list[int]]]:
        """Say for each of a batch of documents what to cut, and which blocks the cut spans are."""
        cuts: list[Cut] = []
        blocks: list[list[int]] = []
        for doc in range(len(documents.ids)):
            row = self.rows[first + doc]
            text = documents.data[documents.bounds[doc] : documents.bounds[doc + 1]]
            spans = [] if self.gone[row] else self.spans(row, text.tobytes())
            cuts.append(True if self.gone[row] else [(start, end) for start, end, _ in spans] or None)
            blocks.append([block for *_, block in spans])
        return cuts, blocks


def make_plan(run: Run) -> Plan:
    """Read what cutting needs from a run."""
    verdicts, documents = run.verdicts, run.documents
    bounds = np.concatenate([[0], np.cumsum(documents["blocks"].to_numpy())]).astype(np.int64)
    if bounds[-1] != verdicts.num_rows:
        raise Corrupt(f"{run.path}: documents.parquet and verdicts.parquet disagree: scan again")
    return Plan(
        bounds,
        run.input_order(),
        verdicts["start"].to_numpy(),
        verdicts["end"].to_numpy(),
        pc.equal(verdicts["action"], "drop").to_numpy(),
        pc.equal(documents["action"], "drop").to_numpy(),
    )


def line_start(data: bytes, lo: int, hi: int) -> int:
    """Return where the line begins that ``hi`` stands in, not before ``lo``."""
    return max(lo, *(data.rfind(end, lo, hi) + 1 for end in LINE_ENDS))


def spans_to_cut(
    data: bytes, starts: Sequence[int], ends: Sequence[int], dropped: Sequence[bool]
) -> list[tuple[int, int, int]]:
    r"""Return the spans (start, end, block) that remove the dropped blocks and leave the others apart.

    A block goes with its line ends and the blank lines behind it, so that what stood between its neighbours still
    does; a run of blocks at the end goes from the end of the last one kept, which leaves the document's own ending.

    >>> data = b"One.\n\nTwo.\n\nThree.\n"
    >>> spans_to_cut(data, [0, 6, 12], [4, 10, 18], [False, True, False])
    [(6, 12, 1)]
    >>> spans_to_cut(data, [0, 6, 12], [4, 10, 18], [False, True, True])
    [(4, 10, 1), (10, 18, 2)]
    """
    n = len(starts)
    last_kept = max((k for k in range(n) if not dropped[k]), default=-1)
    spans = []
    for k in range(n):
        if not dropped[k]:
            continue
        if k < last_kept:
            begin = line_start(data, ends[k - 1] if k else 0, starts[k])
            spans.append((begin, line_start(data, ends[k], starts[k + 1]), k))
        elif k:
            spans.append((ends[k - 1], ends[k], k))
        else:
            spans.append((starts[0], ends[0], k))
    return spans


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
        inputs = keep_stdin(inputs, workspace)
        opened = open_inputs(inputs)
        if out is None and not dry_run and not isinstance(opened[0], Records | ArrowTable):
            raise SettingsError("out", None, "a path, since the input is one")
        if isinstance(run, str | os.PathLike):
            run = Run.open(run)
        if run is None:
            run = scan(inputs, settings, progress=progress)
        elif run.alarms and not settings.allow:
            raise GuardRail(run.alarms)
        else:
            check_unchanged(run, opened)
            fields = {name: run.summary["settings"][name] for name in ("text", "id", "source", "newest")}
            settings = dataclasses.replace(settings, **fields)
        if dry_run:
            return Cleaned(run, None, removal_counts(run))
        plan = make_plan(run)
        rejected = {row["line"] for row in run.rejects}
        if isinstance(opened[0], Records):
            return clean_records(inputs, rejected, run, plan, settings)
        if isinstance(opened[0], ArrowTable):
            return clean_table(opened[0].table, rejected, run, plan, settings)
        return clean_files(opened, cast("str | os.PathLike[str]", out), run, plan, settings, progress)


def is_iterable_of_dicts(inputs: object) -> bool:
    """Whether inputs are neither paths nor a table, and so to be kept for the second pass."""
    if isinstance(inputs, str | os.PathLike | Mapping) or hasattr(inputs, "__arrow_c_stream__"):
        return False
    return isinstance(inputs, Iterable)


def keep_stdin(inputs: Any, workspace: Workspace) -> Any:
    """Copy standard input, if it is among the inputs, to a file that can be read twice."""
    listed = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    if not (isinstance(listed, list | tuple) and "-" in [one for one in listed if isinstance(one, str)]):
        return inputs
    kept = workspace.path / "stdin.jsonl"
    with kept.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    return [str(kept) if isinstance(one, str) and one == "-" else one for one in listed]


def check_unchanged(run: Run, opened: list[Input]) -> None:
    """Check that the inputs are as many and as large as those that were scanned.

    Raises:
        InputError: they are not.
    """
    known = [one["size"] for one in run.summary["inputs"]]
    if known != [one.size for one in opened]:
        raise InputError(f"the inputs are not those that {run.path} was made from (other sizes): scan again")


def removal_counts(run: Run) -> dict[str, Any]:
    """Return the part of a run's summary that tells what cleaning removes."""
    names = ("documents", "documents_dropped", "blocks", "blocks_dropped", "bytes", "bytes_dropped", "rejects")
    return {name: run.summary[name] for name in names}


def describe(run: Run, rows: I64) -> list[dict[str, Any]]:
    """Return verdicts as dicts, for removals."""
    names = ["doc", "block", "start", "end", "kind", "reason", "partner_doc", "partner_block", "similarity"]
    return cast("list[dict[str, Any]]", run.verdicts.select(names).take(pa.array(rows)).to_pylist())


def describe_documents(run: Run, rows: I64) -> list[dict[str, Any]]:
    """Return verdicts on documents as dicts, for removals."""
    names = ["doc", "reason", "partner_doc", "similarity"]
    return cast("list[dict[str, Any]]", run.documents.select(names).take(pa.array(rows)).to_pylist())


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
        kept.append({**record, settings.text: cut_text(data, [(a, b) for a, b, _ in spans])})
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
    part = table.take(pa.array([row[mark] for row in left], pa.int64()))
    part = part.set_column(position, field, column.cast(field.type))
    return dataclasses.replace(cleaned, records=part)


class Outputs:
    """Files of a cleaned corpus, written one behind the other, each compressed as its input was."""

    def __init__(self, root: pathlib.Path | None, single: BinaryIO | None) -> None:
        self._root = root
        self._single = single
        self._name: str | None = None
        self._stack = contextlib.ExitStack()
        self._file: BinaryIO | None = None

    def write(self, name: str, data: bytes, codec: Codec | None) -> None:
        """Write to the end of a file; writing to another closes it."""
        if name != self._name:
            self.close()
            self._name = name
            if self._single is not None:
                raw = self._single
            else:
                path = cast("pathlib.Path", self._root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                raw = self._stack.enter_context(path.open("wb"))
            self._file = compress_to(raw, codec)
            if self._file is not raw:
                self._stack.callback(self._file.close)
        cast("BinaryIO", self._file).write(data)

    def close(self) -> None:
        """Finish the file that is being written."""
        self._stack.close()
        self._name = None


def clean_files(
    opened: list[Input],
    out: str | os.PathLike[str],
    run: Run,
    plan: Plan,
    settings: Settings,
    progress: Progress,
) -> Cleaned:
    """Clean files into a file, a directory, or standard output."""
    target = pathlib.Path(out)
    summary = {**removal_counts(run), "inputs": [one.path for one in opened]}
    names_of(opened)
    if os.fspath(out) == "-":
        outputs = Outputs(None, sys.stdout.buffer)
        for _ in write_outputs(opened, outputs, run, plan, settings, progress):
            pass
        sys.stdout.buffer.flush()
        return Cleaned(run, None, summary)
    if len(opened) == 1 and not pathlib.Path(opened[0].path).is_dir() and target.suffix in FILE_SUFFIXES:
        # the data come last: until they do, the old ones stand, and their removals are known by their size
        with contextlib.ExitStack() as stack:
            data = stack.enter_context(atomic_file(target))
            rows = stack.enter_context(atomic_file(beside(target, REMOVALS)))
            bad = stack.enter_context(atomic_file(beside(target, REJECTS)))
            write_rows(write_outputs(opened, Outputs(None, data), run, plan, settings, progress), rows, bad)
        return Cleaned(run, target, summary)
    with atomic_directory(target) as made:
        with (made / REMOVALS).open("wb") as rows, (made / REJECTS).open("wb") as bad:
            write_rows(write_outputs(opened, Outputs(made, None), run, plan, settings, progress), rows, bad)
        (made / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Cleaned(run, target, summary)


def beside(target: pathlib.Path, name: str) -> pathlib.Path:
    """Return the path of what belongs to an output file."""
    return target.with_name(f"{target.name}.{name}")


def names_of(opened: list[Input]) -> None:
    """Give every input an output name of its own.

    Raises:
        InputError: a name is that of a file this command writes itself.
    """
    taken: set[str] = set()
    for one in opened:
        name, number = one.name or "text", 1
        stem, dot, rest = name.partition(".")
        while name in taken:
            number += 1
            name = f"{stem}-{number}{dot}{rest}"
        if name in RESERVED:
            raise InputError(f"{name} is a name this command writes itself: rename the input", one.path)
        taken.add(name)
        if one.name:
            one.name = name


def write_rows(rows: Iterator[dict[str, Any]], removals: BinaryIO, rejects: BinaryIO) -> None:
    """Write removals, and rejects, as JSON lines; ``seq`` numbers them through both."""
    for seq, row in enumerate(rows):
        file = rejects if "error" in row else removals
        file.writelines(json_lines([{"seq": seq, **row}]))


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

    source: Input
    chunk: Chunk
    parsed: Parsed
    first: int
    cuts: list[Cut]
    blocks: list[list[int]]
    edited: Edited | None


def edited_chunks(opened: list[Input], plan: Plan, settings: Settings) -> Iterator[EditedChunk]:
    """Read the inputs again, in order, and cut from each chunk what the plan drops.

    Raises:
        InputError: there are more or fewer documents than were scanned.
    """

    def parse(work: tuple[Input, Chunk]) -> tuple[Input, Chunk, Parsed]:
        source, chunk = work
        return source, chunk, source.parse(chunk, settings)

    def edit(work: EditedChunk) -> EditedChunk:
        rejected = frozenset(reject.line for reject in work.parsed.rejects)
        return work._replace(edited=work.source.edit(work.chunk, work.cuts, rejected, settings))

    def planned(pool: Executor) -> Iterator[EditedChunk]:
        first = 0
        work = ((source, chunk) for source in opened for chunk in source.chunks(settings.batch_bytes))
        for source, chunk, parsed in ordered_map(pool, parse, work, settings.workers + 1):
            count = len(parsed.documents.ids)
            if first + count > plan.rows.size:
                raise InputError("more documents than were scanned: scan again", source.path)
            yield EditedChunk(source, chunk, parsed, first, *plan.cuts(parsed.documents, first), None)
            first += count
        if first != plan.rows.size:
            raise InputError("fewer documents than were scanned: scan again")

    with pool_of(settings.workers) as pool:
        yield from ordered_map(pool, edit, planned(pool), settings.workers + 1)


def write_outputs(
    opened: list[Input], outputs: Outputs, run: Run, plan: Plan, settings: Settings, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Write the cleaned files; yield a row for each removal and each reject, in the order of the output."""
    total = sum(one.size or 0 for one in opened)
    offsets: collections.Counter[str] = collections.Counter()
    seen: set[str] = set()
    for work in edited_chunks(opened, plan, settings):
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
        if source.name and source.name not in seen and not pathlib.Path(source.path).is_dir():
            outputs.write(source.name, b"", getattr(source, "codec", None))
    outputs.close()


def told_removals(
    work: EditedChunk, removed: list[Removed], run: Run, plan: Plan, offsets: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Put what a chunk lost into rows: why it went, its text, and where its raw bytes belong."""
    parsed, first, blocks = work.parsed, work.first, work.blocks
    spans = [one for one in removed if one.span >= 0]
    whole = [one for one in removed if one.doc >= 0 and one.span < 0]
    block_rows = [plan.bounds[plan.rows[first + one.doc]] + blocks[one.doc][one.span] for one in spans]
    why_block = iter(describe(run, np.array(block_rows, np.int64)))
    why_doc = iter(describe_documents(run, np.array([plan.rows[first + one.doc] for one in whole], np.int64)))
    errors = iter(parsed.rejects)
    documents = parsed.documents
    plain = isinstance(work.chunk.data, list)  # files of text: their raw bytes are the text
    for one in removed:
        place = {"file": one.name, "offset": offsets[one.name] + one.offset, **raw_fields(one.raw)}
        if one.doc < 0:
            reject = next(errors)
            yield {"line": reject.line, "error": reject.error, **place}
        elif one.span < 0:
            text = documents.data[documents.bounds[one.doc] : documents.bounds[one.doc + 1]].tobytes().decode()
            yield {**next(why_doc), "text": text, **place}
        else:
            text = one.raw.decode() if plain else json.loads(b'"' + one.raw + b'"')
            yield {**next(why_block), "text": text, **place}


def undo(cleaned: str | os.PathLike[str], out: str | os.PathLike[str]) -> pathlib.Path:
    """Restore what ``clean`` was given, byte for byte (compressed files: the bytes they hold).

    Args:
        cleaned: an output of ``clean``, file or directory, not edited since.
        out: where the restored file or directory goes.

    Returns:
        ``out``, as a path.

    Raises:
        NotFound: there is no such output, or its removals are missing.
        Corrupt: the output is not what ``clean`` wrote.
        StoreError: ``out`` cannot be written.
    """
    source, target = pathlib.Path(cleaned), pathlib.Path(out)
    if not source.exists():
        raise NotFound(f"{source} does not exist")
    if source.is_dir():
        by_file = read_removals([source / REMOVALS, source / REJECTS])
        present = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()} - set(RESERVED)
        with atomic_directory(target) as made:
            for name in sorted(present | set(by_file)):
                path = made / name
                if not path.resolve().is_relative_to(made.resolve()):
                    raise Corrupt(f"{source / REMOVALS}: {name} would leave the output directory")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    restore(source / name if name in present else None, by_file.get(name, []), file)
            # what marks a directory as ours, so that it may be replaced
            (made / SUMMARY).write_text(json.dumps({"restored_from": str(source)}) + "\n", encoding="utf-8")
        (target / SUMMARY).unlink()
        return target
    by_file = read_removals([beside(source, REMOVALS), beside(source, REJECTS)])
    with atomic_file(target) as file:
        restore(source, [row for rows in by_file.values() for row in rows], file)
    return target


def read_removals(paths: list[pathlib.Path]) -> dict[str, list[dict[str, Any]]]:
    """Read removals and rejects, by output file, in the order in which they were made."""
    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8") as file:
                rows += [json.loads(line) for line in file]
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: without it nothing can be restored") from error
        except ValueError as error:
            raise Corrupt(f"{path} is damaged: {error}") from error
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["seq"]):
        by_file.setdefault(row["file"], []).append(row)
    return by_file


def restore(path: pathlib.Path | None, rows: list[dict[str, Any]], target: BinaryIO) -> None:
    """Copy a file, putting the removed bytes back where they were."""
    with contextlib.ExitStack() as stack:
        data: BinaryIO | Decompressed | None = None
        codec: Codec | None = None
        if path is not None:
            file = stack.enter_context(path.open("rb"))
            codec = detect_codec(file.peek(4)[:4])
            data = Decompressed(file, codec) if codec else file
        sink = compress_to(target, codec)
        position = 0
        for row in rows:
            position += copy(data, sink, row["offset"] - position)
            if position != row["offset"]:
                raise Corrupt(f"{path} ends before byte {row['offset']}: it is not what was written")
            sink.write(raw_bytes(row))
        copy(data, sink, None)
        if sink is not target:
            sink.close()


def copy(source: BinaryIO | Decompressed | None, target: BinaryIO, count: int | None) -> int:
    """Copy ``count`` bytes, or all; return how many there were."""
    done = 0
    while source is not None and (count is None or done < count):
        data = source.read(1 << 20 if count is None else min(1 << 20, count - done))
        if not data:
            break
        target.write(data)
        done += len(data)
    return done
