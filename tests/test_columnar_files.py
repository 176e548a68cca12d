"""Parquet and Arrow as files: what they tell, what they are written as, and files that are not what they seem."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar import FORMATS, Format, assert_same, facts, read, strings, write
from endtoend import FERRY, dedup, files, jsonl, rows
from fuzz.mutations import encoded, thrift_of

from dedup import Corrupt, InputError, NotFound, SchemaError, Settings, SettingsError, clean, scan, undo
from dedup.formats import Input, narrow, open_inputs
from dedup.formats.columnar import Columnar
from dedup.formats.messages import codec_of

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
KIOSK = "Tickets are sold on board and in the kiosk beside the old customs house."
COPIES = pa.table({"n": [1, 2, 3], "text": [FERRY, f"{WINTER}\n{FERRY}", KIOSK]})
CLEANED = pa.table({"n": [1, 2, 3], "text": [FERRY, WINTER, KIOSK]})
ALL = Settings(max_drop_share=1)


def parsed(
    source: Input, settings: Settings, size: int = 1 << 20
) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    """Read documents (id, source, age, text) and rejects (row, error)."""
    documents: list[tuple[Any, ...]] = []
    rejects: list[tuple[int, str]] = []
    for chunk in source.chunks(size):
        part = source.parse(chunk, settings)
        texts, bounds = part.documents.data.tobytes(), part.documents.bounds.tolist()
        cells = [texts[a:b].decode() for a, b in itertools.pairwise(bounds)]
        names = (column.to_pylist() for column in (part.documents.ids, part.documents.sources, part.documents.ages))
        documents += zip(*names, cells, strict=True)
        rejects += [(reject.line, reject.error) for reject in part.rejects]
    return documents, rejects


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [1, 60, 1 << 20])
def test_rows_become_documents(tmp_path: Path, form: Format, size: int) -> None:
    day = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    table = pa.table(
        {
            "url": pa.array([7, None, 9, 10], pa.int64()),
            "body": pa.array(["one", None, "three", "vier 渡轮"]),
            "site": pa.array(["a", "b", None, "a"]).dictionary_encode(),
            "seen": pa.array([day, day, None, day], pa.timestamp("s", "UTC")),
            "else": [[1]] * 4,
        }
    )
    write(path := tmp_path / f"in.{form}", table, [1, 3])
    settings = Settings(text="body", id="url", source="site", newest="seen", survivor="newest")
    (source,) = open_inputs(path)
    documents, rejects = parsed(source, settings, size)
    told = "2024-02-29 12:00:00.000Z" if form == "parquet" else "2024-02-29 12:00:00Z"
    assert documents == [("7", "a", told, "one"), ("9", None, None, "three"), ("10", "a", told, "vier 渡轮")]
    assert rejects == [(2, "column 'body' is null")]
    assert parsed(narrow(source, settings), settings, size) == (documents, rejects)
    assert parsed(source, Settings(text="body"), size)[0][0] == (f"in.{form}:1", None, None, "one")


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_columns_needed_are_read_and_few_rows_at_a_time(tmp_path: Path, form: Format) -> None:
    texts = [f"{k} " * (k % 50) for k in range(5000)]
    table = pa.table({"z": range(5000), "source": ["s"] * 5000, "text": texts, "id": [str(k) for k in range(5000)]})
    write(path := tmp_path / f"in.{form}", table, [5000])
    (source,) = open_inputs(path)
    assert isinstance(source, Columnar)
    chunks = list(source.narrowed(Settings()).chunks(10_000))
    assert {name for chunk in chunks for part in chunk.data for name in part.rows.schema.names} == {
        "source",
        "text",
        "id",
    }
    assert [chunk.line for chunk in chunks] == [1 + sum(one.records for one in chunks[:k]) for k in range(len(chunks))]
    assert sum(chunk.records for chunk in chunks) == 5000
    held = [sum(len(text) for part in chunk.data for text in part.rows["text"].to_pylist()) for chunk in chunks]
    assert max(held) < 11_000
    assert source.size is not None
    assert source.size - 10 < chunks[-1].read <= source.size  # a stream has an end mark


@pytest.mark.parametrize("form", FORMATS)
def test_scans_do_not_depend_on_the_format(tmp_path: Path, form: Format) -> None:
    texts = [f"{FERRY}\n\n{WINTER}", f"{KIOSK}\n\n{FERRY}", WINTER, "x", f"{WINTER} Again."]
    records = [{"id": f"d{k}", "text": text, "source": "s"} for k, text in enumerate(texts * 3)]
    (tmp_path / "in.jsonl").write_bytes(jsonl(records))
    write(path := tmp_path / f"in.{form}", pa.Table.from_pylist(records), [4, 11])
    of_lines, of_rows = (scan(one, ALL) for one in (tmp_path / "in.jsonl", path))
    for name in ("verdicts", "documents", "templates"):
        assert getattr(of_lines, name).equals(getattr(of_rows, name))
    assert of_lines.summary["texts"] == of_rows.summary["texts"]


def test_the_format_is_told_by_content(tmp_path: Path) -> None:
    for form, name in zip(FORMATS, ("a.jsonl", "b.parquet", "c"), strict=True):
        write(tmp_path / f"x.{form}", COPIES, [3])
        (tmp_path / f"x.{form}").rename(tmp_path / name)
        assert isinstance(open_inputs(tmp_path / name)[0], Columnar)
    (tmp_path / "d.txt").write_bytes(b"PAR1 is what Parquet begins with.")
    assert not isinstance(open_inputs(tmp_path / "d.txt")[0], Columnar)


def altered(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a file."""
    path.write_bytes(change(path.read_bytes()))


