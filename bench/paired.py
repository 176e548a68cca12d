"""Two tasks in, one of which does more; how long each took, by turns, and the ratio, out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from figures import Figure, say


def paired_figures(
    without: Callable[[], float], with_it: Callable[[], float], label: str, ratio: str, megabytes: float, most: float,
    rounds: int,
) -> list[Figure]:  # fmt: skip
    """Time two tasks by turns, after a round that is not measured; each goes first in every other round.

    Args:
        without: runs the one that does less; returns its seconds. ``with_it``, likewise, the one that does more.
        with_it: see ``without``.
        label: the name of each figure of seconds, ``{}`` for "without" and "with".
        ratio: the name of the figure of the ratio.
        megabytes: that each reads.
        most: the bar of the ratio.
        rounds: how often each is measured.
    """
    tasks = {"without": without, "with": with_it}
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for number in range(rounds):
        names: Sequence[str] = list(tasks) if number % 2 else list(tasks)[::-1]
        for name in names:
            times[name].append(tasks[name]())
        say(f"round {number + 1}: " + ", ".join(f"{name} {seconds[-1]:.2f} s" for name, seconds in times.items()))
    figures = []
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        note = f"{megabytes / middle:,.1f} MB/s; {min(seconds):.2f} to {max(seconds):.2f} s"
        figures.append(Figure(label.format(name), middle, note=note))
    ratios = [mine / other for mine, other in zip(times["with"], times["without"], strict=True)]
    note = f"{min(ratios):.2f} to {max(ratios):.2f} in {rounds} rounds"
    return [*figures, Figure(ratio, statistics.median(ratios), "at most", most, note)]
