"""Scores of substance: every kind of input, shares added up by hand, and the estimator that takes texts one by one."""

from __future__ import annotations

import functools
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pyarrow as pa
import pytest
from endtoend import CORPUS, jsonl, rows
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import dedup
from dedup import InputError, Run, Settings, SubstanceScorer, scan, score, scoring
from dedup.reasons import FEATURES
from dedup.schema import BOILERPLATE, Reason

ARTICLES = rows(CORPUS / "articles.jsonl")
ENGLISH = [row["text"] for row in ARTICLES if row["lang"] == "en"]
FERRY = "The ferry Ostara sank off Lund in 1931 with 40 crates of tuning forks aboard, says the log."
WINTER = "In winter the boat stays in the yard, where Nils Holm caulks its 212 planks anew with tar from Riga."
TICKETS = "Tickets cost 12 crowns in the kiosk beside the customs house, which Inga Berg has kept since 1987."
EMPTY = "There are many things to consider, and it could be very important for you to consider all of them."
VAGUE = "It could perhaps be said that many different things are very important for everyone in many ways."
COLUMNS = {
    "doc": pa.string(), "substance": pa.float64(), "filler_share": pa.float64(), "scored": pa.bool_(),
    "language": pa.string(), "word_lists": pa.bool_(),
}  # fmt: skip
OF_BLOCKS = {
    "doc": pa.string(), "block": pa.int32(), "start": pa.int64(), "end": pa.int64(), "substance": pa.float64(),
    "scored": pa.bool_(), "reasons": pa.list_(pa.string()),
}  # fmt: skip
CLASSES = {reason.name.lower() for reason in BOILERPLATE if reason != Reason.LIKELY_BOILERPLATE}


def words_in(text: str, language: str | None) -> float:
    """Count the words of a block; a character of a script without spaces is less than one."""
    return len(naive.tokenize(text)) / (1.7 if language in {"zh", "ja"} else 1)


# ----------------------------------------------------------------------------------------------------- dedup.score


