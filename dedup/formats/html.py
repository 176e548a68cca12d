"""Pages of HTML in; their main text out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dedup.errors import MissingExtra
from dedup.formats.base import Chunk, opened, printable, size_of, stamp_of, stamp_of_all, told
from dedup.formats.compression import open_stream
from dedup.formats.extracted import EFFORT, Extract, Extracted, Raw, stay_quiet
from dedup.formats.tags import check_page
from dedup.urls import folder_name, join, name_of

LONGEST_PAGE = 1 << 23  # bytes
ADDED = ".jsonl"  # to the name of a page, for that of its output
META = 1 << 12  # bytes in which a page may name its encoding
LONGEST_TITLE = 1000  # characters
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
CHARSET = re.compile(
    rb"""(?:<meta\b[^>]*?\bcharset\s*=|<\?xml\b[^>]*?\bencoding\s*=)\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE
)
DECLARATION = re.compile(r"\s*<\?xml\b[^>]*>")
# The encodings of the web, by Python's names; what browsers take for another is that.
ENCODINGS = {
    *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)), *(f"cp125{k}" for k in range(9)),
    "utf-8", "utf-16-le", "utf-16-be", "cp866", "cp874", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gbk",
    "gb18030", "big5", "big5hkscs", "euc_jp", "iso2022_jp", "shift_jis", "cp932", "euc_kr", "cp949",
}  # fmt: skip
TAKEN_FOR = {
    "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
    "utf-16": "utf-16-le",
}  # fmt: skip
DATES = (
    '//meta[@property="article:published_time"]/@content',
    '//meta[@itemprop="datePublished"]/@content',
    '//meta[@name="date" or @name="pubdate" or @name="DC.date.issued" or @name="dcterms.date"]/@content',
    '//time[@itemprop="datePublished" or @pubdate]/@datetime',
)
TITLES = ('//meta[@property="og:title"]/@content', "string(//head/title)", "string(//h1)")
ADDRESSES = ('//link[@rel="canonical"]/@href', '//meta[@property="og:url"]/@content')
DATE = re.compile(r"\s*(\d{4}-\d\d-\d\d)(?!\d)")


class Page(NamedTuple):
    """What a page says: its main text, and what it names, None where it does not."""

    text: str
    title: str | None
    host: str | None
    date: str | None


