"""How much blocks and documents say: features, what is usual, scores, forms, against twins; and what must not count."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_substance import (
    HEARD,
    KINDS_OF_WORDS,
    OUT,
    SCORED,
    Blend,
    Facts,
    Features,
    Scored,
    Text,
    coefficients,
    drawn_texts,
    find_facts,
    form_of,
    frequencies_of,
    has_feature,
    languages_of,
    lines_of,
    listed_phrases,
    mean_of_some,
    number_of,
    part_of,
    roles_of,
    spoken,
    stock_phrases,
    vague_words,
)
from naive_substance import count_names as count_names_slowly
from naive_substance import expect as expect_slowly
from naive_substance import is_list as is_list_slowly
from naive_substance import measure as measure_slowly
from naive_substance import score as score_slowly
from naive_substance import units as units_slowly
from strategies import texts, utf8

from dedup import Settings, SubstanceScorer, scan
from dedup.arrays import F32
from dedup.articles import CONTENT, parts_of, with_boilerplate
from dedup.background import background
from dedup.frequencies import PAIRED
from dedup.kernels.classes import LINE_END, LIST_OF_LINKS, TABULAR
from dedup.kernels.facts import FACTS
from dedup.reasons import BOILERPLATE, CODE, FEATURES, FORMS, HEADING, LINKS, LIST, SHORT, TABLE, TEXT
from dedup.schema import BOILERPLATE as KINDS_OF_BOILERPLATE
from dedup.schema import KINDS, Blocks, Reason
from dedup.shape import find_shapes
from dedup.sketch import tokenize_blocks
from dedup.substance import (
    CASELESS,
    MOST,
    Scores,
    available_features,
    count_names,
    expect,
    find_forms,
    fitted,
    is_list,
    listed_terms,
    make_model,
    mean_of,
    measure,
    score,
    units,
)

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
NAMES = (
    "words", "terms", "new_rare", "commons", "numbers", "new_numbers", "bare_numbers", *KINDS_OF_WORDS, "phrase",
    "before",
)  # fmt: skip
NAMES_OF_FORMS = {
    "text": TEXT, "heading": HEADING, "short": SHORT, "code": CODE, "table": TABLE, "links": LINKS,
}  # fmt: skip
MORE_SUBSTANCE = {"new_rare", "new_number", "names"}  # the features that speak for it; the others speak against it
LANGUAGES: tuple[str | None, ...] = ("en", "de", "el", "zh", "ja", "ar", "fi", None)


# -------------------------------------------------------------------------------------------------------------- model


def test_the_model_as_shipped_is_sound() -> None:
    model = coefficients()
    for part in ("block", "article"):
        assert set(model[part]) == set(FEATURES)
        for name, value in model[part].items():
            assert math.isfinite(value)
            assert value >= 0 if name in MORE_SUBSTANCE else value <= 0
        assert any(model[part].values())
    assert model["block"]["phrases"] < 0 == model["article"]["phrases"]  # one stock phrase makes no hollow article
    assert math.isfinite(model["intercept"])
    assert set(model["slopes"]) == {"words", "before", "before_squared"}
    assert all(set(row) == set(FEATURES) for row in model["slopes"].values())
    assert all(math.isfinite(value) for row in model["slopes"].values() for value in row.values())
    assert set(model["usual"]) <= {*background().languages, "other"}
    for language, row in model["usual"].items():
        assert set(row) == {
            name for name in FEATURES if has_feature(name, "ca" if language == "other" else language)
        } or (set(row) == set(FEATURES))
        assert all(math.isfinite(usual) and math.isfinite(unit) and unit > 0 for usual, unit in row.values())


def test_the_model_in_arrays_is_what_the_file_says() -> None:
    values, model = coefficients(), fitted()
    for column, name in enumerate(FEATURES):
        assert model.block[column] == np.float32(values["block"][name])
        assert model.article[column] == np.float32(values["article"][name])
        assert model.slopes[:, column].tolist() == [
            np.float32(values["slopes"][by][name]) for by in ("words", "before", "before_squared")
        ]
    assert model.intercept == values["intercept"]
    codes = [*background().languages, None]
    assert model.known.tolist() == [[has_feature(name, code) for name in FEATURES] for code in codes]
    named = list(values["usual"])
    expected = [named.index(code) if code in named else named.index("other") for code in codes]
    assert model.groups.tolist() == expected
    assert model.deviation.min() > 0


def test_languages_without_capitals() -> None:
    # of no language of the table are letters without case but of these: Arabic, Bengali, Hebrew, Devanagari, kana, ...
    assert set(CASELESS) == {"ar", "bn", "fa", "he", "hi", "ja", "ko", "ta", "ur", "zh"}


def test_features_without_a_value_in_the_file_count_nothing() -> None:
    model = make_model(
        {
            "block": {"names": 2.0},
            "article": {},
            "intercept": 0.5,
            "slopes": {"words": {"common": 1.0}, "before": {}, "before_squared": {}},
            "usual": {"other": {"names": (0.25, 4.0)}},
        }
    )
    column = FEATURES.index("names")
    assert model.block.tolist() == [2.0 * (k == column) for k in range(len(FEATURES))]
    assert not model.article.any()
    assert model.usual.tolist() == [[0.25 * (k == column) for k in range(len(FEATURES))]]
    assert model.deviation.tolist() == [[4.0 if k == column else 1.0 for k in range(len(FEATURES))]]
    assert not model.groups.any()


def test_the_table_of_listed_terms_is_that_of_the_lists() -> None:
    expected: dict[int, int] = {}
    for words in vague_words().values():
        for key, kinds in words.items():
            assert len(kinds) == 1  # else it would speak against a text twice
            expected[key] = sum(1 << KINDS_OF_WORDS.index(kind) for kind in kinds)
    for language in listed_phrases():
        for key, role in roles_of(stock_phrases(language)).items():
            assert key not in expected
            expected[key] = role
    table = listed_terms()
    there = table.words != 0
    assert dict(zip(table.words[there].tolist(), table.roles[there].tolist(), strict=True)) == expected
    assert there.sum() == len(expected)
    assert not table.roles[~there].any()
    assert all(int(table.sieve[key >> 54]) >> (key >> 48 & 63) & 1 for key in expected)
    assert sum(int(word).bit_count() for word in table.sieve) <= len(expected)
    assert available_features().shape == (len(background().languages) + 1, len(FEATURES))


def test_stock_phrases_are_of_several_terms_and_each_is_listed_once() -> None:
    codes = [code for code, _ in lines_of("stock_phrases")]
    assert sorted(codes) == sorted(vague_words()) == ["ar", "de", "en", "es", "fr", "ja", "ru", "zh"]
    for language, phrases in listed_phrases().items():
        split = [tuple(naive.tokenize(phrase)) for phrase in phrases]
        assert len(phrases) > 100
        assert len(set(split)) == len(split)
        for phrase, tokens in zip(phrases, split, strict=True):
            assert phrase == phrase.lower() == " ".join(phrase.split())
            assert len(tokens) >= (3 if language in PAIRED else 2), phrase  # else it is a vague word
            assert not any(map(naive.is_number, tokens)), phrase
        for (shorter, own), (longer, tokens) in itertools.permutations(zip(phrases, split, strict=True), 2):
            assert tokens[: len(own)] != own, (language, shorter, longer)


# ------------------------------------------------------------------------------------------------------------ features


@st.composite
def described(draw: st.DrawFn) -> tuple[Facts, int, int]:
    """Draw the facts of a block, its letters and its names."""
    few = st.integers(0, 12)
    facts: Facts = {name: draw(few) for name in NAMES}
    facts["words"] = draw(st.sampled_from([0, 0.5, 1, 5, 17, 200, 3000]))
    facts["terms"] = draw(st.sampled_from([0, 1, 13, 40, 170, 2900]))
    facts["numbers"] = draw(st.sampled_from([0, 0, 3, 9]))
    return facts, draw(st.integers(0, 3000)), draw(few)


def rows_of(many: Sequence[Facts]) -> F32:
    """Lay facts out."""
    return np.array([[one[name] for name in NAMES] for one in many], np.float32).reshape(-1, FACTS)


def with_nan(features: Features) -> dict[str, float]:
    """Return features as numbers."""
    return {name: math.nan if value is None else value for name, value in features.items()}


@given(st.lists(st.tuples(described(), st.sampled_from(LANGUAGES)), max_size=6))
def test_features_and_units_equal_the_twins(drawn: list[tuple[tuple[Facts, int, int], str | None]]) -> None:
    model = fitted()
    facts = rows_of([one for (one, _, _), _ in drawn])
    letters = np.array([letters for (_, letters, _), _ in drawn], np.uint32)
    names = np.array([names for (_, _, names), _ in drawn], np.uint16)
    languages = np.array([number_of(language) for _, language in drawn], np.int32)
    features, usual = measure(facts, letters, names), expect(model, facts, model.groups[languages])
    off, lists = units(model, features, usual, languages), is_list(facts, languages)
    for k, ((one, count, capitals), language) in enumerate(drawn):
        expected, normal = measure_slowly(one, count, capitals), expect_slowly(one, language)
        own = dict(zip(FEATURES, features[k].tolist(), strict=True))
        assert own == pytest.approx(with_nan(expected), rel=1e-5, nan_ok=True)
        found = dict(zip(FEATURES, usual[k].tolist(), strict=True))
        assert {name: found[name] for name in normal} == pytest.approx(normal, rel=1e-4, abs=1e-5)
        distance = units_slowly(expected, {name: normal.get(name, 0.0) for name in FEATURES}, language)
        assert dict(zip(FEATURES, off[k].tolist(), strict=True)) == pytest.approx(distance, rel=1e-3, abs=1e-3)
        assert bool(lists[k]) == is_list_slowly(one, language)


def test_units_end_somewhere() -> None:
    model, languages = fitted(), np.array([number_of("en")] * 2, np.int32)
    far = np.full((2, len(FEATURES)), 1e6, np.float32)
    far[1] *= -1
    low = dict.fromkeys(FEATURES, -MOST) | {"phrases": 0.0}
    assert units(model, far, np.zeros_like(far), languages).tolist() == [[MOST] * len(FEATURES), list(low.values())]


@pytest.mark.parametrize(("off", "expected"), [(-1e-3, 0), (0, 0), (0.5, 0.5), (3, 3), (5, MOST)])
def test_fewer_stock_phrases_than_usual_are_as_many_as_usual(off: float, expected: float) -> None:
    model, column = fitted(), FEATURES.index("phrases")
    languages = np.array([number_of(code) for code in ("en", "zh", "ru")], np.int32)
    usual = model.usual[model.groups[languages]]
    found = units(model, usual + off * model.deviation[model.groups[languages]], usual, languages)
    assert found[:, column].tolist() == pytest.approx([expected] * 3, abs=1e-4)
    below = units(model, usual - model.deviation[model.groups[languages]], usual, languages)
    assert below[:, FEATURES.index("hedges")].tolist() == pytest.approx([-1] * 3, abs=1e-4)


@pytest.mark.parametrize(("common", "listed"), [(0, True), (5, True), (6, False), (100, False)])
def test_lists_have_hardly_any_common_words(common: int, listed: bool) -> None:
    facts = np.zeros((4, FACTS), np.float32)
    facts[:, NAMES.index("terms")], facts[:, NAMES.index("commons")] = 100, common
    languages = np.array([number_of(code) for code in ("en", "zh", "ja", None)], np.int32)
    assert is_list(facts, languages).tolist() == [listed, False, False, False]


# -------------------------------------------------------------------------------------------------------------- scores


class Drawn(NamedTuple):
    """Documents to score, with what else is known of each block, and the documents that are counted."""

    texts: list[Text]
    letters: list[list[int]]
    names: list[list[int]]
    counted: list[Text]


@st.composite
def drawn_corpora(draw: st.DrawFn) -> Drawn:
    """Draw documents to score."""
    found = draw(drawn_texts())
    letters = [[draw(st.integers(0, 120)) for _ in text.blocks] for text in found]
    names = [[draw(st.integers(0, 2)) for _ in text.blocks] for text in found]
    return Drawn(found, letters, names, draw(drawn_texts()))


def scores_of(drawn: Drawn, docs: Sequence[int]) -> tuple[Scores, list[int]]:
    """Score some documents; return where each one's blocks begin, too."""
    own = languages_of([drawn.texts[doc] for doc in docs])
    weights = frequencies_of(drawn.counted).blended(own, included=False)
    which = np.array(docs, np.int64)
    part = part_of(drawn.texts, which)
    letters = np.array([one for doc in docs for one in drawn.letters[doc]], np.uint32)
    names = np.array([one for doc in docs for one in drawn.names[doc]], np.uint16)
    forms = np.where(part == SCORED, TEXT, np.where(part == OUT, BOILERPLATE, SHORT)).astype(np.uint8)
    found = score(which, spoken(drawn.texts, weights), part, letters, names, forms, fitted())
    return found, [0, *itertools.accumulate(len(drawn.texts[doc].blocks) for doc in docs)]


