"""Command lines in; how long they took, and what they left, out."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

DONE, STOPPED = 0, 3  # exit statuses: done; stopped by a guard rail


def dedup(*arguments: str | pathlib.Path) -> list[str]:
    """Return the command line that runs the package as a process of this interpreter's environment."""
    return [sys.executable, "-m", "dedup", *map(str, arguments)]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Run a command to its end and return its seconds of wall clock.

    Raises:
        RuntimeError: it failed; its stderr is in the message.
    """
    # modules are compiled once, in the round that is not measured, as where the package is installed
    variables = dict(environment or os.environ)
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    seconds = time.perf_counter() - begun
    if done.returncode != DONE:
        raise RuntimeError(f"{' '.join(command)} left with status {done.returncode}: {done.stderr.strip()}")
    return seconds
