"""The package's public names, and what importing it costs."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import types

import pytest

import dedup

HEAVY = {"numba", "pyarrow", "sklearn", "scipy", "rich", "msgspec", "datasketch", "numpy"}
LOADED = "import sys; {}; print(' '.join(sorted(sys.modules)))"


@pytest.mark.parametrize(
    "code", ["import dedup", "import dedup.cli", "from dedup import Settings; Settings(threshold=0.5)"]
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED.format(code)], check=True, capture_output=True, text=True)
    assert HEAVY.isdisjoint(done.stdout.split())


def test_help_loads_nothing_heavy() -> None:
    call = "from dedup.cli import main; sys.argv = ['dedup', '--help']; main()"
    code = f"import sys\ntry:\n {call}\nfinally:\n print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Usage: dedup" in done.stdout
    assert HEAVY.isdisjoint(done.stdout.split())


def test_no_module_hides_a_public_name() -> None:
    for module in pkgutil.walk_packages(dedup.__path__, "dedup."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("scan", "clean", "undo", "compare", "minhash", "headers"):
        assert callable(getattr(dedup, name)), name
    for name in dedup.__all__:
        assert not isinstance(getattr(dedup, name), types.ModuleType), name


def test_every_public_name_is_documented() -> None:
    for name in dedup.__all__:
        if not name.startswith("_"):
            assert getattr(dedup, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'dedupe'"):
        dedup.dedupe  # noqa: B018
