"""Whatever is added, changed and removed: nothing goes in favour of what goes itself, or is not there."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_index import COPIES, PLAIN, sentence

from dedup import Settings
from dedup.index import Index, Report, state, writer
from dedup.index.judging import Judge

BLOCK_COPIES = {"exact_duplicate", "near_duplicate", "number_variant"}
COPIED = {f"{reason}{of}" for reason in BLOCK_COPIES for of in ("", "_document")} | {"contained_document"}
OPENINGS = ("The ferry", "A grey heron", "The harbour master", "One of the wardens", "An old barge", "The night train")
REST = (
    "left the outer harbour at nine in the morning with {} passengers, two goats and a crate of lemons on its deck, "
    "and nobody on the pier could tell {} where it went then."
)
LOOKS = ("us", "them", "anyone", "me", "my sister")  # nearly the same
COUNTS = ("7", "8", "19")  # the same but for a number


class Block(NamedTuple):
    """A paragraph out of a small pool."""

    opening: int
    look: int
    number: int

    def text(self) -> str:
        """Return it."""
        topic = " ".join(f"{OPENINGS[self.opening].split()[-1]}{k}" for k in range(12))
        return f"{OPENINGS[self.opening]} {topic} {REST.format(COUNTS[self.number], LOOKS[self.look])}"


PLAN = st.builds(
    Block, st.integers(0, len(OPENINGS) - 1), st.integers(0, len(LOOKS) - 1), st.integers(0, len(COUNTS) - 1)
)
PAGE = st.lists(PLAN, min_size=1, max_size=4)
IDS = st.sampled_from("abcde")
STEP: st.SearchStrategy[tuple[str, str, list[Block]]] = st.one_of(
    st.tuples(st.just("put"), IDS, PAGE), st.tuples(st.just("remove"), IDS, st.just([]))
)
ALL = frozenset({*COPIES, "number_variant", "number_variant_document", "contained_document"})


def text_of(blocks: Sequence[Block]) -> str:
    return "\n\n".join(block.text() for block in blocks)


def reports_on(index: Index, texts: Mapping[str, str]) -> dict[str, Report]:
    """Ask for every page that is there."""
    found = {name: index.query(text, id=name) for name, text in texts.items()}
    assert {one.status for one in found.values()} <= {"unchanged"}
    return found


def stands(report: Report, block: int) -> bool:
    """Whether a block of a page is kept, or goes for what it is and not in favour of another."""
    one = report.blocks[block]
    if report.action == "drop":
        return report.reason not in COPIED
    return one.action == "keep" or one.reason not in BLOCK_COPIES


def assert_nothing_is_lost(index: Index, texts: Mapping[str, str]) -> None:
    """What goes in favour of another has one that is there and stays."""
    seen = reports_on(index, texts)
    for name, report in seen.items():
        if report.action == "drop" and report.reason in COPIED:
            assert report.partner in seen
            assert report.partner != name
            other = seen[report.partner]
            assert other.action != "drop", (report, other)
            continue
        for number, block in enumerate(report.blocks):
            if block.action == "drop" and block.reason in BLOCK_COPIES:
                assert block.partner_doc in seen
                assert block.partner_block is not None
                assert (block.partner_doc, block.partner_block) != (name, number)
                other = seen[block.partner_doc]
                assert stands(other, block.partner_block), (report, other)
                if block.reason == "exact_duplicate":
                    theirs = other.blocks[block.partner_block]
                    mine = report.original[block.start : block.end]
                    assert other.original[theirs.start : theirs.end] == mine
    assert index.verify() == []


def play(index: Index, steps: Sequence[tuple[str, str, Sequence[Block]]]) -> None:
    """Take steps; look at everything after each."""
    texts: dict[str, str] = {}
    for what, name, blocks in steps:
        if what == "put":
            texts[name] = text_of(blocks)
            asked = index.query(texts[name], id=name)
            report = index.check(texts[name], id=name)
            assert dataclasses.replace(report, added=asked.added) == asked
            assert report.partner != name
            for number, block in enumerate(report.blocks):
                assert (block.partner_doc, block.partner_block) != (name, number)
                if block.partner_doc == name and block.partner_block is not None and block.reason in BLOCK_COPIES:
                    assert report.blocks[block.partner_block].action == "keep"
        else:
            assert index.remove(name) == (texts.pop(name, None) is not None)
        assert_nothing_is_lost(index, texts)
    for name in texts:
        index.remove(name)
    assert index.info()["pages"] == index.info()["contents"] == 0


A, B, C = (Block(0, look, 0) for look in range(3))
P, Q = Block(1, 0, 0), Block(2, 0, 0)
T = [Block(5, 0, number) for number in range(3)]


@pytest.mark.parametrize("drop", [COPIES, ALL])
@pytest.mark.parametrize(
    "steps",
    [
        # a page changes into the text of its own copy, or nearly, or back
        [("a", [A, P]), ("b", [B, P]), ("a", [B, P])],
        [("a", [A]), ("b", [B]), ("a", [B]), ("a", [A])],
        [("a", [A]), ("b", [A]), ("c", [A]), ("a", [B]), ("a", [A])],
        # a block changes into its own copy
        [("a", [A, P]), ("b", [B, Q]), ("a", [B, P])],
        [("a", [A, P]), ("b", [B, Q]), ("a", [C, P]), ("b", [C, Q])],
        # a changed page goes itself
        [("a", [A, P]), ("c", [A, Q]), ("a", [A, Q])],
        # blocks change places
        [("a", [A, P, Q]), ("b", [P, A, Block(3, 0, 0)]), ("a", [P, Q, A])],
        # the first of a family becomes a copy itself
        [("a", [T[0]]), ("a", [Q]), ("b", [T[1]]), ("a", [T[2]]), ("c", [T[0], T[1]])],
        # a page becomes a copy of its copy, which goes with it
        [("y", [P, Q]), ("p", [A, P]), ("z", [A, P, Q]), ("h", [A, P]), ("x", [B, P]), ("y", [B, P]), ("p", [])],
        # the first exact copy goes too, and what it had is left to others
        [("a", [A, P]), ("b", [A, P]), ("z", [P, Q]), ("a", [B]), ("w", [P, Block(3, 0, 0)])],
        # a page comes to stand within a later one
        [("a", [P, Q]), ("b", [A, P, Q, Block(3, 0, 0)]), ("a", [A, P, Q])],
    ],
)
def test_pages_that_change(drop: frozenset[Any], steps: list[tuple[str, list[Block]]]) -> None:
    with Index.open("memory:", dataclasses.replace(PLAIN, drop=drop)) as index:
        play(index, [("put" if blocks else "remove", name, blocks) for name, blocks in steps])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([COPIES, ALL, frozenset({"near_duplicate"})]), st.lists(STEP, max_size=12))
def test_nothing_is_lost_whatever_changes(drop: frozenset[Any], steps: list[tuple[str, str, list[Block]]]) -> None:
    with Index.open("memory:", Settings(drop=drop, allow=True)) as index:
        play(index, steps)


def test_copies_are_handed_on_without_deciding_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many stand for a page: what is done when it goes is no more than to write whom they stand for now."""
    asked: list[int] = []
    monkeypatch.setattr(writer, "MOST_PASSED_OVER", 4)
    decide = Judge.judge_again

    def counted(*args: Any, **options: Any) -> Any:
        asked.append(1)
        return decide(*args, **options)

    monkeypatch.setattr(Judge, "judge_again", counted)
    names = [f"p{k}" for k in range(200)]
    with Index.open("memory:", PLAIN, clock=itertools.count(1000).__next__) as index:
        for name in names:
            index.check(text_of([A, P]), id=name)
        near = [index.check(text_of([B, P]), id=f"{name} nearly").partner for name in names]
        assert set(near) == {"p0"}
        for k in range(20):
            assert index.remove(names[k])
            assert index.query(text_of([B, P]), id="p199 nearly").partner == names[k + 1]
            assert index.query(text_of([A, P]), id="p199").partner == names[k + 1]
        assert len(asked) == 20
        assert index.verify() == []
        assert index.expire(2000) == 380
        assert len(asked) == 20  # none of those that would go too
        assert index.info()["pages"] == 0


