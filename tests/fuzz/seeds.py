"""Nothing in; small valid files of each format, and words of it, out."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import decimal
import functools
import gzip
import io
import json
import lzma
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from columnar import odd
from endtoend import pack
from fuzz.mutations import join

import dedup
from dedup.formats.compression import Codec

TEXTS = (
    "The ferry leaves the old harbour at nine in the morning every day.",
    "Übersetzt wird der Bericht erst im März;\nbis dahin gilt, was am Kai steht.",
    'He said "no", and then, quietly: \\"perhaps\\".\n\nSecond paragraph, with a tab\tin it.',
    "渡し船は毎朝九時に出ます。料金は三百円です。 😀",
    "מחר בבוקר תצא המעבורת\u200f \u0301combining e\u0301",
    "",
    " ",
    "line one\r\nline two\rline three\u2028line four\0end",
    "- a list\n- of items, one, two\n- three; four|five",
    "word " * 60,
)
RECORDS: list[dict[str, Any]] = [
    {"id": f"d{k}", "text": text, "source": f"site{k % 3}", "date": f"2024-01-{k + 1:02d}"}
    for k, text in enumerate(TEXTS)
]
ODD: list[dict[str, Any]] = [
    {"text": "no id", "nested": {"a": [1, 2.5, {"text": "inner"}], "b": None}},
    {"id": 12, "text": "number as id", "extra": [True, False, None, -1e-7]},
    {"id": None, "text": "null id", "source": None, "date": 20240101},
    {"text": None, "id": "null text"},
    {"text": 5, "id": "no string"},
    {"id": "no text"},
    {"id": ["list"], "text": "odd id"},
    {"text": "twice", "id": "a", "source": 3.5, "date": False},
]


def json_lines(records: Sequence[dict[str, Any]], end: str = "\n", **options: Any) -> bytes:
    """Write records as JSON lines."""
    return "".join(json.dumps(one, **options) + end for one in records).encode()


def of_jsonl() -> list[bytes]:
    """Return JSON lines."""
    return [
        json_lines(RECORDS),
        json_lines(RECORDS[:4], ensure_ascii=False),
        json_lines([*ODD, *RECORDS[:2]]),
        b"\xef\xbb\xbf" + json_lines(RECORDS[:2], "\r\n"),
        b"\n\n" + json_lines(RECORDS[3:5]) + b"  \n",
        b'{"text": NaN, "id": "x"}\n{"text": "a", "n": -Infinity}\n{"text":"\\ud83d\\ude00\\u0041\\/"}',
        b'{"text": "duplicate", "text": "key", "id": 1, "id": 2}\n[]\n"text"\n5\n{}\n',
        b"[" * 50 + b"]" * 50 + b'\n{"text": ' + b'{"a":' * 30 + b"1" + b"}" * 30 + b"}\n",
    ]


def of_json() -> list[bytes]:
    """Return JSON arrays."""
    return [
        json.dumps(RECORDS).encode(),
        json.dumps(RECORDS[:4], indent=1, ensure_ascii=False).encode(),
        json.dumps([*ODD, *RECORDS[:2]], indent="\t").encode() + b"\n\n",
        b"\xef\xbb\xbf [\r\n" + b",\r\n".join(json_lines([one]).strip() for one in RECORDS[:3]) + b"\r\n]\r\n",
        b"[]",
        b'[ {"text": "a]},[{"} , {"text":"\\"]"}\n,\n{"text":[["x"],{"y":"]"}]}]',
    ]


def of_delimited(separator: str) -> list[bytes]:
    """Return delimited text."""
    names = ["id", "text", "source", "date"]

    def rows(records: Sequence[dict[str, Any]], end: str = "\r\n", quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
        file = io.StringIO()
        writer = csv.DictWriter(
            file, names, delimiter=separator, lineterminator=end, quoting=quoting, extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(records)
        return file.getvalue().replace("\0", "").encode()

    return [
        rows(RECORDS),
        rows(RECORDS[:4], "\n", csv.QUOTE_ALL),
        b"\xef\xbb\xbf" + rows([*ODD, *RECORDS[2:3]], "\r"),
        rows(RECORDS[:3])[:-2] + b"\r\n\r\n\n" + rows(RECORDS[3:5]),
        f'text{separator}id\na "quoted" word{separator}1\n"open{separator}2\nx{separator}3\ny{separator}4\n'.encode(),
        b'text\n"one"\n\n"two ""2"" "x\nthree\n',
    ]


PARAGRAPHS = (
    "The ferry Ostara leaves the old harbour at nine in the morning, and returns in the afternoon with the mail.",
    "Tickets are sold on board and in the kiosk beside the old customs house, where the queue is shorter on Mondays.",
    "In winter the boat stays in the yard, where its planks are caulked anew and its engine is taken apart.",
)


def page(head: str = "", body: str = "", texts: Sequence[str] = PARAGRAPHS) -> bytes:
    """Write a page."""
    paragraphs = "".join(f"<p>{text}</p>\n" for text in texts)
    return (
        f'<!DOCTYPE html><html lang="en"><head><title>Ferries</title>{head}</head><body><nav><ul><li><a href="/1">One'
        f"</a></li></ul></nav><article><h1>Ferries</h1>{paragraphs}{body}</article><footer>All rights</footer>"
    ).encode() + b"</body></html>\n"


def of_html() -> list[bytes]:
    """Return pages."""
    table = "<table><tr><th>Hour<td>Fare</tr><tr><td>9<td>3</table>"
    return [
        page(),
        page('<meta charset="windows-1251"><link rel="canonical" href="http://a.example/x">', table),
        page(
            '<meta property="og:title" content="Boats &amp; more"><meta property="article:published_time" '
            'content="2024-02-03T01:02">',
            "<blockquote>quoted<pre>code &lt;b&gt;</pre></blockquote><img src=x alt=y><br/>tail<!-- comment -->",
        ),
        page("<script>if (a < b) { x = '</p>' }</script><style>p{}</style>", "<ul><li>one<li>two</ul>" * 3),
        b'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
        + page("", "<p>&b;&#x41;&#0;&#1114112;&nbsp;&unknown;</p>")[15:],
        "\ufeff".encode("utf-16-le") + page().decode().encode("utf-16-le"),
        b"<html><body>" + b"<div>" * 60 + PARAGRAPHS[0].encode() * 3,
    ]


def record(kind: str, body: bytes, *, content: str = "application/http; msgtype=response", more: str = "") -> bytes:
    """Write a WARC record."""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://www.a.example/{len(body)}\r\n"
        f"WARC-Date: 2024-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Type: {content}\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n\r\n"


def answer(body: bytes, fields: str = "", status: str = "200 OK") -> bytes:
    """Write an HTTP response."""
    return f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n{fields}\r\n".encode() + body


def chunked(body: bytes, size: int = 100) -> bytes:
    """Write chunks of a transfer."""
    parts = [body[k : k + size] for k in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def of_warc() -> list[bytes]:
    """Return crawls."""
    import brotli  # comes with the extractor

    info = record("warcinfo", b"software: none\r\n", content="application/warc-fields")
    request = record("request", b"GET / HTTP/1.1\r\n\r\n", content="application/http; msgtype=request")
    plain = record("response", answer(page()))
    packed = [
        record("response", answer(gzip.compress(page()), "Content-Encoding: gzip\r\n")),
        record("response", answer(zlib.compress(page()), "Content-Encoding: deflate\r\n")),
        record("response", answer(zlib.compress(page())[2:-4], "Content-Encoding: deflate\r\n")),
        record("response", answer(brotli.compress(page()), "Content-Encoding: br\r\n")),
        record("response", answer(pack(page(), "zstd"), "Content-Encoding: zstd\r\n")),
        record(
            "response",
            answer(chunked(gzip.compress(page())), "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
        ),
        record("response", answer(chunked(page()), "Transfer-Encoding: chunked\r\n")),
    ]
    others = [
        record("response", answer(b"", "Location: /x\r\n", "301 Moved")),
        record("resource", page(), content="text/html"),
        record("revisit", b"HTTP/1.1 304\r\n\r\n", more="WARC-Profile: x\r\n"),
        record("response", b"no http at all"),
        record("response", page(), content="text/html"),
    ]
    return [info + request + plain, *(one + plain for one in packed), b"".join(others), of_wet()[0] + plain]


def of_wet() -> list[bytes]:
    """Return texts that others extracted."""
    parts = [record("conversion", text.encode(), content="text/plain") for text in TEXTS]
    language = record("conversion", TEXTS[1].encode(), content="text/plain", more="WARC-Identified-Language: de\r\n")
    info = record("warcinfo", b"x: y\r\n", content="application/warc-fields")
    return [info + parts[0] + parts[3], b"".join(parts), language.replace(b"\r\n", b"\n"), b"".join(parts[5:7])]


def of_text() -> list[bytes]:
    """Return trees of texts."""
    files = [(f"{name}.txt", text.encode()) for name, text in zip("abcdefghij", TEXTS, strict=True)]
    deep = [("sub/deep/x.md", TEXTS[2].encode()), ("sub/y.markdown", b"\xff\xfe bad"), ("z.text", b"")]
    return [join(files[:4]), join(files[4:]), join(deep), join([*files[:1], *deep])]


DAY = dt.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=dt.UTC)


def tables() -> list[pa.Table]:
    """Return tables of many types."""
    texts = [text.replace("\0", "") for text in TEXTS]
    plain = pa.table({name: [row[name] for row in RECORDS] for name in ("id", "text", "source", "date")})
    nulls = pa.table(
        {
            "text": pa.array([None if k % 4 == 1 else text for k, text in enumerate(texts)], pa.large_string()),
            "id": pa.array(range(len(texts)), pa.int32()),
            "date": pa.array([DAY + dt.timedelta(days=k) for k in range(len(texts))], pa.timestamp("us", "UTC")),
            "tags": pa.array([["a", None, "b"][: k % 4] or None for k in range(len(texts))], pa.list_(pa.string())),
            "place": pa.array([{"x": k, "y": {"z": [k] * (k % 3)}} for k in range(len(texts))]),
            "map": pa.array([[("k", k)] * (k % 2) for k in range(len(texts))], pa.map_(pa.string(), pa.int64())),
        },
        metadata={"about": "tables"},
    )
    coded = pa.table(
        {
            "text": pa.array(texts * 2).dictionary_encode(),
            "source": pa.array(["a", "b", None, "a"] * 5).dictionary_encode(),
            "price": pa.array([decimal.Decimal(k) / 4 for k in range(20)], pa.decimal128(7, 2)),
            "raw": pa.array([bytes([k]) * 3 for k in range(20)], pa.binary(3)),
            "flag": pa.array([k % 3 == 0 for k in range(20)]),
            "half": pa.array([k / 7 for k in range(20)], pa.float64()),
        }
    )
    views = pa.table(
        {
            "text": pa.array([*texts, "a string that is longer than twelve bytes"], pa.string_view()),
            "id": pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([bytes([k]) * 16 for k in range(11)], pa.binary(16))
            ),
            "nothing": pa.nulls(11),
        }
    )
    return [plain, nulls, coded, views, plain.slice(0, 0), plain.slice(0, 1)]


@functools.cache
def of_parquet() -> list[bytes]:
    """Return Parquet files."""
    plain, nulls, coded, views, none, one = tables()
    stamps = pa.table({"text": ["a", "b"], "t": pa.array([DAY, None], pa.timestamp("ns", "UTC"))})
    choices: list[tuple[pa.Table, dict[str, Any]]] = [
        (plain, {"row_group_size": 4}),
        (plain, {"compression": "zstd", "use_dictionary": False, "data_page_version": "2.0", "write_page_index": True}),
        (plain, {"use_dictionary": False, "compression": "none", "column_encoding": "DELTA_BYTE_ARRAY"}),
        (
            plain,
            {"use_dictionary": False, "compression": "gzip", "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
        ),
        (nulls, {"compression": "gzip", "row_group_size": 6}),
        (nulls, {"compression": "brotli", "data_page_size": 64, "write_page_checksum": True}),
        (nulls, {"compression": "none", "store_schema": False, "use_dictionary": ["text"]}),
        (coded, {"row_group_size": 7}),
        (coded, {"compression": "lz4", "data_page_version": "2.0"}),
        (coded, {"compression": "none", "store_decimal_as_integer": True}),
        (views, {}),
        (stamps, {"use_deprecated_int96_timestamps": True}),
        (none, {}),
        (one, {"compression": "none"}),
    ]
    return [written(functools.partial(pq.write_table, table, **options)) for table, options in choices]


def written(write: Callable[[io.BytesIO], None]) -> bytes:
    """Return what is written to a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


