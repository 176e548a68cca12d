"""An index judges pages one by one as a scan does in their order, whatever was stored, removed or restarted."""

from __future__ import annotations

import dataclasses
import pathlib
import random
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import Settings, scan
from dedup.index import Index, Report
from dedup.index import state as index_state
from dedup.schema import BOILERPLATE
from dedup.settings import Removable

COPIES: frozenset[Removable] = frozenset(
    {"exact_duplicate", "near_duplicate", "exact_duplicate_document", "near_duplicate_document"}
)
PLAIN = Settings(drop=COPIES, allow=True)  # nothing that depends on pages to come
SHAPES = {reason.name.lower() for reason in BOILERPLATE} | {"near_removed_document", "contained_document"}
SHORE = "anchor barge cable dune ebb ferry gull harbour island jetty keel lagoon mast net oar pier quay rope sail tide"
WORDS = SHORE.split(" ")


def sentence(rng: random.Random, length: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length)).capitalize() + "."


def corpus(seed: int, pages: int, sites: int = 3) -> list[dict[str, str]]:
    """Pages that repeat paragraphs of each other, word for word or nearly, and now and then each other."""
    rng = random.Random(seed)
    pool = [sentence(rng, rng.randint(3, 40)) for _ in range(pages)]
    made: list[dict[str, str]] = []
    for k in range(pages):
        blocks = []
        for _ in range(rng.randint(1, 8)):
            words = rng.choice(pool).split() if rng.random() < 0.6 else sentence(rng, rng.randint(2, 40)).split()
            if rng.random() < 0.4:
                words[rng.randrange(len(words))] = rng.choice([*WORDS, str(rng.randrange(100))])
            blocks.append(" ".join(words))
        if made and rng.random() < 0.15:
            blocks = rng.choice(made)["text"].split("\n\n")
            if rng.random() < 0.5 and len(blocks) > 1:
                blocks.pop()
        made.append({"id": f"p{k}", "source": f"site{k % sites}", "text": "\n\n".join(blocks)})
    return made


def as_told(run: Any) -> list[tuple[Any, ...]]:
    """What a scan says of each page and block."""
    verdicts = iter(run.verdicts.to_pylist())
    told = []
    for doc in run.documents.to_pylist():
        blocks = [next(verdicts) for _ in range(doc["blocks"])]
        told.append((doc, blocks))
    return told


def copies_in(report: Report) -> tuple[Any, ...]:
    """What a report says of copies: of furniture an index knows more from page to page."""
    return report.id, report.reason, report.partner, report.similarity, [
        (block.reason, block.partner_doc, block.partner_block, block.similarity)
        for block in report.blocks
        if block.reason not in SHAPES
    ]  # fmt: skip


