"""The command line: exit codes, what goes to which stream, and options that are the library's settings."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import check_docs
import click
import pytest
from endtoend import COMPILING, CORPUS, FERRY, command, dedup, files, generate, jsonl, rows

import dedup as library
from dedup import Settings, StoreError
from dedup.cli import cli
from dedup.options import Size
from dedup.settings import REMOVABLE
from dedup.terminal import reported_errors
from dedup.version import __version__

COMMANDS = sorted(cli.commands)


def test_help_and_version() -> None:
    assert {name for name in COMMANDS if name.encode() in dedup("--help").stdout} == set(COMMANDS)
    assert dedup("--version").stdout.decode() == f"dedup, version {__version__}\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [("500M", 500 << 20), ("1.5g", 3 << 29), ("2GiB", 2 << 30), ("384 mb", 384 << 20), ("1073741824", 1 << 30)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "M", "-1G", "1e9", "1 P", "1G2"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(click.BadParameter, match="write it like 500M or 2G"):
        Size().convert(text, None, None)


@pytest.mark.parametrize("name", [name for name in COMMANDS if not isinstance(cli.commands[name], click.Group)])
def test_commands_and_functions_are_twins(name: str) -> None:
    assert name in library.__all__
    function = getattr(library, name)
    assert function.__doc__
    assert cli.commands[name].help
    options = {option.name for option in cli.commands[name].params}
    if name in {"scan", "clean"}:
        fields = {field.name for field in dataclasses.fields(Settings)} - {"drop", "guard_min_docs"}
        assert fields <= options
        assert {"keep", "drop", "out", "inputs"} <= options


def test_defaults_are_the_settings() -> None:
    defaults = Settings()
    for option in cli.commands["scan"].params:
        if (
            isinstance(option, click.Option)
            and option.name
            and hasattr(defaults, option.name)
            and option.name != "drop"
        ):
            assert option.default == getattr(defaults, option.name), option.name
            assert option.help


def test_documentation_agrees_with_the_code() -> None:
    if not (check_docs.ROOT / "README.md").exists():
        pytest.skip("README.md is not written yet")
    assert check_docs.complaints() == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], ""),
        (["purge"], "No such command"),
        (["scan"], "Missing argument"),
        (["scan", "x"], "Missing option"),
        (["scan", "x", "-o", "y", "--threshold", "high"], "is not a valid float"),
        (["scan", "x", "-o", "y", "--threshold", "7"], "threshold=7.0 is not allowed: more than 0, at most 1"),
        (["scan", "x", "-o", "y", "--survivor", "newest"], "newest=None is not allowed"),
        (["scan", "x", "-o", "y", "--batch-bytes", "0"], "batch_bytes=0 is not allowed"),
        (["scan", "x", "-o", "y", "--keep", "everything"], "is not one of"),
        (["clean"], "Missing argument"),
        (["clean", "x"], "Missing option"),
        (["clean", "--undo", "x"], "takes -o OUT and nothing else"),
        (["clean", "y", "--undo", "x", "-o", "z"], "takes -o OUT and nothing else"),
        (["compare", "x"], "Missing argument"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    failed = dedup(*arguments, code=2)
    assert complaint in failed.stderr.decode().replace("\n", " ")
    assert failed.stdout == b""


def test_errors_are_one_line(tmp_path: Path) -> None:
    failed = dedup("scan", tmp_path / "nowhere.jsonl", "-o", tmp_path / "run", code=1)
    assert failed.stderr.decode() == f"dedup: {tmp_path}/nowhere.jsonl does not exist\n"
    (tmp_path / "in.jsonl").write_bytes(jsonl([{"text": FERRY}]))
    failed = dedup("scan", tmp_path / "in.jsonl", "-o", tmp_path / "in.jsonl" / "run", code=1)
    assert failed.stderr.startswith(b"dedup: cannot write beside")
    failed = dedup("clean", "--undo", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", code=1)
    assert b"is missing: without it nothing can be restored" in failed.stderr
    assert files(tmp_path).keys() == {"in.jsonl"}


def test_a_guard_rail_stops_cleaning(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl({"id": k, "text": FERRY, "source": "a.example"} for k in range(25)))
    stopped = dedup("clean", path, "-o", out, code=3)
    assert b"\ndedup: stopped: 24 of 25 documents of source 'a.example' would be dropped" in stopped.stderr
    assert b"--allow" in stopped.stderr
    assert files(tmp_path).keys() == {"in.jsonl"}
    dedup("clean", path, "-o", out, "--allow")
    assert [row["id"] for row in rows(out)] == [0]


def test_data_on_stdout_messages_on_stderr(tmp_path: Path) -> None:
    data = (CORPUS / "articles.jsonl").read_bytes()
    run = library.scan(CORPUS / "articles.jsonl")
    told = dedup("clean", "-", "-o", tmp_path / "out", "--json", stdin=data)
    summary = json.loads(told.stdout)
    assert summary == run.summary | {key: summary[key] for key in ("seconds", "inputs")}
    assert [one["path"] for one in summary["inputs"]] == ["<stdin>"]
    by_reason = {**summary["blocks_by_reason"], **summary["documents_by_reason"]}
    assert set(by_reason) <= {*REMOVABLE, "near_removed_document"}
    bad = dedup("clean", "-", "-o", tmp_path / "out", "--strict", stdin=b"\n{", code=1)
    assert bad.stderr.startswith(b"dedup: <stdin>:2: ")


def test_progress_on_a_terminal_only(tmp_path: Path) -> None:
    path = CORPUS / "articles.jsonl"
    terminal, end = os.openpty()
    with subprocess.Popen(command("scan", path, "-o", tmp_path / "run"), stdout=subprocess.PIPE, stderr=end) as process:
        os.close(end)
        shown = b""
        try:
            while piece := os.read(terminal, 1 << 16):
                shown += piece
        except OSError:  # the other end is closed
            pass
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"documents ")
    os.close(terminal)
    assert process.returncode == 0
    assert b"reading" in shown
    assert b"kB" in shown


def test_a_closed_pipe_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    path = generate(tmp_path / "in.jsonl", 1)
    with subprocess.Popen(
        command("clean", path, "-o", "-"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},  # Python's own stream then writes a part and says nothing
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        complaint = process.stderr.read()
    assert process.returncode == 1
    assert b"Traceback" not in complaint
    assert b"Error" not in complaint


def test_kernels_are_compiled_once_with_a_line_that_says_so(tmp_path: Path) -> None:
    a = tmp_path / "a.txt"
    a.write_text(FERRY)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    for complaint in (COMPILING, b""):
        done = subprocess.run(command("compare", a, a), capture_output=True, check=True, env=environment)
        assert done.stderr == complaint


def test_notes_are_told_with_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = StoreError("cannot")
    error.add_note("but can")
    with pytest.raises(SystemExit), reported_errors():
        raise error
    assert capsys.readouterr().err == "dedup: cannot\ndedup: but can\n"
