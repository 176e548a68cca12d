"""How much memory, and time, does a block cost? Scans of growing corpora, each a process whose memory is sampled.

RssAnon of /proc/PID/status counts what the process holds itself; files it has mapped are page cache, which the system
may take back. The corpora are the heads of one generated file, so the smaller are parts of the larger. With --planted
the largest is scanned twice more with a million copies of one line and a hundred thousand near-copies of one paragraph.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, cast

import click
from figures import Figure, Sense, finish, json_option, say
from inputs import generate
from process import DONE, dedup

MEGABYTE = 1_000_000
BYTES_A_BLOCK = 221  # what the generator makes in the mean; how many blocks there are is taken from the run
PERIOD = 0.05
MOST_TIMES = 1.1  # growth of time by growth of blocks
NEAR_COPIES, LINES_EACH = 100_000, 10  # documents with one near-copy and so many copies of the line
MOST_OF_PLANTED = 1.2
LINE = "Subscribe to our newsletter and never miss a story from the harbour again, it is free."
WORDS = [
    f"{first}{last}" for first in ("bar", "lor", "min", "tav", "sel") for last in ("ka", "dos", "ent", "ilo", "um")
]


class Peak(NamedTuple):
    """What a scan took.

    Attributes:
        blocks: blocks of the corpus.
        anonymous: highest RssAnon seen, in bytes.
        resident: highest VmRSS seen, mapped files included, in bytes.
        seconds: wall clock.
    """

    blocks: int
    anonymous: int
    resident: int
    seconds: float


def memory_of(pid: int) -> tuple[int, int]:
    """Return RssAnon and VmRSS of a process, in bytes; zeros when it has gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    anonymous, resident = (int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "VmRSS"))
    return anonymous, resident


def watch(command: list[str]) -> tuple[int, int, float]:
    """Run a command to its end; return its peaks, RssAnon and VmRSS, and its seconds.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.perf_counter()
    peaks = (0, 0)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        messages: list[str] = []
        reader = threading.Thread(target=lambda: messages.extend(process.stderr or []))
        reader.start()
        while process.poll() is None:
            now = memory_of(process.pid)
            peaks = max(peaks[0], now[0]), max(peaks[1], now[1])
            time.sleep(PERIOD)
        reader.join()
    if process.returncode != DONE:
        raise RuntimeError(f"{' '.join(command)} left with status {process.returncode}: {''.join(messages).strip()}")
    return *peaks, time.perf_counter() - begun


def write_head(source: pathlib.Path, target: pathlib.Path, size: int) -> None:
    """Copy lines until the copy holds ``size`` bytes."""
    written = 0
    with source.open("rb") as lines, target.open("wb") as copy:
        for line in lines:
            if written >= size:
                break
            written += copy.write(line)


def near_copies() -> Iterator[str]:
    """Yield near-copies of a paragraph."""
    chance = random.Random(5)
    paragraph = [chance.choice(WORDS) for _ in range(60)]
    for _ in range(NEAR_COPIES):
        near = paragraph.copy()
        for _ in range(3):
            near[chance.randrange(len(near))] = f"word{chance.randrange(1_000_000)}"
        yield " ".join(near)


def plant(target: pathlib.Path) -> None:
    """Append documents of copies of a line, and near-copies of a paragraph, to a corpus."""
    with target.open("a", encoding="ascii") as file:
        for k, near in enumerate(near_copies()):
            text = "\n\n".join([near, *[LINE] * LINES_EACH])
            file.write(json.dumps({"id": f"planted-{k}", "source": f"site-{k % 100}", "text": text}) + "\n")


def spread(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a corpus, and put as many copies of the line and near-copies of the paragraph into its documents."""
    with source.open("rb") as lines:
        docs = sum(1 for _ in lines)
    copies, chance = near_copies(), random.Random(6)
    with source.open("rb") as lines, target.open("w", encoding="utf-8") as file:
        for k, line in enumerate(lines):
            record = json.loads(line)
            lines_here = (k + 1) * NEAR_COPIES * LINES_EACH // docs - k * NEAR_COPIES * LINES_EACH // docs
            near = (k + 1) * NEAR_COPIES // docs - k * NEAR_COPIES // docs
            more = [LINE] * lines_here + [next(copies) for _ in range(near)]
            chance.shuffle(more)
            record["text"] = "\n\n".join([record["text"], *more])
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def measure(path: pathlib.Path, room: pathlib.Path, more: list[str]) -> Peak:
    """Scan a file in a process, with more options, and sample its memory."""
    run = room / "run"
    shutil.rmtree(run, ignore_errors=True)  # or the next would go on from it
    anonymous, resident, seconds = watch(dedup("scan", path, "-o", run, "--allow", *more))
    blocks = json.loads((run / "summary.json").read_bytes())["blocks"]
    say(f"{blocks:,} blocks: {anonymous / MEGABYTE:,.1f} MB anonymous, {seconds:.1f} s")
    return Peak(blocks, anonymous, resident, seconds)


