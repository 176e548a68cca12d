"""Several processes add pages to one index at once, some are killed: nothing is lost, double or decided otherwise."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from typing import Any

import pytest
from test_index import PLAIN, corpus

from dedup.index import Index
from dedup.index.verifying import in_parts

WORKER = """
import json, sys
from dedup.index import Index, state
state.FOLDED = 64
with Index.open(sys.argv[1]) as index:
    for line in open(sys.argv[2]):
        record = json.loads(line)
        report = index.check(record["text"], id=record["id"], source=record["source"])
        print(record["id"], report.status, flush=True)
"""


def decisions(index: Index) -> tuple[list[Any], dict[bytes, Any]]:
    """What was decided on each page, in the order of arrival, and on each content."""
    store = index._store
    pages = [page for part in in_parts(store.pages_after, lambda one: one.page) for page in part]
    names = {page.page: page.id for page in pages}
    contents = [one for part in in_parts(store.contents_after, lambda one: one.row) for one in part]
    prints = {one.row: one.print for one in contents}
    told = [
        (page.id, page.reason, names.get(page.twin or 0), names.get(page.keeper or 0), page.similarity)
        for page in pages
    ]
    decided = {
        one.print: (prints.get(one.keeper or 0), one.similarity, names.get(one.page or 0), one.position)
        for one in contents
    }
    return told, decided


def start(place: pathlib.Path, lines: pathlib.Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(place), str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write(path: pathlib.Path, records: list[dict[str, str]]) -> pathlib.Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def assert_serial(place: pathlib.Path, records: list[dict[str, str]]) -> None:
    """Everything is there once, and was decided as if it had come one by one."""
    texts = {record["id"]: record for record in records}
    with Index.open(place) as index, Index.open("memory:", PLAIN) as serial:
        assert index.verify() == []
        found, contents = decisions(index)
        assert sorted(one[0] for one in found) == sorted(texts)
        for name, *_ in found:
            serial.check(texts[name]["text"], id=name, source=texts[name]["source"])
        wanted, wanted_contents = decisions(serial)
        assert found == wanted
        assert contents == wanted_contents


@pytest.mark.parametrize("seed", [1, 2])
def test_four_processes_one_of_them_killed(tmp_path: pathlib.Path, seed: int) -> None:
    records = corpus(seed, 240)
    place = tmp_path / "seen.db"
    Index.open(place, PLAIN).close()
    shares = [write(tmp_path / f"{k}.jsonl", records[k * 50 : k * 50 + 90]) for k in range(4)]  # some pages come twice
    workers = [start(place, share) for share in shares]
    assert workers[0].stdout is not None
    told = [workers[0].stdout.readline().split()[0] for _ in range(20)]
    workers[0].kill()
    told += [line.split()[0] for line in workers[0].communicate()[0].splitlines()]
    workers[0] = start(place, shares[0])
    outputs = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0], outputs
    again = dict(line.split() for line in outputs[0][0].splitlines())
    assert {again[name] for name in told} == {"unchanged"}  # what was told to be there, is
    assert_serial(place, records)


def test_killed_again_and_again(tmp_path: pathlib.Path) -> None:
    records = corpus(3, 120)
    place, lines = tmp_path / "seen.db", write(tmp_path / "all.jsonl", records)
    Index.open(place, PLAIN).close()
    for k in range(6):
        worker = start(place, lines)
        assert worker.stdout is not None
        for _ in range(12 * k + 5):
            worker.stdout.readline()
        time.sleep(0.003 * k)
        worker.kill()
        worker.communicate()
    with Index.open(place) as index:
        list(index.check_many(records))
    assert_serial(place, records)
