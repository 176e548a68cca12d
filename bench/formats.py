"""How fast is each format read? By the library that reads it alone, by this package's reader, and by a whole scan.

    python bench/formats.py --megabytes 200 --rounds 3 --cache CACHE

One corpus is written in every format. Each round reads it in each of them by turns. Bare reads decompress, or give the
texts as the library gives them, and do nothing with them; a scan is the whole process, all stages. MB/s are of text.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import functools
import gzip
import html
import json
import lzma
import pathlib
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import click
import msgspec
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator
from figures import Figure, Sense, finish, json_option, say
from inputs import generate
from isal import igzip
from process import dedup, run

from dedup.formats import narrow, open_inputs
from dedup.reading import pool_of
from dedup.settings import Settings
from dedup.threads import ordered_map

PIECE = 1 << 20
GROUP = 1 << 13  # rows
MOST_PARQUET, MOST_GZIP = 3.0, 2.5
FIELDS = ("id", "source", "text")


class Text(msgspec.Struct):
    """The one field that is read."""

    text: str


class Times(NamedTuple):
    """Seconds of wall clock and of processors."""

    wall: float
    cpu: float


class Format(NamedTuple):
    """A format.

    Attributes:
        name: what to call it.
        path: of the file or directory, below the cache.
        share: of the corpus that is written: what is slow gets less.
        write: writes the corpus' lines there.
        bare: reads it, and nothing more.
        how: what ``bare`` does, in a few words.
    """

    name: str
    path: str
    share: float
    write: Callable[[pathlib.Path, list[bytes]], object]
    bare: Callable[[pathlib.Path], object]
    how: str


def drain(stream: Any) -> None:
    """Read a stream to its end."""
    with stream:
        while stream.read(PIECE):
            pass


def table_of(lines: list[bytes]) -> pa.Table:
    """Put lines of JSON into a table."""
    rows = map(msgspec.json.decode, lines)
    return pa.Table.from_pylist([{name: row.get(name) for name in FIELDS} for row in rows])


def write_with(opened: Callable[[pathlib.Path], Any]) -> Callable[[pathlib.Path, list[bytes]], None]:
    """Return what writes lines to what is opened."""

    def write(path: pathlib.Path, lines: list[bytes]) -> None:
        with opened(path) as file:
            for k in range(0, len(lines), 1000):
                file.write(b"".join(lines[k : k + 1000]))

    return write


def write_array(path: pathlib.Path, lines: list[bytes]) -> None:
    """Write one JSON array."""
    path.write_bytes(b"[" + b",".join(lines) + b"]")


def write_delimited(delimiter: str) -> Callable[[pathlib.Path, list[bytes]], None]:
    """Return what writes records of fields; where tabs part them, those in texts become blanks."""

    def write(path: pathlib.Path, lines: list[bytes]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, delimiter=delimiter)
            out.writerow(FIELDS)
            for line in lines:
                row = json.loads(line)
                out.writerow([str(row.get(name, "")).replace("\t", " ") for name in FIELDS])

    return write


def write_parquet(codec: str) -> Callable[[pathlib.Path, list[bytes]], None]:
    """Return what writes Parquet."""
    return lambda path, lines: pq.write_table(table_of(lines), path, compression=codec, row_group_size=GROUP)


def write_arrow(path: pathlib.Path, lines: list[bytes]) -> None:
    """Write Arrow's own format."""
    table = table_of(lines)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table, GROUP)


def write_texts(path: pathlib.Path, lines: list[bytes]) -> None:
    """Write a tree of text files, a thousand a directory."""
    for k, line in enumerate(lines):
        file = path / f"{k // 1000:03}" / f"{k % 1000:03}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.loads(line)["text"], encoding="utf-8")


def page_of(line: bytes) -> bytes:
    """Make a page of a record."""
    row = json.loads(line)
    body = "".join(f"<p>{html.escape(one)}</p>\n" for one in row["text"].split("\n") if one)
    return (
        f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{html.escape(str(row['id']))}</title></head>"
        f"<body><nav><a href='/'>Home</a></nav><article>{body}</article></body></html>"
    ).encode()


def write_pages(path: pathlib.Path, lines: list[bytes]) -> None:
    """Write a directory of pages."""
    path.mkdir(parents=True)
    for k, line in enumerate(lines):
        (path / f"{k:06}.html").write_bytes(page_of(line))


def write_warc(path: pathlib.Path, lines: list[bytes]) -> None:
    """Write an archive of responses, a member each."""
    with path.open("wb") as file:
        for k, line in enumerate(lines):
            response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page_of(line)
            head = (
                f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{k:012}>\r\n"
                f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Target-URI: https://example.org/{k}\r\n"
                f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(response)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + response + b"\r\n\r\n", 6))


