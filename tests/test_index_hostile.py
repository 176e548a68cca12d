"""Hostile pages, names and files: bounded work, no harm to other sources, and errors that say what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import random
import sqlite3
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_index import PLAIN, corpus

from dedup import Settings
from dedup.errors import (
    Corrupt,
    DedupError,
    InputError,
    NotFound,
    SettingsError,
    SettingsMismatch,
    StoreError,
    VersionMismatch,
)
from dedup.index import Index
from dedup.index import state as index_state
from dedup.index.sqlite import SQLiteStore

NAMES = [
    "'; DROP TABLE pages; --",
    '" OR 1=1', "../../etc/passwd", "a\nb", "\0", "%s%n", "?1", ":id", "x" * 100_000, "مرحبا",
    "\u202e\u2066", "https://example.org/?q=1&r='2'",
]  # fmt: skip
MENU = ["Home | Shop | About us", "Subscribe to our letter", "All rights reserved by nobody"]


def site_page(k: int, text: str) -> str:
    return "\n\n".join([MENU[0], f"# {text.split(maxsplit=1)[0]} {k}", text, *MENU[1:]])


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names_and_nothing_else(tmp_path: pathlib.Path, name: str) -> None:
    text = "The ferry leaves the old harbour at nine in the morning, if there is no fog."
    with Index.open(tmp_path / "seen.db", PLAIN) as index:
        first = index.check(text, id=name, source=name)
        assert (first.id, first.source, first.status) == (name, name, "new")
        assert index.check(text, id="other", source=None).partner == name
        assert index.check(text, id=name, source=name).status == "unchanged"
        assert index.info()["pages"] == 2
        assert index.remove(name)
        assert index.verify() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen.db", "seen.db.bands"]
    assert [path.name for path in (tmp_path / "seen.db.bands").iterdir()] == ["settings.json"]


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text())
def test_any_text_is_taken_or_refused_whole(text: str, name: str) -> None:
    with Index.open("memory:") as index:
        try:
            report = index.check(text, id=name)
        except InputError:
            assert index.info()["pages"] == 0
        else:
            assert index.info()["pages"] == 1
            assert report.text == text or report.action != "keep"


@pytest.mark.parametrize("bad", [None, 7, b"bytes", "half a pair \ud800"])
def test_what_is_no_text_is_refused(bad: object) -> None:
    with Index.open("memory:") as index:
        with pytest.raises(InputError, match=r"string is needed|surrogate"):
            index.check(bad, id="a")  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"string is needed|surrogate"):
            index.check("text", id=bad)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="empty"):
            index.check("text", id="")
        assert index.info()["pages"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "word " * 400_000,
        "x" * 2_000_000,
        "\0" * 100_000 + "a b c d e f g h i",
        "\u202e\u202d\u2066 abc def ghi jkl mno pqr stu vwx\u2069" * 3000,
        "\n".join(f"# Heading number {k}" for k in range(20_000)),
        "\n\n".join("The quick brown foxes jump over lazy dogs in the field again" for _ in range(10_000)),
    ],
    ids=["long line", "no blank", "null bytes", "bidirectional", "headings", "the same"],
)
def test_a_hostile_page_is_judged_and_forgotten(text: str) -> None:
    with Index.open("memory:") as index:
        index.check("A page that was there before, with a sentence of its own about the kiln.", id="before")
        index.check(text, id="hostile", source="evil.example")
        assert index.check(text, id="hostile", source="evil.example").status == "unchanged"
        assert index.remove("hostile")
        assert index.info()["pages"] == 1
        assert index.verify() == []


def test_a_source_learns_nothing_from_another() -> None:
    own = "The kiln was cold by noon, and nobody of the twelve who were there lit it again before the winter came."
    with Index.open("memory:") as clean, Index.open("memory:") as poisoned:
        for k in range(40):  # another source has the victim's text on each of its pages
            poisoned.check(site_page(k, own) + f"\n\n{own}", id=f"evil{k}", source="evil.example")
            poisoned.remove(f"evil{k}") if k % 2 else None
        for k, record in enumerate(corpus(4, 12)):
            for index in (clean, poisoned):
                index.check(site_page(k, record["text"]), id=record["id"], source="good.example")
        wanted, found = (index.query(site_page(99, own), source="good.example").blocks for index in (clean, poisoned))
    assert [block.boilerplate for block in found] == [block.boilerplate for block in wanted]
    kinds = {"site_template", "navigation"}
    assert [block.reason for block in found if block.reason in kinds] == [
        block.reason for block in wanted if block.reason in kinds
    ]


def test_furniture_is_found_when_enough_pages_were_seen() -> None:
    with Index.open("memory:") as index:
        reports = [
            index.check(site_page(k, record["text"].replace("\n\n", " ")), id=record["id"], source="good.example")
            for k, record in enumerate(corpus(11, 30))
        ]
    assert reports[0].low_evidence
    assert not reports[-1].low_evidence
    early, late = (
        {one.original[block.start : block.end].decode() for block in one.blocks if block.action == "drop"}
        for one in (reports[0], reports[-1])
    )
    assert set(MENU) <= late
    assert MENU[2] not in early


def test_other_settings_are_named(tmp_path: pathlib.Path) -> None:
    Index.open(tmp_path / "seen.db", Settings(threshold=0.7)).close()
    with pytest.raises(SettingsMismatch, match=r"threshold=0\.7 \(here: 0\.8\)"):
        Index.open(tmp_path / "seen.db", Settings(threshold=0.8))
    with Index.open(tmp_path / "seen.db") as index:
        assert index.settings.threshold == 0.7


def test_what_cannot_be_opened(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotFound, match="no index"):
        Index.open(tmp_path / "none.db", create=False)
    with pytest.raises(SettingsError, match="sqlite:///"):
        Index.open("mysql://user:secret@host/db")
    with pytest.raises(SettingsError, match="name of a file"):
        Index.open("sqlite:///")
    (tmp_path / "text.db").write_text("no database, but some text that is long enough to be taken for one\n" * 100)
    with pytest.raises(Corrupt, match="verify"):
        Index.open(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "foreign.db") as foreign:
        foreign.execute("CREATE TABLE accounts (name)")
    foreign.close()
    before = (tmp_path / "foreign.db").read_bytes()
    with pytest.raises(Corrupt, match="no index"):
        Index.open(tmp_path / "foreign.db")
    assert (tmp_path / "foreign.db").read_bytes() == before
    with pytest.raises(DedupError, match="directory"):
        Index.open(tmp_path / "missing" / "seen.db")
    Index.open(tmp_path / "old.db").close()
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.execute("UPDATE meta SET value = 0 WHERE name = 'format'")
    old.close()
    with pytest.raises(VersionMismatch, match="format 0"):
        Index.open(tmp_path / "old.db")


def test_the_password_of_a_url_is_not_told() -> None:
    with pytest.raises(SettingsError) as told:
        Index.open("postgres://user:secret@host/db")
    assert "secret" not in str(told.value)


def test_a_closed_index_says_so(tmp_path: pathlib.Path) -> None:
    for place in ("memory:", tmp_path / "seen.db"):
        index = Index.open(place)
        index.close()
        index.close()
        for call in (lambda: index.check("some words", id="a"), index.info, lambda: index.remove("a")):  # noqa: B023
            with pytest.raises(StoreError, match="closed"):
                call()


def fill(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    monkeypatch.setattr(index_state, "FOLDED", 64)
    records = corpus(21, 100)
    with Index.open(path, PLAIN) as index:
        list(index.check_many(records))
    return records


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_segments_that_are_damaged_are_made_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    path = tmp_path / "seen.db"
    records = fill(path, monkeypatch)
    segment = max((tmp_path / "seen.db.bands").iterdir(), key=lambda one: one.stat().st_size)
    data = bytearray(segment.read_bytes())
    if harm == "cut":
        segment.write_bytes(data[:-100])
    elif harm == "changed":
        data[len(data) // 2] ^= 255
        segment.write_bytes(data)
    else:
        segment.unlink()
    with Index.open(path) as index:
        if harm == "changed":
            assert any("segment" in problem for problem in index.verify())
            assert index.verify(repair=True)
        assert index.verify(repair=True) == [] if harm == "changed" else True
        assert {one.status for one in index.check_many(records)} == {"unchanged"}
        new = index.check(records[3]["text"], id="new", source="site0")
        assert new.reason == "exact_duplicate_document"


def test_contents_that_are_damaged_go_with_their_pages(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "seen.db"
    records = fill(path, monkeypatch)
    with sqlite3.connect(path) as db:
        row, tokens = db.execute("SELECT row, tokens FROM contents WHERE length(tokens) > 80 LIMIT 1").fetchone()
        db.execute("UPDATE contents SET tokens = ? WHERE row = ?", (bytes(8) + tokens[8:], row))
    db.close()
    with Index.open(path) as index:
        problems = index.verify()
        assert any("damaged" in problem for problem in problems)
        index.verify(repair=True)
        assert index.verify() == []
        left = index.info()["pages"]
        assert left < len(records)
        list(index.check_many(records))
        assert index.info()["pages"] == len(records)
        assert index.verify() == []


def damage(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes of a file, or a page of it, or cut it off."""
    harmed = bytearray(data)
    page = 4096 * rng.randrange(1, len(data) // 4096)
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.randint(1, 50)):
            harmed[rng.randrange(len(data))] ^= rng.randint(1, 255)
    elif kind == 1:
        harmed[page : page + 4096] = rng.randbytes(4096)
    elif kind == 2:
        harmed[page : page + 4096] = bytes(4096)
    else:
        del harmed[page:]
    return bytes(harmed)


