"""Does a run depend on how it was run? The same corpus is scanned in many ways, and the results' bytes compared.

Threads, bytes read at a time, and how the input is cut into files must not show; with the longest text as survivor, the
order of the documents must not either. Documents need ids of their own for this, as names made of file and line change.
"""

from __future__ import annotations

import dataclasses
import gzip
import pathlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click
import pyarrow.parquet as pq
from figures import Figure, finish, json_option, say
from inputs import generate

from dedup.pipeline import scan
from dedup.run import DOCUMENTS_FILE, TEMPLATES_FILE, VERDICTS_FILE
from dedup.settings import Settings

FILES = (VERDICTS_FILE, DOCUMENTS_FILE, TEMPLATES_FILE)
PARTS = 7
BATCHES = (64 << 10, 1 << 20, 8 << 20)


class Way(NamedTuple):
    """One way to run a scan.

    Attributes:
        name: in words.
        paths: the input.
        settings: of the scan.
    """

    name: str
    paths: list[pathlib.Path]
    settings: Settings


def split_lines(lines: Sequence[bytes], room: pathlib.Path, parts: int) -> list[pathlib.Path]:
    """Write lines to so many files, of unequal length, in order."""
    paths = []
    bounds = [len(lines) * k * (k + 1) // (parts * (parts + 1)) for k in range(parts + 1)]
    for k in range(parts):
        paths.append(room / f"part-{k}.jsonl")
        paths[-1].write_bytes(b"".join(lines[bounds[k] : bounds[k + 1]]))
    return paths


def shuffled(lines: Sequence[bytes], room: pathlib.Path, seed: int) -> pathlib.Path:
    """Write lines to a file in random order."""
    mixed = list(lines)
    random.Random(seed).shuffle(mixed)
    path = room / f"shuffled-{seed}.jsonl"
    path.write_bytes(b"".join(mixed))
    return path


def ways(path: pathlib.Path, room: pathlib.Path, base: Settings) -> Iterator[list[Way]]:
    """Yield groups of ways; the runs of a group have to be equal, the first is what the others are compared with."""
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines(keepends=True)
    if not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    parts = split_lines(lines, room, PARTS)

    def with_settings(**changes: object) -> Settings:
        return dataclasses.replace(base, allow=True, **changes)  # type: ignore[arg-type]

    yield [
        Way("as it comes", [path], with_settings()),
        *(Way(f"threads {n}", [path], with_settings(threads=n)) for n in (1, 2, 5)),
        *(Way(f"batches of {size >> 10} KB", [path], with_settings(batch_bytes=size)) for size in BATCHES),
        Way(f"in {PARTS} files", parts, with_settings()),
        Way(f"in {PARTS} files, batches of 64 KB, 1 thread", parts, with_settings(batch_bytes=BATCHES[0], threads=1)),
    ]
    yield [
        Way("longest survives", [path], with_settings(survivor="longest")),
        *(
            Way(
                f"longest survives, shuffled {k}",
                [shuffled(lines, room, k)],
                with_settings(survivor="longest", threads=k),
            )
            for k in (1, 2)
        ),
        Way(
            f"longest survives, {PARTS} files backwards",
            parts[::-1],
            with_settings(survivor="longest", batch_bytes=BATCHES[1]),
        ),
    ]


def difference(one: pathlib.Path, two: pathlib.Path) -> str | None:
    """Say in what two Parquet files differ: None, in their bytes only, or in the columns that are named."""
    if one.read_bytes() == two.read_bytes():
        return None
    a, b = pq.read_table(one), pq.read_table(two)
    columns = [name for name in a.column_names if name not in b.column_names or not a[name].equals(b[name])]
    return f"{one.name}: {', '.join(columns) or 'bytes only, equal values'}"


def sameness_figures(name: str, path: pathlib.Path, base: Settings) -> list[Figure]:
    """Run a corpus in every way."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        room = pathlib.Path(folder)
        for group in ways(path, room, base):
            for way in group:
                say(f"{name}: {way.name} ...")
                out = room / ("first" if way is group[0] else "run")
                scan([str(one) for one in way.paths], way.settings, out=out)
                if way is group[0]:
                    continue
                found = [difference(room / "first" / file, out / file) for file in FILES]
                differing = [one for one in found if one is not None]
                title = f"{name}: {way.name}: files that differ"
                figures.append(Figure(title, len(differing), "equals", 0, "; ".join(differing)))
    return figures


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.option(
    "--generated",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Scan this throughput corpus too; made there where it is absent.",
)
@click.option("--megabytes", default=20.0, show_default=True, help="Size of the corpus to make.")
@click.option("--seed", default=2, show_default=True, help="Seed of the corpus to make.")
@json_option
def main(
    paths: tuple[pathlib.Path, ...], generated: pathlib.Path | None, megabytes: float, seed: int, as_json: bool
) -> None:
    """Scan PATHS (JSON lines, plain or gzip, with unique ids) in many ways and compare the verdicts' bytes."""
    corpora = [*paths, *([generate(generated, megabytes, seed)] if generated else [])]
    if not corpora:
        raise click.UsageError("name a corpus, or one to make with --generated")
    finish(
        [
            figure
            for path in corpora
            for figure in sameness_figures(f"{path.parent.name}/{path.name}", path, Settings())
        ],
        as_json,
    )


if __name__ == "__main__":
    main()