@functools.cache
def of_arrow(*, streamed: bool) -> list[bytes]:
    """Return Arrow files or streams."""
    plain, nulls, coded, views, none, one = tables()
    strange = pa.table({"text": pa.array([f"text {k}" for k in range(9)]), **odd(9)})
    choices = [
        (plain, None, 4), (plain, "zstd", 99), (nulls, "lz4", 5), (nulls, None, 99), (coded, None, 7),
        (coded, "zstd", 9),
        (views, None, 6), (none, None, 1), (one, "lz4", 1), (strange, None, 5),
    ]  # fmt: skip
    found = []
    for table, codec, rows in choices:
        options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True)
        file = io.BytesIO()
        with (pa.ipc.new_stream if streamed else pa.ipc.new_file)(file, table.schema, options=options) as writer:
            writer.write_table(table, rows)
        found.append(file.getvalue())
    return found


def of_codec(codec: Codec) -> list[bytes]:
    """Return compressed files."""
    inner = [of_jsonl()[0], of_json()[0], of_delimited(",")[0], of_wet()[0], TEXTS[2].encode(), b"", of_jsonl()[2]]
    found = [pack(data, codec) for data in inner]
    half = len(inner[0]) // 2
    found.append(pack(inner[0][:half], codec) + pack(inner[0][half:], codec))
    if codec == "gzip":
        found.append(gzip.compress(found[0]))
        named = io.BytesIO()
        with gzip.GzipFile("a name", "wb", fileobj=named, mtime=5) as file:
            file.write(inner[0])
        found.append(named.getvalue() + b"\0" * 9)
    elif codec == "xz":
        found.append(lzma.compress(inner[0], check=lzma.CHECK_SHA256, preset=0))
        found.append(lzma.compress(inner[0], filters=[{"id": lzma.FILTER_DELTA, "dist": 4}, {"id": lzma.FILTER_LZMA2}]))
    elif codec == "bzip2":
        found.append(bz2.compress(inner[0], 1))
    else:
        found.append(b"\x52\x2a\x4d\x18\x05\0\0\0skip!" + found[0])
    return found


