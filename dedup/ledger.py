"""Inputs, and what was read of them before, in; what is left to read, and in which order documents stand, out.

A directory of texts or of pages is one input, and may be read in parts, as files come to it: some of its files, then
those that are new. Its documents stand in the order of all its files all the same.
"""

from __future__ import annotations

import collections
import heapq
import operator
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import xxhash

from dedup.arrays import I64, U64
from dedup.errors import Corrupt
from dedup.formats import Chunk, Input, Inputs, Parsed, Tree, narrow
from dedup.run import TextsSum, json_line, reject_row
from dedup.schema import Reject
from dedup.settings import Settings
from dedup.store import PIECE

FILES = "files-"  # how the names of lists of files begin
HASHED = 1 << 16  # hashes of texts that are put together at a time


class Read(msgspec.Struct):
    """How far an input, or a part of a directory, was read.

    Attributes:
        path: what it is called; ``name``, that of its output, which documents without an id are called by.
        size: its bytes, None where not known.
        stamp: changes when it does; None where it cannot be read again.
        batch_bytes: bytes of a chunk.
        place: number of the input.
        files: see ``name_of_list``: the files of a directory that it is about; None for one that is no directory.
        chunks: how many of its chunks were read; ``done``, whether that is all.
        docs: how many documents they hold.
        rejects: records that could not be used; ``reject_bytes``, what they take up where they are written down.
    """

    path: str
    name: str
    size: int | None
    stamp: str | None
    batch_bytes: int
    place: int = 0
    files: str | None = None
    chunks: int = 0
    done: bool = False
    docs: int = 0
    rejects: int = 0
    reject_bytes: int = 0


class Known(NamedTuple):
    """What was read before.

    Attributes:
        read: how far.
        files: names of the files of a directory that it is about; None for one that is no directory.
    """

    read: Read
    files: Sequence[str] | None = None


class Part(NamedTuple):
    """An input, or those files of a directory that are read together.

    Attributes:
        source: reads them.
        read: how far they were read.
        files: their names; None for an input that is no directory.
    """

    source: Input
    read: Read
    files: Sequence[str] | None


class Parts(NamedTuple):
    """All that is to be read.

    Attributes:
        of_inputs: the parts of each input: those that were read before, in that order, and at most one that was not.
        stored: what was read before, in the order in which its documents stand in the corpus.
    """

    of_inputs: list[list[Part]]
    stored: list[Part]


class Kept:
    """An input whose sketches rest; it is not read.

    Args:
        known: what was read of it, some of its files after others.
    """

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = known
        reads = [one.read for one in known]
        self.path, self.name = reads[0].path, reads[0].name
        sizes = [read.size for read in reads]
        self.size = None if None in sizes else sum(filter(None, sizes))
        is_tree = known[0].files is not None
        self.files = sorted(name for one in known for name in one.files or ()) if is_tree else None

    def only(self, files: Sequence[str]) -> Kept:
        """Return the part of it that has these files, which were read together."""
        name = name_of_list(files)
        return Kept([one for one in self._known if one.read.files == name])

    def stamp(self) -> str | None:
        """Return what it was; of what was read in parts, the first."""
        return self._known[0].read.stamp

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read nothing."""
        raise NotImplementedError

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read nothing."""
        raise NotImplementedError


def kept_inputs(known: Iterable[Known]) -> list[Kept]:
    """Put what was read together to inputs, in the order in which they were given."""
    inputs = collections.defaultdict[int, list[Known]](list)
    for one in known:
        inputs[one.read.place].append(one)
    return [Kept(parts) for _, parts in sorted(inputs.items())]


def name_of_list(files: Iterable[str]) -> str:
    """Return what a list of files is called: a checksum of it is in the name."""
    return FILES + xxhash.xxh3_128_hexdigest(bytes_of_list(files))


def bytes_of_list(files: Iterable[str]) -> bytes:
    """Return what is written into a list of files."""
    return "\0".join(files).encode(errors="surrogateescape")


