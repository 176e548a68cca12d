"""The settings of a run as options of a command, and options as settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from dedup.settings import DEFAULT_DROP, FORMAT_NAMES, REMOVABLE, SPLITS, SURVIVORS, Removable, Settings

F = TypeVar("F", bound=Callable[..., Any])
DEFAULTS = Settings()
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def setting(name: str, text: str, **options: Any) -> Callable[[F], F]:
    """Make an option of a setting; its default is the setting's."""
    default = getattr(DEFAULTS, name)
    shown = options.pop("show_default", default is not None and not options.get("is_flag"))
    flag = "--" + name.replace("_", "-")
    return click.option(flag, name, default=default, help=text, show_default=shown, **options)


class Size(click.ParamType):  # type: ignore[type-arg]  # a type in newer versions only
    """A number of bytes, also as ``500M``, ``1.5G`` or ``2GiB``: powers of 1,024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int | None:
        """Read a number of bytes."""
        if value is None or isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is no size: write it like 500M or 2G", param, context)
        return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


class Duration(click.ParamType):  # type: ignore[type-arg]  # a type in newer versions only
    """A time in seconds, also as ``90m``, ``12h``, ``30d`` or ``2w``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float | None:
        """Read a time."""
        if value is None or isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)\s*([smhdw])", str(value).strip(), re.ASCII | re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is no time: write it like 90m, 12h, 30d or 2w", param, context)
        return float(found[1]) * SECONDS[found[2].lower()]


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
    ("batch_bytes", setting("batch_bytes", "Bytes read at a time.", type=Size())),
    (
        "max_memory",
        setting("max_memory", "Memory to make do with, like 1G.  [default: what is fastest]", type=Size()),
    ),
]


# what an earlier scan has not settled
OF_CLEANING = ("allow", "strict", "threads", "batch_bytes", "max_memory")
OF_DROP = ("keep", "drop", "drop_filler")
# what changes no score
OF_REMOVAL: tuple[str, ...] = ("score", "min_substance", "survivor", "newest", *OF_DROP)
OF_REMOVAL += ("max_drop_share", "max_cluster", "allow")
# how records are read
OF_READING = ("text", "id", "source", "format", "strict")
# what verdicts of an index depend on, and a new one is made with; whether it scores has an option of its own
OF_NEW_INDEX = (
    "split", "threshold", "doc_threshold", "containment", "boilerplate", "filler", "min_substance", "min_tokens",
    *OF_DROP, "num_perm", "doc_num_perm", "recall", "doc_recall", "seed", "bucket_limit", "candidate_limit",
)  # fmt: skip


def with_settings(command: F, without: Collection[str] = ()) -> F:
    """Give a command an option for each setting."""
    for name, option in reversed(SETTINGS):
        if name not in without:
            command = option(command)
    return command


def with_only(command: F, names: Collection[str]) -> F:
    """Give a command an option for some of the settings."""
    return with_settings(command, [name for name, _ in SETTINGS if name not in names])


def with_reading_settings(command: F) -> F:
    """Give a command an option for each setting that says how records are read."""
    return with_only(command, OF_READING)


def with_index_settings(command: F) -> F:
    """Give a command an option for each setting that a new index is made with."""
    score = click.option("--score/--no-score", default=True, help="Score the substance of blocks and pages.")
    return with_only(score(command), OF_NEW_INDEX)


def with_scoring_settings(command: F) -> F:
    """Give a command an option for each setting that scores depend on."""
    return with_settings(command, OF_REMOVAL)


def chosen_drop(drop: frozenset[Removable], options: dict[str, Any]) -> frozenset[Removable]:
    """Change what is to go by the options that say so; those a command does not have say nothing."""
    also = {*options.get("drop", ()), *(["filler"] if options.get("drop_filler") else [])}
    return (drop | also) - set(options.get("keep", ()))


def make_settings(options: dict[str, Any]) -> Settings:
    """Turn options into settings."""
    drop = chosen_drop(DEFAULT_DROP, options)
    return Settings(drop=drop, **{name: value for name, value in options.items() if name not in OF_DROP})


def changed_settings(settings: Settings, context: click.Context, options: dict[str, Any]) -> Settings:
    """Change the settings that options were given for."""
    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    plain = {name: options[name] for name in given if name not in OF_DROP}
    return dataclasses.replace(settings, drop=chosen_drop(settings.drop, options), **plain)


def check_applied(settings: Settings, context: click.Context, options: dict[str, Any]) -> None:
    """Check that no option asks for another decision than that of the run which is applied.

    Raises:
        UsageError: one does.
    """
    fields = [field.name for field in dataclasses.fields(Settings) if field.name not in OF_CLEANING]
    changed = changed_settings(settings, context, options)
    others = [name for name in fields if getattr(changed, name) != getattr(settings, name)]
    if others:
        given = [name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
        told = [name for name in given if name in others or (name in {"keep", "drop_filler"} and "drop" in others)]
        flags = ", ".join("--" + name.replace("_", "-") for name in told)
        raise click.UsageError(
            f"{flags}: the run has decided otherwise, and is applied as it is; "
            f"dedup scan RUN {flags.split(',')[0]} ... decides again"
        )