def folder(path: Path) -> bytes:
    """Put the files below a directory into one input."""
    found = sorted(one for one in path.rglob("*") if one.is_file())
    return join([(str(one.relative_to(path)), one.read_bytes()) for one in found])


COPIES = [
    {"id": "a", "text": f"{TEXTS[0]}\n\n{PARAGRAPHS[0]}", "source": "s"},
    {"id": "b", "text": f"{TEXTS[0]}\n\n{PARAGRAPHS[1]}", "source": "s"},
    {"id": "c", "text": f"{TEXTS[0]}\n\n{PARAGRAPHS[0]}", "source": "t"},
    {"id": "d", "text": "Another text, \u00e9 of its own.", "source": "t"},
]


def inputs_of_runs() -> dict[str, bytes]:
    """Return files with copies in them."""
    table = pa.Table.from_pylist(COPIES)
    coded = table.set_column(1, "text", table["text"].dictionary_encode())
    arrow = io.BytesIO()
    with pa.ipc.new_file(arrow, coded.schema) as writer:
        writer.write_table(coded)
    rows = "".join(f'{one["id"]},"{one["text"]}"\r\n' for one in COPIES)
    return {
        "in.jsonl": json_lines(COPIES) + b"bad\n",
        "in.jsonl.gz": gzip.compress(json_lines(COPIES)),
        "in.json": json.dumps(COPIES).encode(),
        "in.csv": b"id,text\r\n" + rows.encode() + b"x\r\n",
        "in.parquet": written(lambda file: pq.write_table(table, file, row_group_size=2)),
        "in.arrow": arrow.getvalue(),
    }


