"""A hostile input in; whether a reader takes, rejects or refuses it, and nothing else, out."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import pathlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple, cast, get_args

import numpy as np
import pyarrow as pa
from endtoend import pack
from fuzz import mutations, seeds
from fuzz.mutations import Mutator
from reading import Rule, columns, drawn, nothing

import dedup
from dedup.errors import DedupError, InputError
from dedup.formats import Cut, File, Input, narrow, open_inputs
from dedup.formats.base import Parsed, Removed
from dedup.formats.columnar import Columnar
from dedup.formats.compression import Codec, Decompressed, detect_codec, open_stream
from dedup.formats.extracted import Extracted
from dedup.formats.layout import nests
from dedup.formats.text import TextTree
from dedup.rejoining import rejoin
from dedup.run import Run
from dedup.settings import FormatName, Settings

SIZES = (1, 7, 64, 500, 4096, 1 << 20)  # bytes of a chunk
MOST_CHUNKS = 20  # about, that a file is read in
LONG = 1 << 15  # bytes of a text
SETTINGS = (Settings(), Settings(newest="date"), Settings(text="id", id="text"), Settings(text="source", id="date"))
CODECS: tuple[Codec, ...] = get_args(Codec)


class Outcome(NamedTuple):
    """What came of an input.

    Attributes:
        documents: how many it held.
        rejects: how many of its records were rejected.
        refused: the message of the error it ended in, None where it was read to its end.
    """

    documents: int = 0
    rejects: int = 0
    refused: str | None = None


@dataclasses.dataclass(frozen=True)
class Reader:
    """Something that reads what others wrote.

    Attributes:
        name: what to call it.
        mutator: draws inputs; made when it is asked for.
        check: takes a directory, the input and chances; raises what is no DedupError where the reader is broken.
        cost: how long an input takes, in those of JSON lines: how many are tried where there is little time.
    """

    name: str
    mutator: Callable[[], Mutator]
    check: Callable[[pathlib.Path, bytes, Random], Outcome]
    cost: int = 1


def attempt(reader: Reader, folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Try an input; the directory is empty afterwards."""
    try:
        return reader.check(folder, data, rng)
    except DedupError as error:
        return Outcome(refused=str(error))
    finally:
        for one in folder.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()


def drawn_quickly(seed: int) -> Rule:
    """Return what ``drawn`` does, but for long texts, of which nothing is cut, or all."""
    rule = drawn(seed)

    def quick(number: int, text: bytes) -> Cut:
        if len(text) > LONG:
            return True if number % 2 else None
        return rule(number, text)

    return quick


class Walked(NamedTuple):
    """What reading a file and editing it by a rule gave.

    Attributes:
        documents: id, source, age and text of each.
        rejects: file, line, message and bytes of each.
        pieces: of each output.
        removed: of each output, with offsets from its beginning.
        cuts: what was cut from each document.
    """

    documents: list[tuple[Any, ...]]
    rejects: list[tuple[Any, ...]]
    pieces: dict[str, list[Any]]
    removed: dict[str, list[Removed]]
    cuts: list[Cut]


def check_parsed(part: Parsed) -> list[tuple[Any, ...]]:
    """Check that documents are what other stages rely on, and return them."""
    documents = part.documents
    bounds, count = documents.bounds, len(documents.ids)
    assert documents.ids.null_count == 0
    assert len(documents.sources) == len(documents.ages) == count == bounds.size - 1
    assert bounds[0] == 0 and bounds[-1] == documents.data.size and (np.diff(bounds) >= 0).all()
    assert documents.data.dtype == np.uint8 and bounds.dtype == np.int64
    found = columns(part)
    for row in found:
        row[-1].decode()
    for reject in part.rejects:
        assert reject.error.strip() and reject.line > 0 and bytes(reject.raw) == reject.raw
    return found


def walk(source: File, size: int, rule: Rule, settings: Settings) -> Walked:
    """Read a file in chunks of a size, and edit it by a rule."""
    walked = Walked([], [], defaultdict(list), defaultdict(list), [])
    offsets: dict[str, int] = defaultdict(int)
    kept, before = 0, 0
    for chunk in source.chunks(size):
        assert chunk.read >= before
        before = chunk.read
        parsed = source.parse(chunk, settings)
        found = check_parsed(parsed)
        cuts = [rule(len(walked.documents) + k, row[-1]) for k, row in enumerate(found)]
        bad = frozenset(reject.line for reject in parsed.rejects)
        edited = source.edit(dataclasses.replace(chunk, kept=kept), cuts, bad, settings)
        for one in edited.removed:
            place = "row" if one.row is not None else "offset"
            moved = getattr(one, place) + offsets[one.name]
            walked.removed[one.name].append(one._replace(**{place: moved}))
        for name, piece in edited.pieces:
            walked.pieces[name].append(piece)
            offsets[name] += len(piece)
        walked.documents.extend(found)
        walked.rejects.extend((one.path, one.line, one.error, one.raw) for one in parsed.rejects)
        walked.cuts.extend(cuts)
        kept += len(cuts) - cuts.count(True)
    return walked


