"""Texts in; sketches that datasketch takes as its own out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from datasketch import LeanMinHash

from dedup.lsh import schemes
from dedup.settings import Settings
from dedup.sketch import sign_rows, tokenize_text


def minhash(texts: Iterable[str], settings: Settings | None = None) -> list[LeanMinHash | None]:
    """Sign texts, as blocks are signed, for use with datasketch.

    The values are, bit for bit, those of ``datasketch.MinHash(num_perm, seed, scheme="affine32")`` updated with the
    same shingle hashes, so ``MinHashLSH``, ``MinHashLSHForest`` and their storages take them.

    Args:
        texts: any number of texts.
        settings: ``num_perm`` (as many are used as whole bands take), ``threshold``, ``recall`` and ``seed`` count.

    Returns:
        A sketch for each text, None for a text without a token.

    >>> one, two = minhash(["The ferry leaves at nine.", "the FERRY leaves at nine"])
    >>> one.jaccard(two)
    1.0
    """
    settings = settings or Settings()
    scheme, _ = schemes(settings)
    tokens = [tokenize_text(text) for text in texts]
    bounds = np.cumsum([0, *(one.size for one in tokens)])
    signatures = sign_rows(np.concatenate([np.empty(0, np.uint64), *tokens]), bounds, np.arange(len(tokens)), scheme)
    return [
        LeanMinHash(seed=settings.seed, hashvalues=signature, scheme="affine32") if one.size else None
        for one, signature in zip(tokens, signatures, strict=True)
    ]
