"""Outputs: what takes whose place, what they hold for undo, what their names tell, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from endtoend import FERRY, dedup, files, jsonl

import dedup as library
from dedup import InputError, Settings, SettingsMismatch, StoreError, clean, scan, undo

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
            (clean if key == "texts" else scan)([path], out=run)  # type: ignore[operator]