def expected_scores(drawn: Drawn, doc: int) -> Scored:
    """Score a document slowly."""
    blend = Blend(drawn.counted, included=False)
    facts = find_facts(drawn.texts[doc], blend.weight)
    return score_slowly(facts, drawn.letters[doc], drawn.names[doc], drawn.texts[doc].language)


def values_of(column: Iterable[float]) -> list[float | None]:
    """Return values, None where there is none."""
    return [None if math.isnan(value) else value for value in column]


ROUNDED = 0.11  # scores have one decimal


@given(drawn_corpora(), st.data())
def test_scores_equal_the_twin(drawn: Drawn, data: st.DataObject) -> None:
    docs = data.draw(st.lists(st.sampled_from(range(len(drawn.texts))), unique=True)) if drawn.texts else []
    found, bounds = scores_of(drawn, docs)
    for k, doc in enumerate(docs):
        expected, own = expected_scores(drawn, doc), slice(*bounds[k : k + 2])
        assert values_of(found.substance[own].tolist()) == pytest.approx(expected.blocks, abs=ROUNDED)
        assert values_of(found.articles[k : k + 1].tolist()) == pytest.approx([expected.article], abs=2 * ROUNDED)
        parts = drawn.texts[doc].part
        told = found.forms[own].tolist()
        for form, listed, part in zip(told, expected.lists, parts, strict=True):
            assert form == (LIST if listed else {OUT: BOILERPLATE, HEARD: SHORT, SCORED: TEXT}[part])
        unscored = np.isnan(found.substance[own])
        assert not found.reasons[own][unscored].any()
        means = dict(zip(FEATURES, found.means[k].tolist(), strict=True))
        assert means == pytest.approx(with_nan(expected.means), rel=1e-4, abs=1e-5, nan_ok=True)


