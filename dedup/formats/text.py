"""A tree of text and Markdown files in; a file is a document, its id the path below the tree's top."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence

import xxhash

from dedup.errors import InputError, NotFound
from dedup.formats.base import Chunk, Cut, Edited, Parsed, Removed, pack, printable, stamp_of
from dedup.schema import Reject
from dedup.settings import Settings

SUFFIXES = (".txt", ".md", ".markdown", ".text")


class TextTree:
    """A directory of text files, or one text file."""

    def __init__(self, path: str, file: int) -> None:
        self.path = printable(path)
        self._file = file
        root = pathlib.Path(path)
        self._is_tree = root.is_dir()
        if self._is_tree:
            self._root = root
            self._names = list_texts(root)
            if not self._names:
                raise InputError(
                    f"no files ending in {', '.join(SUFFIXES)} here: name files, or another directory", self.path
                )
        else:
            self._root = root.parent
            self._names = [root.name]
        self.name = root.resolve().name if self._is_tree else root.name
        self.size: int | None = sum((self._root / name).stat().st_size for name in self._names)

    def stamp(self) -> str | None:
        """Return what changes when one of the files does."""
        stamps = ((name, str(stamp_of(self._root / name))) for name in self._names)
        return str(xxhash.xxh3_128_hexdigest("\0".join(map("\0".join, stamps)).encode(errors="surrogateescape")))

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole files."""
        batch: list[tuple[str, bytes]] = []
        held, read, first = 0, 0, 1
        for number, name in enumerate(self._names, 1):
            try:
                data = (self._root / name).read_bytes()
            except OSError as error:
                raise NotFound(f"cannot read {printable(str(self._root / name))}: {error.strerror}") from error
            batch.append((name, data))
            held += len(data)
            if held >= size or number == len(self._names):
                read += held
                yield Chunk(self._file, first, len(batch), batch, read)
                batch, held, first = [], 0, number + 1

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the files of a chunk."""
        names, texts, rejects = [], [], []
        for number, (name, data) in enumerate(chunk.data, chunk.line):
            try:
                data.decode()
            except UnicodeDecodeError as error:
                message = f"not UTF-8 at byte {error.start}: convert the file"
                rejects.append(Reject(self._file, number, printable(str(self._root / name)), message, data))
                continue
            names.append(printable(name if self._is_tree else self.name))
            texts.append(data)
        nothing = [None] * len(names)
        return Parsed(pack(texts, names, nothing, nothing), rejects)

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of files, and whole files."""
        pieces: list[tuple[str, bytes]] = []
        removed: list[Removed] = []
        doc = -1
        for number, (name, data) in enumerate(chunk.data, chunk.line):
            path = os.path.join(self.name, name) if self._is_tree else self.name
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
