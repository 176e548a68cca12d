"""Scored blocks in; features that the model of substance might have, and has not, out.

They are worked out plainly, by the words of each block and of those before it in its document.
"""

from __future__ import annotations

import itertools
import re
import zlib

import numpy as np

from dedup.arrays import I32
from dedup.background import pairs_of, zipf_of
from dedup.frequencies import paired_languages
from dedup.kernels.tables import FREE
from dedup.sketch import tokenize_texts

# each with the sign it ought to have
CANDIDATES = {
    "information mass of terms not said before, a word": 1.0,
    "mean weight of terms": 1.0,
    "share of terms said before": -1.0,
    "share of terms that the first block has": -1.0,
    "highest TF-IDF cosine to an earlier block": -1.0,
    "zlib ratio of the first 400 bytes": 1.0,
    "distinct terms, a term": 1.0,
    "quotation marks": 1.0,
    "exclamation marks": -1.0,
    "words a sentence": -1.0,
    "numbers with a unit or a month": 1.0,
}
WINDOW = 400
NUMBER_WEIGHT, CONTENT = 4.0, 1.5
UNITS = (
    "%|°|€|\\$|£|(?:k?g|mg|[kcm]?m|k?W|kWh|h|min|s|l|ml|ha|km/h)\\b|percent|per cent|prozent|por ciento|"
    "pour cent|crowns?|euros?|dollars?|pounds?|hours?|minutes?|days?|weeks?|months?|years?|met(?:er|re)s?|"
    "kilomet(?:er|re)s?|kilos?|grams?|lit(?:er|re)s?|degrees?|stunden|minuten|tage|wochen|monate|jahre|grad|horas|minutos|días|semanas|meses|"
    "años|grados|heures|jours|semaines|mois|ans|degrés|"
    "january|february|march|april|may|june|july|august|september|october|november|"
    "december|januar|februar|märz|mai|juni|juli|oktober|dezember|enero|febrero|marzo|abril|mayo|junio|julio|agosto|"
    "septiembre|octubre|noviembre|diciembre|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|"
    "décembre|年|月|日|時|点|円|元|人|米|公里|キロ|メートル"
)
MEASURED = re.compile(rf"\d[\d.,]*\s?(?:de |of )?(?:{UNITS})", re.IGNORECASE)
QUOTES, SHOUTS, STOPS = re.compile(r'["“”«»„「」]'), re.compile("[!！]"), re.compile(r"[.!?。！？]")


def candidate_features(doc: np.ndarray, text: np.ndarray, languages: I32) -> np.ndarray:
    """Work the candidates out: float64[m, c].

    Args:
        doc: [m], the document of each block; blocks of a document stand together, in order.
        text: [m], what stands there.
        languages: int32[m].
    """
    rows = []
    for _, group in itertools.groupby(range(len(doc)), key=lambda k: doc[k]):
        said: list[dict[int, float]] = []
        for k in group:
            terms, weights = terms_of(str(text[k]), int(languages[k]))
            rows.append(describe(str(text[k]), terms, weights, said))
            said.append({term: weight for term, weight in zip(terms, weights, strict=True) if weight > CONTENT})
    return np.array(rows)


def terms_of(text: str, language: int) -> tuple[list[int], list[float]]:
    """Return the terms of a text, and the weight of each: how many powers of ten it is rarer than one in a hundred."""
    tokens = tokenize_texts([text]).hashes
    number = (tokens & np.uint64(1)).astype(bool)
    if paired_languages()[language]:
        tokens, number = pairs_of(tokens), np.zeros(max(tokens.size - 1, 0), bool)
    zipf = zipf_of(tokens, language) if language != FREE else np.zeros(tokens.size)
    weights = np.where(number, NUMBER_WEIGHT, np.clip(7 - np.maximum(zipf, 3), 0, 4))
    return tokens.tolist(), weights.tolist()


def describe(text: str, terms: list[int], weights: list[float], said: list[dict[int, float]]) -> list[float]:
    """Return the candidates of one block, after those that were said before."""
    count = max(len(terms), 1)
    own = {term: weight for term, weight in zip(terms, weights, strict=True) if weight > CONTENT}
    known = set().union(*said) if said else set()
    square = sum(weight * weight for weight in own.values())
    cosines = [
        sum(own[term] ** 2 for term in own.keys() & other.keys()) / np.sqrt(square * sum(w * w for w in other.values()))
        for other in said
        if own and other
    ]
    start = text.encode()[:WINDOW]
    return [
        sum(weight for term, weight in own.items() if term not in known) / count,
        sum(weights) / count,
        len(own.keys() & known) / max(len(own), 1),
        len(own.keys() & said[0].keys()) / max(len(own), 1) if said else 0.0,
        max(cosines, default=0.0),
        len(zlib.compress(start)) / len(start),
        len(set(terms)) / count,
        float(QUOTES.search(text) is not None),
        float(SHOUTS.search(text) is not None),
        np.log(count / max(len(STOPS.findall(text)), 1)),
        float(MEASURED.search(text) is not None),
    ]
