"""Fits the model of substance to labelled blocks and scores it, with what simpler measures score on the same blocks.

    python bench/fit_substance.py --data DIR            scores
    python bench/fit_substance.py --data DIR --write    and writes dedup/substance.json
    python bench/fit_substance.py --data DIR --candidates    scores features that are not in it, too

The labels are those of ``corpus/``, in ten folds by article. Beside them the main content of real pages counts as
substance, a little: it is what the score will see. It also tells what is usual, and where the threshold of filler is:
one in 25 of the paragraphs of articles falls under it. Pages are scored in five folds.
"""

from __future__ import annotations

import collections
import itertools
import json
import pathlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click
import numpy as np
from candidates import CANDIDATES, candidate_features
from figures import Figure, finish, json_option, say
from inputs import data_option, read_records
from scipy.optimize import minimize
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from dedup.articles import parts_of, spoken_in, with_boilerplate
from dedup.background import background
from dedup.decide import judge_boilerplate, match_documents
from dedup.formats import open_inputs
from dedup.kernels.facts import FACTS, SCORED, WORDS, find_facts
from dedup.reading import pool_of, sketch_corpus
from dedup.reasons import FEATURES, SHORT, TEXT
from dedup.settings import Settings, Split
from dedup.substance import (
    OTHER,
    Model,
    available_features,
    is_list,
    length_and_place,
    make_model,
    mean_of,
    measure,
    units,
)
from dedup.workspace import Workspace

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "corpus"
TARGET = pathlib.Path(__file__).resolve().parent.parent / "dedup" / "substance.json"
SIGNS = dict.fromkeys(FEATURES, -1.0) | {"new_rare": 1.0, "new_number": 1.0, "names": 1.0}
FOLDS, PAGE_FOLDS = 10, 5
ALONE = ("phrases",)  # features that count for the block alone: one stock phrase makes no hollow article
WEIGHT = 0.1  # of the reference, beside the labelled blocks
STRENGTH = 1 / 1500  # of the pull toward 0 of each coefficient, against the mean loss
UNDER = 0.04  # share of the paragraphs of articles that is to be under the threshold
MIDDLE = 50.0  # substance at the threshold
USUAL = 80.0  # substance of the median paragraph of the reference
LEAST_REFERENCE = 200  # paragraphs of a language that tell what is usual there
FROM_LETTERS = ("en", "el", "pl", "ru")  # languages that tell what is usual in others
LANGUAGES = {"Greek": "el", "Polish": "pl", "Russian": "ru", "English": "en", "Chinese": "zh"}
LENGTHS = (16, 24, 32, 44, 60)  # words, between which blocks are of like length
LISTED_AS_LONG = 25  # characters of a line whose label counts
SEED, RESAMPLES = 0, 2000


class Described(NamedTuple):
    """``m`` scored blocks.

    Attributes:
        doc: list[m], ids of their documents; ``start``, where each begins in it; ``text``, what stands there.
        start: see ``doc``.
        text: see ``doc``.
        facts: float32[m, FACTS]; ``features``, float32[m, f].
        features: see ``facts``.
        languages: int32[m].
        kind: list[m], what kind of page it is from.
    """

    doc: np.ndarray
    start: np.ndarray
    text: np.ndarray
    facts: np.ndarray
    features: np.ndarray
    languages: np.ndarray
    kind: np.ndarray

    def take(self, rows: np.ndarray) -> Described:
        """Return some of the blocks."""
        return Described(*(column[rows] for column in self))


