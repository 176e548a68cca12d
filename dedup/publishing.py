"""Files of a directory in; objects of a store, which make up an output all at once, out; and such an output back.

A store has no renaming. What makes an output whole is its summary, which names the others with their checksums:

1. Everything is uploaded. S3 shows nothing of an upload before it is told that it is complete.
2. The old summary is replaced by one that says ``unfinished``.
3. The uploads are completed, and what was of the old output alone is deleted.
4. The new summary takes the place of the one that says ``unfinished``.

Whoever reads the summary first, and compares the others with what it says, has the old output, the new one, or knows
that it is neither.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import platformdirs
import xxhash

from dedup.errors import Corrupt, NotFound, StoreError
from dedup.ranges import opened
from dedup.remote import ask, connect, kind_of, list_files, read_bytes, told
from dedup.store import (
    FILES,
    KIND,
    MADE_BY,
    MAKER,
    SUMMARY_FILE,
    UNFINISHED,
    Kind,
    check_kind,
    checksum_of_file,
    is_summary,
    summary_in,
    temporary_directory,
    told_when_full,
)
from dedup.urls import WEB, hide, inner_parts, join, name_of

DEFERRED = ("s3", "s3a")  # stores whose uploads show when they are told to; elsewhere step 2 comes before step 1
BUCKETS = (*DEFERRED, "gs", "gcs")
PART = 1 << 23  # bytes of an upload that are sent at a time,
MOST_PARTS = 9000  # but for files that would have more parts than this
COPIED = 1 << 20  # bytes read at a time
AT_ONCE = 4  # files on their way


def scan_directory(url: str) -> pathlib.Path:
    """Return where a run is made that goes to a URL: the same place each time, so that a scan can go on."""
    base = pathlib.Path(platformdirs.user_cache_dir("corpus-dedup", appauthor=False))
    return base / "runs" / xxhash.xxh3_128_hexdigest(url.rstrip("/").encode(errors="surrogateescape")) / "run"


def check_target(url: str, kind: Kind, *, single: bool = False) -> None:
    """Check that an output may go to a URL, before the work for it is done.

    Args:
        url: the prefix, or the object.
        kind: what the output is; it takes the place of nothing else.
        single: whether it is an object, which is replaced whatever it is.

    Raises:
        StoreError: something else is there, or nothing can be.
        MissingExtra: packages are not installed.
    """
    if url.startswith(WEB):
        raise StoreError(f"cannot write to {hide(url)}: name a store such as s3://, or a path")
    fs, path = connect(url)
    with told(url, StoreError, "write"):
        bucket = path.partition("/")[0]
        if url.partition("://")[0] in BUCKETS:
            try:
                fs.invalidate_cache()
                fs.info(bucket)
            except FileNotFoundError as error:
                raise NotFound(f"{hide(url)}: there is no bucket {bucket}: make it, or name another") from error
            except PermissionError:
                pass  # to write may be allowed all the same
    if single:
        return
    there = kind_of(url)
    if there is None:
        return
    found = summary_in(read_bytes(join(url, SUMMARY_FILE)) or b"")
    if found is not None:
        check_kind(hide(url), found, kind)
        return
    with told(url, StoreError, "write"):
        empty = there == "directory" and not [
            one for one in fs.ls(path, detail=False) if one.strip("/") != path.strip("/")
        ]
    if not empty:
        raise StoreError(f"{hide(url)} exists and was not written by dedup: name another output, or move it away")


@contextlib.contextmanager
def published(url: str, kind: Kind, *, single: bool) -> Iterator[pathlib.Path]:
    """Yield a path; what is written there, and beside it, becomes an output in a store when the block ends well.

    Args:
        url: the output: a prefix, or an object.
        kind: what it is.
        single: whether it is an object; files beside it go beside that.

    Raises:
        StoreError: it cannot be written.
    """
    check_target(url, kind, single=single)
    with contextlib.closing(temporary_directory()) as temporary, told_when_full(temporary.path):
        made = temporary.path / (name_of(url) if single else "out")
        yield made
        if not single:
            publish(made, url, SUMMARY_FILE, kind)
            return
        summary = made.with_name(f"{made.name}.{SUMMARY_FILE}")
        publish(made.parent, above(url), summary.name if summary.exists() else None, kind)


def publish(folder: pathlib.Path, url: str, summary: str | None, kind: Kind, without: Sequence[str] = ()) -> None:
    """Put the files below a directory below a prefix, as one output.

    Args:
        folder: the directory.
        url: the prefix.
        summary: name of the summary; if there is no such file, there is one in the store for as long as this takes.
            None for a single object, that needs none.
        kind: what the output is.
        without: directories in it that are left out.

    Raises:
        StoreError: that cannot be done. What was uploaded is gone again, but for what was complete by then: the summary
            there says that the output is not.
    """
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    names = {name: path for name, path in found.items() if name.partition("/")[0] not in without}
    made = None if summary is None else names.pop(summary, None)
    new = {} if made is None else json.loads(made.read_bytes())
    new[FILES] = {name: size_and_checksum(path) for name, path in names.items()}
    old = [] if summary is None else known_files(url, summary)
    marker = {MADE_BY: new.get(MADE_BY, MAKER), KIND: kind, UNFINISHED: True}
    marker[FILES] = dict.fromkeys(sorted({*old, *names}))
    with told(url, StoreError, "write"):
        upload = Upload(url)
        try:
            if summary is not None and not upload.deferred:
                upload.put(summary, as_json(marker))
            upload.send(names)
            if summary is not None and upload.deferred:
                upload.put(summary, as_json(marker))
            upload.complete()
            upload.delete(sorted(set(old) - set(names)))
            if summary is not None and made is not None:
                upload.put(summary, as_json(new))
            elif summary is not None:
                upload.delete([summary])
        except BaseException:
            upload.give_up()
            raise


def known_files(url: str, summary: str) -> list[str]:
    """Return the names of the files of an output, as its summary tells them; none where there is none of ours."""
    data = read_bytes(join(url, summary)) or b""
    files = json.loads(data).get(FILES) if is_summary(data) else None
    begin = summary.removesuffix(SUMMARY_FILE).rstrip(".")  # of names beside a single object
    return [name for name in files if is_inner(name) and name.startswith(begin)] if isinstance(files, dict) else []


def is_inner(name: str) -> bool:
    """Whether a name is that of a file below where it begins."""
    return "/".join(inner_parts(name)) == name


def as_json(value: dict[str, Any]) -> bytes:
    """Write a summary."""
    return json.dumps(value, indent=1).encode() + b"\n"


def size_and_checksum(path: pathlib.Path) -> dict[str, Any]:
    """Return what a summary tells of a file."""
    return {"bytes": path.stat().st_size, "xxh3": f"{checksum_of_file(path):016x}"}


class Upload:
    """Objects on their way into a store.

    Args:
        url: the prefix that they go below.

    Attributes:
        deferred: whether they show when ``complete`` is called, and not before.
    """

    def __init__(self, url: str) -> None:
        self.deferred = url.partition("://")[0] in DEFERRED
        self._fs, self._root = connect(url, alone=True)
        self._sent: list[Any] = []
        self._stopped = threading.Event()

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def put(self, name: str, data: bytes) -> None:
        """Write a small object at once."""
        self._fs.pipe_file(self._path(name), data)

    def send(self, files: dict[str, pathlib.Path]) -> None:
        """Upload files, given by the names of objects."""
        self._each(lambda name: self._send(name, files[name]), files)

    def _send(self, name: str, path: pathlib.Path) -> None:
        """Upload a file, in parts."""
        if not self.deferred:
            if "/" in name:
                self._fs.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(path), self._path(name))
            return
        part = max(PART, path.stat().st_size // MOST_PARTS + 1)
        target = self._fs.open(self._path(name), "wb", autocommit=False, block_size=part)
        self._sent.append(target)
        with path.open("rb") as source, target:
            while (data := source.read(COPIED)) and not self._stopped.is_set():
                target.write(data)

    def complete(self) -> None:
        """Let what was uploaded show."""
        self._each(lambda target: target.commit(), self._sent)
        self._sent = []

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that are gone already are no loss."""

        def delete(name: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._path(name))

        self._each(delete, names)

    def give_up(self) -> None:
        """Delete the parts that were uploaded and do not show yet."""
        for target in self._sent:
            with contextlib.suppress(Exception):  # the first error is the one to be told
                target.discard()
        self._sent = []

    def _each(self, task: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Do something with some things at a time; whoever interrupts waits for those that were begun."""
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dedup-upload")
        try:
            for _ in pool.map(task, list(items)):
                pass
        except BaseException:
            self._stopped.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def above(url: str) -> str:
    """Return the prefix that an object stands below."""
    first, chain, rest = url.partition("::")
    return f"{first.rstrip('/').rpartition('/')[0]}/{chain}{rest}"


def read_summary(url: str) -> dict[str, Any] | None:
    """Read the summary of an output, None where there is none.

    Raises:
        NotFound: it cannot be read.
        Corrupt: the output is not whole.
    """
    data = read_bytes(url)
    if data is None:
        return None
    try:
        summary = json.loads(data)
    except ValueError as error:
        raise Corrupt(f"{hide(url)} is damaged: make its output again") from error
    if not isinstance(summary, dict):
        raise Corrupt(f"{hide(url)} is not of an output of dedup")
    if summary.get(UNFINISHED):
        raise Corrupt(
            f"{hide(url)} tells of an output that is being written, or whose writing was stopped: wait, or run the "
            "command again that writes it"
        )
    return summary


def fetch(url: str, summary: str, names: Sequence[str], folder: pathlib.Path) -> bool:
    """Copy an output from a store into a directory.

    Args:
        url: the prefix of its objects.
        summary: name of the one that makes it whole.
        names: those that belong to it, where the summary does not tell; of others only these are copied. All where none
            are given.
        folder: the directory.

    Returns:
        Whether there is such an output.

    Raises:
        NotFound: it cannot be read.
        Corrupt: it is not whole.
    """
    told_of = read_summary(join(url, summary))
    if told_of is None:
        return False
    sums: dict[str, Any] | None = told_of.get(FILES)
    if isinstance(sums, dict):
        wanted = [name for name in sums if not names or name in names]
    else:  # it was put there by other means
        sums = None
        wanted = [name for name in names if kind_of(join(url, name)) == "file"] if names else list_files(url)
    if not all(map(is_inner, wanted)):
        raise Corrupt(f"{hide(join(url, summary))} names files beyond its prefix")

    def copy(name: str) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy_object(join(url, name), target)
        except NotFound as error:
            if kind_of(join(url, name)) is not None:
                raise
            raise Corrupt(f"{hide(join(url, name))} is missing: it was written with the others") from error
        if sums is not None and size_and_checksum(target) != sums[name]:
            raise Corrupt(
                f"{hide(join(url, name))} is not what was written with {summary}: it is being replaced, or was changed"
            )

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dedup-fetch") as pool:
        for _ in pool.map(copy, [name for name in wanted if name != summary]):
            pass
    (folder / summary).write_bytes(as_json(told_of))
    return True


def copy_object(url: str, target: pathlib.Path) -> None:
    """Copy an object into a file, as it is now."""
    ask(url)
    with opened(url) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, COPIED)


@contextlib.contextmanager
def fetched(url: str, besides: Sequence[str]) -> Iterator[pathlib.Path]:
    """Yield the path of a copy of an output in a store, directory or file; it vanishes with the block.

    Args:
        url: the output.
        besides: what the names of files beside a single one end in.

    Raises:
        NotFound: there is none.
        Corrupt: it is not whole.
    """
    with contextlib.closing(temporary_directory()) as temporary, told_when_full(temporary.path):
        made = temporary.path / name_of(url)
        made.mkdir()
        if fetch(url, SUMMARY_FILE, [], made):
            yield made
            return
        made.rmdir()
        beside = [made.name, *(f"{made.name}.{one}" for one in besides)]
        if not fetch(above(url), f"{made.name}.{SUMMARY_FILE}", beside, temporary.path):
            if kind_of(url) is None:
                raise NotFound(f"{hide(url)} does not exist")
            raise NotFound(f"{hide(url)} has no {SUMMARY_FILE}, in it or beside it: without it nothing can be restored")
        yield made