def put_back(output: bytes, removed: Iterable[Removed]) -> bytes:
    """Put what was removed from bytes where it was."""
    parts, at = [], 0
    for one in removed:
        assert at <= one.offset <= len(output)
        parts += [output[at : one.offset], one.raw]
        at = one.offset + one.added
    return b"".join([*parts, output[at:]])


def held(data: bytes) -> bytes:
    """Return what a file holds, decompressed, up to any damage."""
    stream: Decompressed = open_stream(io.BytesIO(data))[0]
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


def check_bytes(source: File, again: Callable[[], File], content: dict[str, bytes] | None, rng: Random) -> Outcome:
    """Check a file of bytes: what is read does not depend on the size of chunks; all comes back.

    Args:
        source: the file.
        again: opens it once more.
        content: what each output would hold if nothing were removed; None if only the extraction tells.
        rng: chances.
    """
    settings = rng.choice(SETTINGS) if rng.random() < 0.3 else SETTINGS[0]
    length = source.size or 0 if content is None else sum(map(len, content.values()))
    size = max(rng.choice(SIZES), length // MOST_CHUNKS)
    rule = nothing if rng.random() < 0.5 else drawn_quickly(rng.randrange(1 << 30))
    one = walk(source, size, rule, settings)
    if isinstance(source, Extracted) and rng.random() < 0.8:  # which takes its time
        return Outcome(len(one.documents), len(one.rejects))
    whole = walk(again(), 1 << 20, nothing, settings)
    assert one.documents == whole.documents
    assert [told[:3] for told in one.rejects] == [told[:3] for told in whole.rejects]
    assert all(whole.startswith(part) for (*_, part), (*_, whole) in zip(one.rejects, whole.rejects, strict=True))
    outputs = {name: b"".join(pieces) for name, pieces in one.pieces.items()}
    names = outputs.keys() | one.removed.keys()
    restored = {name: put_back(outputs.get(name, b""), one.removed.get(name, ())) for name in names}
    if content is None:
        content = {name: b"".join(pieces) for name, pieces in whole.pieces.items()}
        restored = {name: data for name, data in restored.items() if data or name in content}
        content = {name: data for name, data in content.items() if data or name in restored}
        if whole.removed and any(part.raw for parts in whole.removed.values() for part in parts):
            content = restored  # lines of the extraction that are no records
    else:
        content = {name: data for name, data in content.items() if data or name in restored}
    assert restored == content
    return Outcome(len(one.documents), len(one.rejects))


def check_table(path: pathlib.Path, source: Columnar, rng: Random) -> Outcome:
    """Check a file of tables: narrowed and whole it holds the same; it is written; all comes back."""
    settings = SETTINGS[1] if rng.random() < 0.3 else SETTINGS[0]
    size = rng.choice(SIZES[2:])
    narrowed = cast("Columnar", narrow(source, settings))
    documents, rejects = [], []
    for chunk in narrowed.chunks(size):
        parsed = narrowed.parse(chunk, settings)
        documents += check_parsed(parsed)
        rejects += [(one.path, one.line, one.error, one.raw) for one in parsed.rejects]
    rule = nothing if rng.random() < 0.3 else drawn_quickly(rng.randrange(1 << 30))
    walked = walk(source, size, rule, settings)
    assert (walked.documents, walked.rejects) == (documents, rejects)
    out, gone, back = (path.with_name(f"{name}{source.suffixes[0]}") for name in ("out", "gone", "back"))
    with out.open("wb") as file, gone.open("wb") as removed:
        sink = source.sink(file, removed, settings)
        try:
            for piece in walked.pieces[source.name]:
                sink.write(piece)
            written = sink.close()
        finally:
            sink.drop()
    rows = []
    for one in walked.removed[source.name]:
        row: dict[str, Any] = {"row": one.row}
        rows.append(row if one.span < 0 else {**row, "offset": one.offset, **dedup.run.raw_fields(one.raw)})
    with back.open("wb") as file:
        rejoin(out, gone, written, rows, file)
    restored = open_table(back, source)
    assert same_tables(table_of(source), table_of(restored))
    return Outcome(len(documents), len(rejects))


def open_table(path: pathlib.Path, like: Columnar) -> Columnar:
    """Open a file of tables as another was."""
    return type(like)(str(path), 0)


def table_of(source: Columnar) -> pa.Table:
    """Read a whole file of tables."""
    batches = [group.rows for group, _ in source.groups(1 << 20)]
    return pa.Table.from_batches(batches) if batches else source.schema.empty_table()


def same_tables(one: pa.Table, other: pa.Table) -> bool:
    """Whether tables are equal, as far as Arrow can tell: NaN is not equal to itself."""
    if one.num_rows != other.num_rows or one.schema.names != other.schema.names:
        return False
    for left, right in zip(one.columns, other.columns, strict=True):
        if nests(left.type, pa.types.is_floating) or nests(left.type, pa.types.is_union):
            continue
        if not plain(left).equals(plain(right)):
            return False
    return True


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a column: one dictionary may tell the same as several."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def check_file(name: str, form: FormatName | None, folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Check a file of a format, or of one that it is told by."""
    path = folder / name
    path.write_bytes(data)

    def again() -> Input:
        (opened,) = open_inputs(path, form)
        return opened

    source = again()
    if isinstance(source, Columnar):
        return check_table(path, source, rng)
    content = None if isinstance(source, Extracted) else {source.name: held(data)}
    return check_bytes(cast("File", source), cast("Callable[[], File]", again), content, rng)


def check_any(form: FormatName | None, folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Check a file whose name may tell something else than it holds."""
    name = rng.choice(("data", "data.json", "data.jsonl", "data.csv", "data.txt", "data.gz", "data.html", "data.arrow"))
    return check_file(name, form, folder, data, rng)


def check_tree(folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Check a tree of texts."""
    root = folder / "tree"
    root.mkdir()
    content = {}
    for raw, body in mutations.split(data):
        name = os.fsdecode(raw.replace(b"\0", b"_"))
        path = pathlib.Path(os.path.normpath(f"{root}/{name}"))
        if not path.is_relative_to(root) or len(os.fsencode(name)) > 200 or path == root:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        except OSError:  # no name for a file
            continue
    for place, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(place, name)
            content[str(path.relative_to(folder))] = path.read_bytes()

    def again() -> TextTree:
        return TextTree(str(root), 0)

    source = again()
    content = {f"tree/{name}": content[f"tree/{name}"] for name in source._names}
    outcome = check_bytes(source, again, content, rng)
    opened = open_inputs(root)  # with files of other formats
    assert len({one.name for one in opened}) == len(opened)
    paths = [pathlib.PurePath(one.name) for one in opened]
    assert not any(path.is_absolute() or ".." in path.parts for path in paths)
    return outcome


def unfolded(folder: pathlib.Path, data: bytes) -> None:
    """Write the files of an input below a directory."""
    for raw, body in mutations.split(data):
        path = pathlib.Path(os.path.normpath(folder / os.fsdecode(raw.replace(b"\0", b"_"))))
        if path.is_relative_to(folder) and path != folder:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
            except OSError:  # no name for a file
                continue


def snapshot(folder: pathlib.Path) -> dict[pathlib.Path, bytes]:
    """Return all files below a directory."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_undo(folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Check that undoing touches nothing but its output."""
    cleaned, out = folder / "cleaned", folder / "back"
    cleaned.mkdir()
    unfolded(cleaned, data)
    before = snapshot(folder)
    try:
        dedup.undo(cleaned, out)
    except DedupError:
        assert not out.exists()
        raise
    finally:
        after = {path: body for path, body in snapshot(folder).items() if not path.is_relative_to(out)}
        assert after == before
    return Outcome(len(list(out.rglob("*"))))


def check_run(folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Check that a damaged run is told of, or read."""
    path = folder / "run"
    path.mkdir()
    unfolded(path, data)
    run = Run.open(path)
    for _ in (run.settings, run.alarms, run.rejects, run.verdicts, run.documents, run.templates, run.input_order()):
        pass
    if rng.random() < 0.3:
        dedup.scan(str(path), Settings(allow=True, threads=1, threshold=rng.choice((0.7, 0.8))), out=folder / "new")
    return Outcome(run.documents.num_rows)


def check_traps(folder: pathlib.Path, data: bytes, rng: Random) -> Outcome:
    """Be broken in all ways, to see that they are found."""
    kind = data[:1]
    if kind == b"r":
        raise KeyError(kind)
    if kind == b"h":
        while True:
            pass
    if kind == b"c":
        os.abort()
    if kind == b"m":
        np.ones(1 << 25)
    if kind == b"x":
        raise InputError("refused")
    return Outcome(1, 2)


def repacked(codec: Codec, inner: Mutator) -> mutations.Step:
    """Return a mutation of what a compressed file holds."""

    def step(rng: Random, data: bytes) -> bytes:
        if detect_codec(data[:4096]) != codec:
            return inner.mutate(rng, data)
        stream = open_stream(io.BytesIO(data))[0]
        return pack(inner.mutate(rng, stream.read(mutations.MOST)), codec)

    return step


def packed(codec: Codec) -> Mutator:
    """Return what draws compressed files."""
    inner = Mutator([*seeds.of_jsonl(), *seeds.of_delimited(",")], (*seeds.JSON_TOKENS, *seeds.CSV_TOKENS))
    return Mutator(seeds.of_codec(codec), seeds.PACKED_TOKENS, (repacked(codec, inner),))


def anything() -> Mutator:
    """Return what draws files of any format."""
    plain = [*seeds.of_jsonl(), *seeds.of_json(), *seeds.of_delimited(","), *seeds.of_delimited("\t")]
    rest = [*seeds.of_html(), *seeds.of_warc(), *seeds.of_wet(), *seeds.of_parquet(), *seeds.of_arrow(streamed=True)]
    rest += [*seeds.of_arrow(streamed=False), *(one for codec in CODECS for one in seeds.of_codec(codec))]
    words = (*seeds.JSON_TOKENS, *seeds.CSV_TOKENS, *seeds.WARC_TOKENS, *seeds.PACKED_TOKENS, *seeds.TABLE_TOKENS)
    return Mutator([*plain * 4, *rest], words)


class Traps(Mutator):
    """Draws one kind of input after the other."""

    def draw(self, rng: Random) -> bytes:
        """Return an input."""
        kinds = self.seeds[0]
        k = rng.randrange(len(kinds))
        return kinds[k : k + 1]


def of_bytes(name: str, form: FormatName, file: str, make: Callable[[], Mutator], cost: int = 1) -> Reader:
    """Return a reader of files of a format."""
    return Reader(name, functools.cache(make), functools.partial(check_file, file, form), cost)


PARQUET_STEPS = (mutations.parquet_number, mutations.parquet_number, mutations.parquet_footer)
ARROW_STEPS = (mutations.arrow_metadata, mutations.arrow_metadata, mutations.arrow_body)
WARC_STEPS = (mutations.warc_length, mutations.warc_body)
TREE_STEPS = (mutations.one_file(),)
READERS: dict[str, Reader] = {
    one.name: one
    for one in (
        of_bytes("jsonl", "jsonl", "in.jsonl", lambda: Mutator(seeds.of_jsonl(), seeds.JSON_TOKENS)),
        of_bytes("json", "json", "in.json", lambda: Mutator(seeds.of_json(), seeds.JSON_TOKENS)),
        of_bytes("csv", "csv", "in.csv", lambda: Mutator(seeds.of_delimited(","), seeds.CSV_TOKENS)),
        of_bytes("tsv", "tsv", "in.tsv", lambda: Mutator(seeds.of_delimited("\t"), seeds.CSV_TOKENS)),
        of_bytes(
            "parquet", "parquet", "in.parquet",
            lambda: Mutator(seeds.of_parquet(), seeds.TABLE_TOKENS, PARQUET_STEPS), 3,
        ),
        of_bytes(
            "arrow", "arrow", "in.arrow",
            lambda: Mutator(seeds.of_arrow(streamed=False), seeds.TABLE_TOKENS, ARROW_STEPS), 3,
        ),
        of_bytes(
            "arrows", "arrow", "in.arrows",
            lambda: Mutator(seeds.of_arrow(streamed=True), seeds.TABLE_TOKENS, ARROW_STEPS), 3,
        ),
        Reader("text", functools.cache(lambda: Mutator(seeds.of_text(), (), TREE_STEPS)), check_tree, 2),
        of_bytes("html", "html", "in.html", lambda: Mutator(seeds.of_html(), seeds.HTML_TOKENS), 6),
        of_bytes(
            "warc", "warc", "in.warc",
            lambda: Mutator(seeds.of_warc(), (*seeds.WARC_TOKENS, *seeds.HTML_TOKENS), WARC_STEPS), 6,
        ),
        of_bytes("wet", "warc", "in.wet", lambda: Mutator(seeds.of_wet(), seeds.WARC_TOKENS, WARC_STEPS)),
        *(
            Reader(codec, functools.cache(functools.partial(packed, codec)), functools.partial(check_any, None))
            for codec in CODECS
        ),
        Reader("detect", functools.cache(anything), functools.partial(check_any, None), 3),
        Reader("undo", functools.cache(lambda: Mutator(seeds.of_undo(), seeds.UNDO_TOKENS, TREE_STEPS)), check_undo, 4),
        Reader("traps", lambda: Traps([b"rhcmxtttt"]), check_traps),
        Reader("run", functools.cache(lambda: Mutator(seeds.of_run(), seeds.UNDO_TOKENS, TREE_STEPS)), check_run, 9),
    )
}  # fmt: skip


TRAPS = "traps"  # no reader of the package
NAMES = tuple(name for name in READERS if name != TRAPS)


def case(name: str, seed: int, number: int) -> tuple[bytes, Random]:
    """Return an input, by its number, and the chances that go with it."""
    rng = Random(f"{seed} {name} {number}")
    return READERS[name].mutator().draw(rng), rng
