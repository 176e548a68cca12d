"""The command ``dedup``: each subcommand parses, makes one public call, prints."""

from __future__ import annotations

import atexit
import dataclasses
import gc
import json
import logging
import math
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from dedup.errors import DedupError, GuardRail, InputError, SettingsError
from dedup.settings import DEFAULT_DROP, FORMAT_NAMES, REMOVABLE, SPLITS, SURVIVORS, Settings
from dedup.version import __version__

if TYPE_CHECKING:
    from dedup.comparison import Comparison
    from dedup.listing import Header
    from dedup.reading import Progress
    from dedup.run import Run

F = TypeVar("F", bound=Callable[..., Any])
DEFAULTS = Settings()
TOLD_REJECTS = 3  # records that are named where no file keeps them
TOLD_KINDS = 5  # of files that were ignored
EXIT_ERROR, EXIT_USAGE, EXIT_GUARD, EXIT_INTERRUPTED = 1, 2, 3, 130


def setting(name: str, text: str, **options: Any) -> Callable[[F], F]:
    """Make an option of a setting; its default is the setting's."""
    default = getattr(DEFAULTS, name)
    shown = options.pop("show_default", default is not None and not options.get("is_flag"))
    flag = "--" + name.replace("_", "-")
    return click.option(flag, name, default=default, help=text, show_default=shown, **options)


SETTINGS: list[tuple[str, Callable[[Any], Any]]] = [
    ("text", setting("text", "Field that holds the text.", metavar="FIELD")),
    ("id", setting("id", "Field that holds the document's id.", metavar="FIELD")),
    ("source", setting("source", "Field that names the site, feed or file.", metavar="FIELD")),
    (
        "format",
        setting("format", "What files hold.  [default: told by content and name]", type=click.Choice(FORMAT_NAMES)),
    ),
    ("split", setting("split", "What ends a block.", type=click.Choice(SPLITS))),
    ("threshold", setting("threshold", "Least Jaccard similarity of near-duplicate blocks.", type=float)),
    ("doc_threshold", setting("doc_threshold", "Least Jaccard similarity of near-duplicate documents.", type=float)),
    (
        "containment",
        setting("containment", "Share of a document's blocks that another must hold, in order.", type=float),
    ),
    (
        "boilerplate",
        setting("boilerplate", "Least probability of a block that recurs in its source to be boilerplate.", type=float),
    ),
    ("score", setting("score", "Score the substance of blocks and documents.", is_flag=True)),
    ("filler", setting("filler", "Substance under which a block is filler, 0-100.", type=float)),
    ("min_substance", setting("min_substance", "Drop documents of less substance, 0-100.", type=float)),
    ("min_tokens", setting("min_tokens", "Shorter blocks are never dropped as duplicates.", type=int)),
    ("survivor", setting("survivor", "Which copy stays.", type=click.Choice(SURVIVORS))),
    ("newest", setting("newest", "Field to compare with --survivor newest.", metavar="FIELD")),
    (
        "keep",
        click.option(
            "--keep", multiple=True, type=click.Choice(REMOVABLE), help="Report this finding, do not remove it."
        ),
    ),
    ("drop", click.option("--drop", multiple=True, type=click.Choice(REMOVABLE), help="Remove this finding too.")),
    ("drop_filler", click.option("--drop-filler", is_flag=True, help="Short for --drop filler: remove filler.")),
    ("max_drop_share", setting("max_drop_share", "Stop if more of a source's documents would go.", type=float)),
    ("max_cluster", setting("max_cluster", "Stop if a cluster holds more different texts.", type=int)),
    ("allow", setting("allow", "Go on where a guard rail would stop.", is_flag=True)),
    ("strict", setting("strict", "Stop at the first record that cannot be used.", is_flag=True)),
    ("num_perm", setting("num_perm", "Permutations of a block's MinHash signature.", type=int)),
    ("doc_num_perm", setting("doc_num_perm", "Permutations of a document's MinHash signature.", type=int)),
    ("recall", setting("recall", "Chance that blocks just at the threshold are compared.", type=float)),
    ("doc_recall", setting("doc_recall", "Chance that documents just at the threshold are compared.", type=float)),
    ("seed", setting("seed", "Seed of the permutations.", type=int)),
    ("bucket_limit", setting("bucket_limit", "Survivors that an LSH bucket remembers.", type=int)),
    ("candidate_limit", setting("candidate_limit", "Survivors that a text is compared with.", type=int)),
    ("threads", setting("threads", "Worker threads.  [default: one a core]", type=int)),
    ("batch_bytes", setting("batch_bytes", "Bytes read at a time.", type=int)),
]


