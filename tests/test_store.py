"""Columns, strings and scratch arrays that come back as they went in; outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import itertools
import json
import os
import pathlib
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import DedupError, StoreError
from dedup.store import atomic_directory, atomic_file, told_when_full
from dedup.workspace import HELD, REMEMBERED, ROOM, Workspace, reserve

DTYPES = st.sampled_from([np.uint8, np.uint32, np.uint64, np.int32, np.int64])
STRINGS = st.lists(st.text(max_size=6), max_size=8)


@pytest.fixture
def workspace(tmp_path: pathlib.Path) -> Iterator[Workspace]:
    """Yield a workspace in a directory of its own."""
    with Workspace(tmp_path) as workspace:
        yield workspace


@given(DTYPES, st.lists(st.lists(st.integers(0, 255), max_size=9), max_size=6), st.sampled_from([0, 1, 30, 1 << 20]))
def test_columns_come_back_as_they_went_in(dtype: type[Any], parts: list[list[int]], held: int) -> None:
    with Workspace(held=held) as workspace:
        column = workspace.column("numbers", dtype)
        for k, part in enumerate(parts, 1):
            column.append(np.array(part, dtype))
            assert column.size == len(list(itertools.chain(*parts[:k])))
            assert column.map().tolist() == list(itertools.chain(*parts[:k]))
        assert column.map().dtype == dtype


@given(st.integers(1, 3), st.lists(st.integers(0, 9), max_size=6), st.sampled_from([0, 8, 100, HELD]))
def test_columns_that_grow_together(count: int, sizes: list[int], held: int) -> None:
    whole = np.arange(count * sum(sizes), dtype=np.uint32).reshape(count, -1)
    with Workspace(held=held) as workspace:
        columns = workspace.kept_columns("numbers", np.uint32, count)
        for end, size in zip(itertools.accumulate(sizes), sizes, strict=True):
            columns.append(whole[:, end - size : end])
            assert [column.tolist() for column in columns.map()] == whole[:, :end].tolist()


def test_a_column_is_mapped_by_several_threads_at_once() -> None:
    for _ in range(20):
        with Workspace(held=1 << 14) as workspace, ThreadPoolExecutor(4) as pool:
            column = workspace.column("numbers", np.int64)
            for part in np.array_split(np.arange(10_000), 7):
                column.append(part)
            mapped = list(pool.map(lambda column: column.map(), [column] * 8))
            assert all(np.array_equal(one, np.arange(10_000)) for one in mapped)


def test_columns_take_strided_and_other_integers(workspace: Workspace) -> None:
    column = workspace.column("numbers", np.int64)
    column.append(np.arange(10, dtype=np.int32)[::3])
    column.append(np.arange(6).reshape(3, 2)[:, 1])
    assert column.map().tolist() == [0, 3, 6, 9, 1, 3, 5]


def test_large_columns(workspace: Workspace) -> None:
    column = workspace.column("numbers", np.uint64)
    values = np.random.default_rng(1).integers(0, 1 << 64, 1 << 17, dtype=np.uint64)
    for part in np.array_split(values, 7):
        column.append(part)
    assert np.array_equal(column.map(), values)


@pytest.mark.parametrize("size", [0, 1, HELD])
def test_mapped_columns_are_read_only(workspace: Workspace, size: int) -> None:
    column = workspace.column("numbers", np.int64)
    column.append(np.ones(size, np.int64))
    assert sum(path.stat().st_size for path in workspace.path.iterdir()) == (8 * size if size == HELD else 0)
    with pytest.raises(ValueError, match="read-only"):
        column.map()[:] = 2


def test_columns_of_one_name_are_two(workspace: Workspace) -> None:
    one, two = workspace.column("same", np.int64), workspace.column("same", np.int64)
    one.append(np.array([1]))
    two.append(np.array([2]))
    assert (one.map().tolist(), two.map().tolist()) == ([1], [2])


@given(st.lists(STRINGS, max_size=5), st.sampled_from([pa.large_string(), pa.string()]))
def test_strings_come_back_as_they_went_in(parts: list[list[str]], kind: pa.DataType) -> None:
    with Workspace() as workspace:
        strings = workspace.kept_strings("texts")
        for part in parts:
            strings.append(pa.array(part, kind))
        assert strings.size == len(list(itertools.chain(*parts)))
        assert strings.map().to_pylist() == list(itertools.chain(*parts))
        assert strings.map().type == pa.large_string()
        strings.map().validate(full=True)


@given(STRINGS, st.integers(0, 8), st.integers(0, 8))
def test_sliced_strings(values: list[str], start: int, length: int) -> None:
    with Workspace() as workspace:
        strings = workspace.kept_strings("texts")
        strings.append(pa.array(["before"]))
        strings.append(pa.array(values, pa.large_string()).slice(min(start, len(values)), length))
        strings.append(pa.array(["after"]))
        assert strings.map().to_pylist() == ["before", *values[start : start + length], "after"]


@given(st.lists(STRINGS, max_size=4))
def test_chunked_strings(parts: list[list[str]]) -> None:
    with Workspace() as workspace:
        strings = workspace.kept_strings("texts")
        strings.append(pa.chunked_array(parts, pa.string()))
        assert strings.map().to_pylist() == list(itertools.chain(*parts))


@pytest.mark.parametrize("values", [["a", None, "b"], [None, None], [None, ""]])
def test_null_strings_stay_null(workspace: Workspace, values: list[str | None]) -> None:
    strings = workspace.kept_strings("texts")
    strings.append(pa.array(["before"]))
    strings.append(pa.array([None, *values], pa.large_string()).slice(1))
    assert strings.map().to_pylist() == ["before", *values]


SIZES = pytest.mark.parametrize("size", [0, 1, 100, 101, 1000])
ROOMY = pytest.mark.parametrize("room", [0, 800, ROOM])


@SIZES
@ROOMY
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64])
@pytest.mark.parametrize("fill", [0, 1, 7])
def test_scratch_arrays_are_filled_and_writable(size: int, room: int, dtype: type[Any], fill: int) -> None:
    with Workspace(room=room) as workspace:
        array = workspace.scratch(size, dtype, fill)
    assert array.shape == (size,)
    assert array.dtype == dtype
    assert np.all(array == fill)
    array[:] = np.arange(size) % 100
    assert np.array_equal(array, (np.arange(size) % 100).astype(dtype))


@SIZES
@ROOMY
def test_scratch_arrays_share_nothing(size: int, room: int) -> None:
    with Workspace(room=room) as workspace:
        one, two = workspace.scratch(size, np.int64, -1), workspace.scratch(size, np.int64)
    two[:] = 5
    assert np.all(one == -1)


@ROOMY
def test_scratch_arrays_leave_no_file_behind(room: int) -> None:
    with Workspace(room=room) as workspace:
        array = workspace.scratch(1000, np.int64, 3)
        assert list(workspace.path.iterdir()) == []
    assert np.all(array == 3)


def test_scratch_arrays_take_the_room_there_is() -> None:
    with Workspace(room=1000) as workspace:
        arrays = [workspace.scratch(100, np.int64, 1) for _ in range(3)]
    assert [isinstance(array.base, np.memmap) for array in arrays] == [False, True, True]


def test_hot_arrays_stay_in_memory_unless_that_is_limited() -> None:
    def held(array: npt.NDArray[Any]) -> bool:
        return not isinstance(array.base, np.memmap)

    with Workspace(room=0) as workspace:
        assert held(workspace.scratch(1 << 20, np.int64, 1, hot=True))
        assert not held(workspace.scratch(1, np.int64, 1))
    with Workspace(room=0, most=800) as workspace:
        first = workspace.scratch(60, np.int64, 1, hot=True)
        part = first.reshape(6, 10)[3]
        assert [held(first), held(workspace.scratch(60, np.int64, 1, hot=True))] == [True, False]
        del first  # a part of it is still in use
        assert not held(workspace.scratch(60, np.int64, 1, hot=True))
        assert part.sum() == 10
        del part
        assert held(workspace.scratch(100, np.int64, 1, hot=True))


def test_a_closed_workspace_is_gone(tmp_path: pathlib.Path) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.column("numbers", np.int64).append(np.arange(3))
        workspace.column("numbers", np.uint8).append(np.zeros(HELD + 1))
        assert workspace.path.parent == tmp_path
        assert list(workspace.path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_is_gone_after_a_failure(tmp_path: pathlib.Path) -> None:
    def fail() -> None:
        with Workspace(tmp_path) as workspace:
            workspace.column("numbers", np.int64).append(np.arange(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_that_cannot_be_made_says_where(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match=r"cannot make a working directory in .*missing") as caught:
        Workspace(tmp_path / "missing")
    assert isinstance(caught.value, DedupError)


def contents(folder: pathlib.Path) -> dict[str, str]:
    """Return the files below a folder and what they hold."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def summary(text: str) -> str:
    """Return what marks a directory as ours."""
    return json.dumps({"made_by": "corpus-dedup 0", "text": text})


