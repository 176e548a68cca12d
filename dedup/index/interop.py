"""A text, or an index in Redis, in; what datasketch needs to find the same rows by itself out.

>>> from dedup.settings import Settings
>>> minhash = minhash_of("The ferry leaves the old harbour at nine in the morning.", Settings())
>>> len(minhash), minhash.scheme
(168, 'affine32')
"""

from __future__ import annotations

import importlib
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dedup.arrays import I64
from dedup.blocks import split_blocks
from dedup.index.wire import parts_of
from dedup.lsh import Scheme, schemes
from dedup.settings import Settings
from dedup.sketch import sign_rows, tokenize_blocks, tokenize_texts

if TYPE_CHECKING:
    import datasketch

Kind = Literal["blocks", "pages"]


def order_of(scheme: Scheme) -> I64:
    """Return the permutations in datasketch's order, int64[k]: those of a band together, those of no band at the end.

    Band i of ours takes permutations i, i + bands, i + 2 * bands and so on.
    """
    used = scheme.bands * scheme.rows
    banded = np.arange(used).reshape(scheme.rows, scheme.bands).T.reshape(-1)
    return np.concatenate([banded, np.arange(used, scheme.a.size)])


def minhash_of(text: str, settings: Settings, kind: Kind = "blocks") -> datasketch.MinHash:
    """Return the MinHash by which datasketch finds a text in an index.

    Args:
        text: a block's text, or a page's.
        settings: the settings of the index.
        kind: ``"blocks"`` or ``"pages"``.
    """
    import datasketch

    scheme = scheme_of(settings, kind)
    if kind == "blocks":
        hashes = tokenize_texts([text]).hashes
    else:
        data = np.frombuffer(text.encode(), np.uint8)
        bounds = np.array([0, data.size])
        hashes = tokenize_blocks(data, bounds, split_blocks(data, bounds, settings.split)).hashes
    order = order_of(scheme)
    values = sign_rows(hashes, np.array([0, hashes.size]), np.zeros(1, np.int64), scheme)[0][order]
    return datasketch.MinHash(
        num_perm=order.size, seed=settings.seed, hashvalues=values, permutations=(scheme.a[order], scheme.b[order]),
        scheme="affine32",
    )  # fmt: skip


def scheme_of(settings: Settings, kind: Kind) -> Scheme:
    """Return how blocks, or pages, are sketched."""
    return schemes(settings)[kind == "pages"]


def lsh_options(url: str, settings: Settings, kind: Kind = "blocks") -> dict[str, Any]:
    """Return with what ``datasketch.MinHashLSH`` opens the bands of an index in Redis: ``MinHashLSH(**options)``.

    Its keys are the numbers of contents of blocks, or of pages, in decimal digits.

    Args:
        url: that of the index.
        settings: those of the index.
        kind: ``"blocks"`` or ``"pages"``.

    Raises:
        SettingsError: the URL is none of an index in Redis.
    """
    connection: Any = importlib.import_module("redis.connection")
    server, name = parts_of(url)
    scheme = scheme_of(settings, kind)
    options = dict(connection.parse_url(server))
    if urllib.parse.urlsplit(server).scheme == "rediss":
        options.pop("connection_class", None)
        options["ssl"] = True
    return {
        "num_perm": scheme.a.size,
        "params": (scheme.bands, scheme.rows),
        "storage_config": {"type": "redis", "basename": f"{name}:{kind}".encode(), "redis": options},
        "prepickle": False,
    }
