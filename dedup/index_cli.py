"""The commands ``dedup index ...``: each parses, calls the index, prints what is committed."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.core import ParameterSource

from dedup.display import (
    index_table,
    one_line,
    report_line,
    told_counts,
    told_ignored,
)
from dedup.errors import Corrupt, InputError, NotFound, SettingsError, StoreError
from dedup.options import (
    OF_READING,
    Duration,
    F,
    changed_settings,
    with_index_settings,
    with_reading_settings,
)
from dedup.process import Interrupts, get_ready
from dedup.settings import Settings
from dedup.terminal import EXIT_ERROR, EXIT_INTERRUPTED, reported_errors, shown_progress
from dedup.urls import hide

if TYPE_CHECKING:
    from dedup.feed import Page
    from dedup.index import Index, Report
    from dedup.reading import Progress
    from dedup.schema import Reject

STDIN = "-"
INPUTS = click.argument("inputs", nargs=-1, metavar="[INPUT]...")
PLACE = click.argument("db", metavar="DB")
JSON_REPORTS = click.option("--json", "as_json", is_flag=True, help="Print JSON lines, a report a page.")
KEPT = click.option("--kept", is_flag=True, help="Print the records of pages that stay, their texts cleaned.")
BLOCKS = click.option("--blocks/--no-blocks", default=True, help="Whether reports of --json tell of blocks.")


@click.group("index")
def index_group() -> None:
    """Judge pages one by one as they come, by all that came before, on disk.

    DB is the path of a file, or sqlite:///PATH; what can be made again stands beside it in DB.bands. Or it is
    redis://HOST:PORT/DB?name=NAME, for several machines. Any number of processes may use it at once.
    """


@contextmanager
def interruptible(message: str) -> Iterator[None]:
    """Say what an interrupt leaves."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"dedup: interrupted{message}", err=True)
        sys.exit(EXIT_INTERRUPTED)


@contextmanager
def existing(db: str) -> Iterator[Index]:
    """Open an index that is there.

    Raises:
        NotFound: it is not.
    """
    from dedup.index import Index

    with Index.open(db, create=False) as index:
        yield index


@contextmanager
def begun(db: str, context: click.Context, options: dict[str, Any], base: Settings) -> Iterator[Index]:
    """Open an index, or begin one with the settings that options were given for.

    Args:
        db: the index.
        context: of the command.
        options: those that a new index is made with.
        base: the other settings of a new one.

    Raises:
        SettingsMismatch: it was made with others.
    """
    from dedup.index import Index

    try:
        with Index.open(db, create=False) as there:
            base = there.settings
    except NotFound:
        settings: Settings | None = changed_settings(base, context, options)
    else:
        given = any(context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in options)
        settings = changed_settings(base, context, options) if given else base
    with Index.open(db, settings) as index:
        yield index


def judging(command: F) -> F:
    """Add what commands that judge pages have in common: the index, the inputs, and what is told of them."""
    for option in (with_reading_settings, BLOCKS, KEPT, JSON_REPORTS, INPUTS, PLACE):
        command = option(command)
    return command


@index_group.command("add")
@judging
@with_index_settings
@click.pass_context
def add_command(
    context: click.Context, /, db: str, inputs: tuple[str, ...], as_json: bool, kept: bool, blocks: bool, **options: Any
) -> None:
    """Judge pages and add them; tell of each once it is in the index for good.

    INPUT is what scan takes, JSON lines from standard input by default: of these each is told of as soon as it has
    come. A page that is known by its id and has not changed is no copy of itself; one that has changed takes the place
    of the old. Settings are those of a new index; of one that is there they must be what it was made with.

    --kept prints the records of pages that stay, as JSON lines, in their fields the text without what goes; of other
    inputs than JSON id, source and text, of pages and WARC files what clean writes.
    """
    reading = {name: options.pop(name) for name in OF_READING}
    with reported_errors(), interruptible("; the pages that were told of are in the index"):
        source = make_feed_settings(inputs, reading, as_json=as_json, kept=kept)
        with begun(db, context, options, Settings(score=True)) as index:
            judge(index, inputs, source, Told(as_json=as_json, kept=kept, blocks=blocks), add=True)


@index_group.command("query")
@judging
def query_command(db: str, inputs: tuple[str, ...], as_json: bool, kept: bool, blocks: bool, **options: Any) -> None:
    """Judge pages as add does, and add none."""
    with reported_errors(), interruptible(""):
        source = make_feed_settings(inputs, options, as_json=as_json, kept=kept)
        with existing(db) as index:
            judge(index, inputs, source, Told(as_json=as_json, kept=kept, blocks=blocks), add=False)


