"""Settings that are refused, and messages that name the thing, its value and the remedy."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.errors import (
    Corrupt,
    DedupError,
    GuardRail,
    InputError,
    NotFound,
    SchemaError,
    SettingsError,
    StoreError,
    VersionMismatch,
)
from dedup.settings import DEFAULT_DROP, REMOVABLE, SPLITS, SURVIVORS, Settings

NAN = float("nan")
SHARES = ("threshold", "doc_threshold", "containment")
COUNTS = ("min_tokens", "num_perm", "bucket_limit", "candidate_limit", "batch_bytes", "max_cluster")
REFUSED: list[tuple[str, Any, str]] = [
    *((name, value, "more than 0, at most 1") for name in SHARES for value in (0, -0.1, 1.0001, NAN, float("inf"))),
    *(("recall", value, "between 0 and 1") for value in (0, 1, -1, 2, NAN)),
    *(("max_drop_share", value, "from 0 to 1") for value in (-0.01, 1.01, NAN)),
    *((name, value, "1 or more") for name in COUNTS for value in (0, -1)),
    *(("threads", value, "1 or more, or None for one a core") for value in (0, -2)),
    *(("max_memory", value, "402653184 bytes or more, or None for no limit") for value in (-1, 0, (384 << 20) - 1)),
    ("split", "paragraphs", "one of auto, blank, lines"),
    ("survivor", "best", "one of first, longest, newest"),
    *(("seed", value, "from 0 to 2^32 - 1") for value in (-1, 1 << 32)),
    *((name, "", "the name of a field") for name in ("text", "id", "source")),
    ("filler", 100.5, "from 0 to 100"),
    ("min_substance", -1.0, "from 0 to 100"),
    ("drop", frozenset({"substance"}), "some of exact_duplicate, near_duplicate, number_variant"),
]
ACCEPTED: list[tuple[str, Any]] = [
    *((name, value) for name in SHARES for value in (0.01, 1, 1.0)),
    *(("recall", value) for value in (0.01, 0.999)),
    *(("max_drop_share", value) for value in (0, 1)),
    *((name, 1) for name in COUNTS),
    *(("threads", value) for value in (None, 1, 64)),
    *(("max_memory", value) for value in (None, 384 << 20, 1 << 50)),
    *(("split", value) for value in SPLITS),
    *(("survivor", value) for value in SURVIVORS if value != "newest"),
    *(("seed", value) for value in (0, (1 << 32) - 1)),
    *(("drop", value) for value in (frozenset(), frozenset(REMOVABLE), DEFAULT_DROP)),
]


@pytest.mark.parametrize(("name", "value", "allowed"), REFUSED)
def test_refused_values_are_named_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert allowed in message
    assert caught.value.name == name
    if name != "drop":
        assert repr(value) in message
    else:
        assert "'substance'" in message


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepted_values_are_kept(name: str, value: object) -> None:
    assert getattr(Settings(**{name: value}), name) == value  # type: ignore[arg-type]


def test_defaults() -> None:
    settings = Settings()
    assert (settings.threshold, settings.doc_threshold, settings.min_tokens) == (0.7, 0.8, 8)
    assert settings.drop == DEFAULT_DROP <= set(REMOVABLE)
    assert settings.split == "auto"
    assert settings.survivor == "first"


def test_settings_are_frozen_and_comparable() -> None:
    settings = Settings(threshold=0.6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.threshold = 0.5  # type: ignore[misc]
    assert settings == Settings(threshold=0.6) != Settings()
    assert hash(settings) == hash(Settings(threshold=0.6))
    with pytest.raises(SettingsError, match="threshold=0 is not allowed"):
        dataclasses.replace(settings, threshold=0)


def test_newest_needs_a_field() -> None:
    with pytest.raises(SettingsError, match="newest=None is not allowed: the field to compare, since survivor"):
        Settings(survivor="newest")
    assert Settings(survivor="newest", newest="date").newest == "date"


def test_workers() -> None:
    assert Settings(threads=3).workers == 3
    assert Settings(threads=64, max_memory=384 << 20).workers == 2
    assert Settings(threads=64, max_memory=384 << 20, batch_bytes=1 << 30).workers == 1
    assert Settings(threads=64, max_memory=1 << 40).workers == 64
    assert Settings().workers == (os.cpu_count() or 1)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(name: str) -> None:
    assert f"\n        {name}: " in (Settings.__doc__ or "")


@given(st.text(min_size=1, max_size=20), st.one_of(st.integers(), st.text(max_size=9), st.none()), st.text(max_size=20))
def test_settings_errors_tell_all(name: str, value: object, allowed: str) -> None:
    error = SettingsError(name, value, allowed)
    assert str(error) == f"{name}={value!r} is not allowed: {allowed}"
    assert (error.name, error.value, error.allowed) == (name, value, allowed)


@pytest.mark.parametrize(
    ("path", "line", "message"),
    [("a.jsonl", 7, "a.jsonl:7: not JSON"), ("a.jsonl", None, "a.jsonl: not JSON"), (None, None, "not JSON")],
)
def test_input_errors_name_the_place(path: str | None, line: int | None, message: str) -> None:
    error = InputError("not JSON", path, line)
    assert str(error) == message
    assert (error.path, error.line) == (path, line)


@pytest.mark.parametrize(
    ("existing", "names"), [(["body", "id"], "(fields there: body, id)"), ([], "(fields there: none)")]
)
def test_schema_errors_name_the_field_and_those_that_exist(existing: list[str], names: str) -> None:
    error = SchemaError("text", existing, "a.csv", 1)
    assert str(error) == f"a.csv:1: field 'text' is missing {names}"
    assert error.field == "text"
    assert error.existing == tuple(existing)


def test_guard_rails_say_each_alarm_and_the_way_on() -> None:
    alarms = ["9 of 10 documents of source 'a' would be dropped", "one cluster holds 20,000 different texts"]
    error = GuardRail(alarms)
    assert error.alarms == tuple(alarms)
    assert str(error).startswith("; ".join(alarms))
    assert str(error).endswith("allow it (--allow, or allow=True).")


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (SettingsError, (DedupError, ValueError)),
        (InputError, (DedupError, ValueError)),
        (SchemaError, (InputError, ValueError)),
        (StoreError, (DedupError,)),
        (NotFound, (StoreError,)),
        (VersionMismatch, (StoreError,)),
        (Corrupt, (StoreError,)),
        (GuardRail, (DedupError,)),
    ],
)
def test_errors_can_be_caught_by_kind(error: type[Exception], bases: tuple[type[Exception], ...]) -> None:
    assert all(issubclass(error, base) for base in bases)
    assert error.__doc__


def test_room_is_what_threads_leave() -> None:
    assert Settings().room is None
    assert Settings(max_memory=384 << 20, threads=2).room == 0
    assert Settings(max_memory=1 << 30, threads=1).room == (1024 - 320 - 16 * 2) << 20
