"""Bytes of a valid file in; bytes of a damaged or hostile one out."""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from random import Random

Step = Callable[[Random, bytes], bytes]

MOST = 1 << 14  # bytes of an input
MOST_STEPS = 5
NUMBERS = (
    0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 129, 255, 256, 1000, 1023, 1024, 4096, 32767, 32768, 65535,
    65536, 10**6, 2**20, 2**24 - 1, 2**27, 2**27 + 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**40, 2**53,
    2**62, 2**63 - 1, 2**63, 2**64 - 1, -1, -2, -8, -128, -129, -32768, -(2**31), -(2**31) - 1, -(2**63),
)  # fmt: skip
TOKENS = (
    b"", b"\0", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\t", b"\xef\xbb\xbf", b"\xff\xfe", b"\x80", b"\xc3",
    b"\xe2\x82",
    b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\x1a", b"\x1b", b"\x7f", b"A" * 300,
    b"-", b"'", b'"', b"\\", b"/", b"../", b"<", b">", b"&", b"%s%n", b"{}", b"[]", b"1e999", b"NaN", b"null",
)  # fmt: skip
DIGITS = re.compile(rb"-?\d+")


def place(rng: Random, size: int) -> int:
    """Return a place in so many bytes; where it begins and ends more often than elsewhere."""
    kind = rng.random()
    if kind < 0.2:
        return rng.randrange(min(size, 16) + 1)
    if kind < 0.4:
        return size - rng.randrange(min(size, 16) + 1)
    return rng.randrange(size + 1)


def span(rng: Random, size: int) -> tuple[int, int]:
    """Return where a slice begins and ends; short ones more often than long ones."""
    start = place(rng, size)
    most = rng.choice((1, 2, 4, 8, 32, 256, size))
    return start, min(size, start + 1 + rng.randrange(max(1, most)))


def noise(rng: Random, size: int) -> bytes:
    """Return random bytes."""
    return bytes(rng.randrange(256) for _ in range(size))


