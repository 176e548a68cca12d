"""URLs in place of paths: the same results, bounded memory, outputs that are whole or say that they are not."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import http.server
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import FERRY, dedup, files, jsonl, limited, unpacked, zstd
from stores import KEYS, Store, check_rights, forget_stores, s3_server

from dedup import (
    Corrupt,
    DedupError,
    InputError,
    MissingExtra,
    NotFound,
    Run,
    Settings,
    StoreError,
    Url,
    checkpoint,
    clean,
    headers,
    ranges,
    runs,
    scan,
    score,
    undo,
)
from dedup.urls import hide, hide_in, inner_parts, is_url, join, name_of

ALLOW = Settings(allow=True)
WINTER = "In winter the boat stays in the yard, where its planks are caulked anew."
RECORDS = [
    {"id": "one", "text": FERRY},
    {"id": "two", "text": f"{WINTER}\n\n{FERRY}"},
    {"id": "three", "text": "Tickets are sold on board and in the kiosk beside the old customs house."},
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as found:
        yield found


@pytest.fixture
def s3(address: str) -> Store:  # noqa: ARG001 - it is told of in the environment
    store = Store(f"s3://test-{uuid.uuid4().hex}/data")
    store.fs.mkdir(store.url.split("/")[2])
    return store


@pytest.fixture
def memory() -> Store:
    pytest.importorskip("fsspec", reason="the extra `remote` is not installed")
    return Store(f"memory://test-{uuid.uuid4().hex}")


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have scans into stores made in a folder of the test; kernels stay where they are."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", platformdirs.user_cache_dir("corpus-dedup", appauthor=False))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def arrow(table: pa.Table, begin: Callable[..., Any]) -> bytes:
    sink = io.BytesIO()
    with begin(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table, rows: int = 2) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=rows)
    return sink.getvalue()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a folder with a file of each kind."""
    folder = tmp_path / "crawl"
    table = pa.Table.from_pylist(RECORDS)
    lines = jsonl(RECORDS)
    contents = {
        "a.jsonl": lines,
        "b.jsonl.gz": gzip.compress(lines),
        "deep/er/c.jsonl.zst": zstd(lines),
        "d.ndjson.bz2": bz2.compress(lines),
        "e.jsonl.xz": lzma.compress(lines),
        "f.json": json.dumps(RECORDS).encode(),
        "g.csv": b"id,text\none," + FERRY.encode() + b"\n",
        "h.tsv": b"id\ttext\none\t" + FERRY.encode() + b"\n",
        "deep/i.parquet": parquet(table),
        "j.arrow": arrow(table, pa.ipc.new_file),
        "k.arrows": arrow(table, pa.ipc.new_stream),
        "texts/l.txt": FERRY.encode(),
        "texts/m.md": f"{WINTER}\n\n{FERRY}\n".encode(),
        "n.txt.gz": gzip.compress(WINTER.encode()),
        "o.jsonl": lines + b"bad\n",
        "empty.jsonl": b"",
        ".hidden.jsonl": lines,
        "p.bin": b"\0\1\2",
    }
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s3://bucket/a.jsonl", True),
        ("memory://a", True),
        ("simplecache::s3://bucket/a", True),
        ("a:b.jsonl", False),
        ("C:\\a.jsonl", False),
        ("C:/a.jsonl", False),
        ("c://a.jsonl", True),
        ("file:///a.jsonl", False),
        ("a/s3://b", False),
        ("-", False),
        ("", False),
    ],
)
def test_a_url_has_a_scheme(path: str, *, expected: bool) -> None:
    assert is_url(path) is expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/a b.jsonl", "s3://bucket/a b.jsonl"),
        ("sftp://me:word@host/a@b", "sftp://...@host/a@b"),
        ("https://me@host/a?X-Amz-Signature=abcd&b=c", "https://...@host/a?..."),
        ("https://host?sig=abcd", "https://host?..."),
        ("zip://a.jsonl::https://me:word@host/a.zip?sig=abcd", "zip://a.jsonl::https://...@host/a.zip?..."),
        ("s3://bucket/what?.jsonl", "s3://bucket/what?.jsonl"),
    ],
)
def test_what_is_secret_in_a_url_is_hidden(url: str, shown: str) -> None:
    assert hide(url) == shown
    assert str(Url(url)) == shown
    for secret in ("word", "abcd"):
        assert secret not in hide_in(f"failed for {url!r}, word and sig=abcd", url) or secret not in url


def test_names_never_lead_out() -> None:
    assert inner_parts("/../a//./b/\0/..") == ["a", "b", "_"]
    assert name_of("s3://bucket/a/..") == "a"
    assert name_of("https://host/a/b.jsonl?c=/../d") == "b.jsonl"
    assert join("s3://bucket/a/", "/b") == "s3://bucket/a//b"
    assert join("zip://a::s3://b/c.zip", "d") == "zip://a/d::s3://b/c.zip"


