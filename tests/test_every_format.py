"""Every format through one door: told by content, by --format, from standard input, compressed, in one directory."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import FERRY, dedup, files, jsonl, pack, rows

import dedup as library
from dedup import InputError, Settings
from dedup.formats import open_inputs
from dedup.formats.compression import Codec
from dedup.formats.registry import FORMATS
from dedup.settings import FormatName

RECORDS = [{"id": "a", "text": FERRY}, {"id": "b", "text": FERRY}]
LAYOUTS: dict[FormatName, str] = {"jsonl": "jsonl", "json": "json", "csv": "csv", "tsv": "tsv"}


def table(kind: str) -> bytes:
    """Write the records as a file of tables."""
    file = io.BytesIO()
    data = pa.Table.from_pylist(RECORDS)
    if kind == "parquet":
        pq.write_table(data, file)
    else:
        with pa.ipc.new_file(file, data.schema) as writer:
            writer.write_table(data)
    return file.getvalue()


DATA: dict[FormatName, bytes] = {
    "jsonl": jsonl(RECORDS),
    "json": json.dumps(RECORDS, indent=1).encode(),
    "csv": b"id,text\r\na," + FERRY.encode() + b"\r\nb," + FERRY.encode() + b"\r\n",
    "tsv": b"id\ttext\na\t" + FERRY.encode() + b"\nb\t" + FERRY.encode() + b"\n",
    "parquet": table("parquet"),
    "arrow": table("arrow"),
}


@pytest.mark.parametrize("form", DATA)
def test_a_format_is_told_or_given(form: FormatName, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA[form])
    for as_format in (None, form):
        opened = open_inputs(path, as_format)
        expected = open_inputs(path, form)
        assert (type(opened[0]).parse, opened[0].name) == (type(expected[0]).parse, "data")
        run = library.scan(path, Settings(format=as_format, allow=True))
        assert run.documents["doc"].to_pylist() == ["a", "b"]
    misnamed = tmp_path / f"data.{'jsonl' if form == 'csv' else 'csv'}"
    misnamed.write_bytes(DATA[form])
    assert library.scan(misnamed, Settings(format=form, allow=True)).documents["doc"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("form", DATA)
def test_standard_input_is_told(form: FormatName, tmp_path: Path) -> None:
    for options in ([], ["--format", form]):
        told = dedup("scan", "-", "-o", tmp_path / "run", "--json", "--allow", *options, stdin=DATA[form])
        assert json.loads(told.stdout)["documents"] == 2
        dedup("clean", "-", "-o", tmp_path / "out", "--allow", *options, stdin=DATA[form])
        name = f"stdin{FORMATS['csv' if form == 'tsv' and not options else form].suffixes[0]}"
        assert name in files(tmp_path / "out")
        restored = tmp_path / f"back{len(options)}" / name
        dedup("clean", "--undo", tmp_path / "out", "-o", restored.parent)
        if FORMATS[form].tables:
            assert library.scan(restored, Settings(allow=True)).documents.num_rows == 2
        else:
            assert restored.read_bytes() == DATA[form]


@pytest.mark.parametrize("form", LAYOUTS)
@pytest.mark.parametrize("codec", get_args(Codec))
def test_files_of_bytes_are_compressed_by_anything(form: FormatName, codec: Codec, tmp_path: Path) -> None:
    for name in (f"data.{LAYOUTS[form]}", "data"):
        path = tmp_path / name
        path.write_bytes(pack(DATA[form], codec))
        cleaned = library.clean(path, tmp_path / "out", Settings(allow=True)).path
        assert cleaned is not None
        (opened,) = open_inputs(cleaned / name, form)
        assert [chunk.records for chunk in opened.chunks(1 << 20) if chunk.records][-1] == 1
        assert opened.codec == codec  # type: ignore[attr-defined]
        back = library.undo(cleaned, tmp_path / f"{name}-back") / name
        assert back.read_bytes() == pack(DATA[form], codec)


def test_a_directory_of_every_format(tmp_path: Path) -> None:
    root = tmp_path / "all"
    (root / "sub").mkdir(parents=True)
    for form, data in DATA.items():
        (root / "sub" / f"data{FORMATS[form].suffixes[0]}").write_bytes(data)
    (root / "note.md").write_text("A note of its own.")
    (root / "dataset_info.json").write_bytes(b'{\n "features": {}\n}\n')
    (root / "LICENSE").write_bytes(b"Copyright 2020, nobody\n")
    for given in (str(root), f"{root}/**"):
        opened = open_inputs(given)
        assert [one.name for one in opened] == [
            "all",
            *sorted(f"all/sub/data{FORMATS[one].suffixes[0]}" for one in DATA),
        ]
        assert opened.ignored == {".json": 1, "no suffix": 1}
    opened = open_inputs(f"{root}/*/*")
    assert {one.name for one in opened} == {f"sub/data{FORMATS[one].suffixes[0]}" for one in DATA}
    cleaned = library.clean(root, tmp_path / "out", Settings(allow=True)).path
    assert cleaned is not None
    back = library.undo(cleaned, tmp_path / "back")
    before, after = files(root), files(back / "all")
    assert after.keys() == before.keys() - {"dataset_info.json", "LICENSE"}
    for name, data in after.items():
        if name.endswith((".parquet", ".arrow")):
            assert library.scan(back / "all" / name, Settings(allow=True)).documents["doc"].to_pylist() == ["a", "b"]
        else:
            assert data == before[name]
    # what was cleaned is read again, but for the rows that rest beside it
    again = open_inputs(cleaned)
    assert [one.name.removeprefix("out/") for one in again] == [
        "out",
        *(f"all/sub/{Path(one.name).name}" for one in opened),
    ]


def test_a_scan_goes_on_through_every_format(tmp_path: Path) -> None:
    root = tmp_path / "all"
    root.mkdir()
    for form, data in DATA.items():
        (root / f"data{FORMATS[form].suffixes[0]}").write_bytes(data)
    library.scan(root, Settings(allow=True), out=tmp_path / "run")
    run = library.scan(tmp_path / "run", Settings(allow=True, threshold=0.8))
    assert (run.documents.num_rows, run.summary["settings"]["threshold"]) == (12, 0.8)
    with pytest.raises(library.SettingsMismatch, match="made with format=None"):
        library.scan(tmp_path / "run", Settings(allow=True, format="csv"))
    assert library.scan(root, Settings(allow=True, format="csv"), out=tmp_path / "run").documents.num_rows == 2


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_tables_in_a_compressed_stream(form: FormatName, tmp_path: Path) -> None:
    path = tmp_path / "data.gz"
    path.write_bytes(pack(DATA[form], "gzip"))
    with pytest.raises(InputError, match="tables are not read out of a gzip stream: decompress the file"):
        library.scan(path)
    done = dedup("scan", "-", "-o", tmp_path / "run", stdin=path.read_bytes(), code=1)
    assert b"<stdin>: tables are not read out of a gzip stream" in done.stderr
    path.write_bytes(b"")
    with pytest.raises(InputError):
        library.scan(path, Settings(format=form))


def test_a_format_that_is_given_is_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(b'{"text": 1,\n"x": 2}\n' + jsonl(RECORDS))
    with pytest.raises(InputError, match="an object goes on in the next line"):
        library.scan(path)
    run: Any = library.scan(path, Settings(format="jsonl", allow=True))
    assert run.documents["doc"].to_pylist() == ["a", "b"]
    assert [row["line"] for row in rows(run.path / "rejects.jsonl")] == [1, 2]