class Pages(Extracted):
    """A directory of pages, or one page; each may be compressed.

    Args:
        path: the directory or file; ``-`` for standard input.
        file: number of the input.
        names: which files of the directory.

    Attributes:
        files: the same, sorted; None for one page.

    Raises:
        MissingExtra: the extractor is not installed.
    """

    def __init__(self, path: str, file: int, names: Sequence[str] | None = None) -> None:
        need_extractor("html")
        self._root = "" if names is None else path
        self._names = [path] if names is None else sorted(names)
        self.files = None if names is None else self._names
        name = "stdin.html" if path == "-" else folder_name(path) if names else name_of(path)
        super().__init__(told(path), f"{name}{ADDED}", file, self._read, self._show)
        self.size = None if path == "-" else sum(size_of(join(self._root, one)) or 0 for one in self._names)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of pages."""
        raw, held, read, first = Raw(), 0, 0, 1
        for number, name in enumerate(self._names, 1):
            with opened(join(self._root, name)) as file:
                stream, _ = open_stream(file)
                data = stream.read(LONGEST_PAGE + 1)
                read += stream.consumed
            raw.records.append((number, (name, data, stream.damage)))
            held += EFFORT * len(data)
            if held >= size or number == len(self._names):
                yield Chunk(self._file, first, len(raw.records), raw, read)
                raw, held, first = Raw(), 0, number + 1

    def only(self, files: Sequence[str]) -> Pages:
        """Return the part of the directory that has these files."""
        part = Pages(self._root, self._file, files)
        part.name = self.name
        return part

    def stamp(self) -> str | None:
        """Return what changes when one of the pages does."""
        return stamp_of_all(self._root, self._names) if self._root else stamp_of(self._names[0])

    def _read(self, number: int, record: Any) -> Extract:
        """Extract a page."""
        name, data, damage = record
        if damage is not None:
            raise ValueError(damage)
        page = read_page(data, None)
        own = name if self._root else self.name.removesuffix(ADDED)  # what tells it from others of its name
        return Extract(printable(own), page.text, page.host, page.date, page.title)

    def _show(self, record: Any) -> tuple[str, bytes]:
        """Return the path of a page; the page is still there."""
        return printable(join(self._root, record[0])) if self._root else self.path, b""


def need_extractor(extra: str) -> None:
    """Check that main text can be extracted.

    Args:
        extra: the extra of this package that brings what is needed.

    Raises:
        MissingExtra: it cannot.
    """
    try:
        import trafilatura  # noqa: F401
    except ImportError as error:
        raise MissingExtra("main text of HTML", extra) from error
    for name in ("trafilatura", "htmldate", "courlan"):
        stay_quiet(name)


def read_page(data: bytes, charset: str | None) -> Page:
    """Extract the main text of a page, and what it names.

    What trafilatura tells of titles and dates beside is not asked for: it takes minutes for some pages of 100 kB.

    Args:
        data: the page.
        charset: its encoding, if something beside it tells.

    Raises:
        ValueError: it is too large, has no main text, or cannot be taken apart.
    """
    from trafilatura import bare_extraction, load_html

    if len(data) > LONGEST_PAGE:
        raise ValueError(f"the page is longer than {LONGEST_PAGE >> 20} MB")
    markup = decode(data, charset)
    check_page(markup)
    try:
        tree = load_html(markup)
        found = None if tree is None else read_names(tree)
        main: Any = None if tree is None else bare_extraction(tree, include_comments=False)
    except Exception as error:  # whatever a page makes of it
        raise ValueError(f"the extractor failed ({type(error).__name__}: {error})") from error
    if found is None or main is None or not main.text:
        raise ValueError("no main text was found")
    return found._replace(text=main.text)


def decode(data: bytes, charset: str | None) -> str:
    """Decode a page as browsers do: by a byte order mark, what is told beside it, what it tells, or its looks."""
    encoding = known(charset)
    for mark, marked in BOMS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], marked
    if encoding is None and (named := CHARSET.search(data[:META])):
        encoding = known(named[1].decode())
        if encoding is not None and encoding.startswith("utf-16"):
            encoding = "utf-8"  # what could be read so far was not UTF-16
    if encoding is None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    else:
        text = data.decode(encoding, "replace")
    text = text.replace("\0", "")
    declared = DECLARATION.match(text)
    return text[declared.end() :] if declared else text


def known(charset: str | None) -> str | None:
    """Return Python's name of an encoding of the web, None for others."""
    label = (charset or "").strip().lower().removeprefix("x-").replace("windows-", "cp")
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    name = TAKEN_FOR.get(name, name)
    return name if name in ENCODINGS else None


def read_names(tree: Any) -> Page:
    """Read the title, the host and the date that a page names."""

    def first(paths: Sequence[str]) -> Iterator[str]:
        for path in paths:
            found = tree.xpath(path)
            yield from [found] if isinstance(found, str) else found[:1]

    titles = (" ".join(title.split())[:LONGEST_TITLE] for title in first(TITLES))
    dates = (match[1] for date in first(DATES) if (match := DATE.match(date)))
    hosts = (host for url in first(ADDRESSES) if (host := host_of(url)))
    return Page("", next(filter(None, titles), None), next(hosts, None), next(dates, None))


def begins_page(head: bytes) -> bool:
    """Whether bytes begin as a page of HTML does."""
    return head[:META].removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith((b"<!doctype html", b"<html"))


def host_of(url: str) -> str | None:
    """Return the host that an address names, None where it names none."""
    try:
        return urlsplit(url.strip()).hostname or None
    except ValueError:
        return None