class Producer:
    """A table for those who ask through the Arrow interface only."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self._table.__arrow_c_stream__(schema)


def as_file(records: list[dict[str, Any]], folder: Path) -> Path:
    """Write records to a file."""
    (folder / "in.jsonl").write_bytes(jsonl(records))
    return folder / "in.jsonl"


def as_tree(records: list[dict[str, Any]], folder: Path) -> Path:
    """Write records to files of text."""
    (folder / "tree").mkdir()
    for record in records:
        (folder / "tree" / f"{record['id']}.txt").write_text(record["text"], encoding="utf-8", newline="")
    return folder / "tree"


INPUTS: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "strings": lambda records, _: [record["text"] for record in records],
    "iterator of strings": lambda records, _: iter([record["text"] for record in records]),
    "tuple of strings": lambda records, _: tuple(record["text"] for record in records),
    "iterator of dicts": lambda records, _: iter(records),
    "table": lambda records, _: pa.Table.from_pylist(records),
    "stream": lambda records, _: Producer(pa.Table.from_pylist(records)),
    "file": as_file,
    "files": lambda records, folder: [as_file(records, folder)],
    "tree": as_tree,
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("blocks", [False, True])
def test_every_kind_of_input_is_scored_alike(tmp_path: Path, kind: str, blocks: bool) -> None:
    records = [{"id": f"{k:03}", "text": text} for k, text in enumerate([*ENGLISH[:40], "Short.", "", FERRY])]
    expected = score(records, blocks=blocks)
    found = score(INPUTS[kind](records, tmp_path), blocks=blocks)
    assert found.schema.equals(pa.schema(OF_BLOCKS if blocks else COLUMNS))
    assert found.drop_columns("doc").equals(expected.drop_columns("doc"))
    names: list[str] = list(dict.fromkeys(found["doc"].to_pylist()))
    if "strings" in kind:
        assert names == [str(k) for k in range(len(records)) if not (blocks and k == len(records) - 2)]
    elif kind == "tree":
        assert [Path(name).stem for name in names] == list(dict.fromkeys(expected["doc"].to_pylist()))
    else:
        assert found["doc"].equals(expected["doc"])


def test_a_string_is_a_text_and_a_path_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_file([{"id": "a", "text": FERRY}], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert score("in.jsonl")["scored"].to_pylist() == [False]  # a name is no text of eight words
    assert score(path)["doc"].to_pylist() == ["a"]
    assert score([path, path], blocks=True)["doc"].to_pylist() == ["a", "a"]
    assert score(FERRY).to_pylist() == score([FERRY]).to_pylist()
    (one,) = score(FERRY).to_pylist()
    assert (one["doc"], one["language"], one["word_lists"], one["scored"]) == ("0", "en", True, True)
    assert one["substance"] > 70
    assert score(EMPTY)["substance"][0].as_py() < 50


def test_fields_have_the_names_of_the_settings() -> None:
    settings = Settings(text="body", id="key", source="site")
    found = score([{"key": "k", "body": FERRY, "site": "a.example"}], settings)
    assert found["doc"].to_pylist() == ["k"]
    assert score([FERRY], settings).equals(score([FERRY]))
    with pytest.raises(InputError, match="field 'body' is missing"):
        score([{"key": "k", "text": FERRY}, {"key": "l", "body": FERRY}], settings)


@pytest.mark.parametrize("settings", [{"survivor": "longest"}, {"survivor": "newest", "newest": "age"}])
def test_rows_come_in_the_order_of_the_input(settings: dict[str, Any]) -> None:
    records = [{"id": name, "text": text, "age": age} for name, text, age in
               (("c", FERRY, 1), ("a", f"{WINTER}\n\n{EMPTY}", 3), ("b", TICKETS, 2))]  # fmt: skip
    found = score(records, Settings(**settings))
    assert found["doc"].to_pylist() == ["c", "a", "b"]
    assert found.equals(score(records))
    by_block = score(records, Settings(**settings), blocks=True)
    assert list(zip(by_block["doc"].to_pylist(), by_block["block"].to_pylist(), strict=True)) == [
        ("c", 0), ("a", 0), ("a", 1), ("b", 0)
    ]  # fmt: skip
    assert score(records[::-1])["substance"].to_pylist() == found["substance"].to_pylist()[::-1]


def test_what_is_not_scored_is_null_and_says_why() -> None:
    found = score(ARTICLES, blocks=True).to_pylist()
    assert {row["scored"] for row in found} == {True, False}
    for row in found:
        assert row["scored"] == (row["substance"] is not None)
        assert all(told.startswith("not scored: ") != row["scored"] for told in row["reasons"])
        assert row["scored"] or len(row["reasons"]) == 1
        assert row["substance"] is None or 0 <= row["substance"] <= 100
    whole = score([FERRY, "Short.", "# Many things to consider in the course of a very long day", ""]).to_pylist()
    assert [row["scored"] for row in whole] == [True, False, False, False]
    assert [row["substance"] for row in whole[1:]] == [None] * 3
    assert whole[3] == {
        "doc": "3", "substance": None, "filler_share": 0.0, "scored": False, "language": None, "word_lists": False
    }  # fmt: skip


def test_languages_and_their_lists() -> None:
    found = score(ARTICLES).to_pylist()
    for row, article in zip(found, ARTICLES, strict=True):
        assert row["doc"] == article["id"]
        assert row["language"] == article["lang"]
        assert row["word_lists"] == (row["language"] in {"en", "de", "es", "fr", "ru", "ar", "zh", "ja"})
    (greek,) = score(["Το καράβι βυθίστηκε στο λιμάνι και δεν το είδε κανείς από την πόλη."]).to_pylist()
    assert (greek["language"], greek["word_lists"], greek["scored"]) == ("el", False, True)


def test_guard_rails_stop_nothing() -> None:
    found = score([{"text": FERRY, "source": "a"}] * 30, Settings(max_drop_share=0.1, max_cluster=1))
    assert found.num_rows == 30


@pytest.mark.parametrize("empty", [[], pa.table({"text": pa.array([], pa.string())})])
def test_no_article_is_a_table_without_rows(empty: Any) -> None:
    assert score(empty).schema.equals(pa.schema(COLUMNS))
    assert score(empty).num_rows == 0


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([FERRY, None], "text 1 is of type NoneType"),
        ([FERRY, {"text": FERRY}], "text 1 is of type dict"),
        (["\ud800"], "text 0 has half a surrogate pair at character 0"),
        ([{"text": None}], "is no string"),
    ],
)
def test_no_text_is_passed_over_unsaid(texts: list[Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        score(texts)
    if not isinstance(texts[0], dict):
        with pytest.raises(InputError, match=complaint):
            SubstanceScorer().score_samples(texts)


def test_no_article_is_a_table_of_blocks_without_rows() -> None:
    nothing: list[Any] = [[], ""]
    for empty in nothing:
        found = score(empty, blocks=True)
        assert found.schema.equals(pa.schema(OF_BLOCKS))
        assert found.num_rows == 0


# ----------------------------------------------------------------------------------------------------------- by hand


@functools.cache
def characters_of(text: str) -> int:
    """Count the characters of a block."""
    return naive.count_characters(text)["chars"]


def texts_of(run: Run, texts: Sequence[str]) -> list[list[tuple[str, dict[str, Any]]]]:
    """Return the blocks of each text, with the verdicts on them."""
    verdicts = iter(run.verdicts.to_pylist())
    found = []
    for text, document in zip(texts, run.documents.to_pylist(), strict=True):
        data = text.encode()
        own = [next(verdicts) for _ in range(document["blocks"])]
        found.append([(data[row["start"] : row["end"]].decode(), row) for row in own])
    return found


def check_shares(run: Run, texts: Sequence[str], filler: float) -> set[str]:
    """Add up the characters of filler, boilerplate and repeats; return what there was of these."""
    seen = set()
    for document, blocks in zip(run.documents.to_pylist(), texts_of(run, texts), strict=True):
        idle = total = 0
        for text, row in blocks:
            chars = characters_of(text)
            why = {
                "filler": row["scored"] and row["substance"] < filler,
                "boilerplate": row["reason"] in CLASSES,
                "repeat": document["action"] == "keep" and row["reason"] in {"exact_duplicate", "near_duplicate"},
                "copy": document["action"] == "drop",
            }
            seen |= {name for name, so in why.items() if so}
            seen |= {row["reason"]} if not any(why.values()) else set()
            total += chars
            idle += chars * any(why.values())
        assert document["filler_share"] == pytest.approx(idle / max(total, 1), abs=6e-4), document
        if document["action"] == "drop":
            assert document["filler_share"] == (1.0 if total else 0.0)
    return seen


@pytest.mark.parametrize("filler", [20.05, 50.05, 95.05])  # scores are told with one decimal
@pytest.mark.parametrize("drop", [set(), {"filler"}])
def test_the_share_of_filler_is_what_stands_in_filler_boilerplate_and_repeats(filler: float, drop: set[str]) -> None:
    near = FERRY.replace("Lund", "Lübeck")
    texts = [FERRY, f"{WINTER}\n\n{FERRY}", f"{near}\n\n{TICKETS}\n\n{EMPTY}", FERRY, f"{VAGUE}\n\n{WINTER}", ""]
    records = [*ARTICLES, *ARTICLES[:3], *({"id": f"made-{k}", "text": text} for k, text in enumerate(texts))]
    drop_too: Any = Settings().drop | drop
    run = scan(records, Settings(score=True, filler=filler, drop=drop_too, allow=True))
    seen = check_shares(run, [record["text"] for record in records], filler)
    assert seen >= {"filler", "boilerplate", "copy", "repeat"} - ({"repeat"} if drop and filler > 90 else set())
    assert seen >= {None, "likely_boilerplate"}  # the latter is a guess, and may be text


def test_what_is_told_to_have_the_least_substance_is_no_filler() -> None:
    values = score(ARTICLES, blocks=True)["substance"].to_pylist()
    often = [value for value in sorted(filter(None, values)) if values.count(value) > 3][:6]
    assert len(often) == 6
    for least in often:
        settings = Settings(filler=round(least, 1), drop=frozenset({"filler"}), allow=True)
        run = scan(ARTICLES, settings)
        assert "filler" not in {row["reason"] for row in run.verdicts.to_pylist() if row["substance"] == least}


PARTS = [FERRY, WINTER, TICKETS, EMPTY, VAGUE, "# A heading", "Short.", FERRY.replace("Lund", "Lübeck"), "\u00ad\u00ad",
    "| a | b |", "渡轮每天早上九点从旧港口出发，船票在船上出售。"]  # fmt: skip


@profile(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=5), max_size=6), st.sampled_from([0.0, 50.05, 99.95]))
def test_shares_of_made_articles(articles: list[list[str]], filler: float) -> None:
    texts = ["\n\n".join(parts) for parts in articles] or [FERRY]
    check_shares(
        scan([{"text": text} for text in texts], Settings(score=True, filler=filler, allow=True)), texts, filler
    )


def test_an_article_is_the_mean_of_its_blocks_by_words() -> None:
    run = scan(ARTICLES, Settings(score=True, allow=True))
    count = 0
    texts = [row["text"] for row in ARTICLES]
    for document, blocks in zip(run.documents.to_pylist(), texts_of(run, texts), strict=True):
        scored = [(words_in(text, document["language"]), row["substance"]) for text, row in blocks if row["scored"]]
        assert document["scored"] == bool(scored)
        if scored:
            mean = sum(words * value for words, value in scored) / sum(words for words, _ in scored)
            assert document["substance"] == pytest.approx(mean, abs=0.11)
            count += len(scored) > 1
    assert count > 100


# -------------------------------------------------------------------------------------------------- SubstanceScorer

SOME = [
    FERRY,
    f"{WINTER}\n\n{EMPTY}",
    "Short.",
    VAGUE,
    "",
    f"# The boats of Lund\n\n{TICKETS}\n\n{FERRY}",
    *ENGLISH[:6],
]


def same(a: Any, b: Any) -> bool:
    """Whether arrays are equal, to the last bit."""
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))


def counted(a: SubstanceScorer, b: SubstanceScorer) -> bool:
    """Whether two have counted the same terms in the same documents."""
    one, other = a.frequencies_, b.frequencies_
    if not same(one.docs, other.docs) or one.tables.keys() != other.tables.keys():
        return False
    return all(same(table, other.tables[language]) for language, table in one.tables.items())


@profile(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=len(SOME), max_size=len(SOME)), st.permutations(range(len(SOME))))
def test_neither_order_nor_shares_matter(shares: list[int], order: list[int]) -> None:
    whole, one_by_one, parts = SubstanceScorer().fit(SOME), SubstanceScorer(), [SubstanceScorer() for _ in range(4)]
    for k in order:
        one_by_one.partial_fit([SOME[k]])
        parts[shares[k]].partial_fit([SOME[k]])
    merged = SubstanceScorer()
    for part in parts:
        assert merged.merge(part) is merged
    for other in (one_by_one, merged):
        assert counted(whole, other)
        assert same(whole.transform(SOME), other.transform(SOME))
    assert whole.frequencies_.docs.sum() == len(SOME)


def test_texts_that_were_taken_count() -> None:
    alone, fitted = SubstanceScorer(), SubstanceScorer().fit(ENGLISH * 20)
    assert same(alone.score_samples(SOME), SubstanceScorer().fit([]).score_samples(SOME))
    assert not hasattr(alone, "frequencies_")
    assert not same(alone.score_samples(SOME), fitted.score_samples(SOME))
    # a word that every text has says nothing new any more
    told = [SubstanceScorer().partial_fit([FERRY] * n).transform([FERRY])[0, 2] for n in (0, 1000)]
    assert told[0] > 0.3 > told[1] == 0
    assert same(fitted.fit(ENGLISH[:1]).score_samples(SOME), SubstanceScorer().fit(ENGLISH[:1]).score_samples(SOME))


def test_columns_are_what_they_are_called() -> None:
    scorer = SubstanceScorer()
    names = scorer.get_feature_names_out().tolist()
    assert names == ["substance", "filler_share", *FEATURES]
    table = scorer.transform(SOME)
    assert table.shape == (len(SOME), len(names))
    assert table.dtype == scorer.score_samples(SOME).dtype == np.float64
    assert same(table[:, 0], scorer.score_samples(SOME))
    text = "There are many things that could be very important to you, and 7 of Lund."
    tokens = naive.tokenize(text)
    (row,) = scorer.transform([text]).tolist()
    found = dict(zip(names, row, strict=True))
    expected = {
        "filler_share": float(row[0] < 50), "new_number": 1.0, "names": 1.0, "hedges": 1 / 15, "amounts": 1 / 15,
        "nouns": 1 / 15, "emphasis": 2 / 15, "address": 1 / 15, "abstract": 0.0, "phrases": 1 / 15,
        "word_length": sum(map(len, tokens)) / len(tokens),
    }  # fmt: skip
    assert len(tokens) == 15
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_shares_of_filler_are_of_characters() -> None:
    for filler in (20.05, 50.05, 95.05):
        scorer = SubstanceScorer(Settings(filler=filler))
        for text, share in zip(SOME, scorer.transform(SOME)[:, 1], strict=True):
            blocks = [(len(block.text), block.substance) for block in scorer.explain(text)]
            idle = sum(size for size, value in blocks if value is not None and value < filler)
            assert share == pytest.approx(idle / max(1, sum(size for size, _ in blocks)))
    parts = [FERRY, WINTER, TICKETS, VAGUE]
    assert SubstanceScorer().transform(["\n\n".join(parts)])[0, 1] == pytest.approx(len(VAGUE) / len("".join(parts)))


def test_what_is_not_scored_is_no_number() -> None:
    scorer = SubstanceScorer()
    texts = ["Short.", "", "# Many things to consider in the course of a very long day", "| a | b | c |"]
    assert np.isnan(scorer.score_samples(texts)).all()
    table = scorer.transform([*texts, FERRY])
    assert np.isnan(table[:4, [0, *range(2, table.shape[1])]]).all()
    assert table[:4, 1].tolist() == [0.0] * 4
    assert not np.isnan(table[4]).any()
    without_number = dict(zip(scorer.get_feature_names_out(), scorer.transform([EMPTY])[0], strict=True))
    assert [name for name, value in without_number.items() if math.isnan(value)] in ([], ["bare_numbers"])


def test_little_and_nothing() -> None:
    scorer = SubstanceScorer()
    assert scorer.score_samples([]).shape == (0,)
    assert scorer.transform([]).shape == (0, 2 + len(FEATURES))
    assert scorer.explain("") == []
    assert scorer.partial_fit([]).frequencies_.docs.sum() == 0
    assert scorer.merge(SubstanceScorer()).frequencies_.docs.sum() == 0
    assert same(scorer.score_samples(FERRY), scorer.score_samples([FERRY]))  # a string is a text
    assert SubstanceScorer().fit(FERRY).frequencies_.docs.sum() == 1


@profile(max_examples=30)
@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=30), max_size=6).map("\n\n".join))
def test_explanations_stand_where_they_say(text: str) -> None:
    scorer = SubstanceScorer()
    blocks = scorer.explain(text)
    data = text.encode()
    assert [data[block.start : block.end].decode() for block in blocks] == [block.text for block in blocks]
    assert b"".join(data.split()) == b"".join(b"".join(block.text.encode().split()) for block in blocks) or any(
        char.isspace() for char in text if char not in " \t\n"
    )
    for block in blocks:
        assert block.substance is None or block.substance == round(block.substance, 1)
        assert all(told.startswith("not scored: ") == (block.substance is None) for told in block.reasons)
    scored = [(words_in(b.text, None), b.substance) for b in blocks if b.substance is not None]
    whole = float(scorer.score_samples([text])[0])
    assert math.isnan(whole) == (not scored)
    if len(scored) == 1:
        assert whole == pytest.approx(scored[0][1], abs=0.051)


def test_an_explanation_is_that_of_a_scan() -> None:
    text = f"# The boats of Lund\n\n{TICKETS}\n\n{EMPTY}\n\nShort."
    blocks = SubstanceScorer().explain(text)
    found = score([text], blocks=True).to_pylist()
    assert [(b.start, b.end, b.reasons) for b in blocks] == [(r["start"], r["end"], r["reasons"]) for r in found]
    for block, row in zip(blocks, found, strict=True):
        assert block.substance == (None if row["substance"] is None else pytest.approx(row["substance"], abs=0.2))


def in_batches(texts: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that texts have the same scores in any batch."""
    scorer = SubstanceScorer().fit(texts[::2])
    expected = scorer.transform(texts)
    assert same(expected, np.concatenate([scorer.transform([text]) for text in texts]))
    order = random.Random(3).sample(range(len(texts)), len(texts))
    assert same(expected[order], scorer.transform([texts[k] for k in order]))
    for size in (1, 3000, 10000):
        monkeypatch.setattr(scoring, "BATCH", size)
        assert same(expected, scorer.transform(texts))
        assert counted(scorer, SubstanceScorer().fit(texts[::2]))