def bad_offsets(data: bytes) -> bytes:
    """Let the second text of an Arrow file of ours end before it begins."""
    ends = np.cumsum([0, *map(len, COPIES["text"].to_pylist())]).astype(np.int32).tobytes()
    assert data.count(ends) == 1
    return data.replace(ends, ends[:8] + b"\x01\0\0\0" + ends[12:])


DAMAGE: dict[str, tuple[Format, Callable[[bytes], bytes], str]] = {
    "no footer": ("parquet", lambda data: data[:-9], "cut off, damaged"),
    "no pages": ("parquet", lambda data: data[:4] + bytes(200) + data[204:], "cut off, damaged"),
    "magic only": ("parquet", lambda data: data[:4], "cut off, damaged"),
    "encrypted": ("parquet", lambda data: b"PARE" + data[4:-4] + b"PARE", "encrypted: decrypt it"),
    "file cut off": ("arrow", lambda data: data[:-20], "cut off, damaged"),
    "file of magic": ("arrow", lambda data: data[:8], "cut off, damaged"),
    "offsets": ("arrow", bad_offsets, "cut off, damaged"),
    "offsets in a stream": ("arrows", bad_offsets, "cut off, damaged"),
    "stream cut off": ("arrows", lambda data: data[:-40], "cut off, damaged"),
    "stream of a mark": ("arrows", lambda data: data[:4], "cut off, damaged"),
    "two streams": ("arrows", lambda data: data + data, "more follows the end of the stream"),
    "Feather 1": ("arrow", lambda data: b"FEA1" + data, "Feather of the first version"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    form, change, told = DAMAGE[damage]
    path = tmp_path / f"in.{form}"
    write(path, COPIES, [3])
    altered(path, change)
    with pytest.raises(InputError, match=told) as caught:
        scan(path)
    assert caught.value.path == str(path)
    failed = dedup("clean", path, "-o", tmp_path / f"out.{form}", code=1)
    assert failed.stderr.startswith(f"dedup: {path}: ".encode())
    assert list(tmp_path.iterdir()) == [path]


def fewer_rows(data: bytes) -> Iterator[bytes]:
    """Yield a Parquet file of three rows of ours with one number in it after the other changed to four."""
    for start, end in thrift_of(data)[0]:
        if data[start:end] == encoded(2 * 3):
            yield data[:start] + encoded(2 * 4) + data[end:]


def test_rows_that_are_missing_are_told_of(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    write(path, COPIES, [3])
    whole = scan(path).documents.num_rows
    changed = list(fewer_rows(path.read_bytes()))
    assert len(changed) > 5
    told = []
    for data in changed:
        path.write_bytes(data)
        for narrowed in (True, False):
            read: list[int] = [0]
            try:
                (source,) = open_inputs(path)
                source = narrow(source, Settings()) if narrowed else source
                for chunk in source.chunks(1):
                    assert chunk.read >= read[-1]
                    read.append(chunk.read)
                assert len(read) == 1 + whole
            except InputError as error:
                told.append(str(error))
    assert any("row group 0 does not hold as many rows as it tells" in error for error in told)


@pytest.mark.parametrize("form", FORMATS[1:])
def test_times_of_no_zone_are_told_of(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"in.{form}"
    times = pa.array([1, 2, 3], pa.timestamp("us", "Nowhere/Here"))
    write(path, COPIES.append_column("when", times), [3])
    with pytest.raises(InputError, match=r"column 'when' \(timestamp.*\) cannot be read as strings .*: convert it"):
        scan(path, Settings(newest="when", survivor="newest"))
    assert scan(path).documents.num_rows == 3


@pytest.mark.parametrize("form", FORMATS)
def test_columns_that_cannot_be_used(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"in.{form}"
    write(path, pa.table({"body": ["x"], "n": [1]}), [1])
    with pytest.raises(SchemaError, match=r"field 'text' is missing \(fields there: body, n\)"):
        scan(path)
    assert b"fields there: body, n" in dedup("scan", path, "-o", tmp_path / "run", code=1).stderr
    for column in (pa.array([1]), pa.array([b"x"]), pa.array([["x"]])):
        write(path, pa.table({"text": column}), [1])
        with pytest.raises(InputError, match=r"column 'text' is .*, not a string: convert it"):
            scan(path)
    write(path, pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], ["text", "text"]), [1])
    with pytest.raises(InputError, match="column 'text' stands there 2 times"):
        scan(path)
    for column in (pa.array([["x"]]), pa.array([True]), pa.array([b"x"])):
        write(path, pa.table({"text": ["x"], "id": column}), [1])
        with pytest.raises(InputError, match="neither strings nor numbers: name another column with --id"):
            scan(path)
        assert scan(path, Settings(id="name")).summary["documents"] == 1


@pytest.mark.parametrize("form", FORMATS)
def test_ids_of_all_kinds(tmp_path: Path, form: Format) -> None:
    uuids = pa.array([None, bytes(range(16))], pa.binary(16))
    columns: list[tuple[pa.Array, list[str]]] = [
        (pa.array(["a", None]), ["a", f"in.{form}:2"]),
        (pa.array([1.5, float("nan")]), ["1.5", f"in.{form}:2"]),
        (pa.array([decimal.Decimal("1.50"), None]), ["1.50", f"in.{form}:2"]),
        (pa.ExtensionArray.from_storage(pa.uuid(), uuids), [f"in.{form}:1", "00010203-0405-0607-0809-0a0b0c0d0e0f"]),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", "1"])), ["{}", "1"]),
        (pa.array([dt.date(2024, 2, 29), None]), ["2024-02-29", f"in.{form}:2"]),
        (pa.nulls(2), [f"in.{form}:1", f"in.{form}:2"]),
    ]  # fmt: skip
    for column, names in columns:
        write(path := tmp_path / f"in.{form}", pa.table({"text": ["x", "y"], "id": column}), [2])
        assert [one[0] for one in parsed(open_inputs(path)[0], Settings())[0]] == names


@pytest.mark.parametrize("form", FORMATS)
def test_texts_that_are_no_utf8_are_set_aside(tmp_path: Path, form: Format) -> None:
    texts: list[str | bytes | None] = [FERRY, b"caf\xe9 noir", "\0", None, b"\xed\xa0\xbd\xed\xb8\x80"]
    names = strings(["a", "b", "c", "d", "e"][:5], pa.string())
    ids = strings(["a", "b", b"\xff", "d", "e"], pa.large_string())
    path, out = tmp_path / f"in.{form}", tmp_path / "out"
    write(path, pa.table({"text": strings(texts, pa.string()), "id": ids, "name": names}), [5])
    cleaned = clean(path, out)
    errors = (
        "'text' is not UTF-8 at byte 3",
        "'id' is not UTF-8 at byte 0",
        "'text' is null",
        "'text' is not UTF-8 at byte 0",
    )
    assert [(row["line"], row["error"]) for row in rows(out / "rejects.jsonl")] == [
        (line, f"column {error}") for line, error in zip((2, 3, 4, 5), errors, strict=True)
    ]
    assert read(out / f"in.{form}")["name"].to_pylist() == ["a"]
    assert read(out / "removed" / f"in.{form}")["name"].to_pylist() == ["b", "c", "d", "e"]
    assert [row["error"] for row in cleaned.run.rejects] == [f"column {error}" for error in errors]
    back = read(undo(out, tmp_path / "back") / f"in.{form}")
    assert back["text"].cast(pa.binary()).equals(read(path)["text"].cast(pa.binary()))
    with pytest.raises(InputError, match="not UTF-8 at byte 3") as caught:
        scan(path, Settings(strict=True))
    assert caught.value.line == 2


def test_a_dictionary_of_parquet_that_is_no_utf8(tmp_path: Path) -> None:
    write(
        path := tmp_path / "in.parquet",
        pa.table({"text": strings(["a", b"\xff"], pa.dictionary(pa.int8(), pa.string()))}),
        [2],
    )
    with pytest.raises(InputError, match="strings in this Parquet file are not UTF-8"):
        scan(path)


MEASURE = """
import resource, sys
from dedup.formats import narrow, open_inputs
from dedup import Settings
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source, settings, total = narrow(open_inputs(sys.argv[1])[0], Settings()), Settings(), 0
for chunk in source.chunks(1 << 20):
    total += int(source.parse(chunk, settings).documents.bounds[-1])
    del chunk
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("form", FORMATS)
def test_what_unfolds_to_gigabytes_takes_little_memory(tmp_path: Path, form: Format, kind: pa.DataType) -> None:
    if form != "parquet" and kind == pa.string():
        pytest.skip("nothing is folded")
    count = 20_000
    coded = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["long " * 20_000]))
    path = tmp_path / f"in.{form}"
    if kind == pa.string():
        with pq.ParquetWriter(path, pa.schema([("text", kind)])) as writer:
            writer.write_table(
                pa.table({"text": pa.chunked_array([coded.slice(0, 1000).cast(kind)] * (count // 1000))})
            )
    else:
        write(path, pa.table({"text": coded}), [count])
    assert path.stat().st_size < 1 << 20
    done = subprocess.run([sys.executable, "-c", MEASURE, path], check=True, capture_output=True)
    total, grown = map(int, done.stdout.split())
    assert total == count * 100_000
    assert grown < 400_000  # kilobytes


@pytest.mark.parametrize("form", FORMATS)
def test_outputs(tmp_path: Path, form: Format) -> None:
    path, out = tmp_path / f"in.{form}", tmp_path / "new" / f"out.{form}"
    write(path, COPIES, [2, 1], ["zstd" if form != "parquet" else "ZSTD"])
    assert clean(path, out, ALL).path == out
    assert_same(read(out), CLEANED)
    beside = {"removals.jsonl", "rejects.jsonl", "summary.json", f"removed.{form}"}
    assert {one.name for one in out.parent.iterdir()} == {out.name, *(f"{out.name}.{name}" for name in beside)}
    told = json.loads((tmp_path / "new" / f"{out.name}.summary.json").read_bytes())["outputs"][path.name]
    assert told["bytes"] == out.stat().st_size
    assert told["groups"] == [[2, 1], [1, 1]]
    (removal,) = rows(tmp_path / "new" / f"{out.name}.removals.jsonl")
    assert (removal["file"], removal["row"], removal["offset"], removal["raw"]) == (
        path.name,
        1,
        len(WINTER),
        f"\n{FERRY}",
    )
    piped = dedup("clean", path, "-o", "-")
    assert piped.stdout == out.read_bytes()
    assert b"1 dropped" in piped.stderr
    from_pipe = dedup("clean", "-", "-o", tmp_path / "dir", stdin=path.read_bytes())
    assert from_pipe.returncode == 0
    assert (tmp_path / "dir" / f"stdin.{form}").read_bytes() == out.read_bytes()
    assert dedup("scan", "-", "-o", tmp_path / "run", stdin=path.read_bytes()).returncode == 0
    assert read(undo(tmp_path / "dir", tmp_path / "back") / f"stdin.{form}").equals(COPIES)
    original = facts(path)
    clean(path, path, ALL)  # in place
    assert_same(read(path), CLEANED)
    undo(path, path)
    assert_same(read(path), COPIES)
    assert facts(path) == original


def test_several_files_of_several_formats(tmp_path: Path) -> None:
    inputs: list[Path] = []
    for k, name in enumerate(["a/x.parquet", "b/x.parquet", "x.arrow", "y.arrows", "z.jsonl", "none.parquet"]):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        inputs.append(path)
        if name == "z.jsonl":
            path.write_bytes(jsonl([{"n": 0, "text": f"{KIOSK} The last."}]))
        elif name == "none.parquet":
            write(path, COPIES.slice(0, 0), [])
        else:
            write(path, pa.table({"n": [k, k], "text": [f"{KIOSK} {k}", FERRY]}), [1, 1])
    out = clean(inputs, tmp_path / "out", Settings(max_drop_share=1)).path
    assert out is not None
    names = {"x.parquet", "x-2.parquet", "x.arrow", "y.arrows", "none.parquet"}
    tables = names | {f"removed/{name}" for name in names}
    assert set(files(out)) == tables | {"z.jsonl", "removals.jsonl", "rejects.jsonl", "summary.json"}
    assert read(out / "none.parquet").schema.equals(COPIES.schema)
    undo(out, tmp_path / "back")
    for name, path in zip(("x.parquet", "x-2.parquet", "x.arrow", "y.arrows"), inputs, strict=False):
        assert_same(read(tmp_path / "back" / name), read(path))
        assert facts(tmp_path / "back" / name)["groups"] == [1, 1]
    assert (tmp_path / "back" / "z.jsonl").read_bytes() == inputs[4].read_bytes()
    failed = dedup("clean", *inputs, "-o", "-", code=2)
    assert b"of several files is no stream" in failed.stderr
    inputs[0].rename(tmp_path / "removed")
    with pytest.raises(InputError, match="removed is a name this command writes itself"):
        clean([tmp_path / "removed", inputs[1]], tmp_path / "again", ALL)


def test_names_of_outputs(tmp_path: Path) -> None:
    write(tmp_path / "in.parquet", COPIES, [3])
    write(tmp_path / "in.arrow", COPIES, [3])
    (tmp_path / "in.jsonl").write_bytes(jsonl(COPIES.to_pylist()))
    for name, out in (
        ("in.parquet", "out.jsonl"),
        ("in.parquet", "out.arrow"),
        ("in.arrow", "out.parquet"),
        ("in.jsonl", "out.parquet"),
    ):
        with pytest.raises(SettingsError, match="out="):
            clean(tmp_path / name, tmp_path / out)
        assert b"is not allowed" in dedup("clean", tmp_path / name, "-o", tmp_path / out, code=2).stderr
    for name, out, back in (
        ("in.parquet", "out.pq", "back.parquet"),
        ("in.arrow", "out.feather", "back.arrow"),
        ("in.parquet", "directory", "back/in.parquet"),
    ):
        clean(tmp_path / name, tmp_path / out, ALL)
        undo(tmp_path / out, tmp_path / back.split("/")[0])
        assert_same(read(tmp_path / back), COPIES)


# What is done to which file of an output; None deletes it.
HARMS: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "changed": ("", lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:]),
    "shorter": ("", lambda data: data[:-1]),
    "empty": ("", lambda _: b""),
    "gone": ("", None),
    "no rows": ("removed", None),
    "other rows": ("removed", lambda data: data + b"\0"),
    "no removals": ("removals.jsonl", None),
    "a line less": ("removals.jsonl", lambda _: b""),
    "a line more": ("removals.jsonl", lambda data: data + data.replace(b'"row":1', b'"row":9')),
    "another row": ("removals.jsonl", lambda data: data.replace(b'"row":2', b'"row":3')),
    "a row before the first": ("removals.jsonl", lambda data: data.replace(b'"row":2', b'"row":-1')),
    "a place outside": ("removals.jsonl", lambda data: data.replace(b'"offset":0', b'"offset":999')),
    "no place": ("removals.jsonl", lambda data: data.replace(b'"row"', b'"line"')),
    "no summary": ("summary.json", None),
    "other groups": ("summary.json", lambda data: data.replace(b'"groups": [', b'"groups": [[1, 1], ')),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("harm", HARMS)
def test_undo_wants_what_was_written(tmp_path: Path, form: Format, harm: str) -> None:
    path, out = tmp_path / f"in.{form}", tmp_path / f"out.{form}"
    write(path, pa.table({"text": [FERRY, KIOSK, FERRY, f"{FERRY}\n{WINTER}", None]}), [3, 2])
    clean(path, out, ALL)
    which, change = HARMS[harm]
    harmed = {"": out, "removed": tmp_path / f"out.{form}.removed.{form}"}.get(which, tmp_path / f"out.{form}.{which}")
    before = harmed.read_bytes()
    if change is None:
        harmed.unlink()
    else:
        altered(harmed, change)
        assert harmed.read_bytes() != before
    with pytest.raises((NotFound, Corrupt)):
        undo(out, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_what_parquet_is_written_with_stays(tmp_path: Path) -> None:
    n = 200
    far = [dt.datetime(9999, 12, 31, k % 24, 0, 0, k, tzinfo=dt.UTC).replace(tzinfo=None) for k in range(n)]
    table = pa.table(
        {
            "text": [f"{KIOSK} {k}" for k in range(n - 2)] + [FERRY, FERRY],
            "n": pa.array(range(n), pa.int64()),
            "x": [k / 7 for k in range(n)],
            "price": pa.array([decimal.Decimal(k) / 4 for k in range(n)], pa.decimal128(9, 2)),
            "then": pa.array(far, pa.timestamp("us")),
            "must": pa.array(range(n), pa.int32()),
        }
    )
    fields = [field.with_nullable(nullable=False) if field.name == "must" else field for field in table.schema]
    fields[1] = fields[1].with_metadata({"PARQUET:field_id": "17"})
    table = table.cast(pa.schema(fields))
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(
        table, path, row_group_size=90, use_dictionary=["text"], sorting_columns=[pq.SortingColumn(1)],
        column_encoding={"n": "DELTA_BINARY_PACKED", "x": "BYTE_STREAM_SPLIT"}, store_decimal_as_integer=True,
        use_deprecated_int96_timestamps=True, write_page_index=True, compression={"text": "ZSTD", "n": "GZIP"},
    )  # fmt: skip
    clean(path, out, Settings(max_drop_share=1, drop=frozenset({"exact_duplicate_document"})))
    before, after = (
        pq.ParquetFile(path, coerce_int96_timestamp_unit="us"),
        pq.ParquetFile(out, coerce_int96_timestamp_unit="us"),
    )
    assert_same(after.read(), before.read().slice(0, n - 1))
    assert [after.metadata.row_group(k).num_rows for k in range(3)] == [90, 90, 19]
    assert str(after.schema).split("\n", 1)[1] == str(before.schema).split("\n", 1)[1]
    for k in range(before.metadata.num_columns):
        old, new = (file.metadata.row_group(0).column(k) for file in (before, after))
        for name in (
            "compression",
            "encodings",
            "physical_type",
            "path_in_schema",
            "has_offset_index",
            "has_column_index",
        ):
            assert getattr(old, name) == getattr(new, name)
    assert after.metadata.row_group(0).sorting_columns == before.metadata.row_group(0).sorting_columns
    undo(out, tmp_path / "back.parquet")
    assert_same(pq.ParquetFile(tmp_path / "back.parquet", coerce_int96_timestamp_unit="us").read(), before.read())


def test_times_beyond_nanoseconds_come_back(tmp_path: Path) -> None:
    near, far = (dt.datetime(year, 12, 31, 1, 2, 3, 4, tzinfo=dt.UTC).replace(tzinfo=None) for year in (1950, 9999))
    fine = pa.array([np.datetime64("1950-01-01T00:00:00.000000001", "ns")] * 4, pa.timestamp("ns"))
    for k, times in enumerate(([near, near, near, far], [far, near, near, near], fine)):
        path, out = tmp_path / f"{k}.parquet", tmp_path / f"out{k}.parquet"
        table = pa.table({"text": [FERRY, KIOSK, WINTER, FERRY], "then": times})
        pq.write_table(table, path, use_deprecated_int96_timestamps=True)
        clean(path, out, ALL)
        undo(out, tmp_path / "back.parquet")
        unit = "ns" if k == 2 else "us"
        back = pq.ParquetFile(tmp_path / "back.parquet", coerce_int96_timestamp_unit=unit)
        assert back.read().equals(table)
        assert back.metadata.row_group(0).column(1).physical_type == "INT96"
        assert pq.ParquetFile(out, coerce_int96_timestamp_unit=unit).read().equals(table.slice(0, 3))


@pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, OSError])  # of which it has errors without a number
def test_what_cannot_be_written_again_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("Unhandled type")

    write(path := tmp_path / "in.parquet", COPIES, [3])
    run = scan(path, ALL, out=tmp_path / "run")
    for out in (tmp_path / "out.parquet", tmp_path / "out"):
        for name in ("write_table", "__init__"):
            with monkeypatch.context() as patch:
                patch.setattr(pq.ParquetWriter, name, fail)
                with pytest.raises(InputError, match=r"cannot be written as Parquet again \(Unhandled type\)"):
                    clean(path, out, ALL, run=run)
    assert {one.name for one in tmp_path.iterdir()} == {"in.parquet", "run"}


def test_texts_that_are_cut_are_sorted_no_more(tmp_path: Path) -> None:
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    order = [pq.SortingColumn(0), pq.SortingColumn(1), pq.SortingColumn(0, descending=True)]
    pq.write_table(COPIES, path, sorting_columns=order)
    clean(path, out, ALL)
    assert pq.ParquetFile(out).metadata.row_group(0).sorting_columns == (order[0],)


def test_arrow_files_keep_one_dictionary_that_grows(tmp_path: Path) -> None:
    kind = pa.dictionary(pa.int8(), pa.string())
    texts = [FERRY, f"{WINTER}\n{FERRY}", KIOSK, f"{KIOSK} Again.\n\n{FERRY}", "x"]
    coded = strings(texts, kind)
    path, out = tmp_path / "in.arrow", tmp_path / "out.arrow"
    write(path, pa.table({"text": coded, "c": strings(["a", "b", "a", "b", "a"], kind)}), [2, 2, 1])
    clean(path, out, Settings(max_drop_share=1, drop=frozenset({"exact_duplicate", "site_template"})))
    assert read(out)["text"].to_pylist() == [FERRY, WINTER, KIOSK, f"{KIOSK} Again.", "x"]
    assert (
        facts(out)["dictionaries"]
        == [[[text.encode() for text in [*texts, WINTER, f"{KIOSK} Again."]], [b"a", b"b"]]] * 3
    )
    undo(out, tmp_path / "back.arrow")
    assert_same(read(tmp_path / "back.arrow").cast(read(path).schema), read(path))


def test_a_dictionary_without_room_is_told_of(tmp_path: Path) -> None:
    texts = [FERRY] + [f"Line {k} of them.\n\n{FERRY}" for k in range(127)]
    write(
        path := tmp_path / "in.arrow", pa.table({"text": strings(texts, pa.dictionary(pa.int8(), pa.string()))}), [128]
    )
    with pytest.raises(InputError, match="different texts are too many for dictionary"):
        clean(
            path,
            tmp_path / "out.arrow",
            Settings(max_drop_share=1, drop=frozenset({"exact_duplicate", "site_template"})),
        )
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", FORMATS)
def test_another_file_than_that_scanned_leaves_nothing(tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"in.{form}"
    write(path, COPIES, [2, 1])
    run = scan(path, ALL, out=tmp_path / "run")
    write(path, pa.table({"n": [1, 2, 3], "text": [FERRY, f"{WINTER}\n{FERRY}", KIOSK.swapcase()]}), [2, 1])
    same_size = path.stat().st_size == run.summary["inputs"][0]["size"]
    with pytest.raises(InputError, match="scan again"):
        clean(path, tmp_path / f"out.{form}", run=run, settings=ALL)
    assert same_size or form == "parquet"
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "run"}


DIE = """
import os, pathlib, runpy, sys
left = iter(range(int(sys.argv.pop(1))))
def dying(move):
    def step(self, target):
        if next(left, None) is None:
            os._exit(9)
        return move(self, target)
    return step
pathlib.Path.rename, pathlib.Path.replace = dying(pathlib.Path.rename), dying(pathlib.Path.replace)
sys.argv[0] = "dedup"
runpy.run_module("dedup", run_name="__main__")
"""


@pytest.mark.parametrize("steps", range(6))
def test_a_crash_between_the_files_of_an_output(tmp_path: Path, steps: int) -> None:
    """Files that were finished take their places later, the data last."""
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    write(path, COPIES, [3])
    clean(path, out, ALL)
    old = out.read_bytes()
    newer = pa.table({"n": [1, 2, 3, 4], "text": [KIOSK, f"{FERRY}\n{KIOSK}", KIOSK, WINTER]})
    write(path, newer, [4])
    crashed = subprocess.run(
        [sys.executable, "-c", DIE, str(steps), "clean", path, "-o", out], check=False, capture_output=True
    )
    assert crashed.returncode == 9
    assert out.read_bytes() == old
    assert_same(read(undo(out, tmp_path / "back.parquet")), COPIES if steps == 0 else newer)


def test_other_commands_read_tables(tmp_path: Path) -> None:
    bodies = ("The kiln was cold.", "Rain fell on the pier.", "Nobody sang.")
    lines = [{"id": str(k), "source": "s", "text": f"{k} min read\n\n{body}"} for k, body in enumerate(bodies)]
    write(path := tmp_path / "in.parquet", pa.Table.from_pylist(lines), [2, 1])
    assert b"{number} min read" in dedup("headers", path).stdout
    assert len(dedup("score", path, "--json").stdout.splitlines()) == 3


def test_codecs_of_arrow_are_told_by_their_headers() -> None:
    for codec in (None, "lz4", "zstd"):
        out = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.ipc.new_stream(out, COPIES.schema, options=options) as writer:
            writer.write_table(COPIES)
        assert codec_of(io.BytesIO(out.getvalue())) == codec
        for end in range(0, out.tell(), 7):
            codec_of(io.BytesIO(out.getvalue()[:end]))
    for junk in (
        b"",
        b"\xff" * 64,
        b"\xff\xff\xff\xff\x08\0\0\0" + b"\xff" * 8,
        b"\xff\xff\xff\xff\x04\0\0\0" + bytes(40),
    ):
        assert codec_of(io.BytesIO(junk)) is None
