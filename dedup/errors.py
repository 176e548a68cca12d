"""What can go wrong, as exceptions that name the thing, its value and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class DedupError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(DedupError, ValueError):
    """A setting has a value that is not allowed.

    Args:
        name: the setting.
        value: what was given.
        allowed: what would have been accepted, as a phrase.
    """

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name}={value!r} is not allowed: {allowed}")
        self.name = name
        self.value = value
        self.allowed = allowed


class InputError(DedupError, ValueError):
    """An input could not be read, or one of its records is unusable.

    Args:
        message: what is wrong and what to do about it.
        path: the file, or None where there is none.
        line: 1-based number of the record, or None: of its line (JSON lines, CSV), row (tables), element (JSON arrays),
            record (WARC) or file (of a directory of texts or pages).
    """

    def __init__(self, message: str, path: str | None = None, line: int | None = None) -> None:
        place = "" if path is None else path if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {message}" if place else message)
        self.path = path
        self.line = line


class SchemaError(InputError):
    """A field that the settings name is missing.

    Args:
        field: the missing field.
        existing: the fields that are there.
        path: the file, or None.
        line: 1-based number of the record, or None, see ``InputError``.
    """

    def __init__(self, field: str, existing: Sequence[str], path: str | None = None, line: int | None = None) -> None:
        names = ", ".join(existing) or "none"
        super().__init__(f"field {field!r} is missing (fields there: {names})", path, line)
        self.field = field
        self.existing = tuple(existing)


class MissingExtra(DedupError, ImportError):
    """A format, a kind of URL or a module needs packages that are not installed.

    Args:
        what: the format, URL or module.
        extra: the extra of this package that brings them.
        package: one that is needed beside, None for none.
    """

    def __init__(self, what: str, extra: str, package: str | None = None) -> None:
        more = "" if package is None else f" {package}"
        super().__init__(f"{what} needs packages that are not installed: pip install 'corpus-dedup[{extra}]'{more}")
        self.extra = extra


class StoreError(DedupError):
    """A run directory or an output is missing, foreign, damaged or in the way."""


class NotFound(StoreError):
    """There is nothing at the path."""


class VersionMismatch(StoreError):
    """The store was written in a format that this version does not read."""


class Corrupt(StoreError):
    """The store's files contradict each other."""


class Locked(StoreError):
    """Another process is writing there."""


class SettingsMismatch(StoreError):
    """The store was made with other settings than are asked for."""


class GuardRail(DedupError):
    """A run would remove so much that it stopped to ask.

    Args:
        alarms: one sentence for each rail that was hit.
        summary: that of the run, if there is one to be looked at.
    """

    def __init__(self, alarms: Sequence[str], summary: Mapping[str, Any] | None = None) -> None:
        super().__init__("; ".join(alarms) + ". Look at the run, then allow it (--allow, or allow=True).")
        self.alarms = tuple(alarms)
        self.summary = summary
