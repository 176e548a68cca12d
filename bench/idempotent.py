"""Is a cleaned corpus clean? Each corpus is cleaned, and what comes out is cleaned again.

With boilerplate and document reasons kept, the second pass has to remove no block at all. With documents dropped too,
removing one can make room for another to be first, so the second pass may take a thousandth of the characters. What is
boilerplate depends on what stands around, so where it goes there is no bar.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from typing import NamedTuple

import click
from figures import Figure, finish, json_option, say, share
from inputs import data_option, read_records
from process import dedup, run

from dedup.schema import BOILERPLATE
from dedup.settings import REMOVABLE

CORPORA = {
    "sites": "sites/pages.jsonl.gz",
    "pages": "pages/pages.jsonl.gz",
    "versions": "versions/docs.jsonl.gz",
    "chinese": "chinese/docs.jsonl.gz",
    "japanese": "japanese/docs.jsonl.gz",
    "statutes": "statutes/paragraphs.jsonl.gz",
}
ARTICLES = pathlib.Path(__file__).resolve().parent.parent / "corpus" / "articles.jsonl"
BOILERPLATE_NAMES = {reason.name.lower() for reason in BOILERPLATE}
KEEP_BOILERPLATE = [word for reason in REMOVABLE if reason in BOILERPLATE_NAMES for word in ("--keep", reason)]
KEEP_DOCUMENTS = [word for reason in REMOVABLE if reason.endswith("_document") for word in ("--keep", reason)]
PASSES: tuple[tuple[str, list[str]], ...] = (
    ("blocks", KEEP_BOILERPLATE + KEEP_DOCUMENTS),
    ("blocks and documents", KEEP_BOILERPLATE),
    ("boilerplate, blocks and documents", []),
)


class Removed(NamedTuple):
    """What cleaning took.

    Attributes:
        blocks: removed by themselves.
        documents: removed as a whole.
        characters: of the texts, before.
        left: of the texts, after.
    """

    blocks: int
    documents: int
    characters: int
    left: int


def characters(path: pathlib.Path) -> int:
    """Count the characters of all texts."""
    return sum(len(record["text"]) for record in read_records(path))


def clean(source: pathlib.Path, target: pathlib.Path, options: list[str]) -> Removed:
    """Clean a file and read what was removed."""
    run(dedup("clean", source, "-o", target, "--allow", *options))
    removals = target.with_name(target.name + ".removals.jsonl")
    with removals.open(encoding="utf-8") as lines:
        of_blocks = ["block" in json.loads(line) for line in lines]
    blocks = sum(of_blocks)
    return Removed(blocks, len(of_blocks) - blocks, characters(source), characters(target))


def unpacked(path: pathlib.Path, room: pathlib.Path) -> pathlib.Path:
    """Return a plain copy of a compressed file, since an output is compressed as its input was."""
    if path.suffix != ".gz":
        return path
    target = room / "unpacked.jsonl"
    with target.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in read_records(path))
    return target


def corpus_figures(name: str, path: pathlib.Path, options: list[str]) -> list[Figure]:
    """Clean a corpus twice: by blocks only, with documents, with boilerplate."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        source = unpacked(path, room)
        for title, more in PASSES:
            say(f"{name}, {title} ...")
            first = clean(source, room / "first.jsonl", options + more)
            second = clean(room / "first.jsonl", room / "second.jsonl", options + more)
            taken = share(second.characters - second.left, second.characters)
            passes = (f"{one.blocks:,} blocks, {one.documents:,} documents" for one in (first, second))
            note = "first pass {}; second {}".format(*passes)
            if title == "blocks":
                figures.append(Figure(f"{name}, {title}: dropped the second time", second.blocks, "equals", 0, note))
            elif more:
                figures.append(Figure(f"{name}, {title}: characters the second time", taken, "at most", 0.001, note))
            else:
                figures.append(Figure(f"{name}, {title}: characters the second time", taken, note=note))
    return figures


@click.command()
@data_option("the corpora, each in a folder of its name")
@click.option(
    "--corpus", "names", type=click.Choice([*CORPORA, "articles"]), multiple=True, help="This corpus only; repeatable."
)
@click.option("--option", "options", multiple=True, help="For `dedup clean`, e.g. --option=--split=lines; repeatable.")
@json_option
def main(data: pathlib.Path, names: tuple[str, ...], options: tuple[str, ...], as_json: bool) -> None:
    """Clean each corpus twice and count what goes the second time."""
    paths = {**{name: data / path for name, path in CORPORA.items()}, "articles": ARTICLES}
    figures = []
    for name in names or paths:
        figures += corpus_figures(name, paths[name], list(options))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
