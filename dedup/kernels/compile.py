"""The decorator that makes a Python function a kernel: compiled once per machine, run without the GIL.

Numba decides whether a cached kernel is stale by the one file it stands in, so an edit of an inlined function in
another file, or an upgrade with preserved file times, would go unnoticed. The cache therefore rests in a directory
named after a hash of all kernel sources.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import numba
import platformdirs
from numba.core import event

if TYPE_CHECKING:
    from numba.core.event import Event

F = TypeVar("F", bound=Callable[..., object])


@functools.cache
def cache_directory() -> str:
    """Return the directory of compiled kernels for exactly these sources (``NUMBA_CACHE_DIR`` is respected)."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    base = numba.config.CACHE_DIR or platformdirs.user_cache_dir("corpus-dedup", appauthor=False)
    return str(pathlib.Path(base) / "kernels" / digest.hexdigest()[:16])


def kernel(function: F) -> F:
    """Compile a function of scalars and NumPy arrays with numba: cached on disk, no GIL, no bounds checks."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_directory()
    try:
        return cast("F", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    finally:
        numba.config.CACHE_DIR = before


def inline(function: F) -> F:
    """Compile a small helper into each place that calls it."""
    return cast("F", numba.njit(inline="always", error_model="numpy")(function))


def helper(function: F) -> F:
    """Compile a helper as a function of its own: for what is called seldom, or from many places."""
    return cast("F", numba.njit(nogil=True, error_model="numpy")(function))


class _Announcer(event.Listener):
    """Writes one line to stderr when numba starts to compile for the first time in this process."""

    def __init__(self) -> None:
        self.told = False

    def on_start(self, event: Event) -> None:
        if not self.told:
            self.told = True
            print("dedup: compiling kernels, once on this machine (up to 20 s) ...", file=sys.stderr, flush=True)

    def on_end(self, event: Event) -> None:
        """Nothing to say."""


@functools.cache
def announce_compilation() -> None:
    """Make the first compilation in this process say so on stderr, in one line."""
    event.register("numba:compile", _Announcer())