@pytest.mark.parametrize("harm", ["compact", "segments"])
def test_what_is_made_again_of_changed_pages_is_complete(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    monkeypatch.setattr(state, "FOLDED", 64)
    place, texts = tmp_path / "seen.db", {f"p{k}": sentence(random.Random(k), 12) for k in range(700)}
    with Index.open(place, PLAIN) as index:
        list(index.check_many({"id": name, "text": text} for name, text in texts.items()))
        texts["p0"] = sentence(random.Random(700), 12)
        index.check(texts["p0"], id="p0")
        if harm == "compact":
            index.compact()
        assert index.verify() == []
    if harm == "segments":
        for path in (tmp_path / "seen.db.bands").glob("*.segment"):
            path.unlink()
    with Index.open(place) as index:
        assert bool(index.verify(repair=True)) == (harm == "segments")
        assert index.verify() == []
        assert index.query("\n\n".join(texts.values())).blocks[-1].reason == "exact_duplicate"
        assert {index.query(text).reason for text in texts.values()} == {"exact_duplicate_document"}


@pytest.mark.parametrize("task", [Index.query, Index.add])
def test_what_an_interrupt_leaves_is_taken_in_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, task: Any
) -> None:
    monkeypatch.setattr(state, "FOLDED", 8)
    with Index.open(tmp_path / "seen.db", PLAIN) as one, Index.open(tmp_path / "seen.db") as two:
        for k in range(20):
            two.add(f"Page {k} of many, on {k * k} things.", id=f"p{k}")
        take = state.State._take
        with monkeypatch.context() as patch:
            patch.setattr(state.State, "_take", lambda *_: interrupt())
            with pytest.raises(KeyboardInterrupt):
                task(one, "Something else.", id="x")
        assert state.State._take is take
        for k in range(20):
            one.add(f"Page {k} of others, on {k} things.", id=f"q{k}")
        assert one.verify() == two.verify() == []
    with Index.open(tmp_path / "seen.db") as index:
        assert index.info()["pages"] == 40
        assert index.verify() == []