@given(drawn_corpora(), st.data())
def test_scores_do_not_depend_on_what_else_is_scored(drawn: Drawn, data: st.DataObject) -> None:
    docs = data.draw(st.permutations(range(len(drawn.texts))))
    together, bounds = scores_of(drawn, docs)
    for k, doc in enumerate(docs):
        alone, _ = scores_of(drawn, [doc])
        own = slice(*bounds[k : k + 2])
        assert values_of(together.substance[own].tolist()) == pytest.approx(
            values_of(alone.substance.tolist()), abs=1e-3
        )
        assert values_of(together.articles[k : k + 1]) == pytest.approx(values_of(alone.articles), abs=1e-3)
        assert values_of(together.means[k]) == pytest.approx(values_of(alone.means[0]), abs=1e-5)
        assert together.forms[own].tolist() == alone.forms.tolist()


@given(drawn_corpora())
def test_scores_are_percentages(drawn: Drawn) -> None:
    found, bounds = scores_of(drawn, range(len(drawn.texts)))
    there = found.substance[~np.isnan(found.substance)]
    assert ((there > 0) & (there < 100)).all()
    for article, own in zip(found.articles.tolist(), itertools.starmap(slice, itertools.pairwise(bounds)), strict=True):
        blocks = [one for one in values_of(found.substance[own].tolist()) if one is not None]
        assert min(blocks) - 1e-3 <= article <= max(blocks) + 1e-3 if blocks else math.isnan(article)


