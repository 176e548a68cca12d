"""Inputs and the name of an output in; whether it can take what they are, and as a file or a directory, out."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from dedup.errors import SettingsError, StoreError
from dedup.formats import Input
from dedup.formats.array import JsonArray
from dedup.formats.columnar import Columnar
from dedup.formats.compression import SUFFIXES as COMPRESSED
from dedup.formats.compression import strip_suffix
from dedup.formats.delimited import Delimited
from dedup.formats.extracted import Extracted
from dedup.formats.registry import FILE_SUFFIXES, suffixes_for
from dedup.formats.text import TextTree
from dedup.publishing import check_target
from dedup.store import check_name, check_replaceable
from dedup.urls import hide, is_below, is_url, local_path, name_of


def check_out(opened: Sequence[Input], out: str | os.PathLike[str] | None) -> None:
    """Check that an output can take what the inputs are.

    Raises:
        SettingsError: it cannot: there is none, or its name is that of another format, or a stream is to take tables.
        StoreError: something else is there.
    """
    if out is None:
        raise SettingsError("out", None, "a path, since the input is one")
    shown = hide(os.fspath(out))
    check_name(shown)
    if os.fspath(out) == "-":
        whole = next((one for one in opened if isinstance(one, Columnar | JsonArray | Delimited)), None)
        if whole is not None and len(opened) > 1:
            kind = getattr(whole, "kind", "a JSON array" if isinstance(whole, JsonArray) else "CSV")
            raise SettingsError("out", shown, f"a directory, since {kind} of several files is no stream")
        return
    suffix = suffix_of(out)
    if suffix in FILE_SUFFIXES and not is_single(opened, out):
        raise SettingsError("out", shown, "the name of a directory, since there are several files")
    if suffix in FILE_SUFFIXES:
        check_suffix(opened[0], os.fspath(out))
    if is_url(out):
        check_url(opened, os.fspath(out))
    elif not is_single(opened, out):
        check_replaceable(pathlib.Path(local_path(os.fspath(out))), "cleaned")


def check_suffix(source: Input, out: str) -> None:
    """Check that the name of an output is that of a file of its format.

    Raises:
        SettingsError: it is that of another, or of one that is compressed as it cannot be.
    """
    allowed, packed = suffixes_for(source), suffix_of(out) in COMPRESSED
    own = suffix_of(strip_suffix(out))
    if (own in FILE_SUFFIXES and own not in allowed) or (packed and isinstance(source, Columnar)):
        kind = source.kind if isinstance(source, Columnar) else "written"
        raise SettingsError("out", hide(out), f"{kind} as the input is: end it in {allowed[0]}, or name a directory")


def check_url(opened: Sequence[Input], url: str) -> None:
    """Check, before the work for it is done, that an output can go to a URL.

    Raises:
        StoreError: something else is there, or one of the inputs.
    """
    check_target(url, "cleaned", single=is_single(opened, url))
    for one in opened:
        same = hide(url).rstrip("/") == one.path if is_single(opened, url) else is_below(one.path, hide(url))
        if same and (isinstance(one, Extracted) or not is_single(opened, url)):
            raise StoreError(f"{hide(url)} is or holds the input {one.path}, which would be lost: name another output")


def is_single(opened: Sequence[Input], out: str | os.PathLike[str]) -> bool:
    """Whether an output is one file: so is the input, and the name is a file's."""
    single = len(opened) == 1 and not (isinstance(opened[0], TextTree) and opened[0].is_tree)
    return single and suffix_of(out) in FILE_SUFFIXES


def suffix_of(out: str | os.PathLike[str]) -> str:
    """Return what the name of an output ends in, lower case; nothing for one that is no file, but a directory."""
    path = os.fspath(out)
    if path.endswith("/") or (not is_url(path) and pathlib.Path(local_path(path)).is_dir()):
        return ""
    return pathlib.PurePath(name_of(path) if is_url(path) else path).suffix.lower()
