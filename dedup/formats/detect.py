"""Whatever a caller names as input in; the readers for it out."""

from __future__ import annotations

import collections
import glob
import itertools
import logging
import os
import pathlib
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dedup.errors import InputError, NotFound
from dedup.formats.base import Input, Inputs, printable, unreadable
from dedup.formats.columnar import Columnar
from dedup.formats.compression import strip_suffix
from dedup.formats.kinds import is_table
from dedup.formats.memory import ArrowTable, Records
from dedup.formats.registry import FORMATS, named, recognise, recognise_stdin
from dedup.remote import kind_of, list_files, list_like, read_bytes
from dedup.settings import FormatName
from dedup.store import OWN_FILES, OWN_FOLDERS, SUMMARY_FILE, is_summary, summary_of
from dedup.urls import folder_name, has_magic, inner_parts, is_url, join, local_path, without_magic

# What is counted of them among what is ignored.
LINKED, OWN = "links to directories", "directories of dedup's own"
log = logging.getLogger("dedup")
HEADS = 16  # of objects that are read at a time


def open_inputs(inputs: Any, as_format: FormatName | None = None, stdin: str = "-") -> Inputs:
    """Choose readers.

    Args:
        inputs: a path or URL or several (files, directories, patterns such as ``crawl/**/*.jsonl.gz``, ``-`` for
            standard input), an iterable of dicts, an object with ``__arrow_c_stream__``, or readers.
        as_format: what files hold; None to tell by content and names.
        stdin: a file that holds what came through standard input.

    Raises:
        NotFound: a path does not exist or cannot be read, or nothing is like a pattern.
        InputError: the inputs are of a kind that is not read.
        MissingExtra: a format needs packages that are not installed.
    """
    if isinstance(inputs, Inputs):
        return inputs
    if isinstance(inputs, list) and inputs and hasattr(inputs[0], "chunks") and hasattr(inputs[0], "parse"):
        return Inputs(inputs)
    if is_table(inputs):
        return Inputs([ArrowTable(inputs, 0)])
    if isinstance(inputs, str | bytes | os.PathLike):
        inputs = [inputs]
    if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable):
        raise InputError(f"{type(inputs).__name__} is no input: give paths, dicts, or an Arrow table")
    if isinstance(inputs, Iterator):  # the first tells paths from dicts, which are not held
        first = list(itertools.islice(inputs, 1))
        inputs = [*first, *inputs] if is_path(first) else itertools.chain(first, inputs)
    if isinstance(inputs, Collection) and is_path(inputs):
        for path in inputs:
            if not isinstance(path, str | bytes | os.PathLike):
                raise InputError(f"paths and a {type(path).__name__} are given together: give one or the other")
        ordered = sorted(inputs, key=os.fsdecode) if isinstance(inputs, AbstractSet) else inputs
        return Opener(as_format, stdin).open_all([local_path(os.fsdecode(path)) for path in ordered])
    return Inputs([Records(inputs, 0)])


def is_path(inputs: Iterable[Any]) -> bool:
    """Whether the first of several inputs is a path."""
    return isinstance(next(iter(inputs), None), str | bytes | os.PathLike)


def check_readable_twice(inputs: Iterable[Input]) -> None:
    """Check that no input is a pipe or the like, before the work that would need it once more.

    Raises:
        InputError: one is.
    """
    for one in inputs:
        if isinstance(one, Records | ArrowTable) or is_url(one.path) or one.stamp() is not None:
            continue
        raise InputError("can be read once only, which is not enough: write it into a file first", one.path)