def test_texts_of_a_language_have_the_same_scores_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    in_batches([*ENGLISH[:30], FERRY], monkeypatch)


def test_texts_have_the_same_scores_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    in_batches([row["text"] for row in ARTICLES[::3]], monkeypatch)


def test_batches_hold_all_texts_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BATCH", 10)
    texts = ["12345", "1234", "1", "", "12345678901234", "12", "1234567890", ""]
    found = list(scoring.batches(iter(texts)))
    assert [text for batch in found for text in batch] == texts
    assert all(len(batch) == 1 or sum(map(len, batch)) <= 10 for batch in found)
    assert found[0] == ["12345", "1234", "1", ""]


def test_the_interface_of_an_estimator() -> None:
    settings = Settings(filler=30)
    scorer = SubstanceScorer(settings=settings).fit(SOME, [0] * len(SOME))
    assert clone(scorer).get_params() == {"settings": settings}
    assert not hasattr(clone(scorer), "frequencies_")
    assert scorer.set_params(settings=None).settings is None
    assert scorer.fit(SOME) is scorer is scorer.partial_fit(SOME)
    assert scorer.frequencies_.docs.sum() == 2 * len(SOME)
    split = SubstanceScorer(Settings(split="lines")).explain(f"{FERRY}\n{WINTER}")
    assert [block.text for block in split] == [FERRY, WINTER]


