"""Several processes add pages to one index at once, some are killed: nothing is lost, double or decided otherwise."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from index_crowd import run_crowd, serial, start
from inputs import write_records
from test_index import PLAIN, corpus

from dedup.index import Index


def assert_serial(place: pathlib.Path, records: list[dict[str, str]]) -> None:
    """Everything is there once, and was decided as if it had come one by one."""
    assert serial(place, records, PLAIN) == (0, 0, 0, [])


def kill_workers(
    place: str | pathlib.Path, lines: pathlib.Path, times: int, between: Callable[[], object] = lambda: None
) -> None:
    """Add the pages of a file, killed each time some pages later."""
    for k in range(times):
        worker = start(place, lines)
        assert worker.stdout is not None
        for _ in range(12 * k + 5):
            worker.stdout.readline()
        time.sleep(0.003 * k)
        worker.kill()
        worker.communicate()
        between()


@pytest.mark.parametrize("seed", [1, 2])
def test_four_processes_one_of_them_killed(tmp_path: pathlib.Path, seed: int) -> None:
    records = corpus(seed, 240)
    place = tmp_path / "seen.db"
    Index.open(place, PLAIN).close()
    # some pages come twice
    shares = [write_records(tmp_path / f"{k}.jsonl", records[k * 50 : k * 50 + 90]) for k in range(4)]
    assert run_crowd(place, shares, 20) == 0
    assert_serial(place, records)


FORKING = """
import os, sys
from dedup.errors import StoreError
from dedup.index import Index

with Index.open(sys.argv[1]) as index, Index.open("memory:") as other:
    child = os.fork()
    if child == 0:
        other.add("A page of some words.", id="a")
        try:
            index.add("A page of some words.", id="a")
        except StoreError as error:
            with Index.open(sys.argv[1]) as own:
                own.add("A page of some words.", id="a")
            os._exit(3 if "forked: open it again" in str(error) else 4)
        os._exit(5)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert index.add("A page of some words.", id="a").status == "unchanged"
    sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_an_index_is_not_taken_into_another_process(tmp_path: pathlib.Path) -> None:
    assert subprocess.run([sys.executable, "-c", FORKING, tmp_path / "seen.db"], check=False).returncode == 3


def test_killed_again_and_again(tmp_path: pathlib.Path) -> None:
    records = corpus(3, 120)
    place, lines = tmp_path / "seen.db", write_records(tmp_path / "all.jsonl", records)
    Index.open(place, PLAIN).close()
    kill_workers(place, lines, 6)
    with Index.open(place) as index:
        list(index.check_many(records))
    assert_serial(place, records)