@functools.cache
def of_undo() -> list[bytes]:
    """Return cleaned corpora, with their removals."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for k, (file, data) in enumerate(inputs_of_runs().items()):
            path = root / file
            path.write_bytes(data)
            settings = dedup.Settings(allow=True)
            dedup.clean([path], root / f"out{k}", settings)
            found.append(folder(root / f"out{k}"))
        tree = root / "tree"
        (tree / "sub").mkdir(parents=True)
        for k, one in enumerate(COPIES):
            (tree / "sub" / f"{k}.txt").write_text(one["text"])
        (tree / "bad.txt").write_bytes(b"\xff")
        dedup.clean(tree, root / "out", settings)
        found.append(folder(root / "out"))
    return found


@functools.cache
def of_run() -> list[bytes]:
    """Return runs, with their sketches."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "in.jsonl"
        path.write_bytes(json_lines(COPIES) + b"bad\n")
        for score in (False, True):
            dedup.scan(path, dedup.Settings(allow=True, score=score, threads=1), out=Path(name) / f"run{score}")
            found.append(folder(Path(name) / f"run{score}"))
    return found


JSON_TOKENS = (
    b'"', b"\\", b'\\"', b"{", b"}", b"[", b"]", b",", b":", b'"text"', b'"id"', b'"text": "', b"\\u0000", b"\\ud800",
    b"\\udc00", b"\\u00e9", b"\\x", b"null", b"true", b"NaN", b"Infinity", b"-Infinity", b"-0", b"1E400",
    b'{"text":""}',
    b"{" * 99, b"[" * 2000, b"]" * 2000, b'{"a":' * 700, b"\n{", b"//", b"'", b"0" * 99,
)  # fmt: skip
CSV_TOKENS = (b'"', b'""', b'"""', b",", b"\t", b";", b"|", b"\r", b"text", b"id", b'"\n', b',"', b'",', b'"a', b"\\")
HTML_TOKENS = (
    b"<p>", b"</p>", b"<div>", b"<table>", b"<tr><td>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<script>",
    b"</script>",
    b"<style>", b"<textarea>", b"<title>", b"<svg>", b"<math>", b"<template>", b"<frameset>", b"<base href=x>", b"&#0;",
    b"&#xD800;", b"&#99999999999;", b"&lt", b"<!DOCTYPE x [<!ENTITY a '&a;&a;'>", b"<a href='http://[' x=", b"<p " * 90,
    b"<b>" * 300, b'<meta charset="', b"utf-7", b"utf-16", b"shift_jis", b"iso-2022-jp", b"<?xml", b"<html", b"x:y=",
    b'<meta itemprop="datePublished" content="2024-13-99">', b"<plaintext>", b"<noscript>", b"<object>", b"<br>" * 99,
)  # fmt: skip
WARC_TOKENS = (
    b"WARC/1.0\r\n", b"WARC/1.1\r\n", b"WARC/0.9", b"\r\n\r\n", b"\n\n", b"Content-Length: ", b"Content-Length: 0\r\n",
    b"WARC-Type: response\r\n", b"WARC-Type: conversion\r\n", b"WARC-Target-URI: <http://[x>\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 ", b"HTTP/9", b"Content-Encoding: br\r\n", b"Content-Encoding: gzip, deflate, br\r\n", b"ffffffff\r\n",
    b"Content-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Type: text/html; charset=\xff\r\n",
    b"Content-Type: text/plain; charset=utf-7\r\n", b"0\r\n\r\n", b"WARC-Date: x\r\n", b": \r\n",
    b" folded\r\n", b"7" * 30,
)  # fmt: skip
PACKED_TOKENS = (
    b"\x1f\x8b\x08", b"\x1f\x8b\x08\x1c", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x50\x2a\x4d\x18\xff\xff\xff\xff",
    b"\xfd7zXZ\0", b"BZh9", b"1AY&SY", b"\x17rE8P\x90", b"\x28\xb5\x2f\xfd\xa4\xff\xff\xff\xff", b"YZ", b"\0" * 64,
)  # fmt: skip
TABLE_TOKENS = (
    b"PAR1", b"PARE", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\0\0\0\0", b"text", b"id",
    b"FEA1", b"\x15\x00",
    b"\x15\x02", b"\x19\x1c", b"\x18\x04", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
)  # fmt: skip
UNDO_TOKENS = (
    b'"offset": ', b'"row": ', b'"file": "../x"', b'"file":"/etc/x"', b'"file":"a\\u0000b"',
    b'"raw_base64":"', b'"seq":',
    b'"added":', b"null", b"-1", b'"groups"', b"[]", b"{}", b'"x"', b"1e5", b'"file":"removals.jsonl"',
    b'"raw": 5', b"\xff",
    b'"file":"."', b'"file":""', b"[[1,1000000000000]]", b"99999999999999999999", b"{\n", b"}\n",
)  # fmt: skip
