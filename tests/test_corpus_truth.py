"""What a scan says about the hand-written articles, against their labels."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any, NamedTuple

import pytest
from endtoend import CORPUS, jaccard, rows, shingles

from dedup import Settings, scan
from dedup.schema import BOILERPLATE, Reason
from dedup.settings import DEFAULT_DROP
from dedup.sketch import tokenize_text

LEAST_TOKENS = Settings().min_tokens
# Labelled `other`, taken for a paragraph: an HTML comment, which no rule of the format mentions.
DISPUTED_KINDS = {("trendpulse-08", 19)}
# Labelled as differing in numbers only, where letters stand against a number: "5.58am", the Arabic "and 6".
GLUED_NUMBERS = {("harbourledger-07", 20), ("harbourledger-07", 21), ("alminaa-02", 10)}

Place = tuple[str, int]


class Truth(NamedTuple):
    """Labels and verdicts by document and block, and each block's tokens as shingles."""

    labels: dict[Place, dict[str, Any]]
    verdicts: dict[Place, dict[str, Any]]
    shingles: dict[Place, set[tuple[int, ...]]]
    tokens: dict[Place, int]

    def members(self) -> list[tuple[Place, Place, str]]:
        """Return the members of labelled clusters that are long enough, each with its base and its relation to it."""
        base = {label["cluster"]: place for place, label in self.labels.items() if label["relation"] == "base"}
        return [
            (place, base[label["cluster"]], label["relation"])
            for place, label in self.labels.items()
            if label["cluster"] and label["relation"] != "base"
            if min(self.tokens[place], self.tokens[base[label["cluster"]]]) >= LEAST_TOKENS
        ]

    def similarity(self, one: Place, other: Place) -> float:
        """Return the Jaccard similarity of two blocks."""
        return jaccard(self.shingles[one], self.shingles[other])

    def matched(self, one: Place, other: Place) -> bool:
        """Whether two blocks are in one cluster of the verdicts."""
        cluster = self.verdicts[one]["cluster"]
        return cluster is not None and cluster == self.verdicts[other]["cluster"]


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Scan the articles; documents that are copies and boilerplate stay, so that all blocks are compared."""
    whole = {"exact_duplicate_document", "near_duplicate_document"}
    boilerplate = {reason.name.lower() for reason in BOILERPLATE}
    run = scan(CORPUS / "articles.jsonl", Settings(drop=frozenset(DEFAULT_DROP - whole - boilerplate)))
    texts = {row["id"]: row["text"].encode() for row in rows(CORPUS / "articles.jsonl")}
    labels = {(row["doc"], row["block"]): row for row in rows(CORPUS / "labels.jsonl")}
    tokens = {
        place: tokenize_text(texts[place[0]][label["start"] : label["end"]].decode()).tolist()
        for place, label in labels.items()
    }
    verdicts = {(row["doc"], row["block"]): row for row in run.verdicts.to_pylist()}
    sets = {place: shingles(words) for place, words in tokens.items()}
    return Truth(labels, verdicts, sets, {place: len(words) for place, words in tokens.items()})


def test_blocks_are_those_labelled(truth: Truth) -> None:
    def spans(table: dict[Place, dict[str, Any]]) -> dict[Place, tuple[int, int]]:
        return {place: (row["start"], row["end"]) for place, row in table.items()}

    assert spans(truth.verdicts) == spans(truth.labels)


def test_kinds_are_those_labelled(truth: Truth) -> None:
    assert set(truth.verdicts) == set(truth.labels)
    wrong = {place for place, label in truth.labels.items() if truth.verdicts[place]["kind"] != label["kind"]}
    assert wrong <= DISPUTED_KINDS


def test_labelled_copies_are_found(truth: Truth) -> None:
    copies = [
        (place, base)
        for place, base, relation in truth.members()
        if relation in {"exact", "near"} and truth.similarity(place, base) >= Settings().threshold
    ]
    assert len(copies) > 100
    assert sum(truth.matched(*pair) for pair in copies) >= 0.95 * len(copies)
    exact = [(place, base) for place, base, relation in truth.members() if relation == "exact"]
    assert len(exact) > 50
    assert all(truth.matched(*pair) for pair in exact)


def test_nothing_else_is_matched(truth: Truth) -> None:
    clusters: dict[str, list[Place]] = defaultdict(list)
    for place, row in truth.verdicts.items():
        if row["cluster"] and truth.tokens[place] >= LEAST_TOKENS:
            clusters[row["cluster"]].append(place)
    pairs = [
        (one, other)
        for members in clusters.values()
        for one, other in itertools.combinations(members, 2)
        if truth.labels[one]["cluster"] is None or truth.labels[one]["cluster"] != truth.labels[other]["cluster"]
    ]
    chance = [(one, other) for one, other in pairs if truth.similarity(one, other) < Settings().threshold]
    assert chance == []


def test_short_blocks_are_matched_only_where_equal(truth: Truth) -> None:
    clusters: dict[str, list[Place]] = defaultdict(list)
    for place, row in truth.verdicts.items():
        if row["cluster"] and truth.tokens[place] < LEAST_TOKENS:
            clusters[row["cluster"]].append(place)
            assert row["action"] == "keep"
            assert row["reason"] is None or row["reason"].upper() in Reason.__members__
    assert clusters
    for members in clusters.values():
        assert all(truth.shingles[member] == truth.shingles[members[0]] for member in members)


def unseen_variants(truth: Truth) -> set[Place]:
    """Return the blocks labelled as differing in numbers only that no verdict says so of."""
    variants = [row for row in truth.verdicts.values() if row["reason"] == "number_variant"]
    assert all(row["action"] == "keep" for row in variants)
    # the first of a family to stand in the corpus, be it the labelled base or not, is what the others are variants of
    pointed_at = {(row["partner_doc"], row["partner_block"]) for row in variants}
    reasons = {"number_variant", "exact_duplicate", "near_duplicate", *(reason.name.lower() for reason in BOILERPLATE)}
    members = [place for place, _, relation in truth.members() if relation == "number"]
    assert len(members) > 30
    return {place for place in members if truth.verdicts[place]["reason"] not in reasons} - pointed_at


def test_number_variants_are_told_apart(truth: Truth) -> None:
    assert unseen_variants(truth) <= GLUED_NUMBERS


@pytest.mark.xfail(reason="a token of digits and letters counts as a word: masked_keys masks numbers only")
def test_numbers_glued_to_letters_are_numbers(truth: Truth) -> None:
    assert not unseen_variants(truth) & GLUED_NUMBERS


def test_rewritten_news_is_not_matched(truth: Truth) -> None:
    far = [(place, base) for place, base, relation in truth.members() if relation == "far"]
    assert len(far) > 10
    for place, base in far:
        assert not truth.matched(place, base)
        assert truth.verdicts[place]["reason"] is None


def test_similarities_are_exact(truth: Truth) -> None:
    judged = [(place, row) for place, row in truth.verdicts.items() if row["partner_block"] is not None]
    assert len(judged) > 200
    for place, row in judged:
        partner = (row["partner_doc"], row["partner_block"])
        assert row["similarity"] == truth.similarity(place, partner)
        if row["action"] == "drop":
            assert row["similarity"] >= Settings().threshold
            assert truth.verdicts[partner]["action"] == "keep"
