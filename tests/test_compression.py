"""Every compression: told by content, read to the last byte before damage, bounded in memory, written alike."""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import BinaryIO, cast, get_args

import pytest
from endtoend import FERRY, dedup, jsonl, pack, rows
from hypothesis import given
from hypothesis import strategies as st

import dedup as library
from dedup import NotFound, Settings
from dedup.formats import base, lines, open_inputs, text
from dedup.formats.compression import (
    START,
    Codec,
    Decompressed,
    compress_to,
    detect_codec,
    open_stream,
    strip_suffix,
)
from dedup.formats.decoders import PIECE

CODECS: tuple[Codec, ...] = get_args(Codec)
FRAMES = {"zstd", "lz4"}
MEGABYTE = 1 << 20
WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
COPIES = jsonl([{"text": FERRY}, {"text": f"{WINTER}\n{FERRY}"}])
CLEANED = jsonl([{"text": FERRY}, {"text": WINTER}])


class Pipe:
    """What cannot be read again, a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = io.BytesIO(data), step

    def read(self, size: int) -> bytes:
        return self._data.read(min(size, self._step))

    def seekable(self) -> bool:
        return False


def unpack(data: bytes, codec: Codec, size: int = MEGABYTE, *, pipe: int = 0) -> tuple[bytes, str | None]:
    """Read a stream in pieces; damage must not be told before all is read."""
    stream = Decompressed(cast("BinaryIO", Pipe(data, pipe)) if pipe else io.BytesIO(data), codec)
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
        if stream.damage is not None:
            assert stream.read(1) == b""
    return b"".join(parts), stream.damage


class Shrinking(io.BytesIO):
    """A file that is cut off when it is read again from its begin."""

    def __init__(self, data: bytes, left: int) -> None:
        super().__init__(data)
        self._left, self._far = left, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._far > MEGABYTE // 8 and offset == 0:
            self.truncate(self._left)
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._far = max(self._far, self.tell())
        return data


def numbered(count: int, seed: int = 1) -> bytes:
    """Write lines that do not compress to nothing."""
    some = random.Random(seed)
    return b"".join(b"%d line %d\n" % (some.randrange(10**9), k) for k in range(count))


@pytest.mark.parametrize("codec", CODECS)
def test_each_is_told_by_content_and_comes_back(codec: Codec) -> None:
    data = numbered(5000)
    packed = pack(data, codec)
    assert pack(data, codec) == packed
    assert detect_codec(packed[:START]) == codec
    assert detect_codec(pack(b"", codec)) == codec
    for size in (1000, MEGABYTE):
        for pipe in (0, 700):
            assert unpack(packed, codec, size, pipe=pipe) == (data, None)


def test_what_other_tools_write() -> None:
    data = numbered(300)
    assert detect_codec(bz2.compress(b"", 1)) == "bzip2"
    assert detect_codec(b"BZh4 is how this text begins") is None
    assert detect_codec(b"") is None
    assert unpack(lzma.compress(data, check=lzma.CHECK_SHA256), "xz") == (data, None)
    frames: tuple[Codec, ...] = ("zstd", "lz4")
    for codec in frames:  # a frame to be skipped comes first, as pzstd writes it
        skipped = b"\x5e\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
        packed = skipped + pack(data, codec)
        assert detect_codec(packed) == codec
        assert unpack(packed, codec) == (data, None)
    assert detect_codec(b"\x50\x2a\x4d\x18" + (9999).to_bytes(4, "little") + bytes(99)) == "zstd"
    assert [strip_suffix(name) for name in ("a.jsonl.GZ", "a.xz", "b.bz2.txt")] == ["a.jsonl", "a", "b.bz2.txt"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pipe", [0, 1000])
def test_cut_off_at_every_byte(codec: Codec, pipe: int) -> None:
    data = numbered(40)
    packed = pack(data, codec)
    for end in range(len(packed)):
        found, damage = unpack(packed[:end], codec, 99, pipe=pipe)
        assert data.startswith(found)
        assert damage is not None or (end == 0 and codec in FRAMES)
        assert damage is None or "truncated" in damage


@given(
    st.sampled_from(CODECS),
    st.lists(st.binary(max_size=50).map(lambda data: data * 99), max_size=4),
    st.integers(1, 5000),
    st.sampled_from([0, 1, 700]),
    st.data(),
)
def test_members(codec: Codec, parts: list[bytes], size: int, pipe: int, data: st.DataObject) -> None:
    padding = 0 if codec in FRAMES else 4
    packed = b"".join(pack(part, codec) + bytes(padding * data.draw(st.integers(0, 2))) for part in parts)
    end = data.draw(st.integers(0, len(packed)))
    found, damage = unpack(packed[:end], codec, size, pipe=pipe)
    assert b"".join(parts).startswith(found)
    if end == len(packed) and parts:
        assert (found, damage) == (b"".join(parts), None)


@pytest.mark.parametrize("codec", CODECS)
def test_many_small_members(codec: Codec) -> None:
    data = numbered(3000).splitlines(keepends=True)
    assert unpack(b"".join(pack(line, codec) for line in data), codec) == (b"".join(data), None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pipe", [0, 5000])
def test_damage_is_told_and_keeps_what_stands_before_it(codec: Codec, pipe: int) -> None:
    data = numbered(30_000)
    first, second = pack(data, codec), pack(data[::-1], codec)
    half = len(second) // 2
    noise = b"\xff" if codec == "lz4" else b"\0"  # the frames of Arrow have no checksum: other bytes would be read
    harmed = first + second[:half] + noise * 500 + second[half + 500 :]
    for packed, least in (
        (first + second + b"rubbish", 2 * len(data)),
        (first + second[:-1], len(data)),
        (harmed, len(data)),
    ):
        found, damage = unpack(packed, codec, pipe=pipe)
        assert damage is not None
        assert damage.startswith(f"the {codec} stream is ")
        # what a decoder gives when it fails is lost where nothing can be read again
        assert len(found) >= least or pipe
        assert found[: len(data)] == data[: len(found)]


class Failing(io.FileIO):
    """A file on a disk that gives only its first bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > MEGABYTE // 4:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