# what changes no score
OF_REMOVAL: tuple[str, ...] = ("score", "min_substance", "survivor", "newest", "keep", "drop", "drop_filler")
OF_REMOVAL += ("max_drop_share", "max_cluster", "allow")


def with_settings(command: F, without: Collection[str] = ()) -> F:
    """Give a command an option for each setting."""
    for name, option in reversed(SETTINGS):
        if name not in without:
            command = option(command)
    return command


def with_scoring_settings(command: F) -> F:
    """Give a command an option for each setting that scores depend on."""
    return with_settings(command, OF_REMOVAL)


def make_settings(options: dict[str, Any]) -> Settings:
    """Turn options into settings."""
    also = {*options.pop("drop", ()), *(["filler"] if options.pop("drop_filler", False) else [])}
    return Settings(drop=(DEFAULT_DROP | also) - set(options.pop("keep", ())), **options)


def changed_settings(settings: Settings, context: click.Context, options: dict[str, Any]) -> Settings:
    """Change the settings that options were given for."""
    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    also = {*options["drop"], *(["filler"] if options["drop_filler"] else [])}
    plain = {name: options[name] for name in given - {"drop", "drop_filler", "keep"}}
    return dataclasses.replace(settings, drop=(settings.drop | also) - set(options["keep"]), **plain)


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors into a message on stderr and an exit code; show what is logged there."""
    show_log()
    try:
        yield
    except GuardRail as error:
        click.echo(f"dedup: stopped: {error}", err=True)
        sys.exit(EXIT_GUARD)
    except SettingsError as error:
        click.echo(f"dedup: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except DedupError as error:
        click.echo(f"dedup: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        click.echo("dedup: interrupted; nothing was written", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has enough; a second complaint while shutting down would say nothing new
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    except OSError as error:
        click.echo(f"dedup: {error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}", err=True)
        sys.exit(EXIT_ERROR)


def show_log() -> None:
    """Show on stderr what is logged."""
    log = logging.getLogger("dedup")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("dedup: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


def ready_memory(inputs: Sequence[str]) -> None:
    """Make the process hold on to its memory, and take some while imports go on."""
    from dedup.memory import keep_freed_memory, take_ahead

    keep_freed_memory()
    take_ahead(sum(path.stat().st_size for path in map(pathlib.Path, inputs) if path.is_file()))


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield a progress function: a bar with rate and time left where stderr is a terminal, else nothing."""
    from dedup.kernels.compile import announce_compilation

    announce_compilation()
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description:17}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(stage: str, done: int, total: int | None) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        yield show


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="dedup")
def cli() -> None:
    """Find and remove what a text corpus repeats: near-duplicate paragraphs and documents, headers, templates.

    INPUT is a file, a directory, a quoted pattern like 'crawl/**/*.jsonl.gz', any of them at a URL such as
    s3://bucket/crawl/, or - for standard input: JSON lines, one
    JSON array of objects, CSV or TSV, text and Markdown, HTML, WARC or WET, plain or compressed (gzip, zstd, bzip2, xz,
    lz4), Parquet or Arrow, told by content and name. Data go to stdout, messages to stderr. Exit codes: 0 done, 1
    error, 2 usage, 3 stopped by a guard rail.
    """


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
        ready_memory(inputs)
        from dedup.pipeline import scan
        from dedup.publishing import scan_directory
        from dedup.store import unfinished
        from dedup.urls import is_url

        place = scan_directory(out) if is_url(out) else pathlib.Path(out)
        try:
            with shown_progress() as progress:
                summary = scan(list(inputs), settings, out=out, keep=not no_sketches, progress=progress).summary
        except KeyboardInterrupt:
            if not unfinished(place).exists() and not (is_url(out) and place.exists()):
                raise
            where = f": what was done rests in {place.parent}" if is_url(out) else ""
            click.echo(f"dedup: interrupted; the same command goes on from here{where}", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except GuardRail:
            click.echo(json.dumps(Run.open(out).summary) if as_json else summary_table(Run.open(out).summary))
            raise
        click.echo(json.dumps(summary) if as_json else summary_table(summary))


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


def run_table(run: dict[str, Any]) -> str:
    """Lay out what a run holds."""
    lines = [("run", run["run"]), ("state", run["state"])]
    lines += [(name, run[name]) for name in ("made", "made_by") if name in run]
    if "documents" in run:
        lines.append(("holds", f"{run['documents']:,} documents, {run['blocks']:,} blocks"))
        lines.append(("inputs", ", ".join(one["path"] for one in run["inputs"])))
        lines.append(
            ("settings", ", ".join(f"{name}={value}" for name, value in run["settings"].items()) or "defaults")
        )
    lines.append(("bytes", ", ".join(f"{name} {size:,}" for name, size in run["bytes"].items())))
    sketches = run["sketches"]
    if sketches is None:
        lines.append(("sketches", "none"))
    else:
        told = f"{sketches['inputs_read']} of {sketches['inputs']} inputs" if "inputs" in sketches else ""
        checked = "damaged" in sketches
        damage = f"damaged: {sketches['damaged']}" if checked and sketches["damaged"] else "sound" if checked else ""
        lines.append(("sketches", ", ".join(filter(None, [told, damage]))))
    return "\n".join(f"{name:10}{value}" for name, value in lines) + "\n"


@cli.command("clean")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option("-o", "--out", metavar="OUT", help="File, directory, URL, or - for standard output.")
@click.option("--run", "run", metavar="RUN", help="Apply this scan of the same inputs instead of scanning now.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go; write nothing.")
@click.option("--undo", "undo_path", metavar="CLEANED", help="Restore to OUT what went into CLEANED.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@with_settings
def clean_command(
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
        settings = make_settings(options)
        ready_memory(inputs)
        from dedup.cleaning import clean

        with shown_progress() as progress:
            cleaned = clean(list(inputs), out, settings, run=run, dry_run=dry_run, progress=progress)
        summary = cleaned.run.summary
        click.echo(json.dumps(summary) if as_json else summary_table(summary), err=out == "-")


@cli.command("score")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, an article each, or a block.")
@click.option("--blocks", "by_block", is_flag=True, help="Tell of blocks, in the order of the input.")
@click.option("--explain", is_flag=True, help="Tell why: with each article its three blocks of least substance.")
@click.option("--below", type=click.FloatRange(0, 100), metavar="N", help="Tell of what has less substance only.")
@with_scoring_settings
def score_command(
    inputs: tuple[str, ...], as_json: bool, by_block: bool, explain: bool, below: float | None, **options: Any
) -> None:
    """Rank articles by how much they say, the least first.

    Substance is from 0 to 100: most paragraphs of real articles have about 80, filler is what has less than 50. Beside
    it stands the share of an article's characters in filler, boilerplate and repeats. Headings, blocks of fewer than 8
    words, code, tables and lists of links are not scored. This is no detector of machine-written text.
    """
    with reported_errors():
        if below is not None and math.isnan(below):
            raise click.BadParameter("not a number", param_hint="--below")
        settings = make_settings(options)
        ready_memory(inputs)
        from dedup.scoring import ranked_articles, ranked_blocks, scan_for_scores

        with shown_progress() as progress:
            run = scan_for_scores(list(inputs), settings, progress)
        tell_unused(run)
        if run.rejects and not run.documents.num_rows:
            raise InputError("no record could be used", inputs[0])
        rows = ranked_blocks(run, below) if by_block else ranked_articles(run, below, explain=explain)
        if as_json:
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False))
        else:
            show_scores(rows, by_block=by_block)


def tell_unused(run: Run) -> None:
    """Name on stderr the files that were ignored, and the first records that could not be used."""
    if "ignored" in run.summary:
        ignored = run.summary["ignored"]
        click.echo(f"dedup: {sum(ignored.values()):,} files ignored, {told_ignored(ignored)}", err=True)
    rejects = run.rejects
    for reject in rejects[:TOLD_REJECTS]:
        click.echo(f"dedup: {reject['file']}:{reject['line']}: {reject['error']}", err=True)
    if len(rejects) > TOLD_REJECTS:
        click.echo(f"dedup: {len(rejects):,} records could not be used in all", err=True)


def show_scores(rows: Iterable[dict[str, Any]], *, by_block: bool) -> None:
    """Print scores, a line each, and what explains them below."""
    click.echo("substance  doc:block bytes" if by_block else "substance  filler  doc")
    for row in rows:
        value = f"{row['substance']:9.1f}" if row["scored"] else f"{'-':>9}"
        if by_block:
            click.echo(f"{value}  {row['doc']}:{row['block']} {row['start']}-{row['end']}  {told(row)}")
            continue
        language = row["language"] or "its language"
        note = "" if row["word_lists"] or not row["scored"] else f"  (no word lists for {language})"
        click.echo(f"{value}  {row['filler_share']:6.1%}  {row['doc']}{note}")
        for block in row.get("blocks", ()):
            click.echo(
                f"{block['substance']:9.1f}  block {block['block']} ({block['start']}-{block['end']}) {told(block)}"
            )


def told(block: dict[str, Any]) -> str:
    """Put the reasons of a block into a line, and say which way they went."""
    from dedup.substance import usual_substance

    reasons = "; ".join(block["reasons"])
    if block["substance"] is None or not reasons:
        return reasons
    return f"{'low' if block['substance'] < usual_substance() else 'high'}: {reasons}"


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
        ready_memory(inputs)
        from dedup.listing import headers

        with shown_progress() as progress:
            found = headers(list(inputs), settings, progress=progress)
        for header in found:
            if as_json:
                click.echo(json.dumps(dataclasses.asdict(header), ensure_ascii=False))
            else:
                click.echo(header_line(header))


def header_line(header: Header) -> str:
    """Lay a template out in a line: source, class, clusters, place, text, values of its slots, example."""
    values = "; ".join(", ".join(column) for column in header.values)
    return "\t".join(
        (
            header.source or "-",
            header.reason or "-",
            f"{header.clusters}/{header.source_clusters}",
            f"+{header.from_top:g}/-{header.from_bottom:g}",
            " ".join(header.text.split()),
            " ".join(values.split()),
            f"{header.doc}:{header.block}",
        )
    )


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
    """Read a text file, or standard input."""
    from dedup.errors import InputError

    data = sys.stdin.buffer.read() if path == "-" else pathlib.Path(path).read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}: convert the file", path) from error