def test_every_format_is_read_as_from_a_disk(corpus: Path, store: Store, tmp_path: Path) -> None:
    store.put_all(corpus.parent)
    url = f"{store.url}/crawl"
    for inputs, paths in (
        ([url], [str(corpus)]),
        ([f"{url}/"], [str(corpus)]),
        ([f"{url}/**/*.jsonl*"], [f"{corpus}/**/*.jsonl*"]),
        ([f"{url}/deep", f"{url}/*.arrow*"], [f"{corpus}/deep", f"{corpus}/*.arrow*"]),
        ([f"{url}/g.csv", str(corpus / "a.jsonl")], [str(corpus / "g.csv"), str(corpus / "a.jsonl")]),
    ):
        remote, local = scan(inputs, ALLOW), scan(paths, ALLOW)
        assert remote.verdicts.equals(local.verdicts)
        assert remote.documents.equals(local.documents)
        for name in ("texts", "rejects", "documents", "bytes", "ignored"):
            assert remote.summary.get(name) == local.summary.get(name), name
        assert [one["size"] for one in remote.summary["inputs"]] == [one["size"] for one in local.summary["inputs"]]
        clean(inputs, tmp_path / "remote", ALLOW)
        clean(paths, tmp_path / "local", ALLOW)
        written, expected = files(tmp_path / "remote"), files(tmp_path / "local")
        for name in ("summary.json", "rejects.jsonl"):  # they name the inputs
            assert written.pop(name).count(b"\n") == expected.pop(name).count(b"\n")
        assert written == expected


def test_the_functions_take_urls(store: Store) -> None:
    bodies = ["The kiln was cold.", "Rain fell on the pier.", "Nobody sang."]
    pages = [{"id": str(k), "source": "a", "text": f"{k} min read\n\n{body}"} for k, body in enumerate(bodies)]
    url = store.put("pages.jsonl", jsonl(pages))
    assert [one.text for one in headers(url)] == ["{number} min read"]
    assert score(Url(url)).num_rows == 3
    assert score([Url(url), Url(url)]).num_rows == 6
    assert score(url).num_rows == 1  # a string is a text
    assert clean(url, settings=ALLOW, dry_run=True).run.documents.num_rows == 3


def test_the_commands_take_urls(s3: Store, tmp_path: Path) -> None:
    url = s3.put("in.jsonl", jsonl(RECORDS))
    (tmp_path / "in.jsonl").write_bytes(jsonl(RECORDS))
    scan([url, tmp_path / "in.jsonl"], ALLOW, out=f"{s3.url}/run")
    assert f"{s3.url}/run".encode() in dedup("runs", s3.url).stdout
    dedup("clean", url, tmp_path / "in.jsonl", "-o", f"{s3.url}/out/", "--run", f"{s3.url}/run", "--allow")
    assert set(s3.files("out")) == {
        "in.jsonl", "in-2.jsonl", "summary.json", "removals.jsonl", "rejects.jsonl"
    }  # fmt: skip
    done = dedup("clean", "--undo", f"{s3.url}/out", "-o", f"{s3.url}/back")
    assert f"restored {s3.url}/back".encode() in done.stderr
    assert s3.files("back") == {"in.jsonl": jsonl(RECORDS), "in-2.jsonl": jsonl(RECORDS)}
    assert dedup("score", url).stdout.count(b"\n") == 4
    failed = dedup("scan", f"{s3.url}/run", "--threshold", "0.9", code=1)
    assert b"none keeps sketches: scan its inputs again" in failed.stderr


@pytest.mark.parametrize("form", ["out.jsonl", "out.jsonl.zst", "directory/"])
@pytest.mark.parametrize("pack", [bytes, zstd])
def test_lines_come_back_byte_for_byte(store: Store, tmp_path: Path, form: str, pack: Callable[[bytes], bytes]) -> None:
    url = store.put("in.jsonl", pack(jsonl(RECORDS) + b"bad"))
    out = f"{store.url}/{form}"
    cleaned = clean(url, out, ALLOW)
    assert cleaned.path is None and cleaned.url is not None and os.fspath(cleaned.url) == out
    clean(url, tmp_path / form, ALLOW)
    local = files(tmp_path)
    assert {name for name in store.files() if name != "in.jsonl"} == set(local)
    assert undo(out, tmp_path / "back") == tmp_path / "back"
    back = tmp_path / "back" / "in.jsonl" if form.endswith("/") else tmp_path / "back"
    assert unpacked(back) == jsonl(RECORDS) + b"bad"
    undo(out, f"{store.url}/back")
    undo(tmp_path / form, f"{store.url}/again")
    assert store.files("back" if form.endswith("/") else "")[
        "in.jsonl" if form.endswith("/") else "back"] == back.read_bytes()  # fmt: skip
    if form.endswith("/"):
        assert store.files("again") == store.files("back") == files_as_they_are(tmp_path / "back")