def test_nothing_to_score() -> None:
    found, _ = scores_of(Drawn([], [], [], []), [])
    assert [len(column) for column in found] == [0] * 5
    empty = Text([], [], None, None)
    found, _ = scores_of(Drawn([empty, empty], [[], []], [[], []], [empty]), [0, 1])
    assert values_of(found.articles) == [None, None]


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.lists(st.none() | st.floats(-4, 4, width=32), min_size=3, max_size=3), st.floats(0.5, 90, width=32)
            ),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_means_equal_the_twin(documents: list[list[tuple[list[float | None], float]]]) -> None:
    rows = [row for document in documents for row in document]
    values = np.array([[math.nan if one is None else one for one in own] for own, _ in rows], np.float32)
    doc = np.repeat(np.arange(len(documents)), list(map(len, documents)))
    weights = np.array([weight for _, weight in rows], np.float32)
    found = mean_of(values.reshape(-1, 3), weights, doc, len(documents))
    assert found.shape == (len(documents), 3)
    assert found.dtype == np.float32
    for document, row in zip(documents, found, strict=True):
        expected = [mean_of_some([own[k] for own, _ in document], [weight for _, weight in document]) for k in range(3)]
        expected = [math.nan if one is None else one for one in expected]
        assert row.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5, nan_ok=True)


