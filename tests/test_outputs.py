"""Outputs: what takes whose place, what they hold for undo, what their names tell, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from endtoend import FERRY, dedup, files, jsonl, rows
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from test_compression import pack

import dedup as library
from dedup import Corrupt, InputError, Settings, SettingsMismatch, StoreError, clean, scan, undo
from dedup.formats.compression import Codec, detect_codec

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
COPIES = jsonl([{"text": FERRY}, {"text": f"{WINTER}\n{FERRY}"}, {"text": "The end"}])


def put(path: Path, data: bytes = COPIES) -> Path:
    """Write a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_only_scan_writes_into_a_run_that_is_named(tmp_path: Path) -> None:
    path, run = put(tmp_path / "in.jsonl"), tmp_path / "run"
    scan(path, Settings(threshold=0.9, score=True), out=run)
    before = files(run)
    told = dedup("headers", run, code=1)
    assert b"a run holds no texts: name the inputs" in told.stderr
    with pytest.raises(InputError, match="a run holds no texts"):
        library.headers([run])
    scores = dedup("score", run, "--json").stdout
    assert [json.loads(line)["doc"] for line in scores.splitlines()] == [f"in.jsonl:{k}" for k in (1, 2, 3)]
    assert library.score(run).to_pylist() == library.score(path).to_pylist()
    assert b"give no options" in dedup("score", run, "--threshold", "0.8", code=1).stderr
    assert files(run) == before
    scan(path, out=run)
    before = files(run)
    assert b"scan it again with --score" in dedup("score", run, code=1).stderr
    with pytest.raises(SettingsMismatch, match="without scores"):
        library.score(run)
    assert files(run) == before


def test_an_output_takes_the_place_of_its_like_only(tmp_path: Path) -> None:
    path, run, out, other = put(tmp_path / "in.jsonl"), tmp_path / "run", tmp_path / "out", tmp_path / "other"
    scan(path, out=run)
    clean([path], out)
    put(tmp_path / "b.jsonl", COPIES * 2)
    clean([tmp_path / "b.jsonl"], other)
    before = files(tmp_path)
    refused: list[tuple[list[Any], str]] = [
        (["scan", path, "-o", out], "out holds a cleaned corpus"),
        (["clean", path, "-o", run], "run holds a run"),
        (["clean", path, "-o", run, "--run", run], "run holds a run"),
        (["clean", "--undo", out, "-o", other], "other holds a cleaned corpus"),
        (["clean", "--undo", out, "-o", out], "out holds a cleaned corpus"),
        (["clean", "--undo", out, "-o", run], "run holds a run"),
    ]
    for arguments, complaint in refused:
        told = dedup(*arguments, code=1).stderr.decode()
        assert complaint in told
        assert "name another output" in told
        assert files(tmp_path) == before
    scan(path, out=run)
    clean([path], out)
    (tmp_path / "back").mkdir()
    undo(out, tmp_path / "back")
    assert (tmp_path / "back" / "in.jsonl").read_bytes() == COPIES
    with pytest.raises(StoreError, match="was not written by dedup"):
        undo(out, tmp_path / "back")


def test_undo_replaces_no_other_file_that_was_cleaned(tmp_path: Path) -> None:
    path, one, other = put(tmp_path / "in.jsonl"), tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    clean(path, one)
    clean(path, other)
    before = files(tmp_path)
    with pytest.raises(StoreError, match=r"other\.jsonl holds a cleaned corpus"):
        undo(one, other)
    assert files(tmp_path) == before
    put(tmp_path / "old.jsonl", b"old")
    assert undo(one, tmp_path / "old.jsonl").read_bytes() == COPIES
    assert undo(one, one).read_bytes() == COPIES


def test_summaries_without_a_kind_are_told(tmp_path: Path) -> None:
    path, run = put(tmp_path / "in.jsonl"), tmp_path / "run"
    scan(path, out=run)
    summary = json.loads((run / "summary.json").read_bytes())
    for key in ("texts", "outputs"):
        summary.pop("texts", None)
        (run / "summary.json").write_text(json.dumps({**summary, key: {}}))
        with pytest.raises(StoreError, match="which would be lost"):
            (clean if key == "texts" else scan)([path], out=run)


MIXED = COPIES + b"no JSON\n"


@pytest.mark.parametrize("harm", ["last line", "half a line", "first line", "empty", "a number", "a byte of a text"])
@pytest.mark.parametrize("name", ["removals.jsonl", "rejects.jsonl"])
@pytest.mark.parametrize("single", [True, False])
def test_lists_that_are_not_whole_are_told(tmp_path: Path, harm: str, name: str, single: bool) -> None:
    path = put(tmp_path / "in.jsonl", MIXED + b"nor this\n" + COPIES)
    out = tmp_path / ("out.jsonl" if single else "out")
    clean([path], out)
    assert undo(out, tmp_path / "back").exists()
    listed = tmp_path / f"out.jsonl.{name}" if single else out / name
    lines = listed.read_bytes().splitlines(keepends=True)
    changed = {
        "last line": lines[:-1],
        "half a line": [*lines[:-1], lines[-1][:20]],
        "first line": lines[1:],
        "empty": [],
        "a number": [*lines[:-1], lines[-1].replace(b'"offset":', b'"offset":9')],
        "a byte of a text": [lines[0].replace(b'"raw":"', b'"raw":"x'), *lines[1:]],
    }[harm]
    listed.write_bytes(b"".join(changed))
    before = files(tmp_path)
    with pytest.raises(Corrupt):
        undo(out, tmp_path / ("again.jsonl" if single else "again"))
    assert files(tmp_path) == before