def files_as_they_are(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", ["out.parquet", "directory"])
def test_tables_come_back_value_for_value(store: Store, tmp_path: Path, form: str) -> None:
    table = pa.Table.from_pylist(RECORDS + RECORDS)
    url = store.put("in.parquet", parquet(table))
    clean(url, f"{store.url}/{form}", ALLOW)
    undo(f"{store.url}/{form}", tmp_path / "back")
    back = tmp_path / "back" / "in.parquet" if form == "directory" else tmp_path / "back"
    assert pq.read_table(back).equals(table)


def test_a_run_comes_back(store: Store, corpus: Path) -> None:
    local = scan(corpus, ALLOW)
    out = f"{store.url}/run"
    made = scan(corpus, ALLOW, out=out)
    for run in (made, Run.open(out), Run.open(Url(f"{out}/"))):
        assert run.url is not None and run.url.rstrip("/") == out
        assert run.verdicts.equals(local.verdicts) and run.documents.equals(local.documents)
        assert run.templates.equals(local.templates) and run.rejects == local.rejects
        assert run.settings == ALLOW
    assert not any("sketches" in name for name in store.files())
    (told,) = runs(store.url)
    assert (told["run"], told["state"], told["sketches"]) == (out, "whole", None)
    assert told["bytes"]["verdicts.parquet"] == len(store.get("run/verdicts.parquet"))
    assert clean(corpus, settings=ALLOW, run=out, dry_run=True).summary["documents"] == local.summary["documents"]


def test_a_newer_output_takes_the_place_of_the_older(store: Store, corpus: Path, tmp_path: Path) -> None:
    out = f"{store.url}/out"
    clean(corpus, out, ALLOW)
    store.put("out/mine.txt", b"mine")
    (tmp_path / "z.jsonl").write_bytes(jsonl(RECORDS[::-1]))
    clean(tmp_path / "z.jsonl", out, ALLOW)
    assert set(store.files("out")) == {"z.jsonl", "mine.txt", "removals.jsonl", "rejects.jsonl", "summary.json"}
    undo(out, tmp_path / "back")
    assert files(tmp_path / "back") == {"z.jsonl": jsonl(RECORDS[::-1])}


def test_what_is_foreign_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(RECORDS))
    store.put("mine/thesis.txt", b"mine")
    store.put("theirs/summary.json", b'{"title": "My thesis"}')
    store.put("file", b"mine")
    before = store.files()
    for name in ("mine", "theirs/", "file"):
        with pytest.raises(StoreError, match="was not written by dedup"):
            scan(tmp_path / "in.jsonl", ALLOW, out=f"{store.url}/{name}")
        with pytest.raises(StoreError, match="was not written by dedup"):
            clean(tmp_path / "in.jsonl", f"{store.url}/{name}", ALLOW)
    assert store.files() == before


def test_an_output_does_not_replace_its_input(store: Store) -> None:
    store.put("crawl/a.jsonl", jsonl(RECORDS))
    store.put("crawl/b.jsonl", jsonl(RECORDS))
    clean(f"{store.url}/crawl", f"{store.url}/out", ALLOW)
    before = store.files()
    for out in (f"{store.url}/out", f"{store.url}/out/"):
        with pytest.raises(StoreError, match="would be lost"):
            clean(f"{store.url}/out/crawl/a.jsonl", out, ALLOW)
    assert store.files() == before


@pytest.mark.parametrize("harm", ["changed", "gone", "unfinished", "no json", "beyond"])
def test_an_output_that_is_not_whole_says_so(store: Store, tmp_path: Path, harm: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(RECORDS))
    out, run = f"{store.url}/out", f"{store.url}/run"
    clean(tmp_path / "in.jsonl", out, ALLOW)
    scan(tmp_path / "in.jsonl", ALLOW, out=run)
    for name, data in (("out", "removals.jsonl"), ("run", "verdicts.parquet")):
        if harm == "changed":
            store.put(f"{name}/{data}", store.get(f"{name}/{data}") + b"\n")
        elif harm == "gone":
            store.delete(f"{name}/{data}")
        elif harm == "no json":
            store.put(f"{name}/summary.json", b"{")
        else:
            summary = json.loads(store.get(f"{name}/summary.json"))
            summary |= (
                {"unfinished": True} if harm == "unfinished" else {"files": {"../../x": None, "verdicts.parquet": 1}}
            )
            store.put(f"{name}/summary.json", json.dumps(summary).encode())
    with pytest.raises(Corrupt):
        undo(out, tmp_path / "back")
    with pytest.raises(Corrupt):
        Run.open(run)
    assert not (tmp_path / "back").exists()