# --------------------------------------------------------------------------------------------------------------- forms

SYMBOLIC = st.sampled_from(
    [
        "the ferry ",
        "17 ",
        "3.5, ",
        "{};",
        "= ",
        "| ",
        "``",
        "```",
        "~~~",
        "东京都港区",
        "です。",
        "؟ من ",
        "# ",
        "a",
        "B. ",
    ]
)
PIECES = st.lists(st.one_of(st.just("the ferry "), SYMBOLIC), min_size=6, max_size=16).map("".join)
OPENINGS = st.sampled_from(["", "", "```", "~~~", "| ", "``", "~`~"])
OPENED = st.tuples(OPENINGS, PIECES).map("".join)
LINES = st.one_of(texts, OPENED, OPENED).map(lambda line: line.strip().replace("\n", " "))


@given(st.lists(st.tuples(st.lists(LINES, max_size=4), st.sampled_from(LANGUAGES)), max_size=4), st.data())
def test_forms_and_names_equal_the_twins(documents: list[tuple[list[str], str | None]], data: st.DataObject) -> None:
    lines = [line for block, _ in documents for line in block]
    data_of, bounds = utf8(["\n".join(block) for block, _ in documents])
    sizes = [len(line.encode()) for line in lines]
    starts = [sum(len(line.encode()) + 1 for line in block[:k]) for block, _ in documents for k in range(len(block))]
    kinds = data.draw(st.lists(st.sampled_from([0, 1, 1, 1, 2, 3]), min_size=len(lines), max_size=len(lines)))
    marks = data.draw(
        st.lists(
            st.sampled_from([0, 0, 0, int(LINE_END), int(TABULAR), int(LIST_OF_LINKS), int(TABULAR | LIST_OF_LINKS)]),
            min_size=len(lines), max_size=len(lines),
        )
    )  # fmt: skip
    blocks = Blocks(
        np.cumsum([0, *(len(block) for block, _ in documents)]), np.array(starts, np.int64),
        np.array(starts, np.int64) + np.array(sizes, np.int64), np.array(kinds, np.uint8),
    )  # fmt: skip
    lengths = np.diff(tokenize_blocks(data_of, bounds, blocks).bounds)
    counts = find_shapes(data_of, bounds, blocks).counts
    languages = np.array([number_of(language) for _, language in documents], np.int32)
    found = find_forms(data_of, bounds, blocks, lengths, languages, np.array(marks, np.uint32), counts)
    owners = [language for block, language in documents for _ in block]
    for k, line in enumerate(lines):
        named = [name for name, bit in (("tabular", TABULAR), ("list of links", LIST_OF_LINKS)) if marks[k] & int(bit)]
        expected = form_of(line, KINDS[kinds[k]], int(lengths[k]), owners[k], named)
        assert found[k] == NAMES_OF_FORMS[expected]
    assert count_names(counts).tolist() == list(map(count_names_slowly, lines))


