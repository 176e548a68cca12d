"""The command ``dedup``: each subcommand parses, makes one public call, prints."""

from __future__ import annotations

import atexit
import dataclasses
import gc
import json
import math
import os
import pathlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dedup.display import header_line, run_table, show_comparison, show_scores, summary_table, tell_unused
from dedup.errors import GuardRail, InputError
from dedup.index_cli import index_group
from dedup.options import changed_settings, check_applied, make_settings, with_scoring_settings, with_settings
from dedup.process import Interrupts, get_ready
from dedup.terminal import EXIT_ERROR, EXIT_GUARD, EXIT_INTERRUPTED, reported_errors, shown_progress
from dedup.version import __version__

if TYPE_CHECKING:
    from dedup.run import Run

ADVICE = "Look at it (dedup scan INPUT -o RUN), then allow it (--allow)."


def rejects_in(out: str) -> str:
    """Return where the records are that a scan could not use."""
    return f"{out.rstrip('/')}/rejects.jsonl"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dedup")
def cli() -> None:
    """Find and remove what a text corpus repeats: near-duplicate paragraphs and documents, headers, templates.

    INPUT is a file, a directory, a quoted pattern like 'crawl/**/*.jsonl.gz', any of them at a URL such as
    s3://bucket/crawl/, or - for standard input: JSON lines, one JSON array of objects, CSV or TSV, text and Markdown,
    HTML, WARC or WET, plain or compressed (gzip, zstd, bzip2, xz, lz4), Parquet or Arrow, told by content and name.
    Data go to stdout, messages to stderr. Exit codes: 0 done, 1 error, 2 usage, 3 stopped by a guard rail.
    """


cli.add_command(index_group)