def assert_like_scan(reports: Sequence[Report], records: Sequence[dict[str, str]], chosen: Settings) -> None:
    """Reports are those of a scan, but for what only pages to come can tell."""
    run = scan(list(records), chosen)
    for report, (doc, blocks) in zip(reports, as_told(run), strict=True):
        assert report.id == doc["doc"]
        if doc["reason"] not in SHAPES and report.reason not in SHAPES:
            assert (report.reason, report.partner, report.similarity) == (
                doc["reason"], doc["partner_doc"], doc["similarity"],
            )  # fmt: skip
            assert (report.action == "drop") == (doc["action"] == "drop")
        assert len(report.blocks) == len(blocks)
        for mine, theirs in zip(report.blocks, blocks, strict=True):
            assert (mine.start, mine.end, mine.kind) == (theirs["start"], theirs["end"], theirs["kind"])
            if mine.reason not in SHAPES and theirs["reason"] not in SHAPES:
                assert (mine.reason, mine.partner_doc, mine.partner_block, mine.similarity, mine.action) == (
                    theirs["reason"], theirs["partner_doc"], theirs["partner_block"], theirs["similarity"],
                    theirs["action"],
                )  # fmt: skip
            if mine.cluster is not None:
                assert mine.cluster == theirs["cluster"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_pages_one_by_one_are_judged_as_a_scan_judges_them(seed: int, pages: int) -> None:
    records = corpus(seed, pages)
    with Index.open("memory:", PLAIN) as index:
        reports = [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]
    assert_like_scan(reports, records, PLAIN)


@pytest.mark.parametrize(
    "drop",
    [
        COPIES | {"number_variant", "number_variant_document"},
        COPIES | {"contained_document"},
        frozenset({"near_duplicate"}),
    ],
)
def test_whatever_is_to_go(drop: frozenset[Any]) -> None:
    for seed in range(2):
        records = corpus(seed, 60)
        chosen = dataclasses.replace(PLAIN, drop=drop)
        with Index.open("memory:", chosen) as index:
            reports = [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]
        assert_like_scan(reports, records, chosen)


def test_segments_say_what_recent_entries_say(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = corpus(5, 120)
    with Index.open("memory:", PLAIN) as index:
        wanted = [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]
    monkeypatch.setattr(index_state, "FOLDED", 16)
    with Index.open(tmp_path / "seen.db", PLAIN) as index:
        assert [index.check(one["text"], id=one["id"], source=one["source"]) for one in records] == wanted
        assert len(list((tmp_path / "seen.db.bands").iterdir())) > 1
        assert index.verify() == []


def test_an_index_that_is_opened_again_goes_on_where_it_was(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_state, "FOLDED", 64)
    records = corpus(6, 80)
    with Index.open("memory:", PLAIN) as index:
        wanted = [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]
    found: list[Report] = []
    for first in range(0, 80, 7):
        with Index.open(f"sqlite:///{tmp_path / 'seen.db'}", PLAIN if first == 0 else None) as index:
            found += index.check_many(records[first : first + 7])
    assert found == wanted


@pytest.mark.parametrize("score", [False, True])
def test_two_that_add_by_turns_see_each_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, score: bool
) -> None:
    monkeypatch.setattr(index_state, "FOLDED", 64)
    monkeypatch.setattr(index_state, "STALE", 0.0)  # weights of terms are those of the moment
    chosen = dataclasses.replace(PLAIN, score=score)
    records = corpus(7, 90 if not score else 40)
    with Index.open("memory:", chosen) as index:
        wanted = [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]
    with Index.open(tmp_path / "seen.db", chosen) as one, Index.open(tmp_path / "seen.db") as two:
        turns = [one, two, two, one, one, one, two]
        found = [
            turns[k % 7].check(record["text"], id=record["id"], source=record["source"])
            for k, record in enumerate(records)
        ]
        assert one.verify() == []
    assert found == wanted


def test_a_page_that_has_not_changed_is_judged_as_when_it_came() -> None:
    records = corpus(8, 60)
    with Index.open("memory:", PLAIN) as index:
        first = list(index.check_many(records))
        again = list(index.check_many(records))
        assert index.info()["pages"] == 60
    known = [{block.start for block in one.blocks if block.reason in SHAPES} for one in again]
    first = [
        dataclasses.replace(one, blocks=tuple(block for block in one.blocks if block.start not in furniture))
        for one, furniture in zip(first, known, strict=True)
    ]
    assert [copies_in(one) for one in again] == [copies_in(one) for one in first]
    assert {one.status for one in again} == {"unchanged"}


def test_a_query_adds_nothing() -> None:
    records = corpus(9, 40)
    with Index.open("memory:", PLAIN) as index:
        list(index.check_many(records[:20]))
        asked = [index.query(one["text"], id=one["id"], source=one["source"]) for one in records[20:]]
        again = [index.query(one["text"], id=one["id"], source=one["source"]) for one in records[20:]]
        assert index.info()["pages"] == 20
        added = index.check(records[20]["text"], id=records[20]["id"], source=records[20]["source"])
    assert asked == again
    assert not any(one.added for one in asked)
    assert dataclasses.replace(added, added=False) == asked[0]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32), st.data())
def test_nothing_speaks_of_pages_that_were_removed(seed: int, data: st.DataObject) -> None:
    records = corpus(seed, 30)
    gone = data.draw(st.sets(st.integers(0, 29), max_size=12))
    with Index.open("memory:", PLAIN) as index:
        list(index.check_many(records))
        for k in gone:
            assert index.remove(f"p{k}")
            assert not index.remove(f"p{k}")
        assert index.verify() == []
        left = [one for k, one in enumerate(records) if k not in gone]
        told = [index.check(one["text"], id=one["id"], source=one["source"]) for one in left]
        assert index.info()["pages"] == len(left)
        names = {one["id"] for one in left}
        for report in told:
            assert report.partner is None or report.partner in names
            assert all(block.partner_doc is None or block.partner_doc in names for block in report.blocks)
        for one in left:
            index.remove(one["id"])
        assert index.info()["pages"] == index.info()["contents"] == 0


def test_compaction_changes_nothing_but_the_size(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_state, "FOLDED", 64)
    records = corpus(12, 90)
    with Index.open(tmp_path / "seen.db", dataclasses.replace(PLAIN, score=True)) as index:
        list(index.check_many(records))
        for k in range(0, 90, 3):
            index.remove(f"p{k}")
        asked = [index.query(one["text"], source=one["source"]) for one in records]
        state = index._state
        assert isinstance(state, index_state.State)
        docs = state.frequencies.docs.sum()
        for _ in range(3):
            told = index.compact()
            assert told["after"] <= told["before"]
            assert index.verify() == []
            found = [index.query(one["text"], source=one["source"]) for one in records]
            assert [copies_in(one) for one in found] == [copies_in(one) for one in asked]
            assert state.frequencies.docs.sum() <= docs


