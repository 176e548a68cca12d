"""Results in; text for people out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dedup.comparison import Comparison
    from dedup.index import Report
    from dedup.listing import Header
    from dedup.run import Run

TOLD_REJECTS = 3  # records that are named where no file keeps them
TOLD_KINDS = 5  # of files that were ignored


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


def tell_unused(run: Run) -> None:
    """Name on stderr the files that were ignored, and the first records that could not be used."""
    if "ignored" in run.summary:
        ignored = run.summary["ignored"]
        click.echo(f"dedup: {sum(ignored.values()):,} files ignored, {told_ignored(ignored)}", err=True)
    for reject in itertools.islice(run.read_rejects(), TOLD_REJECTS):
        click.echo(f"dedup: {reject['file']}:{reject['line']}: {reject['error']}", err=True)
    if run.summary["rejects"] > TOLD_REJECTS:
        click.echo(f"dedup: {run.summary['rejects']:,} records could not be used in all", err=True)


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


def summary_table(summary: Mapping[str, Any], rejects: str | None) -> str:
    """Lay out a run's summary for reading.

    Args:
        summary: the summary.
        rejects: where the records stand that could not be used; None where nowhere.
    """
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
        rows.append(("rejected records", f"{summary['rejects']:,}", f"see {rejects}" if rejects else ""))
    if "ignored" in summary:
        rows.append(("ignored files", f"{sum(summary['ignored'].values()):,}", told_ignored(summary["ignored"])))
    if summary["duplicate_ids"]:
        rows.append(("repeated ids", f"{summary['duplicate_ids']:,}", "told apart by their order only"))
    if summary["pairs_skipped"]:
        rows.append(("comparisons left out", f"{summary['pairs_skipped']:,}", "--bucket-limit, --candidate-limit"))
    widths = [max(len(row[k]) for row in rows) for k in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {count:>{widths[1]}}  {note}".rstrip() for name, count, note in rows)


def one_line(text: str) -> str:
    """Put a text into a line that no terminal takes for anything else: what cannot be printed is escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode() for char in text
    )


def report_line(report: Report) -> str:
    """Lay out in a line what an index says of a page: action, status, reason, similarity, partner, id."""
    similarity = "-" if report.similarity is None else f"{report.similarity:.3f}"
    partner = "-" if report.partner is None else one_line(report.partner)
    return "\t".join((report.action, report.status, report.reason or "-", similarity, partner, one_line(report.id)))


def told_counts(actions: Mapping[str, int], statuses: Mapping[str, int], rejects: int) -> str:
    """Put into a line what an index said of pages, by what becomes of them and whether they were known."""
    told = f"{sum(actions.values()):,} pages"
    for counts, names in ((actions, ("keep", "clean", "drop")), (statuses, ("new", "changed", "unchanged"))):
        told += "; " + ", ".join(f"{counts.get(name, 0):,} {name}" for name in names)
    return told + (f"; {rejects:,} records could not be used" if rejects else "")


def index_table(info: Mapping[str, Any]) -> str:
    """Lay out what an index holds, or what was done to it."""
    rows = []
    for name, value in info.items():
        told = ", ".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, Mapping) else value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        rows.append((name.replace("_", " "), f"{value:,}" if number else one_line(str(told))))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)
