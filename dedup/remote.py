"""A URL in; what stands there (its kind, size, stamp, names below it) out, through fsspec.

fsspec is not loaded before a URL is met.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from dedup.errors import DedupError, InputError, MissingExtra, NotFound
from dedup.urls import WEB, hide, hide_in, join, without_magic

# What changes when an object does, by the names that file systems give it; the first there is decides.
STAMPS = ("ETag", "etag", "generation", "blob_id", "Content-MD5", "content_md5", "checksum", "xet_hash")
TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "uploaded_at", "modified", "created")
# Packages beyond those of the extra.
PACKAGES = {
    "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs",
    "adl": "adlfs", "oss": "ossfs", "sftp": "paramiko", "ssh": "paramiko", "smb": "smbprotocol", "webdav": "webdav4",
}  # fmt: skip


@contextlib.contextmanager
def told(url: str, kind: type[DedupError] = NotFound, doing: str = "read") -> Iterator[None]:
    """Turn whatever a file system raises into an error that names the URL, and no secrets.

    Args:
        url: what is being read or written.
        kind: the error.
        doing: what fails, as a verb.

    Raises:
        NotFound: there is nothing.
        MissingExtra: packages are not installed.
    """
    try:
        yield
    except DedupError:
        raise
    except Exception as error:  # noqa: BLE001 - each file system has its own
        cause = error if hide(url) == url else None  # a traceback would show the secret
        raise put(url, error, kind, doing) from cause


def put(url: str, error: Exception, kind: type[DedupError], doing: str) -> DedupError:
    """Put what a file system raised into words."""
    shown, said = hide(url), hide_in(" ".join(str(error).split()), url) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{shown} does not exist: look for it with the tools of its store, and at its spelling")
    code = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, PermissionError) or code in {401, 403}:
        return kind(f"cannot {doing} {shown}: access refused ({said}): check credentials and rights")
    if type(error).__name__ == "FileExpired":
        return kind(f"{shown} changed while it was read: try again when nothing writes to it")
    if isinstance(error, NotImplementedError):
        return kind(f"cannot {doing} {shown}: its store cannot do that")
    return kind(f"cannot {doing} {shown} ({said}): check the address, the network and credentials")


def connect(url: str, *, alone: bool = False) -> tuple[Any, str]:
    """Return the file system of a URL, and the path there.

    Args:
        url: the URL.
        alone: whether it is to be an own one, that others do not see.

    Raises:
        MissingExtra: packages are not installed.
        InputError: nobody knows such URLs.
    """
    protocol = url.partition("://")[0].partition("::")[0]
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import available_protocols
    except ImportError as error:
        raise MissingExtra(f"{protocol}://", "remote", PACKAGES.get(protocol)) from error
    if protocol not in available_protocols():
        raise InputError(f"{protocol}:// is no protocol that fsspec knows", hide(url))
    with told(url):
        try:
            return cast("tuple[Any, str]", url_to_fs(url, skip_instance_cache=True) if alone else url_to_fs(url))
        except ImportError as error:
            raise MissingExtra(f"{protocol}://", "remote", PACKAGES.get(protocol)) from error


class Info(NamedTuple):
    """What a store tells of an object.

    Attributes:
        size: its bytes as stored, None if unknown.
        kind: ``file`` or ``directory``.
        ranges: whether parts of it can be read.
        stamp: changes when it does; None where nothing told does.
    """

    size: int | None
    kind: str
    ranges: bool
    stamp: str | None


def read_info(told: dict[str, Any]) -> Info:
    """Read what a file system tells of an object."""
    size = told.get("size")
    mark = next((str(told[name]) for name in STAMPS if told.get(name)), None)
    mark = mark or next((moment(told[name]) for name in TIMES if told.get(name)), None)
    stamp = None if mark is None else f"{size}-{mark.strip(chr(34))}"
    kind = "directory" if told.get("type") == "directory" else "file"
    return Info(size, kind, size is not None and told.get("partial") is not False, stamp)


def moment(value: Any) -> str:
    """Return a point in time as text, the same in whatever form it is told."""
    return str(value.timestamp() if isinstance(value, dt.datetime) else value)


class Known:
    """What listings have told of objects, so that each need not be asked for.

    The first stamp is taken from there: it is that of when the object was found.
    """

    def __init__(self) -> None:
        self._infos: dict[str, Info] = {}
        self._fresh: set[str] = set()
        self._lock = threading.Lock()

    def add(self, url: str, told: dict[str, Any]) -> Info:
        """Take what was told of an object."""
        info = read_info(told)
        with self._lock:
            self._infos[url] = info
            self._fresh.add(url)
        return info

    def get(self, url: str) -> Info:
        """Return what is known of an object; ask where nothing is."""
        return self._infos.get(url) or ask(url)

    def take_fresh(self, url: str) -> Info | None:
        """Return what was told of an object since this was called last; None where nothing was."""
        with self._lock:
            if url not in self._fresh:
                return None
            self._fresh.discard(url)
            return self._infos[url]


known = Known()


def ask(url: str) -> Info:
    """Ask for an object.

    Raises:
        NotFound: there is none, or it cannot be asked for.
    """
    with told(url):
        return asked(url)


def asked(url: str) -> Info:
    """Ask for an object; what its file system raises is left as it is."""
    fs, path = connect(url)
    fs.invalidate_cache()
    return known.add(url, fs.info(path))


def kind_of(url: str) -> str | None:
    """Say whether there is a ``file`` or a ``directory``, None where there is nothing.

    Raises:
        NotFound: that cannot be found out.
    """
    with told(url):
        try:
            kind = asked(url).kind
            if kind == "file" and url.endswith("/") and not url.startswith(WEB):
                fs, path = connect(url)  # a key may be both
                return "directory" if fs.isdir(path) else None
        except FileNotFoundError:
            return None
    return kind


def size_of(url: str) -> int | None:
    """Return the bytes of an object as stored, None where its store does not tell."""
    return known.get(url).size


def stamp_of(url: str) -> str | None:
    """Return what changes when an object does; None where its store tells nothing of that kind."""
    info = known.take_fresh(url)
    if info is None:
        info = ask(url)
        known.take_fresh(url)
    return info.stamp


def stamps_of(folder: str, names: Iterable[str]) -> list[str | None]:
    """Return the stamps of objects below a prefix, from one listing; None for those that are gone."""
    urls = [join(folder, name) for name in names]
    infos = [known.take_fresh(url) for url in urls]
    if None in infos:
        found = {join(folder, name) for name in list_files(folder)}
        infos = [known.take_fresh(url) if url in found else None for url in urls]
    return [None if info is None else info.stamp for info in infos]


def list_files(url: str) -> list[str]:
    """Return what stands below a prefix, sorted: of each key what follows.

    Raises:
        NotFound: it cannot be listed.
    """
    fs, path = connect(url)
    with told(url):
        fs.invalidate_cache()
        found = cast("dict[str, dict[str, Any]]", fs.find(path, detail=True))
    top, names = path.rstrip("/"), []
    for full, info in found.items():
        name = full.removeprefix(top).removeprefix("/")
        if name and not name.endswith("/") and info.get("type") != "directory":  # some keys stand for directories
            known.add(join(url, name), info)
            names.append(name)
    return sorted(names)


def list_like(pattern: str) -> list[tuple[str, str]]:
    """Return what is like a pattern, sorted: URLs, and for each whether it is a ``file`` or a ``directory``.

    Raises:
        NotFound: it cannot be listed.
    """
    fs, path = connect(pattern)
    with told(pattern):
        fs.invalidate_cache()
        found = fs.glob(path, detail=True)
    base = without_magic(pattern)
    top = connect(base)[1].rstrip("/")
    kept = []
    for full, info in sorted(found.items()):
        name = full.removeprefix(top).removeprefix("/")
        hidden = "/." not in pattern and any(part.startswith(".") for part in name.split("/"))
        if name and not name.endswith("/") and not hidden:
            url = full if full.startswith(WEB) else join(base, name)
            kept.append((url, known.add(url, info).kind))
    return kept


def read_bytes(url: str) -> bytes | None:
    """Read a small object, None where there is none.

    Raises:
        NotFound: it cannot be read.
    """
    fs, path = connect(url)
    with told(url):
        fs.invalidate_cache()
        try:
            return cast("bytes", fs.cat_file(path))
        except (FileNotFoundError, IsADirectoryError):
            return None
