"""A chunk's bytes and what to take out of them in; what is left and what is gone out."""

from __future__ import annotations

from collections.abc import Iterable

from dedup.formats.base import Edited, Removed


class Editor:
    """Takes bytes out of a chunk, from its start on.

    Args:
        name: the output.
        data: the chunk as it stands in the input.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = memoryview(data)
        self._position = 0
        self._offset = 0
        self._kept: list[memoryview | bytes] = []
        self._removed: list[Removed] = []

    def _keep(self, end: int) -> None:
        """Keep what stands before ``end``."""
        if end > self._position:
            self._kept.append(self._data[self._position : end])
            self._offset += end - self._position
            self._position = end

    def remove(self, start: int, end: int, doc: int, span: int = -1) -> None:
        """Take ``data[start:end]`` out; ``doc`` and ``span`` are those of ``Removed``."""
        self._keep(start)
        self._removed.append(Removed(self._name, self._offset, bytes(self._data[start:end]), doc, span))
        self._position = end

    def cut(self, start: int, edges: Iterable[tuple[int, int]], doc: int) -> None:
        """Take spans of a document out, counted in bytes from ``start`` on."""
        for k, (a, b) in enumerate(edges):
            self.remove(start + a, start + b, doc, k)

    def replace(self, start: int, end: int, new: bytes, doc: int, spans: int) -> None:
        """Put other bytes in place of ``data[start:end]``, for the sake of so many spans of a document."""
        self._keep(start)
        raw = bytes(self._data[start:end])
        self._removed.append(Removed(self._name, self._offset, raw, doc, min(0, spans - 1), added=len(new)))
        self._kept.append(new)
        self._offset += len(new)
        self._position = end
        self._removed += [Removed(self._name, self._offset, b"", doc, k) for k in range(1, spans)]

    def finish(self) -> Edited:
        """Keep the rest; return what is left and what is gone."""
        self._keep(len(self._data))
        return Edited([(self._name, b"".join(self._kept))], self._removed)