def test_a_pipeline_takes_it() -> None:
    labels = {(row["doc"], row["block"]): row["substance"] for row in rows(CORPUS / "labels.jsonl")}
    by_doc: dict[str, list[str]] = {}
    for (doc, _), label in labels.items():
        by_doc.setdefault(doc, []).append(label)
    texts, filler = [], []
    for row in ARTICLES:
        told = by_doc[row["id"]]
        texts.append(row["text"])
        filler.append(int(told.count("filler") > told.count("substance")))
    assert 10 < sum(filler) < len(filler) - 10
    pipeline = make_pipeline(SubstanceScorer(), SimpleImputer(), LogisticRegression(max_iter=10_000))
    pipeline.fit(texts[::2], filler[::2])
    rest, expected = texts[1::2], filler[1::2]
    assert pipeline.score(rest, expected) > max(np.mean(expected), 1 - np.mean(expected))
    assert pipeline[:-1].get_feature_names_out().tolist() == ["substance", "filler_share", *FEATURES]
    assert clone(pipeline).fit(texts[::2], filler[::2]).predict(rest).tolist() == pipeline.predict(rest).tolist()


def test_it_fits_and_transforms_at_once() -> None:
    transform: Any = SubstanceScorer()
    assert same(transform.fit_transform(SOME), SubstanceScorer().fit(SOME).transform(SOME))


def test_it_is_public() -> None:
    assert {"score", "SubstanceScorer"} <= set(dedup.__all__)
    model = json.loads((Path(dedup.__file__).parent / "substance.json").read_text(encoding="utf-8"))
    assert set(model["block"]) == set(model["article"]) == set(FEATURES)
