"""Pieces of cleaned files in, one file behind the other; the files, written as their inputs were, out."""

from __future__ import annotations

import contextlib
import os
import pathlib
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from dedup.errors import StoreError
from dedup.formats.base import File, Sink
from dedup.formats.columnar import Columnar
from dedup.formats.compression import OF_SUFFIX, Codec
from dedup.formats.sinks import ByteSink
from dedup.settings import Settings
from dedup.store import REMOVED

CODEC, WRITTEN = "codec", "written"  # of an input; whether there is an output of it


class Outputs:
    """Files of a cleaned corpus, written one behind the other, each by the sink of its input.

    Args:
        settings: those of the run.
        root: the directory they stand in; None where there is one file only.
        single: that file.
        suffix: what its name ends in, which says how it is compressed; None where it has no name, and is compressed as
            its input is.
        removed: what takes the rows of a single table that are removed whole; None to let them go.

    Attributes:
        written: what ``undo`` must know of each: size and checksum, of compressed files those of what they hold, and
            how its input was compressed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        root: pathlib.Path | None = None,
        single: BinaryIO | None = None,
        suffix: str | None = None,
        removed: BinaryIO | None = None,
    ) -> None:
        self.written: dict[str, dict[str, Any]] = {}
        self._settings = settings
        self._root = root
        self._single = single
        self._suffix = suffix
        self._removed = removed
        self._name: str | None = None
        self._source: File | None = None
        self._stack = contextlib.ExitStack()
        self._sink: Sink | None = None
        self._last = b"\n"

    def __enter__(self) -> Self:
        """Return the outputs."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Finish the file that is being written; give it up where there was an error."""
        try:
            if kind is None:
                self.close()
        finally:
            if self._sink is not None:
                self._sink.drop()
            self._stack.close()

    def write(self, name: str, piece: Any, source: File) -> None:
        """Write to the end of a file; writing to another closes it."""
        sink = self.open(name, source)
        if isinstance(piece, bytes):
            self._last = piece[-1:] or self._last
        sink.write(piece)

    def open(self, name: str, source: File) -> Sink:
        """Return what writes a file; any other that is being written is closed."""
        if name == self._name and self._sink is not None:
            return self._sink
        if self._single is not None and self._last != b"\n" and isinstance(self._sink, ByteSink):
            self._sink.end_line()  # two files in one stream: keep their lines apart
        self.close()
        self._name, self._source = name, source
        file, removed = self._single, self._removed
        if self._root is not None:
            if os.path.isabs(name) or os.pardir in name.split(os.sep):
                raise StoreError(f"{name} would leave the output directory")
            file = self._create(self._root / name)
            if isinstance(source, Columnar):
                removed = self._create(self._root / REMOVED / name)
        if isinstance(source, Columnar):
            self._sink = source.sink(cast("BinaryIO", file), removed, self._settings)
        else:
            codec = codec_of(source) if self._suffix is None else OF_SUFFIX.get(self._suffix.lower())
            self._sink = ByteSink(cast("BinaryIO", file), codec)
        return self._sink

    def leave_out(self, name: str, source: File) -> None:
        """Tell of an input of which no output is left."""
        self.written[name] = {WRITTEN: False, CODEC: codec_of(source)}

    def _create(self, path: pathlib.Path) -> BinaryIO:
        """Create a file that is closed with the output."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return self._stack.enter_context(path.open("wb"))

    def close(self) -> None:
        """Finish the file that is being written."""
        if self._sink is not None and self._name is not None:
            told = {} if isinstance(self._source, Columnar) else {CODEC: codec_of(cast("File", self._source))}
            self.written[self._name] = {**self._sink.close(), **told}
        self._stack.close()
        self._sink = self._name = None


def codec_of(source: File) -> Codec | None:
    """Return how an input that was read is compressed."""
    return cast("Codec | None", getattr(source, "codec", None))
