"""An output of ``clean`` in; what went into it out, byte for byte."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from typing import Any, BinaryIO

from dedup.errors import Corrupt, NotFound
from dedup.formats.compression import Codec, Decompressed, compress_to, detect_codec
from dedup.run import REJECTS_FILE, REMOVALS_FILE, SUMMARY_FILE, beside, raw_bytes
from dedup.store import atomic_directory, atomic_file


def undo(cleaned: str | os.PathLike[str], out: str | os.PathLike[str]) -> pathlib.Path:
    """Restore what ``clean`` was given, byte for byte (compressed files: the bytes they hold).

    Args:
        cleaned: an output of ``clean``, file or directory, not edited since.
        out: where the restored file or directory goes.

    Returns:
        ``out``, as a path.

    Raises:
        NotFound: there is no such output, or its removals are missing.
        Corrupt: the output is not what ``clean`` wrote.
        StoreError: ``out`` cannot be written.
    """
    source, target = pathlib.Path(cleaned), pathlib.Path(out)
    if not source.exists():
        raise NotFound(f"{source} does not exist")
    if source.is_dir():
        by_file = read_removals([source / REMOVALS_FILE, source / REJECTS_FILE])
        present = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()} - {
            REMOVALS_FILE,
            REJECTS_FILE,
            SUMMARY_FILE,
        }
        with atomic_directory(target) as made:
            for name in sorted(present | set(by_file)):
                path = made / name
                if not path.resolve().is_relative_to(made.resolve()):
                    raise Corrupt(f"{source / REMOVALS_FILE}: {name} would leave the output directory")
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    restore(source / name if name in present else None, by_file.get(name, []), file)
            # what marks a directory as ours, so that it may be replaced
            (made / SUMMARY_FILE).write_text(json.dumps({"restored_from": str(source)}) + "\n", encoding="utf-8")
        (target / SUMMARY_FILE).unlink()
        return target
    by_file = read_removals([beside(source, REMOVALS_FILE), beside(source, REJECTS_FILE)])
    with atomic_file(target) as file:
        restore(source, [row for rows in by_file.values() for row in rows], file)
    return target


def read_removals(paths: list[pathlib.Path]) -> dict[str, list[dict[str, Any]]]:
    """Read removals and rejects, by output file, in the order in which they were made."""
    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8") as file:
                rows += [json.loads(line) for line in file]
        except FileNotFoundError as error:
            raise NotFound(f"{path} is missing: without it nothing can be restored") from error
        except ValueError as error:
            raise Corrupt(f"{path} is damaged: {error}") from error
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["seq"]):
        by_file.setdefault(row["file"], []).append(row)
    return by_file


def restore(path: pathlib.Path | None, rows: list[dict[str, Any]], target: BinaryIO) -> None:
    """Copy a file, putting the removed bytes back where they were."""
    with contextlib.ExitStack() as stack:
        data: BinaryIO | Decompressed | None = None
        codec: Codec | None = None
        if path is not None:
            file = stack.enter_context(path.open("rb"))
            codec = detect_codec(file.peek(4)[:4])
            data = Decompressed(file, codec) if codec else file
        sink = compress_to(target, codec)
        position = 0
        for row in rows:
            position += copy(data, sink, row["offset"] - position)
            if position != row["offset"]:
                raise Corrupt(f"{path} ends before byte {row['offset']}: it is not what was written")
            sink.write(raw_bytes(row))
        copy(data, sink, None)
        if sink is not target:
            sink.close()


def copy(source: BinaryIO | Decompressed | None, target: BinaryIO, count: int | None) -> int:
    """Copy ``count`` bytes, or all; return how many there were."""
    done = 0
    while source is not None and (count is None or done < count):
        data = source.read(1 << 20 if count is None else min(1 << 20, count - done))
        if not data:
            break
        target.write(data)
        done += len(data)
    return done