def describe(
    records: Sequence[dict[str, Any]],
    split: Split,
    kind: Callable[[dict[str, Any]], str],
    *,
    own: bool = True,
    short: bool = False,
) -> Described:
    """Run the stages up to the facts of blocks.

    Args:
        records: the documents.
        split: what ends a block.
        kind: says what kind of page a document is from.
        own: whether boilerplate is to be found and left out.
        short: whether short blocks are to be described too.
    """
    settings = Settings(split=split, score=True)
    with Workspace() as workspace, pool_of(settings.workers) as pool:
        corpus, _ = sketch_corpus(open_inputs(list(records)), settings, workspace, pool)
        forms = corpus.forms.map().copy()
        if own:
            docs, _ = match_documents(corpus, settings, np.empty(0, np.int64), pool)
            forms = with_boilerplate(forms, judge_boilerplate(corpus, docs, settings, pool).reasons)
        if short:
            forms[forms == SHORT] = TEXT
        part, facts = parts_of(forms), np.zeros((forms.size, FACTS), np.float32)
        spoken = spoken_in(corpus)
        find_facts(np.arange(corpus.doc_count), spoken, part, facts)
        doc = np.repeat(np.arange(corpus.doc_count), np.diff(spoken.bounds))
        languages = spoken.languages[doc]
        rows = np.flatnonzero((part == SCORED) & ~is_list(facts, languages))
        features = measure(facts[rows], corpus.letters.map()[rows], corpus.names.map()[rows])
        starts, ends = corpus.starts.map()[rows], corpus.ends.map()[rows]
    texts = [record["text"].encode() for record in records]
    return Described(
        np.array([records[k]["id"] for k in doc[rows]]),
        starts.copy(),
        np.array([texts[k][a:b].decode() for k, a, b in zip(doc[rows], starts, ends, strict=True)], object),
        facts[rows],
        features,
        languages[rows],
        np.array([kind(records[k]) for k in doc[rows]]),
    )


def main_content(path: pathlib.Path) -> list[dict[str, Any]]:
    """Read pages, of each the lines of main content."""
    kept = []
    for record in read_records(path):
        lines = record["text"].split("\n")
        own = [line for line, label in zip(lines, record["labels"], strict=True) if label == 1]
        if own:
            kept.append({**record, "text": "\n".join(own)})
    return kept