def test_one_index_is_merged_into_another() -> None:
    records = corpus(13, 60)
    with Index.open("memory:", PLAIN) as one, Index.open("memory:", PLAIN) as two, Index.open("memory:", PLAIN) as both:
        list(one.check_many(records[:40]))
        list(two.check_many(records[30:]))
        wanted = list(both.check_many(records))
        assert one.merge(two) == 20
        assert one.verify() == []
        found = list(one.check_many(records))
        assert one.info()["pages"] == 60
    assert [(report.reason, report.partner) for report in found] == [
        (report.reason, report.partner) for report in wanted
    ]


def test_expiry_forgets_what_was_not_seen_again() -> None:
    now = [1000.0]
    records = corpus(14, 40)
    with Index.open("memory:", PLAIN, clock=lambda: now[0]) as index:
        list(index.check_many(records))
        now[0] = 2000.0
        list(index.check_many(records[:10]))  # seen again
        assert index.expire(2000) == 30
        assert index.expire(2000) == 0
        assert {one.status for one in index.check_many(records[:10])} == {"unchanged"}
        assert index.verify() == []


def test_a_changed_page_takes_the_place_of_the_old() -> None:
    text = "The ferry leaves the old harbour at nine in the morning, if there is no fog."
    with Index.open("memory:", PLAIN) as index:
        index.check(text, id="a")
        report = index.check(text.replace("nine", "ten"), id="a")
        assert (report.status, report.action) == ("changed", "keep")
        copy = index.check(text, id="b")
        assert copy.blocks[0].partner_doc == "a"
        assert index.info()["pages"] == 2
        assert index.check("Nothing like it was ever written about a kiln in the north.", id="a").status == "changed"
        again = index.check(text, id="b")
        assert (again.status, again.action) == ("unchanged", "keep")
        assert index.verify() == []


def test_a_page_that_says_too_little_goes_each_time() -> None:
    empty = "It could perhaps be said that many different things are very important for everyone in many ways."
    with Index.open("memory:", Settings(min_substance=60)) as index:
        for status in ("new", "unchanged"):
            report = index.check(empty, id="a")
            assert (report.status, report.action, report.reason) == (status, "drop", "low_substance_document")
            assert report.text == ""
        assert index.check(empty, id="b").reason == "low_substance_document"  # and no copy of it
        assert index.remove("a")
        assert index.verify() == []


def test_what_a_changed_page_still_has_is_no_copy_of_later_ones(tmp_path: pathlib.Path) -> None:
    kept, gone, new, *own = (sentence(random.Random(seed), 30) for seed in range(9))
    other = "\n\n".join([gone, kept, *own[:3]])
    with Index.open(tmp_path / "seen.db", PLAIN) as one, Index.open(tmp_path / "seen.db") as two:
        one.check(f"{kept}\n\n{gone}", id="a")
        assert [block.partner_doc for block in two.check(other, id="b").blocks[:3]] == ["a", "a", None]
        changed = one.check(f"{new}\n\n{kept}", id="a")
        assert (changed.status, changed.action) == ("changed", "keep")
        again = two.check(other, id="b")
        assert again.status == "unchanged"
        assert [block.partner_doc for block in again.blocks[:3]] == [None, "a", None]
        third = two.check("\n\n".join([new, gone, kept, *own[3:]]), id="c")  # others know what came with the change
        assert [block.partner_doc for block in third.blocks[:4]] == ["a", "b", "a", None]
        for index in (one, two):
            assert index.verify() == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1 << 32), st.data())
def test_any_changes_leave_a_sound_index(seed: int, data: st.DataObject) -> None:
    records = corpus(seed, 25)
    with Index.open("memory:", PLAIN) as index:
        list(index.check_many(records))
        for _ in range(8):
            k, other = (data.draw(st.integers(0, 24)) for _ in range(2))
            if data.draw(st.booleans()):
                text = records[other]["text"] if data.draw(st.booleans()) else records[k]["text"] + " More words."
                report = index.check(text, id=f"p{k}", source="site0")
                assert report.partner != f"p{k}"
                assert all(block.partner_doc != f"p{k}" or block.partner_block is not None for block in report.blocks)
            else:
                index.remove(f"p{k}")
            assert index.verify() == []
        for k in range(25):
            index.remove(f"p{k}")
        assert index.info()["pages"] == index.info()["contents"] == 0


def test_terms_of_no_known_language_are_kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_state, "FOLDED", 8)
    rng = random.Random(5)
    texts = [" ".join("".join(rng.choices("qxzjvk", k=6)) for _ in range(30)) for _ in range(40)]
    with Index.open(tmp_path / "seen.db", dataclasses.replace(PLAIN, score=True)) as index:
        list(index.check_many({"text": text, "id": str(k)} for k, text in enumerate(texts)))
        wanted = cast("index_state.State", index._state).frequencies.arrays()
    with Index.open(tmp_path / "seen.db") as index:
        found = cast("index_state.State", index._state).frequencies.arrays()
    assert found.keys() == wanted.keys() >= {"-1"}
    assert all((found[name] == wanted[name]).all() for name in wanted)
