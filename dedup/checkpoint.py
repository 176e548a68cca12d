"""How far inputs were read, and the columns of their sketches, in; out, a directory that another scan goes on from."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import msgspec
import numpy as np

from dedup.corpus import Corpus
from dedup.errors import Corrupt, NotFound, SettingsMismatch
from dedup.formats import Inputs
from dedup.frequencies import DocumentFrequencies
from dedup.ledger import FILES, Kept, Known, Ledger, Parts, Read, bytes_of_list, find_parts, kept_inputs, read_list
from dedup.lsh import Scheme, collision_probability, schemes
from dedup.settings import Settings
from dedup.store import SKETCHES, atomic_file, checksum_of_file, checksums
from dedup.version import __version__

STATE, REJECTS = "state.json", "rejects"
FORMAT = 3
PERIOD = 10.0  # seconds between checkpoints
# settings that sketches depend on, beside how they are banded
OF_SKETCHES = ("text", "format", "id", "source", "newest", "split", "min_tokens", "seed")
log = logging.getLogger("dedup")


class Span(msgspec.Struct):
    """Bytes of a column that were written between two checkpoints, and their checksum."""

    size: int
    checksum: int


class State(msgspec.Struct):
    """What rests in a directory of sketches.

    Attributes:
        format: of the directory.
        made_by: version of this package.
        settings: those that sketches depend on.
        schemes: bands, rows and permutations of blocks; of documents.
        scored: whether what substance is scored by is there.
        reads: inputs, in the order in which their documents stand in the columns.
        columns: what each column holds.
        frequencies: file with the document frequencies of terms, None where they are not counted; its checksum.
        frequencies_checksum: see ``frequencies``.
    """

    format: int
    made_by: str
    settings: dict[str, Any]
    schemes: list[tuple[int, int, int]]
    scored: bool
    reads: list[Read] = []
    columns: dict[str, list[Span]] = {}
    frequencies: str | None = None
    frequencies_checksum: int = 0

    def sizes(self) -> dict[str, int]:
        """Return how many bytes each column holds."""
        return {name: sum(span.size for span in spans) for name, spans in self.columns.items()}


class Sketchbook:
    """A directory of sketches.

    Args:
        path: the directory.
        state: what rests there.

    Attributes:
        parts: of the inputs of the scan that goes on from here; None before they were looked for.
    """

    def __init__(self, path: pathlib.Path, state: State) -> None:
        self.path, self.state = path, state
        self.parts: Parts | None = None
        self._last = time.monotonic()

    @classmethod
    def begin(cls, path: pathlib.Path, settings: Settings) -> Sketchbook:
        """Begin a directory; what was there is gone."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        keys = [key_of(scheme) for scheme in schemes(settings)]
        return cls(path, State(FORMAT, __version__, settings_of(settings), keys, settings.scores))

    @classmethod
    def read(cls, path: pathlib.Path) -> Sketchbook | None:
        """Open a directory; None where there is none, or of another format.

        Raises:
            Corrupt: it is damaged.
        """
        try:
            data = (path / STATE).read_bytes()
            if msgspec.json.decode(data).get("format") != FORMAT:
                return None
            book = cls(path, msgspec.json.decode(data, type=State))
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, AttributeError) as error:
            raise Corrupt(f"{path / STATE} is damaged ({error}): delete {path.parent} and scan again") from error
        return book

    def copy_to(self, path: pathlib.Path) -> Sketchbook:
        """Copy a directory. Files are linked where nobody else will write to them: they only grow."""
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path, copy_function=link_or_copy)
        book = Sketchbook(path, self.state)
        book.parts = self.parts
        return book

    def is_behind(self, path: pathlib.Path) -> bool:
        """Whether another directory has the same files and uses more of them: it has taken the place of this one."""
        try:
            other = Sketchbook.read(path)
        except Corrupt:
            return False
        sizes, more = self.state.sizes(), {} if other is None else other.state.sizes()
        shared = (name for name in sizes if more.get(name, 0) > sizes[name])
        return any((path / name).exists() and (self.path / name).samefile(path / name) for name in shared)

    def known(self) -> list[Known]:
        """Return what was read.

        Raises:
            Corrupt: a list of files is damaged.
        """
        return [Known(one, None if one.files is None else read_list(self.path / one.files)) for one in self.state.reads]

    def unfit(self, inputs: Inputs, settings: Settings) -> str | None:
        """Find the parts of inputs; say why nobody can go on from here with them, None where that is possible."""
        reason = self.unlike(settings)
        if reason is None:
            found = find_parts(inputs, self.known(), settings)
            if isinstance(found, str):
                return found
            self.parts = found
        return reason

    def unlike(self, settings: Settings) -> str | None:
        """Say how the sketches differ from those that settings ask for; None where they do not."""
        state, wanted = self.state, settings_of(settings)
        other = [f"{name}={state.settings.get(name)!r}" for name in wanted if wanted[name] != state.settings.get(name)]
        if other:
            return "made with " + ", ".join(other)
        if settings.scores and not state.scored:
            return "made without scores"
        return None

    def schemes(self, settings: Settings) -> tuple[Scheme, Scheme]:
        """Return how blocks and documents are sketched: as they were, where that serves the settings."""
        blocks, docs = schemes(settings)
        old = self.state.schemes
        return (
            serving(blocks, old[0], settings.threshold, settings.recall),
            serving(docs, old[1], settings.doc_threshold, settings.doc_recall),
        )

    def verify(self, pool: Executor) -> str | None:
        """Say which of the files is damaged; None where none is."""

        def damaged(name: str, spans: Sequence[Span]) -> bool:
            try:
                return list(checksums(self.path / name, [span.size for span in spans])) != [
                    span.checksum for span in spans
                ]
            except OSError:
                return True

        tasks = {name: pool.submit(damaged, name, spans) for name, spans in self.state.columns.items() if spans}
        found = [name for name, task in tasks.items() if task.result()]
        for read in self.state.reads:
            try:
                if read.files is not None:
                    read_list(self.path / read.files)
            except Corrupt:
                found.append(str(read.files))
        parts = self.state.frequencies
        if parts is not None:
            try:
                same = checksum_of_file(self.path / parts) == self.state.frequencies_checksum
            except OSError:
                same = False
            found += [] if same else [parts]
        return found[0] if found else None

    def restore(self, corpus: Corpus) -> None:
        """Give a corpus what is no column."""
        if self.state.frequencies is not None:
            with np.load(self.path / self.state.frequencies) as arrays:
                corpus.frequencies = DocumentFrequencies.restored(dict(arrays))

    def is_due(self) -> bool:
        """Whether the last checkpoint is some time ago."""
        return time.monotonic() - self._last > PERIOD

    def save(self, corpus: Corpus, ledger: Ledger, scheme: tuple[Scheme, Scheme], pool: Executor) -> None:
        """Make a checkpoint: from here another scan can go on."""
        state, before = self.state, self.state.sizes()
        columns = corpus.workspace.write_down()
        grown = {
            name: (before.get(name, 0), column.size * column.dtype.itemsize - before.get(name, 0))
            for name, column in columns.items()
        }

        def checksum(name: str) -> int:
            start, size = grown[name]
            return next(checksums(self.path / name, [size], start))

        tasks = {name: pool.submit(checksum, name) for name, (_, size) in grown.items() if size}
        for name, task in tasks.items():
            state.columns.setdefault(name, []).append(Span(grown[name][1], task.result()))
        if state.scored:
            state.frequencies = f"frequencies-{sum(read.chunks for read in ledger.reads)}.npz"
            with atomic_file(self.path / state.frequencies, durable=False) as file:  # others may have a link to it
                np.savez(file, **corpus.frequencies.arrays())  # type: ignore[arg-type]
            state.frequencies_checksum = checksum_of_file(self.path / state.frequencies)
        begun = [part for part in ledger.stored if part.read.chunks or part.read.done]  # others may yet change
        state.reads = [part.read for part in begun]
        lists = {part.read.files: part.files for part in begun if part.read.files is not None}
        for name, files in lists.items():
            if not (self.path / name).exists():
                with atomic_file(self.path / name, durable=False) as file:
                    file.write(bytes_of_list(files or ()))
        state.schemes = [key_of(one) for one in scheme]
        unused = set(state.columns) - set(columns)
        for name in unused:
            del state.columns[name]
        with atomic_file(self.path / STATE, durable=False) as state_file:
            state_file.write(msgspec.json.encode(state))
        unused.update(path.name for path in self.path.glob("frequencies-*.npz") if path.name != state.frequencies)
        unused.update(path.name for path in self.path.glob(f"{FILES}*") if path.name not in lists)
        for name in unused:
            (self.path / name).unlink(missing_ok=True)
        self._last = time.monotonic()


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that sketches depend on."""
    return {name: getattr(settings, name) for name in OF_SKETCHES}


def key_of(scheme: Scheme) -> tuple[int, int, int]:
    """Return bands, rows and permutations."""
    return scheme.bands, scheme.rows, scheme.a.size


def serving(scheme: Scheme, old: tuple[int, int, int], threshold: float, recall: float) -> Scheme:
    """Return the scheme of old if it finds what is asked for, else the new one."""
    bands, rows, permutations = old
    if permutations != scheme.a.size or collision_probability(threshold, bands, rows) < recall:
        return scheme
    return scheme._replace(bands=bands, rows=rows)


def link_or_copy(source: str, target: str) -> None:
    """Link a file that has no other link, and that will only grow; copy others."""
    file = pathlib.Path(source)
    if file.name not in {STATE, REJECTS} and file.stat().st_nlink == 1:
        with contextlib.suppress(OSError):  # not every file system has links
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def open_sketches(path: pathlib.Path, settings: Settings) -> list[Kept]:
    """Return the inputs of a run, to decide on them again.

    Raises:
        NotFound: the run keeps no sketches.
        SettingsMismatch: they were made with other settings.
        Corrupt: they are damaged.
    """
    book = Sketchbook.read(path / SKETCHES)
    if book is None:
        raise NotFound(f"{path} keeps no sketches that this version reads: scan its inputs again")
    reason = book.unlike(settings)
    if reason is not None:
        raise SettingsMismatch(f"{path} was {reason}: scan its inputs again")
    return kept_inputs(book.known())


def go_on(made: pathlib.Path, base: pathlib.Path, inputs: Inputs, settings: Settings, pool: Executor) -> Sketchbook:
    """Open the sketches of a run that was stopped, or those of a whole one, if they serve; else begin anew.

    Args:
        made: the run that is being made.
        base: the run that it goes on from, if there is one.
        inputs: the inputs.
        settings: the settings.
        pool: threads to check files in.

    Raises:
        Corrupt: sketches are damaged, and the inputs are not there to be read again.
    """
    again = any(isinstance(one, Kept) for one in inputs)
    for place in (base,) if again else (made, base):
        damaged: str | None
        try:
            book = Sketchbook.read(place / SKETCHES)
            damaged = None if book is None else book.verify(pool)
        except Corrupt:
            book, damaged = None, STATE
        if damaged is not None and again:
            raise Corrupt(f"{place / SKETCHES / damaged} is damaged: scan the inputs again")
        if damaged is not None:
            log.warning("%s is damaged: reading everything again", place / SKETCHES / damaged)
            continue
        if book is None or not book.state.reads or (place == made and book.is_behind(base / SKETCHES)):
            continue
        reason = book.unfit(inputs, settings)
        if reason is not None:
            log.info("the sketches in %s cannot be used (%s): reading everything again", place, reason)
            continue
        done = sum(read.done for read in book.state.reads)
        log.info("going on from %s: %d of %d inputs read", place, done, len(inputs))
        return book if place == made else book.copy_to(made / SKETCHES)
    return Sketchbook.begin(made / SKETCHES, settings)
