"""Paths in; records, blocks and generated corpora out."""

from __future__ import annotations

import gzip
import itertools
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import click
from figures import say

Command = TypeVar("Command", bound=Callable[..., object])
GENERATOR = pathlib.Path(__file__).resolve().parent.parent / "corpus" / "generate.py"


def data_option(holds: str) -> Callable[[Command], Command]:
    """Add the option that names the folder of measuring corpora."""
    folder = click.Path(exists=True, file_okay=False, path_type=pathlib.Path)
    return click.option("--data", type=folder, required=True, help=f"Folder that holds {holds}.")


def read_records(path: pathlib.Path, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Read JSON lines, plain or gzip, as many as ``limit`` says."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in itertools.islice(file, limit):
            yield json.loads(line)


def write_records(path: pathlib.Path, records: Iterable[Mapping[str, Any]]) -> pathlib.Path:
    """Write JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return path


def blocks_of(text: str) -> list[str]:
    """Split a text at blank lines: a plain stand-in for the package's splitter, for sets to join."""
    blocks, lines = [], []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            lines.append(line)
        elif lines:
            blocks.append("\n".join(lines))
            lines = []
    return blocks


def generate(path: pathlib.Path, megabytes: float, seed: int = 1) -> pathlib.Path:
    """Make a throughput corpus with the project's generator, unless it is there."""
    if not path.exists():
        say(f"generating {megabytes:g} MB into {path.name} ...")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        command = [sys.executable, str(GENERATOR), "throughput", str(part), "--megabytes", str(megabytes)]
        subprocess.run([*command, "--seed", str(seed)], check=True)
        part.rename(path)
    return path