class Opener:
    """Opens paths one after the other; every input gets a name of its own.

    Args:
        as_format: what files hold; None to tell by content and names.
        stdin: what ``-`` is.
    """

    def __init__(self, as_format: FormatName | None, stdin: str) -> None:
        self._format = as_format
        self._stdin = stdin
        self._opened: list[Input] = []
        self._ignored: collections.Counter[str] = collections.Counter()
        self._places: set[tuple[int, int]] = set()  # devices and inodes
        self._twice: list[str] = []  # paths that lead to what another has led to
        self._taken: set[str] = set()  # names of outputs
        self._folders: set[str] = set()  # and of the directories they are in
        self._moved: dict[str, str] = {}  # what such directories are called where their names are taken
        self._numbers: collections.Counter[str] = collections.Counter()  # that were tried for a name

    def open_all(self, paths: Sequence[str]) -> Inputs:
        """Open paths, in their order."""
        if paths.count("-") > 1:
            raise InputError("standard input can be named once", "-")
        for path in paths:
            if not path:
                raise InputError("an empty name is no input: name a file, a directory or a pattern")
            if path == "-":
                self._open_stdin()
            elif is_url(path):
                self._open_url(path)
            elif (there := status(path)) is None and glob.has_magic(path):
                self._open_pattern(path)
            elif there is None:
                raise NotFound(f"{printable(path)} does not exist")
            elif stat.S_ISDIR(there.st_mode):
                self._open_directory(path)
            else:
                self._open(path, self._format or recognise(path, alone=True) or "jsonl")
        if self._twice:
            log.warning(
                "%s is named twice%s: it is read as often, and each time a copy",
                printable(self._twice[0]),
                f", and so are {len(self._twice) - 1:,} more" if len(self._twice) > 1 else "",
            )
        return Inputs(self._opened, dict(sorted(self._ignored.items())))

    def _open_url(self, url: str) -> None:
        """Open what stands at a URL, or what is like it."""
        there = kind_of(url)
        if there is None and has_magic(url):
            self._open_url_pattern(url)
        elif there is None:
            raise NotFound(f"{printable(url)} does not exist: check its spelling, and that its store has it")
        elif there == "directory":
            self._open_directory(url)
        else:
            self._open(url, self._format or recognise(url, alone=True) or "jsonl")

    def _open_stdin(self) -> None:
        """Open standard input, or the file that holds what came through it; that gets a name as of its format."""
        path, kind = self._stdin, self._format
        if path == "-":
            self._open(path, kind or recognise_stdin())
            return
        kind = kind or recognise(path, alone=True) or "jsonl"
        kept = f"{path}{FORMATS[kind].suffixes[0]}"
        os.replace(path, kept)
        one = FORMATS[kind].open(kept, len(self._opened))
        if isinstance(one, Columnar):  # one name may stand for several kinds of such files
            one.name = f"stdin{one.suffixes[0]}"
        one.path = "<stdin>"
        self._add(one)

    def _open(self, path: str, kind: FormatName, folder: str = "") -> None:
        """Open a file whose output goes into a folder of the output directory, ``""`` for that itself."""
        one = FORMATS[kind].open(path, len(self._opened))
        self._note(path)
        one.name = os.path.join(folder, one.name)
        self._add(one)

    def _note(self, path: str) -> None:
        """Remember a file, or a directory of texts or pages, to tell if it comes again, whatever it is called."""
        there = None if path == "-" or is_url(path) else status(path)
        if there is not None and there.st_ino:
            place = there.st_dev, there.st_ino
            if place in self._places:
                self._twice.append(path)
            self._places.add(place)

    def _add(self, one: Input) -> None:
        """Add an input, under a name of its own."""
        one.name = self._apart(one.name)
        self._take(one.name)
        self._opened.append(one)

    def _take(self, name: str) -> None:
        """Leave a name of an output to it alone."""
        self._taken.add(name)
        self._folders.update(parents(name))

    def _apart(self, name: str) -> str:
        """Return a name that is not taken: a second ``a.jsonl`` becomes ``a-2.jsonl``."""
        for above in parents(name):
            if above in self._taken:  # by a file
                moved = self._moved.get(above) or self._apart(above)
                self._moved[above] = moved
                return self._apart(moved + name[len(above) :])
        folder, base = os.path.split(name)
        stem, dot, rest = base.partition(".")
        apart = name
        while apart in self._taken or apart in self._folders:
            self._numbers[name] += 1
            apart = os.path.join(folder, f"{stem}-{self._numbers[name] + 1}{dot}{rest}")
        return apart

    def _open_directory(self, path: str) -> None:
        """Open what a directory holds: texts together, pages together, each file of data by itself."""
        top = self._apart(folder_name(path))
        trees: dict[FormatName, list[str]] = {}
        files: list[tuple[str, FormatName]] = []
        names = self._list_urls(path) if is_url(path) else list(self._list_files(path))
        odd = odd_names(names) if is_url(path) else set()
        for name, kind in self._told(path, names):
            if kind is None:
                self._ignored[ending(name)] += 1
            elif name not in odd and is_in_tree(name, kind):
                trees.setdefault(kind, []).append(name)
            else:
                files.append((name, kind))
        if not trees and not files:
            raise InputError("holds no files of a format that is read: see --format, or name files", printable(path))
        if trees:
            self._note(path)
        for kind, tree in FORMATS.items():
            if kind in trees and tree.tree is not None:
                one = tree.tree(path, len(self._opened), trees[kind])
                one.name = self._apart(f"{top}.jsonl") if tree.extracted else top
                taken = [one.name] if tree.extracted else [os.path.join(top, name) for name in trees[kind] if odd]
                for name in taken:
                    self._take(name)
                self._opened.append(one)
        self._folders.add(top)
        for name, kind in files:
            self._open(join(path, name), kind, os.path.join(top, *inner_parts(os.path.dirname(name))))

    def _told(self, path: str, names: list[str]) -> Iterator[tuple[str, FormatName | None]]:
        """Tell formats of files; where one is given, of others but where no file is told to be of it."""
        paths = [join(path, name) for name in names]
        kinds = recognise_urls(paths) if is_url(path) else list(map(recognise, paths))
        if self._format is not None:
            others = None if self._format in kinds else self._format
            kinds = [kind if kind == self._format else others for kind in kinds]
        return zip(names, kinds, strict=True)

    def _list_files(self, path: str) -> Iterator[str]:
        """Yield the paths, below a directory and sorted, of its files; what is hidden is left out.

        Raises:
            NotFound: a directory cannot be read, or a file that is named like data.
        """

        def fail(error: OSError) -> None:
            raise unreadable(os.fsdecode(error.filename), error) from error

        found = []
        for folder, folders, names in os.walk(path, onerror=fail):
            ours = is_output(folder)
            folders[:] = [name for name in folders if not name.startswith(".")]
            own = [name for name in folders if (name in OWN_FOLDERS and ours) or is_output(os.path.join(folder, name))]
            self._ignored[OWN] += len(own)
            folders[:] = [name for name in folders if name not in own]
            self._ignored[LINKED] += sum(os.path.islink(os.path.join(folder, name)) for name in folders)
            for name in names:
                if name.startswith("."):
                    continue
                if (ours and name in OWN_FILES) or not is_file(os.path.join(folder, name)):
                    self._ignored[ending(name)] += 1
                else:
                    found.append(os.path.relpath(os.path.join(folder, name), path))
        self._ignored = +self._ignored
        yield from sorted(found)

    def _list_urls(self, url: str) -> list[str]:
        """Return what ``_list_files`` yields, of a prefix."""
        names = list_files(url)
        summaries = (name for name in names if name.split("/")[-1] == SUMMARY_FILE)
        ours = {name[: -len(SUMMARY_FILE)] for name in summaries if is_summary(read_bytes(join(url, name)) or b"")}
        inside = [f"{own}/" for own in OWN_FOLDERS] if "" in ours else []
        left: set[str] = set()
        kept = []
        for name in names:
            folder, slash, last = name.rpartition("/")
            above = [name[: found.end()] for found in re.finditer("/", name)]
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if whole := next((one for one in (*ours, *inside) if one and one in above), None):
                left.add(whole)
            elif folder + slash in ours and last in OWN_FILES:
                self._ignored[ending(name)] += 1
            else:
                kept.append(name)
        self._ignored[OWN] += len(left)
        self._ignored = +self._ignored
        return kept

    def _open_url_pattern(self, pattern: str) -> None:
        """Open what is like a pattern, see ``_open_pattern``."""
        found = list_like(pattern)
        if not found:
            raise NotFound(f"nothing is like {printable(pattern)}")
        base = without_magic(pattern).partition("::")[0]
        folders = {url.rstrip("/") for url, kind in found if kind == "directory"}
        files = [
            (url, kind)
            for url, kind in found
            if not folders.intersection(url[: slash.start()] for slash in re.finditer("/", url))
        ]
        urls = [url for url, kind in files if kind == "file"]
        kinds = dict(
            zip(urls, recognise_urls(urls) if self._format is None else [self._format] * len(urls), strict=True)
        )
        before = len(self._opened)
        for url, there in files:
            if there == "directory":
                if list_files(url):  # some keys stand for a directory without files
                    self._open_directory(url)
            elif kind := kinds[url]:
                rest = url.partition("::")[0].removeprefix(base) if url.startswith(base) else ""
                self._open(url, kind, os.path.join("", *inner_parts(os.path.dirname(rest))))
            else:
                self._ignored[ending(url)] += 1
        if len(self._opened) == before:
            raise InputError("nothing like this is of a format that is read: see --format", printable(pattern))

    def _open_pattern(self, pattern: str) -> None:
        """Open what is like a pattern, sorted; of directories and what is below them the directories."""
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise NotFound(f"nothing is like {printable(pattern)}")
        base = os.path.dirname(re.split(r"[*?[]", pattern, maxsplit=1)[0])
        folders = {os.path.normpath(path) for path in found if os.path.isdir(path)}
        before = len(self._opened)
        outputs: dict[str, bool] = {}
        for path in found:
            if is_left_out(path, base, outputs):
                self._ignored[OWN if os.path.isdir(path) else ending(path)] += 1
                continue
            if folders.intersection(parents(os.path.normpath(path))):
                continue
            if os.path.isdir(path):
                self._open_directory(path)
            elif is_file(path) and (kind := self._format or recognise(path)):
                self._open(path, kind, inner(os.path.dirname(os.path.relpath(path, base or "."))))
            else:
                self._ignored[ending(path)] += 1
        if len(self._opened) == before:
            raise InputError("nothing like this is of a format that is read: see --format", printable(pattern))


