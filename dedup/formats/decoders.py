"""Compressed bytes in; pieces of what they hold out, all of them that stand before any damage."""

from __future__ import annotations

import bz2
import contextlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Protocol, Self, cast

import pyarrow as pa

PIECE = 1 << 20  # bytes: most that is given at a time,
READ = 1 << 17  # and most that is read: what stands behind a member is copied
ARROW_READS = 1 << 16  # bytes that Arrow reads at a time, and so may hold back
XZ_MEMORY = 1 << 28  # bytes that an xz stream may ask for: `xz -9` asks for 65 MB
STEPS = (1 << 12, 1)  # bytes asked for at a time where damage is near


class Damage(Exception):
    """Why a stream ends too early, told after all that could be read."""


class Unread(Exception):
    """The system could not read a file: no damage, though decoders tell of that by the same errors.

    Args:
        error: what it said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class Source:
    """Bytes of a file from where it stands, counted.

    Arrow closes what it is given; this leaves the file open.

    Attributes:
        given: bytes read so far.
    """

    closed = False

    def __init__(self, file: BinaryIO, head: bytes = b"") -> None:
        self.given = 0
        self._file = file
        self._head = head  # was read from the file before
        self._begin = file.tell() if file.seekable() and not head else None
        self._slow: int | None = None

    @property
    def again(self) -> bool:
        """Whether it can be read again."""
        return self._begin is not None

    def rewind(self, to: int) -> None:
        """Read again from there."""
        if self._begin is None:
            raise OSError("what is no file cannot be read again")
        self._file.seek(self._begin + to)
        self.given = to

    def slow_down(self, after: int) -> None:
        """Give one byte at a time from there on."""
        self._slow = after

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer at the end, and where they come through a pipe.

        Raises:
            Unread: the system says no.
        """
        if self._slow is not None:
            size = max(1, min(size, self._slow - self.given))
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            try:
                data = self._file.read(size)
            except OSError as error:
                raise Unread(error) from error
        self.given += len(data)
        return data

    def readable(self) -> bool:
        """Whether it can be read: what pyarrow asks."""
        return True

    def close(self) -> None:
        """Leave it to the owner."""


class Decoder(Protocol):
    """What Python's modules have for streams: one member, a piece at a time."""

    @property
    def eof(self) -> bool:
        """Whether the member is at its end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether there is no more to be given of what was taken."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What stands behind the member."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take bytes, and return at most so many."""
        ...


