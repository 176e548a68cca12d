"""Does a scan find boilerplate, class by class, and nothing else? The findings of whole scans against labels and rules.

Models by themselves are scored by ``fit_boilerplate.py``; here are verdicts, with default settings unless said
otherwise, and what it costs to come by them.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

import click
import numpy as np
from figures import Figure, finish, json_option, say, share
from inputs import data_option, generate, read_records
from paired import paired_figures
from process import run

from dedup.arrays import Bool
from dedup.pipeline import scan
from dedup.placeholders import Severity, worst
from dedup.run import Run
from dedup.schema import BOILERPLATE
from dedup.settings import Settings

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARTICLES, LABELS = ROOT / "corpus" / "articles.jsonl", ROOT / "corpus" / "labels.jsonl"
BOOKS, PAGES = "japanese/docs.jsonl.gz", "pages/pages.jsonl.gz"
PARTS = ("corpus", "japanese", "placeholders", "time")
REASONS = frozenset(reason.name.lower() for reason in BOILERPLATE)
CLASSES = (
    "site_template", "navigation", "section_label", "title_echo", "repeated_header", "page_header", "placeholder",
)  # fmt: skip
# Sites of the corpus on which a careless rule takes content for boilerplate.
DELICATE = {
    "brackwatercourier.example": "a page crawled five times",
    "saltlantern.example": "poems",
    "quillhavenlegal.example": "contracts",
    "sundboard.example": "tables",
}
MOST_OF_A_BOOK = 0.9  # share of the characters of a book's legend and colophon that are most of them


def scanned(path: pathlib.Path) -> Run:
    """Scan a file with default settings, past all guard rails."""
    return scan(path, dataclasses.replace(Settings(), allow=True))


# The corpus


def kept_rows(found: Run) -> Iterator[dict[str, Any]]:
    """Yield the verdicts on blocks of documents that stay."""
    actions = dict(zip(*(found.documents[name].to_pylist() for name in ("doc", "action")), strict=True))
    rows = found.verdicts.select(["doc", "start", "kind", "action", "reason"]).to_pylist()
    return (row for row in rows if actions[row["doc"]] == "keep")


def read_labels() -> dict[tuple[str, int], str]:
    """Return the class of each labelled block by document and start: one of ``CLASSES``, or ``content``."""
    with LABELS.open(encoding="utf-8") as file:
        rows = map(json.loads, file)
        return {(row["doc"], row["start"]): row["role"].removeprefix("boilerplate:") for row in rows}


def corpus_figures() -> list[Figure]:
    """Compare the classes that a scan of this project's articles reports with the labels."""
    say("corpus ...")
    labels = read_labels()
    sources = {record["id"]: record["source"] for record in read_records(ARTICLES)}
    rows = [(row, labels.get((row["doc"], row["start"]))) for row in kept_rows(scanned(ARTICLES))]
    unknown = sum(role is None for _, role in rows)
    pairs = collections.Counter((role, row["reason"]) for row, role in rows)
    figures = [Figure("corpus: blocks without a label", unknown, "equals", 0, f"of {len(rows):,}")]
    for one in CLASSES:
        right = pairs[one, one]
        told = sum(count for (_, reason), count in pairs.items() if reason == one)
        there = sum(count for (role, _), count in pairs.items() if role == one)
        figures += [
            Figure(f"corpus: {one}, precision", share(right, told), "at least", 0.95, f"{right:,} of {told:,}"),
            Figure(f"corpus: {one}, recall", share(right, there), "at least", 0.95, f"{right:,} of {there:,}"),
        ]
    for source, what in DELICATE.items():
        own = [row for row, role in rows if role == "content" and sources[row["doc"]] == source]
        lost = sum(row["action"] == "drop" and row["reason"] in REASONS for row in own)
        figures.append(Figure(f"corpus: content of {what} lost", lost, "equals", 0, f"of {len(own):,} blocks"))
    return figures


# Books: each has a legend of the signs in its text at the top, and a colophon at the end, both set by rules

Part = Literal["text", "rule", "legend", "example", "edition", "date", "worker", "made", "file", "note"]
PART_NAMES: tuple[Part, ...] = get_args(Part)
FURNITURE = frozenset({"rule", "legend", "example", "edition", "date", "worker", "made", "file"})
HYPHENS = re.compile(r"-{10,}\s*")  # opens and closes the legend
LEGEND_TOP = "テキスト中に現れる記号について"  # the line that follows the opening
EXAMPLE = re.compile(r"\s*（例）")  # a sign as the book has it; other lines of the legend explain signs
# "source text:", or what a translation has for it; the last line that stands for it opens the colophon
OPENS_COLOPHON = re.compile(r"(?:翻訳の)?底本[：:]|This is a Japanese translation of")
# Lines of the colophon. Its others are notes on the one book (most begin with ※) and count neither way.
COLOPHON: dict[Part, re.Pattern[str]] = {
    # the editions that the text was taken from, and where it stood first: a title, a publisher
    "edition": re.compile(r"(?:底本|底本の親本|翻訳の底本|親本|初出)[：:]"),
    # when each of them came out, indented: a year, perhaps of an era too, a day, a printing
    "date": re.compile(r"\s+（?(?:1[89]|20)\d\d（(?:明治|大正|昭和|平成|令和)(?:元|\d+)）?）?年"),
    # who typed it, who read the proofs
    "worker": re.compile(r"(?:入力|校正|翻訳者?|ファイル作成)[：:]"),
    # when the file was made, put up, mended
    "made": re.compile(r"(?:1[89]|20)\d\d年\d+月\d+日(?:作成|公開|修正|改訂|訂正)\s*$"),
    # "file made by the library"; the sentence on the library
    "file": re.compile(r"青空文庫(?:作成|収録)ファイル[：:]|このファイルは、.*青空文庫"),
}


