"""Run directories in; what each holds, how large it is, and what it was made with, out."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from dedup.checkpoint import Sketchbook
from dedup.errors import Corrupt, NotFound, VersionMismatch
from dedup.publishing import read_summary
from dedup.reading import pool_of
from dedup.remote import list_files, read_bytes, size_of
from dedup.run import SUMMARY_FILE, Run, check_format, named_run
from dedup.settings import Settings
from dedup.store import MADE_BY, SKETCHES, is_summary, unfinished
from dedup.urls import hide, is_url, join, local_path


def runs(path: str | os.PathLike[str], *, verify: bool = False) -> list[dict[str, Any]]:
    """Say what run directories hold.

    Args:
        path: a run directory, or a folder of some; or a URL.
        verify: whether to read all sketches and compare them with their checksums.

    Returns:
        A dict a run: path, what made it and when, documents, blocks, bytes of its files, inputs, settings that are not
        the defaults, its sketches (inputs read, damaged file or None) and, where a scan was stopped, how far it came.

    Raises:
        NotFound: there is no run.
    """
    if is_url(path):
        return runs_in_store(os.fspath(path))
    root = pathlib.Path(local_path(os.fspath(path)))
    found = [one for one in [root, *sorted(root.glob("*")), unfinished(root)] if holds_run(one)]
    if not found:
        raise NotFound(f"{root} is no run directory, nor a folder of some")
    return [describe(one, verify=verify) for one in found]


def runs_in_store(url: str) -> list[dict[str, Any]]:
    """Say what runs a store holds below a prefix; they keep no sketches.

    Raises:
        NotFound: there is none.
    """
    sizes_of: dict[str, dict[str, int]] = {}
    for name in list_files(url):
        folder, _, last = name.rpartition("/")
        if "/" not in folder:
            sizes_of.setdefault(folder, {})[last] = size_of(join(url, name)) or 0
    found = []
    for folder, sizes_there in sizes_of.items():
        place = url if folder in {"", "/"} else join(url, folder)
        if SUMMARY_FILE not in sizes_there or not is_summary(read_bytes(join(place, SUMMARY_FILE)) or b""):
            continue
        one: dict[str, Any] = {"run": hide(place), "state": "whole"}
        try:
            summary = read_summary(join(place, SUMMARY_FILE)) or {}
            if "texts" not in summary:
                continue  # a cleaned corpus
            check_format(summary, hide(place))
            one |= told_of(Run(pathlib.Path(), summary, hide(place)))
        except (VersionMismatch, Corrupt) as error:
            one["state"] = str(error)
        found.append({**one, "bytes": sizes_there, "sketches": None})
    if not found:
        raise NotFound(f"{hide(url)} is no run, nor are there some below it")
    return found


def holds_run(path: pathlib.Path) -> bool:
    """Whether a directory is a run, of whatever version, or one that was stopped."""
    try:
        return named_run(path) is not None or (path / SKETCHES).is_dir()
    except (VersionMismatch, Corrupt):
        return True


def describe(path: pathlib.Path, *, verify: bool) -> dict[str, Any]:
    """Say what a run directory holds."""
    told: dict[str, Any] = {"run": str(path), "state": "whole"}
    try:
        run = Run.open(path)
    except NotFound:
        told["state"] = "stopped: the same scan goes on from here"
    except (VersionMismatch, Corrupt) as error:
        told["state"] = str(error)
    else:
        made = (path / SUMMARY_FILE).stat().st_mtime
        told["made"] = dt.datetime.fromtimestamp(made, dt.UTC).isoformat(timespec="seconds")
        try:
            told |= told_of(run)
        except Corrupt as error:  # its settings are none
            told["state"] = str(error)
    told["bytes"] = {
        one.name: sum(size for _, size in sizes(one)) for one in sorted(path.iterdir()) if not one.name.startswith(".")
    }
    told["sketches"] = sketches_of(path, verify=verify)
    return told


def told_of(run: Run) -> dict[str, Any]:
    """Say what a run's summary tells of it."""
    defaults, chosen = dataclasses.asdict(Settings()), dataclasses.asdict(run.settings)
    return {
        "made_by": run.summary[MADE_BY],
        **{name: run.summary[name] for name in ("documents", "blocks", "blocks_dropped", "rejects", "seconds")},
        "inputs": run.summary["inputs"],
        "settings": {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in chosen.items()
            if value != defaults[name]
        },
    }


def sizes(path: pathlib.Path) -> Iterator[tuple[str, int]]:
    """Yield the files at a path, and their sizes."""
    for one in path.rglob("*") if path.is_dir() else [path]:
        if one.is_file():
            yield one.name, one.stat().st_size


def sketches_of(path: pathlib.Path, *, verify: bool) -> dict[str, Any] | None:
    """Say what sketches a run keeps; None where it keeps none."""
    try:
        book = Sketchbook.read(path / SKETCHES)
    except Corrupt as error:
        return {"damaged": str(error)}
    if book is None:
        return None
    reads = book.state.reads
    told: dict[str, Any] = {
        "made_by": book.state.made_by,
        "inputs": len(reads),
        "inputs_read": sum(read.done for read in reads),
        "documents": sum(read.docs for read in reads),
        "scored": book.state.scored,
    }
    if verify:
        with pool_of(os.cpu_count() or 1) as pool:
            told["damaged"] = book.verify(pool)
    return told
