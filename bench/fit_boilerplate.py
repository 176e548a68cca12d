"""Fits the models of boilerplate to labelled pages and scores them by cross-validation.

    python bench/fit_boilerplate.py --data DIR            scores
    python bench/fit_boilerplate.py --data DIR --write    and writes dedup/boilerplate.json

``shape`` and ``page`` learn from pages of as many sites, ``site`` from pages of sites with several, and from this
project's articles. Pages are scored in five folds, sites each by what the others teach.
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
from typing import Any, NamedTuple

import click
import numpy as np
from figures import Figure, finish, json_option, say, share
from inputs import data_option, read_records
from labelled import Labelled, line_starts, load_corpus, load_lines, page_columns
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from dedup.arrays import F32, F64, I64, Bool
from dedup.kernels.classes import FAIR
from dedup.kernels.context import SITE
from dedup.kernels.shape import PAGE, SHAPE
from dedup.schema import Blocks
from dedup.settings import Settings
from dedup.shape import Model, describe_pages, describe_shapes, log_odds

PAGES, SITES = "pages/pages.jsonl.gz", "sites/pages.jsonl.gz"
TARGET = pathlib.Path(__file__).resolve().parent.parent / "dedup" / "boilerplate.json"
FOLDS, INNER = 5, 4
KEPT = 0.4  # probability from which a block of a page without others of its site is kept
LEAST_PAGES, LEAST_CHARS, LEAST_TAUGHT = 5, 25, 15
ARTICLES_WEIGHT = 0.1  # of this project's articles beside the sites
REGULAR = 1.0  # inverse of the strength of regularisation
WORD = re.compile(r"\w+")


def fit(features: F32, content: I64, weights: F64) -> Model:
    """Fit a logistic model, and put its coefficients in the features' own units."""
    mean, deviation = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float) + 1e-9
    logistic = LogisticRegression(C=REGULAR, solver="newton-cholesky", tol=1e-4)
    logistic.fit((features - mean) / deviation, content, sample_weight=weights / weights.mean())
    coefficients = logistic.coef_[0] / deviation
    return Model(coefficients, float(logistic.intercept_[0] - mean @ coefficients))


class Pages(NamedTuple):
    """Labelled lines of pages, one page or about one a site.

    Attributes:
        records: the pages.
        blocks: their lines.
        doc: int64[n], each line's page.
        content: int64[n], 1 for main content.
        words: float32[n].
        features: float32[n, FEATURES], see ``dedup.kernels.shape``.
        weights: float64[n]: pages weigh alike, within them lines by their words.
        bags: the words of each line.
    """

    records: list[dict[str, Any]]
    blocks: Blocks
    doc: I64
    content: I64
    words: F32
    features: F32
    weights: F64
    bags: list[collections.Counter[str]]


def load_pages(path: pathlib.Path) -> Pages:
    """Read labelled pages."""
    records = list(read_records(path))
    data, bounds, blocks = page_columns(records)
    _, words, features = describe_shapes(data, bounds, blocks)
    doc = np.repeat(np.arange(len(records)), np.diff(blocks.bounds))
    content, bags = np.empty(doc.size, np.int64), []
    for number, record in enumerate(records):
        rows = range(blocks.bounds[number], blocks.bounds[number + 1])
        encoded = record["text"].encode()
        lines = line_starts(record["text"])
        place = np.searchsorted(lines, blocks.starts[rows.start : rows.stop], side="right") - 1
        content[rows.start : rows.stop] = np.array(record["labels"])[place]
        bags += [collections.Counter(WORD.findall(encoded[blocks.starts[k] : blocks.ends[k]].decode())) for k in rows]
    weights = words + 0.5
    weights = weights / np.maximum(np.bincount(doc, weights=weights), 60)[doc]
    return Pages(records, blocks, doc, content, words, features, weights, bags)


def folds_of(count: int, folds: int, seed: int) -> I64:
    """Deal ``count`` pages out."""
    return np.random.default_rng(seed).permutation(count) % folds


def fit_pages(pages: Pages, taught: Bool) -> tuple[Model, Model, F32]:
    """Fit both models of pages; the second learns from what the first says of pages that it has not learnt from.

    Returns:
        The models; float32[n], the log-odds of all lines to be content.
    """
    x, y, w = pages.features, pages.content, pages.weights
    fold = folds_of(len(pages.records), INNER, 7)[pages.doc]
    first = fit(x[taught], y[taught], w[taught])
    odds = log_odds(first, x)
    for k in range(INNER):
        inner, held = taught & (fold != k), taught & (fold == k)
        odds[held] = log_odds(fit(x[inner], y[inner], w[inner]), x[held])
    page = describe_pages(odds, pages.words, pages.blocks)
    second = fit(page[taught], y[taught], w[taught])
    return first, second, log_odds(second, page)