def forms_in(text: str) -> list[int]:
    """Return what the blocks of a text are."""
    return [
        TEXT if one.substance is not None else FORMS.index(one.reasons[0]) for one in SubstanceScorer().explain(text)
    ]


PROSE = "The ferry left the harbour in the morning and came back with the mail of the island before it was dark."


@pytest.mark.parametrize(
    ("block", "form"),
    [
        (PROSE, TEXT),
        ("# " + PROSE, HEADING),
        ("The ferry left the harbour at noon.", SHORT),
        ("The ferry left the harbour at noon again.", TEXT),
        ("```\n" + PROSE + "\n```", CODE),
        ("for (int i = 0; i < n; i++) { sum[i] += a[i] * b[i]; } // the sum of the products {}", CODE),
        ("| the year | the ferry | the mail | the length of the ferry |", TABLE),
        ("the year 1931 1932 1933 1934 1935 1936 1937 1938", TABLE),
        ("1 2 3 4 5 6 7 8 9 10", TABLE),
        ("Home | News | Sport | Weather | Travel | Culture | Money | Opinion | Contact", LINKS),
        ("quincunx astrolabe theodolite sextant alidade dioptra planisphere orrery armillary", LIST),
    ],
)
def test_what_is_scored_and_what_is_not(block: str, form: int) -> None:
    assert forms_in(f"{PROSE}\n\n{block}\n\n{PROSE}\n")[1] == form


@pytest.mark.parametrize(
    ("block", "form"), [("港口城市的渡轮在早上离开", TEXT), ("港口城市的渡轮早上离开", SHORT), ("渡轮。", SHORT)]
)
def test_twelve_characters_of_chinese_are_scored(block: str, form: int) -> None:
    prose = "我们的渡轮在早上离开了港口，在天黑之前带着岛上的邮件回来了。"
    assert forms_in(f"{prose}\n\n{block}\n\n{prose}\n")[1] == form


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Die Fähre verließ am Morgen den Hafen und kam mit der Post der Insel zurück, bevor es dunkel war.",
        "Le ferry a quitté le port dans la matinée et il est revenu avec le courrier de l'île avant la nuit.",
        "El transbordador salió del puerto por la mañana y volvió con el correo de la isla antes de la noche.",
        "Паром вышел из порта утром и вернулся с почтой для всего острова, когда было ещё не темно.",
        "Το πλοίο έφυγε από το λιμάνι το πρωί και γύρισε με τα γράμματα του νησιού πριν από τη νύχτα.",
        "Prom wypłynął z portu rano i wrócił z pocztą dla całej wyspy, zanim na morzu zrobiło się ciemno.",
        "غادرت العبارة الميناء في الصباح وعادت مع البريد إلى الجزيرة قبل أن يحل الليل على البحر.",
        "渡轮在早上离开了港口，在天黑之前带着岛上的邮件回来了。",
        "渡し船は朝に港を出て、暗くなる前に島の郵便を持って帰ってきた。",
        "सुबह नाव बंदरगाह से निकली और अंधेरा होने से पहले द्वीप की डाक लेकर वापस आ गई थी।",
        "Färjan lämnade hamnen på morgonen och kom tillbaka med posten från ön innan det blev mörkt.",
    ],
)
def test_running_text_is_scored_in_any_language(text: str) -> None:
    (block,) = SubstanceScorer().explain(text)
    assert block.substance is not None
    assert 0 < block.substance < 100


