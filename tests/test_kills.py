"""Killed commands, and disks that fill up: a short version of ``bench/kills.py``."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import DISK, Case, Trial, fill, kill, make_cases, moments_of, mounted

CASES = (
    "scan",
    "scan: more files, scores",
    "clean: both",
    "clean: lines, --run",
    "clean: table",
    "undo: both",
    "undo: table",
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Write what the commands work on."""
    return {case.name: case for case in make_cases(tmp_path_factory.mktemp("cases"), 1.5)}


@pytest.mark.parametrize("name", CASES)
def test_after_kills_the_next_run_ends_as_an_undisturbed_one(cases: dict[str, Case], tmp_path: Path, name: str) -> None:
    trial = Trial(cases[name], tmp_path)
    moments = [(None, trial.whole.steps // 2), *moments_of(trial, 1, 3, random.Random(name))]
    assert moments[-1] == (None, trial.whole.steps)
    counts, wrong = kill(trial, moments, in_a_row=3)
    assert not wrong
    assert counts["in the middle"]


def test_between_the_files_of_an_output(cases: dict[str, Case], tmp_path: Path) -> None:
    trial = Trial(cases["clean: lines, --run"], tmp_path)
    last = trial.whole.steps
    counts, wrong = kill(trial, [(None, step) for step in range(last - 9, last + 1)])
    assert not wrong
    assert counts["in the middle"] > 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 20 MB."""
    with mounted(tmp_path / "disk", DISK) as is_mounted:
        if not is_mounted:
            pytest.skip("file systems cannot be mounted here")
        yield tmp_path / "disk"


@pytest.mark.parametrize("name", ["scan", "clean: both", "clean: table", "undo: lines"])
def test_a_disk_that_fills_up(cases: dict[str, Case], tmp_path: Path, disk: Path, name: str) -> None:
    trial = Trial(cases[name], tmp_path)
    trial.place, trial.temporary = disk / "place", disk / "temporary"
    counts, wrong = fill(trial, disk, [trial.size // 4])
    assert not wrong
    assert counts["filled up"] == 1
