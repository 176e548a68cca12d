"""Measured figures and their bars in; a table or JSON, and an exit status, out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Literal, NamedTuple, NoReturn

import click

Sense = Literal["at least", "at most", "equals", "-"]


class Figure(NamedTuple):
    """One measured figure.

    Attributes:
        name: what was measured.
        value: the figure.
        sense: on which side of the bar it has to be; ``"-"`` for a figure without one.
        bar: the bar.
        note: how it came about, e.g. the counts behind a share.
    """

    name: str
    value: float
    sense: Sense = "-"
    bar: float = 0.0
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the bar is met; None without one. A figure that is not a number never meets it."""
        if self.sense == "-":
            return None
        if self.sense == "equals":
            return self.value == self.bar
        return self.value >= self.bar if self.sense == "at least" else self.value <= self.bar


def share(part: float, whole: float) -> float:
    """Return ``part / whole``, not-a-number where there is nothing to take a share of."""
    return part / whole if whole else float("nan")


def number(value: float) -> str:
    """Write a number with four significant digits, counts in full.

    >>> number(20000.0), number(0.99812), number(123.456)
    ('20,000', '0.9981', '123.5')
    """
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"


def table(figures: Sequence[Figure]) -> str:
    """Put figures into aligned lines: figure, value, bar, pass or FAIL, note."""
    words = {True: "pass", False: "FAIL", None: ""}
    rows = [("figure", "value", "bar", "", "note")]
    for figure in figures:
        bar = "" if figure.sense == "-" else f"{figure.sense} {number(figure.bar)}"
        rows.append((figure.name, number(figure.value), bar, words[figure.passed], figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for name, value, bar, word, note in rows:
        line = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bar:<{widths[2]}}  {word:<{widths[3]}}  {note}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def finish(figures: Sequence[Figure], as_json: bool) -> NoReturn:
    """Print the figures and leave: status 1 where a bar was missed, else 0."""
    if as_json:
        rows = [{**figure._asdict(), "passed": figure.passed} for figure in figures]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        click.echo(table(figures))
    sys.exit(int(any(figure.passed is False for figure in figures)))


def say(message: str) -> None:
    """Tell on stderr what is being done."""
    click.echo(message, err=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