LISTED = {"hedges", "amounts", "nouns", "emphasis", "address", "abstract", "phrases"}
SHAPES = {"names", "word_length"}


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (PROSE, set()),
        ("Το πλοίο έφυγε από το λιμάνι το πρωί και γύρισε με τα γράμματα του νησιού πριν από τη νύχτα.", LISTED),
        ("غادرت العبارة الميناء في الصباح وعادت مع البريد إلى الجزيرة قبل أن يحل الليل على البحر.", SHAPES),
        ("渡轮在早上离开了港口，在天黑之前带着岛上的邮件回来了。", SHAPES),
        ("渡し船は朝に港を出て、暗くなる前に島の郵便を持って帰ってきた。", SHAPES),
        ("सुबह नाव बंदरगाह से निकली और अंधेरा होने से पहले द्वीप की डाक लेकर वापस आ गई थी।", SHAPES | LISTED),
        ("Zzxq wvvk qqrt zzxq wvvk qqrt zzxq wvvk qqrt zzxq.", SHAPES | LISTED | {"new_rare", "common"}),
    ],
)
def test_features_without_a_value_are_no_numbers(text: str, without: set[str]) -> None:
    scorer = SubstanceScorer()
    names = scorer.get_feature_names_out().tolist()
    bare, numbered, both, neither = (
        dict(zip(names, values_of(row), strict=True))
        for row in scorer.transform([text, f"17 {text}", f"{text}\n\n17 {text}", "17"]).tolist()
    )
    assert {name for name, value in bare.items() if value is None} == without | {"bare_numbers"}
    assert {name for name, value in numbered.items() if value is None} == without
    assert {name for name, value in both.items() if value is None} == without
    assert both["bare_numbers"] == numbered["bare_numbers"]  # the mean of the one block that has numbers
    assert {name for name, value in neither.items() if value is None} == {"substance", *FEATURES}


def test_parts_that_blocks_take() -> None:
    forms = np.arange(len(FORMS), dtype=np.uint8)
    assert parts_of(forms).tolist() == [SCORED, *[HEARD] * 6, OUT]
    reasons = np.array(list(Reason), np.uint8)
    found = with_boilerplate(np.full(reasons.size, CODE, np.uint8), reasons).tolist()
    sure = [reason for reason in KINDS_OF_BOILERPLATE if reason != Reason.LIKELY_BOILERPLATE]
    assert all(found[reason] == BOILERPLATE for reason in sure)
    assert [found[reason] for reason in CONTENT] == [CODE, CODE]


# --------------------------------------------------------------------------------------------- what must not count