@pytest.mark.parametrize("codec", [None, *CODECS])
@pytest.mark.parametrize("name", ["in.jsonl", "in.json", "in.csv", "in.txt", "in.html"])
def test_a_failing_disk_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: Codec | None, name: str
) -> None:
    noise = random.Random(1).randbytes(MEGABYTE // 2).hex()
    lines = [noise[k : k + 64] for k in range(0, len(noise), 64)]
    json = {"in.jsonl": ('{"text": "', '"}\n{"text": "', '"}'), "in.json": ('[{"text": "', '"}, {"text": "', '"}]')}
    begin, between, end = json.get(name, ("text\n", "\n", ""))
    data = f"{begin}{between.join(lines)}{end}".encode()
    path = tmp_path / name
    path.write_bytes(pack(data, codec) if codec else data)
    monkeypatch.setattr(base, "open", lambda path, _: Failing(path), raising=False)
    pread = os.pread

    def failing_pread(number: int, size: int, at: int) -> bytes:
        if at > MEGABYTE // 4:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(number, size, at)

    monkeypatch.setattr(os, "pread", failing_pread)

    def damage_in() -> list[str | None]:
        (source,) = open_inputs(path)
        return [chunk.damage for chunk in source.chunks(MEGABYTE // 8)]

    with pytest.raises(NotFound, match=f"cannot read {path}: Input/output error"):
        damage_in()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("left", [0, 1000, 100_000])
def test_what_gets_shorter_while_it_is_read(codec: Codec, left: int) -> None:
    data = numbered(30_000)
    packed = bytearray(pack(data, codec))
    middle = len(packed) // 2
    packed[middle : middle + 500] = (b"\xff" if codec == "lz4" else b"\0") * 500
    stream = Decompressed(Shrinking(bytes(packed), left), codec)
    assert sum(map(len, iter(lambda: stream.read(MEGABYTE), b""))) <= 2 * len(data)
    assert stream.damage is not None


def test_gzip_salvages_to_the_last_byte() -> None:
    data = numbered(20_000)
    packed = bytearray(gzip.compress(data))
    packed[len(packed) // 2] ^= 255
    whole, reference = zlib.decompressobj(31), b""
    with contextlib.suppress(zlib.error):
        for k in range(len(packed)):
            reference += whole.decompress(packed[k : k + 1])
    assert len(reference) > len(data) // 4
    for pipe in (0, 900, MEGABYTE):
        assert unpack(bytes(packed), "gzip", pipe=pipe)[0] == reference


@given(st.sampled_from(CODECS), st.binary(max_size=400), st.booleans())
def test_random_bytes(codec: Codec, data: bytes, headed: bool) -> None:
    packed = pack(b"x" * 99, codec)[:12] * headed + data
    for pipe in (0, 100):
        found, damage = unpack(packed, codec, pipe=pipe)
        assert found == b"" or headed
        assert damage is None or damage.startswith(f"the {codec} stream is ")


def test_zlib_serves_where_isa_l_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = numbered(20_000)
    packed = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
    cut = unpack(packed[:-100], "gzip")
    monkeypatch.setitem(sys.modules, "isal", None)
    assert unpack(packed, "gzip", 999) == (data, None)
    assert unpack(packed[:-100], "gzip") == cut
    assert cut[1] == "the gzip stream is truncated"


def test_a_stream_that_wants_too_much_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}]
    packed = lzma.compress(b"x" * 99, filters=filters)
    assert unpack(packed, "xz") == (
        b"",
        "the xz stream is made to be read with more than 256 MB of memory: compress it anew",
    )


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_that_are_read_again_count_once(codec: Codec) -> None:
    packed = pack(numbered(3000), codec)
    packed = packed[: 2 * len(packed) // 3]
    stream, counts = Decompressed(io.BytesIO(packed), codec), [0]
    while stream.read(1000):
        counts.append(stream.consumed)
    assert stream.damage is not None
    assert counts == sorted(counts)
    assert counts[-1] <= stream.consumed <= len(packed)


@pytest.mark.parametrize("codec", CODECS)
def test_damage_leaves_no_memory_behind(codec: Codec) -> None:
    def room() -> int:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")

    packed = pack(numbered(30), codec)[:-9]
    taken = []
    for _ in range(2):
        for _ in range(100):
            unpack(packed, codec)
        taken.append(room())
    assert taken[1] - taken[0] < 50 * MEGABYTE


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("torn", [False, True])
def test_bombs_come_in_pieces(codec: Codec, torn: bool) -> None:
    total, zeros = 150, bytes(MEGABYTE)
    sink = io.BytesIO()
    stream = compress_to(sink, codec)
    for _ in range(total):
        stream.write(zeros)
    stream.close()
    packed = bytearray(sink.getvalue())
    if torn:
        packed[len(packed) // 2] ^= 255
    tracemalloc.start()
    try:
        bomb, count = Decompressed(io.BytesIO(bytes(packed)), codec), 0
        for piece in iter(lambda: bomb.read(MEGABYTE), b""):
            count += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(packed) + 24 * PIECE  # xz takes 8 MB for what it refers to
    assert count == total * MEGABYTE or torn
    assert (bomb.damage is not None) == torn or codec in FRAMES


def limited(megabytes: int, *arguments: str | os.PathLike[str]) -> None:
    """Run dedup and check that it never took more memory than so much."""
    ends = "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    code = f"import pathlib, runpy\ntry: runpy.run_module('dedup', run_name='__main__')\nfinally: {ends}"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=True)
    assert int(done.stdout.split()[-1]) < megabytes << 10


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_bomb_in_a_corpus(tmp_path: Path, codec: Codec) -> None:
    path = tmp_path / "in.jsonl"
    with path.open("wb") as file:
        stream = compress_to(file, codec)
        stream.write(jsonl([{"id": "a", "text": FERRY}]))
        for _ in range(1000):
            stream.write(bytes(MEGABYTE))
        stream.write(b"\n" + jsonl([{"id": "b", "text": "Another text."}]))
        stream.close()
    assert path.stat().st_size < 2 * MEGABYTE
    limited(900, "scan", path, "-o", tmp_path / "run")
    run = library.Run.open(tmp_path / "run")
    assert run.documents["doc"].to_pylist() == ["a", "b"]
    assert [(row["line"], row["error"]) for row in run.rejects] == [(2, "the line is longer than 128 MB")]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Make 3000 bytes the longest record."""
    for module in (lines, text):
        monkeypatch.setattr(module, "LONGEST", 3000)
    return 3000


@pytest.mark.parametrize("codec", [None, *CODECS])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("length", [3000, 3001, 3500, 20_000])
def test_lines_too_long_to_be_held(tmp_path: Path, short: int, codec: Codec | None, ended: bool, length: int) -> None:
    good = jsonl([{"text": FERRY}])
    begin, end = b'{"text": "', b'"}'
    long = begin + b"long " * ((length - len(begin) - len(end)) // 5)
    long += b"g" * (length - len(long) - len(end)) + end
    data = good + long + b"\n" + good + (good + long[:-2] + b"x" * 2000 if not ended else b"\n")
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(pack(data, codec) if codec else data)
    numbers = ([2] if length > short else []) + ([] if ended else [5])
    (source,) = open_inputs(path)
    for size in (1, 100, 2999, 3000, 3001, 5000, MEGABYTE):
        parsed = [source.parse(chunk, Settings()) for chunk in source.chunks(size)]
        assert [reject.line for part in parsed for reject in part.rejects] == numbers
        assert sum(len(part.documents.ids) for part in parsed) == 2 + (length <= short) + (not ended)
    library.clean(path, out, Settings(allow=True, batch_bytes=999))
    assert {row["line"] for row in rows(tmp_path / "out.jsonl.rejects.jsonl")} == set(numbers)
    back = library.undo(out, tmp_path / "back.jsonl").read_bytes()
    assert (unpack(back, codec)[0] if codec else back) == data


@pytest.mark.parametrize("codec", [None, *CODECS])
def test_texts_too_long_to_be_held(tmp_path: Path, short: int, codec: Codec | None) -> None:
    path, tree = tmp_path / "long.txt", tmp_path / "tree"
    path.write_bytes(pack(b"long " * 1000, codec) if codec else b"long " * 1000)
    other = tmp_path / "other.txt"
    other.write_text(FERRY)
    cleaned = library.clean([path, other], tmp_path / "out", Settings(batch_bytes=999))
    (reject,) = cleaned.run.rejects
    assert (reject["file"], reject["line"], reject["error"]) == (str(path), 1, "the file is longer than 0 MB")
    restored = library.undo(tmp_path / "out", tmp_path / "back").joinpath("long.txt").read_bytes()
    assert (unpack(restored, codec)[0] if codec else restored) == b"long " * 1000
    tree.mkdir()
    for name, data in (("a.txt", FERRY), ("b.txt", "long " * 1000), ("c.md", "# Title\n\nA text.")):
        (tree / name).write_text(data)
    cleaned = library.clean(tree, tmp_path / "outs")
    assert [row["line"] for row in cleaned.run.rejects] == [2]
    back = library.undo(tmp_path / "outs", tmp_path / "backs") / "tree"
    assert {one.name: one.read_bytes() for one in back.iterdir()} == {
        one.name: one.read_bytes() for one in tree.iterdir()
    }
    assert short == 3000


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", ["in.jsonl", "in.txt", "in.jsonl.gz"])
def test_outputs_are_compressed_as_inputs_were(tmp_path: Path, codec: Codec, name: str) -> None:
    is_text = name == "in.txt"
    data = f"{FERRY}\n\n{FERRY}\n".encode() if is_text else COPIES
    path = tmp_path / name
    path.write_bytes(pack(data, codec))
    outs = [tmp_path / one / name for one in ("out", "again")]
    for out in outs:
        dedup("clean", path, "-o", out.parent)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    with outs[0].open("rb") as file:
        stream, found = open_stream(file)
        left = stream.read(MEGABYTE)
    assert found == codec
    assert left == (f"{FERRY}\n".encode() if is_text else CLEANED)
    dedup("clean", "--undo", outs[0].parent, "-o", tmp_path / "back")
    assert (tmp_path / "back" / name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("codec", CODECS)
def test_damaged_texts(tmp_path: Path, codec: Codec) -> None:
    path, data = tmp_path / "in.txt", numbered(30_000)
    path.write_bytes(pack(data, codec)[:-20])
    (tmp_path / "other.txt").write_text(FERRY)
    cleaned = library.clean([path, tmp_path / "other.txt"], tmp_path / "out")
    (reject,) = cleaned.run.rejects
    assert "truncated" in reject["error"]
    back = unpack((library.undo(tmp_path / "out", tmp_path / "back") / "in.txt").read_bytes(), codec)[0]
    assert data.startswith(back)
    assert len(back) > len(data) // 2 or codec == "bzip2"


@pytest.mark.parametrize("codec", CODECS)
def test_streams_through_standard_input(tmp_path: Path, codec: Codec) -> None:
    data = COPIES
    done = dedup("clean", "-", "-o", "-", stdin=pack(data, codec))
    assert unpack(done.stdout, codec)[0] == CLEANED
    (tmp_path / "noise.jsonl.gz").write_bytes(random.Random(1).randbytes(5000))
    told = dedup("scan", tmp_path / "noise.jsonl.gz", "-o", tmp_path / "run", code=1)
    assert b"no record could be used" in told.stderr


def test_lines_are_found_across_pieces() -> None:
    data = b"".join(b"x" * (k * 997 % 3000) + b"\n" for k in range(3000))
    for size in (1, 5000, MEGABYTE):
        stream = Decompressed(io.BytesIO(gzip.compress(data, 1)), "gzip")
        found = []
        while part := stream.lines(size, 1 << 20):
            assert part.endswith(b"\n")
            found.append(part)
        assert b"".join(found) == data
    stream = Decompressed(io.BytesIO(gzip.compress(data, 1)), "gzip")
    assert b"".join(iter(stream.readline, b"")) == data


@pytest.mark.parametrize("codec", [None, "gzip"])
def test_what_was_read_can_be_given_back(codec: Codec | None) -> None:
    data = numbered(5000)
    stream = Decompressed(io.BytesIO(pack(data, codec)[:-1] if codec else data), codec)
    assert stream.peek(30) == data[:30]
    assert stream.read(20) == data[:20]
    assert stream.peek(2 * MEGABYTE)[-9:] == data[-9:]
    assert stream.damage is None
    assert stream.read(10) == data[20:30]
    stream.give_back(b"other" + data[20:30])
    assert stream.read(7) == b"other" + data[20:22]
    assert b"".join(iter(lambda: stream.read(999), b"")) == data[22:]
    assert (stream.damage is None) == (codec is None)
    assert stream.peek(5) == b""