def flip(rng: Random, data: bytes) -> bytes:
    """Flip some bits."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        if changed:
            changed[min(place(rng, len(changed)), len(changed) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(rng: Random, data: bytes) -> bytes:
    """Write random bytes, or the same byte, over a slice."""
    start, end = span(rng, len(data))
    new = noise(rng, min(end - start, 64)) if rng.random() < 0.5 else bytes([rng.randrange(256)]) * (end - start)
    return data[:start] + new + data[start + len(new) :]


def integer(rng: Random, data: bytes) -> bytes:
    """Write a number as of machines over some bytes."""
    width = rng.choice((1, 2, 4, 8))
    number = rng.choice(NUMBERS) + rng.choice((0, 0, 0, 1, -1))
    new = (number % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "little", "big")))
    start = place(rng, len(data))
    if rng.random() < 0.5:
        start -= start % width
    return data[:start] + new + data[start + width :]


def digits(rng: Random, data: bytes) -> bytes:
    """Replace a number that stands there in digits."""
    found = list(itertools.islice(DIGITS.finditer(data), 64))
    if not found:
        return integer(rng, data)
    one = rng.choice(found)
    kind = rng.random()
    new = b"%d" % (int(one[0][:18]) + rng.choice((1, -1, 10, -10))) if kind < 0.5 else b"%d" % rng.choice(NUMBERS)
    if kind > 0.95:
        new = b"9" * rng.choice((19, 20, 21, 5000))
    return data[: one.start()] + new + data[one.end() :]


def truncate(rng: Random, data: bytes) -> bytes:
    """Cut the end off, or the beginning."""
    at = place(rng, len(data))
    return data[at:] if rng.random() < 0.2 else data[:at]


def remove(rng: Random, data: bytes) -> bytes:
    """Remove a slice."""
    start, end = span(rng, len(data))
    return data[:start] + data[end:]


def repeat(rng: Random, data: bytes) -> bytes:
    """Repeat a slice, perhaps often."""
    start, end = span(rng, len(data))
    times = rng.choice((1, 1, 2, 10, 300))
    return (data[:end] + data[start:end] * min(times, 1 + MOST // max(1, end - start)) + data[end:])[:MOST]


def move(rng: Random, data: bytes) -> bytes:
    """Put a slice elsewhere."""
    start, end = span(rng, len(data))
    left = data[:start] + data[end:]
    at = place(rng, len(left))
    return left[:at] + data[start:end] + left[at:]


def insert_noise(rng: Random, data: bytes) -> bytes:
    """Insert random bytes."""
    at = place(rng, len(data))
    return data[:at] + noise(rng, rng.choice((1, 1, 2, 8, 40))) + data[at:]


def lines(rng: Random, data: bytes) -> bytes:
    """Remove, repeat, swap or join lines, or end one otherwise."""
    parts = data.split(b"\n")
    one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.randrange(5)
    if kind == 0:
        del parts[one]
    elif kind == 1:
        parts.insert(one, parts[other])
    elif kind == 2:
        parts[one], parts[other] = parts[other], parts[one]
    elif kind == 3:
        parts[one] += b"\r"
    else:
        parts[one : one + 2] = [b"".join(parts[one : one + 2])]
    return b"\n".join(parts)


GENERAL: tuple[Step, ...] = (
    flip, flip, overwrite, integer, digits, digits, truncate, remove, remove, repeat, move, insert_noise, lines,
)  # fmt: skip


class Mutator:
    """Draws inputs.

    Args:
        seeds: valid files.
        tokens: words of the format.
        steps: mutations that know the format.
    """

    def __init__(self, seeds: Sequence[bytes], tokens: Sequence[bytes] = (), steps: Sequence[Step] = ()) -> None:
        self.seeds = list(seeds)
        self._tokens = [*TOKENS, *tokens, *tokens]
        self._general = [*GENERAL, self._token, self._token, self._splice]
        self._steps = list(steps)

    def draw(self, rng: Random) -> bytes:
        """Return an input."""
        data = rng.choice(self.seeds)
        if rng.random() < 0.02:
            return data
        count = 1
        while count < MOST_STEPS and rng.random() < 0.5:
            count += 1
        for _ in range(count):
            data = self.mutate(rng, data)
        return data

    def mutate(self, rng: Random, data: bytes) -> bytes:
        """Return an input that differs from another."""
        known = self._steps and rng.random() < 0.5
        return rng.choice(self._steps if known else self._general)(rng, data)[: max(MOST, 2 * len(data))]

    def _token(self, rng: Random, data: bytes) -> bytes:
        """Insert a word of the format, or put it over others, or replace one word by another."""
        new = rng.choice(self._tokens)
        kind = rng.random()
        if kind < 0.3:
            old = rng.choice(self._tokens)
            at = data.find(old, place(rng, len(data))) if old else -1
            if at >= 0:
                return data[:at] + new + data[at + len(old) :]
        at = place(rng, len(data))
        return data[:at] + new + data[at + (len(new) if kind > 0.6 else 0) :]

    def _splice(self, rng: Random, data: bytes) -> bytes:
        """Put a part of a seed into the input, or behind it."""
        other = rng.choice(self.seeds)
        start, end = span(rng, len(other))
        if rng.random() < 0.5:
            end = len(other)
        first, last = span(rng, len(data))
        return data[:first] + other[start:end] + (data[last:] if rng.random() < 0.5 else b"")


# Parquet: numbers of Thrift's compact protocol.
MOST_DEPTH = 40
STOP, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 3, 7, 8, 9, 10, 11, 12
VARINTS = {4, 5, 6}
Spans = list[tuple[int, int]]


def varint_end(data: bytes, at: int) -> int:
    """Return where a number ends."""
    while data[at] & 0x80:
        at += 1
    return at + 1


def varint(data: bytes, at: int) -> int:
    """Read a number."""
    return sum((byte & 0x7F) << 7 * k for k, byte in enumerate(data[at : varint_end(data, at)]))


def encoded(number: int) -> bytes:
    """Write a number of 64 bits."""
    number %= 1 << 64
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def walk(data: bytes, at: int, kind: int, found: Spans, depth: int = 0) -> int:  # noqa: C901 - a type after the other
    """Find the numbers and lengths of a Thrift value, and return where it ends.

    Raises:
        IndexError: it does not end.
    """
    if depth > MOST_DEPTH:
        raise IndexError
    if kind in VARINTS or kind == BINARY:
        end = varint_end(data, at)
        found.append((at, end))
        return end + (varint(data, at) if kind == BINARY else 0)
    if kind == BYTE:
        return at + 1
    if kind == DOUBLE:
        return at + 8
    if kind in {LIST, SET}:
        size, of = data[at] >> 4, data[at] & 15
        found.append((at, at + 1))
        at += 1
        if size == 15:
            size = varint(data, at)
            found.append((at, varint_end(data, at)))
            at = varint_end(data, at)
        for _ in range(min(size, 9999)):
            at = at + 1 if of in {1, 2} else walk(data, at, of, found, depth + 1)
        return at
    if kind == MAP:
        size = varint(data, at)
        at = varint_end(data, at)
        kinds = data[at]
        for _ in range(min(size, 9999)):
            at = walk(data, walk(data, at + 1, kinds >> 4, found, depth + 1), kinds & 15, found, depth + 1)
        return at
    while kind == STRUCT and data[at] != STOP:
        field = data[at]
        found.append((at, at + 1))
        at += 1
        if not field >> 4:
            at = varint_end(data, at)
        if field & 15 not in {1, 2}:
            at = walk(data, at, field & 15, found, depth + 1)
    return at + 1 if kind == STRUCT else at


def thrift_of(data: bytes) -> tuple[Spans, int]:
    """Return the numbers in the footer and the headers of pages of a Parquet file, and where the footer begins."""
    spans: Spans = []
    size = struct.unpack("<I", data[-8:-4])[0] if len(data) > 12 else 0
    begin = max(4, len(data) - 8 - size)
    at = 4
    while at < begin:
        header: Spans = []
        try:
            at = walk(data, at, STRUCT, header)
            # its third field is how long the page is, compressed
            sizes = [varint(data, start) >> 1 for start, end in header if data[start - 1] == 0x15]
        except IndexError:
            break
        spans += header
        if len(sizes) < 3 or not header:
            break
        at += sizes[2]
    with contextlib.suppress(IndexError):
        walk(data[:-8], begin, STRUCT, spans)
    return spans, begin


def parquet_number(rng: Random, data: bytes) -> bytes:
    """Change a number, a length or a type in the footer or the header of a page; the footer's length is mended."""
    spans, begin = thrift_of(data)
    if not spans:
        return integer(rng, data)
    footer = [one for one in spans if one[0] >= begin]
    start, end = rng.choice(footer if footer and rng.random() < 0.6 else spans)
    kind = rng.random()
    if kind < 0.3:
        new = bytes([data[start] ^ 1 << rng.randrange(8)]) + data[start + 1 : end]
    elif kind < 0.6:
        new = encoded(varint(data, start) + rng.choice((1, -1, 2, -2, 16, 100)))
    else:
        number = rng.choice(NUMBERS)
        new = encoded(number if rng.random() < 0.5 else number << 1 ^ number >> 63)
    if start < begin:  # what stands behind stays where it is
        new = (new + data[start + len(new) : end])[: end - start] if rng.random() < 0.8 else new
        return data[:start] + new + data[end:]
    body = data[begin:start] + new + data[end:-8]
    return data[:begin] + body + struct.pack("<I", len(body)) + data[-4:]