def read_list(path: pathlib.Path) -> list[str]:
    """Read a list of files.

    Raises:
        Corrupt: it is damaged, or not there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Corrupt(f"{path} cannot be read ({error.strerror}): scan again") from error
    files = data.decode(errors="surrogateescape").split("\0")
    if name_of_list(files) != path.name:
        raise Corrupt(f"{path} is damaged: scan again")
    return files


def as_tree(source: Input) -> Tree | None:
    """Return an input that is many files; None for others."""
    return cast("Tree", source) if getattr(source, "files", None) is not None else None


def find_parts(inputs: Inputs, known: Iterable[Known], settings: Settings) -> Parts | str:
    """Find what was read before among the inputs, and what was not.

    Returns:
        The parts; or why nobody can go on from what was read.
    """
    of_inputs: list[list[Part]] = [[] for _ in inputs]
    left = [None if tree is None else dict.fromkeys(tree.files) for tree in map(as_tree, inputs)]
    places = collections.defaultdict[tuple[str, str, bool], list[int]](list)
    for k, one in enumerate(inputs):
        places[one.path, one.name, left[k] is not None].append(k)
    stored = []
    for read, files in known:
        found = None
        for k in places[read.path, read.name, files is not None]:
            if of_inputs[k] if files is None else not take(left[k] or {}, files):
                continue
            source = part_of(inputs[k], files)
            if read.stamp == inputs.stamp(source) and (read.stamp is not None or isinstance(source, Kept)):
                found = Part(narrow(source, settings), read, files)
                of_inputs[k].append(found)
                read.place = k
                break
        if found is None:
            return why_unknown(read, inputs)
        if not read.done and settings.batch_bytes != read.batch_bytes:
            return f"made with batch_bytes={read.batch_bytes}"
        stored.append(found)
    for k, (parts, unread) in enumerate(zip(of_inputs, left, strict=True)):
        if unread or not parts:
            parts.append(new_part(k, unread, inputs, settings))
    return Parts(of_inputs, stored)


def new_part(place: int, unread: dict[str, None] | None, inputs: Inputs, settings: Settings) -> Part:
    """Return what was not read yet: an input, or those files of it."""
    one = inputs[place]
    files = None if unread is None else list(unread)
    source = part_of(one, files)
    name = None if files is None else name_of_list(files)
    read = Read(one.path, one.name, source.size, inputs.stamp(source), settings.batch_bytes, place, name)
    return Part(narrow(source, settings), read, files)


def take(left: dict[str, None], files: Sequence[str]) -> bool:
    """Take files from those that are left; return whether all of them were."""
    if not all(name in left for name in files):
        return False
    for name in files:
        del left[name]
    return True


def part_of(source: Input, files: Sequence[str] | None) -> Input:
    """Return the part of an input that has these files: itself, where they are all or it is no directory."""
    tree = as_tree(source)
    return source if tree is None or files is None or len(files) == len(tree.files) else tree.only(files)


def why_unknown(read: Read, inputs: Inputs) -> str:
    """Say why what was read is not among the inputs."""
    names = {one.name for one in inputs if one.path == read.path}
    if not names:
        return f"{read.path} is not among the inputs"
    told = "has changed" if read.name in names else f"is told apart from others as {names.pop()} now"
    return f"{read.path} {told}"


class Ledger:
    """Which inputs were read, and how far.

    Args:
        parts: of the inputs.
        rejects: the file where records that could not be used are written down.

    Attributes:
        stored: what was read, in the order in which its documents stand in the corpus.
    """

    def __init__(self, parts: Parts, rejects: pathlib.Path) -> None:
        self._parts = parts.of_inputs
        self.stored = list(parts.stored)
        self._rejects = rejects
        with rejects.open("ab") as file:
            file.truncate(sum(read.reject_bytes for read in self.reads))

    @property
    def reads(self) -> list[Read]:
        """How far each of ``stored`` was read."""
        return [part.read for part in self.stored]

    def size(self) -> int | None:
        """Return the bytes of all inputs, None where not known."""
        sizes = [part.read.size for parts in self._parts for part in parts]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def rejected(self) -> int:
        """How many records could not be used."""
        return sum(read.rejects for read in self.reads)

    def left(self) -> Iterator[Part]:
        """Yield what is not read to its end, that which was begun first, as it was."""
        begun = {id(part.read) for part in self.stored}
        yield from [part for part in self.stored if not part.read.done]
        for part in [part for parts in self._parts for part in parts if id(part.read) not in begun]:
            self.stored.append(part)
            yield part

    def set_aside(self, read: Read, rejects: list[Reject]) -> None:
        """Write down records that could not be used."""
        if rejects:
            with self._rejects.open("ab") as file:
                read.rejects += len(rejects)
                read.reject_bytes += file.write(b"".join(json_line(reject_row(one)) for one in rejects))

    def first_reject(self) -> dict[str, Any] | None:
        """Return the first record that could not be used; None where there is none."""
        with self._rejects.open("rb") as file:
            line = file.readline()
        found: dict[str, Any] | None = msgspec.json.decode(line) if line else None
        return found

    def write_rejects(self, target: pathlib.Path) -> int:
        """Write the records that could not be used in the order of the inputs, if there are any; return how many."""
        if self.rejected:
            with target.open("wb") as out:
                for parts in self._parts:
                    if len(parts) == 1:
                        out.writelines(self._pieces_of(parts[0].read))
                        continue
                    rows = [
                        self._rejects_of(part, numbers) for part, numbers in zip(parts, numbers_in(parts), strict=True)
                    ]
                    out.writelines(map(json_line, heapq.merge(*rows, key=operator.itemgetter("line"))))
        return self.rejected

    def _start_of(self, read: Read) -> int:
        """Return where the records begin that were set aside of what was read."""
        start = 0
        for one in self.reads:
            if one is read:
                break
            start += one.reject_bytes
        return start

    def _pieces_of(self, read: Read) -> Iterator[bytes]:
        """Yield what was set aside, some of it at a time."""
        with self._rejects.open("rb") as file:
            file.seek(self._start_of(read))
            left = read.reject_bytes
            while left and (data := file.read(min(PIECE, left))):
                left -= len(data)
                yield data

    def _rejects_of(self, part: Part, numbers: I64) -> Iterator[dict[str, Any]]:
        """Yield the rejects of a part of a directory; their files have the numbers that they have in the directory."""
        with self._rejects.open("rb") as file:
            file.seek(self._start_of(part.read))
            for _ in range(part.read.rejects):
                row = msgspec.json.decode(file.readline())
                yield {**row, "line": int(numbers[row["line"] - 1])}

    def positions(self) -> I64:
        """Return int64[docs], the place of each document in the inputs; empty where they stand in that order."""
        if self.stored == [parts[0] for parts in self._parts if len(parts) == 1]:
            return np.empty(0, np.int64)
        found: dict[int, I64] = {}
        first = 0
        for parts in self._parts:
            docs = sum(part.read.docs for part in parts)
            if len(parts) == 1:
                found[id(parts[0].read)] = first + np.arange(docs)
            else:
                numbers = [self._numbers_of_docs(part, own) for part, own in zip(parts, numbers_in(parts), strict=True)]
                order = np.argsort(np.concatenate(numbers), kind="stable")
                places = np.empty(docs, np.int64)
                places[order] = first + np.arange(docs)
                ends = np.cumsum([own.size for own in numbers])[:-1]
                found.update((id(part.read), own) for part, own in zip(parts, np.split(places, ends), strict=True))
            first += docs
        return np.concatenate([found[id(read)] for read in self.reads])

    def _numbers_of_docs(self, part: Part, numbers: I64) -> I64:
        """Return the numbers of files that are documents: each is, but for those that could not be used.

        Raises:
            Corrupt: there are more or fewer.
        """
        without = {row["line"] for row in self._rejects_of(part, numbers)}
        docs = numbers[~np.isin(numbers, np.array(sorted(without), np.int64))]
        if docs.size != part.read.docs:
            raise Corrupt(f"{part.read.path}: what was read of it before is damaged: scan again into another directory")
        return docs

    def texts(self, hashes: U64, positions: I64) -> Iterator[TextsSum]:
        """Yield checksums of the texts of each input.

        Args:
            hashes: uint64[docs], of each document of the corpus, see ``hash_texts``.
            positions: int64[docs], see ``positions``.
        """
        if positions.size:
            ordered = np.empty_like(hashes)
            ordered[positions] = hashes
            hashes = ordered
        first = 0
        for parts in self._parts:
            texts = TextsSum()
            end = first + sum(part.read.docs for part in parts)
            for start in range(first, end, HASHED):
                texts.add(hashes[start : min(end, start + HASHED)])
            first = end
            yield texts


def numbers_in(parts: Sequence[Part]) -> list[I64]:
    """Return, for the parts of a directory, the 1-based numbers of their files in it."""
    names = [name for part in parts for name in part.files or ()]
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = np.empty(len(names), np.int64)
    numbers[order] = np.arange(1, len(names) + 1)
    return np.split(numbers, np.cumsum([len(part.files or ()) for part in parts])[:-1])
