"""Compile the hand-written `articles/*.txt` to `articles.jsonl` and `labels.jsonl`.

The format of the sources is described in README.md. Without an option the two files are written;
`--check` says whether they are up to date, `--stats` counts what is in the sources.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from authoring import FIELDS, Article, Block, Parser, SourceError

ARTICLES_FILE = "articles.jsonl"
LABELS_FILE = "labels.jsonl"
WRAP_COLUMNS = 76

DIGITS = re.compile(r"\d+")

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def exact_key(text: str) -> str:
    """Return what `exact` members have in common: letters, digits and marks, case and width folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))


def number_key(text: str) -> str:
    """Return what `number` members have in common: the text with every run of digits as 0."""
    return DIGITS.sub("0", text)


def member_problem(base: Block, block: Block) -> str | None:
    """Say why a block's relation to the base of its cluster cannot be right, if it cannot."""
    same = exact_key(base.text) == exact_key(block.text)
    only_numbers = number_key(base.text) == number_key(block.text)
    if block.relation == "exact" and not same:
        return "has other letters or digits than its base, so it is not 'exact'"
    if block.relation == "number" and not only_numbers:
        return "differs from its base in more than digits, so it is not 'number'"
    if block.relation in ("near", "number") and same:
        return f"has the same words as its base, so it is 'exact', not {block.relation!r}"
    if block.relation == "near" and only_numbers:
        return "differs from its base only in digits, so it is 'number', not 'near'"
    return None


def corpus_problems(articles: Iterable[Article]) -> list[str]:
    """Check what concerns several blocks or articles: identifiers and clusters."""
    problems: list[str] = []
    seen: dict[str, str] = {}
    clusters: dict[str, list[Block]] = {}
    for article in articles:
        if article.id in seen:
            problems.append(f"{article.where}: article {article.id!r} already stands at {seen[article.id]}")
        seen.setdefault(article.id, article.where)
        for block in article.blocks:
            if block.cluster is not None:
                clusters.setdefault(block.cluster, []).append(block)
    for name, members in clusters.items():
        bases = [block for block in members if block.relation == "base"]
        if not bases:
            problems.append(f"{members[0].where}: cluster {name!r} has no base")
        for extra in bases[1:]:
            problems.append(f"{extra.where}: cluster {name!r} already has a base at {bases[0].where}")
        for block in members if len(bases) == 1 else ():
            message = None if block is bases[0] else member_problem(bases[0], block)
            if message is not None:
                problems.append(f"{block.where}: member of cluster {name!r} (base at {bases[0].where}) {message}")
    return problems


def laid_out(block: Block, join: str) -> str:
    """Return the text of a block as it stands in the article."""
    if join != "wrap" or block.kind not in ("paragraph", "list_item"):
        return block.text
    indent = "  " if block.kind == "list_item" else ""
    return textwrap.fill(
        block.text, WRAP_COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def compiled(article: Article) -> tuple[dict[str, object], list[dict[str, object]]]:
    """Return the row of an article and the rows of its labels."""
    parts: list[str] = []
    labels: list[dict[str, object]] = []
    size = 0
    before = ""
    for position, block in enumerate(article.blocks):
        if parts:
            close = article.join == "lines" or (block.kind == before and before in ("list_item", "other"))
            parts.append("\n" if close else "\n\n")
            size += len(parts[-1])
        parts.append(laid_out(block, article.join))
        end = size + len(parts[-1].encode())
        label: dict[str, object] = {"doc": article.id, "block": position, "start": size, "end": end}
        label |= {"kind": block.kind, "role": block.role, "substance": block.substance}
        label |= {"cluster": block.cluster, "relation": block.relation}
        labels.append(label)
        size, before = end, block.kind
    row: dict[str, object] = {"id": article.id, "source": article.source}
    row |= {key: article.fields[key] for key in FIELDS}
    row["text"] = "".join(parts) + "\n"
    return row, labels


def outputs(articles: Iterable[Article]) -> dict[str, bytes]:
    """Return the contents of the two compiled files by name; the articles are checked first."""
    articles = list(articles)
    problems = corpus_problems(articles)
    if problems:
        raise SourceError(problems)
    rows: list[str] = []
    labels: list[str] = []
    for article in articles:
        row, marks = compiled(article)
        rows.append(_ENCODER.encode(row) + "\n")
        labels.extend(_ENCODER.encode(mark) + "\n" for mark in marks)
    return {ARTICLES_FILE: "".join(rows).encode(), LABELS_FILE: "".join(labels).encode()}


def read_sources(directory: Path) -> list[Article]:
    """Parse every `*.txt` file of a directory in the order of names."""
    paths = sorted(directory.glob("*.txt"), key=lambda path: path.name)
    if not paths:
        raise SourceError([f"{directory}: no *.txt file"])
    articles: list[Article] = []
    problems: list[str] = []
    for path in paths:
        parser = Parser(path.name)
        articles.extend(parser.parse(path.read_bytes()))
        problems.extend(parser.problems)
    if problems:
        raise SourceError(problems)
    return articles


def write_files(directory: Path, files: dict[str, bytes]) -> None:
    """Write files into a directory, each all at once or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        temporary = directory / f".{name}.{os.getpid()}.tmp"
        try:
            temporary.write_bytes(data)
            os.replace(temporary, directory / name)
        finally:
            temporary.unlink(missing_ok=True)


def stale_files(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Return the names of the files that are missing in a directory or differ from `files`."""
    paths = {name: directory / name for name in files}
    return [name for name, path in paths.items() if not path.is_file() or path.read_bytes() != files[name]]


def statistics(articles: Sequence[Article]) -> str:
    """Count articles and blocks by site, language, kind, role, substance and relation."""
    lines = [f"{len(articles)} articles, {sum(len(article.blocks) for article in articles)} blocks"]
    for title, key in (("site", "source"), ("language", "lang")):
        names = [article.source if key == "source" else article.fields[key] for article in articles]
        blocks: Counter[str] = Counter()
        for name, article in zip(names, articles, strict=True):
            blocks[name] += len(article.blocks)
        lines.append(f"\n{title:34} articles   blocks")
        lines.extend(f"  {name:32} {count:8} {blocks[name]:8}" for name, count in sorted(Counter(names).items()))
    for title in ("kind", "role", "substance", "relation"):
        values = Counter(str(getattr(block, title) or "-") for article in articles for block in article.blocks)
        lines.append(f"\n{title:34}            blocks")
        lines.extend(f"  {name:32} {'':8} {count:8}" for name, count in sorted(values.items()))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Compile articles/*.txt to articles.jsonl and labels.jsonl.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="exit 1 if a compiled file is not up to date")
    mode.add_argument("--stats", action="store_true", help="print counts and write nothing")
    parser.add_argument("--directory", type=Path, default=Path(__file__).resolve().parent, help="default: here")
    options = parser.parse_args(arguments)
    try:
        articles = read_sources(options.directory / "articles")
        files = outputs(articles)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    if options.stats:
        print(statistics(articles))
    elif options.check:
        stale = stale_files(options.directory, files)
        for name in stale:
            print(f"{name}: not up to date, run build.py", file=sys.stderr)
        return 1 if stale else 0
    else:
        write_files(options.directory, files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