def status(path: str) -> os.stat_result | None:
    """Return what the system tells of a path, None if there is nothing.

    Raises:
        NotFound: it does not tell.
    """
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error


def is_file(path: str) -> bool:
    """Whether there is a file to be read; not a pipe, nor a link that leads nowhere unless it is named like data.

    Raises:
        NotFound: the system does not tell.
    """
    try:
        there = status(path)
    except NotFound:
        if named(path) or not os.path.islink(path):
            raise
        return False
    return bool(named(path)) if there is None else stat.S_ISREG(there.st_mode)


def is_output(folder: str) -> bool:
    """Whether a directory is a run or a cleaned corpus."""
    return summary_of(pathlib.Path(folder)) is not None


def is_left_out(path: str, base: str, outputs: dict[str, bool]) -> bool:
    """Whether what is like a pattern is ours, but for what stands in the directory that the pattern begins in.

    Args:
        path: what is like it.
        base: where it begins.
        outputs: which directories are ours, as far as that is known.
    """
    below = os.path.relpath(path, base or os.curdir)
    for one in (*(os.path.join(base, above) for above in (*parents(below), below)), os.path.dirname(path)):
        if one not in outputs:
            outputs[one] = is_output(one)
    within = any(outputs[os.path.join(base, above)] for above in (*parents(below), below))
    return within or (outputs[os.path.dirname(path)] and os.path.basename(path) in OWN_FILES)


