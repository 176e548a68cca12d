"""Does an index stay as large as what is in it? Memory and files over two million pages, of which old ones expire.

    python bench/index_soak.py

A month of a crawl in small: pages of one or two paragraphs come, some of them again, some like others, one in twenty
the same as all others that say that there is no such page; those that were seen longest ago are forgotten, so that
fifty thousand stay.
"""

from __future__ import annotations

import pathlib
import random
import statistics
import tempfile

import click
from figures import Figure, finish, json_option, say

from dedup import Settings
from dedup.index import Index

NOWHERE = "The page that you look for is not here any more: it was moved, or its name was never right to begin with."
STEPS = 20  # points of the curve
POINTS = 5  # the median of which is told: a merge that is under way, or was just now, moves one by a fifth
EVERY = 2000  # pages between two expiries
MOST_GROWTH = 1.1  # size at the end, times that when the index was as full as it gets
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprstvz"]


def anonymous_memory() -> float:
    """Return the megabytes of this process that are no files."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def records(count: int, seed: int) -> list[dict[str, str]]:
    """Make the pages of one step; the seed tells them from those of others."""
    rng = random.Random(seed)
    made: list[dict[str, str]] = []
    for k in range(count):
        if rng.random() < 0.05:
            text = NOWHERE
        elif made and rng.random() < 0.1:
            words = rng.choice(made)["text"].split(" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            text = " ".join(words)
        else:
            text = "\n\n".join(" ".join(rng.choices(WORDS, k=25)) for _ in range(rng.randint(1, 2)))
        made.append({"id": f"page {seed} {k}", "source": f"site {rng.randrange(200)}", "text": text})
    return made


@click.command()
@click.option("--pages", default=2_000_000, show_default=True, help="How many are added.")
@click.option("--kept", default=50_000, show_default=True, help="How many stay.")
@json_option
def main(pages: int, kept: int, as_json: bool) -> None:
    """Add pages, let old ones expire, and watch memory and files."""
    now = 0
    figures = []
    curve: list[tuple[int, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        index = Index.open(pathlib.Path(folder) / "seen.db", Settings(), clock=lambda: now)
        with index:
            for step in range(pages // EVERY):
                now = step * EVERY
                for _ in index.check_many(records(EVERY, step)):
                    pass
                index.expire(now - kept + EVERY)
                if (step + 1) % max(1, pages // EVERY // STEPS) == 0:
                    curve.append((now + EVERY, anonymous_memory(), index.info()["bytes"] / 1e6))
                    say(f"{curve[-1][0]:,} pages: {curve[-1][1]:.0f} MB of memory, {curve[-1][2]:.0f} MB of files")
            figures += [Figure("pages that are left", index.info()["pages"], "at most", kept)]
    for count, memory, files in curve:
        figures.append(Figure(f"after {count:,} pages: MB of memory", memory, note=f"{files:.0f} MB of files"))
    full = next((place for place, (count, *_) in enumerate(curve) if count >= 4 * kept), 0)
    for name, column in (("memory", 1), ("files", 2)):
        sizes = [point[column] for point in curve[full:]]
        growth = statistics.median(sizes[-POINTS:]) / statistics.median(sizes[:POINTS])
        note = f"since {curve[full][0]:,} pages: {min(sizes):.0f} to {max(sizes):.0f} MB"
        figures.append(Figure(f"{name} at the end, times that when full", growth, "at most", MOST_GROWTH, note))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