def word_f1(pages: Pages, kept: Bool) -> F64:
    """Score the words of kept lines against those of main content, page by page; nothing from nothing is 1."""
    scores = np.empty(len(pages.records))
    for number in range(len(pages.records)):
        found: collections.Counter[str] = collections.Counter()
        wanted: collections.Counter[str] = collections.Counter()
        for k in range(pages.blocks.bounds[number], pages.blocks.bounds[number + 1]):
            if kept[k]:
                found.update(pages.bags[k])
            if pages.content[k]:
                wanted.update(pages.bags[k])
        sizes = found.total() + wanted.total()
        scores[number] = 2 * (found & wanted).total() / sizes if sizes else 1.0
    return scores


def justext_lines(pages: Pages, data: list[str]) -> Bool:
    """Ask jusText, each line a paragraph, which lines it would keep."""
    import html

    import justext

    stoplist = justext.get_stoplist("English")
    kept = []
    for number, text in enumerate(data):
        rows = range(pages.blocks.bounds[number], pages.blocks.bounds[number + 1])
        encoded = text.encode()
        lines = [encoded[pages.blocks.starts[k] : pages.blocks.ends[k]].decode() for k in rows]
        page = "".join(f"<p id='{k}'>{html.escape(clean(line))}</p>" for k, line in enumerate(lines))
        good = collections.Counter(one.text for one in justext.justext(page, stoplist) if not one.is_boilerplate)
        for line in lines:
            text_of = " ".join(clean(line).split())
            kept.append(good[text_of] > 0)
    return np.array(kept)


def clean(line: str) -> str:
    """Leave out characters that XML does not allow."""
    return "".join(char for char in line if char >= " " or char == "\t")


def page_figures(pages: Pages) -> list[Figure]:
    """Score pages by cross-validation over pages, and jusText on the same lines."""
    fold = folds_of(len(pages.records), FOLDS, 0)[pages.doc]
    odds = np.empty(pages.doc.size, np.float32)
    for k in range(FOLDS):
        say(f"pages: fold {k + 1} of {FOLDS} ...")
        held = fold == k
        odds[held] = fit_pages(pages, ~held)[2][held]
    articles = np.array([record["page_type"] == "article" for record in pages.records])
    figures = []
    say("pages: jusText ...")
    rivals = {
        "keep everything": np.ones(pages.doc.size, np.bool_),
        "jusText": justext_lines(pages, [record["text"] for record in pages.records]),
    }
    for name, kept in rivals.items():
        scores = word_f1(pages, kept)
        figures += [
            Figure(f"pages: word F1, {name}", float(scores.mean())),
            Figure(f"pages: word F1, {name}, articles", float(scores[articles].mean())),
        ]
    scores = word_f1(pages, 1 / (1 + np.exp(-odds)) > KEPT)
    note = f"{len(pages.records)} pages, {FOLDS} folds"
    return [
        *figures,
        Figure("pages: word F1", float(scores.mean()), "at least", 0.80, note),
        Figure("pages: word F1, articles", float(scores[articles].mean()), "at least", 0.88, note),
    ]


def taught_rows(data: Labelled) -> Bool:
    """Return what the model of sites learns from."""
    enough: Bool = (data.boilerplate >= 0) & (data.chars >= (LEAST_TAUGHT if data.name == "sites" else 1))
    return enough & (data.pages >= (LEAST_PAGES if data.name == "sites" else 3))


def site_weights(data: Labelled) -> F64:
    """Weigh blocks by the root of their length; the articles as a whole less than the sites."""
    weights = np.sqrt(data.chars + 1.0) * taught_rows(data)
    total: F64 = weights / weights.sum() * (1.0 if data.name == "sites" else ARTICLES_WEIGHT)
    return total


def held_out(parts: list[Labelled]) -> list[F64]:
    """Return, for each part, each block's probability to be boilerplate by what other sources teach."""
    x = np.concatenate([part.features for part in parts])
    y = np.concatenate([part.boilerplate for part in parts])
    w = np.concatenate([site_weights(part) for part in parts])
    source = np.concatenate([part.source + 10_000 * k for k, part in enumerate(parts)])
    some = np.concatenate([(part.pages >= 3) for part in parts])
    out = np.zeros(y.size)
    for number, one in enumerate(np.unique(source[some])):
        if number % 10 == 0:
            say(f"sites: without source {number + 1} ...")
        held = source == one
        taught = (w > 0) & ~held
        out[held] = 1 / (1 + np.exp(-log_odds(fit(x[taught], y[taught], w[taught]), x[held]).astype(float)))
    ends = np.cumsum([part.doc.size for part in parts])
    return np.split(out, ends[:-1])


