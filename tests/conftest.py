"""What all tests share: Hypothesis profiles, and the folder of real corpora where there is one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

# Chosen by --hypothesis-profile, or else by the environment variable HYPOTHESIS_PROFILE.
hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=25, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# A shell that starts something in the background lets it ignore interrupts, and what it starts inherits that: commands
# that tests interrupt would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the folder of real corpora."""
    parser.addoption("--shared-data", metavar="DIR", help="folder of real corpora (or set DEDUP_SHARED_DATA)")


@pytest.fixture(scope="session")
def shared_data(request: pytest.FixtureRequest) -> Path:
    """Return the folder of real corpora; tests that need it are skipped without one."""
    given = request.config.getoption("--shared-data") or os.environ.get("DEDUP_SHARED_DATA")
    if not given:
        pytest.skip("real corpora not given: pass --shared-data DIR or set DEDUP_SHARED_DATA")
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip(f"real corpora not found: {folder} is not a folder")
    return folder
