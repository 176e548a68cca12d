"""Outputs and runs that hold what this package never writes: told; nothing is written elsewhere, no code is run."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import FERRY, files, jsonl

import dedup
from dedup import Corrupt, Run, Settings, clean, scan, undo

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
COPIES = jsonl([{"text": FERRY}, {"text": f"{WINTER}\n{FERRY}"}, {"text": "The end"}])
NONSENSE: dict[str, list[dict[str, Any] | str]] = {
    "no object": ["5"],
    "no order": [{"file": "in.jsonl", "offset": 0, "raw": "x"}],
    "no file": [{"seq": 0, "offset": 0, "raw": "x"}],
    "no offset": [{"seq": 0, "file": "in.jsonl", "raw": "x"}],
    "no bytes": [{"seq": 0, "file": "in.jsonl", "offset": 0}],
    "odd offset": [{"seq": 0, "file": "in.jsonl", "offset": "0", "raw": "x"}],
    "odd base 64": [{"seq": 0, "file": "in.jsonl", "offset": 0, "raw_base64": "!"}],
    "half a surrogate": [{"seq": 0, "file": "in.jsonl", "offset": 0, "raw": "\ud800"}],
    "odd order": [{"seq": "0", "file": "in.jsonl"}, {"seq": 1, "file": "in.jsonl"}],
    "up": [{"seq": 0, "file": "../up", "offset": 0, "raw": "x"}],
    "deep up": [{"seq": 0, "file": "a/../../up", "offset": 0, "raw": "x"}],
    "root": [{"seq": 0, "file": "/root/root", "offset": 0, "raw": "x"}],
    "the directory": [{"seq": 0, "file": ".", "offset": 0, "raw": "x"}],
    "NUL": [{"seq": 0, "file": "a\0b", "offset": 0, "raw": "x"}],
    "long name": [{"seq": 0, "file": "x" * 999, "offset": 0, "raw": "x"}],
    "number as name": [{"seq": 0, "file": 5, "offset": 0, "raw": "x"}],
    "twice": [{"seq": k, "file": ("a", "b", "a")[k], "offset": 0, "raw": "x"} for k in range(3)],
    "file as directory": [{"seq": k, "file": ("a", "a/b")[k], "offset": 0, "raw": "x"} for k in range(2)],
}


def trust_lists(out: Path) -> None:
    """Let a summary say nothing of the lists beside it, as those of older versions."""
    summary = json.loads((out / "summary.json").read_bytes())
    del summary["lists"]
    (out / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize("name", NONSENSE)
def test_removals_that_clean_never_writes(tmp_path: Path, name: str) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "place" / "out"
    path.write_bytes(COPIES)
    clean([path], out)
    lines = [one if isinstance(one, str) else json.dumps(one) for one in NONSENSE[name]]
    (out / "removals.jsonl").write_text("\n".join(lines))
    trust_lists(out)
    before = files(tmp_path)
    with pytest.raises(Corrupt):
        undo(out, tmp_path / "place" / "back")
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "outputs", [[], "x", {"in.jsonl": None}, {"in.jsonl": []}, {"../up": {"bytes": 0, "crc32": 0}}]
)
def test_summaries_that_clean_never_writes(tmp_path: Path, outputs: Any) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "place" / "out"
    path.write_bytes(COPIES)
    clean([path], out)
    summary = json.loads((out / "summary.json").read_bytes())
    (out / "summary.json").write_text(json.dumps({**summary, "outputs": outputs}))
    before = files(tmp_path)
    with pytest.raises(Corrupt):
        undo(out, tmp_path / "place" / "back")
    assert files(tmp_path) == before


def test_links_lead_nowhere(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    for k, text in enumerate((FERRY, FERRY, "Another text.")):
        (tree / "sub" / f"{k}.txt").write_text(text)
    (tmp_path / "elsewhere").mkdir()
    (tree / "link").symlink_to(tmp_path / "elsewhere")
    clean(tree, tmp_path / "out", Settings(allow=True))
    rows = [json.dumps({"seq": 0, "file": "tree/link/x", "offset": 0, "raw": "x"})]
    (tmp_path / "out" / "removals.jsonl").write_text("\n".join(rows))
    (tmp_path / "out" / "tree" / "link").symlink_to(tmp_path / "elsewhere")
    trust_lists(tmp_path / "out")
    undo(tmp_path / "out", tmp_path / "back")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert files(tmp_path / "back").keys() >= {"tree/link/x"}
    assert not (tmp_path / "back" / "tree" / "link").is_symlink()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("summary.json", b"[]"), ("summary.json", b"[" * 100_000), ("verdicts.parquet", b"PAR1"),
        ("documents.parquet", b""),
        ("templates.parquet", None), ("rejects.jsonl", b"{"), ("rejects.jsonl", b"\xff"), ("order.npy", b"\x93NUMPY"),
    ],
)  # fmt: skip
def test_runs_that_are_damaged(tmp_path: Path, name: str, data: bytes | None) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(COPIES + b"bad")
    scan(path, out=tmp_path / "run")
    if data is None:
        (tmp_path / "run" / name).unlink()
    else:
        (tmp_path / "run" / name).write_bytes(data)
    with pytest.raises(Corrupt, match=f"{name} is damaged"):
        read_whole(Run.open(tmp_path / "run"))


@pytest.mark.parametrize("change", [lambda table: table.drop_columns("start"), lambda table: table.slice(1)])
def test_verdicts_that_are_not_whole(tmp_path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(COPIES)
    run = scan(path, out=tmp_path / "run")
    pq.write_table(change(run.verdicts), run.path / "verdicts.parquet")
    with pytest.raises(Corrupt, match=r"no column start|documents.parquet and verdicts.parquet disagree"):
        clean(path, tmp_path / "out.jsonl", run=tmp_path / "run")
    assert not list(tmp_path.glob("*out.jsonl*"))


@pytest.mark.parametrize(
    "change", [{"settings": None}, {"settings": {"odd": 1}}, {"settings": {"drop": 5}}, {"alarms": 5}]
)
def test_summaries_of_runs_that_are_damaged(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(COPIES)
    scan(path, out=tmp_path / "run")
    read_whole(Run.open(tmp_path / "run"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    (tmp_path / "run" / "summary.json").write_text(json.dumps({**summary, **change}))
    with pytest.raises(Corrupt, match=r"summary\.json is damaged"):
        read_whole(Run.open(tmp_path / "run"))


def read_whole(run: Run) -> None:
    """Read all that a run holds."""
    held = (run.settings, run.alarms, run.rejects, run.verdicts, run.documents, run.templates, run.input_order())
    assert len(held) == 7


FORBIDDEN = {"yaml", "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__"}


def test_nothing_that_is_read_can_run_code() -> None:
    package = Path(dedup.__file__).parent
    seen = 0
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            place = f"{path.relative_to(package)}:{getattr(node, 'lineno', 0)}"
            seen += 1
            if isinstance(node, ast.Import):
                assert FORBIDDEN.isdisjoint(alias.name.split(".")[0] for alias in node.names), place
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in FORBIDDEN, place
            elif isinstance(node, ast.Call):
                called = node.func
                name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
                assert not (isinstance(called, ast.Name) and name in CALLS), place
                assert name not in {"read_pickle", "to_pickle", "system", "popen"}, place
                for given in node.keywords:
                    assert given.arg != "allow_pickle" or getattr(given.value, "value", True) is False, place
                    assert given.arg != "shell" or getattr(given.value, "value", True) is False, place
    assert seen > 10_000