def articles(*languages: str) -> list[dict[str, Any]]:
    """Return articles of the corpus of these languages, or all."""
    lines = (CORPUS / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    found: list[dict[str, Any]] = list(map(json.loads, lines))
    return [one for one in found if not languages or one["lang"] in languages]


def columns(records: Sequence[dict[str, Any]], threads: int, batch_bytes: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Scan records; return what is said of each block's substance, and of each document's."""
    run = scan(
        list(records), Settings(score=True, threads=threads, batch_bytes=batch_bytes, source="source", allow=True)
    )
    blocks = run.verdicts.select(["doc", "block", "substance", "scored", "reasons"]).to_pylist()
    documents = run.documents.select(["doc", "substance", "scored", "language", "word_lists"]).to_pylist()
    return {(row.pop("doc"), row.pop("block")): row for row in blocks}, {row.pop("doc"): row for row in documents}


RECORDS = articles()[::2]


@pytest.fixture(scope="module")
def scanned() -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return the columns of a scan."""
    return columns(RECORDS, 2, 1 << 21)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_bytes", [1 << 16, 1 << 12])
def test_scores_do_not_depend_on_threads_and_batches(scanned: object, threads: int, batch_bytes: int) -> None:
    assert columns(RECORDS, threads, batch_bytes) == scanned


def test_scores_do_not_depend_on_the_order_of_documents(scanned: tuple[dict[Any, Any], dict[Any, Any]]) -> None:
    order = list(RECORDS)
    random.Random(5).shuffle(order)
    blocks, documents = columns(order, 2, 1 << 16)
    assert blocks.keys() == scanned[0].keys()
    for key, row in scanned[0].items():
        assert blocks[key]["substance"] == pytest.approx(row["substance"], abs=0.11)
        assert blocks[key]["scored"] == row["scored"] == (row["substance"] is not None)
    assert documents.keys() == scanned[1].keys()
    for key, row in scanned[1].items():
        assert documents[key] == row | {"substance": pytest.approx(row["substance"], abs=0.11)}


def test_a_minority_language_is_not_rare_by_itself() -> None:
    german = [one["text"] for one in articles("de")]
    english = SubstanceScorer().fit(one["text"] for one in articles("en"))
    for _ in range(8):
        english.merge(english)
    assert english.frequencies_.docs.sum() > 5000
    alone, among = SubstanceScorer().score_samples(german), english.score_samples(german)
    assert len(german) >= 5
    assert not np.isnan(alone).any()
    assert among.tolist() == alone.tolist()
    own = SubstanceScorer().fit(german * 50)
    expected = own.score_samples(german).tolist()
    assert expected != alone.tolist()
    assert english.merge(own).score_samples(german).tolist() == expected
    # and it is not as if nothing counted
    texts_of_many = [one["text"] for one in articles("en")]
    changes = english.score_samples(texts_of_many) - SubstanceScorer().score_samples(texts_of_many)
    assert np.nanmean(np.abs(changes)) > 0.1


def test_a_document_scanned_alone_is_scored_as_by_nothing_counted() -> None:
    # words that are rare in English, and would not be if the document counted itself
    text = "The coastal boats of the oldest inspector had cargo: sheep, bottles, carpet, soap and rubber wheels."
    run = scan([{"id": "a", "text": text}], Settings(score=True))
    scorer = SubstanceScorer()
    (expected,) = scorer.score_samples([text])
    assert run.documents["substance"].to_pylist() == pytest.approx([expected], abs=0.06)  # it has one decimal
    assert abs(scorer.fit([text]).score_samples([text])[0] - expected) > 0.1


def test_copies_of_a_document_count_once() -> None:
    records = [{"id": str(k), "text": text} for k, text in enumerate([PROSE, PROSE + " It was late."] + [PROSE] * 40)]
    several, few = (
        scan(some, Settings(score=True, allow=True)).documents["substance"] for some in (records, records[:2])
    )
    assert several.to_pylist()[:2] == few.to_pylist()


# ------------------------------------------------------------------------------------------------------------- hostile


def whole(text: str) -> tuple[list[float | None], float | None]:
    """Score a text: its blocks, and the whole of it."""
    scorer = SubstanceScorer().fit([text])
    (value,) = values_of(scorer.score_samples([text]))
    return [block.substance for block in scorer.explain(text)], value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\n \n",
        "\0",
        "\0\0\0 \0\n\n\0" * 9,
        "... --- ... !!! ??? ;;; ::: ,,, --- ... ... !!!",
        "\u0301\u0323 \u0301 " * 20,
        "17 2024 1931 3 1,000 " * 20,
        "３" * 20,
        "👍" * 30,
        "a",
        "东",
    ],
)
def test_texts_that_say_nothing_have_no_score(text: str) -> None:
    blocks, value = whole(text)
    assert blocks == [None] * len(blocks)
    assert value is None


def test_nul_bytes_are_what_blanks_are() -> None:
    blocks, value = whole(PROSE.replace(" ", " \0\0"))
    assert blocks == [None]  # so many of them are symbols, as in code
    blocks, value = whole(PROSE.replace("harbour", "harbour\0") + "\0")
    assert blocks[0] == pytest.approx(whole(PROSE)[0][0], abs=2)
    assert value is not None


def test_a_document_of_very_many_blocks() -> None:
    text = "\n\n".join(f"The ferry {k} left the harbour and came back with the mail." for k in range(100_000))
    blocks, value = whole(text)
    assert len(blocks) == 100_000
    assert None not in blocks
    assert value is not None
    assert 0 < value < 100


def test_a_block_of_very_many_words() -> None:
    words = PROSE.rstrip(".").split()
    blocks, value = whole(" ".join(words[k % len(words)] for k in range(300_000)))
    assert len(blocks) == 1
    assert blocks[0] == pytest.approx(value, abs=0.06)
    assert value is not None
    assert 0 < value < 100


def test_words_of_very_many_letters() -> None:
    blocks, value = whole("the of and " * 3 + " ".join("ab" * 60 + letter for letter in "abcdefghi"))
    assert blocks[0] is not None
    assert 0 < blocks[0] < (whole(PROSE)[1] or 0)
    assert value == pytest.approx(blocks[0], abs=0.06)