@cli.command("scan")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o", "--out", metavar="RUN", help="Run directory to write, or a URL; may be left out where INPUT is one."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--no-sketches", is_flag=True, help="Keep nothing to go on from; it may take more room than the input.")
@with_settings
@click.pass_context
def scan_command(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    out: str | None,
    as_json: bool,
    no_sketches: bool,
    **options: Any,
) -> None:
    """Decide what is a copy of what, and write it down.

    RUN gets verdicts.parquet (a row a block), documents.parquet (a row a document), summary.json, and rejects.jsonl if
    records could not be used; and sketches/, from which a scan into RUN goes on: inputs that have not changed are not
    read again, nor what a scan that was stopped has read. Where INPUT is a RUN, it is decided on again with the
    options given, the others as they were, and nothing is read.
    """
    with reported_errors():
        from dedup.run import Run, named_run

        old = named_run(inputs)
        if old is not None:
            settings, out = changed_settings(old.settings, context, options), out or str(old.path)
        elif out is None:
            raise click.UsageError("Missing option '-o' / '--out': where the run is to go.")
        else:
            settings = make_settings(options)
        get_ready(inputs)
        from dedup.pipeline import scan
        from dedup.publishing import scan_directory
        from dedup.store import unfinished
        from dedup.urls import is_url

        place = scan_directory(out) if is_url(out) else pathlib.Path(out)
        try:
            with shown_progress() as progress:
                run = scan(list(inputs), settings, out=out, keep=not no_sketches, progress=progress)
        except KeyboardInterrupt:
            if not unfinished(place).exists() and not (is_url(out) and place.exists()):
                raise
            if "-" in inputs:
                click.echo("dedup: interrupted; what came through standard input has to come again", err=True)
                sys.exit(EXIT_INTERRUPTED)
            where = f": what was done rests in {place.parent}" if is_url(out) else ""
            click.echo(f"dedup: interrupted; the same command goes on from here{where}", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except GuardRail:
            tell_scan(Run.open(out), out, as_json=as_json)
            raise
        tell_scan(run, out, as_json=as_json)


def tell_scan(run: Run, out: str, *, as_json: bool) -> None:
    """Say what a scan found."""
    tell_unused(run)
    click.echo(json.dumps(run.summary) if as_json else summary_table(run.summary, rejects_in(out)))


@cli.command("runs")
@click.argument("paths", nargs=-1, required=True, metavar="RUN...")
@click.option("--verify", is_flag=True, help="Compare all sketches with their checksums.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run.")
def runs_command(paths: tuple[str, ...], verify: bool, as_json: bool) -> None:
    """Say what run directories hold, how large they are, and what they were made with.

    RUN is a run directory, or a folder of some. Exit code 1 if --verify finds damage.
    """
    with reported_errors():
        from dedup.inspection import runs

        found = [run for path in paths for run in runs(path, verify=verify)]
        for run in found:
            click.echo(json.dumps(run) if as_json else run_table(run))
        if any((run["sketches"] or {}).get("damaged") for run in found):
            sys.exit(EXIT_ERROR)


@cli.command("clean")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("-o", "--out", metavar="OUT", help="File, directory, URL, or - for standard output.")
@click.option("--run", "run", metavar="RUN", help="Apply this scan of the same inputs instead of scanning now.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go; write nothing.")
@click.option("--undo", "undo_path", metavar="CLEANED", help="Restore to OUT what went into CLEANED.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@with_settings
@click.pass_context
def clean_command(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    out: str | None,
    run: str | None,
    dry_run: bool,
    undo_path: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the corpus without what it repeats, and what was removed, why, and for whose sake.

    Where OUT is a file (one INPUT, OUT ends like a data file), OUT.removals.jsonl, OUT.rejects.jsonl and
    OUT.summary.json stand beside it; in a directory they are called removals.jsonl, rejects.jsonl and summary.json.
    All three are needed for --undo. So are the rows that Parquet and Arrow lose: OUT.removed.parquet, or removed/.
    """
    with reported_errors():
        if undo_path is not None:
            if inputs or run or dry_run or out is None:
                raise click.UsageError("--undo CLEANED takes -o OUT and nothing else")
            from dedup.undoing import undo

            click.echo(f"restored {undo(undo_path, out)}", err=True)
            return
        if not inputs:
            raise click.UsageError("Missing argument 'INPUT...'.")
        if out is None and not dry_run:
            raise click.UsageError("Missing option '-o' / '--out' (or --dry-run).")
        settings = make_settings(dict(options))
        get_ready(inputs)
        from dedup.cleaning import clean
        from dedup.run import REJECTS_FILE, Run, beside

        applied = None if run is None else Run.open(run)
        if applied is not None:
            check_applied(applied.settings, context, options)
        with stopped_cleaning(out, looked_at=applied is not None), shown_progress() as progress:
            cleaned = clean(list(inputs), out, settings, run=applied, dry_run=dry_run, progress=progress)
        tell_unused(cleaned.run)
        summary, rejects = cleaned.run.summary, None
        if cleaned.path is not None:
            path = cleaned.path
            rejects = str(beside(path, REJECTS_FILE) if path.is_file() else path / REJECTS_FILE)
        elif cleaned.url is not None:
            rejects = f"{REJECTS_FILE} with {cleaned.url}"
        click.echo(json.dumps(summary) if as_json else summary_table(summary, rejects), err=out == "-")


@contextmanager
def stopped_cleaning(out: str | None, *, looked_at: bool) -> Iterator[None]:
    """Say what stopped cleaning: of a guard rail the counts, where nobody has seen the run.

    Args:
        out: the output.
        looked_at: whether it was a run that was applied.
    """
    try:
        yield
    except GuardRail as error:
        if looked_at or error.summary is None:
            raise
        click.echo(summary_table(error.summary, None), err=True)
        click.echo(f"dedup: stopped: {'; '.join(error.alarms)}. {ADVICE}", err=True)
        sys.exit(EXIT_GUARD)
    except KeyboardInterrupt:
        if out != "-":
            raise
        click.echo("dedup: interrupted; what was written is not whole", err=True)
        sys.exit(EXIT_INTERRUPTED)


@cli.command("score")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, an article each, or a block.")
@click.option("--blocks", "by_block", is_flag=True, help="Tell of blocks, in the order of the input.")
@click.option("--explain", is_flag=True, help="Tell why: with each article its three blocks of least substance.")
@click.option("--below", type=click.FloatRange(0, 100), metavar="N", help="Tell of what has less substance only.")
@with_scoring_settings
@click.pass_context
def score_command(
    context: click.Context,
    /,
    inputs: tuple[str, ...],
    as_json: bool,
    by_block: bool,
    explain: bool,
    below: float | None,
    **options: Any,
) -> None:
    """Rank articles by how much they say, the least first.

    Substance is from 0 to 100: most paragraphs of real articles have about 80, filler is what has less than 50. Beside
    it stands the share of an article's characters in filler, boilerplate and repeats. Headings, blocks of fewer than 8
    words, code, tables and lists of links are not scored. This is no detector of machine-written text. Where INPUT is a
    RUN that was scanned with --score, its scores are read.
    """
    with reported_errors():
        if below is not None and math.isnan(below):
            raise click.BadParameter("not a number", param_hint="--below")
        given = any(context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in options)
        settings = make_settings(options) if given else None
        get_ready(inputs)
        from dedup.scoring import ranked_articles, ranked_blocks, scan_for_scores

        with shown_progress() as progress:
            run = scan_for_scores(list(inputs), settings, progress)
        tell_unused(run)
        rows = ranked_blocks(run, below) if by_block else ranked_articles(run, below, explain=explain)
        if as_json:
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False))
        else:
            show_scores(rows, by_block=by_block)


@cli.command("headers")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, a template each.")
@with_settings
def headers_command(inputs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """List the repeated headers and other templates found, by source, the commonest first.

    Each with its slots, what fills them, in how many clusters of near-duplicate documents of its source it stands, how
    many blocks above and below it, and a document that has it. INPUT is read twice, so it cannot be -.
    """
    with reported_errors():
        if "-" in inputs:
            raise click.UsageError("INPUT is read twice, which - cannot be: name a file")
        settings = make_settings(options)
        get_ready(inputs)
        from dedup.listing import headers

        with shown_progress() as progress:
            found = headers(list(inputs), settings, progress=progress)
        for header in found:
            if as_json:
                click.echo(json.dumps(dataclasses.asdict(header), ensure_ascii=False))
            else:
                click.echo(header_line(header))


@cli.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare_command(a: str, b: str, as_json: bool) -> None:
    """Compare two text files (- is standard input): similarity, shared shingles, aligned difference.

    Exits with 0 whether they are alike or not.
    """
    with reported_errors():
        from dedup.comparison import compare
        from dedup.kernels.compile import announce_compilation

        announce_compilation()
        result = compare(read_text(a), read_text(b))
        if as_json:
            click.echo(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
        else:
            show_comparison(result)


def read_text(path: str) -> str:
    """Read a text file, plain or compressed, or standard input."""
    from dedup.formats.base import opened
    from dedup.formats.compression import open_stream

    with opened(path) as file:
        stream, _ = open_stream(file)
        data = b"".join(iter(lambda: stream.read(1 << 20), b""))
    if stream.damage is not None:
        raise InputError(stream.damage, path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}: convert the file", path) from error


def main() -> None:
    """Run the command."""
    # imports make objects that stay; looking for cycles among them took 4 % of the samples of a 200 MB scan
    gc.set_threshold(1_000_000, 20, 100)
    atexit.register(gc.freeze)  # the search that ends a process takes 0.15 s, and frees what is freed anyway
    # NumPy starts a thread a core for linear algebra, of which there is none here
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # a pipe that closes early is reported by the write that fails, on every platform alike
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Interrupts.listen()
    cli(prog_name="dedup")
