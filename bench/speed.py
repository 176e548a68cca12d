"""How fast is a scan? Timed against `wc -w`, against reading the file, and against datasketch, in one run, by turns.

A scan is the whole process: interpreter, imports, reading, deciding, writing the run. One round comes before the
measured ones, so that kernels are compiled and the file is in the page cache. datasketch is given a sample, every
n-th document, and its time is multiplied by n: that favours it, since its index slows down as it grows.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import click
import msgspec
from datasketch import MinHash, MinHashLSH
from figures import Figure, finish, json_option, say
from inputs import generate
from process import dedup, run
from pyarrow import json as arrow_json

THRESHOLD, PERMUTATIONS, LEAST_WORDS = 0.7, 128, 8


class Text(msgspec.Struct):
    """The one field that is read."""

    text: str


def read_msgspec(path: pathlib.Path) -> int:
    """Read a file and parse the text of each line; return how many there are."""
    return len(msgspec.json.Decoder(Text).decode_lines(path.read_bytes()))


def read_arrow(path: pathlib.Path) -> int:
    """Read a file into Arrow columns, all fields, on all cores; return the number of rows."""
    rows: int = arrow_json.read_json(path).num_rows
    return rows


def sample_paragraphs(path: pathlib.Path, every: int) -> list[str]:
    """Return the paragraphs, of some words each, of every n-th document."""
    texts = []
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number % every == 0:
                texts.append(json.loads(line)["text"])
    paragraphs = (line for text in texts for line in text.split("\n"))
    return [line for line in paragraphs if len(line.split()) >= LEAST_WORDS]


def find_with_datasketch(paragraphs: list[str]) -> int:
    """Find near-duplicates as datasketch's documentation shows; return how many paragraphs have one before them."""
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    found = 0
    for number, paragraph in enumerate(paragraphs):
        words = paragraph.lower().split()
        minhash = MinHash(num_perm=PERMUTATIONS)
        for shingle in {*words, *(f"{a} {b}" for a, b in itertools.pairwise(words))}:
            minhash.update(shingle.encode("utf8"))
        found += bool(lsh.query(minhash))
        lsh.insert(str(number), minhash)
    return found


def busy_seconds() -> float:
    """Return the seconds that all cores together have been busy since the system started."""
    line = pathlib.Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _, _, *rest = map(int, line.split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(function: Callable[[], object]) -> float:
    """Return the seconds a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def measure(path: pathlib.Path, rounds: int, every: int, threads: int | None) -> tuple[dict[str, list[float]], float]:
    """Run everything by turns, once unmeasured and then ``rounds`` times.

    Returns:
        Seconds by name, those of datasketch for the whole file (the sample's, times ``every``); and how many cores
        other work kept busy meanwhile.
    """
    paragraphs = sample_paragraphs(path, every)
    utf8 = {**os.environ, "LC_ALL": "C.UTF-8"}  # faster than the C locale's wc, and what the text is in
    more = [] if threads is None else ["--threads", str(threads)]
    with tempfile.TemporaryDirectory(dir=path.parent) as room:
        scan = dedup("scan", path, "-o", pathlib.Path(room, "run"), "--allow", *more)
        tasks: dict[str, Callable[[], float]] = {
            "wc -w": lambda: run(["wc", "-w", str(path)], utf8),
            "dedup scan": lambda: run(scan),
            "read: msgspec": lambda: timed(lambda: read_msgspec(path)),
            "read: pyarrow": lambda: timed(lambda: read_arrow(path)),
            "datasketch": lambda: timed(lambda: find_with_datasketch(paragraphs)) * every,
        }
        for name, task in tasks.items():
            if name != "datasketch":
                task()
        times: dict[str, list[float]] = {name: [] for name in tasks}
        begun, busy, own = time.perf_counter(), busy_seconds(), own_seconds()
        for number in range(rounds):
            for name, task in tasks.items():
                times[name].append(task())
            say(f"round {number + 1}: " + ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in times.items()))
        others = (busy_seconds() - busy - own_seconds() + own) / (time.perf_counter() - begun)
    return times, max(0.0, others)


def speed_figures(times: dict[str, list[float]], size: float, every: int) -> list[Figure]:
    """Put seconds into figures: medians, and medians of the ratios of each round."""
    figures = []
    for name, seconds in times.items():
        median = statistics.median(seconds)
        note = f"{size / median:,.1f} MB/s; {min(seconds):.2f} to {max(seconds):.2f} s"
        if name == "datasketch":
            note += f"; from 1/{every} of the documents, times {every}"
        figures.append(Figure(f"{name}: seconds", median, note=note))

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    return [
        *figures,
        Figure("dedup scan / read: msgspec", ratio("dedup scan", "read: msgspec")),
        Figure("dedup scan / read: pyarrow", ratio("dedup scan", "read: pyarrow")),
        Figure("dedup scan / wc -w", ratio("dedup scan", "wc -w"), "at most", 3),
        Figure("datasketch / dedup scan", ratio("datasketch", "dedup scan"), "at least", 15),
    ]


@click.command()
@click.option("--megabytes", default=200.0, show_default=True, help="Size of the generated file.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    required=True,
    help="Folder that keeps the generated file; runs are written there too.",
)
@click.option("--rounds", default=5, show_default=True, help="Measured rounds.")
@click.option("--sample", "every", default=20, show_default=True, help="datasketch is given every n-th document.")
@click.option("--threads", type=int, help="Threads of the scan.  [default: one a core]")
@json_option
def main(megabytes: float, cache: pathlib.Path, rounds: int, every: int, threads: int | None, as_json: bool) -> None:
    """Time a scan against `wc -w`, plain reading, and datasketch."""
    path = generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes)
    times, others = measure(path, rounds, every, threads)
    figures = speed_figures(times, path.stat().st_size / 1e6, every)
    note = "trust no ratio from a busy machine: a scan uses all cores, wc one"
    finish([Figure("cores kept busy by other work", round(others, 2), note=note), *figures], as_json)


if __name__ == "__main__":
    main()
