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
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba
import platformdirs
from llvmlite import binding
from numba.core import event
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime import rtsys

if TYPE_CHECKING:
    from numba.core.event import Event

NEWEST_KNOWN = (0, 68)  # of the numba versions whose cache is known to load as ``Cache`` does
F = TypeVar("F", bound=Callable[..., object])


@functools.cache
def cache_directory() -> str:
    """Return the directory of compiled kernels for exactly these sources (``NUMBA_CACHE_DIR`` is respected)."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    base = numba.config.CACHE_DIR or platformdirs.user_cache_dir("corpus-dedup", appauthor=False)
    return str(pathlib.Path(base) / "kernels" / digest.hexdigest()[:16])


@functools.cache
def no_bitcode() -> bytes:
    """Return the bitcode of a module with nothing in it."""
    bitcode: bytes = binding.parse_assembly("").as_bitcode()
    return bitcode


class Finished(CompileResultCacheImpl):
    """Loads machine code alone, and not what LLVM would need to build it into what calls it: no kernel calls another.

    To read that took half the time of loading a kernel.
    """

    def rebuild(self, target_context: Any, payload: tuple[Any, ...]) -> object:
        """Return the compiled kernel; numba refuses to compile what calls it."""
        (name, form, (code, _)), about, *rest = payload
        symbols = {about.llvm_func_name, about.llvm_cpython_wrapper_name, about.env_name}
        symbols.update(environment.env_name for environment in rest[-1])
        # numba looks nothing up that it has not seen in the bitcode
        target_context.codegen()._engine._defined_symbols.update(symbols)  # noqa: SLF001 - numba has no other way
        compiled = super().rebuild(target_context, ((name, form, (code, no_bitcode())), about, *rest))
        compiled.library._shared_module = None  # noqa: SLF001
        return compiled


class Cache(FunctionCache):
    """Compiled kernels on disk, loaded in a tenth of the time that numba takes.

    Numba first prepares to compile anything, half a second of imports, though what is loaded needs nothing but the
    allocator. If a kernel is not there after all, compiling it prepares for that.
    """

    _impl_class = Finished

    def load_overload(self, sig: object, target_context: object) -> object:
        """Return the compiled kernel for these types, None if there is none."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)
        return None


def kernel(function: F) -> F:
    """Compile a function of scalars and NumPy arrays with numba: cached on disk, no GIL, no bounds checks."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_directory()
    try:
        dispatcher = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        if numba.version_info[:2] <= NEWEST_KNOWN:
            dispatcher._cache = Cache(function)  # noqa: SLF001 - numba has no other way
    finally:
        numba.config.CACHE_DIR = before
    return cast("F", dispatcher)


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
            print("dedup: compiling kernels, once on this machine (half a minute) ...", file=sys.stderr, flush=True)

    def on_end(self, event: Event) -> None:
        """Nothing to say."""


@functools.cache
def announce_compilation() -> None:
    """Make the first compilation in this process say so on stderr, in one line."""
    event.register("numba:compile", _Announcer())
