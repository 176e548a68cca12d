"""Does a scan find what is there, and only that? Measured against an exact join, on texts of several kinds."""

from __future__ import annotations

import dataclasses
import pathlib
import random
import tempfile
from collections.abc import Iterable, Mapping

import click
from edits import Edit, chinese_edits, edit_figures, edit_records, english_edits, unlike
from figures import Figure, finish, json_option, say, share
from inputs import data_option, generate, read_records, write_records
from join import exact_join
from reference import DOC_WORDS, number_sets, shingles, tokens
from truth import Reported, candidate_figures, sketch, verdict_figures

from dedup.pipeline import scan
from dedup.schema import BOILERPLATE
from dedup.settings import DEFAULT_DROP, Settings

STATUTES, CHINESE, VERSIONS = "statutes/paragraphs.jsonl.gz", "chinese/docs.jsonl.gz", "versions/docs.jsonl.gz"
# what is measured is copies: boilerplate stays, so that all blocks are compared
COPIES = Settings(drop=DEFAULT_DROP - {reason.name.lower() for reason in BOILERPLATE})
PARTS = ("statutes", "generated", "edits", "versions")


def report(path: pathlib.Path, texts: Mapping[str, str], settings: Settings) -> Reported:
    """Scan a file, past all guard rails."""
    return Reported.read(scan(path, dataclasses.replace(settings, allow=True)), dict(texts))


def corpus_figures(name: str, path: pathlib.Path, settings: Settings) -> list[Figure]:
    """Measure candidates and verdicts on one corpus.

    The verdicts come from two scans: with default settings, where equal and near documents leave first, and with no
    document dropped, where all blocks are matched.
    """
    texts = {record["id"]: record["text"] for record in read_records(path)}
    say(f"{name}: {len(texts):,} documents, candidates ...")
    figures = candidate_figures(name, sketch(path, list(texts.values()), settings), settings.threshold)
    say(f"{name}: verdicts ...")
    blocks_only = dataclasses.replace(settings, drop=frozenset({"exact_duplicate", "near_duplicate"}))
    for title, chosen in (("default", settings), ("blocks only", blocks_only)):
        figures += verdict_figures(f"{name}, {title}", report(path, texts, chosen), chosen)
    return figures


def one_word_figures(name: str, edits: list[Edit], room: pathlib.Path) -> list[Figure]:
    """Scan short paragraphs and their edited copies with default settings."""
    records = edit_records(edits)
    path = write_records(room / f"{name}.jsonl", records)
    settings = COPIES
    return edit_figures(name, edits, report(path, {row["id"]: row["text"] for row in records}, settings), settings)


def version_figures(path: pathlib.Path) -> list[Figure]:
    """Say how many of the pages that are truly like another take part in a cluster."""
    settings = COPIES
    texts = {record["id"]: record["text"] for record in read_records(path)}
    ids = list(texts)
    sets = number_sets(shingles(tokens(text), *DOC_WORDS) for text in texts.values())
    pairs, _ = exact_join(sets, settings.doc_threshold)
    alike = {ids[row] for row in pairs.reshape(-1)}
    reported = report(path, texts, settings)
    found = {
        row["doc"]
        for row in reported.documents
        if row["action"] == "drop" or row["partner_doc"] is not None or row["cluster"] is not None
    }
    hits = len(alike & found)
    note = f"{hits:,} of {len(alike):,}, in {len(pairs):,} pairs"
    return [
        Figure(
            f"versions: pages of J >= {settings.doc_threshold} found", share(hits, len(alike)), "at least", 0.99, note
        ),
        *verdict_figures("versions", reported, settings),
    ]


def texts_of(path: pathlib.Path) -> Iterable[str]:
    """Read the texts of a file."""
    return (record["text"] for record in read_records(path))


@click.command()
@data_option("statutes/, chinese/ and versions/")
@click.option(
    "--generated",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    required=True,
    help="Throughput corpus; made there where it is absent.",
)
@click.option("--megabytes", default=20.0, show_default=True, help="Size of the corpus to make.")
@click.option("--paragraphs", default=20_000, show_default=True, help="Statute paragraphs to take.")
@click.option("--edits", "edit_count", default=3000, show_default=True, help="One-word edits of each language.")
@click.option("--seed", default=1, show_default=True, help="Seed of the edits.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Measure this part only; repeatable.")
@json_option
def main(
    data: pathlib.Path, generated: pathlib.Path, megabytes: float, paragraphs: int, edit_count: int, seed: int,
    parts: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Measure recall and truth of a scan."""
    wanted = parts or PARTS
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        room = pathlib.Path(name)
        if "statutes" in wanted:
            path = write_records(room / "statutes.jsonl", read_records(data / STATUTES, paragraphs))
            figures += corpus_figures("statutes", path, Settings(split="blank"))
        if "generated" in wanted:
            figures += corpus_figures("generated", generate(generated, megabytes), COPIES)
        if "edits" in wanted:
            generator = random.Random(seed)
            english = unlike(english_edits(list(texts_of(data / STATUTES)), 2 * edit_count, generator), edit_count)
            figures += one_word_figures("english", english, room)
            chinese = unlike(chinese_edits(list(texts_of(data / CHINESE)), 2 * edit_count, generator), edit_count)
            figures += one_word_figures("chinese", chinese, room)
        if "versions" in wanted:
            figures += version_figures(data / VERSIONS)
    finish(figures, as_json)


if __name__ == "__main__":
    main()
