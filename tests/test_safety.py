"""Outputs survive kills, interrupts and crashes; what is not ours is not touched, and undo wants what was written."""

from __future__ import annotations

import gzip
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from endtoend import FERRY, dedup, files, generate, jsonl, stop, unpacked

from dedup import Corrupt, NotFound, StoreError, clean, scan, undo

WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
COPIES = jsonl([{"text": FERRY}, {"text": f"{WINTER}\n{FERRY}"}, {"text": "The end"}])


def test_foreign_directories_stay(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "mine"
    path.write_bytes(COPIES)
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    failed = dedup("clean", path, "-o", out, code=1)
    assert b"was not written by dedup" in failed.stderr
    with pytest.raises(StoreError, match="was not written by dedup"):
        undo(clean(path, tmp_path / "ours").path or "", out)
    assert files(out) == {"thesis.txt": b"mine"}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "mine", "ours"]


@pytest.mark.parametrize(
    "harm", ["changed", "longer", "shorter", "empty", "gone", "no removals", "no rejects", "no summary"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_undo_wants_what_was_written(tmp_path: Path, harm: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(pack(COPIES + b"bad"))
    for out, beside in ((tmp_path / "out.jsonl", "out.jsonl."), (tmp_path / "out", "out/")):
        clean(path, out)
        data = out / "in.jsonl" if out.is_dir() else out
        if harm in {"changed", "longer", "shorter", "empty"}:
            text = unpacked(data)
            harmed = {
                "changed": text.replace(b"winter", b"Winter"),
                "longer": text + b"\n",
                "shorter": text[:-1],
                "empty": b"",
            }
            data.write_bytes(pack(harmed[harm]))
        elif harm == "gone":
            data.unlink()
        else:
            name = harm.removeprefix("no ")
            (tmp_path / f"{beside}{name}.json{'' if name == 'summary' else 'l'}").unlink()
        with pytest.raises(Corrupt if harm in {"changed", "longer", "shorter", "empty"} else (NotFound, Corrupt)):
            undo(out, tmp_path / "back")
        assert not (tmp_path / "back").exists()


DIE = """
import os, pathlib, runpy, sys
left, replace = [int(sys.argv.pop(1))], pathlib.Path.replace
def count(*paths):
    left[0] -= 1
    return replace(*paths) if left[0] >= 0 else os._exit(9)
pathlib.Path.replace = count
runpy.run_module("dedup", run_name="__main__")
"""


@pytest.mark.parametrize("steps", range(4))
def test_a_crash_between_the_files_of_an_output_is_noticed(tmp_path: Path, steps: int) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(COPIES)
    clean(path, out)
    old = files(tmp_path)
    path.write_bytes(COPIES.replace(b"The", b"Her") + jsonl([{"text": "More of it."}]) + b"bad")
    crashed = subprocess.run(
        [sys.executable, "-c", DIE, str(steps), "clean", path, "-o", out], check=False, capture_output=True
    )
    assert crashed.returncode == 9
    assert out.read_bytes() == old["out.jsonl"]  # the data come last
    if steps == 0:
        assert undo(out, tmp_path / "back").read_bytes() == COPIES
    else:
        with pytest.raises(Corrupt, match="not what was written with these removals"):
            undo(out, tmp_path / "back")
    clean(path, out)
    assert undo(out, tmp_path / "back").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["out.jsonl", "out"])
def test_a_killed_clean_leaves_the_old_output_or_the_new(tmp_path: Path, name: str) -> None:
    old, new = (generate(tmp_path / f"{seed}.jsonl", 5, seed) for seed in (1, 2))
    scan(new, out=tmp_path / "run")
    place = tmp_path / "place"
    place.mkdir()
    arguments: list[str | Path] = ["clean", new, "-o", place / name, "--run", tmp_path / "run"]

    def outcome() -> dict[str, bytes]:
        return {file: data for file, data in files(place).items() if not file.startswith(".")}

    code, seconds = stop(arguments, place)
    assert code == 0
    newer = outcome()
    clean(old, place / name)
    older = outcome()
    moments = random.Random(6)
    data = [file for file in older if file.endswith(("out.jsonl", "1.jsonl", "2.jsonl"))]
    codes = [stop(arguments, place, seconds=0)[0]]
    for share in (0.5, 1.0, 1.0):
        assert outcome() in (older, newer) or (
            name == "out.jsonl" and outcome()[data[0]] in (older[data[0]], newer[data[0]])
        )
        codes.append(stop(arguments, place, seconds=share * seconds * moments.random())[0])
    assert outcome() in (older, newer) or name == "out.jsonl"
    assert -signal.SIGKILL in codes
    dedup(*arguments)
    assert outcome() == newer
    restored = undo(place / name, tmp_path / "back")
    assert (restored / "2.jsonl" if restored.is_dir() else restored).read_bytes() == new.read_bytes()


@pytest.mark.parametrize("words", [["scan"], ["clean"]])
def test_an_interrupt_leaves_the_old_output_and_nothing_else(tmp_path: Path, words: list[str]) -> None:
    path = generate(tmp_path / "in.jsonl", 5)
    place, temporary = tmp_path / "place", tmp_path / "temporary"
    place.mkdir()
    temporary.mkdir()
    arguments: list[str | Path] = [*words, path, "-o", place / "out"]
    dedup(*arguments)
    before = {file: file.stat().st_mtime_ns for file in place.rglob("*")}
    code, _ = stop(arguments, place, signal.SIGINT, 0.05, temporary)
    assert code == 130
    assert {file: file.stat().st_mtime_ns for file in place.rglob("*")} == before
    assert list(temporary.iterdir()) == []
