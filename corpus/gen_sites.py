"""Scraped-looking sites with a label for every block: a skeleton a site, made-up pages, planted copies.

The guard against accidental near-duplicates is made for some hundreds of pages; thousands of them wear the
templates out.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

from authoring import JOINS, Article, Block
from build import number_key
from gen_edits import edited, renumbered
from gen_phrases import PHRASES, Filler

AGAIN_SHARE, COPY_SHARE = 0.08, 0.08
SYNDICATED_SHARE = 0.12
NEAR_WORDS = 0.08
TRIES = 30
TOO_ALIKE = 0.5

_PLANTED = {"near": 0.45, "exact": 0.3, "number": 0.25}
_MENUS = ("Home | Trending | Guides | Contact", "Start > Magazine > Living", "News  Tips  Deals  Login")
_DATE_LINES = (
    "{minutes} min read Posted on {day}",
    "Updated {day} · {minutes} min read",
    "{day} - by Editorial Team",
)
_DAY_FORMATS = ("{month} {day}, {year}", "{day} {month} {year}", "{year}-{number:02}-{day:02}")
_CONTENTS = ("Table of Contents", "In this article", "On this page")
_CALLS = (
    "Ready to take the next step with {topic}? Get your free quote today!",
    "Loved this guide? Tell us about your own {topic} story in the comments.",
    "Start your journey with {topic} now - it only takes two minutes.",
)
_SHARES = ("Share on: Facebook Pinterest Email", "Share this article | Copy link | Print", "Tweet Pin Send")
_LETTERS = (
    "Subscribe to our newsletter and never miss an update.",
    "Join 40,000 readers who get our Sunday digest.",
    "Enter your email address to receive weekly inspiration.",
)
_COOKIES = (
    "We use cookies to improve your experience. Accept all | Settings",
    "By staying on this page you agree to our cookie policy.",
    "This website uses cookies. Manage preferences",
)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What the pages of a site have in common."""

    site: str
    join: str
    markdown: bool
    bullet: str
    menu: str
    date_line: str
    day_format: str
    contents: str
    call: str
    share: str
    letter: str
    cookie: str
    closes: int


@dataclass(slots=True)
class Page:
    """An original page: its article, its topic, where its title stands and which blocks are its body."""

    article: Article
    topic: str
    title_at: int
    start: int
    stop: int


class Guard:
    """Tells how much a text has in common with earlier ones: the share of word pairs, numbers aside."""

    def __init__(self) -> None:
        """Start with no texts."""
        self._sizes: list[int] = []
        self._holders: dict[tuple[str, str], deque[int]] = {}

    @staticmethod
    def _pairs(text: str) -> set[tuple[str, str]]:
        """Return the pairs of neighbouring words."""
        words = re.findall(r"\w+", number_key(text).lower())
        return set(pairwise(words))

    def likeness(self, text: str) -> float:
        """Return the share of pairs in common with the most similar text, of the longer one's pairs."""
        pairs = self._pairs(text)
        shared = Counter(holder for pair in pairs for holder in self._holders.get(pair, ()))
        return max((count / max(len(pairs), self._sizes[other]) for other, count in shared.items()), default=0.0)

    def add(self, text: str) -> None:
        """Remember a text."""
        pairs = self._pairs(text)
        for pair in pairs:
            self._holders.setdefault(pair, deque(maxlen=250)).append(len(self._sizes))
        self._sizes.append(len(pairs))


class Deck:
    """Deals templates in random order, each once before any comes again."""

    def __init__(self, rng: random.Random, name: str) -> None:
        """Take the templates of a section of the phrases."""
        self._rng = rng
        self._all = PHRASES[name]
        self._rest: list[str] = []

    def deal(self) -> str:
        """Return the next template."""
        if not self._rest:
            self._rest = self._rng.sample(self._all, len(self._all))
        return self._rest.pop()