def show_comparison(result: Comparison) -> None:
    """Print a comparison."""
    for label, one in (("as paragraphs", result.as_blocks), ("as documents", result.as_documents)):
        click.echo(
            f"{label:14} {one.exact:.3f} exact, {one.estimate:.3f} estimated from {one.permutations} permutations, "
            f"{one.shared} of {one.union} {one.shingles} shared"
        )
    if result.same_tokens:
        click.echo("the same but for case, width, punctuation and white space")
    click.echo()
    for change in result.changes:
        if change.equal:
            click.echo(change.a, nl=False)
            continue
        if change.a:
            click.secho(f"[-{change.a}-]", fg="red", nl=False)
        if change.b:
            click.secho(f"{{+{change.b}+}}", fg="green", nl=False)
    click.echo()


def told_ignored(ignored: dict[str, int]) -> str:
    """Say what files were ignored, the commonest kinds first."""
    kinds = sorted(ignored.items(), key=lambda item: -item[1])
    more = ", ..." if len(kinds) > TOLD_KINDS else ""
    return "of no format that is read: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds[:TOLD_KINDS]) + more


def summary_table(summary: dict[str, Any]) -> str:
    """Lay out a run's summary for reading."""
    share = summary["bytes_dropped"] / summary["bytes"] if summary["bytes"] else 0.0
    rows = [
        ("documents", f"{summary['documents']:,}", f"{summary['documents_dropped']:,} dropped"),
        *((f"  {name}", f"{count:,}", "") for name, count in summary["documents_by_reason"].items()),
        ("blocks", f"{summary['blocks']:,}", f"{summary['blocks_dropped']:,} dropped"),
        *((f"  {name}", f"{count:,}", "") for name, count in summary["blocks_by_reason"].items()),
        ("bytes of text", f"{summary['bytes']:,}", f"{summary['bytes_dropped']:,} dropped ({share:.1%})"),
    ]
    if "filler" in summary:
        rows.append(
            ("little substance", f"{summary['filler']:,}", "blocks that are filler: --drop-filler removes them")
        )
    if summary["low_evidence"]:
        note = "documents of sources with too few pages to count what recurs"
        rows.append(("low evidence", f"{summary['low_evidence']:,}", note))
    if summary["rejects"]:
        rows.append(("rejected records", f"{summary['rejects']:,}", "see rejects.jsonl"))
    if "ignored" in summary:
        rows.append(("ignored files", f"{sum(summary['ignored'].values()):,}", told_ignored(summary["ignored"])))
    if summary["duplicate_ids"]:
        rows.append(("repeated ids", f"{summary['duplicate_ids']:,}", "told apart by their order only"))
    if summary["pairs_skipped"]:
        rows.append(("comparisons left out", f"{summary['pairs_skipped']:,}", "--bucket-limit, --candidate-limit"))
    widths = [max(len(row[k]) for row in rows) for k in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {count:>{widths[1]}}  {note}".rstrip() for name, count, note in rows)


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
    cli(prog_name="dedup")
