"""Pages, WARC and WET: their main text, what is skipped and what is rejected, and that cleaning them can be undone."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from endtoend import command, dedup, files, jsonl, pack, rows, zstd
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

import dedup as library
from dedup import InputError, MissingExtra, Settings, StoreError
from dedup.formats import open_inputs, records, response
from dedup.formats.compression import Codec, Decompressed
from dedup.formats.html import Pages, decode, read_page
from dedup.formats.records import Record, RecordReader
from dedup.formats.tags import MOST_OF_A_TAG, MOST_TAGS, check_page
from dedup.formats.warc import Warc

SENTENCES = [
    "The ferry Ostara leaves the old harbour at nine in the morning, and returns in the afternoon with the mail.",
    "Tickets are sold on board and in the kiosk beside the old customs house, where the queue is shorter on Mondays.",
]


def page(*paragraphs: str, head: str = "") -> bytes:
    """Write a page with a menu, some paragraphs and a footer."""
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    menu = "".join(f'<li><a href="/{k}">Part {k}</a></li>' for k in range(9))
    return (
        f"<!DOCTYPE html><html><head>{head}</head><body><nav><ul>{menu}</ul></nav>"
        f"<article>{body}</article><footer>All rights reserved</footer></body></html>"
    ).encode()


def story(number: int) -> list[str]:
    """Return paragraphs that no other story has."""
    some = random.Random(number)
    words = ["".join(some.choices("aeiounrstlmdk", k=some.randint(2, 9))) for _ in range(80)]
    return [" ".join(some.choices(words, k=25)).capitalize() + "." for _ in range(4)]


def record(
    kind: str, body: bytes, uri: str = "http://www.a.example/x", length: int | None = None, **fields: str
) -> bytes:
    """Write a WARC record."""
    told = {
        "WARC-Type": kind, "WARC-Target-URI": uri, "WARC-Date": "2024-01-02T03:04:05Z",
        "WARC-Record-ID": "<urn:uuid:1>", "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(body) if length is None else length),
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value)
    return b"WARC/1.0\r\n" + lines.encode() + b"\r\n" + body + b"\r\n\r\n"


def answer(body: bytes, status: str = "200 OK", **fields: str) -> bytes:
    """Write an HTTP response."""
    told = {"Content-Type": "text/html", **{name.replace("_", "-"): value for name, value in fields.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def text(data: str) -> dict[str, Any]:
    """Return what makes a conversion record of a text."""
    return {"kind": "conversion", "body": data.encode(), "Content_Type": "text/plain"}


def parsed(path: Path, size: int = 1 << 21, settings: Settings | None = None) -> tuple[list[Any], list[Any]]:
    """Read a file in pieces: documents, and rejects."""
    (source,) = open_inputs(path)
    documents: list[Any] = []
    rejects: list[Any] = []
    for chunk in source.chunks(size):
        part, bad = source.parse(chunk, settings or Settings(newest="date"))
        bounds, data = part.bounds.tolist(), part.data.tobytes()
        texts = [data[a:b].decode() for a, b in itertools.pairwise(bounds)]
        documents += zip(part.ids.to_pylist(), texts, part.sources.to_pylist(), part.ages.to_pylist(), strict=True)
        rejects += [(reject.line, reject.error) for reject in bad]
    return documents, rejects


def test_pages() -> None:
    head = (
        '<title> The  ferry </title><link rel="canonical" href="https://News.Example:8080/ferry">'
        '<meta property="article:published_time" content="2024-03-02T10:00:00+01:00">'
    )
    read = read_page(page(*story(1), head=head), None)
    assert read == ("\n".join(story(1)), "The ferry", "news.example", "2024-03-02")
    other = '<meta property="og:url" content="//b.example/x"><meta property="og:title" content="Told">'
    assert read_page(page(*story(2), head=other + head.replace("canonical", "next")), None)[1:] == (
        "Told", "b.example", "2024-03-02"
    )  # fmt: skip
    for odd in ('<link rel="canonical" href="http://[">', '<link rel="canonical" href="/x">', "<title></title>"):
        assert read_page(page(*story(3), head=odd), None)[1:] == (None, None, None)


TREE = {
    "a.html": page(*story(1)),
    "b.htm": page(*story(2), SENTENCES[0]),
    "deep/er/a.HTML": page(*story(3), SENTENCES[0]),
    "d.xhtml.gz": gzip.compress(b'<?xml version="1.0" encoding="utf-8"?>\n' + page(*story(4))),
}


def test_trees_of_pages(tmp_path: Path) -> None:
    root = tmp_path / "site"
    for name, data in {**TREE, "empty.html": b"", "torn.html": zstd(page(*story(5)))[:-9], "x.png": b""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    done = dedup("clean", root, "-o", tmp_path / "out", "--json")
    summary = json.loads(done.stdout)
    assert (summary["documents"], summary["ignored"]) == (4, {".png": 1})
    assert files(tmp_path / "out").keys() == {"site.jsonl", "removals.jsonl", "rejects.jsonl", "summary.json"}
    kept = rows(tmp_path / "out" / "site.jsonl")
    assert [list(row) for row in kept] == [["id", "text", "source", "date", "title"]] * 4
    assert [row["id"] for row in kept] == ["a.html", "b.htm", "d.xhtml.gz", "deep/er/a.HTML"]
    assert kept[3]["text"] == "\n".join(story(3))
    (removal,) = rows(tmp_path / "out" / "removals.jsonl")
    assert (removal["doc"], removal["text"].strip(), removal["partner_doc"]) == (
        "deep/er/a.HTML",
        SENTENCES[0],
        "b.htm",
    )
    rejects = rows(tmp_path / "out" / "rejects.jsonl")
    assert [(row["input"], row["line"]) for row in rejects] == [(f"{root}/empty.html", 5), (f"{root}/torn.html", 6)]
    assert [row["error"].split(" (")[0] for row in rejects] == [
        "no main text was found", "the zstd stream is truncated or corrupt"
    ]  # fmt: skip
    dedup("clean", "--undo", tmp_path / "out", "-o", tmp_path / "back")
    back = rows(tmp_path / "back" / "site.jsonl")
    assert [row["text"] for row in back] == [
        "\n".join(story(k)) + f"\n{SENTENCES[0]}" * (k in {2, 3}) for k in (1, 2, 4, 3)
    ]
    library.clean(root, tmp_path / "out.jsonl.gz", Settings(batch_bytes=1))
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == (tmp_path / "out" / "site.jsonl").read_bytes()
    with pytest.raises(InputError, match=rf"{root}/empty.html:5: no main text was found"):
        library.scan(root, Settings(strict=True))


def test_one_page(tmp_path: Path) -> None:
    path = tmp_path / "story"
    path.write_bytes(page(*story(1)))
    assert [row[:2] for row in parsed(path)[0]] == [("story", "\n".join(story(1)))]
    done = dedup("clean", "-", "-o", "-", "--format", "html", stdin=path.read_bytes())
    assert json.loads(done.stdout)["id"] == "stdin.html"
    library.clean(path, tmp_path / "out")
    assert files(tmp_path / "out").keys() >= {"story.jsonl"}
    named = tmp_path / "story.json"
    named.write_bytes(path.read_bytes())
    with pytest.raises(StoreError, match="is the input, which cannot be restored"):
        library.clean(named, named, Settings(format="html"))


@pytest.mark.parametrize(
    ("data", "told", "expected"),
    [
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), None, "é"),
        ("“é”".encode("cp1252"), "iso-8859-1", "“é”"),
        ("日本".encode("shift_jis"), "x-sjis", "日本"),
        ("日本".encode("euc-jp"), "EUC-JP", "日本"),
        ("<meta charset=gb2312>中文".encode("gb18030"), None, "<meta charset=gb2312>中文"),
        ('<META http-equiv=x content="text/html; charset=windows-1251">Да'.encode("cp1251"), "", None),
        ("Да".encode("koi8-r"), " KOI8-R ", "Да"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>ą'.encode("iso-8859-2"), None, "ą"),
        (b"\xef\xbb\xbf" + "é".encode(), "latin-1", "é"),
        (b"\xff\xfe" + "é".encode("utf-16-le"), "utf-8", "é"),
        ("<meta charset=utf-16>é".encode(), None, "<meta charset=utf-16>é"),
        ("é".encode("utf-16-be"), "utf-16be", "é"),
        (b"a\xffb\0c", "utf-8", "a\ufffdbc"),
        (b"a+AGE-", "utf-7", "a+AGE-"),
        *(
            (b"x\\x41", name, "x\\x41")
            for name in ("unicode_escape", "rot13", "zlib", "undefined", "é", "\0", "x" * 999)
        ),
    ],
)
def test_encodings(data: bytes, told: str | None, expected: str | None) -> None:
    found = decode(data, told)
    assert found == expected if expected is not None else found.endswith("Да")


def test_pages_that_cost_too_much() -> None:
    many = " ".join(f"a{k}" for k in range(MOST_OF_A_TAG + 1))
    quoted = " ".join(f'a{k}=">"' for k in range(MOST_OF_A_TAG + 1))
    for bad in (
        f"<p {many}>", f"<p {quoted}>", f"<p\n{many}", f"<P/{many.replace(' ', '/')}>", f'<p a="" {many}',
        '<a "' * 100_000, "<p a='" * 100_000, ("<p " + "a=b " * 900 + ">") * 600,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="too many attributes"):
            check_page(bad)
    for what, bad in (("tags", "<b>" * (MOST_TAGS + 1)), ("tables", "<table><tr><td>x</td></tr></Table>" * 2001)):
        with pytest.raises(ValueError, match=f"too many {what}"):
            check_page(bad)
    for good in (
        '<p a="' + "x " * 100_000, f"<!-- <p {many}> -->", f"<!-- <p {many}>", f"<script>if (a <b {many}) </script>",
        f"<title><p {many}>", f'<p title="{many}">', f"<path d='{many}'/>", "<" * 100_000, "< p" * 100_000,
        "<!--" * 100_000, f"text {many}", "</p " + "x" * 99_999 + ">", "<script>" * 50_000, "<p>" + "</p>" * 50_000,
    ):  # fmt: skip
        begun = time.perf_counter()
        check_page(good)
        assert time.perf_counter() - begun < 1


@given(st.text(st.sampled_from("<>/='\"! -ab\n"), max_size=300))
def test_checking_ends(markup: str) -> None:
    check_page(markup)


def test_what_the_extractor_fails_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import trafilatura

    path = tmp_path / "a.html"
    path.write_bytes(page(*story(1)))
    for error in (RecursionError("too deep"), MemoryError(), AttributeError("NoneType")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(trafilatura, "bare_extraction", fail)
        documents, ((line, complaint),) = parsed(path)
        assert (documents, line) == ([], 1)
        assert complaint.startswith(f"the extractor failed ({type(error).__name__}")
    monkeypatch.undo()
    path.write_bytes(b"<p>" + b"word " * (1 << 21))
    assert parsed(path) == ([], [(1, "the page is longer than 8 MB")])
    path.write_bytes(b"<div>" * 20_000 + b"deep" + b"</div>" * 20_000)
    assert parsed(path)[0] == []


@pytest.mark.parametrize(
    ("module", "inputs", "extra"),
    [("trafilatura", "a.html", "html"), ("fastwarc", "a.warc", "warc"), ("trafilatura", "a.warc", "warc")],
)
def test_extras_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, inputs: str, extra: str
) -> None:
    (tmp_path / inputs).write_bytes(b"")
    monkeypatch.setitem(sys.modules, module, None)
    for path in (tmp_path / inputs, tmp_path):
        with pytest.raises(MissingExtra, match=rf"pip install 'corpus-dedup\[{extra}\]'") as caught:
            library.scan(path)
    assert isinstance(caught.value, ImportError | library.DedupError)
    assert caught.value.extra == extra
    code = f"import sys; sys.modules[{module!r}] = None; from dedup.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "scan", tmp_path, "-o", "x"], capture_output=True, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def packed(parts: Sequence[bytes], codec: Codec | None) -> bytes:
    """Compress records, each by itself."""
    return b"".join(parts if codec is None else (pack(part, codec) for part in parts))


CRAWL = [
    record("warcinfo", b"software: x\r\n", uri="", Content_Type="application/warc-fields"),
    record("request", b"GET / HTTP/1.1\r\n\r\n"),
    record("response", answer(page(*story(1), head="<title>One</title>")), uri="http://www.A.example/1"),
    record("response", answer(b"\x89PNG", Content_Type="image/png")),
    record("response", answer(page(*story(2)), "404 Not Found")),
    record("response", answer(page(*story(2)), "301 Moved")),
    record("response", b"1.2.3.4", uri="dns:a.example", Content_Type="text/dns"),
    record("revisit", answer(b"")),
    record("response", answer(b"<html><p> </p>"), uri="http://a.example/2"),
    record("response", answer(page(*story(3), SENTENCES[1])), uri="<http://b.example/3>"),
    record(**text("A text, “as it is”.\n\n" + SENTENCES[1] + "\n"), uri="", WARC_Record_ID="<urn:uuid:9>"),
    record("conversion", b"%PDF", Content_Type="application/pdf"),
    record("conversion", b"caf\xe9", Content_Type="text/plain"),
    record("metadata", b"x"),
]
DOCUMENTS = [
    ("http://www.A.example/1", "\n".join(story(1)), "www.a.example", "2024-01-02T03:04:05Z"),
    ("http://b.example/3", "\n".join([*story(3), SENTENCES[1]]), "b.example", "2024-01-02T03:04:05Z"),
    ("<urn:uuid:9>", "A text, “as it is”.\n\n" + SENTENCES[1] + "\n", None, "2024-01-02T03:04:05Z"),
]
REJECTS = [(9, "no main text was found"), (13, "not UTF-8 at byte 3 of the record")]


@pytest.mark.parametrize("codec", [None, "gzip", "zstd", "lz4", "xz"])
def test_crawls(tmp_path: Path, codec: Codec | None) -> None:
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(packed(CRAWL, codec))
    for size in (1, 1000, 1 << 21):
        documents, rejects = parsed(path, size)
        assert (documents, sorted(rejects)) == (DOCUMENTS, REJECTS)
    done = dedup("clean", path, "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["rejects"] == 2
    kept = rows(tmp_path / "out" / "crawl.warc.gz.jsonl")
    assert [row["id"] for row in kept] == [row[0] for row in DOCUMENTS]
    assert [row["title"] for row in kept] == ["One", None, None]
    assert kept[2] == {
        "id": "<urn:uuid:9>", "text": "A text, “as it is”.\n", "source": None, "date": DOCUMENTS[2][3],
        "title": None,
    }  # fmt: skip
    assert sorted((row["line"], row["error"]) for row in rows(tmp_path / "out" / "rejects.jsonl")) == REJECTS
    dedup("clean", "--undo", tmp_path / "out", "-o", tmp_path / "back")
    back = rows(tmp_path / "back" / "crawl.warc.gz.jsonl")
    assert [(row["id"], row["text"], row["source"], row["date"]) for row in back] == DOCUMENTS
    run = library.scan(path, Settings(survivor="newest", newest="date"))
    assert run.rejects[0]["raw"].startswith("WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.example/2")
    assert {row["file"] for row in run.rejects} == {str(path)}
    library.clean(path, tmp_path / "out2.jsonl", run=library.scan(path))
    assert (tmp_path / "out2.jsonl").read_bytes() == (tmp_path / "out" / "crawl.warc.gz.jsonl").read_bytes()


def test_crawls_through_standard_input(tmp_path: Path) -> None:
    done = dedup("clean", "-", "-o", tmp_path / "out", "--format", "warc", stdin=packed(CRAWL, "gzip"))
    assert b"rejected records" in done.stdout
    assert len(rows(tmp_path / "out" / "stdin.warc.jsonl")) == 3


def test_fields_are_those_of_the_extraction(tmp_path: Path) -> None:
    path, beside = tmp_path / "a.warc", tmp_path / "in.jsonl"
    path.write_bytes(packed(CRAWL, None))
    beside.write_bytes(jsonl([{"body": f"Nothing of this stands elsewhere: {SENTENCES[1]}", "key": "k", "site": "s"}]))
    named = Settings(text="body", id="key", source="site", newest="date")
    for size in (1, 1 << 21):
        assert parsed(path, size, named) == parsed(path)
    run = library.clean([path, beside], tmp_path / "out", named).run
    assert run.documents["doc"].to_pylist() == [*library.scan(path).documents["doc"].to_pylist(), "k"]
    library.undo(tmp_path / "out", tmp_path / "back")
    assert (tmp_path / "back" / "in.jsonl").read_bytes() == beside.read_bytes()


def test_pages_of_one_name(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "index.html" for folder in "abc"]
    for k, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(page(*story(k)))
    run = library.clean(paths, tmp_path / "out").run
    assert run.documents["doc"].to_pylist() == ["index.html", "index-2.html", "index-3.html"]
    assert run.summary["duplicate_ids"] == 0
    assert rows(tmp_path / "out" / "index-2.html.jsonl")[0]["id"] == "index-2.html"
    run = library.scan(str(tmp_path / "*" / "index.html"))
    assert run.documents["doc"].to_pylist() == [f"{folder}/index.html" for folder in "abc"]


@pytest.mark.parametrize("codec", [None, "gzip", "zstd", "lz4"])
def test_crawls_cut_off_anywhere(tmp_path: Path, codec: Codec | None) -> None:
    path = tmp_path / "a.wet"
    records = [record(**text(f"Text {k} of a few words."), uri=f"http://a.example/{k}") for k in range(5)]
    whole = packed(records, codec)
    for end in range(0 if codec is None else 4, len(whole), 7 if codec is None else 3):
        path.write_bytes(whole[:end])
        documents, rejects = parsed(path)
        assert [row[0] for row in documents] == [f"http://a.example/{k}" for k in range(len(documents))]
        boundaries = [len(packed(records[:k], codec)) for k in range(6)]
        if end in boundaries or (codec is None and end + 4 in {*boundaries, *(one + 1 for one in boundaries)}):
            assert rejects == []
        elif codec is None and end > boundaries[len(documents)] - 4 and end < boundaries[len(documents)]:
            assert rejects == []  # of the last record only line ends are missing
        else:
            assert len(rejects) == 1, (end, rejects)
            assert (
                "cut off" in rejects[0][1] or "does not end" in rejects[0][1] or "begins here" in rejects[0][1]
            ) == (codec is None)


BROKEN = {
    "rubbish": (b"rubbish\r\n\r\n", "no WARC record begins here"),
    "rubbish without an end": (b"rubbish" * 30_000 + b"\n", "no WARC record begins here"),
    "no length": (record(**text("x"), Content_Length=""), "the record does not tell its length"),
    "length no number": (record(**text("x"), Content_Length="-5"), "the record does not tell its length"),
    "length huge": (record(**text("x"), Content_Length="9" * 30), "the record does not tell its length"),
    "too short": (record(**text("x" * 50), length=10), "the record is not as long as it tells"),
    "too long": (record(**text("x" * 50), length=60), "the record is not as long as it tells"),
    "header without an end": (b"WARC/1.0\r\n" + b"X: y\r\n" * 20_000, "the header of the record does not end"),
    "no HTTP": (record("response", b"rubbish" * 20), "the response has no status line"),
    "status no number": (record("response", answer(b"x", "OK")), "the response has no status line"),
    "empty response": (record("response", b""), "the response has no status line"),
    "long header of HTTP": (record("response", answer(b"", X="y" * 99_999)), "no HTTP response: "),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("codec", [None, "gzip"])
def test_broken_records_hide_no_others(tmp_path: Path, name: str, codec: Codec | None) -> None:
    raw, complaint = BROKEN[name]
    path = tmp_path / "a.warc"
    before, behind = (
        record(**text(f"{one} is a text."), uri=f"http://a.example/{one}") for one in ("before", "behind")
    )
    path.write_bytes(packed([before, raw, behind, before], codec))
    documents, ((line, error),) = parsed(path)
    assert (line, error.startswith(complaint)) == (2, True)
    assert [row[0][17:] for row in documents] == ["before", "behind", "before"]
    assert parsed(path, 1) == (documents, [(line, error)])


def test_lines_may_end_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    loose = [record(**text("A text.")), record("response", answer(page(*story(1))))]
    path.write_bytes(
        b"".join(one.replace(b"\r\n", b"\n") for one in loose).replace(b"Content-Length", b"content-length ")
    )
    documents, rejects = parsed(path)
    # what a length counts is not changed by line ends, so a response loses some of them
    assert documents[0][1] == "A text."
    assert len(documents) + len(rejects) == 2


TEXT = "\n".join(story(7))
MARKUP = page(*story(7))
DEFLATED = zlib.compress(MARKUP)


def chunked(data: bytes) -> bytes:
    """Write bytes in chunks, as servers do."""
    return b"%x\r\n%s\r\n%x;x=y\r\n%s\r\n0\r\n\r\n" % (99, data[:99], len(data) - 99, data[99:])


def brotli(data: bytes) -> bytes:
    """Compress bytes."""
    import brotli as module  # what fastwarc needs

    return cast("bytes", module.compress(data))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (MARKUP, {"Content_Type": "TEXT/HTML; charset=utf-8"}),
        (MARKUP, {"Content_Type": "application/xhtml+xml"}),
        (MARKUP, {"Content_Type": ""}),
        (chunked(MARKUP), {"Transfer_Encoding": "chunked"}),
        (chunked(MARKUP)[:-60], {"Transfer_Encoding": "chunked"}),
        (MARKUP, {"Transfer_Encoding": "chunked"}),
        (gzip.compress(MARKUP), {"Content_Encoding": "gzip"}),
        (gzip.compress(MARKUP)[:-8], {"Content_Encoding": "x-gzip"}),
        (MARKUP, {"Content_Encoding": "gzip"}),
        (DEFLATED, {"Content_Encoding": "deflate"}),
        (DEFLATED[2:-4], {"Content_Encoding": "deflate"}),
        (zstd(MARKUP), {"Content_Encoding": "zstd"}),
        (brotli(MARKUP), {"Content_Encoding": "br"}),
        (MARKUP, {"Content_Encoding": "br"}),
        (MARKUP, {"Content_Encoding": "unheard of"}),
        (gzip.compress(brotli(MARKUP)), {"Content_Encoding": "br, gzip"}),
        (chunked(gzip.compress(MARKUP)), {"Content_Encoding": "gzip", "Transfer_Encoding": "chunked"}),
    ],
)
def test_encodings_of_responses(body: bytes, fields: dict[str, str]) -> None:
    message = answer(body, **fields)
    read = response.read_response(message, len(message))
    assert read is not None
    assert TEXT.startswith(read.text[:500])


def test_responses_of_no_page() -> None:
    for message in (
        answer(b"text", Content_Type=""), answer(b"{}", Content_Type="application/json"), answer(MARKUP, "500 Error"),
    ):  # fmt: skip
        assert response.read_response(message, len(message)) is None


def test_what_rust_code_gives_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastwarc.warc

    class PanicException(BaseException):
        pass

    class Broken:
        @staticmethod
        def from_bytes(_: bytes) -> None:
            raise PanicException("called unwrap")

    monkeypatch.setattr(fastwarc.warc, "WarcRecord", Broken)
    with pytest.raises(ValueError, match="no HTTP response"):
        response.read_response(b"x", 1)
    monkeypatch.setattr(Broken, "from_bytes", staticmethod(lambda _: (_ for _ in ()).throw(KeyboardInterrupt)))
    with pytest.raises(KeyboardInterrupt):
        response.read_response(b"x", 1)


def limited(megabytes: int, code: str, *arguments: str) -> None:
    """Run code and check that it never took more memory than so much."""
    ends = "import pathlib; print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{ends}", *arguments], capture_output=True, check=True)
    assert int(done.stdout.split()[-1]) < megabytes << 10


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_bombs_in_responses(tmp_path: Path, encoding: str) -> None:
    total, piece = 300, b" " * (1 << 20)
    if encoding == "br":
        import brotli as module

        stream = module.Compressor(quality=5)
        data = b"".join(stream.process(piece) for _ in range(total)) + stream.finish()
    elif encoding == "zstd":
        data = zstd(piece * total)
    else:
        deflate = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        data = b"".join(deflate.compress(piece) for _ in range(total)) + deflate.flush()
    (tmp_path / "bomb").write_bytes(answer(data, Content_Encoding=encoding))
    code = (
        "import sys; from dedup.formats.response import read_response\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "try: read_response(data, len(data))\n"
        "except ValueError as error: assert 'longer than 8 MB' in str(error), error"
    )
    limited(330, code, str(tmp_path / "bomb"))


def test_records_too_long_to_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.warc.gz"
    small = record(**text("A text."), uri="http://a.example/end")
    zeros = bytes(12 << 20)
    crawl = [
        record("response", answer(page(*story(1)) + zeros)),
        record("response", answer(zeros, Content_Type="video/mp4")),
        record("resource", zeros), record(**text("long " * 300)), small,
    ]  # fmt: skip
    path.write_bytes(packed(crawl, "gzip"))
    monkeypatch.setattr("dedup.formats.warc.LONGEST", 1000)
    documents, rejects = parsed(path)
    assert [row[0] for row in documents] == ["http://a.example/end"]
    assert rejects == [(1, "the page is longer than 8 MB"), (4, "the text is longer than 0 MB")]
    path.write_bytes(packed([small, record("resource", zeros)[:-999]], None))
    assert parsed(path)[1] == [(2, "the record is cut off")]


def naive(data: bytes) -> list[tuple[int, bytes]]:
    """Return the number and body of each record of a file without faults."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        end = data.index(b"\r\n\r\n", at) + 4
        length = int(data[at:end].split(b"Content-Length: ")[1].split(b"\r\n")[0])
        found.append((len(found) + 1, data[end : end + length]))
        at = end + length + 4
    return found