def test_outputs_copied_into_a_store_by_hand_serve_too(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(RECORDS))
    clean(tmp_path / "in.jsonl", tmp_path / "here" / "out.jsonl", ALLOW)
    clean(tmp_path / "in.jsonl", tmp_path / "here" / "out", ALLOW)
    scan(tmp_path / "in.jsonl", ALLOW, out=tmp_path / "here" / "run")
    store.put_all(tmp_path / "here")
    assert undo(f"{store.url}/out.jsonl", tmp_path / "back").read_bytes() == jsonl(RECORDS)
    assert files(undo(f"{store.url}/out", tmp_path / "backs")) == {"in.jsonl": jsonl(RECORDS)}
    assert Run.open(f"{store.url}/run").verdicts.num_rows == 4
    for name in ("nothing", "nothing.jsonl"):
        with pytest.raises(NotFound, match="does not exist"):
            undo(f"{store.url}/{name}", tmp_path / "none")
    store.put("bare.jsonl", b"")
    with pytest.raises(NotFound, match="has no summary"):
        undo(f"{store.url}/bare.jsonl", tmp_path / "none")
    with pytest.raises(NotFound, match="is no run"):
        Run.open(f"{store.url}/nothing")


WRITES = {
    "put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload",
    "abort_multipart_upload", "delete_object"}  # fmt: skip


StopAfter = Callable[[int | None], list[str]]


