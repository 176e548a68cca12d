"""What does a run spare the next scan? A first scan, the same with another threshold, and with a tenth more, by turns.

    python bench/resume.py --cache CACHE

The corpus is cut into eleven files. Each round scans ten of them into a new run, decides on that run again with a
higher and a lower threshold, and goes on with the eleventh file.
"""

from __future__ import annotations

import pathlib
import shutil
import statistics
import tempfile

import click
from figures import Figure, finish, json_option, say
from inputs import generate
from process import dedup, run

FILES = 11
THRESHOLD, HIGHER, LOWER = 0.7, 0.8, 0.6
MOST_AGAIN, MOST_MORE = 0.15, 0.25  # shares of the time of a first scan


def cut(source: pathlib.Path, room: pathlib.Path) -> list[pathlib.Path]:
    """Cut a file of lines into files of about the same size."""
    paths = [room / f"part-{k:02}.jsonl" for k in range(FILES)]
    size = source.stat().st_size / FILES
    with source.open("rb") as lines:
        for path in paths:
            written = 0
            with path.open("wb") as part:
                while (written < size or path == paths[-1]) and (line := lines.readline()):
                    written += part.write(line)
    return paths


def measure(parts: list[pathlib.Path], place: pathlib.Path) -> dict[str, float]:
    """Time the scans of one round."""
    target = place / "run"
    shutil.rmtree(target, ignore_errors=True)
    first = run(dedup("scan", *parts[:-1], "-o", target, "--allow"))
    shutil.copytree(target, place / "kept")  # so that each goes on from the first
    times = {"first": first}
    for name, arguments in (
        (f"threshold {HIGHER}", ["--threshold", str(HIGHER)]),
        (f"threshold {LOWER}", ["--threshold", str(LOWER)]),
    ):
        times[name] = run(dedup("scan", target, *arguments))
        shutil.rmtree(target)
        shutil.copytree(place / "kept", target)
    times["a tenth more"] = run(dedup("scan", *parts, "-o", target, "--allow"))
    shutil.rmtree(place / "kept")
    return times


@click.command()
@click.option("--megabytes", default=220.0, show_default=True, help="Size of the corpus.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    required=True,
    help="Folder that keeps the generated file; its parts and runs are written there for a time.",
)
@click.option("--rounds", default=5, show_default=True, help="How often each scan is timed.")
@json_option
def main(megabytes: float, cache: pathlib.Path, rounds: int, as_json: bool) -> None:
    """Time scans that go on from a run against one that does not."""
    source = generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        place = pathlib.Path(folder)
        parts = cut(source, place)
        measured = []
        for number in range(rounds + 1):
            times = measure(parts, place)
            say(f"round {number}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items()))
            if number:  # the first is not measured
                measured.append(times)
    figures = [Figure("first scan, seconds", statistics.median(times["first"] for times in measured))]
    for name in list(measured[0])[1:]:
        shares = [times[name] / times["first"] for times in measured]
        bar = MOST_MORE if name == "a tenth more" else MOST_AGAIN
        note = f"{min(shares):.2f} to {max(shares):.2f} in {rounds} rounds"
        figures.append(
            Figure(f"{name}: share of the first scan's time", statistics.median(shares), "at most", bar, note)
        )
    finish(figures, as_json)


if __name__ == "__main__":
    main()