def make_feed_settings(inputs: Sequence[str], options: dict[str, Any], *, as_json: bool, kept: bool) -> Settings:
    """Make the settings that inputs are read with.

    Raises:
        UsageError: options contradict each other.
    """
    if as_json and kept:
        raise click.UsageError("--json prints reports, --kept records: give one of them")
    get_ready(inputs)
    return Settings(**options)


def output() -> BinaryIO:
    """Return standard output.

    Raises:
        StoreError: it is closed.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise StoreError("cannot write to <stdout>: it is closed")
    return sys.stdout.buffer


class Told:
    """Prints what is told of pages, and counts it.

    Args:
        as_json: whether as JSON lines.
        kept: whether to print records that stay instead.
        blocks: whether JSON lines tell of blocks.
    """

    def __init__(self, *, as_json: bool, kept: bool, blocks: bool) -> None:
        self._as_json, self._kept, self._blocks = as_json, kept, blocks
        self._out = output()  # progress puts another stream in the place of sys.stdout
        self._rejects = 0
        self._actions: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()

    def page(self, page: Page, report: Report) -> None:
        """Tell of a page."""
        self._actions[report.action] += 1
        self._statuses[report.status] += 1
        if self._kept:
            if report.action != "drop":
                self._out.write(page.with_text(report.text) + b"\n")
            return
        if not self._as_json:
            line = report_line(report)
        else:
            told = report.as_dict()
            if not self._blocks:
                del told["blocks"]
            line = json.dumps(told, ensure_ascii=False)
        self._out.write(line.encode() + b"\n")

    def rejects(self, rejects: Iterable[Reject]) -> None:
        """Tell of records that are no pages."""
        for reject in rejects:
            self._rejects += 1
            click.echo(f"dedup: {reject.path}:{reject.line}: {reject.error}", err=True)

    def flush(self) -> None:
        """Hand over what was told."""
        self._out.flush()

    def summary(self) -> str:
        """Put the counts into a line."""
        return told_counts(self._actions, self._statuses, self._rejects)


def judge(index: Index, inputs: tuple[str, ...], settings: Settings, told: Told, *, add: bool) -> None:
    """Judge the pages of inputs."""
    from dedup.feed import Feed

    with shown_progress(wanted=not sys.stdout.isatty()) as progress:
        feed = Feed(inputs or (STDIN,), settings, named=add)
        if feed.inputs.ignored:
            ignored = feed.inputs.ignored
            click.echo(f"dedup: {sum(ignored.values()):,} files ignored, {told_ignored(ignored)}", err=True)
        for piece in feed:
            if piece.rejects and settings.strict:
                first = piece.rejects[0]
                raise InputError(first.error, first.path, first.line)
            records = [{"id": page.id, "text": page.text, "source": page.source} for page in piece.pages]
            for page, report in zip(piece.pages, index.check_many(records, add=add), strict=True):
                told.page(page, report)
                Interrupts.check()
            told.rejects(piece.rejects)
            told.flush()
            progress("adding" if add else "judging", piece.read, feed.size)
    click.echo(f"dedup: {told.summary()}", err=True)


@index_group.command("remove")
@PLACE
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, one an id.")
def remove_command(db: str, ids: tuple[str, ...], as_json: bool) -> None:
    """Forget pages; tell of each id whether there was such a page.

    What was a copy of them is decided on again. Where ID is -, ids come through standard input, one a line.
    """
    with reported_errors(), interruptible("; the pages that were told of are removed"):
        get_ready(())
        with existing(db) as index, shown_progress(wanted=False):
            for name in given_ids(ids):
                there = index.remove(name)
                line = f"{'removed' if there else 'unknown'}\t{one_line(name)}"
                click.echo(json.dumps({"id": name, "removed": there}, ensure_ascii=False) if as_json else line)
                Interrupts.check()


def given_ids(ids: Iterable[str]) -> Iterator[str]:
    """Yield ids, those that come through standard input at their place.

    Raises:
        InputError: one is not UTF-8.
    """
    from dedup.formats.stdin import standard_input

    for name in ids:
        if name == STDIN:
            standard_input()  # which may be closed
            for number, line in enumerate(sys.stdin.buffer, 1):
                try:
                    yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
                except UnicodeDecodeError as error:
                    raise InputError(f"not UTF-8 at byte {error.start} of the line", "<stdin>", number) from error
            continue
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the id {name!r} is not UTF-8, as those of pages are") from error
        yield name


@index_group.command("expire")
@PLACE
@click.option("--older", type=Duration(), required=True, metavar="TIME", help="Age, like 90m, 12h, 30d or 2w.")
def expire_command(db: str, older: float) -> None:
    """Forget pages that were last added or seen unchanged longer ago than a time."""
    with reported_errors(), interruptible("; the same command goes on from here"):
        get_ready(())
        with existing(db) as index, shown_progress() as progress:
            count = index.expire(max(0.0, time.time() - older), progress)
        click.echo(f"removed {count:,} pages")


@index_group.command("info")
@PLACE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info_command(db: str, as_json: bool) -> None:
    """Say what an index holds, how large it is and what it was made with."""
    with reported_errors(), existing(db) as index:
        info = index.info()
        click.echo(json.dumps(info, ensure_ascii=False) if as_json else index_table(info))


@index_group.command("verify")
@PLACE
@click.option("--repair", is_flag=True, help="Mend what is found, and look again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_command(db: str, repair: bool, as_json: bool) -> None:
    """Look for damage. Exit code 1 if there is some, with --repair if some is left."""
    with reported_errors(), interruptible(""):
        get_ready(())
        with shown_progress() as progress:
            found, left = verified(db, progress, repair=repair)
        if as_json:
            click.echo(json.dumps({"found": found, "left": left}, ensure_ascii=False))
        else:
            for problem in found:
                click.echo(one_line(problem))
            for problem in left if repair else ():
                click.echo(f"not mended: {one_line(problem)}")
            click.echo(f"{len(found):,} found, {len(left):,} left" if found else "sound")
        if left:
            sys.exit(EXIT_ERROR)


def verified(db: str, progress: Progress, *, repair: bool) -> tuple[list[str], list[str]]:
    """Look for damage, and mend it if that is wanted; return what was found, and what is left."""
    from dedup.index import Index
    from dedup.index.wire import SCHEMES

    try:
        with existing(db) as index:
            found = index.verify(repair=repair, progress=progress)
    except Corrupt:  # it cannot even be opened
        if not repair or db.startswith(SCHEMES):
            raise
        found = Index.salvage(db, progress)
    if not (found and repair):
        return found, found
    with existing(db) as index:
        return found, index.verify(progress=progress)


@index_group.command("compact")
@PLACE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compact_command(db: str, as_json: bool) -> None:
    """Give back the room of what was removed."""
    with reported_errors(), interruptible("; the index is as it was, or compact"):
        get_ready(())
        with existing(db) as index, shown_progress() as progress:
            done = index.compact(progress=progress)
        click.echo(json.dumps(done, ensure_ascii=False) if as_json else index_table(done))


@index_group.command("merge")
@PLACE
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
def merge_command(db: str, others: tuple[str, ...]) -> None:
    """Add the pages of other indexes, in their order; those stay as they are."""
    with reported_errors(), interruptible("; the same command goes on from here"):
        get_ready(())
        with existing(db) as index, shown_progress() as progress:
            for other in others:
                if is_same(db, other):
                    raise SettingsError("other", hide(other), "another index than the one that pages are added to")
                with existing(other) as one:
                    count = index.merge(one, progress=progress)
                click.echo(f"{count:,} pages of {one_line(hide(other))}")


def is_same(one: str, other: str) -> bool:
    """Whether two names of indexes lead to one file, or are one URL."""
    from dedup.index.opening import path_of
    from dedup.index.wire import SCHEMES

    if one.startswith(SCHEMES) or other.startswith(SCHEMES):
        return one == other
    paths = path_of(one), path_of(other)
    return paths[0].exists() and paths[1].exists() and paths[0].samefile(paths[1])


@index_group.command("build")
@PLACE
@click.argument("run", metavar="RUN")
def build_command(db: str, run: str) -> None:
    """Add all documents of a scan that keeps its sketches, in their order; nothing is read again.

    A new index gets the settings of the scan; one that is there must have been made with the same.
    """
    with reported_errors(), interruptible("; the same command goes on from here"):
        get_ready(())
        from dedup.index import Index
        from dedup.index.build import build, sketches_of
        from dedup.run import Run

        found = Run.open(run)
        try:
            index = Index.open(db, create=False)
        except NotFound:
            sketches_of(found)  # before there is an index
            index = Index.open(db, found.settings)
        with index, shown_progress() as progress:
            count = build(run, index, progress=progress)
        click.echo(f"{count:,} pages of {one_line(run)}")