class Inflater:
    """zlib behind the interface of the other modules."""

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream or zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the member is at its end."""
        return bool(self._stream.eof)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the member."""
        return bytes(self._stream.unused_data)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take bytes, and return at most so many."""
        out: bytes = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(out) < max_length and not self._stream.unconsumed_tail
        return out

    def copy(self) -> Self:
        """Return another that has read the same."""
        return type(self)(self._stream.copy())


def fast_inflater() -> Decoder:
    """Return what decompresses gzip fastest here: ISA-L takes less than half the time of zlib."""
    try:
        from isal import igzip_lib
    except ImportError:
        return Inflater()
    decoder: Decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return decoder


def xz_decoder() -> Decoder:
    """Return a decoder of xz streams that takes a bounded amount of memory."""
    import lzma  # is left out of some builds of Python

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)


def decoder_errors() -> tuple[type[Exception], ...]:
    """Return what decoders raise when a stream is corrupt."""
    errors: tuple[type[Exception], ...] = (zlib.error, OSError, EOFError, ValueError)
    with contextlib.suppress(ImportError):
        import lzma

        errors += (lzma.LZMAError,)
    with contextlib.suppress(ImportError):
        from isal import igzip_lib

        errors += (cast("type[Exception]", igzip_lib.error),)
    return errors


# What decodes what Arrow does not; the fastest first, the last one has the last word on what is corrupt.
MEMBERS: dict[str, tuple[Callable[[], Decoder], ...]] = {
    "gzip": (fast_inflater, Inflater),
    "bzip2": (bz2.BZ2Decompressor,),
    "xz": (xz_decoder,),
}


def read_pieces(source: Source, codec: str) -> Iterator[bytes]:
    """Yield what a stream of any number of members or frames holds, in pieces of at most PIECE bytes.

    Raises:
        Damage: it is truncated or corrupt; all that could be read was yielded before.
        Unread: the system could not read it.
    """
    return read_members(source, codec) if codec in MEMBERS else read_frames(source, codec)


def read_members(source: Source, codec: str) -> Iterator[bytes]:
    """Yield what members hold; see ``read_pieces``."""
    makers: Sequence[Callable[[], Decoder]] = MEMBERS[codec] if source.again else MEMBERS[codec][-1:]
    errors = decoder_errors()
    rest = source.read(READ)
    if not rest:
        raise Damage(f"the {codec} stream is truncated")
    while rest:
        begin, given = source.given - len(rest), 0  # of this member: where it begins, what of it was yielded
        for last, maker in enumerate(makers, 1 - len(makers)):
            member = Member(source, maker(), rest)
            try:
                for piece in member.pieces(given):
                    given += len(piece)
                    yield piece
                break
            except errors as error:
                if last < 0:
                    source.rewind(begin)
                    rest = source.read(READ)
                    continue
                yield from member.salvage(begin, maker, given, errors)
                raise Damage(f"the {codec} stream is {complaint(error)}") from error
        if not member.decoder.eof:
            raise Damage(f"the {codec} stream is truncated")
        rest = member.decoder.unused_data.lstrip(b"\0")  # padding between members is allowed
        while not rest and (data := source.read(READ)):
            rest = data.lstrip(b"\0")


def complaint(error: Exception) -> str:
    """Say what a decoder objects to."""
    if "Memory usage limit" in str(error):
        return f"made to be read with more than {XZ_MEMORY >> 20} MB of memory: compress it anew"
    return f"corrupt ({error})"


class Member:
    """One member of a stream on its way through a decoder.

    Attributes:
        decoder: what decodes it.
    """

    def __init__(self, source: Source, decoder: Decoder, data: bytes) -> None:
        self.decoder = decoder
        self._source = source
        self._data = data  # what the decoder was given last, ...
        self._given = self._before = 0  # ... what it gave so far, and before that
        self._copy: Any = None  # the decoder before that, where the source cannot be read again

    def pieces(self, skip: int) -> Iterator[bytes]:
        """Yield what the member holds, but for its first ``skip`` bytes; to its end or that of the source."""
        decoder, data = self.decoder, self._data
        while not decoder.eof:
            if data and not self._source.again and isinstance(decoder, Inflater):
                self._copy = decoder.copy()
            out = decoder.decompress(data, PIECE)
            self._given += len(out)
            if self._given > skip:
                yield out[max(0, len(out) - (self._given - skip)) :]
            data = b""
            if decoder.needs_input and not decoder.eof:
                data = self._source.read(READ)
                if not data:
                    return
                self._data, self._before = data, self._given

    def salvage(
        self, begin: int, maker: Callable[[], Decoder], skip: int, errors: tuple[type[Exception], ...]
    ) -> Iterator[bytes]:
        """Yield what stands before the byte that breaks the member: a call that fails keeps its output to itself.

        Args:
            begin: where in the source the member begins.
            maker: makes a decoder.
            skip: bytes of the member that were yielded.
            errors: what it raises.
        """
        decoder, done, end = self._copy, self._before, 0  # it has read the source up to there
        if decoder is None:
            if not self._source.again:
                return
            end = self._source.given - len(self._data)
            self._source.rewind(begin)
            decoder, done = maker(), 0
        with contextlib.suppress(*errors):
            # a file that is written to meanwhile may end before, or hold something else
            while self._source.given < end and (data := self._source.read(min(READ, end - self._source.given))):
                while data or not decoder.needs_input:
                    done += len(decoder.decompress(data, PIECE))
                    data = b""
            if self._source.given < end:
                return
            for k in range(len(self._data)):
                data = self._data[k : k + 1]
                while data or not decoder.needs_input:
                    out = decoder.decompress(data, PIECE)
                    data = b""
                    done += len(out)
                    if done > skip:
                        yield out[max(0, len(out) - (done - skip)) :]


def read_frames(source: Source, codec: str) -> Iterator[bytes]:
    """Yield what frames hold, through Arrow; see ``read_pieces``."""
    given, room = 0, bytearray(PIECE)
    try:
        stream = open_frames(source, codec)
        while data := fill(stream, room):
            given += len(data)
            yield data
    except (OSError, pa.ArrowException) as error:
        if source.again:
            yield from salvage_frames(source, codec, given)
        raise Damage(f"the {codec} stream is truncated or corrupt ({error})") from error


def open_frames(source: Source, codec: str) -> Any:
    """Return Arrow's stream over frames."""
    return pa.CompressedInputStream(pa.PythonFile(source, "r"), codec)


def fill(stream: Any, room: bytearray) -> bytes:
    """Return the next bytes of a stream of Arrow's, as many as there is room for; fewer at the end.

    Its ``read`` never gives back the room that it makes where it fails.
    """
    with memoryview(room) as view:
        return bytes(view[: stream.readinto(view)])


def salvage_frames(source: Source, codec: str, given: int) -> Iterator[bytes]:
    """Yield what frames hold, after their first ``given`` bytes, before the byte that breaks them.

    A call that fails keeps its output to itself, so ever less is asked for, and near the damage the source gives byte
    after byte.
    """
    near = source.given - ARROW_READS
    for step in STEPS:
        source.rewind(0)
        source.slow_down(near)
        with contextlib.suppress(OSError, pa.ArrowException):
            stream = open_frames(source, codec)
            left = given
            while left and (passed := len(fill(stream, bytearray(min(PIECE, left))))):  # the file may be shorter by now
                left -= passed
            room = bytearray(step)
            while data := fill(stream, room):
                given += len(data)
                yield data
