"""The command line and small corpora for tests from end to end."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup.formats.compression import Codec, compress_to
from dedup.run import raw_bytes

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
FERRY = "The ferry leaves the old harbour at nine in the morning every day."
RECORD = {"id": "good", "text": FERRY}


def command(*arguments: str | os.PathLike[str]) -> list[str]:
    """Return a command line of dedup."""
    return [sys.executable, "-m", "dedup", *(os.fspath(one) for one in arguments)]


COMPILING = b"dedup: compiling kernels, once on this machine (half a minute) ...\n"


def dedup(
    *arguments: str | os.PathLike[str], code: int = 0, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run dedup in a process of its own and check its exit code; that it compiles kernels first is left out."""
    done = subprocess.run(command(*arguments), input=stdin, capture_output=True, check=False, cwd=cwd)
    assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
    assert b"Traceback" not in done.stderr
    done.stderr = done.stderr.removeprefix(COMPILING)
    return done


def stop(
    arguments: Sequence[str | os.PathLike[str]],
    folder: Path,
    number: signal.Signals = signal.SIGKILL,
    seconds: float = 99,
    temporary: Path | None = None,
) -> tuple[int, float]:
    """Start dedup; some time after it began to write into a folder, send it a signal.

    Returns:
        Its exit code, and how long it ran after it began to write.
    """
    environment = os.environ | ({} if temporary is None else {"TMPDIR": str(temporary)})
    before = set(folder.iterdir())
    with subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        while process.poll() is None and set(folder.iterdir()) <= before:
            time.sleep(0.002)
        begun = time.monotonic()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            process.wait()
        return process.returncode, time.monotonic() - begun


def limited(*arguments: str | Path, megabytes: int) -> None:
    """Run dedup and check that it never took more memory than so much."""
    ends = "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    code = f"import pathlib, runpy\ntry: runpy.run_module('dedup', run_name='__main__')\nfinally: {ends}"
    run = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(run, capture_output=True, check=True)
    assert int(done.stdout.split()[-1]) < megabytes << 10


def jsonl(records: Iterable[Mapping[str, Any]]) -> bytes:
    """Write records as JSON lines."""
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def zstd(data: bytes) -> bytes:
    """Compress bytes."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def pack(data: bytes, codec: Codec) -> bytes:
    """Compress bytes as an output is."""
    sink = io.BytesIO()
    stream = compress_to(sink, codec)
    stream.write(data)
    stream.close()
    return sink.getvalue()


def unpacked(path: Path) -> bytes:
    """Read a file, decompressed where it is compressed."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            return bytes(stream.read())
    return data


def files(directory: Path) -> dict[str, bytes]:
    """Read all files below a directory, decompressed."""
    return {str(path.relative_to(directory)): unpacked(path) for path in directory.rglob("*") if path.is_file()}


def bad_records(path: Path) -> dict[int, bytes]:
    """Read the rejects of one input: line and raw bytes; those of `clean` come with their line end."""
    return {row["line"]: raw_bytes(row).removesuffix(b"\n") for row in rows(path)}


def shingles(tokens: Sequence[int]) -> set[tuple[int, ...]]:
    """Return the word 1- and 2-grams of a block."""
    return {(token,) for token in tokens} | set(itertools.pairwise(tokens))


def jaccard(a: set[tuple[int, ...]], b: set[tuple[int, ...]]) -> float:
    """Return the share of all items that both sets hold."""
    return len(a & b) / len(a | b) if a or b else 0.0


def generate(path: Path, megabytes: float, seed: int = 1) -> Path:
    """Write a corpus of some size with planted copies."""
    arguments = ["throughput", str(path), "--megabytes", str(megabytes), "--seed", str(seed)]
    subprocess.run([sys.executable, str(CORPUS / "generate.py"), *arguments], check=True, capture_output=True)
    return path
