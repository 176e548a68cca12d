"""Where a corpus rests: columns that grow and are mapped, arrays to work in, and what is remembered of a run."""

from __future__ import annotations

import errno
import json
import mmap
import os
import pathlib
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import IO, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from dedup.arrays import I64, U8
from dedup.store import atomic_file, temporary_directory

# New pages of the page cache are as dear as new memory, and memory that batches have freed is there already, so ...
ROOM = 96 << 20  # ... so many bytes of scratch arrays stay in memory,
HELD = 1 << 18  # and so many bytes of a column.
REMEMBERED = "made-from.json"  # beside arrays that are remembered


class Workspace:
    """A directory of temporary columns, gone when closed; and perhaps one of columns that stay.

    Columns are files: what a corpus needs per token or per block is written once, in order, and mapped afterwards,
    so that it counts as page cache and not as memory of the process.

    Args:
        parent: where to make the directory.
        room: bytes of scratch arrays that stay in memory.
        held: bytes of a column that stay in memory.
        most: bytes of hot arrays that stay in memory; None for all of them.
        kept: a directory for the columns of a corpus; None where they are temporary, too.
        sizes: how many bytes the columns in ``kept`` hold already, by name; more than that in a file is cut off.
    """

    def __init__(
        self,
        parent: str | os.PathLike[str] | None = None,
        room: int = ROOM,
        held: int = HELD,
        kept: pathlib.Path | None = None,
        sizes: Mapping[str, int] | None = None,
        most: int | None = None,
    ) -> None:
        self._temporary = temporary_directory(parent)
        self.path = self._temporary.path
        self._columns: list[Column] = []
        self._tables: list[Table] = []
        self._kept: dict[str, Column] = {}
        self._groups: list[Columns] = []
        self._held = held
        self._room, self._hot_room = Room(room), Room(most)
        self._keep, self._sizes = kept, sizes or {}

    def __enter__(self) -> Self:
        """Return the workspace."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete everything."""
        self.close()

    def close(self) -> None:
        """Delete everything."""
        for column in (*self._columns, *self._kept.values()):
            column.close()
        for table in self._tables:
            table.close()
        self._temporary.close()

    def column(self, name: str, dtype: npt.DTypeLike) -> Column:
        """Begin a temporary column."""
        column = Column(self.path / f"{len(self._columns)}-{name}", np.dtype(dtype), self._held)
        self._columns.append(column)
        return column

    def table(self, name: str) -> Table:
        """Begin a temporary table."""
        table = Table(self.path / f"{len(self._tables)}-{name}.arrow")
        self._tables.append(table)
        return table

    def kept(self, name: str, dtype: npt.DTypeLike) -> Column:
        """Begin, or go on with, a column that stays, if any do; its name is its own."""
        if self._keep is None:
            return self.column(name, dtype)
        kind = np.dtype(dtype)
        column = Column(self._keep / name, kind, self._held, self._sizes.get(name, 0) // kind.itemsize)
        self._kept[name] = column
        return column

    def kept_columns(self, name: str, dtype: npt.DTypeLike, count: int) -> Columns:
        """Begin columns that grow together, see ``kept``."""
        group = Columns([self.kept(f"{name}{k}", dtype) for k in range(count)], self._held)
        self._groups.append(group)
        return group

    def kept_strings(self, name: str) -> Strings:
        """Begin a column of strings, see ``kept``."""
        data, ends, valid = (f"{name}.{part}" for part in ("bytes", "ends", "valid"))
        return Strings(self.kept(data, np.uint8), self.kept(ends, np.int64), self.kept(valid, np.bool_))

    def write_down(self) -> dict[str, Column]:
        """Write what columns that stay hold in memory into their files; return them by name."""
        for group in self._groups:
            group.write_down()
        for column in self._kept.values():
            column.write_down()
        return self._kept

    def remembered(
        self, name: str, key: str, make: Callable[[], Mapping[str, npt.NDArray[Any]]]
    ) -> Mapping[str, npt.NDArray[Any]]:
        """Return arrays that were made before from the same things, else make them; they stay where columns do.

        Args:
            name: of the folder that they are kept in.
            key: what they are made from; others are forgotten.
            make: makes them, each of one dimension.
        """
        if self._keep is None:
            return make()
        folder = self._keep / name
        found = recalled(folder, key)
        if found is None:
            found = make()
            remember(folder, key, found)
        return found

    def scratch(
        self, size: int, dtype: npt.DTypeLike, fill: int | None = None, *, hot: bool = False
    ) -> npt.NDArray[Any]:
        """Return an array to work in, backed by an unnamed file where arrays have taken up the room in memory.

        Args:
            size: of the array.
            dtype: of its values.
            fill: what they are to be; None for anything.
            hot: whether it is in use everywhere at once for as long as it is there: it stays in memory, unless that is
                limited.
        """
        dtype = np.dtype(dtype)
        array: npt.NDArray[Any]
        room = self._hot_room if hot else self._room
        held = room.take(size * dtype.itemsize)
        if held:
            array = np.empty(size, dtype)
            room.give_back_with(array)
        else:
            with tempfile.TemporaryFile(dir=self.path) as file:
                reserve(file, size * dtype.itemsize)
                array = np.memmap(file, dtype, "r+", shape=(size,)).view(np.ndarray)
        if fill is not None and (held or fill != 0):
            array[:] = fill
        return array


class Room:
    """So many bytes, or any number of them: arrays take some, and give them back when nobody uses them any more."""

    def __init__(self, size: int | None) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take bytes if there are so many."""
        with self._lock:
            if self._left is None:
                return True
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back_with(self, array: npt.NDArray[Any]) -> None:
        """Give the bytes of an array back when it goes."""
        if self._left is not None:
            weakref.finalize(array, self._give_back, array.nbytes).atexit = False

    def _give_back(self, size: int) -> None:
        with self._lock:
            if self._left is not None:
                self._left += size


class Column:
    """A typed array that grows at its end: in memory while it is small, then in a file.

    Args:
        path: the file.
        dtype: of the values.
        held: bytes that stay in memory.
        size: how many values the file holds already.
    """

    def __init__(self, path: pathlib.Path, dtype: np.dtype[Any], held: int, size: int = 0) -> None:
        self.path = path
        self.dtype = dtype
        self.size = size
        self._held: npt.NDArray[Any] = np.empty(held // dtype.itemsize, dtype)  # what is not in the file yet, ...
        self._used = 0  # ... so many values
        self._file: BinaryIO | None = None
        if size:
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(size * dtype.itemsize)
            self._file.seek(0, os.SEEK_END)
        self._lock = threading.Lock()

    def append(self, values: npt.NDArray[Any]) -> None:
        """Take values at the end."""
        self.size += len(values)
        if self._used + len(values) > self._held.size:
            self._write(self._held[: self._used])
            self._used = 0
        if len(values) > self._held.size:
            self._write(np.ascontiguousarray(values, self.dtype))
            return
        self._held[self._used : self._used + len(values)] = values
        self._used += len(values)

    def map(self, *, scattered: bool = False) -> npt.NDArray[Any]:
        """Return the whole column, read-only; mapped into memory where it is in a file. For any thread.

        Args:
            scattered: whether it will be read here and there: for each page that is read the system else reads 31 more.
        """
        if self._file is not None:
            self.write_down()
            mapped = np.memmap(self.path, self.dtype, "r")
            if scattered and hasattr(mmap, "MADV_RANDOM"):
                mapped._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]  # noqa: SLF001
            return mapped.view(np.ndarray)
        whole = self._held[: self._used]
        whole.flags.writeable = False  # as a mapped column is: kernels are compiled for each kind of array
        return whole

    def write_down(self) -> None:
        """Write what is held in memory to the file. For any thread."""
        with self._lock:
            self._write(self._held[: self._used])
            self._used = 0

    def close(self) -> None:
        """Stop writing."""
        if self._file is not None:
            self._file.close()

    def _write(self, values: npt.NDArray[Any]) -> None:
        """Write values to the file."""
        data = values.view(np.uint8).data
        while data:  # an unbuffered write may take a part
            if self._file is None:
                self._file = self.path.open("wb", buffering=0)
            data = data[self._file.write(data) :]


class Columns:
    """Columns of one type that grow together; a few values for each of many would cost more in calls than in bytes."""

    def __init__(self, columns: list[Column], held: int) -> None:
        self._columns = columns
        dtype = columns[0].dtype
        self._held: npt.NDArray[Any] = np.empty((len(columns), held // dtype.itemsize), dtype)
        self._used = 0

    def append(self, values: npt.NDArray[Any]) -> None:
        """Take values at the end, [columns, n]."""
        n = values.shape[1]
        if self._used + n > self._held.shape[1]:
            self._pass_on(self._held[:, : self._used])
            self._used = 0
        if n > self._held.shape[1]:
            self._pass_on(values)
            return
        self._held[:, self._used : self._used + n] = values
        self._used += n

    def map(self) -> list[npt.NDArray[Any]]:
        """Return every column, see ``Column.map``."""
        self.write_down()
        return [column.map() for column in self._columns]

    def write_down(self) -> None:
        """Let the columns have what is held for all of them."""
        self._pass_on(self._held[:, : self._used])
        self._used = 0

    def _pass_on(self, values: npt.NDArray[Any]) -> None:
        for column, row in zip(self._columns, values, strict=True):
            column.append(row)


class Strings:
    """A column of strings, null allowed: their bytes, where each ends, and which are there."""

    def __init__(self, data: Column, ends: Column, valid: Column) -> None:
        self._data = data
        self._ends = ends
        self._valid = valid

    @property
    def size(self) -> int:
        """Number of strings."""
        return self._ends.size

    def append(self, values: pa.Array | pa.ChunkedArray) -> None:
        """Write strings at the end."""
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            array = chunk if chunk.type == pa.large_string() else chunk.cast(pa.large_string())
            self._valid.append(np.asarray(array.is_valid()) if array.null_count else np.ones(len(array), np.bool_))
            bounds = np.frombuffer(array.buffers()[1] or bytes(8), np.int64)[
                array.offset : array.offset + len(array) + 1
            ]
            self._ends.append(bounds[1:] - bounds[0] + self._data.size)
            self._data.append(np.frombuffer(array.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]])

    def arrays(self) -> tuple[U8, I64]:
        """Return uint8, the bytes of all strings; int64[size + 1], where each begins."""
        return self._data.map(), np.concatenate([np.zeros(1, np.int64), self._ends.map()])

    def map(self) -> pa.LargeStringArray:
        """Return the whole column as an Arrow array over the mapped files."""
        data, bounds = self.arrays()
        valid = pa.py_buffer(np.packbits(self._valid.map(), bitorder="little"))
        return pa.Array.from_buffers(pa.large_string(), self.size, [valid, pa.py_buffer(bounds), pa.py_buffer(data)])


class Table:
    """A table that grows at its end, in a file; its first part says which columns it has.

    Args:
        path: the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._writer: pa.RecordBatchFileWriter | None = None

    def append(self, part: pa.Table) -> None:
        """Take rows at the end."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._path, part.schema)
        self._writer.write_table(part)

    def map(self) -> pa.Table:
        """Return the whole table, mapped into memory; nothing can be appended then."""
        if self._writer is None:
            return pa.table({})
        self.close()
        with pa.memory_map(str(self._path)) as file, pa.ipc.open_file(file) as table:
            return table.read_all()

    def close(self) -> None:
        """Stop writing."""
        if self._writer is not None:
            self._writer.close()


def remember(folder: pathlib.Path, key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays into new files of a folder, for others may link the old, and last what they are made from."""
    folder.mkdir(exist_ok=True)
    index = folder / REMEMBERED
    index.unlink(missing_ok=True)
    checksums = {}
    for name, array in arrays.items():
        with atomic_file(folder / f"{name}.npy", durable=False) as file:
            np.save(file, array, allow_pickle=False)
        checksums[name] = checksum_of(array)
    with atomic_file(index, durable=False) as file:
        file.write(json.dumps({"key": key, "checksums": checksums}).encode())


def recalled(folder: pathlib.Path, key: str) -> Mapping[str, npt.NDArray[Any]] | None:
    """Return arrays that were written from the same things, mapped; to write to them changes no file.

    None where they were written from other things, or are damaged.
    """
    try:
        index = json.loads((folder / REMEMBERED).read_bytes())
        if index["key"] != key:
            return None
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c").view(np.ndarray) for name in index["checksums"]}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return arrays if {name: checksum_of(one) for name, one in arrays.items()} == index["checksums"] else None


def checksum_of(array: npt.NDArray[Any]) -> str:
    """Return a checksum of the values of an array."""
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(array).view(np.uint8).data)


def reserve(file: IO[bytes], size: int) -> None:
    """Give a file its size, and the room on the disk: to write to a mapped file on a full one ends the process."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (AttributeError, OSError) as error:  # not every system has it, nor every file system
        if isinstance(error, OSError) and error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
        file.truncate(size)
