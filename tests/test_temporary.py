"""Temporary directories go with what uses them, and those of killed processes with the next one; others stay."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dedup import Locked, StoreError
from dedup.store import atomic_directory, atomic_file, atomic_files, settle
from dedup.temporary import PREFIX, Temporary, mark

HOLD = """
import os, sys
from dedup.temporary import Temporary
held = Temporary(sys.argv[1])
(held.path / "large").write_bytes(bytes(1000))
print(held.path, flush=True)
sys.stdin.read()
os._exit(9)
"""


@contextlib.contextmanager
def holder(room: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Let another process make a directory and hold it."""
    command = [sys.executable, "-c", HOLD, str(room)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Path(process.stdout.readline().strip()), process
        process.kill()


def test_it_goes_when_it_is_closed_or_forgotten(tmp_path: Path) -> None:
    one, other = Temporary(tmp_path), Temporary(tmp_path)
    (one.path / "file").write_text("something")
    assert sorted(tmp_path.iterdir()) == sorted([one.path, other.path])
    one.close()
    one.close()
    assert list(tmp_path.iterdir()) == [other.path]
    del other
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    with holder(tmp_path) as (path, process):
        kept = Temporary(tmp_path)
        assert (path / "large").exists()  # it is in use
        process.kill()
        process.wait()
        assert (path / "large").exists()
        kept.close()
        with contextlib.closing(Temporary(tmp_path)) as after:
            assert list(tmp_path.iterdir()) == [after.path]


def test_what_others_made_stays(tmp_path: Path) -> None:
    room, elsewhere = tmp_path / "room", tmp_path / "elsewhere"
    for folder in (room / f"{PREFIX}0123abcd-other_system", room / f"{PREFIX}abc", room / "dedup-run-x", elsewhere):
        folder.mkdir(parents=True)
        (folder / "file").write_text("theirs")
    (room / f"{mark()}link").symlink_to(elsewhere)
    (room / f"{mark()}file").write_text("a file")
    before = sorted(tmp_path.rglob("*"))
    Temporary(room).close()
    assert sorted(tmp_path.rglob("*")) == before


def test_where_nothing_can_be_locked_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(37, "No locks available")

    (tmp_path / f"{mark()}old").mkdir()
    monkeypatch.setattr(fcntl, "flock", refused)
    held = Temporary(tmp_path)
    assert not held.path.name.startswith(mark())
    monkeypatch.undo()
    with contextlib.closing(Temporary(tmp_path)):
        assert held.path.exists()
        assert not (tmp_path / f"{mark()}old").exists()
    held.close()
    assert not list(tmp_path.iterdir())


def test_many_at_once_keep_theirs(tmp_path: Path) -> None:
    def use(number: int) -> bool:
        with contextlib.closing(Temporary(tmp_path)) as held:
            (held.path / "mine").write_text(str(number))
            return (held.path / "mine").read_text() == str(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(300)))
    assert not list(tmp_path.iterdir())


def test_what_was_left_beside_an_output_goes(tmp_path: Path) -> None:
    left, folder = tmp_path / ".out.unfinished", tmp_path / ".dir.unfinished"
    left.write_bytes(bytes(100))
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "half").write_text("half")
    with atomic_file(tmp_path / "out") as file:
        file.write(b"new")
    with atomic_directory(tmp_path / "dir") as made:
        (made / "whole").write_text("whole")
    assert names_in(tmp_path) == ["dir", "dir/whole", "out"]
    assert (tmp_path / "out").read_bytes() == b"new"


@pytest.mark.parametrize("make", [atomic_file, atomic_directory, lambda path: atomic_files(path, [])])
def test_one_at_a_time(tmp_path: Path, make: type) -> None:
    with make(tmp_path / "out"), pytest.raises(Locked, match="another process is writing"), make(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("make", [atomic_file, atomic_directory])
def test_links_in_the_way_are_not_followed(tmp_path: Path, make: type) -> None:
    theirs = tmp_path / "theirs"
    if make is atomic_file:
        theirs.write_text("theirs")
    else:
        theirs.mkdir()
        (theirs / "file").write_text("theirs")
    (tmp_path / ".out.unfinished").symlink_to(theirs)
    with pytest.raises(StoreError, match="cannot write"), make(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert (theirs if make is atomic_file else theirs / "file").read_text() == "theirs"


def names_in(folder: Path) -> list[str]:
    """Return the paths of everything in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_files(target: Path, text: str) -> None:
    """Write three files together."""
    with atomic_files(target, ["out.b", "out.a"]) as files:
        for name, file in files.items():
            file.write(f"{text} {name}".encode())


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
@pytest.mark.parametrize("older", [False, True])
def test_files_that_were_finished_take_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int, *, older: bool
) -> None:
    """Also when the process that made them died after some, and whoever comes next puts them there."""
    target = tmp_path / "out"
    if older:
        write_files(target, "older")
    left, replace = iter(range(moves)), Path.replace

    def die(self: Path, other: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt) if moves < 3 else contextlib.nullcontext():
        write_files(target, "new")
    monkeypatch.undo()
    if moves < 3 and older:
        assert target.read_text() == "older out"  # comes last
    if moves % 2:
        settle(target)
    else:
        with contextlib.suppress(LookupError), atomic_files(target, ["out.a", "out.b"]):
            raise LookupError
    assert names_in(tmp_path) == ["out", "out.a", "out.b"]
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["new out", "new out.a", "new out.b"]
    settle(target)


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_files_that_were_not_finished_vanish(tmp_path: Path, error: type[BaseException]) -> None:
    write_files(tmp_path / "out", "older")
    with contextlib.suppress(error), atomic_files(tmp_path / "out", ["out.a", "out.b"]) as files:
        files["out"].write(b"new")
        raise error
    assert names_in(tmp_path) == ["out", "out.a", "out.b"]
    assert (tmp_path / "out").read_text() == "older out"


def test_what_others_call_finished_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "out").write_text("theirs")
    (tmp_path / ".out.finished").symlink_to(theirs)
    settle(tmp_path / "out")
    assert names_in(tmp_path) == [".out.finished", "theirs", "theirs/out"]


def test_a_directory_put_aside_comes_back(tmp_path: Path) -> None:
    aside, made = tmp_path / ".out.replaced", tmp_path / ".out.unfinished"
    for folder in (aside, made):
        folder.mkdir()
        (folder / "summary.json").write_text('{"made_by": "corpus-dedup 0"}')
    with contextlib.suppress(LookupError), atomic_directory(tmp_path / "out"):
        assert (tmp_path / "out" / "summary.json").exists()
        raise LookupError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    aside.mkdir()
    os.link(tmp_path / "out" / "summary.json", aside / "summary.json")
    with atomic_directory(tmp_path / "out") as new:
        (new / "new").write_text("new")
    assert names_in(tmp_path) == ["out", "out/new"]
