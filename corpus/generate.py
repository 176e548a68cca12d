"""Generate texts from a seed: corpora of any size with planted copies, or scraped-looking sites with labels.

The same arguments give the same bytes. `throughput` writes made-up text with a record of what was planted
in it; `sites` writes articles.jsonl and labels.jsonl in the format of build.py.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from build import outputs, write_files
from gen_sites import make_sites
from gen_stream import Counts, Document, Source

_BUFFER = 1 << 20


def document_row(document: Document) -> bytes:
    """Return the JSON line of a document; nothing in it but the line ends has to be escaped."""
    head = (
        f'{{"id":"{document.id}","source":"{document.site.name}","url":"{document.url}",'
        f'"title":"{document.title}","date":"{document.date}","text":"'
    )
    return b"".join((head.encode(), b"\\n".join(document.lines()), b'\\n"}\n'))


def truth_rows(document: Document) -> bytes:
    """Return the JSON lines that say what was planted in a document."""
    doc = document.id
    rows: list[str] = []
    if document.of_doc:
        rows.append(
            f'{{"type":"document","doc":"{doc}","of_doc":"{document.of_doc}","relation":"{document.relation}"}}\n'
        )
    for block, of_doc, of_block, relation, edits in document.planted:
        rows.append(
            f'{{"type":"block","doc":"{doc}","block":{block},"of_doc":"{of_doc}","of_block":{of_block},'
            f'"relation":"{relation}","edits":{edits}}}\n'
        )
    return "".join(rows).encode()


def write_throughput(path: Path, truth: Path | None, size: int, seed: int, share: float) -> tuple[int, Counts]:
    """Write documents until the file holds `size` bytes; return the bytes written and the counts."""
    source = Source(seed, share)
    written = 0
    with ExitStack() as stack:
        out = stack.enter_context(path.open("wb", buffering=_BUFFER))
        notes = stack.enter_context(truth.open("wb", buffering=_BUFFER)) if truth else None
        for document in source.documents():
            written += out.write(document_row(document))
            if notes:
                notes.write(truth_rows(document))
            if written >= size:
                break
    return written, source.counts


def _throughput(options: argparse.Namespace) -> None:
    """Run the `throughput` subcommand."""
    gc.disable()  # nothing here makes cycles, and looking for them takes a good part of the time
    start = time.perf_counter()
    size = round(options.megabytes * 1e6)
    written, counts = write_throughput(options.out, options.truth, size, options.seed, options.dup_share)
    gc.enable()
    seconds = time.perf_counter() - start
    print(
        f"{written / 1e6:.1f} MB in {seconds:.1f} s ({written / 1e6 / seconds:.1f} MB/s): "
        f"{counts.documents} documents, {counts.blocks} blocks, "
        f"{counts.planted / counts.blocks:.1%} of them planted",
        file=sys.stderr,
    )


def _sites(options: argparse.Namespace) -> None:
    """Run the `sites` subcommand."""
    articles = make_sites(options.sites, options.pages, options.seed)
    write_files(options.out, outputs(articles))
    blocks = sum(len(article.blocks) for article in articles)
    print(f"{len(articles)} articles, {blocks} blocks", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description="Generate texts from a seed.")
    commands = parser.add_subparsers(required=True)
    stream = commands.add_parser("throughput", help="a corpus of any size, with planted copies")
    stream.add_argument("out", type=Path, metavar="OUT.jsonl")
    stream.add_argument("--megabytes", type=float, default=200.0)
    stream.add_argument("--seed", type=int, default=1)
    stream.add_argument("--truth", type=Path, metavar="OUT.truth.jsonl", help="where to write what was planted")
    stream.add_argument("--dup-share", type=float, default=0.3, help="share of blocks that are planted")
    stream.set_defaults(run=_throughput)
    sites = commands.add_parser("sites", help="scraped-looking sites with labels")
    sites.add_argument("out", type=Path, metavar="OUTDIR")
    sites.add_argument("--sites", type=int, default=6)
    sites.add_argument("--pages", type=int, default=30, help="pages of each site")
    sites.add_argument("--seed", type=int, default=1)
    sites.set_defaults(run=_sites)
    options = parser.parse_args(arguments)
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