def site_figures(sites: Labelled, probability: F64) -> list[Figure]:
    """Score what is found on sites of several pages."""
    scored = (sites.pages >= LEAST_PAGES) & (sites.chars >= LEAST_CHARS)
    y, chars = sites.boilerplate[scored], sites.chars[scored]
    p, recurs = probability[scored], sites.recurs[scored]
    languages = np.array([record["lang"] for record in sites.records])[sites.doc[scored]]

    def rates(found: Bool) -> tuple[float, float, float]:
        right = chars[found & (y == 1)].sum()
        lost = chars[found & (y == 0)].sum()
        return share(right, right + lost), share(right, chars[y == 1].sum()), share(lost, chars[y == 0].sum())

    threshold = np.where(sites.usual[scored], FAIR, Settings().boilerplate)
    templates = sites.recurrence.templates[scored]
    precision, recall, _ = rates(recurs & ~sites.recurrence.learnt[np.where(recurs, templates, 0)])
    _, found, lost = rates(recurs & (p >= threshold))
    figures = [
        Figure("sites: repetition alone, precision", precision, "at least", 0.986),
        Figure("sites: repetition alone, recall", recall, "at least", 0.72),
        Figure(
            "sites: content lost",
            lost,
            "at most",
            0.01,
            f"recurring, probability >= {Settings().boilerplate}, {FAIR} where usual",
        ),
        Figure("sites: boilerplate recall", found, "at least", 0.80),
        Figure("sites: AUC per line", float(roc_auc_score(y, p)), "at least", 0.96, f"{y.size:,} lines"),
    ]
    for language in np.unique(languages):
        own = languages == language
        auc = float(roc_auc_score(y[own], p[own]))
        figures.append(Figure(f"sites: AUC per line, {language}", auc, "at least", 0.94, f"{own.sum():,} lines"))
    return figures


def article_figures(articles: Labelled, probability: F64) -> list[Figure]:
    """Say how well the model of sites tells templates of this project's articles, other sites of it held out."""
    scored = (articles.boilerplate >= 0) & (articles.pages >= 3)
    auc = roc_auc_score(articles.boilerplate[scored], probability[scored])
    return [Figure("corpus: AUC per block", float(auc), note=f"{scored.sum():,} blocks, each site by the others")]


def written(model: Model, names: tuple[str, ...]) -> dict[str, float]:
    """Name the coefficients of a model."""
    return {**dict(zip(names, map(float, model.coefficients), strict=True)), "intercept": model.intercept}


@click.command()
@data_option("pages/ and sites/")
@click.option("--part", type=click.Choice(["pages", "sites"]), multiple=True, help="Score these only.")
@click.option("--write", is_flag=True, help="Write the models fitted to all data.")
@json_option
def main(data: pathlib.Path, part: tuple[str, ...], write: bool, as_json: bool) -> None:
    """Score the models, and write them."""
    figures: list[Figure] = []
    models: dict[str, dict[str, float]] = json.loads(TARGET.read_text(encoding="utf-8"))["models"]
    if not part or "pages" in part:
        pages = load_pages(data / PAGES)
        figures += page_figures(pages)
        if write:
            first, second, _ = fit_pages(pages, np.ones(pages.doc.size, np.bool_))
            models |= {"shape": written(first, SHAPE), "page": written(second, PAGE)}
            save(models, figures)
    if not part or "sites" in part:
        # the features of sites are made with the models of pages, which know none of their labels
        parts = [load_lines("sites", data / SITES), load_corpus()]
        probabilities = held_out(parts)
        figures += site_figures(parts[0], probabilities[0]) + article_figures(parts[1], probabilities[1])
        if write:
            taught = [taught_rows(one) for one in parts]
            model = fit(
                np.concatenate([one.features[rows] for one, rows in zip(parts, taught, strict=True)]),
                np.concatenate([one.boilerplate[rows] for one, rows in zip(parts, taught, strict=True)]),
                np.concatenate([site_weights(one)[rows] for one, rows in zip(parts, taught, strict=True)]),
            )
            save(models | {"site": written(model, SITE)}, figures)
    finish(figures, as_json)


def save(models: dict[str, dict[str, float]], figures: list[Figure]) -> None:
    """Write the models and how they scored."""
    before = json.loads(TARGET.read_text(encoding="utf-8")).get("cross_validation", {})  # of parts not scored now
    scores = before | {figure.name: round(figure.value, 4) for figure in figures}
    text = {"made_by": "bench/fit_boilerplate.py", "cross_validation": scores, "models": models}
    TARGET.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
