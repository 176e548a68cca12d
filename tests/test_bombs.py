"""Small files that ask for much: what a header tells, or what a few bytes unfold to, takes neither memory nor time."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import pack
from fuzz import mutations, seeds
from hypothesis import given
from hypothesis import strategies as st

from dedup import InputError, Settings
from dedup.formats import messages, narrow, open_inputs, pages
from dedup.formats.base import LONGEST
from dedup.formats.compression import Codec
from dedup.formats.pages import GuardedFile, find_columns, read_header

MEGABYTE = 1 << 20
MEASURE = """
import pathlib, sys, time
from dedup import DedupError, Settings
from dedup.formats import narrow, open_inputs
def peak(): return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10
settings, before, count, told = Settings(), 0, 0, ""
for path in sys.argv[1:]:
    began, told = time.monotonic(), ""
    try:
        source = narrow(open_inputs(path)[0], settings)
        for chunk in source.chunks(1 << 20):
            parsed = source.parse(chunk, settings)
            told = told or "".join(reject.error for reject in parsed.rejects[:1])
            count += len(parsed.documents.ids)
    except DedupError as error:
        told = str(error)
    if before:
        print(peak() - before, time.monotonic() - began, told)
    before = peak()
"""


def measured(warm: Path, path: Path) -> tuple[float, str]:
    """Read a file, after another one of its kind: megabytes that it took, and what was said of it; in few seconds."""
    done = subprocess.run([sys.executable, "-c", MEASURE, warm, path], capture_output=True, text=True, check=True)
    grown, seconds, *told = done.stdout.split(maxsplit=2)
    assert float(seconds) < 20
    return float(grown), "".join(told)


PACKED: dict[str, Callable[[Path, bytes], object]] = {
    **{
        f"parquet {codec}": lambda path, data, codec=codec: pq.write_table(  # type: ignore[misc]
            pa.table({"text": pa.array([data, b"x"]).cast(pa.large_string())}),
            path,
            compression=codec,
            use_dictionary=False,
            write_statistics=False,
        )
        for codec in ("zstd", "gzip", "brotli", "lz4")
    },
    **{
        f"arrow {codec} {kind}": lambda path, data, codec=codec, kind=kind: write_arrow(path, data, codec, kind)  # type: ignore[misc]
        for codec in ("zstd", "lz4")
        for kind in ("file", "stream")
    },
}


def write_arrow(path: Path, data: bytes, codec: str, kind: str) -> None:
    """Write one text as an Arrow file or stream."""
    table = pa.table({"text": pa.array([data]).cast(pa.large_string())})
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with (pa.ipc.new_file if kind == "file" else pa.ipc.new_stream)(path, table.schema, options=options) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("kind", PACKED)
def test_tables_that_unfold_to_much_more(tmp_path: Path, kind: str) -> None:
    warm, path = tmp_path / "warm", tmp_path / "bomb"
    PACKED[kind](warm, b"A text.")
    PACKED[kind](path, b" " * (200 * MEGABYTE))
    assert path.stat().st_size < 3 * MEGABYTE
    grown, told = measured(warm, path)
    assert "unfolds from" in told and "write it anew with smaller" in told
    assert grown < 60


@pytest.mark.parametrize("kind", PACKED)
def test_tables_that_unfold_to_what_may_be(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in"
    PACKED[kind](path, b" " * (20 * MEGABYTE))
    (source,) = open_inputs(path)
    ends = [source.parse(chunk, Settings()).documents.bounds[1] for chunk in source.chunks(MEGABYTE)]
    assert ends[0] == 20 * MEGABYTE


def patched(data: bytes) -> Iterator[bytes]:
    """Yield a Parquet file with one number after the other as large as numbers are."""
    spans, begin = mutations.thrift_of(data)
    for start, end in spans:
        for number in (2**31 - 1, 1 << 32):
            new = mutations.encoded(number)
            if start < begin:
                yield data[:start] + new + data[start + len(new) :]
            else:
                body = data[begin:start] + new + data[end:-8]
                yield data[:begin] + body + struct.pack("<I", len(body)) + data[-4:]


def longer_lists(data: bytes) -> Iterator[bytes]:
    """Yield a Parquet file with one list of its footer after the other said to be of a million elements."""
    spans, begin = mutations.thrift_of(data)
    for start, end in spans:
        if start >= begin and end - start == 1 and data[start] & 15 in {5, 6, 8, 12}:
            new = bytes([0xF0 | data[start] & 15]) + mutations.encoded(999_999)
            body = data[begin:start] + new + data[end:-8]
            yield data[:begin] + body + struct.pack("<I", len(body)) + data[-4:]


@pytest.mark.parametrize("change", [patched, longer_lists])
def test_headers_that_lie(tmp_path: Path, change: Callable[[bytes], Iterator[bytes]]) -> None:
    table = pa.table({"text": ["One text.", "Another."], "id": ["a", "b"]})
    data = seeds.written(lambda file: pq.write_table(table, file, compression="zstd"))
    paths = []
    for number, lying in enumerate(change(data)):
        paths.append(tmp_path / f"{number}.parquet")
        paths[-1].write_bytes(lying)
    assert len(paths) > 20
    done = subprocess.run([sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, check=True)
    found = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert len(found) == len(paths) - 1
    assert max(float(seconds) for _, seconds, *_ in found) < 5
    assert sum(float(grown) for grown, *_ in found) < 60


def test_pages_beyond_the_end_are_named(tmp_path: Path) -> None:
    table = pa.table({"text": ["One text.", "Another."]})
    data = seeds.written(lambda file: pq.write_table(table, file, compression="none", use_dictionary=False))
    length, unfolded, stored = read_header(data[4:])
    assert unfolded == stored
    assert b"One text." in data[4 + length : 4 + length + stored]
    path = tmp_path / "in.parquet"
    told = mutations.encoded(2 * stored)
    at = data.index(told, data.index(told, 4) + 1)  # behind how long it is unfolded
    path.write_bytes(data[:at] + mutations.encoded(2 * (1 << 30)) + data[at + 1 :])
    with pytest.raises(InputError, match="a page at byte 4 goes beyond its end"):
        list(narrow(open_inputs(path)[0], Settings()).chunks(99))


def test_columns_are_found() -> None:
    for data in seeds.of_parquet():
        metadata = pq.ParquetFile(io.BytesIO(data)).metadata
        expected = set()
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                expected |= {column.data_page_offset, column.dictionary_page_offset or column.data_page_offset}
        size = int.from_bytes(data[-8:-4], "little")
        assert find_columns(data[-8 - size : -8]) == expected
        assert find_columns(data[-8 - size : -20]) <= expected


@given(st.binary(max_size=60) | st.lists(st.sampled_from([0x15, 0x19, 0x1C, 0x2C, 0, 0xFB, 0xFF, 0x8C]), max_size=99))
def test_any_header_ends(data: bytes | list[int]) -> None:
    assert len(find_columns(bytes(data))) < 99
    try:
        length, unfolded, stored = read_header(bytes(data))
    except (IndexError, ValueError):
        return
    assert 0 < length <= len(data) and unfolded >= 0 and stored >= 0


def test_pages_of_any_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{k} {'word ' * (k % 700)}" for k in range(3000)]
    path = tmp_path / "in.parquet"
    pq.write_table(
        pa.table({"text": texts, "id": [str(k) for k in range(3000)]}),
        path, row_group_size=1100, data_page_size=9000, write_batch_size=9, compression="none", use_dictionary=["id"],
    )  # fmt: skip
    looked: set[int] = set()
    after = GuardedFile._after

    def look(self: GuardedFile, page: int) -> int | None:
        looked.add(page)
        return after(self, page)

    monkeypatch.setattr(GuardedFile, "_after", look)
    monkeypatch.setattr("dedup.formats.parquet.BUFFER", 1 << 12)
    (source,) = open_inputs(path)
    assert sum(chunk.records for chunk in source.chunks(1 << 16)) == 3000
    assert len(looked) > 100  # as it is read, page by page
    monkeypatch.setattr(pages, "LONGEST", 9999)
    monkeypatch.setattr(pages, "FOLD", 0)
    with pytest.raises(InputError, match="unfolds from"):
        list(source.chunks(1 << 16))


@pytest.mark.parametrize("streamed", [True, False])
def test_batches_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool) -> None:
    monkeypatch.setattr(messages, "LONGEST", 50)
    monkeypatch.setattr(messages, "FOLD", 0)
    path, taken = tmp_path / "in.arrow", 0
    for data in seeds.of_arrow(streamed=streamed):
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            open_inputs(path)
            taken += 1
    assert len(seeds.of_arrow(streamed=streamed)) - taken == 4  # those that are compressed, and hold anything
    monkeypatch.undo()
    for data in seeds.of_arrow(streamed=streamed):
        path.write_bytes(data)
        open_inputs(path)


def stream_of(codec: str, piece: bytes, total: int) -> bytes:
    """Compress a piece again and again."""
    if codec == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join(packer.compress(piece) for _ in range(total)) + packer.flush()
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        for _ in range(total):
            stream.write(piece)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("name", ["in.txt.gz", "in.csv.zst", "in.json.lz4", "in.html.gz", "in.warc.gz", "in.jsonl.gz"])
def test_streams_that_unfold_to_much_more(tmp_path: Path, name: str) -> None:
    codec = {"gz": "gzip", "zst": "zstd", "lz4": "lz4"}[name.rpartition(".")[2]]
    kind = name.split(".")[1]
    warm, path = tmp_path / name, tmp_path / f"bomb-{name}"
    packed: Any = codec
    head = {"csv": b'id,text\n1,"', "json": b'[{"text": "', "jsonl": b'{"text": "', "html": b"<html><body><p>"}.get(
        kind, b""
    )
    if kind == "warc":
        head = seeds.record("response", seeds.answer(b""))[:-4].replace(b"Content-Length: ", b"Content-Length: 2000000")
    warm.write_bytes(pack(seeds.of_warc()[0] if kind == "warc" else head + b"A text.", packed))
    path.write_bytes(pack(head, packed) + stream_of(codec, b" " * MEGABYTE, 300))
    assert path.stat().st_size < 3 * MEGABYTE
    grown, told = measured(warm, path)
    assert "128 MB" in told or "8 MB" in told or "longer than" in told, told
    assert grown < 4 * (LONGEST >> 20) + 60


def test_gzip_within_gzip_is_not_followed(tmp_path: Path) -> None:
    path, data = tmp_path / "in.jsonl.gz", b'{"text": "deep"}\n'
    for _ in range(5):
        data = gzip.compress(data)
    path.write_bytes(data)
    (source,) = open_inputs(path)
    parsed = [source.parse(chunk, Settings()) for chunk in source.chunks(99)]
    assert sum(len(part.documents.ids) for part in parsed) == 0
    assert list(itertools.chain.from_iterable(part.rejects for part in parsed))


@pytest.mark.parametrize("codec", ["zstd", "lz4", "xz"])
def test_windows_that_nobody_needs(tmp_path: Path, codec: Codec) -> None:
    path, warm = tmp_path / "in.jsonl", tmp_path / "warm.jsonl"
    warm.write_bytes(pack(b'{"text": "x"}\n', codec))
    if codec == "zstd":  # a window of two gigabytes, and nothing known of the size
        raw = b'{"text": "x"}\n'
        data = b"\x28\xb5\x2f\xfd\x00\xa8" + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw
    elif codec == "lz4":  # blocks of four megabytes, the first of which tells of more
        data = b"\x04\x22\x4d\x18\x40\x70\xdf" + struct.pack("<I", 0x7FFFFFFF) + b"x"
    else:
        import lzma

        data = lzma.compress(b'{"text": "x"}\n', filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1536 << 20}])
    path.write_bytes(data)
    grown, told = measured(warm, path)
    assert grown < 60
    assert f"the {codec} stream is" in told