def parquet_footer(rng: Random, data: bytes) -> bytes:
    """Damage the footer as bytes, but mend its length."""
    size = struct.unpack("<I", data[-8:-4])[0] if len(data) > 12 else 0
    begin = max(4, len(data) - 8 - size)
    body = rng.choice((flip, overwrite, remove, move, repeat))(rng, data[begin:-8])
    return data[:begin] + body + struct.pack("<I", len(body)) + data[-4:]


def messages_of(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the metadata of Arrow's messages begin and end, the footer's among them."""
    at = 0
    while (at := data.find(b"\xff\xff\xff\xff", at)) >= 0 and at + 8 <= len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        if 0 < size <= len(data) - at - 8:
            yield at + 8, at + 8 + size
            at += 8 + size
        else:
            at += 4
    if data.endswith(b"ARROW1") and len(data) > 10:
        size = struct.unpack("<I", data[-10:-6])[0]
        if size < len(data) - 10:
            yield len(data) - 10 - size, len(data) - 10


def arrow_metadata(rng: Random, data: bytes) -> bytes:
    """Change a number in the metadata of a message."""
    messages = list(messages_of(data))
    if not messages:
        return integer(rng, data)
    start, end = rng.choice(messages)
    width = rng.choice((1, 2, 4, 8))
    at = start + rng.randrange(max(1, end - start)) // width * width
    old = int.from_bytes(data[at : at + width], "little")
    number = rng.choice(NUMBERS) if rng.random() < 0.5 else old + rng.choice((1, -1, 4, -4, 8, -8, 64, 256))
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, "little") + data[at + width :]


def arrow_body(rng: Random, data: bytes) -> bytes:
    """Change a number in what follows the metadata of a message: offsets, lengths, indices."""
    ends = [end for _, end in messages_of(data)]
    if not ends:
        return integer(rng, data)
    at = rng.choice(ends) + 4 * rng.randrange(32)
    width = rng.choice((1, 4, 8))
    number = rng.choice(NUMBERS) if rng.random() < 0.5 else rng.randrange(64)
    return data[:at] + (number % (1 << 8 * width)).to_bytes(width, "little") + data[at + width :]


LENGTH = re.compile(rb"(?i)(content-length: *)(\d+)")
BOUND = re.compile(rb"\r?\n\r?\nWARC/")


def warc_length(rng: Random, data: bytes) -> bytes:
    """Change the length that a record or a response tells."""
    found = list(LENGTH.finditer(data))
    if not found:
        return digits(rng, data)
    one = rng.choice(found)
    told = int(one[2][:18])
    new = rng.choice((b"%d" % (told + rng.choice((1, -1, 2, 4, 40))), b"%d" % rng.choice(NUMBERS), b"", b"9" * 30))
    return data[: one.start(2)] + new + data[one.end(2) :]


def warc_body(rng: Random, data: bytes) -> bytes:
    """Damage the body of a record, but let it tell its length."""
    found = [one for one in LENGTH.finditer(data) if data.rfind(b"WARC/1", 0, one.start()) >= 0]
    if not found:
        return flip(rng, data)
    one = rng.choice(found)
    begin = data.find(b"\r\n\r\n", one.end()) + 4
    end = begin + int(one[2][:18])
    if begin < 4:
        return flip(rng, data)
    body = rng.choice(GENERAL)(rng, data[begin:end])
    return data[: one.start(2)] + b"%d" % len(body) + data[one.end(2) : begin] + body + data[end:]


SEPARATOR = b"\n\xff\xfe--\xfe\xff\n"  # between names and contents of several files in one input


def join(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Put files into one input."""
    return SEPARATOR.join(itertools.chain.from_iterable((name.encode(), data) for name, data in files))


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and contents of the files in an input."""
    parts = data.split(SEPARATOR)
    return list(zip(parts[::2], [*parts[1::2], b""], strict=False))


def one_file(steps: Sequence[Step] = GENERAL) -> Step:
    """Return a mutation of one of the files in an input."""

    def step(rng: Random, data: bytes) -> bytes:
        parts = data.split(SEPARATOR)
        bodies = range(1, len(parts), 2)
        if not bodies:
            return flip(rng, data)
        k = rng.choice(bodies)
        parts[k] = rng.choice(steps)(rng, parts[k])
        return SEPARATOR.join(parts)

    return step
