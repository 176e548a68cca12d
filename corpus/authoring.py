"""The authoring format of `articles/*.txt`: what a block and an article are, and a strict parser.

The format is described in README.md. Every problem is reported with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

JOINS = ("lines", "blank", "wrap")
KINDS = ("heading", "paragraph", "list_item", "other")
BOILERPLATE = (
    "site_template",
    "title_echo",
    "section_label",
    "repeated_header",
    "page_header",
    "navigation",
    "placeholder",
)
ROLES = ("content", *(f"boilerplate:{name}" for name in BOILERPLATE))
SUBSTANCES = ("substance", "filler", "-")
RELATIONS = ("base", "exact", "near", "number", "far")
FIELDS = ("url", "title", "lang", "date")

HEADING = re.compile(r"#{1,6} ")
LIST_MARK = re.compile(
    r"\s*(?:[-*+–—] |[•‣◦▪●○■□·・☐☑✓✔→►▶①-⑳] ?"
    r"|\(?(?:\d{1,3}|[a-zA-Z])[.)] |[(（]?(?:\d{1,3}|[a-z]|[一二三四五六七八九十]+)[．）、)] ?)"
)
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


class SourceError(Exception):
    """What is wrong in the sources, one message a problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems, each of the form `file:line: message`."""
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Block:
    """One labelled block of an article, its text as the author wrote it (not wrapped)."""

    kind: str
    role: str
    substance: str | None
    text: str
    cluster: str | None = None
    relation: str | None = None
    where: str = ""


@dataclass(slots=True)
class Article:
    """One article: its fields, the join rule of its site and its blocks."""

    id: str
    source: str
    join: str
    where: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


class Parser:
    """Reads one source file and collects every problem with its line."""

    def __init__(self, name: str) -> None:
        """Start on the file called `name` in messages."""
        self.name = name
        self.number = 0
        self.state = "site"
        self.site: dict[str, str] = {}
        self.articles: list[Article] = []
        self.problems: list[str] = []

    @property
    def where(self) -> str:
        """The place being read, `file:line`."""
        return f"{self.name}:{self.number}"

    def problem(self, message: str, where: str | None = None) -> None:
        """Note that something is wrong at the present line, or at `where`."""
        self.problems.append(f"{where or self.where}: {message}")

    def parse(self, data: bytes) -> list[Article]:
        """Return the articles of a file given as bytes."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.number = data.count(b"\n", 0, error.start) + 1
            self.problem(f"not UTF-8 (byte {data[error.start]:#04x})")
            return []
        for self.number, line in enumerate(text.split("\n"), start=1):
            if "\r" in line:
                self.problem("carriage return in the line")
            elif "\ufeff" in line:
                self.problem("byte order mark in the line")
            elif line.strip() and not line.startswith("#!"):
                self._line(line)
        self._close_article()
        if not self.articles:
            self.problem("no article in the file")
        return self.articles

    def _line(self, line: str) -> None:
        """Hand a line to the part of the file it stands in."""
        if line.startswith("==="):
            self._close_article()
            self._open_article(line)
        elif self.state == "site":
            self._site_setting(line)
        elif self.state == "head" and line.rstrip() == "---":
            self.state = "body"
        elif self.state == "head":
            self._field(line)
        else:
            self._block(line)

    def _site_setting(self, line: str) -> None:
        """Read `site:` or `join:`; a `#` after a blank begins a comment here."""
        line = re.sub(r"(^|\s)#.*", "", line)
        if not line.strip():
            return
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or key not in ("site", "join"):
            self.problem(f"expected 'site: NAME' or 'join: RULE' before the first article, found {line.strip()!r}")
        elif key in self.site:
            self.problem(f"site setting {key!r} given twice")
        elif not value:
            self.problem(f"site setting {key!r} is empty")
        else:
            if key == "join" and value not in JOINS:
                self.problem(f"unknown join {value!r}, expected one of {', '.join(JOINS)}")
            self.site[key] = value

    def _open_article(self, line: str) -> None:
        """Begin an article at its `=== ID` line."""
        if not self.articles:
            for key in ("site", "join"):
                if key not in self.site:
                    self.problem(f"site setting {key!r} is missing before the first article")
        words = line.split()
        if len(words) != 2 or words[0] != "===":
            self.problem(f"expected '=== ID' with an ID without blanks, found {line!r}")
        name = words[-1].lstrip("=")
        self.articles.append(Article(name, self.site.get("site", ""), self.site.get("join", "lines"), self.where))
        self.state = "head"

    def _close_article(self) -> None:
        """Check that the article that ends here is whole."""
        if not self.articles:
            return
        article = self.articles[-1]
        if self.state == "head":
            self.problem(f"article {article.id!r} has no '---' after its fields", article.where)
        for key in FIELDS:
            if key not in article.fields:
                self.problem(f"article {article.id!r} lacks {key!r}", article.where)
        if self.state == "body" and not article.blocks:
            self.problem(f"article {article.id!r} has no blocks", article.where)

    def _field(self, line: str) -> None:
        """Read a `key: value` line of the present article."""
        article = self.articles[-1]
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or key not in FIELDS:
            self.problem(f"expected '---' or one of the fields {', '.join(FIELDS)}, found {line!r}")
            return
        if key in article.fields:
            self.problem(f"field {key!r} given twice")
        article.fields[key] = value
        message = field_problem(key, value)
        if message is not None:
            self.problem(message)
        elif key == "lang" and article.join == "wrap" and value.split("-")[0] in ("zh", "ja"):
            self.problem(f"join 'wrap' is not for language {value!r}")

    def _block(self, line: str) -> None:
        """Read one block line of the present article."""
        head, bar, text = line.partition(" | ")
        if not bar:
            self.problem("no ' | ' between the columns and the text")
            return
        columns = head.split()
        if len(columns) not in (3, 4):
            self.problem(f"expected KIND ROLE SUBSTANCE [cluster=NAME:RELATION] before ' | ', found {head!r}")
            return
        kind, role, substance = columns[:3]
        cluster, relation = self._cluster(columns[3]) if len(columns) == 4 else (None, None)
        message = block_problem(kind, role, substance, text)
        if message is not None:
            self.problem(message)
            return
        stated = None if substance == "-" else substance
        block = Block(kind, role, stated, text, cluster, relation, self.where)
        self.articles[-1].blocks.append(block)

    def _cluster(self, column: str) -> tuple[str | None, str | None]:
        """Split a `cluster=NAME:RELATION` column."""
        found = re.fullmatch(r"cluster=(.+):([^:]*)", column)
        if found is None:
            self.problem(f"expected cluster=NAME:RELATION, found {column!r}")
            return None, None
        if found[2] not in RELATIONS:
            self.problem(f"unknown relation {found[2]!r}, expected one of {', '.join(RELATIONS)}")
            return None, None
        return found[1], found[2]