def is_in_tree(name: str, kind: FormatName) -> bool:
    """Whether a file of a directory is read together with others."""
    return FORMATS[kind].tree is not None and (FORMATS[kind].extracted or strip_suffix(name) == name)


def recognise_urls(urls: Sequence[str]) -> list[FormatName | None]:
    """Tell the formats of many objects, several at a time."""
    with ThreadPoolExecutor(HEADS, thread_name_prefix="dedup-remote") as pool:
        return list(pool.map(recognise, urls))


def odd_names(names: Sequence[str]) -> set[str]:
    """Return those names of objects that no file can have, or not beside the others."""
    folders = {name[: slash.start()] for name in names for slash in re.finditer("/", name)}
    return {name for name in names if name in folders or "/".join(inner_parts(name)) != name}


def parents(name: str) -> list[str]:
    """Return the directories that a relative path leads through."""
    parts = name.split(os.sep)
    return [os.sep.join(parts[:k]) for k in range(1, len(parts))]


def inner(folder: str) -> str:
    """Return a relative path, or nothing where it would lead out of the directory it begins in."""
    return "" if os.pardir in folder.split(os.sep) or os.path.isabs(folder) else folder


def ending(name: str) -> str:
    """Return the suffix of a file's name."""
    return printable(os.path.splitext(name)[1].lower()) or "no suffix"
