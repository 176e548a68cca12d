"""Directories of texts and of pages are one input each; files that come to them are read alone."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from endtoend import files
from hypothesis import Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from test_checkpoint import SMALL, fresh, interrupt_after, outcome, sentence, write

from dedup import Corrupt, Run, checkpoint, clean, scan, undo
from dedup.ledger import FILES, name_of_list, read_list

BAD = {".txt": b"\xff no text", ".html": b"<html><body></body></html>"}
NAMES = ["m/a", "m/b", "z", "0", "m/ab", "ü", "bad", "m/bad"]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a checkpoint after each batch."""
    monkeypatch.setattr(checkpoint, "PERIOD", 0.0)


def put(root: Path, name: str, suffix: str) -> Path:
    """Write a file into a directory: paragraphs that others are copies of, or nothing that can be used."""
    path = root / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    chance = random.Random(name)
    paragraphs = [sentence(chance) for _ in range(chance.randint(3, 9))]
    if name.endswith("bad"):
        path.write_bytes(BAD[suffix])
    elif suffix == ".txt":
        path.write_text("\n\n".join(paragraphs), encoding="utf-8")
    else:
        body = "".join(f"<p>{text}, of that there is no doubt whatsoever.</p>" for text in paragraphs)
        path.write_text(f"<html><body><article>{body}</article></body></html>", encoding="utf-8")
    return path


@given(st.data())
@profile(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_any_way_to_the_same_directory(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Files come, scans are stopped, thresholds change: at the end it is as if all had been there from the first."""
    room = tmp_path_factory.mktemp("room")
    root, run = room / "in", room / "run"
    survivor: Any = data.draw(st.sampled_from(["first", "longest"]))
    settings = dataclasses.replace(SMALL, batch_bytes=500, survivor=survivor, threshold=0.5)
    wanted = st.sampled_from([*BAD, ".jsonl"])
    put(root, "first", ".txt")
    for number, name in enumerate(data.draw(st.permutations(NAMES))):
        suffix = data.draw(wanted)
        if suffix == ".jsonl":
            write(root / f"{number}.jsonl", number, docs=6)
        else:
            put(root, name, suffix)
        for batches in data.draw(st.lists(st.integers(0, 4), max_size=2)):
            with contextlib.suppress(KeyboardInterrupt):
                scan(root, settings, out=run, progress=interrupt_after(batches))
        if run.exists() and data.draw(st.booleans()):
            scan(run, dataclasses.replace(settings, threshold=data.draw(st.sampled_from([0.5, 0.9]))))
    put(root, "last", ".txt")
    scan(root, settings, out=run)
    expected = fresh([root], room, settings)
    assert outcome(run) == expected
    kept = outcome(run)
    scan(run, dataclasses.replace(settings, threshold=0.9))
    scan(run, settings)
    assert outcome(run) == kept
    clean(root, room / "out", settings, run=run)
    clean(root, room / "other", settings, run=room / "fresh")
    assert files(room / "out") == files(room / "other")
    texts = {path.relative_to(root) for path in root.rglob("*.txt")}
    back = undo(room / "out", room / "back")
    assert all((back / "in" / name).read_bytes() == (root / name).read_bytes() for name in texts)


@pytest.mark.parametrize("suffix", BAD)
def test_only_new_files_are_read(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "in"
    for name in NAMES:
        put(root, name, suffix)
    scan(root, SMALL, out=tmp_path / "run")
    new = {put(root, name, suffix) for name in ("A", "n/a")}
    read: list[Path] = []
    module = importlib.import_module(f"dedup.formats.{'text' if suffix == '.txt' else 'html'}")
    opened = module.opened

    def note(path: str) -> Any:
        read.append(Path(path))
        return opened(path)

    monkeypatch.setattr(module, "opened", note)
    scan(root, SMALL, out=tmp_path / "run")
    assert {*read} == new
    assert len(read) == 2
    assert outcome(tmp_path / "run") == fresh([root], tmp_path, SMALL)
    summary = Run.open(tmp_path / "run").summary
    assert summary["inputs"] == [{"path": str(root), "size": sum(path.stat().st_size for path in root.rglob("*.*"))}]
    assert [row["file"] for row in Run.open(tmp_path / "run").rejects] == [
        str(root / f"{name}{suffix}") for name in ("bad", "m/bad")
    ]


@pytest.mark.parametrize("what", ["gone", "changed"])
def test_files_that_go_or_change_are_noticed(tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dedup")
    root, run = tmp_path / "in", tmp_path / "run"
    for name in NAMES:
        put(root, name, ".txt")
    scan(root, SMALL, out=run)
    put(root, "new", ".txt")
    if what == "gone":
        (root / "z.txt").unlink()
    else:
        (root / "z.txt").write_text("Something else stands here now.")
    scan(root, SMALL, out=run)
    assert [f"{root} has changed" in message for message in caplog.messages] == [True]
    assert outcome(run) == fresh([root], tmp_path, SMALL)


@pytest.mark.parametrize("data", [None, b"", b"a.txt\0zz.txt"])
def test_damaged_lists_are_noticed(tmp_path: Path, data: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    root, run = tmp_path / "in", tmp_path / "run"
    put(root, "a", ".txt")
    put(root, "z", ".txt")
    scan(root, SMALL, out=run)
    before = outcome(run)
    (path,) = (run / "sketches").glob(f"{FILES}*")
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(Corrupt, match=path.name):
        scan(run, SMALL)
    scan(root, SMALL, out=run)
    assert [f"{path.name} is damaged" in message for message in caplog.messages] == [True]
    assert outcome(run) == before


def test_inputs_come_in_the_order_in_which_they_were_given(tmp_path: Path) -> None:
    """Also those that were read later; a run that is decided on again has the order of the one before."""
    later, first = (write(tmp_path / f"{name}.jsonl", seed) for seed, name in enumerate("ab"))
    run = tmp_path / "run"
    scan(first, SMALL, out=run)
    scan([later, first], SMALL, out=run)
    before = outcome(run)
    scan(run, SMALL)
    assert outcome(run) == before
    clean([later, first], tmp_path / "out", SMALL, run=run)
    assert json.loads((tmp_path / "out" / "summary.json").read_bytes())["inputs"] == [str(later), str(first)]


def test_pages_before_texts(tmp_path: Path) -> None:
    """Those of a directory are two inputs of one path, texts first, whatever came first."""
    root, run = tmp_path / "in", tmp_path / "run"
    put(root, "a", ".html")
    scan(root, SMALL, out=run)
    put(root, "z", ".txt")
    scan(root, SMALL, out=run)
    before = outcome(run)
    assert before == fresh([root], tmp_path, SMALL)
    scan(run, SMALL)
    assert outcome(run) == before


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_lists_come_back_as_they_went_in(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    names = [name.encode(errors="replace").decode() for name in names] + [b"\xff".decode(errors="surrogateescape")]
    room = tmp_path_factory.mktemp("room")
    path = room / name_of_list(names)
    path.write_bytes("\0".join(names).encode(errors="surrogateescape"))
    assert read_list(path) == names
    shutil.rmtree(room)
    with pytest.raises(Corrupt):
        read_list(path)