def mended(path: pathlib.Path) -> str | None:
    """Repair an index; return why that cannot be done."""
    try:
        with Index.open(path) as index:
            index.verify(repair=True)
    except StoreError:
        try:
            Index.salvage(path)
        except Corrupt as error:
            return str(error)
    return None


@pytest.mark.parametrize("seed", range(10))
def test_any_damage_is_mended_or_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    path = tmp_path / "seen.db"
    records = fill(path, monkeypatch)
    path.write_bytes(damage(path.read_bytes(), random.Random(seed)))
    told = mended(path)
    if told is not None:
        assert "begin a new index" in told
        return
    with Index.open(path) as index:
        assert index.verify() == []
        list(index.check_many(records))
        assert index.info()["pages"] >= len(records)  # the id of a page may have been damaged
        assert index.verify() == []


@pytest.mark.parametrize("harm", [
    "DELETE FROM meta WHERE name IN ('format', 'settings')",
    "UPDATE meta SET value = substr(value, 9) WHERE name = 'settings'",
])  # fmt: skip
def test_settings_that_are_lost_stand_elsewhere(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    path = tmp_path / "seen.db"
    records = fill(path, monkeypatch)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(harm)
    with pytest.raises(Corrupt, match=r"verify .*--repair"):
        Index.open(path)
    Index.salvage(path)
    with Index.open(path, PLAIN) as index:
        assert {one.status for one in index.check_many(records)} == {"unchanged"}


def test_a_file_that_is_damaged_is_salvaged(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "seen.db"
    records = fill(path, monkeypatch)
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 8192, 64):
        data[place] ^= 255
    path.write_bytes(data)
    told = Index.salvage(path)
    assert told
    assert (tmp_path / "seen.db.damaged").exists()
    with Index.open(path) as index:
        assert index.verify() == []
        assert 0 < index.info()["pages"] <= len(records)
        list(index.check_many(records))
        assert index.info()["pages"] == len(records)


def harm(path: pathlib.Path, statement: str, *values: Any) -> None:
    """Do something to the tables of an index."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        assert db.execute(statement, values).rowcount


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE frequencies SET counts = x'00' WHERE counts IS NOT NULL", "frequencies of terms are damaged"),
        ("UPDATE frequencies SET counts = substr(counts, 1, 40)", "frequencies of terms are damaged"),
        ("UPDATE OR REPLACE frequencies SET language = 999", "frequencies of terms are damaged"),
        ("UPDATE learnt SET furniture = substr(furniture, 2)", "what was learnt of source 'site0' is damaged"),
        ("UPDATE sources SET due = 'x'", "what was learnt of source 'site1' is damaged"),
        ("UPDATE pages SET looks = substr(looks, 2) WHERE looks IS NOT NULL", "what others learn from page 'p0'"),
        ("DELETE FROM segments WHERE kind = 'blocks'", "content 1 is not found by its fingerprint"),
        ("DELETE FROM segments WHERE kind = 'pages'", "page 1 is not found by its fingerprint"),
    ],
)
def test_what_was_made_of_pages_is_made_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, statement: str, told: str
) -> None:
    monkeypatch.setattr(index_state, "FOLDED", 64)
    path = tmp_path / "seen.db"
    records = corpus(22, 90)
    with Index.open(path, dataclasses.replace(PLAIN, score=True)) as index:
        list(index.check_many(records))
    harm(path, statement)
    with Index.open(path) as index:
        assert any(told in problem for problem in index.verify())
        index.verify(repair=True)
        assert index.verify() == []
    with Index.open(path) as index:
        assert index.verify() == []
        assert {one.status for one in index.check_many(records)} == {"unchanged"}
        for record in records:
            assert index.query(record["text"], id="new", source=record["source"]).action == "drop"


def test_a_head_that_cannot_be_read_is_told_and_mended(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "seen.db"
    with Index.open(path, PLAIN) as index:
        index.add("A page of some words.", id="a")
    with contextlib.closing(sqlite3.connect(path)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'meta'").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[4096 * (root - 1) : 4096 * root] = bytes(4096)
    path.write_bytes(data)
    for create in (False, True):
        with pytest.raises(Corrupt, match=r"verify .*--repair"):
            Index.open(path, create=create)
    Index.salvage(path)
    with Index.open(path, PLAIN) as index:
        assert index.add("A page of some words.", id="a").status == "unchanged"


def test_expiry_of_a_damaged_index_ends(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "seen.db"
    with Index.open(path, PLAIN) as index, Index.open(path) as other:
        index.add("A page of some words.", id="a")
        other.add("A page of other words.", id="b")
        store = cast("SQLiteStore", index._store)
        found = store.seen_before
        store.seen_before = lambda *asked: [*found(*asked), 99]  # type: ignore[method-assign] # its index is damaged
        with pytest.raises(Corrupt, match="verify --repair"):
            index.expire(4e9)
        assert other.info()["pages"] == 0


def test_an_index_that_was_replaced_takes_no_pages(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "seen.db"
    with Index.open(path, PLAIN) as index:
        index.add("A page of some words.", id="a")
        Index.salvage(path)
        for task in (index.add, index.query):
            with pytest.raises(NotFound, match="is there no more: open it again"):
                task("Another page of some words.", id="b")
    Index.salvage(path)
    assert {one.name for one in tmp_path.iterdir()} >= {"seen.db.damaged", "seen.db.damaged.2"}
    with Index.open(path) as index:
        assert index.check("A page of some words.", id="a").status == "unchanged"


def test_an_empty_file_is_no_index(tmp_path: pathlib.Path) -> None:
    (tmp_path / "seen.db").touch()
    with pytest.raises(NotFound, match="there is no index"):
        Index.open(tmp_path / "seen.db", create=False)
    Index.open(tmp_path / "seen.db", PLAIN).close()
    Index.open(tmp_path / "seen.db", create=False).close()
