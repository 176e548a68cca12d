"""Do four processes that add to one index at once, one of them killed, leave what one alone would have left?

    python bench/index_crowd.py

Pages are shared out so that one in five comes to two processes. The index is then compared with one that was given the
same pages one by one, in the order in which they arrived.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

import click
from figures import Figure, finish, json_option, say
from index import Pages
from inputs import write_records

from dedup import Settings
from dedup.index import Index
from dedup.index.verifying import in_parts

PROCESSES, OVERLAP = 4, 0.2
WORKER = """
import json, sys
from dedup.index import Index
with Index.open(sys.argv[1]) as index, open(sys.argv[2]) as lines:
    for line in lines:
        record = json.loads(line)
        report = index.check(record["text"], id=record["id"], source=record["source"])
        print(json.dumps([record["id"], report.status]), flush=True)
"""


def decisions(index: Index) -> tuple[list[Any], dict[bytes, Any]]:
    """Return what was decided on each page, in the order of arrival, and on each content."""
    store = index._store  # noqa: SLF001 - looks at what is written
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


def start(place: pathlib.Path | str, lines: pathlib.Path) -> subprocess.Popen[str]:
    """Start a process that adds the pages of a file, and tells of each when it is there."""
    command = [sys.executable, "-c", WORKER, str(place), str(lines)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_crowd(place: pathlib.Path | str, shares: list[pathlib.Path], before_kill: int) -> int:
    """Add all shares at once; kill the first process after so many pages, and start it again.

    Returns:
        How many pages had been told of before the kill that were not there afterwards.

    Raises:
        RuntimeError: a process failed.
    """
    workers = [start(place, share) for share in shares]
    first = workers[0]
    lines: IO[str] = first.stdout  # type: ignore[assignment]  # it is piped
    told = [json.loads(lines.readline())[0] for _ in range(before_kill)]
    first.kill()
    told += [json.loads(line)[0] for line in first.communicate()[0].splitlines() if line.endswith("]")]
    workers[0] = start(place, shares[0])
    outputs = [worker.communicate() for worker in workers]
    for worker, (_, error) in zip(workers, outputs, strict=True):
        if worker.returncode:
            raise RuntimeError(error)
    again = dict(json.loads(line) for line in outputs[0][0].splitlines())
    return sum(again[name] != "unchanged" for name in told)


def serial(
    place: pathlib.Path | str, records: list[dict[str, str]], settings: Settings
) -> tuple[int, int, int, list[str]]:
    """Compare an index with one that was given the same pages one by one.

    Returns:
        How many pages it has too few or twice; how many pages, and how many contents, were decided on otherwise; what
        ``verify`` finds.
    """
    texts = {record["id"]: record for record in records}
    with Index.open(place) as index, Index.open("memory:", settings) as alone:
        problems = index.verify()
        found, contents = decisions(index)
        names = [one[0] for one in found]
        lost = len(texts.keys() ^ set(names)) + len(names) - len(set(names))
        for _ in alone.check_many(texts[name] for name in names if name in texts):
            pass
        wanted, wanted_contents = decisions(alone)
    other = sum(one != two for one, two in zip(found, wanted, strict=True))
    unlike = sum(contents.get(print_) != wanted_contents.get(print_) for print_ in contents.keys() | wanted_contents)
    return lost, other, unlike, problems


@click.command()
@click.option("--pages", default=50_000, show_default=True, help="How many pages there are.")
@json_option
def main(pages: int, as_json: bool) -> None:
    """Add pages from four processes at once."""
    settings, made = Settings(), Pages(4)
    records = [made.next() for _ in range(pages)]
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "seen.db"
        Index.open(place, settings).close()
        size, more = pages // PROCESSES, int(OVERLAP * pages / PROCESSES)
        shares = [
            write_records(pathlib.Path(folder) / f"{k}.jsonl", records[max(0, k * size - more) : (k + 1) * size])
            for k in range(PROCESSES)
        ]
        begun = time.perf_counter()
        vanished = run_crowd(place, shares, size // 3)
        seconds = time.perf_counter() - begun
        say(f"{pages:,} pages by {PROCESSES} processes in {seconds:.0f} s")
        lost, other, unlike, problems = serial(place, records, settings)
    figures = [
        Figure("pages a second, all processes", pages / seconds),
        Figure("pages told of before the kill, and not there", vanished, "equals", 0),
        Figure("pages lost or double", lost, "equals", 0),
        Figure("pages decided otherwise than one by one", other, "equals", 0),
        Figure("contents decided otherwise", unlike, "equals", 0),
        Figure("problems that verifying finds", len(problems), "equals", 0),
    ]
    finish(figures, as_json)


if __name__ == "__main__":
    main()
