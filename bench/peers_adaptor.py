"""One runner more for the comparison with other tools: documents in, a cluster for each out.

    compare.py ... --ours 'dedup=python bench/peers_adaptor.py {in} {out} --threshold {threshold} --workers {workers}'

IN holds {"id", "text"} a line; OUT gets "id<TAB>cluster" a line, and the last line on stdout is the runners' JSON. The
scan is the usual one, blocks and all. A cluster is what the reported pairs of documents join: equal documents, and
pairs of at least the threshold's similarity. Wall clock starts after the imports, as in the other runners.
"""

from __future__ import annotations

import time

_STARTED = time.perf_counter()

import json  # noqa: E402 - the clock comes first
import pathlib  # noqa: E402
import resource  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Iterable  # noqa: E402

import click  # noqa: E402

from dedup.lsh import choose_bands  # noqa: E402
from dedup.pipeline import scan  # noqa: E402
from dedup.settings import Settings  # noqa: E402
from dedup.version import __version__  # noqa: E402

SHARE_REASON = "contained_document"  # its similarity is a share of blocks, not of word 5-grams


def join_pairs(ids: list[str], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each document the first one of those that pairs connect it with."""
    above = list(range(len(ids)))

    def top(row: int) -> int:
        while above[row] != row:
            above[row] = above[above[row]]
            row = above[row]
        return row

    for a, b in pairs:
        low, high = sorted((top(a), top(b)))
        above[high] = low
    return [top(row) for row in range(len(ids))]


def cluster(path: pathlib.Path, settings: Settings) -> tuple[list[str], list[int], float]:
    """Scan a corpus of documents.

    Returns:
        Their ids, the first document of the cluster of each, and the seconds that the scan itself took.
    """
    run = scan(path, settings)
    table = run.documents.select(["doc", "reason", "partner_doc", "similarity"]).to_pydict()
    ids: list[str] = table["doc"]
    row_of = {doc: row for row, doc in enumerate(ids)}
    columns = zip(table["reason"], table["partner_doc"], table["similarity"], strict=True)
    pairs = (
        (row, row_of[partner])
        for row, (reason, partner, similarity) in enumerate(columns)
        if reason not in {None, SHARE_REASON} and similarity >= settings.doc_threshold
    )
    return ids, join_pairs(ids, pairs), float(run.summary["seconds"])


def processor_seconds() -> float:
    """Return user and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@click.command()
@click.argument("source", metavar="IN", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.argument("target", metavar="OUT", type=click.Path(dir_okay=False, path_type=pathlib.Path))
@click.option("--threshold", default=0.8, show_default=True, help="Least Jaccard similarity of word 5-gram sets.")
@click.option("--workers", type=int, help="Threads.  [default: one a core]")
def main(source: pathlib.Path, target: pathlib.Path, threshold: float, workers: int | None) -> None:
    """Cluster the documents of IN and write OUT."""
    imports = time.perf_counter() - _STARTED
    processor, begun = processor_seconds(), time.perf_counter()
    settings = Settings(doc_threshold=threshold, allow=True, threads=workers)
    ids, firsts, scanning = cluster(source, settings)
    with target.open("w", encoding="utf-8") as file:
        file.writelines(f"{doc}\t{ids[first]}\n" for doc, first in zip(ids, firsts, strict=True))
    wall = time.perf_counter() - begun
    sizes = Counter(firsts)
    bands, rows = choose_bands(threshold, settings.doc_num_perm, settings.doc_recall)
    report = {
        "peer": "dedup",
        "version": __version__,
        "docs": len(ids),
        "mb": round(source.stat().st_size / 1e6, 2),
        "wall_s": round(wall, 3),
        "cpu_s": round(processor_seconds() - processor, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
        "clusters": sum(size > 1 for size in sizes.values()),
        "dups_removed": len(ids) - len(sizes),
        "import_s": round(imports, 3),
        "stages": {"scan": round(scanning, 3), "clusters": round(wall - scanning, 3)},
        "bands": bands,
        "rows": rows,
    }
    click.echo(json.dumps(report))


if __name__ == "__main__":
    main()