def field_problem(key: str, value: str) -> str | None:
    """Say what is wrong with the value of an article field, if anything."""
    if not value:
        return f"field {key!r} is empty"
    if key == "url" and not re.fullmatch(r"https?://\S+", value):
        return f"url {value!r} does not begin with http:// or https://, or has blanks"
    if key == "lang" and not LANGUAGE.fullmatch(value):
        return f"lang {value!r} is not a language code"
    if key == "date":
        try:
            if date.fromisoformat(value).isoformat() != value:
                raise ValueError(value)
        except ValueError:
            return f"date {value!r} is not a day as YYYY-MM-DD"
    return None


def block_problem(kind: str, role: str, substance: str, text: str) -> str | None:
    """Say what is wrong with the columns of a block or its text, if anything."""
    if kind not in KINDS:
        return f"unknown kind {kind!r}, expected one of {', '.join(KINDS)}"
    if role not in ROLES:
        return f"unknown role {role!r}, expected one of {', '.join(ROLES)}"
    if substance not in SUBSTANCES:
        return f"unknown substance {substance!r}, expected one of {', '.join(SUBSTANCES)}"
    if role != "content" and substance != "-":
        return f"a boilerplate block has substance '-', not {substance!r}"
    if not text.strip():
        return "the block has no text"
    if kind == "heading" and not HEADING.match(text):
        return "a heading begins with Markdown '# ' (a plain title is a paragraph)"
    if kind == "paragraph" and HEADING.match(text):
        return "a paragraph that begins with Markdown '# ' is a heading"
    if kind == "list_item" and not LIST_MARK.match(text):
        return "a list_item begins with a marker such as '- ', '* ' or '1. '"
    return None
