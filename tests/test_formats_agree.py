"""The same records in each format give the same verdicts, the same cleaned texts, and come back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import CORPUS, dedup, rows

from dedup import Settings, clean, scan, undo

FIELDS = ["id", "source", "title", "text"]
Records = list[dict[str, Any]]


def write_lines(path: Path, records: Records) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def write_array(path: Path, records: Records) -> None:
    path.write_text(json.dumps(records, ensure_ascii=False, indent=2), encoding="utf-8")


def write_delimited(separator: str) -> Callable[[Path, Records], None]:
    def write(path: Path, records: Records) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, delimiter=separator)
            writer.writeheader()
            writer.writerows(records)

    return write


def write_parquet(path: Path, records: Records) -> None:
    pq.write_table(pa.Table.from_pylist(records), path, row_group_size=40)


def write_arrow(path: Path, records: Records) -> None:
    table = pa.Table.from_pylist(records)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, 40)


def read_delimited(separator: str) -> Callable[[Path], Records]:
    def read(path: Path) -> Records:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=separator))

    return read


def read_arrow(path: Path) -> Records:
    with pa.memory_map(str(path)) as source:
        return list(pa.ipc.open_file(source).read_all().to_pylist())


FORMATS: dict[str, tuple[Callable[[Path, Records], None], Callable[[Path], Records]]] = {
    "jsonl": (write_lines, rows),
    "json": (write_array, lambda path: list(json.loads(path.read_text(encoding="utf-8")))),
    "csv": (write_delimited(","), read_delimited(",")),
    "tsv": (write_delimited("\t"), read_delimited("\t")),
    "parquet": (write_parquet, lambda path: list(pq.read_table(path).to_pylist())),
    "arrow": (write_arrow, read_arrow),
}


@pytest.fixture(scope="module")
def records() -> Records:
    """Return records without what a format cannot hold."""
    with (CORPUS / "articles.jsonl").open(encoding="utf-8") as file:
        return [{name: record.get(name) or "" for name in FIELDS} for record in map(json.loads, file)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("batch_bytes", [20_000, 2 << 20])
def test_a_corpus_is_the_same_in_each_format(tmp_path: Path, records: Records, name: str, batch_bytes: int) -> None:
    settings = Settings(batch_bytes=batch_bytes, allow=True)
    expected = clean([dict(record) for record in records], settings=settings)
    write, read = FORMATS[name]
    path, out, back = tmp_path / f"in.{name}", tmp_path / f"out.{name}", tmp_path / f"back.{name}"
    write(path, records)
    assert read(path) == records
    run = scan(path, settings, out=tmp_path / "run")
    assert run.verdicts.equals(expected.run.verdicts)
    cleaned = clean(path, out, settings, run=run)
    assert read(out) == expected.records
    assert cleaned.summary["blocks_dropped"] > 100
    assert read(undo(out, back)) == records
    if name not in {"parquet", "arrow"}:
        assert back.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_reads_and_writes_each_format(tmp_path: Path, records: Records, name: str) -> None:
    write, read = FORMATS[name]
    path, out = tmp_path / f"in.{name}", tmp_path / f"out.{name}"
    write(path, records)
    dedup("clean", path, "-o", out, "--allow")
    dedup("clean", "--undo", out, "-o", tmp_path / f"back.{name}")
    assert read(tmp_path / f"back.{name}") == records
    assert len(read(out)) <= len(records)
    assert sum(len(one["text"]) for one in read(out)) < sum(len(one["text"]) for one in records)