def read_delimited(delimiter: str) -> Callable[[pathlib.Path], None]:
    """Return what reads the texts of records of fields."""

    def read(path: pathlib.Path) -> None:
        reader = pc.open_csv(
            path,
            parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pc.ConvertOptions(include_columns=["text"]),
        )
        for _ in reader:
            pass

    return read


def read_parquet(path: pathlib.Path) -> None:
    """Read the texts of a Parquet file."""
    for _ in pq.ParquetFile(path).iter_batches(columns=["text"]):
        pass


def read_arrow(path: pathlib.Path) -> None:
    """Read the texts of an Arrow file."""
    with pa.OSFile(str(path)) as file:
        fields = [FIELDS.index("text")]
        reader = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=fields))
        for k in range(reader.num_record_batches):
            reader.get_batch(k)


def read_files(path: pathlib.Path) -> None:
    """Read all files of a directory."""
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        file.read_bytes()


def read_warc(path: pathlib.Path) -> None:
    """Read the records of an archive."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True):
            record.reader.read()


def compressed(codec: str) -> tuple[Callable[[pathlib.Path], Any], Callable[[pathlib.Path], Any]]:
    """Return what opens a compressed file for writing, and for reading with the library that this package uses."""
    if codec in {"zstd", "lz4"}:
        return (
            lambda path: pa.CompressedOutputStream(str(path), codec),
            lambda path: pa.CompressedInputStream(pa.OSFile(str(path)), codec),
        )
    opens: Any = {"gzip": igzip, "bzip2": bz2, "xz": lzma}[codec]
    how = {"gzip": {"compresslevel": 6}, "bzip2": {}, "xz": {"preset": 3}}[codec]
    written: Any = gzip if codec == "gzip" else opens
    return (lambda path: written.open(path, "wb", **how)), (lambda path: opens.open(path, "rb"))


def of_codec(codec: str, suffix: str, how: str, share: float = 1) -> Format:
    """Return compressed lines."""
    write, read = compressed(codec)
    return Format(codec, f"lines.jsonl{suffix}", share, write_with(write), lambda path: drain(read(path)), how)


def lines_of(path: pathlib.Path) -> int:
    """Decode lines of JSON."""
    return len(msgspec.json.Decoder(Text).decode_lines(path.read_bytes()))


FORMATS = [
    Format("JSON lines", "lines.jsonl", 1, write_with(lambda path: path.open("wb")), lines_of, "read, msgspec"),
    of_codec("gzip", ".gz", "isal"),
    of_codec("zstd", ".zst", "pyarrow"),
    of_codec("lz4", ".lz4", "pyarrow"),
    of_codec("bzip2", ".bz2", "bz2", 0.2),
    of_codec("xz", ".xz", "lzma", 0.2),
    Format(
        "JSON array", "array.json", 1, write_array,
        lambda path: msgspec.json.decode(path.read_bytes(), type=list[Text]), "read, msgspec",
    ),
    Format("CSV", "table.csv", 1, write_delimited(","), read_delimited(","), "pyarrow.csv, all cores"),
    Format("TSV", "table.tsv", 1, write_delimited("\t"), read_delimited("\t"), "pyarrow.csv, all cores"),
    Format("Parquet, zstd", "zstd.parquet", 1, write_parquet("zstd"), read_parquet, "pyarrow.parquet, all cores"),
    Format("Parquet, snappy", "snappy.parquet", 1, write_parquet("snappy"), read_parquet, "pyarrow.parquet, all cores"),
    Format("Arrow", "table.arrow", 1, write_arrow, read_arrow, "pyarrow.ipc"),
    Format("text files", "texts", 1, write_texts, read_files, "read"),
    Format("HTML", "pages", 0.05, write_pages, read_files, "read; the rest is extraction"),
    Format("WARC", "pages.warc.gz", 0.05, write_warc, read_warc, "fastwarc; the rest is extraction"),
]  # fmt: skip


def write_all(source: pathlib.Path, folder: pathlib.Path) -> dict[str, float]:
    """Write the corpus in each format, unless it is there; return the MB of text of each."""
    lines = source.read_bytes().splitlines(keepends=True)
    ends = []
    total = 0
    for line in lines:
        total += len(msgspec.json.decode(line, type=Text).text.encode())
        ends.append(total)
    sizes = {}
    for one in FORMATS:
        count = max(1, int(len(lines) * one.share))
        sizes[one.name] = ends[count - 1] / 1e6
        path = folder / one.path
        if not path.exists():
            say(f"writing {one.path} ...")
            part = path.with_name(f"part-{path.name}")
            shutil.rmtree(part, ignore_errors=True)
            one.write(part, lines[:count])
            part.rename(path)
    return sizes


@contextlib.contextmanager
def timed() -> Iterator[list[Times]]:
    """Yield a list that will hold how long the block took, its processes that ended among it."""
    found: list[Times] = []

    def spent() -> float:
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in usages)

    begun, cpu = time.perf_counter(), spent()
    yield found
    found.append(Times(time.perf_counter() - begun, spent() - cpu))


def read_all(path: pathlib.Path) -> None:
    """Read and parse as scans do."""
    settings = Settings()
    with pool_of(settings.workers) as pool:
        for source in (narrow(one, settings) for one in open_inputs(str(path))):
            chunks = source.chunks(settings.batch_bytes)
            parse = functools.partial(source.parse, settings=settings)
            for _ in ordered_map(pool, parse, chunks, settings.workers + 1):
                pass


def measure(one: Format, folder: pathlib.Path, room: pathlib.Path) -> dict[str, Times]:
    """Time a format once."""
    path, times = folder / one.path, {}
    tasks: dict[str, Callable[[], object]] = {
        "bare": lambda: one.bare(path),
        "reader": lambda: read_all(path),
        "scan": lambda: run(dedup("scan", path, "-o", room / "run", "--allow")),
    }
    if one.name == "JSON lines":
        tasks["bytes"] = lambda: drain(path.open("rb"))
    if one.name == "gzip":
        tasks["gzip -dc"] = lambda: subprocess.run(["gzip", "-dc", path], stdout=subprocess.DEVNULL, check=True)
    for name, task in tasks.items():
        shutil.rmtree(room / "run", ignore_errors=True)
        with timed() as found:
            task()
        times[name] = found[0]
    return times


def median_of(times: list[dict[str, Times]], part: str) -> float:
    """Return the median seconds of a part."""
    return statistics.median(one[part].wall for one in times)


def told(size: float, times: list[Times]) -> str:
    """Tell MB/s by processor time, and the range of seconds."""
    cpu, walls = statistics.median(one.cpu for one in times), [one.wall for one in times]
    return f"{size / cpu:,.0f} MB/s of one processor; {min(walls):.2f} to {max(walls):.2f} s"


def bar_of(name: str, part: str) -> tuple[Sense, float]:
    """Return what is asked of a ratio."""
    if part == "scan" and name == "gzip":
        return "at most", MOST_GZIP
    return ("at most", MOST_PARQUET) if part == "scan" and name.startswith("Parquet") else ("-", 0)


@click.command()
@click.option("--megabytes", default=200.0, show_default=True, help="Size of the corpus.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    required=True,
    help="Folder that keeps the corpus in each format; runs are written there too.",
)
@click.option("--rounds", default=3, show_default=True, help="Measured rounds.")
@click.option("--only", default="", help="Formats whose names begin so.")
@json_option
def main(megabytes: float, cache: pathlib.Path, rounds: int, only: str, as_json: bool) -> None:
    """Time reading by format: the library alone, this package's reader, a whole scan."""
    folder = cache / f"formats-{megabytes:g}"
    folder.mkdir(parents=True, exist_ok=True)
    sizes = write_all(generate(cache / f"throughput-{megabytes:g}.jsonl", megabytes), folder)
    chosen = [one for one in FORMATS if one.name.startswith(only)]
    measured: dict[str, list[dict[str, Times]]] = {one.name: [] for one in chosen}
    with tempfile.TemporaryDirectory(dir=cache) as room:
        for number in range(rounds + 1):
            for one in chosen:
                times = measure(one, folder, pathlib.Path(room))
                if number:  # the first round fills caches
                    measured[one.name].append(times)
            say(f"round {number} of {rounds}")
    figures = []
    for one in chosen:
        times_of, size = measured[one.name], sizes[one.name]
        for part in times_of[0]:
            note = told(size, [times[part] for times in times_of])
            figures.append(Figure(f"{one.name}: {part}, MB/s", size / median_of(times_of, part), note=note))
        against = "gzip -dc" if one.name == "gzip" else "bare"
        for part in ("reader", "scan"):
            pairs = [(times[part], times[against]) for times in times_of]
            ratio = statistics.median(ours.wall / theirs.wall for ours, theirs in pairs)
            cpu = statistics.median(ours.cpu / theirs.cpu for ours, theirs in pairs)
            note = f"bare: {one.how}; {cpu:.3g} by processor time"
            figures.append(Figure(f"{one.name}: {part} / {against}", ratio, *bar_of(one.name, part), note))
    finish(figures, as_json)


if __name__ == "__main__":
    main()
