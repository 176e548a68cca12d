"""What a server answered in; the page it sent out."""

from __future__ import annotations

import contextlib
import io
import re
import zlib
from typing import Any

from dedup.formats.compression import Codec, Decompressed
from dedup.formats.html import LONGEST_PAGE, Page, begins_page, read_page
from dedup.formats.records import MOST_HEADER

STEP = 1 << 16  # bytes that are read at a time
PAGES = {"text/html", "application/xhtml+xml"}
FOUND = range(200, 300)  # statuses of answers that are what was asked for
ENVELOPE = (
    b"WARC/1.1\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n"
)
CHUNK = re.compile(rb"(?:\r?\n)?([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
CODECS: dict[str, Codec] = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}


def read_response(body: bytes, length: int) -> Page | None:
    """Extract the page that a response holds; None where it holds none.

    Args:
        body: the response, or its beginning.
        length: how long it is in all.

    Raises:
        ValueError: it should, and cannot be used.
    """
    response = parse(body)
    status = response.http_headers.status_code if response.http_headers is not None else None
    if status is None:
        raise ValueError("the response has no status line")
    kind = (response.http_content_type or "").lower()
    if status not in FOUND or (kind and kind not in PAGES):
        return None
    if length > len(body):
        raise ValueError(f"the page is longer than {LONGEST_PAGE >> 20} MB")
    encodings, charset = response.http_headers.get("Content-Encoding") or "", response.http_charset
    plain = payload = response.reader.read()
    if "chunked" in (response.http_headers.get("Transfer-Encoding") or "").lower():
        payload = joined(payload)
    for encoding in reversed([one.strip().lower() for one in encodings.split(",")]):
        payload = decoded(payload, encoding)
    if not payload and begins_page(plain):
        payload = plain  # some keep pages decoded, and the headers as they came
    if not kind and not begins_page(payload):
        return None
    return read_page(payload, charset)


def parse(body: bytes) -> Any:
    """Parse a response; its encodings are undone here, for they may hold any amount, and may be cut off.

    Raises:
        ValueError: it is none.
    """
    from fastwarc.warc import WarcRecord

    try:
        record = WarcRecord.from_bytes(ENVELOPE % len(body) + body)
        record.parse_http(max_header_len=MOST_HEADER, quirks_mode=True)
    except Exception as error:
        raise ValueError(f"no HTTP response: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what Rust code ends in that gives up
            raise
        raise ValueError("no HTTP response") from error
    return record


def joined(data: bytes) -> bytes:
    """Put chunks of a transfer together, as far as that goes."""
    parts, at = [], 0
    while size := CHUNK.match(data, at):
        at = size.end() + int(size[1], 16)
        parts.append(data[size.end() : at])
    return b"".join(parts)


def decoded(data: bytes, encoding: str) -> bytes:
    """Undo a content encoding as far as that goes, and a page may be long."""
    if encoding in CODECS:
        return Decompressed(io.BytesIO(data), CODECS[encoding]).read(LONGEST_PAGE + 1)
    if encoding == "deflate":
        return next(filter(None, map(inflated, (data, data), (zlib.MAX_WBITS, -zlib.MAX_WBITS))), b"")
    if encoding == "br":
        from fastwarc.stream_io import BrotliReader

        stream, parts, left = BrotliReader(io.BytesIO(data)), [], LONGEST_PAGE + 1
        with contextlib.suppress(OSError):
            while left and (part := stream.read(min(STEP, left))):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)
    return data if encoding in {"", "identity"} else b""


def inflated(data: bytes, bits: int) -> bytes:
    """Undo deflate, with a header or without, as servers have it."""
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj(bits).decompress(data, LONGEST_PAGE + 1)
    return b""