def parts_of(text: str) -> list[Part]:
    """Say of each line of a book what it is part of.

    >>> hyphens = "-" * 20
    >>> legend = [hyphens, LEGEND_TOP, "", "《》：ルビ", "（例）空《そら》", hyphens]
    >>> parts_of(chr(10).join(["A title", *legend, "The text.", "底本：A book", "※A note."]))
    ['text', 'rule', 'legend', 'legend', 'legend', 'example', 'rule', 'text', 'edition', 'note']
    """
    lines = text.split("\n")
    parts: list[Part] = ["text"] * len(lines)
    hyphens = [number for number, line in enumerate(lines) if HYPHENS.fullmatch(line)]
    if len(hyphens) > 1 and LEGEND_TOP in lines[hyphens[0] + 1]:
        first, last = hyphens[:2]
        parts[first] = parts[last] = "rule"
        for number in range(first + 1, last):
            parts[number] = "example" if EXAMPLE.match(lines[number]) else "legend"
    opens = [number for number, line in enumerate(lines) if OPENS_COLOPHON.match(line)]
    for number in range(opens[-1] if opens else len(lines), len(lines)):
        matching = (part for part, pattern in COLOPHON.items() if pattern.match(lines[number]))
        parts[number] = next(matching, "note")
    return parts


class Book(NamedTuple):
    """What was found in a book.

    Attributes:
        characters: of its parts, by part; blanks do not count. ``touched``, those of them that go as boilerplate.
        lines: with something on them, by part. ``found``, those of them that go as boilerplate as a whole.
    """

    characters: collections.Counter[str]
    touched: collections.Counter[str]
    lines: collections.Counter[str]
    found: collections.Counter[str]

    def furniture(self) -> tuple[int, int]:
        """Return how many characters its legend and colophon have, and how many of them go."""
        return sum(self.characters[part] for part in FURNITURE), sum(self.touched[part] for part in FURNITURE)


def visible(data: bytes) -> Bool:
    """Return, for each byte of UTF-8, whether a character begins there that is no blank."""
    units = np.frombuffer(data, np.uint8)
    begins: Bool = (units & 0xC0 != 0x80) & (units > 0x20)
    wide = np.frombuffer(data.replace("\u3000".encode(), b"   "), np.uint8)  # the blank as wide as an ideograph
    return begins & (wide > 0x20)


def read_book(text: str, spans: Iterable[tuple[int, int]]) -> Book:
    """Lay the byte spans that go as boilerplate over the lines of a book."""
    data = text.encode()
    seen, goes = visible(data), np.zeros(len(data), np.bool_)
    for start, end in spans:
        goes[start:end] = True
    book = Book(*(collections.Counter() for _ in range(4)))
    start = 0
    for line, part in zip(data.split(b"\n"), parts_of(text), strict=True):
        here = slice(start, start + len(line))
        there, gone = int(seen[here].sum()), int((seen[here] & goes[here]).sum())
        start = here.stop + 1
        if there:
            book.characters[part] += there
            book.touched[part] += gone
            book.lines[part] += 1
            book.found[part] += gone == there
    return book


def boilerplate_spans(found: Run) -> dict[str, list[tuple[int, int]]]:
    """Return, by document, the byte spans of blocks that go as boilerplate."""
    spans: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
    for row in found.verdicts.select(["doc", "start", "end", "action", "reason"]).to_pylist():
        if row["action"] == "drop" and row["reason"] in REASONS:
            spans[row["doc"]].append((row["start"], row["end"]))
    return spans