@given(st.lists(st.binary(max_size=400) | st.just(b"\r\n\r\nWARC/1.0\r\n\r\n"), max_size=8), st.integers(1, 300))
def test_records_are_found(bodies: list[bytes], step: int) -> None:
    data = b"".join(record("conversion", body) for body in bodies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "STEP", step)
        found = list(RecordReader(Decompressed(io.BytesIO(data), None), lambda _: 1 << 20))
    assert [(one.number, one.body) for one in found] == naive(data)
    assert all(one.error is None for one in found)


@given(
    st.lists(st.sampled_from([*CRAWL[:4], b"WARC/1.", b"\r\n", b"\nWARC/", b"x", b"\0" * 99]), max_size=9), st.data()
)
@profile(max_examples=100)
def test_any_bytes_end(parts: list[bytes], data: st.DataObject) -> None:
    raw = bytearray(b"".join(parts))
    for _ in range(data.draw(st.integers(0, 3)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    results: list[list[Record]] = []
    for step in (5, 1 << 16):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(records, "STEP", step)
            patch.setattr(records, "MOST_HEADER", 500)
            results.append(list(RecordReader(Decompressed(io.BytesIO(bytes(raw)), None), lambda _: 1 << 20)))
    assert [(one.number, one.body, one.error) for one in results[0]] == [
        (one.number, one.body, one.error) for one in results[1]
    ]
    numbers = [one.number for one in results[0]]
    assert numbers == sorted(set(numbers))


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", answer(b""), answer(b"", Content_Encoding="br")]),
)
def test_any_response_ends(data: bytes, head: bytes) -> None:
    with contextlib.suppress(ValueError):
        response.read_response(head + data, len(head + data))


def test_threads_extract_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    crawl = [record("response", answer(page(*story(k)))) for k in range(60)]
    path.write_bytes(packed(crawl, None))
    texts = {
        library.scan(path, Settings(threads=threads, batch_bytes=size, allow=True)).summary["texts"]
        for threads, size in ((1, 1), (4, 20_000), (4, 1 << 21))
    }
    assert len(texts) == 1


def test_nothing_is_said_while_extracting(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"x")
    (tmp_path / "b.html").write_bytes(page(*story(1)))
    done = dedup("scan", tmp_path, "-o", tmp_path / "run")
    assert done.stderr.startswith(b"dedup: ")  # the reject, and nothing of the extractor's
    assert done.stderr.count(b"\n") == 1


def test_an_interrupt_ends_extracting(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    with path.open("wb") as file:
        for k in range(100):
            file.write(record("response", answer(page(*story(k)))) * 60)
    with subprocess.Popen(command("scan", path, "-o", tmp_path / "run"), stderr=subprocess.PIPE) as process:
        time.sleep(6)
        begun = time.monotonic()
        while process.poll() is None and time.monotonic() - begun < 30:
            process.send_signal(signal.SIGINT)  # one may come while pyarrow looks for pandas, which swallows it
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        assert process.returncode == 130
    assert not (tmp_path / "run").exists()


def test_readers(tmp_path: Path) -> None:
    for name, kind in (("a.html", Pages), ("a.warc", Warc)):
        (tmp_path / name).write_bytes(b"")
        maker = cast("Callable[[str, int], Any]", kind)
        assert maker(str(tmp_path / name), 3).name == f"{name}.jsonl"
    assert parsed(tmp_path / "a.warc") == ([], [])
    assert library.scan(tmp_path / "a.warc").summary["documents"] == 0
    library.clean(tmp_path / "a.warc", tmp_path / "out")
    assert (tmp_path / "out" / "a.warc.jsonl").read_bytes() == b""
