"""Duplicate and boilerplate detection for text corpora.

>>> import dedup
>>> dedup.compare("One two three.", "one two, three").same_tokens
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dedup.errors import (
    Corrupt,
    DedupError,
    GuardRail,
    InputError,
    Locked,
    MissingExtra,
    NotFound,
    SchemaError,
    SettingsError,
    SettingsMismatch,
    StoreError,
    VersionMismatch,
)
from dedup.settings import Settings
from dedup.urls import Url
from dedup.version import __version__

if TYPE_CHECKING:
    from dedup.cleaning import Cleaned, clean
    from dedup.comparison import Comparison, compare
    from dedup.detector import BoilerplateDetector
    from dedup.index import AsyncIndex, Index, Report
    from dedup.inspection import runs
    from dedup.interop import minhash
    from dedup.listing import Header, headers
    from dedup.pipeline import scan
    from dedup.run import Run
    from dedup.scoring import SubstanceScorer, score
    from dedup.undoing import undo

# Imported when first asked for: numba and pyarrow take half a second.
_LAZY = {
    "Cleaned": "dedup.cleaning",
    "clean": "dedup.cleaning",
    "undo": "dedup.undoing",
    "Comparison": "dedup.comparison",
    "compare": "dedup.comparison",
    "BoilerplateDetector": "dedup.detector",
    "AsyncIndex": "dedup.index",
    "Index": "dedup.index",
    "Report": "dedup.index",
    "Header": "dedup.listing",
    "headers": "dedup.listing",
    "minhash": "dedup.interop",
    "scan": "dedup.pipeline",
    "runs": "dedup.inspection",
    "Run": "dedup.run",
    "SubstanceScorer": "dedup.scoring",
    "score": "dedup.scoring",
}

__all__ = [
    "AsyncIndex",
    "BoilerplateDetector",
    "Cleaned",
    "Comparison",
    "Corrupt",
    "DedupError",
    "GuardRail",
    "Header",
    "Index",
    "InputError",
    "Locked",
    "MissingExtra",
    "NotFound",
    "Report",
    "Run",
    "SchemaError",
    "Settings",
    "SettingsError",
    "SettingsMismatch",
    "StoreError",
    "SubstanceScorer",
    "Url",
    "VersionMismatch",
    "__version__",
    "clean",
    "compare",
    "headers",
    "minhash",
    "runs",
    "scan",
    "score",
    "undo",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module 'dedup' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