def book_figures(path: pathlib.Path) -> list[Figure]:
    """Say how much of the legends and colophons of books is found, and what else is taken for boilerplate."""
    say("japanese ...")
    spans = boilerplate_spans(scanned(path))
    books = [read_book(record["text"], spans[record["id"]]) for record in read_records(path)]
    furniture = [book.furniture() for book in books]
    shares = [share(gone, there) for there, gone in furniture if there]
    whole, most = sum(one == 1 for one in shares), sum(one >= MOST_OF_A_BOOK for one in shares)
    there, gone = map(sum, zip(*furniture, strict=True))
    figures = [
        Figure("japanese: legend and colophon, all found", share(whole, len(shares)), "at least", 0.98,
               f"{whole:,} of {len(shares):,} books"),
        Figure(f"japanese: legend and colophon, {MOST_OF_A_BOOK:.0%} of the characters found",
               share(most, len(shares)), "at least", 0.98, f"{most:,} of {len(shares):,} books"),
        Figure("japanese: legend and colophon, characters found", share(gone, there), note=f"{gone:,} of {there:,}"),
    ]  # fmt: skip
    totals = Book(*(sum(counts, collections.Counter()) for counts in zip(*books, strict=True)))
    for part in PART_NAMES:
        if part in FURNITURE:
            note = f"{totals.found[part]:,} of {totals.lines[part]:,} lines"
            value = share(totals.touched[part], totals.characters[part])
            figures.append(Figure(f"japanese: {part}, characters found", value, note=note))
    notes = {part: f"{totals.touched[part]:,} of {totals.characters[part]:,} characters" for part in PART_NAMES}
    lost, taken = (share(totals.touched[part], totals.characters[part]) for part in ("text", "note"))
    return [
        *figures,
        Figure("japanese: other text lost", lost, "at most", 0.001, notes["text"]),
        Figure("japanese: notes of colophons taken", taken, note=notes["note"]),
    ]


# Placeholders


def placeholder_figures(path: pathlib.Path) -> list[Figure]:
    """Count the lines of pages that hold placeholders, and the labelled ones that are found."""
    say("placeholders ...")
    lines = [line for record in read_records(path) for line in record["text"].split("\n")]
    worsts = collections.Counter(map(worst, lines))
    note = f"of {len(lines):,} lines; to be judged by hand"
    figures = [Figure(f"pages: lines with a {one.name.lower()}", worsts[one], note=note) for one in reversed(Severity)]
    labels = read_labels()
    texts = {record["id"]: record["text"].encode() for record in read_records(ARTICLES)}
    with LABELS.open(encoding="utf-8") as file:
        rows = list(map(json.loads, file))
    found, there, wrong, others = 0, 0, 0, 0
    for row in rows:
        is_one = labels[row["doc"], row["start"]] == "placeholder"
        severity = worst(texts[row["doc"]][row["start"] : row["end"]].decode())
        hit = severity is not None and severity > Severity.NOTE
        there, found = there + is_one, found + (is_one and hit)
        others, wrong = others + (not is_one), wrong + (hit and not is_one)
    return [
        *figures,
        Figure("corpus: placeholders found", share(found, there), "equals", 1, f"{found:,} of {there:,} blocks"),
        Figure("corpus: other blocks taken for placeholders", wrong, "equals", 0, f"of {others:,}"),
    ]


# Time


def environment(checkout: pathlib.Path) -> dict[str, str]:
    """Return the variables with which ``-m dedup`` runs a checkout, whatever is installed or in this folder.

    Raises:
        RuntimeError: another package would be run.
    """
    variables = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", "import dedup; print(dedup.__file__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    if not pathlib.Path(done.stdout.strip()).resolve().is_relative_to(checkout.resolve()):
        raise RuntimeError(f"{checkout} holds no package: {done.stdout.strip()} would be timed")
    return variables


def time_figures(cache: pathlib.Path, base: pathlib.Path, megabytes: float, rounds: int) -> list[Figure]:
    """Time scans of this checkout and of one without the stage by turns, after a round that is not measured."""
    path = generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes)
    before, after = environment(base), environment(ROOT)
    with tempfile.TemporaryDirectory(dir=cache) as room:
        command = [sys.executable, "-m", "dedup", "scan", str(path), "-o", str(pathlib.Path(room, "run")), "--allow"]
        return paired_figures(
            lambda: run(command, before), lambda: run(command, after), "time: scan {} boilerplate, seconds",
            "time: with / without", path.stat().st_size / 1e6, 1.25, rounds,
        )  # fmt: skip


@click.command()
@data_option("japanese/ and pages/")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Folder that keeps the generated file of the part `time`; runs are written there too.",
)
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path),
    help="Another checkout, which scans without looking for boilerplate, for the part `time`.",
)
@click.option("--megabytes", default=200.0, show_default=True, help="Size of the generated file.")
@click.option("--rounds", default=5, show_default=True, help="Measured rounds of the part `time`.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Measure this part only; repeatable.")
@json_option
def main(
    data: pathlib.Path, cache: pathlib.Path | None, base: pathlib.Path | None, megabytes: float, rounds: int,
    parts: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Measure what a scan finds of boilerplate, and what that costs."""
    wanted = parts or PARTS
    figures: list[Figure] = []
    if "corpus" in wanted:
        figures += corpus_figures()
    if "japanese" in wanted:
        figures += book_figures(data / BOOKS)
    if "placeholders" in wanted:
        figures += placeholder_figures(data / PAGES)
    if "time" in wanted:
        if cache is None or base is None:
            say("time: left out, for want of --cache or --base")
        else:
            figures += time_figures(cache, base, megabytes, rounds)
    finish(figures, as_json)


if __name__ == "__main__":
    main()