class Web:
    """Makes the pages of all sites one after the other, so that sites can copy from each other."""

    def __init__(self, seed: int) -> None:
        """Start with no pages."""
        self.rng = random.Random(seed)
        self.articles: list[Article] = []
        self.pages: list[Page] = []
        self._prose_guard = Guard()
        self._line_guard = Guard()
        self._clusters = 0

    def skeleton(self, number: int) -> Skeleton:
        """Draw the skeleton of a site."""
        rng = self.rng
        name = rng.choice(("daily", "smart", "my", "best", "urban")) + rng.choice(("hub", "nest", "guide", "tips"))
        return Skeleton(
            site=f"{name}{number:02}.example",
            join=JOINS[number % len(JOINS)],
            markdown=rng.random() < 0.6,
            bullet=rng.choice(("-", "*", "•")),
            menu=rng.choice(_MENUS),
            date_line=rng.choice(_DATE_LINES),
            day_format=rng.choice(_DAY_FORMATS),
            contents=rng.choice(_CONTENTS),
            call=rng.choice(_CALLS),
            share=rng.choice(_SHARES),
            letter=rng.choice(_LETTERS),
            cookie=rng.choice(_COOKIES),
            closes=rng.randint(0, 2),
        )

    def page(self, skeleton: Skeleton, number: int) -> None:
        """Add a page to a site: mostly an original, else one crawled again or a near copy."""
        identifier = f"{skeleton.site.removesuffix('.example')}-{number:03}"
        own = [page for page in self.pages if page.article.source == skeleton.site]
        chance = self.rng.random()
        if own and chance < AGAIN_SHARE:
            self._again(skeleton, identifier, self.rng.choice(own))
        elif self.pages and AGAIN_SHARE <= chance < AGAIN_SHARE + COPY_SHARE:
            self._near_copy(skeleton, identifier, self.rng.choice(self.pages))
        else:
            self._original(skeleton, identifier)

    def _original(self, skeleton: Skeleton, identifier: str) -> None:
        """Add a page with a topic of its own."""
        filler = Filler(self.rng)
        title = self._line(filler, "titles")
        slug = "-".join(re.findall(r"[a-z0-9]+", title.lower()))
        day = date(2024, 1, 1) + timedelta(self.rng.randint(0, 500))
        body = self._body(skeleton, filler)
        article = self._start(skeleton, identifier, title, f"https://{skeleton.site}/{slug}", day)
        topic = filler.slot("topic")
        self.pages.append(self._assemble(skeleton, article, topic, Block("heading", "content", None, title), body))

    def _again(self, skeleton: Skeleton, identifier: str, page: Page) -> None:
        """Add a page once more as it was, but for the date line."""
        old = page.article
        day = date.fromisoformat(old.fields["date"]) + timedelta(self.rng.randint(1, 90))
        article = self._start(skeleton, identifier, old.fields["title"], old.fields["url"], day)
        title = self._planted(page, page.title_at, "exact")
        body = [self._planted(page, index, "exact") for index in range(page.start, page.stop)]
        self._assemble(skeleton, article, page.topic, title, body)

    def _near_copy(self, skeleton: Skeleton, identifier: str, page: Page) -> None:
        """Add a page of this or another site with some blocks changed or left out."""
        rng = self.rng
        old = page.article
        day = date.fromisoformat(old.fields["date"]) + timedelta(rng.randint(0, 60))
        url = f"https://{skeleton.site}/{identifier}"
        article = self._start(skeleton, identifier, old.fields["title"], url, day)
        title = self._planted(page, page.title_at, "exact")
        body: list[Block] = []
        for index in range(page.start, page.stop):
            if old.blocks[index].substance is None or rng.random() > 0.1:
                relation = rng.choices(list(_PLANTED), list(_PLANTED.values()))[0]
                body.append(self._planted(page, index, relation))
        self._assemble(skeleton, article, page.topic, title, body)

    def _start(self, skeleton: Skeleton, identifier: str, title: str, url: str, day: date) -> Article:
        """Begin an article."""
        fields = {"url": url, "title": title, "lang": "en", "date": day.isoformat()}
        article = Article(identifier, skeleton.site, skeleton.join, identifier, fields)
        self.articles.append(article)
        return article

    def _planted(self, page: Page, index: int, relation: str) -> Block:
        """Return a copy of a block of a page, in the cluster of that block unless it is boilerplate."""
        blocks = page.article.blocks
        block = blocks[index]
        if block.role != "content":
            return block
        if block.cluster is None:
            self._clusters += 1
            block = blocks[index] = replace(block, cluster=f"g{self._clusters:04}", relation="base")
        if block.relation != "base":
            return block
        if relation == "number":
            text = renumbered(block.text, self.rng) if block.substance else None
            if text is not None:
                return replace(block, text=text, relation="number")
            relation = "near"
        words = block.text.split(" ")
        if relation == "exact" or block.substance is None or len(words) < 12:
            return replace(block, relation="exact")
        edits = self.rng.randint(1, max(1, int(NEAR_WORDS * len(words))))
        head = 1 if block.kind == "list_item" else 0
        changed = edited(words[head:], edits, self.rng, lambda: self.rng.choice(PHRASES["edits"]))
        return replace(block, text=" ".join(words[:head] + changed), relation="near")

    def _line(self, filler: Filler, section: str) -> str:
        """Return a title or heading that is not too much like those of other pages."""
        return self._unlike(self._line_guard, lambda: filler.fill(self.rng.choice(PHRASES[section])))

    def _prose(self, filler: Filler, deck: Deck, sentences: int, head: str = "") -> str:
        """Return some sentences that are not too much like those of other paragraphs."""

        def make() -> str:
            """Fill templates of the deck."""
            return head + " ".join(filler.sentence(deck.deal()) for _ in range(sentences))

        return self._unlike(self._prose_guard, make)

    @staticmethod
    def _unlike(guard: Guard, make: Callable[[], str]) -> str:
        """Return the first text made that is unlike all that went before, or the least alike of many."""
        best, least = "", 2.0
        for _ in range(TRIES):
            text = make()
            likeness = guard.likeness(text)
            if likeness < least:
                best, least = text, likeness
            if least < TOO_ALIKE:
                break
        guard.add(best)
        return best

    def _body(self, skeleton: Skeleton, filler: Filler) -> list[Block]:
        """Make the sections of a page."""
        rng = self.rng
        decks = {name: Deck(rng, name) for name in ("filler", "substance")}
        body: list[Block] = [self._paragraph(filler, decks["filler"], "filler")]
        labels = rng.sample(PHRASES["labels"], 2)
        sections = rng.randint(3, 5)
        for section in range(sections):
            generic = section == 0 or section == sections - 1
            line = labels.pop() if generic else self._line(filler, "headings")
            body.append(Block("heading", "boilerplate:section_label" if generic else "content", None, line))
            for _ in range(rng.randint(1, 3)):
                body.append(self._paragraph(filler, decks["filler"], "filler"))
            if rng.random() < 0.65:
                at = len(body) - rng.randint(0, 1)
                body.insert(at, self._fact(filler, decks["substance"]))
            if rng.random() < 0.15:
                kind = rng.choice(("filler", "substance"))
                for _ in range(rng.randint(2, 4)):
                    text = self._prose(filler, decks[kind], 2, f"{skeleton.bullet} ")
                    body.append(Block("list_item", "content", kind, text))
            if rng.random() < 0.2:
                text = filler.fill(rng.choice(PHRASES["placeholders"]))
                body.append(Block("paragraph", "boilerplate:placeholder", None, text))
        return body

    def _paragraph(self, filler: Filler, deck: Deck, substance: str) -> Block:
        """Make a paragraph of two to four sentences."""
        text = self._prose(filler, deck, self.rng.randint(2, 4))
        return Block("paragraph", "content", substance, text)

    def _fact(self, filler: Filler, deck: Deck) -> Block:
        """Make a paragraph of substance, or take over one of an earlier page."""
        if self.pages and self.rng.random() < SYNDICATED_SHARE:
            page = self.rng.choice(self.pages)
            facts = [
                index
                for index, block in enumerate(page.article.blocks)
                if block.substance == "substance" and block.kind == "paragraph"
            ]
            if facts:
                return self._planted(page, self.rng.choice(facts), self.rng.choice(list(_PLANTED)))
        return self._paragraph(filler, deck, "substance")

    def _assemble(self, skeleton: Skeleton, article: Article, topic: str, title: Block, body: Sequence[Block]) -> Page:
        """Put the skeleton of the site around title and body, and write headings the way of the site."""
        headings = [block.text.lstrip("# ") for block in body if _is_heading(block)]
        top = [Block("paragraph", "boilerplate:navigation", None, skeleton.menu)]
        top += [_heading(title, "# " if skeleton.markdown else "")]
        article.blocks = top + self._below_title(skeleton, article, headings)
        start = len(article.blocks)
        mark = "## " if skeleton.markdown else ""
        article.blocks += [_heading(block, mark) if _is_heading(block) else block for block in body]
        stop = len(article.blocks)
        article.blocks += self._bottom(skeleton, topic)
        return Page(article, topic, 1, start, stop)

    def _below_title(self, skeleton: Skeleton, article: Article, headings: Sequence[str]) -> list[Block]:
        """Return what stands between title and body: echoes of the title, the date line, the contents."""
        title, day = article.fields["title"], date.fromisoformat(article.fields["date"])
        month = PHRASES["month"][day.month - 1]
        written = skeleton.day_format.format(month=month, number=day.month, day=day.day, year=day.year)
        line = skeleton.date_line.format(minutes=self.rng.randint(3, 9), day=written)
        blocks = [
            Block("paragraph", "boilerplate:title_echo", None, title),
            Block("paragraph", "boilerplate:site_template", None, line),
            Block("paragraph", "boilerplate:title_echo", None, f"[{title}]({article.fields['url']})"),
            Block("paragraph", "boilerplate:site_template", None, "Article with TOC"),
            Block("paragraph", "boilerplate:section_label", None, skeleton.contents),
        ]
        for heading in headings:
            blocks.append(Block("list_item", "boilerplate:navigation", None, f"{skeleton.bullet} {heading}"))
        return blocks

    def _bottom(self, skeleton: Skeleton, topic: str) -> list[Block]:
        """Return what stands below the body."""
        lines = [skeleton.call.format(topic=topic), skeleton.share, skeleton.letter, skeleton.cookie]
        lines += ["close"] * skeleton.closes
        blocks = [Block("paragraph", "boilerplate:site_template", None, line) for line in lines]
        others = [page.article.fields["title"] for page in self.pages if page.article.source == skeleton.site]
        if len(others) >= 3:
            related = "Related: " + " | ".join(self.rng.sample(others, 2))
            blocks.insert(2, Block("paragraph", "boilerplate:navigation", None, related))
        return blocks


def _is_heading(block: Block) -> bool:
    """Tell whether a block of a body is a heading, written with a mark or without."""
    short = block.role in ("content", "boilerplate:section_label") and block.substance is None
    return block.kind == "heading" or (block.kind == "paragraph" and short)


def _heading(block: Block, mark: str) -> Block:
    """Write a heading with the given mark; without one it is a paragraph to a program."""
    return replace(block, kind="heading" if mark else "paragraph", text=mark + block.text.lstrip("# "))


def make_sites(sites: int, pages: int, seed: int) -> list[Article]:
    """Return the articles of that many sites with that many pages each."""
    web = Web(seed)
    skeletons = [web.skeleton(number) for number in range(1, sites + 1)]
    for number in range(1, pages + 1):
        for skeleton in skeletons:
            web.page(skeleton, number)
    return sorted(web.articles, key=lambda article: article.id)