@given(st.integers(0, 1 << 20), st.integers(-3, 1 << 20))
@profile(max_examples=20)
def test_no_offset_is_beyond_the_end(tmp_path_factory: pytest.TempPathFactory, line: int, offset: int) -> None:
    folder = tmp_path_factory.mktemp("offsets")
    clean(put(folder / "in.jsonl"), folder / "out.jsonl")
    listed = folder / "out.jsonl.removals.jsonl"
    told = rows(listed)
    row = told[line % len(told)]
    was, row["offset"] = row["offset"], offset
    listed.write_bytes(jsonl(told))
    summary = json.loads((folder / "out.jsonl.summary.json").read_bytes())
    del summary["lists"]  # as if an older version had written them
    (folder / "out.jsonl.summary.json").write_text(json.dumps(summary))
    size = (folder / "out.jsonl").stat().st_size
    if 0 <= offset <= size or was == offset:
        return
    with pytest.raises(Corrupt):
        undo(folder / "out.jsonl", folder / "back.jsonl")


@pytest.mark.parametrize("codec", get_args(Codec))
def test_single_texts_that_go_come_back_compressed(tmp_path: Path, codec: Codec) -> None:
    paths = [put(tmp_path / name, pack(FERRY.encode(), codec)) for name in ("a.txt", "b.txt")]
    bad = put(tmp_path / "bad.txt", pack(b"\xff", codec))
    clean([*paths, bad], tmp_path / "out", Settings(allow=True))
    assert "b.txt" not in files(tmp_path / "out")
    undo(tmp_path / "out", tmp_path / "back")
    for path in (*paths, bad):
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


SUFFIX_OF: dict[str, Codec | None] = {
    "out.jsonl": None, "out.jsonl.gz": "gzip", "OUT.JSONL.ZST": "zstd", "out.bz2": "bzip2", "out.xz": "xz",
    "out.json.lz4": "lz4",
}  # fmt: skip


@pytest.mark.parametrize("name", SUFFIX_OF)
@pytest.mark.parametrize("codec", [None, *get_args(Codec)])
def test_the_name_of_an_output_says_how_it_is_compressed(tmp_path: Path, name: str, codec: Codec | None) -> None:
    path = put(tmp_path / "in.jsonl", COPIES if codec is None else pack(COPIES, codec))
    clean(path, tmp_path / name)
    assert detect_codec((tmp_path / name).read_bytes()) == SUFFIX_OF[name]
    back = undo(tmp_path / name, tmp_path / "back.jsonl")
    assert back.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "out", "fits"),
    [
        ("e.csv", "x.jsonl", False), ("e.csv", "x.csv.gz", True), ("e.csv", "x.tsv", False), ("e.csv", "x.gz", True),
        ("e.jsonl", "x.csv", False), ("e.jsonl", "x.json", True), ("e.jsonl", "x.txt.gz", False),
        ("e.json", "x.json", True), ("e.json", "x.jsonl", False), ("e.json", "x.parquet", False),
        ("array.jsonl", "x.jsonl", True), ("e.txt", "x.md", True), ("e.txt", "x.jsonl", False),
    ],
)  # fmt: skip
def test_the_name_of_an_output_is_of_its_format(tmp_path: Path, name: str, out: str, fits: bool) -> None:
    array = json.dumps([{"text": FERRY}]).encode()
    data = {"e.csv": b"id,text\n1,The ferry\n", "e.jsonl": COPIES, "e.json": array, "array.jsonl": array}
    path = put(tmp_path / name, data.get(name, FERRY.encode()))
    if fits:
        clean(path, tmp_path / out)
        assert (tmp_path / out).is_file()
        return
    told = dedup("clean", path, "-o", tmp_path / out, code=2).stderr.decode()
    assert "as the input is: end it in ." in told
    assert files(tmp_path).keys() == {name}


def test_several_files_go_into_no_file(tmp_path: Path) -> None:
    paths = [put(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    (tmp_path / "texts").mkdir()
    put(tmp_path / "texts" / "a.txt", b"A text.")
    for several in (paths, [tmp_path / "texts"]):
        told = dedup("clean", *several, "-o", tmp_path / "both.txt", code=2).stderr
        assert b"the name of a directory, since there are several files" in told
    (tmp_path / "named.jsonl").mkdir()
    clean(paths, tmp_path / "named.jsonl")
    clean(paths, f"{tmp_path / 'new.jsonl'}/")
    assert (tmp_path / "named.jsonl" / "b.jsonl").is_file()
    assert (tmp_path / "new.jsonl" / "b.jsonl").is_file()
    for name, data in (("a.csv", b"id,text\n1,The ferry\n"), ("a.json", b'[{"text": "The ferry"}]')):
        table = put(tmp_path / name, data)
        told = dedup("clean", table, paths[0], "-o", "-", code=2).stderr
        assert b"of several files is no stream" in told
        assert dedup("clean", table, "-o", "-").stdout == data


@pytest.mark.parametrize("out", ["a\0b", "a\0b.jsonl"])
def test_names_that_nothing_can_have(tmp_path: Path, out: str) -> None:
    path = put(tmp_path / "in.jsonl")
    for write in (lambda: scan(path, out=out), lambda: clean(path, out)):
        with pytest.raises(StoreError, match="can be no output: name a path"):
            write()
    clean(path, tmp_path / "cleaned.jsonl")
    with pytest.raises(StoreError, match="can be no output: name a path"):
        undo(tmp_path / "cleaned.jsonl", out)
