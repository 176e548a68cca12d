"""A run directory: verdicts, documents, summary and rejects, written once and read back."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from dedup.arrays import I64
from dedup.errors import Corrupt, NotFound, VersionMismatch
from dedup.schema import DOCUMENTS, VERDICTS, Documents, Reject
from dedup.store import (
    DOCUMENTS_FILE,
    MADE_BY,
    MAKER,
    ORDER_FILE,
    REJECTS_FILE,
    REMOVALS_FILE,
    SUMMARY_FILE,
    TEMPLATES_FILE,
    VERDICTS_FILE,
)
from dedup.version import __version__

FORMAT = 4


@dataclasses.dataclass(frozen=True)
class Run:
    """What a scan found.

    Attributes:
        path: the run directory.
        summary: counts, settings, inputs and alarms.
    """

    path: pathlib.Path
    summary: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run directory.

        Raises:
            NotFound: there is none.
            VersionMismatch: another version of this package wrote it.
            Corrupt: its summary is no JSON.
        """
        root = pathlib.Path(path)
        try:
            summary = json.loads((root / SUMMARY_FILE).read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"{root} is no run directory: it has no {SUMMARY_FILE}") from error
        except ValueError as error:
            raise Corrupt(f"{root / SUMMARY_FILE} is damaged: scan again") from error
        if summary.get("format") != FORMAT:
            raise VersionMismatch(f"{root} has format {summary.get('format')}, this version reads {FORMAT}: scan again")
        return cls(root, summary)

    @functools.cached_property
    def verdicts(self) -> pa.Table:
        """One row a block: doc, block, start, end, kind, action, reason, partner_*, similarity, cluster."""
        return pq.read_table(self.path / VERDICTS_FILE, memory_map=True)

    @functools.cached_property
    def documents(self) -> pa.Table:
        """One row a document: doc, action, reason, partner_doc, similarity, cluster, blocks."""
        return pq.read_table(self.path / DOCUMENTS_FILE, memory_map=True)

    @functools.cached_property
    def templates(self) -> pa.Table:
        """One row a template that recurs: see ``TEMPLATES`` in ``dedup.schema``."""
        return pq.read_table(self.path / TEMPLATES_FILE, memory_map=True)

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """Records that could not be used: file, line, error and the raw record."""
        path = self.path / REJECTS_FILE
        if not path.exists():
            return []
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @property
    def alarms(self) -> list[str]:
        """Guard rails that the run hit."""
        return list(self.summary["alarms"])

    def input_order(self) -> I64:
        """Return int64[docs], the row in ``documents`` of each document of the input, in input order."""
        path = self.path / ORDER_FILE
        if not path.exists():
            return np.arange(self.documents.num_rows)
        order: I64 = np.load(path)
        rows = np.empty_like(order)
        rows[order] = np.arange(order.size)
        return rows


def write_table(
    path: pathlib.Path, schema: pa.Schema, tables: Iterable[pa.Table], pool: Executor | None = None
) -> None:
    """Write tables to a Parquet file, a row group each; in a pool, encoding one while the next is made.

    The file's bytes depend on nothing but the values.
    """
    coded = [field.name for field in schema if pa.types.is_string(field.type)]
    coded += [f"{field.name}.list.element" for field in schema if pa.types.is_list(field.type)]
    packed = [field.name for field in schema if pa.types.is_integer(field.type)]
    with contextlib.ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        writing: Future[None] | None = None
        for table in tables:
            if writer is None:
                # against zstd and plain integers: a third of the time, half as large again
                writer = pq.ParquetWriter(
                    path, table.schema, compression="snappy", use_dictionary=coded, write_statistics=False,
                    column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"), store_schema=False,
                )  # fmt: skip
                stack.callback(writer.close)
            rows = max(1, table.num_rows)
            if pool is None:
                writer.write_table(table, rows)
                continue
            if writing is not None:
                writing.result()
            writing = pool.submit(writer.write_table, table, rows)
        if writing is not None:
            writing.result()
    if writer is None:
        pq.write_table(schema.empty_table(), path, store_schema=False)


def beside(target: pathlib.Path, name: str) -> pathlib.Path:
    """Return the path of what belongs to an output file."""
    return target.with_name(f"{target.name}.{name}")


def raw_fields(raw: bytes) -> dict[str, str]:
    """Put bytes into JSON: as a string where they are UTF-8, in base 64 where not."""
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(raw).decode()}


def raw_bytes(row: dict[str, Any]) -> bytes:
    """Read back what ``raw_fields`` wrote."""
    return base64.b64decode(row["raw_base64"]) if "raw_base64" in row else str(row["raw"]).encode()


def reject_row(reject: Reject) -> dict[str, Any]:
    """Put a rejected record into words."""
    return {"file": reject.path, "line": reject.line, "error": reject.error, **raw_fields(reject.raw)}


class TextsDigest:
    """A checksum of all texts of a corpus, in order, however they come in batches."""

    def __init__(self) -> None:
        self._texts, self._lengths = xxhash.xxh3_64(), xxhash.xxh3_64()

    def add(self, documents: Documents) -> None:
        """Take the texts of a batch."""
        self._texts.update(documents.data.data)
        self._lengths.update(np.diff(documents.bounds).data)

    def hexdigest(self) -> str:
        """Return the checksum of all texts so far, 32 hexadecimal digits."""
        return self._texts.hexdigest() + self._lengths.hexdigest()


def summary_bytes(summary: dict[str, Any]) -> bytes:
    """Write a summary as JSON, and that this package made it."""
    return json.dumps({MADE_BY: f"{MAKER} {__version__}", **summary}, indent=1).encode() + b"\n"


def json_line(row: dict[str, Any]) -> bytes:
    """Write a row as a JSON line."""
    try:
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:  # the name of a file need not be UTF-8
        return json.dumps(row).encode() + b"\n"


def json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Write rows as JSON lines."""
    return map(json_line, rows)


__all__ = [
    "DOCUMENTS", "DOCUMENTS_FILE", "ORDER_FILE", "REJECTS_FILE", "REMOVALS_FILE", "SUMMARY_FILE", "TEMPLATES_FILE",
    "VERDICTS", "VERDICTS_FILE", "Run", "TextsDigest", "json_line", "json_lines", "raw_bytes", "raw_fields",
    "reject_row", "summary_bytes", "write_table",
]  # fmt: skip