def interrupt() -> None:
    raise KeyboardInterrupt


def test_merged_indexes_know_the_furniture_of_their_sources() -> None:
    menu = "Home - Harbour news - Ferry times - About us"
    pages = [
        {"id": f"p{k}", "source": "site", "text": f"{menu}\n\n{text_of([Block(k % 6, k % 5, 0)])} {k}"}
        for k in range(24)
    ]
    chosen = dataclasses.replace(PLAIN, drop=COPIES)
    with Index.open("memory:", chosen) as one, Index.open("memory:", chosen) as two:
        list(one.check_many(pages))
        two.merge(one)
        asked = [index.query(f"{menu}\n\nA word.", id="x", source="site") for index in (one, two)]
        assert asked[0] == asked[1]
        assert not asked[0].low_evidence


def test_a_page_that_changes_often_leaves_room_for_others() -> None:
    rng = random.Random(3)
    words = sentence(rng, 60).split(" ")
    with Index.open("memory:", PLAIN) as index:
        for k in range(200):
            index.add(" ".join([*words, f"version{k}"]), id="home")
        index.add(sentence(rng, 60), id="home")
        assert index.add(" ".join([*words, "again"]), id="a").reason is None
        assert index.add(" ".join([*words, "and", "again"]), id="b").partner == "a"
        assert index.verify() == []


def test_who_says_too_little_stands_for_nobody() -> None:
    empty = "It could perhaps be said that many different things are very important for everyone in many ways."
    full = text_of([A])
    chosen = dataclasses.replace(PLAIN, min_substance=60, score=True)
    with Index.open("memory:", chosen) as index:
        assert index.add(full, id="a").action == "keep"
        assert index.add(full, id="b").partner == "a"
        assert index.add(empty, id="a").reason == "low_substance_document"
        assert index.query(full, id="b").action == "keep"
        assert index.verify() == []


def test_an_index_stays_where_it_is(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state, "FOLDED", 2)
    with Index.open("seen.db", PLAIN) as index:
        index.add(text_of([A]), id="a")
        monkeypatch.chdir("elsewhere")
        index.add(text_of([P, Q]), id="b")
        assert index.verify() == []
    assert not list((tmp_path / "elsewhere").iterdir())