def memory_figures(peaks: list[Peak], most: float) -> list[Figure]:
    """Put peaks into figures: each, and the growth of memory and time between neighbours."""
    figures = []
    for peak in peaks:
        note = f"with mapped files {peak.resident / MEGABYTE:,.0f} MB; {peak.seconds:.1f} s"
        figures.append(Figure(f"{peak.blocks:,} blocks: MB of anonymous memory", peak.anonymous / MEGABYTE, note=note))
    for low, high in itertools.pairwise(peaks):
        growth = (high.anonymous - low.anonymous) / (high.blocks - low.blocks)
        name = f"{low.blocks:,} to {high.blocks:,} blocks: bytes a block"
        figures.append(Figure(name, growth, "at most", most))
        times = high.seconds / low.seconds
        name = f"{low.blocks:,} to {high.blocks:,} blocks: times the time"
        figures.append(Figure(name, times, "at most", MOST_TIMES * high.blocks / low.blocks))
    return figures


def planted_figures(peak: Peak, spread_out: Peak, apart: Peak) -> list[Figure]:
    """Compare a corpus with the same and many copies in it: in its documents, and in documents of their own."""
    figures = []
    for name, found, sense in (("in its documents", spread_out, "at most"), ("in documents of their own", apart, "-")):
        memory, seconds = found.anonymous / peak.anonymous, found.seconds / peak.seconds
        for what, value in (("memory", memory), ("time", seconds)):
            note = f"{found.blocks:,} blocks"
            figures.append(
                Figure(f"with copies {name}: times the {what}", value, cast("Sense", sense), MOST_OF_PLANTED, note)
            )
    return figures


@click.command()
@click.option("--blocks", default="1,2,4", show_default=True, help="Millions of blocks, ascending, by commas.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    required=True,
    help="Folder that keeps the generated file; heads of it and runs are written there for a time.",
)
@click.option("--threads", type=int, help="Threads of the scan.  [default: one a core]")
@click.option("--score", is_flag=True, help="Score substance, too.")
@click.option("--max-memory", metavar="SIZE", help="Memory that the scan is told to make do with.")
@click.option("--planted", is_flag=True, help="Scan the largest once more, with many copies in it.")
@click.option("--most", default=100.0, show_default=True, help="Bytes a block that memory may grow by.")
@json_option
def main(
    blocks: str,
    cache: pathlib.Path,
    threads: int | None,
    score: bool,
    max_memory: str | None,
    planted: bool,
    most: float,
    as_json: bool,
) -> None:
    """Sample the anonymous memory of scans of growing corpora."""
    sizes = [round(float(millions) * 1e6 * BYTES_A_BLOCK) for millions in blocks.split(",")]
    if sizes != sorted(set(sizes)):
        raise click.BadParameter("name growing numbers of blocks", param_hint="--blocks")
    megabytes = sizes[-1] / MEGABYTE
    whole = generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes)
    more = ([] if threads is None else ["--threads", str(threads)]) + ["--score"] * score
    more += [] if max_memory is None else ["--max-memory", max_memory]
    peaks = []
    with tempfile.TemporaryDirectory(dir=cache) as name:
        room = pathlib.Path(name)
        head = room / "head.jsonl"
        # kernels compile in the first process on a machine, which takes memory of its own
        write_head(whole, head, MEGABYTE)
        measure(head, room, more)
        for size in sizes:
            write_head(whole, head, size)
            peaks.append(measure(head, room, more))
        figures = memory_figures(peaks, most)
        if planted:
            spread(head, room / "spread.jsonl")
            spread_out = measure(room / "spread.jsonl", room, more)
            plant(head)
            figures += planted_figures(peaks[-1], spread_out, measure(head, room, more))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