@pytest.fixture
def stop_after(s3: Store, monkeypatch: pytest.MonkeyPatch) -> StopAfter:
    """Return what lets a store take so many requests to write and no more; that returns the requests, as they come."""
    from fsspec.asyn import sync_wrapper

    fs = type(s3.fs)
    call, lock = fs._call_s3, threading.Lock()

    def stop(count: int | None) -> list[str]:
        seen: list[str] = []

        async def counted(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
            if method in WRITES:
                with lock:
                    seen.append(method)
                if count is not None and len(seen) > count:
                    raise OSError("the process is dead")
            return await call(self, method, *arguments, **options)

        monkeypatch.setattr(fs, "_call_s3", counted)
        monkeypatch.setattr(fs, "call_s3", sync_wrapper(counted))
        return seen

    return stop


@pytest.mark.parametrize("form", ["out/", "out.jsonl"])
def test_a_death_at_any_moment_leaves_what_is_whole_or_says_that_it_is_not(
    s3: Store, tmp_path: Path, form: str, stop_after: StopAfter
) -> None:
    old, new, out = tmp_path / "old.jsonl", tmp_path / "new.jsonl", f"{s3.url}/{form}"
    old.write_bytes(jsonl(RECORDS) + b"bad")
    new.write_bytes(jsonl(RECORDS[::-1]))
    run = scan(new, ALLOW)
    stop_after(None)
    clean(old, out, ALLOW)
    before = s3.files()
    seen = stop_after(None)
    clean(new, out, ALLOW, run=run)
    steps = len(seen)
    assert steps > 10
    # what is visible changes from the moment of the marker on: the first of the short requests
    outcomes = []
    for step in [*range(0, steps, 1 if form == "out/" else 2), steps]:
        stop_after(None)
        for name in s3.files():
            s3.delete(name)
        for name, data in before.items():
            s3.put(name, data)
        stop_after(step)
        with contextlib.suppress(StoreError):
            clean(new, out, ALLOW, run=run)
        stop_after(None)
        outcomes.append(outcome_of(out, tmp_path / f"back{step}", {"old": old, "new": new}))
        if outcomes[-1] == "old":
            assert s3.files() == before
    assert outcomes[0] == "old" and outcomes[-1] == "new"
    order = ["old", "corrupt", "new"]
    assert outcomes == sorted(outcomes, key=order.index)
    assert outcomes.count("old") > len(outcomes) // 3  # while everything is uploaded
    clean(new, out, ALLOW, run=run)  # and the same command sets it right
    assert outcome_of(out, tmp_path / "back", {"old": old, "new": new}) == "new"


def outcome_of(out: str, back: Path, inputs: dict[str, Path]) -> str:
    """Say what stands in a store."""
    try:
        undo(out, back)
    except Corrupt:
        return "corrupt"
    found = list(files(back).values()) if back.is_dir() else [back.read_bytes()]
    return next(name for name, path in inputs.items() if found == [path.read_bytes()])


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("method", ["_upload_chunk", "commit"])
def test_uploads_that_fail_leave_nothing(
    s3: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], method: str
) -> None:
    path, out = tmp_path / "in.jsonl", f"{s3.url}/out"
    path.write_bytes(jsonl(RECORDS))
    run = scan(path, ALLOW)
    kind = pytest.importorskip("s3fs").core.S3File
    done, act = [0], getattr(kind, method)

    def failing(self: Any, *arguments: Any, **options: Any) -> Any:
        done[0] += 1
        if done[0] == 2:
            raise error("no more")
        return act(self, *arguments, **options)

    monkeypatch.setattr(kind, method, failing)
    with pytest.raises(StoreError if error is OSError else error):
        clean(path, out, ALLOW, run=run)
    assert s3.uploads() == []
    if method == "_upload_chunk":
        assert s3.files() == {}
        return
    with pytest.raises(Corrupt, match="whose writing was stopped"):
        undo(out, tmp_path / "back")
    clean(path, out, ALLOW, run=run)
    assert outcome_of(out, tmp_path / "back", {"new": path}) == "new"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_signal_in_the_middle_of_an_upload(s3: Store, tmp_path: Path, number: signal.Signals) -> None:
    """The old output stays whole, and who is interrupted cleans up."""
    path, out = tmp_path / "in.jsonl", f"{s3.url}/out"
    path.write_bytes(jsonl(RECORDS))
    clean(path, out, ALLOW)
    before = s3.files()
    many = jsonl({"id": str(k), "text": f"{k} " + os.urandom(20_000).hex()} for k in range(500))  # three parts
    path.write_bytes(many)
    late = (
        "import asyncio, fsspec.asyn, runpy\nfrom s3fs import S3FileSystem as Store\ncall = Store._call_s3\n"
        "async def slow(self, method, *a, **k):\n"
        " if method == 'upload_part': print('part', flush=True); await asyncio.sleep(k['PartNumber'] - 1)\n"
        " return await call(self, method, *a, **k)\n"
        "Store._call_s3, Store.call_s3 = slow, fsspec.asyn.sync_wrapper(slow)\n"
        "runpy.run_module('dedup', run_name='__main__')"
    )
    run = [sys.executable, "-c", late, "clean", str(path), "-o", out, "--allow"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"part\n"
        process.send_signal(number)
        stderr = process.stderr.read()
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    assert b"Traceback" not in stderr
    assert s3.files() == before
    assert bool(s3.uploads()) is (number == signal.SIGKILL)
    dedup("clean", path, "-o", out, "--allow")
    assert s3.get("out/in.jsonl") == many


def interrupt_after(batches: int) -> Callable[[str, int, int | None], None]:
    """Return a progress function that interrupts after some batches."""
    left = [batches]

    def progress(stage: str, _done: int, _total: int | None) -> None:
        left[0] -= stage == "reading"
        if left[0] < 0:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_an_interrupted_scan_goes_on(
    store: Store,
    tmp_path: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    monkeypatch.setattr(checkpoint, "PERIOD", 0.0)
    records = [{"id": str(k), "text": f"{FERRY} {k // 2} {WINTER}"} for k in range(300)]
    data = jsonl(records) if kind == "jsonl" else parquet(pa.Table.from_pylist(records), 50)
    url = store.put(f"in.{kind}", data)
    settings = Settings(batch_bytes=4000, allow=True)
    expected = scan(url, settings)
    for out in (str(tmp_path / "run"), f"{store.url}/run"):
        caplog.clear()
        caplog.set_level("INFO", "dedup")
        with pytest.raises(KeyboardInterrupt):
            scan(url, settings, out=out, progress=interrupt_after(5))
        again = scan(url, settings, out=out)
        assert "going on from" in caplog.text
        assert again.verdicts.equals(expected.verdicts)
    assert not list(place.rglob("*"))[2:]  # nothing but the empty folders above


def test_a_killed_scan_goes_on(s3: Store, place: Path) -> None:
    records = jsonl({"id": str(k), "text": f"{FERRY} {k // 2} {WINTER}"} for k in range(20_000))
    url, out = s3.put("in.jsonl", records), f"{s3.url}/run"
    often = (
        "import runpy, dedup.checkpoint\ndedup.checkpoint.PERIOD = 0.0\nrunpy.run_module('dedup', run_name='__main__')"
    )
    arguments = ["scan", url, "-o", out, "--allow", "--batch-bytes", "20000"]
    with subprocess.Popen([sys.executable, "-c", often, *arguments], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(place.rglob("state.json")):
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -9
    done = dedup(*arguments)
    assert b"going on from" in done.stderr
    assert Run.open(out).verdicts.equals(scan(url, ALLOW).verdicts)


def test_an_interrupted_command_says_where_it_goes_on(s3: Store, place: Path) -> None:
    url = s3.put("in.jsonl", jsonl({"id": str(k), "text": f"{FERRY} {k}"} for k in range(20_000)))
    often = (
        "import runpy, dedup.checkpoint\ndedup.checkpoint.PERIOD = 0.0\nrunpy.run_module('dedup', run_name='__main__')"
    )
    run = [sys.executable, "-c", often, "scan", url, "-o", f"{s3.url}/run", "--batch-bytes", "20000"]
    with subprocess.Popen(run, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(place.rglob("state.json")):
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 130
    assert b"the same command goes on from here" in stderr and str(place).encode() in stderr


def test_a_scan_that_cannot_be_uploaded_is_not_lost(
    s3: Store, corpus: Path, stop_after: StopAfter,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("INFO", "dedup")
    stop_after(2)
    with pytest.raises(StoreError):
        scan(corpus, ALLOW, out=f"{s3.url}/run")
    stop_after(None)
    scan(corpus, ALLOW, out=f"{s3.url}/run")
    assert "going on from" in caplog.text


def test_a_changed_object_is_read_again(store: Store, tmp_path: Path) -> None:
    url = store.put("in.jsonl", jsonl(RECORDS))
    other = store.put("other.jsonl", jsonl(RECORDS))
    scan([url, other], ALLOW, out=tmp_path / "run")
    read = scan([url, other], ALLOW, out=tmp_path / "run").summary["texts"]
    store.put("in.jsonl", jsonl(RECORDS).replace(b"nine", b"five"))  # of the same size
    assert scan([url, other], ALLOW, out=tmp_path / "run").summary["texts"] != read


def test_objects_that_come_to_a_prefix_are_read_alone(store: Store, tmp_path: Path) -> None:
    for name in ("b", "d/a"):
        store.put(f"texts/{name}.txt", f"{FERRY}\n\nSo much for {name} today.".encode())
    url = f"{store.url}/texts"
    scan(url, ALLOW, out=tmp_path / "run")
    store.put("texts/a.txt", FERRY.encode())
    read: list[int] = []
    scan(
        url,
        ALLOW,
        out=tmp_path / "run",
        progress=lambda stage, done, _: read.append(done) if stage == "reading" else None,
    )
    assert len(read) == 1
    run, fresh = Run.open(tmp_path / "run"), scan(url, ALLOW)
    assert run.verdicts.equals(fresh.verdicts)
    assert run.documents["doc"].to_pylist() == ["a.txt", "b.txt", "d/a.txt"]
    assert run.summary["texts"] == fresh.summary["texts"]


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files read in many ranges."""
    monkeypatch.setattr(ranges, "BLOCK", 4096)
    monkeypatch.setattr(ranges, "FIRST", 4096)
    monkeypatch.setattr(ranges, "LEAST", 16)


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.jsonl.zst"])
@pytest.mark.parametrize("what", ["gone", "shorter", "changed"])
def test_an_object_that_changes_while_it_is_read(store: Store, name: str, what: str) -> None:
    packs: dict[str, Callable[[bytes], bytes]] = {"in.jsonl": bytes, "in.jsonl.gz": gzip.compress, "in.jsonl.zst": zstd}
    data = packs[name](jsonl({"id": str(k), "text": os.urandom(400).hex()} for k in range(500)))
    url = store.put(name, data)
    done: list[str] = []

    def progress(*_: object) -> None:
        if done:
            return
        done.append(what)
        if what == "gone":
            store.delete(name)
        else:
            store.put(name, data[: len(data) // 2] if what == "shorter" else data[:-1] + b" ")

    with pytest.raises(DedupError, match=r"does not exist|changed|cannot read") as failed:
        scan(url, Settings(batch_bytes=2000, allow=True), progress=progress)
    assert url in str(failed.value)
    assert done


@pytest.mark.usefixtures("small_ranges")
def test_ranges_are_read_as_files_are(store: Store) -> None:
    data = os.urandom(50_000)
    url = store.put("a", data)
    for opener in (ranges.opened, ranges.opened_at_random):
        with opener(url) as file:
            twin = io.BytesIO(data)
            for offset, whence, size in [
                (0, 0, 10), (0, 0, 5000), (0, 1, 20_000), (3, 0, 9), (-70, 2, 100), (40_000, 0, 3), (39_000, 0, 2000),
                (0, 0, -1), (60_000, 0, 5), (4096, 0, 4096), (0, 1, 4096), (-8192, 1, 1),
            ]:  # fmt: skip
                assert file.seek(offset, whence) == twin.seek(offset, whence)
                assert file.read(size) == twin.read(size)
                assert file.tell() == twin.tell()


def test_memory_stays_bounded(s3: Store) -> None:
    """What a scan takes of an object of 1 MB, and no more than some ranges beside."""
    piece = jsonl({"id": str(k), "text": f"{FERRY} {k} {WINTER}", "other": "x" * 16_000} for k in range(80))
    url = s3.put("big.jsonl", piece * 220)
    assert s3.fs.info(url)["size"] > 256 << 20
    small = s3.put("small.jsonl", piece)
    for one, most in ((small, 1000), (url, 390)):  # the first may compile kernels, which takes memory of its own
        limited("scan", one, "-o", f"{s3.url}/run", "--no-sketches", "--allow", megabytes=most)


def test_only_the_columns_that_are_needed_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a file of tables is many times as large."""
    rows = [{"id": str(k), "text": f"{FERRY} {k}", "picture": os.urandom(4000)} for k in range(3000)]
    asked: list[int] = []
    get = ranges.RemoteFile._get

    def counted(self: ranges.RemoteFile, start: int, end: int) -> bytes:
        asked.append(end - start)
        return get(self, start, end)

    monkeypatch.setattr(ranges.RemoteFile, "_get", counted)
    for name, data in (
        ("a.parquet", parquet(pa.Table.from_pylist(rows), 500)),
        ("b.arrow", arrow(pa.Table.from_pylist(rows), pa.ipc.new_file)),
    ):
        url = store.put(name, data)
        asked.clear()
        scan(url, ALLOW)
        assert sum(asked) < 3 << 20 < len(data) // 3


@pytest.mark.usefixtures("small_ranges")
def test_no_range_is_read_twice_or_kept(s3: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    get = ranges.RemoteFile._get

    def counted(self: ranges.RemoteFile, start: int, end: int) -> bytes:
        asked.append((start, end))
        assert len(self._coming) <= ranges.AHEAD + 1
        return get(self, start, end)

    monkeypatch.setattr(ranges.RemoteFile, "_get", counted)
    data = jsonl({"id": str(k), "text": f"{FERRY} {k}"} for k in range(2000))
    scan(s3.put("a.jsonl", data), ALLOW)
    assert sum(end - start for start, end in asked) < len(data) + 3 * (1 << 16)
    assert max(end - start for start, end in asked) <= 1 << 16


OF_MEMORY = ["../x.jsonl", "a//b.jsonl", "a/b.jsonl", "/abs.jsonl", "t//c.txt", "t/c.txt", "t/./d.txt",
    "a/../../../y.jsonl", "nul\0.jsonl", "back\\slash.jsonl"]  # fmt: skip
OF_S3 = ["a//b.jsonl", "a/b.jsonl", "/abs.jsonl", "t//c.txt", "t/c.txt", "t/c.txt/e.txt", "a/b.jsonl/c.jsonl", "s/",
    "what?.jsonl", "a b%20+.jsonl", "käse.jsonl", "[x]*.jsonl"]  # fmt: skip


@pytest.mark.parametrize("kind", ["memory", "s3"])
def test_keys_of_any_kind_stay_inside(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store, keys = request.getfixturevalue(kind), OF_MEMORY if kind == "memory" else OF_S3
    for k, key in enumerate(keys):
        text = f"{FERRY} {k} {WINTER * k}"
        put_raw(store, key, text.encode() if "jsonl" not in key else jsonl([{"id": str(k), "text": text}]))
    visible = [key for key in keys if "/." not in key and not key.startswith(".") and not key.endswith("/")]
    patterns = [store.url] if kind == "s3" else [store.url, f"{store.url}/**", f"{store.url}/**/*.jsonl"]
    for number, inputs in enumerate(patterns):
        out = tmp_path / f"{number}" / "in" / "out"
        cleaned = clean(inputs, out, ALLOW)
        assert [one.name for one in (tmp_path / f"{number}").iterdir()] == ["in"]
        assert [one.name for one in (tmp_path / f"{number}" / "in").iterdir()] == ["out"]
        undo(out, tmp_path / f"back{number}")
        found = [path for path in (tmp_path / f"back{number}").rglob("*") if path.is_file()]
        wanted = [key for key in visible if number < 2 or (key.endswith(".jsonl") and key[0] != "/")]
        assert len(found) == len(wanted), cleaned.run.summary["inputs"]
        assert len({path.read_bytes() for path in found}) == len(wanted)
    if kind == "memory":
        clean([f"{store.url}/../x.jsonl", f"{store.url}/a/../../../y.jsonl"], tmp_path / "single" / "out", ALLOW)
        assert [one.name for one in (tmp_path / "single").iterdir()] == ["out"]


def put_raw(store: Store, key: str, data: bytes) -> None:
    """Write an object under a key as it is."""
    if store.url.startswith("s3://"):
        bucket, _, top = store.url.partition("://")[2].partition("/")
        store.fs.call_s3("put_object", Bucket=bucket, Key=f"{top}/{key}", Body=data)
        return
    from fsspec.implementations.memory import MemoryFile

    full = f"/{store.url.partition('://')[2]}/{key}"
    store.fs.store[full] = MemoryFile(store.fs, full, data)


def test_what_is_not_there_is_told(s3: Store, address: str, tmp_path: Path) -> None:
    url = s3.put("in.jsonl", jsonl(RECORDS))
    for wrong, said in (
        (f"{s3.url}/nothing.jsonl", "does not exist"),
        ("s3://no-such-bucket/a.jsonl", "does not exist"),
        ("s3://no-such-bucket/*.jsonl", "no-such-bucket/\\*.jsonl"),
        (f"{s3.url}/*.nothing", "nothing is like"),
        ("nonsense://a", "is no protocol"),
        (f"{address}/nothing/at/all.jsonl", "does not exist"),
    ):
        with pytest.raises((NotFound, InputError), match=said):
            scan(wrong, ALLOW)
        assert (
            dedup("scan", wrong, "-o", tmp_path / "run", code=1).stderr.count(b"\n") == 1 if "bucket" in wrong else True
        )
    for out in ("s3://no-such-bucket/out", "s3://no-such-bucket/out.jsonl"):
        with pytest.raises(NotFound, match="there is no bucket no-such-bucket"):
            clean(url, out, ALLOW)
    with pytest.raises(NotFound, match="there is no bucket no-such-bucket"):
        scan(url, ALLOW, out="s3://no-such-bucket/run")
    with pytest.raises(StoreError, match="cannot write to https"):
        clean(url, "https://host/out.jsonl", ALLOW)
    with pytest.raises(NotFound, match="is no run"):
        runs(s3.url)


def test_access_that_is_refused_is_told(s3: Store, address: str) -> None:
    url = s3.put("in.jsonl", jsonl(RECORDS))
    check_rights(address, on=True)
    try:
        with pytest.raises(DedupError, match=f"{url}: access refused") as failed:
            scan(url, ALLOW)
        with pytest.raises(DedupError, match="access refused"):
            clean(
                [{"text": "a"}] and Path(__file__).parent / "test_remote.py", f"{s3.url}/out", Settings(format="text")
            )
    finally:
        check_rights(address, on=False)
    assert not any(word in str(failed.value) for word in KEYS.values())


@pytest.mark.usefixtures("address")
def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_stores()
    try:
        with pytest.raises(NotFound, match=r"cannot read s3://bucket/a\.jsonl .*check the address, the network"):
            scan("s3://bucket/a.jsonl")
    finally:
        forget_stores()


def test_secrets_are_neither_told_nor_kept(s3: Store, tmp_path: Path) -> None:
    s3.put("in.jsonl", jsonl(RECORDS) + b"bad")
    signed = s3.fs.sign(f"{s3.url}/in.jsonl")
    assert "Signature=" in signed
    run = scan(signed, ALLOW, out=tmp_path / "run")
    assert run.summary["documents"] == 3
    clean(signed, tmp_path / "out.jsonl", ALLOW)
    assert undo(tmp_path / "out.jsonl", tmp_path / "back").read_bytes() == jsonl(RECORDS) + b"bad"
    secrets = [part.partition("=")[2].encode() for part in signed.partition("?")[2].split("&")]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in secrets if len(secret) > 3), path
    for wrong in (signed.replace("in.jsonl", "not.jsonl"), signed.replace("127.0.0.1", "me:password@127.0.0.1:1")):
        failed = dedup("scan", wrong, "-o", tmp_path / "no", code=1).stderr
        assert not any(secret in failed for secret in [b"password", *secrets] if len(secret) > 3), failed
        assert b"dedup: " in failed


class Plain(http.server.SimpleHTTPRequestHandler):
    """A server that gives whole files only."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web").mkdir()

    def handler(*arguments: Any) -> Plain:
        return Plain(*arguments, directory=str(tmp_path / "web"))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_without_ranges_is_read_from_begin_to_end(plain: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")
    records = [{"id": str(k), "text": os.urandom(300).hex()} for k in range(2000)]
    for name, data in {
        "a.jsonl": jsonl(records),
        "b.jsonl.gz": gzip.compress(jsonl(records)),
        "c.jsonl.zst": zstd(jsonl(records)),
        "d.csv": b"id,text\n1,a text\n",
        "e.txt": FERRY.encode(),
    }.items():
        (tmp_path / "web" / name).write_bytes(data)
        remote, local = scan(f"{plain}/{name}", ALLOW), scan(tmp_path / "web" / name, ALLOW)
        assert remote.summary["texts"] == local.summary["texts"]
    (tmp_path / "web" / "t.parquet").write_bytes(parquet(pa.Table.from_pylist(records)))
    with pytest.raises(NotFound, match="no parts of files"):
        scan(f"{plain}/t.parquet", ALLOW)


def test_files_of_this_machine_may_be_told_by_url(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(RECORDS))
    url = f"file://{tmp_path}"
    assert scan(f"{url}/in.jsonl", ALLOW, out=f"{url}/run").path == tmp_path / "run"
    assert clean(f"{url}/in.jsonl", f"{url}/out.jsonl", ALLOW, run=f"{url}/run").path == tmp_path / "out.jsonl"
    assert undo(f"{url}/out.jsonl", f"{url}/back").read_bytes() == jsonl(RECORDS)
    assert runs(f"{url}/run")[0]["state"] == "whole"


def test_names_with_colons_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b.jsonl").write_bytes(jsonl(RECORDS))
    assert scan("a:b.jsonl", ALLOW).summary["documents"] == 3


@pytest.mark.parametrize(("module", "url", "package"), [("fsspec", "s3://a/b", ""), ("gcsfs", "gs://a/b", " gcsfs"),
    ("huggingface_hub", "hf://datasets/a/b", " huggingface_hub")])  # fmt: skip
def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, module: str, url: str, package: str) -> None:
    if module != "fsspec":
        fsspec = pytest.importorskip("fsspec.registry", reason="the extra `remote` is not installed")
        monkeypatch.setattr(fsspec, "_registry", {})
        monkeypatch.setattr(fsspec, "registry", {})
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'corpus-dedup\[remote\]'{package}$"):
        scan(url)


def test_nothing_of_it_is_loaded_without_a_url() -> None:
    loaded = "print([name for name in sys.modules if name.startswith(('fsspec', 's3fs', 'aiohttp', 'boto'))])"
    code = f"import sys, dedup; dedup.scan([{{'text': 'a'}}]); {loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