def join(parts: Sequence[Described]) -> Described:
    """Put blocks behind each other."""
    return Described(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def read_reference(data: pathlib.Path) -> Described:
    """Read what is usual: main content of pages and of sites in five languages, paragraphs of Japanese books."""
    pages, sites = main_content(data / "pages/pages.jsonl.gz"), main_content(data / "sites/pages.jsonl.gz")
    books = [
        {**book, "text": "\n".join([line for line in book["text"].split("\n") if line.strip()][12:60])}
        for book in itertools.islice(read_records(data / "japanese/docs.jsonl.gz"), 200)
    ]
    return join(
        [
            describe(pages, "lines", lambda record: str(record["page_type"]), own=False),
            describe(sites, "lines", lambda record: f"site {LANGUAGES[record['lang']]}", own=False),
            describe(books, "lines", lambda _: "book ja", own=False),
        ]
    )


def usual_values(reference: Described) -> dict[str, Any]:
    """Say what is usual by length, place and language: a part of ``substance.json``."""
    by, codes = length_and_place(reference.facts), np.array([*background().languages, "?"])[reference.languages]
    slopes: dict[str, dict[str, float]] = {"words": {}, "before": {}, "before_squared": {}}
    usual: dict[str, dict[str, list[float]]] = {}
    counts = collections.Counter(codes.tolist())
    known = available_features()
    named = [code for code in sorted(counts) if counts[code] >= LEAST_REFERENCE and code != "?"]
    for k, name in enumerate(FEATURES):
        column = reference.features[:, k]
        there = ~np.isnan(column) & known[reference.languages, k]
        design = np.c_[np.ones(there.sum()), by[there]]
        fitted = np.linalg.lstsq(design, column[there], rcond=None)[0]
        for slope, value in zip(slopes, fitted[1:], strict=True):
            slopes[slope][name] = float(value)
        left = column - by @ fitted[1:]
        least = 0.0
        for code in (OTHER, *named):
            own = left[there & (np.isin(codes, FROM_LETTERS) if code == OTHER else codes == code)]
            if own.size:
                # news of a few sites vary less than paragraphs of their language do
                usual.setdefault(code, {})[name] = [float(own.mean()), max(float(own.std()), least) + 1e-3]
                least = usual[OTHER][name][1]
    return {"slopes": slopes, "usual": usual}


def inputs_of(model: Model, blocks: Described) -> np.ndarray:
    """Return what the model weighs: float64[m, 2 f], features in units, and their means over each article."""
    usual = model.usual[model.groups[blocks.languages]] + length_and_place(blocks.facts) @ model.slopes
    off = units(model, blocks.features, usual, blocks.languages)
    doc = np.cumsum(np.append(False, blocks.doc[1:] != blocks.doc[:-1]))
    means = mean_of(off, blocks.facts[:, WORDS], doc, doc[-1] + 1)
    inputs: np.ndarray = np.c_[off, means[doc]].astype(float)
    return inputs


def fit(inputs: np.ndarray, substance: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit a logistic model whose coefficients have the signs that ``SIGNS`` says: float64[2 f + 1], intercept last.

    Further columns are those of a candidate: its sign is known to be positive.
    """
    known = [SIGNS[name] for name in FEATURES] * 2
    signs = np.array(known + [1.0] * (inputs.shape[1] - len(known)))
    design, toward = np.c_[inputs * signs, np.ones(len(inputs))], 2.0 * substance - 1
    weights = weights / weights.sum()

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        margin = toward * (design @ values)
        pull = STRENGTH * values[:-1]
        slope = design.T @ (-weights * toward / (1 + np.exp(np.clip(margin, -500, 500))))
        slope[:-1] += pull
        return float(np.logaddexp(0, -margin) @ weights + pull @ values[:-1] / 2), slope

    bounds: list[tuple[float | None, float | None]] = [*[(0.0, None)] * len(signs), (None, None)]
    for name in ALONE:
        bounds[len(FEATURES) + FEATURES.index(name)] = (0.0, 0.0)
    values = minimize(loss, np.zeros(len(bounds)), jac=True, bounds=bounds, method="L-BFGS-B").x
    fitted: np.ndarray = np.append(values[:-1] * signs, values[-1])
    return fitted


def fit_both(labelled: np.ndarray, substance: np.ndarray, real: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Fit to labelled blocks, both labels weighing alike, and to real paragraphs as substance, all kinds alike."""
    own = np.where(substance, 0.5 / substance.sum(), 0.5 / (~substance).sum())
    counts = collections.Counter(kinds.tolist())
    other = WEIGHT / len(counts) / np.array([counts[kind] for kind in kinds.tolist()])
    inputs = np.concatenate([labelled, real])
    return fit(inputs, np.append(substance, np.ones(len(real), np.bool_)), np.append(own, other))


def log_odds(values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Return the log-odds of blocks."""
    odds: np.ndarray = inputs @ values[:-1] + values[-1]
    return odds


class Scale(NamedTuple):
    """What log-odds are on the scale of substance: 50 at ``zero``, USUAL where they are usual."""

    zero: float
    slope: float

    def substance(self, odds: np.ndarray) -> np.ndarray:
        """Return substance, 0-100."""
        found: np.ndarray = 100 / (1 + np.exp(-(odds - self.zero) * self.slope))
        return found


def scale_of(odds: np.ndarray, kinds: np.ndarray) -> Scale:
    """Find the scale from paragraphs of the reference that the model has not learnt from."""
    zero = float(np.quantile(odds[kinds == "article"], UNDER))
    return Scale(zero, float(np.log(USUAL / (100 - USUAL)) / (np.median(odds) - zero)))


def within_lengths(substance: np.ndarray, scores: np.ndarray, words: np.ndarray) -> float:
    """Return the AUC among blocks of like length, bins weighed by their blocks."""
    bins = np.digitize(words, LENGTHS)
    total = [
        (np.sum(bins == k), roc_auc_score(substance[bins == k], scores[bins == k])) for k in range(len(LENGTHS) + 1)
    ]
    return float(sum(n * auc for n, auc in total) / sum(n for n, _ in total))


def article_scores(blocks: Described, substance: np.ndarray) -> dict[str, float]:
    """Return the substance of each article: the mean of its blocks, by their words."""
    return {
        str(doc): float(np.average(substance[blocks.doc == doc], weights=blocks.facts[blocks.doc == doc, WORDS]))
        for doc in np.unique(blocks.doc)
    }


def topic_figures(scores: dict[str, float]) -> list[Figure]:
    """Say whether the filler articles of a topic rank below those of substance, and mixed ones between."""
    topics: dict[str, dict[str, list[float]]] = {}
    for line in (CORPUS / "topics.tsv").read_text(encoding="utf-8").splitlines():
        doc, topic, kind = line.split("\t")
        topics.setdefault(topic, {}).setdefault(kind, []).append(scores[doc])
    both = [one for one in topics.values() if {"filler", "substance"} <= set(one)]
    ranked = sum(max(one["filler"]) < min(one["substance"]) for one in both)
    mixed = [one for one in topics.values() if "mixed" in one]
    between = sum(
        max(one.get("filler", [-1.0])) < min(one["mixed"]) and max(one["mixed"]) < min(one.get("substance", [101.0]))
        for one in mixed
    )
    return [
        Figure("topics whose filler ranks below their substance", ranked, "equals", len(both), f"of {len(both)}"),
        Figure("topics whose mixed articles lie between", between, "equals", len(mixed), f"of {len(mixed)}"),
    ]


def read_labels(blocks: Described) -> np.ndarray:
    """Return the label of each block: 1 for substance, 0 for filler, -1 for none."""
    codes = {"substance": 1, "filler": 0, None: -1}
    with (CORPUS / "labels.jsonl").open(encoding="utf-8") as file:
        labels = {(row["doc"], row["start"]): codes[row["substance"]] for row in map(json.loads, file)}
    return np.array([labels[key] for key in zip(blocks.doc.tolist(), blocks.start.tolist(), strict=True)])


def baselines(blocks: Described, substance: np.ndarray) -> dict[str, np.ndarray]:
    """Score blocks by simpler measures; that which learns does so on the same folds."""
    texts = blocks.text.tolist()
    counted = TfidfVectorizer(norm=None).fit_transform(texts)
    lengths = np.maximum(counted.getnnz(axis=1), 1)
    unit = TfidfVectorizer().fit_transform(texts)
    sublinear = TfidfVectorizer(norm=None, sublinear_tf=True).fit_transform(texts)
    mass = np.asarray(counted.sum(axis=1)).ravel()
    tokens = np.maximum([len(text.split()) for text in texts], 1)
    learnt = np.empty(len(texts))
    for taught, held in GroupKFold(FOLDS).split(texts, substance, blocks.doc):
        vectors = TfidfVectorizer(sublinear_tf=True, min_df=2)
        logistic = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
        logistic.fit(vectors.fit_transform([texts[k] for k in taught]), substance[taught])
        learnt[held] = logistic.decision_function(vectors.transform([texts[k] for k in held]))
    return {
        "length": blocks.facts[:, WORDS],
        "share of digits": np.array([sum(map(str.isdigit, text)) / len(text) for text in texts]),
        "mean TF-IDF": mass / tokens,
        "mean TF-IDF, L2-normalised": np.asarray(unit.sum(axis=1)).ravel() / lengths,
        "mean TF-IDF, sublinear": np.asarray(sublinear.sum(axis=1)).ravel() / lengths,
        "TF-IDF mass": mass,
        "zlib ratio": np.array([len(zlib.compress(text.encode())) / len(text.encode()) for text in texts]),
        "TfidfVectorizer + logistic regression": learnt,
    }


def held_out(inputs: np.ndarray, substance: np.ndarray, groups: np.ndarray, real: np.ndarray, kinds: np.ndarray) -> Any:
    """Return the log-odds of labelled blocks, each by a model that has not seen its article."""
    odds = np.empty(len(inputs))
    for taught, held in GroupKFold(FOLDS).split(inputs, substance, groups):
        odds[held] = log_odds(fit_both(inputs[taught], substance[taught], real, kinds), inputs[held])
    return odds


def held_out_pages(inputs: np.ndarray, substance: np.ndarray, real: np.ndarray, reference: Described) -> np.ndarray:
    """Return the log-odds of paragraphs of the reference, each by a model that has not seen its page."""
    fold = np.array([zlib.crc32(str(doc).encode()) % PAGE_FOLDS for doc in reference.doc])
    odds = np.empty(len(real))
    for k in range(PAGE_FOLDS):
        rest = fold != k
        odds[~rest] = log_odds(fit_both(inputs, substance, real[rest], reference.kind[rest]), real[~rest])
    return odds


def sets_of(blocks: Described) -> dict[str, np.ndarray]:
    """Return the labelled sets that the sign of every feature has to hold on."""
    codes = np.array([*background().languages, "?"])[blocks.languages]
    return {
        "all": codes != "",
        "English": codes == "en",
        "German, Spanish, French": np.isin(codes, ["de", "es", "fr"]),
        "Chinese, Japanese": np.isin(codes, ["zh", "ja"]),
    }


def sign_figures(model: Model, blocks: Described, substance: np.ndarray, off: np.ndarray) -> list[Figure]:
    """Say how well each feature alone tells substance, on each labelled set, in the direction its sign says."""
    figures = []
    sets = sets_of(blocks)
    for k, name in enumerate(FEATURES):
        known = model.known[blocks.languages, k] & ~np.isnan(blocks.features[:, k])
        found = {
            title: float(roc_auc_score(substance[rows & known], SIGNS[name] * off[rows & known, k]))
            for title, rows in sets.items()
            if 0 < substance[rows & known].sum() < (rows & known).sum()
        }
        note = ", ".join(f"{title} {auc:.3f}" for title, auc in found.items())
        figures.append(Figure(f"feature {name}: least AUC of a set", min(found.values()), "at least", 0.5, note))
    return figures


def candidate_figures(
    blocks: Described, substance: np.ndarray, inputs: np.ndarray, reference: Described, real: np.ndarray
) -> list[Figure]:
    """Say, of each feature that is not in the model, how well it tells substance, and what the model gains by it."""
    say("candidates ...")
    both = [candidate_features(one.doc, one.text, one.languages) for one in (blocks, reference)]
    designs = [np.c_[np.ones(len(one.doc)), length_and_place(one.facts)] for one in (blocks, reference)]
    fitted = np.linalg.lstsq(designs[1], both[1], rcond=None)[0]
    left = [values - design @ fitted for values, design in zip(both, designs, strict=True)]
    unit = left[1].std(axis=0)
    before = float(roc_auc_score(substance, held_out(inputs, substance, blocks.doc, real, reference.kind)))
    figures = []
    for k, (name, sign) in enumerate(CANDIDATES.items()):
        own, other = (np.clip(sign * values[:, k] / unit[k], -4, 4) for values in left)
        aucs = {title: float(roc_auc_score(substance[rows], own[rows])) for title, rows in sets_of(blocks).items()}
        odds = held_out(np.c_[inputs, own], substance, blocks.doc, np.c_[real, other], reference.kind)
        note = ", ".join(f"{title} {auc:.3f}" for title, auc in aucs.items())
        figures.append(Figure(f"candidate {name}: least AUC of a set", min(aucs.values()), note=note))
        figures.append(Figure(f"candidate {name}: AUC gained", float(roc_auc_score(substance, odds)) - before))
    return figures


def reuse_figures(data: pathlib.Path, model: Model, values: np.ndarray) -> list[Figure]:
    """Score both passages of pairs that people judged: substantive reuse, or legal boilerplate."""
    pairs = list(read_records(data / "reuse/pairs.jsonl.gz"))
    records = [
        {"id": f"{k} {side}", "text": " ".join(pair[side].split())}
        for k, pair in enumerate(pairs)
        for side in ("text", "text2")
    ]
    label = np.array([pair["label"] for pair in pairs]) == 1
    given = np.array([float(pair["score"]) for pair in pairs])
    figures = []
    for short in (False, True):
        blocks = describe(records, "blank", lambda _: "", own=False, short=short)
        scores = article_scores(blocks, log_odds(values, inputs_of(model, blocks)))
        both = np.array([[scores.get(f"{k} {side}", np.nan) for side in ("text", "text2")] for k in range(len(pairs))])
        rows = np.flatnonzero(~np.isnan(both).all(axis=1))
        found = np.nanmean(both[rows], axis=1)
        pool = "all passages, however short" if short else "passages long enough to be scored"
        for name, score in (("substance", found), ("the similarity that the data give", given[rows])):
            low, high = interval(label[rows], score)
            note = f"{rows.size} of {len(pairs)} pairs, 95 % interval {low:.3f}-{high:.3f}"
            auc = float(roc_auc_score(label[rows], score))
            figures.append(Figure(f"reuse, {pool}: AUC of {name}", auc, note=note))
    return figures


def interval(label: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of an AUC, by bootstrap over pairs."""
    random, found = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(label), len(label))
        if 0 < label[rows].sum() < len(rows):
            found.append(roc_auc_score(label[rows], score[rows]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@click.command()
@data_option("pages/, sites/, japanese/, statutes/, chinese/ and reuse/")
@click.option("--write", is_flag=True, help="Write the model fitted to all data.")
@click.option("--candidates", is_flag=True, help="Score features that are not in the model, too.")
@json_option
def main(data: pathlib.Path, write: bool, candidates: bool, as_json: bool) -> None:
    """Score the model and what it is up against, and write it."""
    say("reading the reference ...")
    reference = read_reference(data)
    articles = list(read_records(CORPUS / "articles.jsonl"))
    blocks = describe(articles, "auto", lambda record: str(record["lang"]))
    label = read_labels(blocks)
    usual = usual_values(reference)
    empty = {"block": {}, "article": {}, "intercept": 0.0}
    model = make_model({**empty, **usual})
    inputs, real = inputs_of(model, blocks), inputs_of(model, reference)
    taught = label >= 0
    blocks, inputs, substance = blocks.take(taught), inputs[taught], label[taught] == 1
    say("fitting ...")
    odds = held_out(inputs, substance, blocks.doc, real, reference.kind)
    odds_of_real = held_out_pages(inputs, substance, real, reference)
    scale = scale_of(odds_of_real, reference.kind)
    scores = scale.substance(odds)
    with (CORPUS / "labels.jsonl").open(encoding="utf-8") as file:
        given = sum(json.loads(line)["substance"] is not None for line in file)
    note = f"{len(scores)} of {given} labelled blocks are scored"
    words = blocks.facts[:, WORDS]
    figures = [
        Figure("AUC per block", float(roc_auc_score(substance, scores)), "at least", 0.93, note),
        Figure("AUC within like lengths", within_lengths(substance, scores, words), "at least", 0.88),
        *topic_figures(article_scores(blocks, scores)),
    ]
    for name, rival in baselines(blocks, substance).items():
        auc = float(roc_auc_score(substance, rival))
        figures.append(Figure(f"baseline {name}: AUC", auc, "at most", figures[0].value))
    for name, rows in sets_of(blocks).items():
        figures.append(
            Figure(f"AUC, {name}", float(roc_auc_score(substance[rows], scores[rows])), note=f"{rows.sum()} blocks")
        )
    below = scores < MIDDLE
    figures += [
        Figure("labelled filler under 50", float(below[~substance].mean()), note=f"of {(~substance).sum()} blocks"),
        Figure("labelled substance under 50", float(below[substance].mean()), note=f"of {substance.sum()} blocks"),
        *sign_figures(model, blocks, substance, inputs[:, : len(FEATURES)]),
    ]
    found = scale.substance(odds_of_real) < MIDDLE
    for kind in sorted(set(reference.kind.tolist())):
        own = reference.kind == kind
        bar = {"article": 0.05, "documentation": 0.05}.get(kind)
        note = f"{own.sum():,} paragraphs of main content"
        figures.append(
            Figure(f"under 50: {kind}", float(found[own].mean()), "at most" if bar else "-", bar or 0.0, note)
        )
    values = fit_both(inputs, substance, real, reference.kind)
    others: list[tuple[str, str, Split]] = [
        ("statutes", "statutes/paragraphs.jsonl.gz", "blank"),
        ("chinese", "chinese/docs.jsonl.gz", "auto"),
    ]
    for name, path, split in others:
        say(f"{name} ...")
        other = describe([{**r, "source": None} for r in read_records(data / path)], split, lambda _: "", own=False)
        low = scale.substance(log_odds(values, inputs_of(model, other))) < MIDDLE
        figures.append(Figure(f"under 50: {name}", float(low.mean()), note=f"{low.size:,} paragraphs"))
    figures += reuse_figures(data, model, values)
    if candidates:
        figures += candidate_figures(blocks, substance, inputs, reference, real)
    if write:
        save(values, scale, usual, figures)
    finish(figures, as_json)


def save(values: np.ndarray, scale: Scale, usual: dict[str, Any], figures: list[Figure]) -> None:
    """Write the model, on the scale of substance, and how it scored."""
    f = len(FEATURES)
    scaled = values * scale.slope
    parts = {"block": scaled[:f], "article": scaled[f : 2 * f]}
    text = {
        "made_by": "bench/fit_substance.py",
        "cross_validation": {figure.name: round(figure.value, 4) for figure in figures},
        **{name: dict(zip(FEATURES, map(rounded, part), strict=True)) for name, part in parts.items()},
        "intercept": rounded(scaled[-1] - scale.zero * scale.slope),
        **json.loads(json.dumps(usual), parse_float=lambda digits: rounded(float(digits))),
    }
    TARGET.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def rounded(value: float) -> float:
    """Return a value with six significant digits."""
    return float(f"{value:.6g}")


if __name__ == "__main__":
    main()
