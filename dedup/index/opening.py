"""A URL and settings in; where an index rests, and the settings that it was made with, out."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from dedup.errors import Corrupt, NotFound, SettingsError, SettingsMismatch, VersionMismatch
from dedup.index.redis import RedisStore
from dedup.index.sqlite import FORMAT, SQLiteStore
from dedup.index.stores import Overtaken
from dedup.settings import Settings
from dedup.store import MAKER
from dedup.urls import hide, is_url, local_path
from dedup.version import __version__

ATTEMPTS = 20  # after which what others overtake again and again is given up
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
# settings that verdicts of an index depend on; the others are about inputs, runs and the machine
OF_AN_INDEX = (
    "split", "threshold", "doc_threshold", "containment", "boilerplate", "score", "filler", "min_substance",
    "min_tokens", "num_perm", "doc_num_perm", "recall", "doc_recall", "seed", "drop", "bucket_limit",
    "candidate_limit",
)  # fmt: skip
MEMORY, SQLITE = "memory:", "sqlite:///"


def patient(work: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """Let a transaction be tried again where another process has written in between."""

    @functools.wraps(work)
    def tried(*args: Asked.args, **options: Asked.kwargs) -> Answer:
        for _ in range(ATTEMPTS):
            with contextlib.suppress(Overtaken):
                return work(*args, **options)
        return work(*args, **options)

    return tried


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Name the settings that differ, as they were found and as they are wanted; nothing where none does."""
    other = (name for name in wanted if found.get(name) != wanted[name])
    return ", ".join(f"{name}={found.get(name)!r} (here: {wanted[name]!r})" for name in other)


def path_of(place: str) -> pathlib.Path:
    """Return the file of a URL ``sqlite:///PATH``, or of a path.

    Raises:
        SettingsError: it is another URL.

    >>> str(path_of("sqlite:///seen.db")), str(path_of("sqlite:////var/seen.db"))
    ('seen.db', '/var/seen.db')
    """
    if place.startswith(SQLITE):
        place = place[len(SQLITE) :]
    elif is_url(place):
        raise SettingsError("url", hide(place), "sqlite:///FILE, the path of a file, or memory:")
    if not place:
        raise SettingsError("url", SQLITE, "sqlite:///FILE with the name of a file")
    return pathlib.Path(local_path(place))


def folder_of(path: pathlib.Path) -> pathlib.Path:
    """Return the folder beside the file of an index."""
    return path.with_name(path.name + ".bands")


def settings_of(settings: Settings) -> dict[str, Any]:
    """Return the settings that an index keeps, as JSON has them."""
    chosen = {name: getattr(settings, name) for name in OF_AN_INDEX}
    return {**chosen, "drop": sorted(settings.drop)}


def must_exist(store: SQLiteStore | RedisStore, place: str) -> None:
    """See that there is an index.

    Raises:
        NotFound: there is none.
    """
    with store.reading():
        if store.is_new():
            raise NotFound(f"{place}: there is no index")


def write_settings(store: SQLiteStore | RedisStore, settings: Settings) -> None:
    """Write down what a new index is made with. While writing."""
    store.set("format", FORMAT)
    store.set("made_by", f"{MAKER} {__version__}")
    store.set("settings", json.dumps(settings_of(settings)))


@patient
def agree(store: SQLiteStore | RedisStore, settings: Settings | None, place: str) -> Settings:
    """Return the settings of an index; they are written down where it is new.

    Raises:
        SettingsMismatch: others are asked for.
        VersionMismatch: another version of this package made it.
        Corrupt: its settings cannot be read.
    """
    with store.reading():
        form, text, is_new = store.get("format"), store.get("settings"), store.is_new()
    if is_new:
        with store.writing():
            if store.get("format") is None:  # nobody was faster
                write_settings(store, settings or Settings(score=True))
            form, text = store.get("format"), store.get("settings")
    if form is not None and form != FORMAT:
        raise VersionMismatch(f"{place} has format {form}, this version reads {FORMAT}: begin a new index")
    try:
        kept = json.loads(text if form == FORMAT else "null")
        made_with = dataclasses.replace(settings or Settings(), **{**kept, "drop": frozenset(kept["drop"])})
    except (TypeError, ValueError, KeyError) as error:
        remedy = "begin a new index" if isinstance(store, RedisStore) else f"dedup index verify {place} --repair"
        raise Corrupt(f"{place} is damaged: its settings are lost: {remedy}") from error
    other = "" if settings is None else differences(kept, settings_of(settings))
    if other:
        raise SettingsMismatch(f"{place} was made with {other}: open it with these, or without settings")
    return made_with
