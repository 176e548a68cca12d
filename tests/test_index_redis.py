"""An index in Redis judges as one in memory does, for several processes, through kills, and for datasketch."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pathlib
import random
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import datasketch
import index_crowd as processes
import pytest
import test_index
import test_index_changes as changes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inputs import write_records
from redis_server import Server
from test_index import COPIES, PLAIN, corpus
from test_index_processes import kill_workers

import dedup.index.redis as redis_store
from dedup import Settings
from dedup.errors import (
    Corrupt,
    Locked,
    MissingExtra,
    NotFound,
    SettingsError,
    SettingsMismatch,
    StoreError,
    VersionMismatch,
)
from dedup.index import Index, Report, lsh_options, minhash_of, state, wire

NASTY = [
    "*", "a b", "a\nb\r\n", "nul\0byte", "h?llo[ab]", "x" * 100_000, "{tag}", "dedup:meta", "'\"\\", "ü€😀", " ", ":",
    "%00", "$3\r\nGET\r\n", "-1", "1",
]  # fmt: skip


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("redis"))
    yield one
    one.stop()


@pytest.fixture
def careful(tmp_path: pathlib.Path) -> Iterator[Server]:
    """A server that has written down what it has acknowledged."""
    folder = tmp_path / "redis"
    folder.mkdir()
    one = Server(folder, "always")
    yield one
    one.stop()


def check_all(index: Index, records: list[dict[str, str]]) -> list[Report]:
    return [index.check(one["text"], id=one["id"], source=one["source"]) for one in records]


def in_memory(records: list[dict[str, str]], chosen: Settings = PLAIN) -> list[Report]:
    with Index.open("memory:", chosen) as index:
        return check_all(index, records)


@contextlib.contextmanager
def opened(options: dict[str, Any]) -> Iterator[datasketch.MinHashLSH]:
    """Open bands as somebody does who knows nothing of us, and close the connections."""
    lsh = datasketch.MinHashLSH(**options)
    try:
        yield lsh
    finally:
        for table in (*lsh.hashtables, lsh.keys):
            table._redis.close()
            table._redis.connection_pool.disconnect()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.integers(1, 60))
def test_pages_one_by_one_are_judged_as_a_scan_judges_them(server: Server, seed: int, pages: int) -> None:
    records = corpus(seed, pages)
    with Index.open(server.url(), PLAIN) as index:
        reports = check_all(index, records)
    test_index.assert_like_scan(reports, records, PLAIN)
    assert reports == in_memory(records)


@pytest.mark.parametrize(
    "drop",
    [
        COPIES | {"number_variant", "number_variant_document"},
        COPIES | {"contained_document"},
        frozenset({"near_duplicate"}),
    ],
)
def test_whatever_is_to_go(server: Server, drop: frozenset[Any]) -> None:
    records, chosen = corpus(3, 60), dataclasses.replace(PLAIN, drop=drop)
    with Index.open(server.url(), chosen) as index:
        reports = check_all(index, records)
        assert index.verify() == []
    test_index.assert_like_scan(reports, records, chosen)
    assert reports == in_memory(records, chosen)


def test_batches_and_two_by_turns_say_the_same_with_substance_and_furniture(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "STALE", 1.0)  # who weighs terms by what was known a while ago differs a little
    chosen = Settings(score=True)
    records = corpus(7, 120)
    for k, record in enumerate(records):
        text = f"Home About Contact\n\n{record['text']}\n\nCopyright 20{k % 100} The Harbour Gazette."
        record["text"] = f"{text} All rights reserved."
    wanted = in_memory(records, chosen)
    with Index.open(server.url(), chosen) as index:
        assert list(index.check_many(records)) == wanted
    place = server.url()
    with Index.open(place, chosen) as one, Index.open(place) as two:
        turns = [one, two, two, one, one, one, two]
        found = [
            turns[k % 7].check(record["text"], id=record["id"], source=record["source"])
            for k, record in enumerate(records)
        ]
        assert one.verify() == []
        assert one.info()["pages"] == 120
    assert found == wanted
    assert any(block.reason in test_index.SHAPES for report in found for block in report.blocks)


def test_a_full_bucket_takes_in_no_more(server: Server) -> None:
    chosen = dataclasses.replace(PLAIN, bucket_limit=2, drop=frozenset({"near_duplicate"}))
    base = test_index.sentence(random.Random(1), 30).split()
    records = []
    for k in range(24):
        words = list(base)
        words[k], words[(k * 7 + 3) % 30], words[(k * 11 + 5) % 30] = f"one{k}", f"two{k}", f"three{k}"
        records.append({"id": str(k), "source": "s", "text": " ".join(words)})
    with Index.open(server.url(), chosen) as index:
        assert list(index.check_many(records)) == in_memory(records, chosen)
        assert index.verify() == []


def test_a_query_adds_nothing_and_a_page_that_has_not_changed_neither(server: Server) -> None:
    records, place = corpus(9, 40), server.url()
    with Index.open(place, PLAIN) as index, Index.open("memory:", PLAIN) as other:
        for one in (index, other):
            list(one.check_many(records[:20]))
        keys = sorted(server.keys(place))
        for record in records:
            told = [one.query(record["text"], id=record["id"], source=record["source"]) for one in (index, other)]
            assert told[0] == told[1]
        assert [one.status for one in check_all(index, records[:20])] == ["unchanged"] * 20
        assert sorted(key for key in server.keys(place) if b":done:" not in key) == [
            key for key in keys if b":done:" not in key
        ]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.data())
def test_nothing_is_left_of_pages_that_were_removed(server: Server, seed: int, data: st.DataObject) -> None:
    records, place = corpus(seed, 30), server.url()
    gone = data.draw(st.sets(st.integers(0, 29), max_size=12))
    with Index.open(place, PLAIN) as index, Index.open("memory:", PLAIN) as other:
        for one in (index, other):
            list(one.check_many(records))
            for k in sorted(gone):
                assert one.remove(f"p{k}")
                assert not one.remove(f"p{k}")
        assert index.verify() == []
        assert processes.decisions(index) == processes.decisions(other)
        left = [record for k, record in enumerate(records) if k not in gone]
        names = {record["id"] for record in left}
        for report in check_all(index, left):
            assert report.partner is None or report.partner in names
            assert all(block.partner_doc is None or block.partner_doc in names for block in report.blocks)
        for record in left:
            index.remove(record["id"])
        assert index.info()["pages"] == index.info()["contents"] == 0
    name = place.rpartition("=")[2].encode()
    kinds = {key[len(name) + 1 :].partition(b":")[0] for key in server.keys(place)}
    assert kinds <= {b"meta", b"version", b"done", b"sources", b"learnt", b"languages", b"terms"}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([COPIES, changes.ALL]), st.lists(changes.STEP, max_size=10))
def test_nothing_is_lost_whatever_changes(
    server: Server, drop: frozenset[Any], steps: list[tuple[str, str, list[changes.Block]]]
) -> None:
    chosen = dataclasses.replace(PLAIN, drop=drop)
    with Index.open(server.url(), chosen) as index, Index.open("memory:", chosen) as other:
        changes.play(index, steps)
        for one in (index, other):
            for what, name, blocks in steps:
                if what == "put":
                    one.check(changes.text_of(blocks), id=name)
                else:
                    one.remove(name)
        assert processes.decisions(index) == processes.decisions(other)


def test_pages_change_age_move_and_are_compacted(server: Server) -> None:
    now = [1000.0]

    def clock() -> float:
        return now[0]

    records = corpus(11, 60)
    changed = [{**one, "text": one["text"] + "\n\nA new paragraph."} for one in records[:10]]
    with (
        Index.open(server.url(), PLAIN, clock=clock) as index,
        Index.open(server.url(), PLAIN) as copy,
        Index.open("memory:", PLAIN, clock=clock) as other,
        Index.open("memory:", PLAIN) as copy_of_other,
    ):
        for one in (index, other):
            now[0] = 1000.0
            list(one.check_many(records[:40]))
            now[0] = 2000.0
            list(one.check_many(records[40:]))
        assert list(index.check_many(changed)) == list(other.check_many(changed))
        assert index.expire(2000) == other.expire(2000) == 30
        assert processes.decisions(index) == processes.decisions(other)
        assert copy.merge(other) == copy_of_other.merge(index) == 30
        assert processes.decisions(copy) == processes.decisions(copy_of_other)
        for one in (index, copy):
            assert one.compact()["contents_deleted"] == 0
            assert one.verify() == []
        asked = [one.query(records[3]["text"], id="new", source="site0") for one in (index, other)]
        assert asked[0] == asked[1]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_in_whatever_order(server: Server, seed: int) -> None:
    rng, now, place = random.Random(seed), [1000.0], server.url()
    records = corpus(seed + 100, 50)

    def clock() -> float:
        return now[0]

    with (
        Index.open(place, PLAIN, clock=clock) as one,
        Index.open(place, clock=clock) as two,
        Index.open("memory:", PLAIN, clock=clock) as other,
    ):
        for _ in range(100):
            now[0] += 1
            index, record, text = rng.choice([one, two]), rng.choice(records), rng.choice(records)["text"]
            name, source, chance = record["id"], record["source"], rng.random()
            if chance < 0.7:
                text = text if chance < 0.2 else record["text"]
                assert index.check(text, id=name, source=source) == other.check(text, id=name, source=source)
            elif chance < 0.85:
                assert index.remove(name) == other.remove(name)
            elif chance < 0.88:
                assert index.expire(now[0] - 60) == other.expire(now[0] - 60)
            elif chance < 0.9:
                index.compact()
            else:
                some = rng.sample(records, 5)
                assert list(index.check_many(some)) == list(other.check_many(some))
        assert two.verify() == []
        assert processes.decisions(two) == processes.decisions(other)


def test_what_is_damaged_is_told_and_mended(server: Server) -> None:
    records, place = corpus(12, 40), server.url("mended")
    with Index.open(place, PLAIN) as index:
        list(index.check_many(records))
        wanted = processes.decisions(index)
        rows = list(server.ask("HKEYS", "mended:blocks_keys"))
        server.ask("DEL", f"mended:blocks_keys{rows[0].decode()}", "mended:pages:prints", "mended:blocks:families")
        server.ask("DEL", "mended:holders:1")
        assert any("is not found by all of its keys" in one for one in index.verify())
        assert index.verify(repair=True)
        assert index.verify() == []
        assert processes.decisions(index) == wanted
        page = index._store.page_called("p5")
        assert page is not None
        server.ask("HSET", "mended:contents", 1, b"rubbish")
        server.ask("HSET", "mended:records", page.page, b"\xc1")
        told = index.verify(repair=True)
        assert any("content 1 is damaged" in one for one in told)
        assert index.verify() == []
        assert list(index.check_many(records))
        assert index.verify() == []
        assert index.info()["pages"] == 40


def test_several_processes_one_of_them_killed(server: Server, tmp_path: pathlib.Path) -> None:
    records, place = corpus(1, 200), server.url()
    Index.open(place, PLAIN).close()
    shares = [write_records(tmp_path / f"{k}.jsonl", records[k * 60 : k * 60 + 80]) for k in range(3)]
    assert processes.run_crowd(place, shares, 20) == 0  # what was told to be there, is
    assert processes.serial(place, records, PLAIN) == (0, 0, 0, [])


def test_killed_again_and_again(server: Server, tmp_path: pathlib.Path) -> None:
    records, place = corpus(3, 90), server.url("killed")
    lines = write_records(tmp_path / "all.jsonl", records)
    Index.open(place, PLAIN).close()
    # so that the test need not wait for the lock of the killed
    kill_workers(place, lines, 4, lambda: server.ask("PEXPIRE", "killed:lock", 50))
    with Index.open(place) as index:
        list(index.check_many(records))
    assert processes.serial(place, records, PLAIN) == (0, 0, 0, [])


def test_what_was_acknowledged_is_there_after_the_server_was_killed(careful: Server) -> None:
    records, place = corpus(13, 90), careful.url()
    wanted = in_memory(records)
    with Index.open(place, PLAIN) as index:
        found = check_all(index, records[:30])
        careful.kill()
        careful.start()
        found += check_all(index, records[30:50])

        def restart() -> None:
            time.sleep(0.05)
            careful.kill()
            time.sleep(0.3)
            careful.start()

        for first in (50, 70):
            thread = threading.Thread(target=restart)
            thread.start()
            found += check_all(index, records[first : first + 20])
            thread.join()
        assert found == wanted
        assert index.verify() == []
        assert index.info()["pages"] == 90


def test_processes_go_on_where_the_server_is_killed_again_and_again(careful: Server, tmp_path: pathlib.Path) -> None:
    records, place, done = corpus(19, 160), careful.url(), threading.Event()
    Index.open(place, PLAIN).close()
    shares = [write_records(tmp_path / f"{k}.jsonl", records[k * 50 : k * 50 + 60]) for k in range(3)]

    def kill() -> None:
        while not done.wait(1.0):
            careful.kill()
            time.sleep(0.3)
            careful.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        assert processes.run_crowd(place, shares, 20) == 0
    finally:
        done.set()
        thread.join()
    assert processes.serial(place, records, PLAIN) == (0, 0, 0, [])


def test_a_server_that_is_gone_is_named(careful: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("PATIENCE", "MEETING"):
        monkeypatch.setattr(wire, patience, 0.2)
    careful.ask("ACL", "SETUSER", "me", "on", ">magic-word", "~*", "+@all")
    place = careful.url("gone", "me:magic-word@")
    with Index.open(place, PLAIN) as index:
        index.check("The ferry leaves the old harbour at nine.", id="a")
        careful.kill()
        for _ in range(2):
            with pytest.raises(
                StoreError, match=rf"127.0.0.1:{careful.port}.*\(gone\).*runs and can be reached"
            ) as told:
                index.check("The ferry leaves the new harbour at nine.", id="b")
            assert "magic" not in str(told.value)
        with pytest.raises(StoreError, match=rf"127.0.0.1:{careful.port}"):
            Index.open(place)
        careful.start()
        careful.ask("ACL", "SETUSER", "me", "on", ">magic-word", "~*", "+@all")
        assert index.check("The ferry leaves the old harbour at nine.", id="a").status == "unchanged"
        assert index.check("The ferry leaves the new harbour at nine.", id="b").status == "new"


def test_passwords_are_not_shown(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MEETING", 0.1)
    server.ask("ACL", "SETUSER", "you", "on", ">magic-word", "~*", "+@all")
    caplog.set_level(logging.DEBUG)
    messages = []
    for place in (
        server.url("hidden", "you:other-magic@"), server.url("a*b", "you:magic-word@"),
        server.url("hidden", "you:magic-word@").replace("/0?", "/999?"), "redis://you:magic-word@localhost:1/0",
        "redis://you:magic-word@/x/y", "rediss://you:magic-word@localhost:1/0", "redis://you:magic-word@localhost:x/0",
        "redis://you:magic/word@localhost/0", "redis://you:magic?word=@localhost/0", "redis://you:magic#word@localhost/0",
    ):  # fmt: skip
        with pytest.raises((StoreError, SettingsError)) as told:
            Index.open(place, PLAIN)
        messages.append(str(told.value))
    assert "password" in messages[0]
    with Index.open(server.url("hidden", "you:magic-word@"), PLAIN) as index:
        assert index.place == f"redis://127.0.0.1:{server.port}/0 (hidden)"
        messages.append(repr(index.info()))
    with pytest.raises(SettingsMismatch) as other:
        Index.open(server.url("hidden", "you:magic-word@"), Settings())
    messages += [str(other.value), caplog.text]
    assert not any("magic" in message for message in messages), messages


def test_an_answer_that_got_lost_writes_nothing_twice(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    records = corpus(14, 30)
    lost = [0]
    exchange = wire.Wire._exchange

    def losing(self: wire.Wire, commands: Any) -> list[Any]:
        answers = exchange(self, commands)
        lost[0] += 1
        if lost[0] % 5 == 0:
            raise ConnectionResetError("the line is dead")
        return answers

    with Index.open(server.url(), PLAIN) as index:
        monkeypatch.setattr(wire.Wire, "_exchange", losing)
        found = check_all(index, records)
        monkeypatch.undo()
        assert index.verify() == []
    assert found == in_memory(records)


def test_a_lock_that_expired_hurts_nobody(server: Server) -> None:
    records, place = corpus(15, 40), server.url("expired")
    with Index.open(place, PLAIN) as one, Index.open(place, PLAIN) as two:
        judge = one._judge.judge
        turn = iter(range(1000))

        def slow(*args: Any, **options: Any) -> Any:
            judged = judge(*args, **options)
            k = next(turn)
            if k % 4 == 0 and k < 40:  # another takes its place before this one has written
                server.ask("DEL", "expired:lock")
                record = records[20 + k // 4]
                two.check(record["text"], id=record["id"], source=record["source"])
            return judged

        one._judge.judge = slow  # type: ignore[method-assign]
        check_all(one, records[:20])
    told = {one["id"]: one for one in records}
    with Index.open(place) as index, Index.open("memory:", PLAIN) as serial:
        assert index.verify() == []
        found = processes.decisions(index)
        assert len(found[0]) >= 25
        for name, *_ in found[0]:
            serial.check(told[name]["text"], id=name, source=told[name]["source"])
        assert processes.decisions(serial) == found


def test_readers_that_are_overtaken_come_to_an_end(server: Server) -> None:
    records, place = corpus(16, 120), server.url()
    with Index.open(place, PLAIN) as one, Index.open(place, PLAIN) as two:
        list(one.check_many(records[:40]))
        writer = threading.Thread(target=check_all, args=(one, records[40:]))
        writer.start()
        asked = 0
        while writer.is_alive():
            two.query(records[asked % 40]["text"], id="q", source="site1")
            asked += 1
        writer.join()
        assert asked
        assert two.info()["pages"] == 120


def test_who_waits_too_long_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "PATIENCE", 0.1)
    with Index.open(server.url("locked"), PLAIN) as index:
        server.ask("SET", "locked:lock", "another")
        with pytest.raises(Locked, match=r"\(locked\): another process has been writing"):
            index.check("The ferry leaves.", id="a")
        index.query("The ferry leaves.", id="a")
        server.ask("DEL", "locked:lock")
        index.check("The ferry leaves.", id="a")


def test_nothing_that_a_page_is_called_is_a_key(server: Server) -> None:
    place = server.url("nasty")
    texts = [test_index.sentence(random.Random(k), 30) for k in range(len(NASTY))]
    with Index.open(place, PLAIN) as index, Index.open("memory:", PLAIN) as other:
        for one in (index, other):
            for again in range(2):
                told = [one.check(text, id=name, source=name) for name, text in zip(NASTY, texts, strict=True)]
                assert [report.id for report in told] == NASTY
                assert {report.status for report in told} == {"unchanged" if again else "new"}
        copies = [one.query(texts[k], id="", source=NASTY[k]) for one in (index, other) for k in range(len(NASTY))]
        assert [one.partner for one in copies] == NASTY * 2
        assert index.verify() == []
        assert index.info()["sources"] == len(NASTY)
        assert max(map(len, server.keys(place))) < 200
        for name in NASTY:
            assert index.remove(name)
        assert index.info()["pages"] == 0


def test_datasketch_finds_what_is_there_and_takes_it_out(server: Server) -> None:
    records, place = corpus(17, 60), server.url()
    with Index.open(place, PLAIN) as index:
        list(index.check_many(records))
        store = index._store
        contents = {one.row: one for one in store.contents_after(0) if one.keeper == one.row and len(one.tokens) >= 64}
        pages = {one.page: one for one in store.pages_after(0) if one.keeper is None}
        texts = {one["id"]: one["text"] for one in records}
        with opened(lsh_options(place, PLAIN)) as lsh, opened(lsh_options(place, PLAIN, "pages")) as whole:
            for row, content in contents.items():
                known = store.pages([content.page or 0])[content.page or 0]
                text = texts[known.id].split("\n\n")[content.position or 0]
                minhash = minhash_of(text, PLAIN)
                assert b"%d" % row in lsh
                assert b"%d" % row in lsh.query(minhash)
                own = datasketch.MinHash(
                    num_perm=len(minhash), seed=1, hashfunc=int, permutations=minhash.permutations, scheme="affine32"
                )
                assert own.permutations[0].tolist() == minhash.permutations[0].tolist()
            for number, known in pages.items():
                assert b"%d" % number in whole.query(minhash_of(texts[known.id], PLAIN, "pages"))
            assert set(map(int, lsh.keys.keys())) == set(contents)
            assert set(map(int, whole.keys.keys())) == set(pages)
            assert all(isinstance(key, bytes) for key in lsh.query(minhash_of("nothing of that kind", PLAIN)))
            # and back: what datasketch removes is found by bands no more
            row, content = next((row, one) for row, one in contents.items() if len(one.tokens) >= 8 * 25)
            known = store.pages([content.page or 0])[content.page or 0]
            text = texts[known.id].split("\n\n")[content.position or 0]
            nearly = " ".join([*text.split()[:-1], "zzz"])
            mixed = f"{nearly}\n\n{' '.join(f'word{k}' for k in range(80))}"
            assert index.query(mixed, id="new").blocks[0].partner_doc == known.id
            lsh.remove(b"%d" % row)
            assert b"%d" % row not in lsh.query(minhash_of(nearly, PLAIN))
            assert index.query(mixed, id="new").blocks[0].partner_doc != known.id
            assert any(f"content {row} is not found" in one for one in index.verify(repair=True))
            assert index.verify() == []
            assert index.query(mixed, id="new").blocks[0].partner_doc == known.id
            # what datasketch enters itself is none of ours, and harms nobody
            lsh.insert(b"foreign", minhash_of(text, PLAIN))
            lsh.insert(b"999999", minhash_of(text, PLAIN))
            assert index.query(mixed, id="new").blocks[0].partner_doc == known.id
            for one in records:
                index.remove(one["id"])
            assert set(lsh.keys.keys()) == {b"foreign", b"999999"}
            assert whole.is_empty()


def test_settings_versions_and_foreign_data_are_told_apart(server: Server) -> None:
    place = server.url("apart")
    with pytest.raises(NotFound, match=r"\(apart\): there is no index"):
        Index.open(place, create=False)
    Index.open(place, PLAIN).close()
    with pytest.raises(SettingsMismatch, match=r"threshold=0\.7"):
        Index.open(place, dataclasses.replace(PLAIN, threshold=0.6))
    with Index.open(place, create=False) as index, Index.open(server.url("apart2"), PLAIN) as other:
        assert index.settings == dataclasses.replace(PLAIN, allow=index.settings.allow)
        index.check("The ferry leaves the old harbour at nine in the morning.", id="a")
        assert other.info()["pages"] == 0
        assert other.check("The ferry leaves the old harbour at nine in the morning.", id="b").partner is None
    server.ask("HSET", "apart:meta", "format", b"\x63")
    with pytest.raises(VersionMismatch, match="format 99"):
        Index.open(place)
    server.ask("HSET", "foreign:meta", "colour", "red")
    server.ask("SET", "strange:meta", "red")
    server.ask("SET", "part:records", "red")
    for name in ("foreign", "strange", "part"):
        with pytest.raises(Corrupt, match="choose another name"):
            Index.open(server.url(name), PLAIN)
    for wrong in ("a:b", "a*", "a b", "", "x" * 65):
        with pytest.raises(SettingsError, match="NAME"):
            Index.open(f"redis://localhost/0?name={wrong}", PLAIN)
    with pytest.raises(SettingsError, match="redis://"):
        Index.open("redis://localhost/0?decode_responses=1", PLAIN)


def test_an_index_that_was_emptied_is_not_mistaken_for_a_new_one(server: Server) -> None:
    place = server.url("emptied")
    with Index.open(place, PLAIN) as index:
        index.check("The ferry leaves the old harbour.", id="a")
        for key in server.keys(place):
            server.ask("DEL", key)
        with pytest.raises(NotFound, match="is there no more"):
            index.check("The ferry leaves the old harbour.", id="b")
        with Index.open(place, PLAIN) as other:
            other.check("The ferry leaves the old harbour.", id="b")
            with pytest.raises(NotFound, match="is there no more"):
                index.query("The ferry leaves the old harbour.", id="c")


def test_a_server_without_memory_or_scripts(careful: Server, caplog: pytest.LogCaptureFixture) -> None:
    records = corpus(18, 30)
    careful.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with Index.open(careful.url(), PLAIN) as index:
        assert "noeviction" in caplog.text
        careful.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        found = check_all(index, records[:10])
        careful.ask("SCRIPT", "FLUSH")
        found += check_all(index, records[10:20])
        careful.ask("CONFIG", "SET", "maxmemory", "1000000")
        with pytest.raises(StoreError, match="raise its maxmemory"):
            index.check(records[20]["text"], id=records[20]["id"], source=records[20]["source"])
        careful.ask("CONFIG", "SET", "maxmemory", "0")
        careful.ask("DEL", index._store.key("lock"))  # type: ignore[union-attr]
        found += check_all(index, records[20:])
        assert index.verify() == []
    assert found == in_memory(records)


def test_a_closed_index_says_so(server: Server) -> None:
    index = Index.open(server.url(), PLAIN)
    index.close()
    index.close()
    with pytest.raises(StoreError, match="the index is closed"):
        index.query("The ferry leaves.")


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtra, match=r"corpus-dedup\[redis\]"):
        Index.open("redis://localhost/0", PLAIN)
