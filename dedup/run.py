"""A run directory: verdicts, documents, summary and rejects, written once and read back."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import weakref
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from dedup.arrays import I64, U64
from dedup.errors import Corrupt, NotFound, VersionMismatch
from dedup.kernels.mixing import mix64
from dedup.publishing import fetch
from dedup.remote import read_bytes
from dedup.schema import DOCUMENTS, VERDICTS, Documents, Reject
from dedup.settings import Settings
from dedup.store import (
    DOCUMENTS_FILE,
    MADE_BY,
    MAKER,
    ORDER_FILE,
    OWN_FILES,
    REJECTS_FILE,
    REMOVALS_FILE,
    SUMMARY_FILE,
    TEMPLATES_FILE,
    UNFINISHED,
    VERDICTS_FILE,
    kind_of,
    summary_in,
    temporary_directory,
)
from dedup.urls import WEB, hide, is_url, join, local_path
from dedup.version import __version__

FORMAT = 6
LARGEST = (1 << 64) - 1
# What a summary of a run holds, and of what type.
TOLD: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("documents", "documents_dropped", "blocks", "blocks_dropped", "bytes", "bytes_dropped"), int),
    "documents_by_reason": dict, "blocks_by_reason": dict, "settings": dict, "inputs": list, "alarms": list,
    "texts": str, "rejects": int, "seconds": (int, float), MADE_BY: str,
    **dict.fromkeys(("low_evidence", "duplicate_ids", "pairs_skipped"), int),
}  # fmt: skip
OUTPUTS, LISTS = "outputs", "lists"  # in the summary of a cleaned corpus: its files, and the lists beside them


@dataclasses.dataclass(frozen=True)
class Run:
    """What a scan found.

    Attributes:
        path: the run directory; of a run in a store, a copy that goes with this object.
        summary: counts, settings, inputs and alarms.
        url: where it is in a store, without passwords; None for one that is not.
    """

    path: pathlib.Path
    summary: dict[str, Any]
    url: str | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Open a run directory, or copy one from a store (a URL).

        Raises:
            NotFound: there is none, or it cannot be read.
            VersionMismatch: another version of this package wrote it.
            Corrupt: its summary is no JSON, or it is not whole.
        """
        if is_url(path):
            return cls._fetched(os.fspath(path))
        root = pathlib.Path(local_path(os.fspath(path)))
        try:
            summary = json.loads((root / SUMMARY_FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{root} is no run directory: it has no {SUMMARY_FILE}") from error
        except (OSError, ValueError, RecursionError) as error:
            raise Corrupt(f"{root / SUMMARY_FILE} is damaged: scan again") from error
        if not isinstance(summary, dict):
            raise Corrupt(f"{root / SUMMARY_FILE} is damaged: scan again")
        check_format(summary, str(root))
        return cls(root, summary)

    @classmethod
    def _fetched(cls, url: str) -> Run:
        """Copy a run from a store into a temporary directory."""
        temporary = temporary_directory()
        try:
            fetch_run(url, temporary.path)
            summary = json.loads((temporary.path / SUMMARY_FILE).read_bytes())
            check_format(summary, hide(url))
            run = cls(temporary.path, summary, hide(url))
        except BaseException:
            temporary.close()
            raise
        weakref.finalize(run, temporary.close)
        return run

    @property
    def place(self) -> str:
        """What to call it in messages."""
        return str(self.path) if self.url is None else self.url

    def _table(self, name: str) -> pa.Table:
        """Read one of the tables."""
        with self._reading(name) as path:
            return pq.read_table(path, memory_map=True)

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[pathlib.Path]:
        """Yield the path of a file of the run, and say what is wrong with it.

        Raises:
            Corrupt: it is damaged, or not there.
        """
        path = self.path / name
        try:
            yield path
        except (pa.ArrowException, OSError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise Corrupt(f"{path} is damaged or missing ({told}): scan again") from error

    @functools.cached_property
    def verdicts(self) -> pa.Table:
        """One row a block: doc, block, start, end, kind, action, reason, partner_*, similarity, cluster."""
        return self._table(VERDICTS_FILE)

    def read_verdicts(self, columns: Collection[str]) -> Iterator[pa.Table]:
        """Yield some columns of ``verdicts`` a part at a time, for there may be more of it than memory holds.

        Args:
            columns: their names; those of scores are left out where substance was not scored.

        Raises:
            Corrupt: the file is damaged.
        """
        with self._reading(VERDICTS_FILE) as path, pq.ParquetFile(path, memory_map=True) as file:
            known = file.schema_arrow.names
            missing = {*VERDICTS.names} - {*known}
            if missing:
                raise LookupError(f"no column {', '.join(sorted(missing))}")
            for k in range(file.num_row_groups):
                yield file.read_row_group(k, [name for name in known if name in columns])

    @functools.cached_property
    def documents(self) -> pa.Table:
        """One row a document: doc, action, reason, partner_doc, similarity, cluster, blocks."""
        return self._table(DOCUMENTS_FILE)

    @functools.cached_property
    def templates(self) -> pa.Table:
        """One row a template that recurs: see ``TEMPLATES`` in ``dedup.schema``."""
        return self._table(TEMPLATES_FILE)

    @property
    def rejects(self) -> list[dict[str, Any]]:
        """Records that could not be used: file, line, error and the raw record."""
        return list(self.read_rejects())

    def read_rejects(self) -> Iterator[dict[str, Any]]:
        """Yield what ``rejects`` lists, one at a time: there may be as many as there are records.

        Raises:
            Corrupt: their file is damaged.
        """
        path = self.path / REJECTS_FILE
        if path.exists():
            with self._reading(REJECTS_FILE), path.open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    @property
    def settings(self) -> Settings:
        """Settings it was made with."""
        with self._reading(SUMMARY_FILE):
            chosen = self.summary["settings"]
            return Settings(**{**chosen, "drop": frozenset(chosen["drop"])})

    @property
    def alarms(self) -> list[str]:
        """Guard rails that the run hit."""
        with self._reading(SUMMARY_FILE):
            return list(self.summary["alarms"])

    def input_order(self) -> I64:
        """Return int64[docs], the row in ``documents`` of each document of the input, in input order."""
        path = self.path / ORDER_FILE
        if not path.exists():
            return np.arange(self.documents.num_rows)
        with self._reading(ORDER_FILE):
            order: I64 = np.load(path)
            rows = np.empty_like(order)
            rows[order] = np.arange(order.size)
            return rows


def fetch_run(url: str, folder: pathlib.Path) -> None:
    """Copy a run from a store into a directory.

    Raises:
        NotFound: there is none.
    """
    if not fetch(url, SUMMARY_FILE, OWN_FILES, folder):
        raise NotFound(f"{hide(url)} is no run: it has no {SUMMARY_FILE}")


def check_format(summary: dict[str, Any], place: str) -> None:
    """Check that a summary is that of a run, whole, and that this version reads it.

    Raises:
        NotFound: it is of a cleaned corpus.
        VersionMismatch: this version does not read it.
        Corrupt: something is missing.
    """
    if kind_of(summary) == "cleaned":
        raise NotFound(f"{place} is a cleaned corpus, no run: name what a scan wrote")
    if summary.get("format") != FORMAT:
        raise VersionMismatch(f"{place} has format {summary.get('format')}, this version reads {FORMAT}: scan again")
    missing = [name for name, kind in TOLD.items() if not isinstance(summary.get(name), kind)]
    if missing:
        raise Corrupt(f"{place}: {SUMMARY_FILE} is damaged, it lacks {', '.join(missing)}: scan again")


def place_of_run(inputs: object) -> str | None:
    """Return the path or URL of the run that is named as the one input, None where none is."""
    if isinstance(inputs, list | tuple) and len(inputs) == 1:
        inputs = inputs[0]
    if not isinstance(inputs, str | bytes | os.PathLike):
        return None
    path = os.fsdecode(inputs)
    if path.startswith(WEB) or path == "-":
        return None
    try:
        if is_url(path):
            data = read_bytes(join(path, SUMMARY_FILE)) or b""
        else:
            data = (pathlib.Path(local_path(path)) / SUMMARY_FILE).read_bytes()
    except (OSError, ValueError, NotFound):  # whoever opens it as an input will complain
        return None
    summary = summary_in(data)
    return path if summary is not None and kind_of(summary) == "run" and not summary.get(UNFINISHED) else None


def named_run(inputs: object) -> Run | None:
    """Return the run that is named as the one input, to decide again, None where none is.

    Raises:
        VersionMismatch: another version of this package wrote it.
        NotFound: it is in a store, where runs keep no sketches to go on from.
        Corrupt: its summary is damaged.
    """
    path = place_of_run(inputs)
    if path is None:
        return None
    if is_url(path):
        raise NotFound(f"{hide(path)} is a run in a store, where none keeps sketches: scan its inputs again")
    return Run.open(path)


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
    return base64.b64decode(row["raw_base64"], validate=True) if "raw_base64" in row else str(row["raw"]).encode()


def reject_row(reject: Reject) -> dict[str, Any]:
    """Put a rejected record into words."""
    return {"file": reject.path, "line": reject.line, "error": reject.error, **raw_fields(reject.raw)}


class TextsSum(msgspec.Struct):
    """A checksum of the texts of an input, in order, however they come in batches; made batch by batch.

    Attributes:
        docs: how many there are.
        value: sum of hashes of each text and its place, 64 bits.
    """

    docs: int = 0
    value: int = 0

    def add(self, hashes: U64) -> None:
        """Take the next texts, by ``hash_texts``."""
        places = np.arange(self.docs, self.docs + hashes.size, dtype=np.uint64)
        mixed = mix64.py_func(hashes + mix64.py_func(places))  # type: ignore[attr-defined]
        self.value = (self.value + int(mixed.sum())) & LARGEST
        self.docs += hashes.size


def hash_texts(documents: Documents) -> U64:
    """Hash texts: uint64[docs]."""
    data, bounds = documents.data.data, documents.bounds.tolist()
    hashes = [xxhash.xxh3_64_intdigest(data[a:b]) for a, b in itertools.pairwise(bounds)]
    return np.array(hashes, np.uint64)


def texts_digest(sums: Iterable[TextsSum]) -> str:
    """Return a checksum of the texts of all inputs, 32 hexadecimal digits."""
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(list(sums)))


def summary_bytes(summary: dict[str, Any]) -> bytes:
    """Write a summary as JSON, and that this package made it."""
    return json.dumps({MADE_BY: f"{MAKER} {__version__}", **summary}, indent=1).encode() + b"\n"


def json_line(row: dict[str, Any]) -> bytes:
    """Write a row as a JSON line."""
    try:
        return msgspec.json.encode(row) + b"\n"
    except UnicodeEncodeError:  # the name of a file need not be UTF-8
        return json.dumps(row).encode() + b"\n"


__all__ = [
    "DOCUMENTS", "DOCUMENTS_FILE", "ORDER_FILE", "REJECTS_FILE", "REMOVALS_FILE", "SUMMARY_FILE", "TEMPLATES_FILE",
    "VERDICTS", "VERDICTS_FILE", "Run", "TextsSum", "hash_texts", "json_line", "raw_bytes", "raw_fields",
    "reject_row", "summary_bytes", "texts_digest", "write_table",
]  # fmt: skip
