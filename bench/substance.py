"""What does it cost to score substance? Time and memory of the scorer alone, and of a scan that scores beside one not.

The scorer is given texts in memory, and in a process of its own a generator of texts from files of growing size, whose
anonymous memory is sampled. Scans are whole processes, by turns, after a round that is not measured.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

import click
from figures import Figure, finish, json_option, say
from inputs import generate
from memory import MEGABYTE, watch, write_head
from paired import paired_figures
from process import dedup, run

from dedup import SubstanceScorer

LEAST_SPEED, MOST_RATIO, MOST_GROWTH = 60.0, 1.5, 10.0  # MB/s; of a scan; MB of memory from one size to the next
STREAM = """
import json, sys
from dedup import SubstanceScorer

def texts():
    with open(sys.argv[1], "rb") as lines:
        for line in lines:
            yield json.loads(line)["text"]

SubstanceScorer().fit(texts()).score_samples(texts())
"""


def scorer_figures(path: pathlib.Path, rounds: int) -> list[Figure]:
    """Time the scorer on texts in memory."""
    texts = [json.loads(line)["text"] for line in path.read_bytes().splitlines()]
    size = sum(len(text.encode()) for text in texts) / MEGABYTE
    scorer = SubstanceScorer().fit(texts[:1000])
    scorer.score_samples(texts[:1000])
    times = []
    for number in range(rounds):
        begun = time.perf_counter()
        scorer.score_samples(texts)
        times.append(time.perf_counter() - begun)
        say(f"scorer, round {number + 1}: {times[-1]:.2f} s")
    note = f"{size:,.0f} MB of text in {min(times):.2f} to {max(times):.2f} s"
    return [Figure("scorer alone: MB/s", size / statistics.median(times), "at least", LEAST_SPEED, note)]


def scan_figures(path: pathlib.Path, room: pathlib.Path, rounds: int) -> list[Figure]:
    """Time scans with and without scores by turns."""
    plain = dedup("scan", path, "-o", room / "run", "--allow")
    return paired_figures(
        lambda: run(plain), lambda: run([*plain, "--score"]), "scan {} scores, seconds", "scan: with / without",
        path.stat().st_size / MEGABYTE, MOST_RATIO, rounds,
    )  # fmt: skip


def memory_figures(path: pathlib.Path, room: pathlib.Path, sizes: Sequence[int]) -> list[Figure]:
    """Sample the memory of the scorer on growing streams."""
    head, peaks = room / "head.jsonl", []
    for size in (1, *sizes):
        write_head(path, head, int(size * MEGABYTE))
        anonymous, _, seconds = watch([sys.executable, "-c", STREAM, str(head)])
        say(f"{size} MB: {anonymous / MEGABYTE:,.1f} MB of anonymous memory, {seconds:.1f} s")
        peaks.append((size, anonymous / MEGABYTE))
    figures = [Figure(f"scorer, a stream of {size} MB: MB of anonymous memory", peak) for size, peak in peaks[1:]]
    for (low, before), (high, after) in itertools.pairwise(peaks[1:]):
        name = f"scorer, {low} to {high} MB: growth in MB"
        figures.append(Figure(name, after - before, "at most", MOST_GROWTH))
    return figures


@click.command()
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    required=True,
    help="Folder that keeps the generated file; heads of it and runs are written there for a time.",
)
@click.option("--megabytes", default=200.0, show_default=True, help="Size of the generated file.")
@click.option("--rounds", default=5, show_default=True, help="Measured rounds.")
@json_option
def main(cache: pathlib.Path, megabytes: float, rounds: int, as_json: bool) -> None:
    """Time scoring, and sample its memory."""
    path = generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        room = pathlib.Path(name)
        figures = scorer_figures(path, rounds) + scan_figures(path, room, rounds)
        figures += memory_figures(path, room, [round(megabytes / 4), round(megabytes / 2), round(megabytes)])
    finish(figures, as_json)


if __name__ == "__main__":
    main()
