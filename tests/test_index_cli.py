"""The commands ``dedup index ...``: pages through pipes, what stays after kills, ids that mean harm, exit codes."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import CORPUS, FERRY, command, dedup, generate, jsonl, rows

from dedup.cli import cli
from dedup.index import Index
from dedup.index.opening import OF_AN_INDEX
from dedup.options import OF_DROP, OF_NEW_INDEX, Duration

OTHER = "Nine wardens counted the herons on the salt marsh before the first frost of the year came."
COMMANDS = ("add", "query", "remove", "expire", "info", "verify", "compact", "merge", "build")
NASTY = [
    'it\'s "quoted"',
    "'; DROP TABLE pages; --",
    "two\nlines\r\n\tand a tab",
    "null \0 byte",
    "\x1b[31mred\x1b[0m",
    "x" * 100_000,
    " ",
    "%s %d {0} \\ \\n",
    "日本語 \U0001f9ea \u202e\u2028",
    "https://a.example/?q=1&r=%00#'\"<>",
    "-",
    "--help",
]


def page(name: Any, text: str = FERRY, **fields: Any) -> dict[str, Any]:
    return {"id": name, "text": text, **fields}


def told(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.split(b"\n") if line]


@contextlib.contextmanager
def piped(
    *arguments: str | os.PathLike[str], seconds: float = 120, start: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Start dedup, in another way if one is given, between pipes; who waits longer than so long finds it killed."""
    line = [*start, *(os.fspath(one) for one in arguments)] if start else command(*arguments)
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def feed(process: subprocess.Popen[bytes], record: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(jsonl([record]))
    process.stdin.flush()


def answer(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def statuses(place: Path, records: Sequence[dict[str, Any]]) -> list[str]:
    return [one["status"] for one in told(dedup("index", "query", place, "--json", stdin=jsonl(records)).stdout)]


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    group = cli.commands["index"]
    assert isinstance(group, click.Group)
    assert set(group.commands) == set(COMMANDS)
    assert group.commands[name].help
    assert name.encode() in dedup("index", "--help").stdout
    assert f"Usage: dedup index {name}".encode() in dedup("index", name, "--help").stdout


def test_options_of_a_new_index_are_all_that_it_depends_on() -> None:
    assert {*OF_NEW_INDEX, "score"} - set(OF_DROP) == set(OF_AN_INDEX) - {"drop"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("90 m", 5_400), ("1.5S", 1.5), ("2w", 1_209_600)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "30", "1e9s", "1 y", "1d2", "٣d", "9" * 400 + "d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write it like 90m, 12h, 30d or 2w"):
        Duration().convert(text, None, None)


def test_a_page_is_told_of_before_the_next_has_come(tmp_path: Path) -> None:
    with piped("index", "add", tmp_path / "seen.db", "--json") as process:
        for k, text in enumerate([FERRY, FERRY, OTHER]):
            feed(process, page(f"p{k}", text, source="a.example"))
            report = json.loads(answer(process))
            assert (report["id"], report["source"], report["status"]) == (f"p{k}", "a.example", "new")
            assert report["partner"] == ("p0" if k == 1 else None)
            assert report["blocks"][0]["start"] == 0
        assert process.stdin is not None
        process.stdin.write(b'{"id": "torn", "te')
        process.stdin.flush()
        process.stdin.write(b'xt": "No line end."}')
        process.stdin.close()
        assert json.loads(answer(process))["id"] == "torn"
        assert answer(process) == b""
        assert process.wait() == 0


@pytest.mark.parametrize("options", [(), ("--format", "jsonl")])
def test_every_way_to_tell_flows(tmp_path: Path, options: tuple[str, ...]) -> None:
    for way, expected in (((), b"keep\tnew\t-\t-\t-\ta\n"), (("--kept",), jsonl([page("b", OTHER)]))):
        name, text = ("b", OTHER) if way else ("a", FERRY)
        with piped("index", "add", tmp_path / "seen.db", *way, *options) as process:
            feed(process, page(name, text))
            assert answer(process) == expected


def test_reports_are_those_of_the_library(tmp_path: Path) -> None:
    path = CORPUS / "articles.jsonl"
    printed = dedup("index", "add", tmp_path / "seen.db", path, "--json")
    short = dedup("index", "add", f"sqlite:///{tmp_path}/two.db", "-", "--json", "--no-blocks", stdin=path.read_bytes())
    with Index.open("memory:") as index:
        reports = [index.check(row["text"], id=row["id"], source=row["source"]).as_dict() for row in rows(path)]
    expected = json.loads(json.dumps(reports))
    assert told(printed.stdout) == expected
    for report in expected:
        del report["blocks"]
    assert told(short.stdout) == expected
    actions = [report["action"] for report in expected]
    counts = ", ".join(f"{actions.count(one)} {one}" for one in ("keep", "clean", "drop"))
    message = f"dedup: {len(actions)} pages; {counts}; {len(actions)} new, 0 changed, 0 unchanged\n"
    assert printed.stderr.decode() == short.stderr.decode() == message


def test_a_line_a_page_for_people(tmp_path: Path) -> None:
    records = [page("a"), page("b\x1b[2J\n"), page("c", OTHER)]
    done = dedup("index", "add", tmp_path / "seen.db", stdin=jsonl(records))
    assert done.stdout.decode().split("\n") == [
        "keep\tnew\t-\t-\t-\ta",
        "drop\tnew\texact_duplicate_document\t1.000\ta\tb\\x1b[2J\\n",
        "keep\tnew\t-\t-\t-\tc",
        "",
    ]
    assert done.stderr == b"dedup: 3 pages; 2 keep, 0 clean, 1 drop; 3 new, 0 changed, 0 unchanged\n"


def test_query_adds_nothing(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=jsonl([page("a")]))
    for _ in range(2):
        report = told(dedup("index", "query", place, "--json", stdin=jsonl([page("b"), {"text": OTHER}])).stdout)
        assert [(one["partner"], one["added"], one["status"]) for one in report] == [
            ("a", False, "new"),
            (None, False, "new"),
        ]
    assert statuses(place, [page("a"), page("a", OTHER), page("b")]) == ["unchanged", "changed", "new"]
    assert json.loads(dedup("index", "info", place, "--json").stdout)["pages"] == 1


def test_records_that_cannot_be_used_are_told_with_their_place(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    data = b"".join(
        [
            b"\xef\xbb\xbf" + jsonl([page("first")]),
            b"{\n",
            b"\n",
            b'{"id": "no text"}\n',
            b'{"id": "null", "text": null}\n',
            b'{"id": [], "text": "id"}\n',
            b'{"id": "\\ud800", "text": "half"}\n',
            b'{"id": "bytes", "text": "\xff"}\n',
            b'{"text": "nameless"}\n',
            b"[1, 2]\n",
            b'{"id": 7, "text": "' + OTHER.encode() + b'", "source": null, "n": NaN}\r\n',
        ]
    )
    done = dedup("index", "add", place, "--json", "--no-blocks", stdin=data)
    assert [one["id"] for one in told(done.stdout)] == ["first", "7"]
    lines = done.stderr.decode().splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [f"<stdin>:{k}" for k in (2, 4, 5, 6, 7, 8, 9, 10)]
    assert "has no 'id', by which an index knows pages: name the field with --id" in lines[-3]
    assert lines[-1].endswith("2 new, 0 changed, 0 unchanged; 8 records could not be used")
    stopped = dedup("index", "add", place, "--strict", "--json", stdin=data, code=1)
    assert stopped.stderr.startswith(b"dedup: <stdin>:2: ")
    assert statuses(place, [page("7", OTHER)]) == ["unchanged"]


def test_a_first_record_without_the_field_stops_nothing_but_all_do(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    with piped("index", "add", place) as process:
        feed(process, {"id": "a", "body": FERRY})
        assert process.stderr is not None
        while not (line := process.stderr.readline()).startswith(b"dedup: <stdin>"):
            assert line.startswith(b"dedup: compiling")
        assert line == b"dedup: <stdin>:1: field 'text' is missing (fields there: id, body)\n"
        feed(process, page("b"))
        assert answer(process).endswith(b"\tb\n")
    failed = dedup("index", "add", place, stdin=jsonl([{"id": "a", "body": FERRY}] * 2), code=1)
    assert b"field 'text' is missing" in failed.stderr.splitlines()[-1]
    renamed = dedup("index", "add", place, "--text", "body", "--id", "url", stdin=jsonl([{"url": "a", "body": OTHER}]))
    assert renamed.stdout == b"keep\tnew\t-\t-\t-\ta\n"


def test_inputs_are_those_of_scan(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text(f"id,text\ncsv,{FERRY}\n,without an id\n")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(jsonl([page("gz", OTHER)])))
    (folder / "c.json").write_text(json.dumps([page("array", "One of a kind."), {"text": "nameless"}], indent=1))
    (folder / "deep" / "d.txt").write_text("A text that has its path for a name.")
    (folder / "e.bin").write_bytes(b"\0")
    done = dedup("index", "add", place, folder, "-", "--json", stdin=jsonl([page("stdin", "From a pipe.")]))
    assert [one["id"] for one in told(done.stdout)] == ["deep/d.txt", "csv", "gz", "array", "stdin"]
    assert b"1 files ignored" in done.stderr
    assert f"{folder}/a.csv:3: has no 'id'".encode() in done.stderr
    assert f"{folder}/c.json:2: has no 'id'".encode() in done.stderr
    packed = dedup("index", "query", place, "--json", stdin=gzip.compress(jsonl([page("gz", OTHER), {"text": "x"}])))
    assert [(one["id"], one["status"]) for one in told(packed.stdout)] == [
        ("gz", "unchanged"),
        ("stdin.jsonl:2", "new"),
    ]
    failed = dedup("index", "add", place, tmp_path / "nowhere.jsonl", code=1)
    assert failed.stderr.decode() == f"dedup: {tmp_path}/nowhere.jsonl does not exist\n"
    assert b"named once" in dedup("index", "add", place, "-", "-", code=1).stderr
    nameless = dedup("index", "add", place, "--format", "text", stdin=FERRY.encode())
    assert b"<stdin>:1: has no 'id'" in nameless.stderr


def test_kept_records_are_the_old_ones_with_another_text(tmp_path: Path) -> None:
    place, again = tmp_path / "seen.db", tmp_path / "again.db"
    data = (
        b'{"id": "a", "n": 1.10, "text": "' + FERRY.encode() + b'", "big": 123456789012345678901234567890}\n'
        b'{"id":"b","text":"' + FERRY.encode() + b'"}\n'
        b'{ "more": {"x":  [1, 2e400]}, "id": 3, "text": "' + FERRY.encode() + b"\\n\\n" + OTHER.encode() + b'"}\r\n'
        b'{"id": "d", "nan": NaN, "text": "'
        + OTHER.encode()
        + b"\\n\\nStill \\u00fc more of it here, said once."
        + b'"}\n'
    )
    done = dedup("index", "add", place, "--kept", stdin=data)
    lines = done.stdout.split(b"\n")
    assert lines[0] == data.split(b"\n")[0]
    assert lines[1] == b'{"more":{"x":  [1, 2e400]},"id":3,"text":"' + OTHER.encode() + b'"}'
    assert lines[2] == '{"id": "d", "nan": NaN, "text": "Still ü more of it here, said once."}'.encode()
    assert lines[3:] == [b""]
    assert b"4 pages; 1 keep, 2 clean, 1 drop" in done.stderr
    # what is printed is what goes into the next command
    whole = dedup("index", "add", again, "--json", stdin=done.stdout)
    assert [(one["id"], one["action"]) for one in told(whole.stdout)] == [("a", "keep"), ("3", "keep"), ("d", "keep")]
    assert dedup("index", "add", place, "--kept", stdin=data).stdout == done.stdout


def test_kept_records_of_other_inputs(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    (tmp_path / "a.json").write_text(json.dumps([page("a", more=[1, 2])], indent=2))
    (tmp_path / "b.csv").write_text(f"id,text,source,more\nb,{OTHER},site,1\n")
    done = dedup("index", "add", place, tmp_path / "a.json", tmp_path / "b.csv", "--kept")
    assert told(done.stdout) == [page("a", more=[1, 2]), page("b", OTHER, source="site")]
    assert b"give one of them" in dedup("index", "add", place, "--kept", "--json", code=2).stderr


def test_kept_pages_are_what_was_extracted(tmp_path: Path) -> None:
    place, path = tmp_path / "seen.db", tmp_path / "page.html"
    path.write_text(f"<html><title>Herons</title><body><article><p>{FERRY}</p><p>{OTHER}</p></article></body></html>")
    dedup("index", "add", place, stdin=jsonl([page("a")]))
    done = dedup("index", "add", place, path, "--kept", "--text", "body", "--id", "url")
    (record,) = told(done.stdout)
    assert (record["id"], record["title"], record["text"].strip()) == ("page.html", "Herons", OTHER)
    nameless = dedup("index", "add", place, "--format", "html", stdin=path.read_bytes())
    assert b"<stdin>:1: has no 'id'" in nameless.stderr


def test_kept_rows_of_tables(tmp_path: Path) -> None:
    place, path = tmp_path / "seen.db", tmp_path / "in.parquet"
    columns = {"id": ["a", None, "", "d"], "text": [FERRY, "Two.", "Three.", OTHER], "more": [1, 2, 3, 4]}
    pq.write_table(pa.table(columns), path)
    done = dedup("index", "add", place, path, "--kept")
    assert told(done.stdout) == [page("a"), page("d", OTHER)]
    assert [line.split(b": ")[1] for line in done.stderr.splitlines()[:-1]] == [
        b"%s:%d" % (os.fsencode(path), k) for k in (2, 3)
    ]
    piped = dedup("index", "query", place, "--kept", stdin=path.read_bytes())
    assert [row["id"] for row in told(piped.stdout)] == ["a", "stdin.parquet:2", "", "d"]


def test_through_a_shell(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl([page("a"), page("b"), page("c", f"{FERRY}\n\n{OTHER}")]))
    one, two = (" ".join(command("index", "add", tmp_path / name)) for name in ("one.db", "two.db"))
    script = f"cat {source} | {one} --kept | {two} --json --no-blocks"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert [(row["id"], row["text"]) for row in told(done.stdout)] == [("a", FERRY), ("c", OTHER)]


def test_hostile_names(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    records = [
        page(name, f"Page {k} has words of its own: {'abc def '[k % 7 :]} {k * k}.") for k, name in enumerate(NASTY)
    ]
    records += [page(f"s{k}", f"Source number {k}.", source=source) for k, source in enumerate([*NASTY, None, "", 5])]
    done = dedup("index", "add", place, "--json", "--no-blocks", stdin=jsonl(records))
    reports = told(done.stdout)
    assert [one["id"] for one in reports] == [one["id"] for one in records]
    assert [one["source"] for one in reports[len(NASTY) :]] == [*NASTY, None, None, "5"]  # an empty one is none
    assert set(statuses(place, records)) == {"unchanged"}
    shown = dedup("index", "query", place, stdin=jsonl(records)).stdout.decode()
    assert shown.count("\n") == len(records)
    assert "\x1b" not in shown
    assert json.loads(dedup("index", "info", place, "--json").stdout)["pages"] == len(records)
    given = [name for name in NASTY if "\0" not in name and name[0] != "-"]
    removed = dedup("index", "remove", place, "--json", "--", *given, "none")
    assert told(removed.stdout) == [
        *({"id": name, "removed": True} for name in given),
        {"id": "none", "removed": False},
    ]
    assert set(statuses(place, [one for one in records if one["id"] in given])) == {"new"}


def test_an_empty_name(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    done = dedup("index", "add", place, "--json", "--no-blocks", stdin=jsonl([page(""), page("a"), page("", OTHER)]))
    assert [one["id"] for one in told(done.stdout)] == ["a"]
    assert done.stderr.count(b"has no 'id'") == 2


def test_removal(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=jsonl([page("a"), page("b\r", OTHER), page("c", "Three."), page("-d", "Four.")]))
    done = dedup("index", "remove", place, "a", "-", "a", stdin=b"c\r\nnone\n-d")
    assert done.stdout == b"removed\ta\nremoved\tc\nunknown\tnone\nremoved\t-d\nunknown\ta\n"
    assert b"not UTF-8" in dedup("index", "remove", place, "-", stdin=b"\xff\n", code=1).stderr
    assert b"not UTF-8" in dedup("index", "remove", place, os.fsdecode(b"\xff"), code=1).stderr
    assert statuses(place, [page("a"), page("b\r", OTHER)]) == ["new", "unchanged"]
    assert b"Missing argument" in dedup("index", "remove", place, code=2).stderr


def test_removal_is_told_as_it_happens(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=jsonl([page("a")]))
    with piped("index", "remove", place, "-") as process:
        assert process.stdin is not None
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert answer(process) == b"removed\ta\n"


@pytest.mark.parametrize("name", ["query", "remove", "expire", "info", "verify", "compact", "merge"])
def test_only_add_and_build_begin_an_index(tmp_path: Path, name: str) -> None:
    more = {"remove": ["a"], "expire": ["--older", "1d"], "merge": ["other.db"]}.get(name, [])
    for place in ("none.db", "sqlite:///none.db"):
        failed = dedup("index", name, place, *more, code=1, cwd=tmp_path)
        assert failed.stderr == b"dedup: none.db: there is no index\n"
        assert failed.stdout == b""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["add"], 2, "Missing argument"),
        (["add", "https://a.example/x"], 2, "is not allowed: sqlite:///FILE"),
        (["add", "sqlite:///"], 2, "is not allowed"),
        (["add", ""], 2, "is not allowed"),
        (["add", "nowhere/seen.db"], 1, "see that its directory is there"),
        (["add", "."], 1, "dedup: "),
        (["add", "text.txt"], 1, "dedup: text.txt"),
        (["info", "text.txt"], 1, "dedup: text.txt"),
        (["add", "a.db", "--threshold", "7"], 2, "threshold=7.0 is not allowed"),
        (["expire", "a.db"], 2, "Missing option"),
        (["expire", "a.db", "--older", "soon"], 2, "write it like"),
        (["build", "a.db", "nowhere"], 1, "nowhere"),
        (["unknown"], 2, "No such command"),
    ],
)  # fmt: skip
def test_wrong_usage(tmp_path: Path, arguments: list[str], code: int, complaint: str) -> None:
    (tmp_path / "text.txt").write_text(FERRY * 100)
    failed = dedup("index", *arguments, code=code, cwd=tmp_path)
    assert complaint in failed.stderr.decode().replace("\n", " ")
    assert failed.stdout == b""
    assert (tmp_path / "text.txt").read_text() == FERRY * 100
    assert not (tmp_path / "a.db").exists()


def test_settings_of_an_index(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    chosen = ["--threshold", "0.9", "--no-score", "--drop", "number_variant", "--keep", "title_echo"]
    dedup("index", "add", place, *chosen, stdin=jsonl([page("a")]))
    settings = json.loads(dedup("index", "info", place, "--json").stdout)["settings"]
    assert (settings["threshold"], settings["doc_threshold"], settings["score"]) == (0.9, 0.8, False)
    assert "number_variant" in settings["drop"] and "title_echo" not in settings["drop"]
    for some in (["--keep", "title_echo"], chosen):
        dedup("index", "add", place, *some, stdin=jsonl([page("b", OTHER)]))
    for some, other in (
        (["--threshold", "0.8"], "threshold=0.9 (here: 0.8)"),
        (["--drop", "filler", "--score"], "score=False (here: True), drop="),
    ):
        failed = dedup("index", "add", place, *some, stdin=jsonl([page("c", "See.")]), code=1)
        assert failed.stderr.decode().startswith(f"dedup: {place} was made with {other}")
        assert failed.stderr.endswith(b": open it with these, or without settings\n")
    dedup("index", "add", tmp_path / "plain.db", stdin=b"")
    assert json.loads(dedup("index", "info", tmp_path / "plain.db", "--json").stdout)["settings"]["score"] is True
    assert b"threshold=0.9" in dedup("index", "info", place).stdout


def test_a_closed_pipe_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    path = generate(tmp_path / "in.jsonl", 1)
    with piped("index", "add", tmp_path / "seen.db", path, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        complaint = process.stderr.read()
        assert process.wait() == 1
    assert b"Traceback" not in complaint
    assert b"Error" not in complaint
    record = next(row for row in rows(path) if str(row["id"]) == first["id"])
    assert statuses(tmp_path / "seen.db", [record]) == ["unchanged"]


ELSEWHERE = """
import signal, threading
from dedup.cli import main
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
main()
"""


@pytest.mark.parametrize("start", [(), (sys.executable, "-c", ELSEWHERE)])
def test_an_interrupt_leaves_what_was_told(tmp_path: Path, start: Sequence[str]) -> None:
    # a signal that comes just before a system call does not end it, as if another thread had got it: this one can test
    with piped("index", "add", tmp_path / "seen.db", "--json", start=start) as process:
        feed(process, page("a"))
        answer(process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr is not None
        message = process.stderr.read().splitlines()[-1]
    assert message == b"dedup: interrupted; the pages that were told of are in the index"
    assert statuses(tmp_path / "seen.db", [page("a")]) == ["unchanged"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_was_told_is_there_after_a_kill(tmp_path: Path, number: signal.Signals) -> None:
    records = rows(generate(tmp_path / "in.jsonl", 0.4))
    known = {str(record["id"]): record for record in records}
    place = tmp_path / "seen.db"
    done: set[str] = set()
    stopped = False
    for k in range(2):
        with piped("index", "add", place, tmp_path / "in.jsonl", "--json", "--no-blocks") as process:
            assert process.stdout is not None
            printed = process.stdout.readline()
            stop = threading.Timer(0.05 + 0.1 * k, process.send_signal, [number])
            stop.start()
            printed += process.stdout.read()
            process.wait()
            stop.cancel()
            stopped |= process.returncode != 0
        whole = [json.loads(line) for line in printed.split(b"\n")[:-1]]
        assert {one["id"] for one in whole if one["status"] == "unchanged"} >= done & {one["id"] for one in whole}
        done |= {one["id"] for one in whole}
        assert set(statuses(place, [known[name] for name in done])) == {"unchanged"}
    assert stopped
    dedup("index", "verify", place)
    dedup("index", "add", place, tmp_path / "in.jsonl")
    alone = dedup("index", "query", place, tmp_path / "in.jsonl", "--json")
    assert {one["status"] for one in told(alone.stdout)} == {"unchanged"}


def test_two_at_once(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=b"")
    with piped("index", "add", place, "--json") as one, piped("index", "add", place, "--json") as two:
        feed(one, page("a"))
        assert json.loads(answer(one))["partner"] is None
        feed(two, page("b"))
        assert json.loads(answer(two))["partner"] == "a"
        feed(two, page("c", OTHER))
        assert json.loads(answer(two))["partner"] is None
        feed(one, page("d", OTHER))
        assert json.loads(answer(one))["partner"] == "c"


def test_expiry(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=jsonl([page("a"), page("b", OTHER)]))
    assert dedup("index", "expire", place, "--older", "1h").stdout == b"removed 0 pages\n"
    assert dedup("index", "expire", place, "--older", "999999999999w").stdout == b"removed 0 pages\n"
    with contextlib.closing(sqlite3.connect(place)) as tables, tables:
        tables.execute("UPDATE pages SET seen = seen - 7300")
    dedup("index", "add", place, stdin=jsonl([page("b", OTHER)]))
    assert dedup("index", "expire", place, "--older", "2h").stdout == b"removed 1 pages\n"
    assert statuses(place, [page("a"), page("b", OTHER)]) == ["new", "unchanged"]


def test_a_sound_index(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, CORPUS / "articles.jsonl")
    assert dedup("index", "verify", place).stdout == b"sound\n"
    assert json.loads(dedup("index", "verify", place, "--json").stdout) == {"found": [], "left": []}
    before = dedup("index", "query", place, CORPUS / "articles.jsonl", "--json").stdout
    assert json.loads(dedup("index", "compact", place, "--json").stdout)
    assert dedup("index", "compact", place).stdout
    assert dedup("index", "query", place, CORPUS / "articles.jsonl", "--json").stdout == before


def test_a_damaged_index(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, CORPUS / "articles.jsonl")
    data = bytearray(place.read_bytes())
    half = len(data) // 2
    data[half : -half // 2] = bytes(len(data[half : -half // 2]))
    place.write_bytes(data)
    for name, *inputs in (("verify",), ("query", CORPUS / "articles.jsonl")):
        assert dedup("index", name, place, *inputs, code=1).stderr.startswith(b"dedup: ")
    mended = dedup("index", "verify", place, "--repair")
    assert mended.stdout.endswith(b" found, 0 left\n")
    assert dedup("index", "verify", place).stdout == b"sound\n"
    dedup("index", "add", place, CORPUS / "articles.jsonl")
    dedup("index", "remove", place, "alminaa-02")


def test_damage_that_can_be_mended(tmp_path: Path) -> None:
    place = tmp_path / "seen.db"
    dedup("index", "add", place, stdin=jsonl([page("a"), page("b", OTHER), page("c", "Three words here.")]))
    with contextlib.closing(sqlite3.connect(place)) as tables, tables:
        tables.execute("DELETE FROM contents WHERE row = (SELECT max(row) - 1 FROM contents)")
    found = json.loads(dedup("index", "verify", place, "--json", code=1).stdout)
    assert found["found"] == found["left"] != []
    mended = json.loads(dedup("index", "verify", place, "--repair", "--json").stdout)
    assert mended["found"] and not mended["left"]
    assert statuses(place, [page("a"), page("c", "Three words here.")]) == ["unchanged"] * 2


def test_merging(tmp_path: Path) -> None:
    one, two = tmp_path / "one.db", tmp_path / "two.db"
    dedup("index", "add", one, stdin=jsonl([page("a")]))
    dedup("index", "add", two, stdin=jsonl([page("b"), page("c", OTHER)]))
    merged = dedup("index", "merge", one, two)
    assert merged.stdout.decode() == f"2 pages of {two}\n"
    assert statuses(one, [page("a"), page("b"), page("c", OTHER)]) == ["unchanged"] * 3
    assert statuses(two, [page("a"), page("b"), page("c", OTHER)]) == ["new", "unchanged", "unchanged"]
    assert b"is not allowed" in dedup("index", "merge", one, one, code=2).stderr
    assert b"there is no index" in dedup("index", "merge", one, tmp_path / "none.db", code=1).stderr
    dedup("index", "add", tmp_path / "other.db", "--threshold", "0.9", stdin=jsonl([page("x")]))
    assert b"threshold" in dedup("index", "merge", one, tmp_path / "other.db", code=1).stderr


def test_building(tmp_path: Path) -> None:
    place, path = tmp_path / "seen.db", CORPUS / "articles.jsonl"
    dedup("scan", path, "-o", tmp_path / "run", "--score")
    count = len(rows(path))
    done = dedup("index", "build", place, tmp_path / "run")
    assert done.stdout.decode() == f"{count} pages of {tmp_path}/run\n"
    assert json.loads(dedup("index", "info", place, "--json").stdout)["pages"] == count
    assert set(statuses(place, rows(path))) == {"unchanged"}
    assert statuses(place, [page("new")]) == ["new"]
    dedup("index", "add", tmp_path / "other.db", "--threshold", "0.9", stdin=jsonl([page("x")]))
    failed = dedup("index", "build", tmp_path / "other.db", tmp_path / "run", code=1)
    assert b"was made with threshold=0.7" in failed.stderr
    shutil.rmtree(tmp_path / "run" / "sketches")
    assert b"keeps no sketches" in dedup("index", "build", tmp_path / "new.db", tmp_path / "run", code=1).stderr
    assert not (tmp_path / "new.db").exists()


def test_progress_on_a_terminal_only(tmp_path: Path) -> None:
    path = generate(tmp_path / "in.jsonl", 1)
    terminal, end = os.openpty()
    arguments = command("index", "add", tmp_path / "seen.db", path, "--json", "--no-blocks")
    with (tmp_path / "out").open("wb") as out, subprocess.Popen(arguments, stdout=out, stderr=end) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(terminal, 1 << 16):
                shown += piece
    os.close(terminal)
    assert process.returncode == 0
    assert b"adding" in shown
    assert len(rows(tmp_path / "out")) == len(rows(path))
