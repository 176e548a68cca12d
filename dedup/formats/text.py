"""A tree of text and Markdown files in; a file is a document, its id the path below the tree's top."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence

from dedup.errors import InputError
from dedup.formats.base import (
    LONGEST,
    Chunk,
    Cut,
    Edited,
    Parsed,
    Removed,
    opened,
    pack,
    printable,
    size_of,
    stamp_of,
    stamp_of_all,
    told,
)
from dedup.formats.compression import Codec, Decompressed, open_stream
from dedup.schema import Reject
from dedup.settings import Settings
from dedup.urls import folder_name, is_url, join, name_of

SUFFIXES = (".txt", ".md", ".markdown", ".text")


class TextTree:
    """A directory of text files, or one text file, which may be compressed.

    Args:
        path: the directory or file; ``-`` for standard input.
        file: number of the input.
        names: which files of the directory, sorted; None for all that are named like texts.

    Attributes:
        is_tree: whether it is a directory.
        files: if so, the paths of its files below it, sorted.
        codec: how the one file is compressed.
    """

    def __init__(self, path: str, file: int, names: Sequence[str] | None = None) -> None:
        self.path = told(path)
        self.codec: Codec | None = None
        self._file = file
        self._given = path
        self.is_tree = names is not None if is_url(path) else pathlib.Path(path).is_dir()
        if self.is_tree:
            self._names = list_texts(pathlib.Path(path)) if names is None else sorted(names)
            if not self._names:
                raise InputError(
                    f"no files ending in {', '.join(SUFFIXES)} here: name files, or another directory", self.path
                )
            self.name = folder_name(path)
            self.size: int | None = sum(size_of(self._path_of(name)) or 0 for name in self._names)
        else:
            self.name = "stdin.txt" if path == "-" else name_of(path)
            self._names = [self.name]
            self.size = size_of(path)

        self.files = self._names if self.is_tree else None

    def only(self, files: Sequence[str]) -> TextTree:
        """Return the part of the directory that has these files."""
        part = TextTree(self._given, self._file, files)
        part.name = self.name
        return part

    def _path_of(self, name: str) -> str:
        """Return where a file is."""
        if not self.is_tree:
            return self._given
        return join(self._given, name) if is_url(self._given) else str(pathlib.Path(self._given, name))

    def _told(self, name: str) -> str:
        """Return what to call a file in messages."""
        return printable(self._path_of(name)) if self.is_tree else self.path

    def _output(self, name: str) -> str:
        """Return the name of a file's output."""
        return os.path.join(self.name, name) if self.is_tree else self.name

    def stamp(self) -> str | None:
        """Return what changes when one of the files does."""
        return stamp_of_all(self._given, self._names) if self.is_tree else stamp_of(self._given)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole files."""
        batch: list[tuple[str, bytes]] = []
        held, read, first = 0, 0, 1
        for number, name in enumerate(self._names, 1):
            for part in self._parts(number, name, read, size):
                if batch and (part.damage or held >= size):
                    yield Chunk(self._file, first, len(batch), batch, read)
                    batch, held = [], 0
                read = part.read
                if part.damage:
                    yield part
                    continue
                first = first if batch else number
                batch += part.data
                held += len(part.data[0][1])
        if batch:
            yield Chunk(self._file, first, len(batch), batch, read)

    def _parts(self, number: int, name: str, read: int, size: int) -> Iterator[Chunk]:
        """Read a file: whole, or in parts where it is damaged or longer than LONGEST."""
        path = self._path_of(name)
        with opened(path) as file:
            if self.is_tree and not is_url(path) and os.fstat(file.fileno()).st_size <= LONGEST:
                data = file.read()
                yield Chunk(self._file, number, 1, [(name, data)], read + len(data))
                return
            stream, self.codec = (Decompressed(file, None), None) if self.is_tree else open_stream(file)
            data = stream.read(LONGEST + 1)
            damage = f"the file is longer than {LONGEST >> 20} MB" if len(data) > LONGEST else stream.damage
            if damage is None:
                yield Chunk(self._file, number, 1, [(name, data)], read + stream.consumed)
                return
            for at in range(0, max(1, len(data)), size):
                part = [(name, data[at : at + size])]
                yield Chunk(self._file, number, int(at == 0), part, read + stream.consumed, damage)
            while data := stream.read(size):
                yield Chunk(self._file, number, 0, [(name, data)], read + stream.consumed, damage)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the files of a chunk."""
        if chunk.damage:
            name, data = chunk.data[0]
            error = Reject(self._file, chunk.line, self._told(name), chunk.damage, data)
            return Parsed(pack([], [], [], []), [error] if chunk.records else [])
        names, texts, rejects = [], [], []
        for number, (name, data) in enumerate(chunk.data, chunk.line):
            try:
                data.decode()
            except UnicodeDecodeError as error:
                message = f"not UTF-8 at byte {error.start}: convert the file"
                rejects.append(Reject(self._file, number, self._told(name), message, data))
                continue
            names.append(printable(name if self.is_tree else self.name))
            texts.append(data)
        nothing = [None] * len(names)
        return Parsed(pack(texts, names, nothing, nothing), rejects)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of files, and whole files."""
        pieces: list[tuple[str, bytes]] = []
        removed: list[Removed] = []
        if chunk.damage:
            return Edited([], [Removed(self._output(name), 0, data, -1, -1) for name, data in chunk.data])
        doc = -1
        for number, (name, data) in enumerate(chunk.data, chunk.line):
            path = self._output(name)
            if number in rejected:
                removed.append(Removed(path, 0, data, -1, -1))
                continue
            doc += 1
            cut = cuts[doc]
            if cut is True:
                removed.append(Removed(path, 0, data, doc, -1))
                continue
            kept, end, offset = [], 0, 0
            for k, (start, stop) in enumerate(cut or ()):
                kept.append(data[end:start])
                offset += start - end
                removed.append(Removed(path, offset, data[start:stop], doc, k))
                end = stop
            kept.append(data[end:])
            pieces.append((path, b"".join(kept)))
        return Edited(pieces, removed)


def list_texts(root: pathlib.Path) -> list[str]:
    """Return the paths, below a directory and sorted, of its text files; what is hidden is left out."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        texts = (name for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))
        found += [str(pathlib.Path(folder, name).relative_to(root)) for name in texts]
    return sorted(found)
