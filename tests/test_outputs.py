"""Outputs: what takes whose place, what they hold for undo, what their names tell, and what is said of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from endtoend import FERRY, dedup, files, jsonl, pack, rows
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

import dedup as library
from dedup import Corrupt, InputError, Settings, SettingsMismatch, StoreError, clean, scan, undo
from dedup.formats import open_inputs
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


UNUSABLE: dict[str, tuple[bytes, str]] = {
    "wrong field": (b'{"body": "A text."}\n', "field 'text' is missing (fields there: body)"),
    "an object": (b'{"data": [{"text": "A text."}]}\n', "field 'text' is missing (fields there: data)"),
    "binary": (b"PK\x03\x04\x00\xff\xfe", ""),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_where_nothing_can_be_used_nothing_is_written(tmp_path: Path, name: str) -> None:
    data, complaint = UNUSABLE[name]
    path, run, out = put(tmp_path / "in.data", data), tmp_path / "run", tmp_path / "out.jsonl"
    good = put(tmp_path / "good.jsonl")
    scan(good, out=run)
    clean(good, out)
    before = files(tmp_path)
    commands: list[list[Any]]
    commands = [["scan", path, "-o", run], ["clean", path, "-o", out], ["clean", path, "-n"], ["score", path]]
    for arguments in commands:
        told = dedup(*arguments, code=1).stderr.decode()
        assert complaint in told
        assert name != "binary" or "no record could be used, of 1" in told
        assert files(tmp_path) == before


def test_rejects_are_told_with_their_place(tmp_path: Path) -> None:
    path, run, out = put(tmp_path / "in.jsonl", MIXED), tmp_path / "run", tmp_path / "out"
    places: dict[str, list[Any]] = {
        f"see {run}/rejects.jsonl": ["scan", path, "-o", run],
        f"see {out}/rejects.jsonl": ["clean", path, "-o", out],
        f"see {out}.jsonl.rejects.jsonl": ["clean", path, "-o", f"{out}.jsonl"],
        "": ["clean", path, "-n"],
    }
    for place, arguments in places.items():
        done = dedup(*arguments)
        assert f"dedup: {path}:4: ".encode() in done.stderr
        (line,) = [one for one in done.stdout.decode().splitlines() if one.startswith("rejected records")]
        assert line.endswith(place or " 1")
        assert not place or Path(place.removeprefix("see ")).is_file()
    assert b"rejects.jsonl" not in dedup("clean", path, "-o", "-").stderr


def test_options_do_not_change_a_run_that_is_applied(tmp_path: Path) -> None:
    path, run = put(tmp_path / "in.jsonl"), tmp_path / "run"
    scan(path, Settings(threshold=0.9, text="text"), out=run)
    asked = {"--threshold": "0.8", "--keep": "near_duplicate", "--text": "body", "--split": "lines", "--format": "csv"}
    for option, value in asked.items():
        told = dedup("clean", path, "-o", tmp_path / "out", "--run", run, option, value, code=2).stderr.decode()
        assert f"{option}: the run has decided otherwise" in " ".join(told.split())
    same = ["--threshold", "0.9", "--allow", "--threads", "1", "--batch-bytes", "1M", "--max-memory", "1G", "--strict"]
    dedup("clean", path, "-o", tmp_path / "out", "--run", run, *same)
    assert dedup("clean", path, "--run", tmp_path / "out", "-n", code=1).stderr.endswith(
        b"out is a cleaned corpus, no run: name what a scan wrote\n"
    )


def test_a_guard_rail_shows_what_it_saw(tmp_path: Path) -> None:
    path = put(tmp_path / "in.jsonl", jsonl([{"text": FERRY}] * 25))
    told = dedup("clean", path, "-o", tmp_path / "out", code=3).stderr.decode()
    assert "exact_duplicate_document" in told
    assert "dedup scan INPUT -o RUN" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_pipes_are_not_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    opened = os.open(tmp_path / "pipe.jsonl", os.O_RDWR)
    try:
        for call in (lambda pipe: clean(pipe, tmp_path / "out"), library.headers):
            with pytest.raises(InputError, match=r"pipe\.jsonl: can be read once only"):
                call(tmp_path / "pipe.jsonl")
    finally:
        os.close(opened)
    with pytest.raises(InputError, match="standard input can be named once"):
        clean(["-", "-"], tmp_path / "out")


def test_damaged_summaries_are_told(tmp_path: Path) -> None:
    path, run = put(tmp_path / "in.jsonl"), tmp_path / "run"
    scan(path, out=run)
    summary = json.loads((run / "summary.json").read_bytes())
    for harm in ("list", "settings", "inputs", "texts", "directory"):
        (run / "summary.json").unlink()
        if harm == "directory":
            (run / "summary.json").mkdir()
        else:
            rest = {key: value for key, value in summary.items() if key != harm}
            (run / "summary.json").write_text(json.dumps([] if harm == "list" else rest))
        with pytest.raises(Corrupt, match=r"summary\.json is damaged"):
            clean(path, tmp_path / "out", run=run)
        assert "is damaged" in library.runs(run)[0]["state"]
        if harm in {"settings", "inputs"}:
            with pytest.raises(Corrupt, match="it lacks"):
                scan(run)


def test_a_first_scan_that_was_stopped_is_a_run(tmp_path: Path) -> None:
    path, run = put(tmp_path / "in.jsonl"), tmp_path / "run"
    scan(path, out=run)
    run.rename(tmp_path / ".run.unfinished")
    (tmp_path / ".run.unfinished" / "summary.json").unlink()
    (told,) = library.runs(run)
    assert told["state"].startswith("stopped: ")


def test_the_words_of_findings_are_those_of_documents() -> None:
    run = scan([{"text": FERRY}, {"text": FERRY}, {"text": WINTER}])
    assert run.documents["reason"].to_pylist() == [None, "exact_duplicate_document", None]
    assert run.summary["documents_by_reason"] == {"exact_duplicate_document": 1}
    assert run.verdicts["reason"].to_pylist()[1] == "exact_duplicate_document"


def test_outputs_are_no_inputs_unless_they_are_named(tmp_path: Path) -> None:
    path = put(tmp_path / "all" / "in.jsonl")
    clean(path.parent, path.parent / "sub" / "cleaned", Settings(allow=True))
    scan(path, out=path.parent / "run")
    for named in (path.parent, f"{path.parent}/**", f"{path.parent}/**/*.jsonl"):
        assert [one.path for one in open_inputs(named)] == [str(path)]
    assert open_inputs(path.parent).ignored["directories of dedup's own"] == 2
    for named in (path.parent / "sub" / "cleaned", f"{path.parent}/sub/cleaned/**/*.jsonl"):
        assert [Path(one.path).name for one in open_inputs(named)] == ["in.jsonl"]


def test_a_file_that_is_named_twice_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "in.jsonl")
    put(tmp_path / "other.jsonl")
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "mixed" / "a.txt")
    put(tmp_path / "mixed" / "a.html")
    assert len(open_inputs(["in.jsonl", "other.jsonl", "mixed"])) == 4
    assert not caplog.records
    shutil.rmtree(tmp_path / "mixed")
    assert len(open_inputs(["in.jsonl", "./in.jsonl", "."])) == 4
    assert [one.getMessage() for one in caplog.records] == [
        "./in.jsonl is named twice, and so are 1 more: it is read as often, and each time a copy"
    ]


def test_paths_come_in_any_kind_of_bag(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        put(tmp_path / name)
    expected = ["a.jsonl", "b.jsonl"]
    names = {tmp_path / name for name in expected}
    for bag in (iter(sorted(names)), names, [os.fsencode(name) for name in sorted(names)]):
        assert [one.name for one in open_inputs(bag)] == expected
    assert [one.name for one in open_inputs(os.fsencode(tmp_path / "a.jsonl"))] == ["a.jsonl"]
    assert scan(tmp_path.glob("*.jsonl")).summary["documents"] == 6
    assert clean(names, tmp_path / "out").summary["documents"] == 6
    assert scan({"text": text} for text in (FERRY, WINTER)).summary["documents"] == 2
    with pytest.raises(InputError, match="paths and a dict are given together"):
        scan([tmp_path / "a.jsonl", {"text": FERRY}])
    with pytest.raises(InputError, match="an empty name is no input"):
        scan("")


def test_dicts_that_stream_are_not_held() -> None:
    taken = 0

    def stream() -> Iterator[dict[str, str]]:
        nonlocal taken
        for k in range(20_000):
            taken += 1
            yield {"text": f"text {k}"}

    (source,) = open_inputs(stream())
    assert taken == 1
    next(iter(source.chunks(1)))
    assert taken < 20_000


def test_compressed_texts_are_compared(tmp_path: Path) -> None:
    a, b = put(tmp_path / "a.txt", FERRY.encode()), put(tmp_path / "b.txt.gz", pack(FERRY.encode(), "gzip"))
    assert json.loads(dedup("compare", a, b, "--json").stdout)["same_tokens"]
    b.write_bytes(b.read_bytes()[:-9])
    assert b"b.txt.gz: " in dedup("compare", a, b, code=1).stderr