def write_directory(path: pathlib.Path, text: str, error: BaseException | None = None) -> None:
    """Write a directory of two files, and fail if asked to."""
    with atomic_directory(path) as made:
        (made / "summary.json").write_text(summary(text))
        (made / "sub").mkdir()
        (made / "sub" / "more").write_text(text)
        if error:
            raise error


def test_a_new_directory_appears_whole(tmp_path: pathlib.Path) -> None:
    write_directory(tmp_path / "deep" / "run", "one")
    assert contents(tmp_path) == {"deep/run/summary.json": summary("one"), "deep/run/sub/more": "one"}


def test_nothing_is_seen_before_the_end(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "run"
    with atomic_directory(target) as made:
        assert not target.exists()
        assert made.parent == tmp_path
    assert target.is_dir()


def exchange_by_renames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the system call that lets two directories change places."""

    def missing(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("ctypes.CDLL", missing)


@pytest.mark.parametrize("by_renames", [False, True])
def test_an_old_run_is_replaced(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, by_renames: bool) -> None:
    if by_renames:
        exchange_by_renames(monkeypatch)
    write_directory(tmp_path / "run", "one")
    (tmp_path / "run" / "old").write_text("old")
    write_directory(tmp_path / "run", "two")
    assert contents(tmp_path) == {"run/summary.json": summary("two"), "run/sub/more": "two"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_empty_directory_is_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "run").mkdir()
    write_directory(tmp_path / "run", "one")
    assert contents(tmp_path / "run") == {"summary.json": summary("one"), "sub/more": "one"}


@pytest.mark.parametrize("error", [LookupError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_the_old_directory_or_none(
    tmp_path: pathlib.Path, error: BaseException, existing: bool
) -> None:
    if existing:
        write_directory(tmp_path / "run", "one")
    before = contents(tmp_path)
    with pytest.raises(type(error)):
        write_directory(tmp_path / "run", "two", error)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"] * existing


@pytest.mark.parametrize("foreign", ["file", "directory", "summary", "no object", "no JSON"])
def test_what_others_wrote_is_refused(tmp_path: pathlib.Path, foreign: str) -> None:
    target = tmp_path / "run"
    if foreign == "file":
        target.write_text("precious")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("precious")
        theirs = {"summary": '{"title": "A thesis"}', "no object": "7", "no JSON": "made_by"}
        if foreign in theirs:
            (target / "summary.json").write_text(theirs[foreign])
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="run exists and was not written by dedup: name another output, or move it"):
        write_directory(target, "two")
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("make", [atomic_directory, atomic_file])
def test_a_place_that_cannot_be_written_is_named(tmp_path: pathlib.Path, make: Any) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*out"), make(tmp_path / "file" / "out"):
        pytest.fail("the block must not run")
    assert contents(tmp_path) == {"file": "in the way"}


def write_file(path: pathlib.Path, data: bytes, error: BaseException | None = None) -> None:
    """Write a file, and fail if asked to."""
    with atomic_file(path) as file:
        file.write(data)
        if error:
            raise error


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "deep" / "out.txt"
    write_file(target, b"one")
    assert contents(tmp_path) == {"deep/out.txt": "one"}
    with atomic_file(target) as file:
        file.write(b"two")
        assert target.read_bytes() == b"one"
    assert contents(tmp_path) == {"deep/out.txt": "two"}


@pytest.mark.parametrize("error", [LookupError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_leaves_the_old_file_or_none(tmp_path: pathlib.Path, error: BaseException, existing: bool) -> None:
    if existing:
        write_file(tmp_path / "out.txt", b"one")
    with pytest.raises(type(error)):
        write_file(tmp_path / "out.txt", b"two", error)
    assert contents(tmp_path) == ({"out.txt": "one"} if existing else {})


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path: pathlib.Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(tmp_path / "out.txt", b"one")
        write_directory(tmp_path / "run", "one")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o777 & ~umask


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_files_hold_what_was_written(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    target = tmp_path_factory.mktemp("files") / "out"
    with atomic_file(target) as file:
        for part in parts:
            file.write(part)
    assert target.read_bytes() == b"".join(parts)
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_all_kinds_of_numbers_fit_scratch_and_columns_alike(workspace: Workspace) -> None:
    values: npt.NDArray[Any] = workspace.scratch(HELD, np.uint32, 9)
    column = workspace.column("numbers", np.uint32)
    column.append(values)
    assert np.array_equal(column.map(), values)


def test_tables_come_back_as_they_went_in(workspace: Workspace) -> None:
    parts = [pa.table({"name": ["a", None], "many": [[1], []]}), pa.table({"name": ["ü"], "many": [[2, 3]]})]
    table = workspace.table("t")
    for part in (parts[0], parts[1].slice(0, 0), parts[1]):
        table.append(part)
    assert table.map().to_pylist() == pa.concat_tables(parts).to_pylist()
    assert workspace.table("t").map().num_rows == 0


@pytest.mark.parametrize("room", [0, ROOM])
def test_what_was_made_from_the_same_is_remembered(tmp_path: pathlib.Path, room: int) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    made: list[str] = []

    def remember(key: str) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            made.append(key)
            return {"numbers": np.arange(len(key)), "empty": np.empty(0, np.float32), "flags": np.array([True])}

        with Workspace(tmp_path, room, kept=kept) as workspace:
            found = workspace.remembered("thing", key, make)
            told = {name: (value.dtype.str, value.tolist()) for name, value in found.items()}
            found["numbers"][:] = 7  # is of no effect on what is kept
            return told

    assert (
        remember("abc")
        == remember("abc")
        == {"numbers": ("<i8", [0, 1, 2]), "empty": ("<f4", []), "flags": ("|b1", [True])}
    )
    assert remember("abcd")["numbers"][1] == [0, 1, 2, 3]
    assert remember("abc")["numbers"][1] == [0, 1, 2]
    assert made == ["abc", "abcd", "abc"]
    linked = tmp_path / "linked.npy"
    os.link(kept / "thing" / "numbers.npy", linked)
    made.clear()
    harms: list[tuple[str, Callable[[bytes], bytes]]] = [
        ("numbers.npy", lambda data: data[:-8]),
        ("numbers.npy", lambda data: data.replace(np.arange(3).tobytes(), np.arange(1, 4).tobytes())),
        ("flags.npy", lambda _: b""),
        ("empty.npy", lambda _: b"no array"),
        (REMEMBERED, lambda data: data[:-1]),
        (REMEMBERED, lambda _: b"[1]"),
        (REMEMBERED, lambda _: b'{"key": "abc", "checksums": 1}'),
    ]
    for name, harm in harms:
        path = kept / "thing" / name
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(harm(whole))
        assert remember("abc")["numbers"][1] == [0, 1, 2]
        assert path.read_bytes() == whole
        path.unlink()
        assert remember("abc")["numbers"][1] == [0, 1, 2]
    assert len(made) == 2 * len(harms)
    assert np.load(linked).tolist() == [0, 1, 2]
    with Workspace(tmp_path) as workspace:
        assert workspace.remembered("thing", "abc", lambda: {"a": np.ones(1)})["a"].tolist() == [1]


def test_files_that_are_mapped_have_their_room(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("w+b") as file:
        reserve(file, 1 << 20)
        assert os.fstat(file.fileno()).st_blocks * 512 >= 1 << 20
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError, match="disk is full"), told_when_full("there"), (tmp_path / "b").open("w+b") as file:
        reserve(file, 1 << 20)
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "cannot")))
    with (tmp_path / "c").open("w+b") as file:
        reserve(file, 1 << 20)
        assert os.fstat(file.fileno()).st_size == 1 << 20
