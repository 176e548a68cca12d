"""Front and back matter of documents without a source: the kernel against its twin, and small libraries end to end."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import Part, Standing
from strategies import frozen
from test_boilerplate import judged, prose

from dedup.kernels import classes
from dedup.kernels.matter import Shared, take_matter
from dedup.kernels.tables import FREE
from dedup.schema import Reason

SITE_TEMPLATE, NAVIGATION, UNSURE = "site_template", "navigation", "likely_boilerplate"
TEMPLATES = range(8)


class Corpus(NamedTuple):
    """Documents, whether each is without a source and whether it is the example of its cluster, and their templates."""

    docs: list[list[Part]]
    unnamed: list[bool]
    examples: list[bool]
    standing: dict[int, Standing]


def code_of(reason: str | None) -> int:
    """Return the code of a reason."""
    return Reason[(reason or "none").upper()].value


def taken(corpus: Corpus) -> list[list[tuple[str | None, float]]]:
    """Return the reason and the probability of each block as the kernel leaves them."""
    parts = [part for doc in corpus.docs for part in doc]
    ends = np.cumsum([part.size for part in parts])
    marks = [
        int(classes.TITLE) * part.title
        | int(classes.WEAK) * part.weak
        | int(classes.LINE_END) * part.sentence
        | int(classes.BUTTON) * part.button
        for part in parts
    ]
    beginnings = [name for name, one in corpus.standing.items() if one.beginning]
    shared = Shared(
        bounds=frozen(np.cumsum([0, *map(len, corpus.docs)]), np.int64),
        templates=np.array([FREE if part.template is None else part.template for part in parts], np.int32),
        clusters=np.array([one.clusters for one in corpus.standing.values()], np.int32),
        content=frozen([FREE if part.rule else k for k, part in enumerate(parts)], np.int64),
        starts=frozen(ends - [part.size for part in parts], np.int64),
        ends=frozen(ends, np.int64),
        marks=frozen(marks, np.uint32),
        words=frozen([part.words for part in parts], np.float32),
        odds=frozen([part.odds for part in parts], np.float32),
    )
    reasons = np.array([code_of(part.reason) for part in parts], np.uint8)
    probabilities = np.array([part.probability for part in parts], np.float32)
    first = min(beginnings, default=len(corpus.standing))
    docs, examples = (
        np.array([k for k, flag in enumerate(flags) if flag], np.int64)
        for flags in (corpus.unnamed, map(all, zip(corpus.unnamed, corpus.examples, strict=True)))
    )
    take_matter(docs, examples, shared, first, reasons, probabilities)
    names = [None if code == 0 else Reason(code).name.lower() for code in reasons.tolist()]
    verdicts = iter(zip(names, probabilities.tolist(), strict=True))
    return [list(itertools.islice(verdicts, len(doc))) for doc in corpus.docs]


RULES = [Part(None, 0, None, 0.25, size, rule=True) for size in (20, 20, 20, 20, 22, 23, 18, 17)]
OWN_LINES = [Part(None, words, None, 0.25, 20) for words in (1, 5, 5, 5, 8, 8, 60, 61)]
TEXT = [Part(None, words, None, 0.125, odds=odds) for words in (20, 60, 100, 300) for odds in (0.0, 40.0)]
FRONTS, BACKS, REST = ([Part(name, 6, None, 0.5) for name in names] for names in ((0, 1, 2), (3, 4, 5), (6, 7)))
VERDICTS = [
    (None, 0.0), (None, 0.25), (None, 0.5), (SITE_TEMPLATE, 0.75), (SITE_TEMPLATE, 0.875), (SITE_TEMPLATE, 1.0),
    (UNSURE, 0.5), (UNSURE, 1.0), (NAVIGATION, 0.5), ("page_header", 0.125),
]  # fmt: skip


def runs_of(parts: Sequence[Part], most: int, least: int = 0) -> st.SearchStrategy[list[Part]]:
    """Draw some of these, rarely one of them, or a line of its own, many times."""
    one = st.sampled_from(parts).map(lambda part: [part])
    many = st.tuples(st.sampled_from([*parts, *OWN_LINES]), st.sampled_from([2, 9, 10, 11])).map(
        lambda drawn: [drawn[0]] * drawn[1]
    )
    several = st.lists(st.one_of(*[one] * 9, many), min_size=least, max_size=most)
    return several.map(lambda runs: list(itertools.chain.from_iterable(runs)))


RULE = st.sampled_from(RULES).map(lambda part: [part])
NO_RULE: st.SearchStrategy[list[Part]] = st.just([])
HEADS = runs_of(OWN_LINES[:6], 1)
BODIES = runs_of([*TEXT * 4, *OWN_LINES, *REST], 4, 1)
TAILS = runs_of([*BACKS * 3, *OWN_LINES], 5)
BOOKS = st.tuples(HEADS, RULE, runs_of([*FRONTS * 4, *OWN_LINES], 4, 1), RULE, BODIES, TAILS)
PARTIAL = st.tuples(
    HEADS, st.one_of(RULE, NO_RULE), runs_of([*FRONTS * 3, *OWN_LINES, *RULES[:1]], 5), st.one_of(RULE, NO_RULE),
    BODIES, TAILS,
)  # fmt: skip
MIXED = st.tuples(runs_of([*FRONTS, *BACKS, *REST, *OWN_LINES, *TEXT, *RULES], 9))
DOCUMENTS = st.one_of(*[BOOKS] * 6, *[PARTIAL] * 3, MIXED).map(
    lambda sections: list(itertools.chain.from_iterable(sections))
)


@st.composite
def libraries(draw: st.DrawFn) -> Corpus:
    """Draw documents that may have front and back matter."""
    docs = []
    for drawn in draw(st.lists(DOCUMENTS, min_size=draw(st.sampled_from([0, 2, 4])), max_size=6)):
        verdicts = draw(st.lists(st.sampled_from(VERDICTS), min_size=len(drawn), max_size=len(drawn)))
        title = draw(st.sampled_from([*range(8), *range(-3, 0), *[99] * 6]))
        weak = draw(st.sampled_from([set(), set(), {0}, {1, 4}, {3, 5}, {0, 1, 2}]))
        sentences, buttons = (set(draw(st.lists(st.integers(0, 40), max_size=9))) for _ in range(2))
        docs.append(
            [
                part._replace(
                    reason=reason,
                    probability=probability,
                    title=place in {title, title + len(drawn)},
                    weak=part.template in weak,
                    sentence=part.words > 4 and place in sentences,
                    button=place in buttons,
                )
                for place, (part, (reason, probability)) in enumerate(zip(drawn, verdicts, strict=True))
            ]
        )
    first = draw(st.sampled_from([*TEMPLATES, *[len(TEMPLATES)] * 4]))
    standing = {}
    for name in TEMPLATES:
        standing[name] = Standing(draw(st.sampled_from([1, 1, 2, 3, 4])), name >= first)
    unnamed, examples = (
        draw(st.lists(st.sampled_from([True] * 4 + [False]), min_size=len(docs), max_size=len(docs))) for _ in range(2)
    )
    return Corpus(docs, unnamed, examples, standing)


def by_twin(corpus: Corpus) -> list[list[tuple[str | None, float]]]:
    """Return what ``taken`` returns, by the twin."""
    docs = [doc for doc, unnamed in zip(corpus.docs, corpus.unnamed, strict=True) if unnamed]
    shown = zip(corpus.docs, corpus.unnamed, corpus.examples, strict=True)
    examples = [doc for doc, unnamed, example in shown if unnamed and example]
    found = iter(naive.take_matter(docs, examples, corpus.standing))
    return [
        next(found) if unnamed else [(part.reason, part.probability) for part in doc]
        for doc, unnamed in zip(corpus.docs, corpus.unnamed, strict=True)
    ]


@settings(max_examples=200)
@given(libraries())
def test_matter_is_taken_as_by_the_twin(corpus: Corpus) -> None:
    assert taken(corpus) == by_twin(corpus)


@given(libraries())
def test_what_never_changes(corpus: Corpus) -> None:
    for doc, found, unnamed in zip(corpus.docs, taken(corpus), corpus.unnamed, strict=True):
        for part, (reason, probability) in zip(doc, found, strict=True):
            before = (part.reason, part.probability)
            assert probability >= part.probability
            if (reason, probability) != before:
                assert unnamed
                assert part.reason in {None, SITE_TEMPLATE, UNSURE}
                assert reason in {None, SITE_TEMPLATE}
                assert part.title is False or (part.reason, reason) == (SITE_TEMPLATE, None)


@pytest.mark.parametrize(("above", "below", "goes"), [(1, 2, True), (1, 3, False), (2, 4, True), (2, 5, False)])
def test_back_matter_is_no_more_than_most_of_a_document(above: int, below: int, goes: bool) -> None:
    shared, line = Part(3, 6, SITE_TEMPLATE, 0.5), Part(None, 8, None, 0.0)
    others = [[Part(None, 300, None, 0.0), shared]] * 7
    docs = [*others, [*[line] * above, shared, *[line] * below]]
    corpus = Corpus(docs, [True] * 8, [True] * 8, {name: Standing(8, beginning=False) for name in TEMPLATES})
    found = taken(corpus)
    assert found == by_twin(corpus)
    assert {reason for reason, _ in found[7][:above]} == {None}
    assert {reason for reason, _ in found[7][above + 1 :]} == {SITE_TEMPLATE if goes else None}


COMMON = {name: Standing(4, beginning=False) for name in TEMPLATES}


@pytest.mark.parametrize(("lines", "goes"), [(10, True), (11, False)])
def test_ten_lines_may_stand_between_any_two_templates(lines: int, goes: bool) -> None:
    rule, line, text = Part(None, 0, None, 0.0, 20, rule=True), Part(None, 1, None, 0.0), Part(None, 900, None, 0.0)
    shared = [[Part(name, 6, SITE_TEMPLATE, 0.5)] for name in range(3)]
    front = [rule, *shared[0], *[line] * lines, *shared[1], *[line] * lines, *shared[2], rule]
    corpus = Corpus([[*front, text]] * 4, [True] * 4, [True] * 4, COMMON)
    found = taken(corpus)
    assert found == by_twin(corpus)
    assert {reason for reason, _ in found[0][:-1]} == ({SITE_TEMPLATE} if goes else {None, SITE_TEMPLATE})


def test_the_rule_above_stands_in_the_same_document() -> None:
    rule, text = Part(None, 0, None, 0.0, 20, rule=True), Part(None, 900, None, 0.0)
    corpus = Corpus([[Part(0, 6, None, 0.5), rule, text, rule]] * 4, [True] * 4, [True] * 4, COMMON)
    assert (
        taken(corpus) == by_twin(corpus) == [[(part.reason, part.probability) for part in doc] for doc in corpus.docs]
    )


# ---------------------------------------------------------------------------------------------------- whole libraries


class Book(NamedTuple):
    """A made-up book: its lines, or what was found of each."""

    head: Sequence[Any]
    front: Sequence[Any]
    text: Sequence[Any]
    back: Sequence[Any]

    def lines(self) -> list[Any]:
        """Return the parts one behind the other."""
        return [*self.head, *self.front, *self.text, *self.back]


HEAD, RULE_OF_HYPHENS = 2, "-" * 40
OWN_IN_FRONT, OWN_IN_BACK = (0, 3, 5, 6), (1, 3, 5)  # rules, and lines that no other book has
SYLLABLES = ["ba", "do", "fe", "gri", "hu", "ka", "lo", "mi", "nu", "pro", "ra", "sti", "tu", "ve", "wo", "zan"]


def coined(number: int) -> str:
    """Make up a word that no other number gives."""
    return "".join(SYLLABLES[number >> shift & 15] for shift in (0, 4, 8))


def english(k: int) -> Book:
    """Make up a book."""
    a, b, c, d, *more = (coined(20 * k + j) for j in range(20))
    return Book(
        head=[f"The {a} and the {b}", f"{c.title()} {d.title()}son"],
        front=[
            RULE_OF_HYPHENS, "Signs that are used in this text", "_word_ : set in italics in the printed book",
            f"{more[0]} _{more[1]}_", "[note] : a remark of the typist", f"{more[2]} [{more[3]}]", RULE_OF_HYPHENS,
        ],
        text=[prose(100 * k + j) for j in range(8)],
        back=[
            "Where this text is from:", f"{more[4].title()} Press, volume {k % 9 + 1}, {more[5]}",
            f"Typed by {more[6].title()} {more[7].title()}son", f"{more[8].title()} & {more[9].title()}",
            "Added to the library in its first year", f"{more[10]}, May {2000 + k}, {more[11]}",
            "This file was made by the volunteers of the Harbour Library.",
        ],
    )  # fmt: skip


WHO = ["漁師", "校長", "医者", "大工", "画家", "旅人", "詩人", "船長", "商人", "先生"]
WHERE = ["灯台", "古い橋", "市場", "図書館", "水車小屋", "桟橋", "果樹園", "学校", "倉庫", "井戸"]
WHEN = ["夜明け前に", "嵐のあとで", "寒い春に", "祭りのあいだ", "去年の秋", "十一年のあいだ"]
DID = ["直した", "眺めていた", "売り払った", "忘れてしまった", "測り直した", "塗り替えた", "借りていた", "受け継いだ"]
SENTENCES = [
    "{who}は{when}{where}を{did}と{other}に聞いた。",
    "{when}、{where}のそばで{who}は{other}の手紙を読み、{there}を{did}。",
    "{where}の{there}には{many}枚の板があり、{who}が{when}{did}のを{other}は知らない。",
    "「{there}を{did}」と{other}は言い、{when}{who}とともに{where}へ向かった。",
    "誰も{where}を見なかったので、{other}は{when}{many}日も{there}で{who}を待った。",
]  # fmt: skip


def japanese_prose(seed: int) -> str:
    """Make up a paragraph that no other seed gives."""
    chance = random.Random(seed)
    told = []
    for _ in range(4):
        (who, other), (where, there) = chance.sample(WHO, 2), chance.sample(WHERE, 2)
        told.append(
            chance.choice(SENTENCES).format(
                who=who, other=other, where=where, there=there, when=chance.choice(WHEN), did=chance.choice(DID),
                many=chance.randrange(2, 900),
            )
        )  # fmt: skip
    opening, closing = (chr(0x6000 + 2 * (seed % 1000) + place) for place in range(2))
    return f"{opening}、{''.join(told)}{closing}。"


def japanese(k: int) -> Book:
    """Make up a book."""
    a, b, c, *more = (f"{chr(0x5000 + 100 * k + 5 * j)}{chr(0x5002 + 100 * k + 5 * j)}" for j in range(20))
    rule = "-" * 55
    return Book(
        head=[f"{a}の{b}", c],
        front=[
            rule, "【この本の中の記号について】", "《》：読み方", f"{more[0]}《{more[1]}》",
            "［＃］：入力した人の注　傍点の場所など", f"{more[2]}［＃「{more[3]}」に傍点］{more[4]}", rule,
        ],
        text=[japanese_prose(100 * k + j) for j in range(8)],
        back=[
            "底本：島の文学全集の中から", f"{more[5]}、{1950 + k}（昭和{25 + k}）年5月{more[6]}", f"入力：{more[7]}",
            more[8], "公開した年と月と日：", f"{more[9]}、{2000 + k}年4月{k + 1}日、{more[10]}",
            "このファイルは、海辺の図書館で作られました。入力、校正にあたったのは、島の皆さんです。",
        ],
    )  # fmt: skip


LANGUAGES = pytest.mark.parametrize("language", [english, japanese])


def told(books: Sequence[Book], sources: Sequence[str | None] = (), **settings: Any) -> list[Book]:
    """Judge books, of no source where none are given; return reasons in place of lines."""
    texts = ["\n\n".join(book.lines()) for book in books]
    _, documents = judged(list(zip(sources or [None] * len(books), texts, strict=True)), **settings)
    result = []
    for book, blocks in zip(books, documents, strict=True):
        assert [text for text, _, _ in blocks] == book.lines()
        assert all((action == "drop") == (reason not in {None, UNSURE}) for _, reason, action in blocks)
        reasons = iter(reason for _, reason, _ in blocks)
        result.append(Book(*(list(itertools.islice(reasons, len(part))) for part in book)))
    return result


def whole(book: Book) -> Book:
    """Return what is found of a book whose front and back matter goes, and nothing else."""
    head, front, text, back = map(len, book)
    return Book([None] * head, [SITE_TEMPLATE] * front, [None] * text, [SITE_TEMPLATE] * back)


@LANGUAGES
@pytest.mark.parametrize("count", [3, 12])
def test_front_and_back_matter_goes_as_a_whole(language: Callable[[int], Book], count: int) -> None:
    books = [language(k) for k in range(count)]
    assert told(books) == list(map(whole, books))


@LANGUAGES
def test_of_named_sources_only_shared_lines_go(language: Callable[[int], Book]) -> None:
    books = [language(k) for k in range(20)]
    sources = [None, "harbour.example"] * 10
    for found, book, source in zip(told(books, sources), books, sources, strict=True):
        if source is None:
            assert found == whole(book)
        else:
            assert found.head == [None] * HEAD
            assert set(found.text) == {None}
            assert {found.front[k] for k in OWN_IN_FRONT} | {found.back[k] for k in OWN_IN_BACK} <= {None, UNSURE}
            assert SITE_TEMPLATE in found.front and SITE_TEMPLATE in found.back


@LANGUAGES
def test_of_two_books_nothing_goes(language: Callable[[int], Book]) -> None:
    books = [language(k) for k in range(2)]
    for found in told(books):
        assert set(found.lines()) <= {None, UNSURE, "exact_duplicate"}
        assert {found.front[k] for k in OWN_IN_FRONT} | {found.back[k] for k in OWN_IN_BACK} <= {None, UNSURE}


def test_order_and_threads_do_not_matter() -> None:
    books = [language(k) for k in range(9) for language in (english, japanese)]
    assert told(books, threads=1) == list(map(whole, books))
    assert told(books[::-1], threads=2, batch_bytes=1) == list(map(whole, books[::-1]))


@pytest.mark.parametrize(("language", "note"), [(english, "[Picture]"), (japanese, "［＃ここから引用］")])
def test_notes_that_stand_anywhere_again_and_again_stay(language: Callable[[int], Book], note: str) -> None:
    books = []
    for k in range(12):
        book = language(k)
        books.append(book._replace(text=[line for paragraph in book.text for line in (paragraph, note)]))
    assert told(books) == list(map(whole, books))


def test_a_line_that_stands_once_in_each_book_goes() -> None:
    books = [english(k) for k in range(12)]
    books = [book._replace(text=[*book.text[:4], "[Picture]", *book.text[4:]]) for book in books]
    assert [found.text for found in told(books)] == [[None] * 4 + [SITE_TEMPLATE] + [None] * 4] * 12


def test_lines_that_begin_alike_go_where_matter_stands_and_stay_in_the_text() -> None:
    lines = [
        f"Picture of {coined(3000 + 9 * k)} {coined(3001 + 9 * k)}son in {coined(3002 + 9 * k)}" for k in range(12)
    ]
    books = [english(k) for k in range(12)]
    inside = [
        book._replace(text=[*book.text[:4], line, *book.text[4:]]) for book, line in zip(books, lines, strict=True)
    ]
    assert told(inside) == list(map(whole, inside))
    behind = [book._replace(back=[line, *book.back]) for book, line in zip(books, lines, strict=True)]
    assert told(behind) == list(map(whole, behind))


@LANGUAGES
def test_a_line_of_the_matter_that_stands_in_the_text_of_one_book_stays(language: Callable[[int], Book]) -> None:
    books = [language(k) for k in range(12)]
    books[5] = books[5]._replace(text=[*books[5].text[:4], f"{coined(2999)} [{coined(2998)}]", *books[5].text[4:]])
    assert told(books) == list(map(whole, books))


def shared_top(k: int, opening: str | None = None, closing: str | None = None, title: str = "") -> Book:
    """Make up a page with a title between lines that all pages have, and perhaps rules around them."""
    book = english(k)
    lines = ["Stories of the Harbour Library", title + book.head[0], book.head[1], "Read and enjoyed in 12 minutes"]
    rules = [[] if rule is None else [rule] for rule in (opening, closing)]
    return Book([], [*rules[0], *lines, *rules[1]], book.text, [])


@pytest.mark.parametrize("title", ["", "# "])
def test_a_title_among_shared_lines_stays_without_rules(title: str) -> None:
    books = [shared_top(k, title=title) for k in range(12)]
    for found in told(books):
        assert found.front == [SITE_TEMPLATE, None, None, SITE_TEMPLATE]
        assert set(found.text) == {None}


def test_a_known_title_is_no_line_between_rules() -> None:
    books = [shared_top(k, "---", "---", "# ") for k in range(12)]
    for found in told(books):
        assert found.front == [None, SITE_TEMPLATE, None, None, SITE_TEMPLATE, None]
        assert set(found.text) == {None}


@pytest.mark.parametrize(
    ("opening", "closing"),
    [(None, "* * *"), ("---", None), ("-" * 40, "* * *"), ("-" * 40, "-" * 35), ("-" * 40, "-" * 45)],
)
def test_without_two_rules_that_are_alike_nothing_between_goes(opening: str | None, closing: str | None) -> None:
    pages = [shared_top(k, opening, closing) for k in range(12)]
    for found in told(pages):
        assert [reason for reason in found.front if reason is not None] == [SITE_TEMPLATE] * 2
        assert found.front[0] == (SITE_TEMPLATE if opening is None else None)
        assert set(found.text) == {None}


@pytest.mark.parametrize("length", [36, 44])
def test_rules_may_differ_by_a_tenth(length: int) -> None:
    pages = [shared_top(k, "-" * 40, "-" * length) for k in range(12)]
    assert told(pages) == list(map(whole, pages))


@pytest.mark.parametrize("opening", [[], [RULE_OF_HYPHENS]])
def test_a_scene_that_breaks_behind_shared_lines_stays(opening: list[str]) -> None:
    books = []
    for k in range(12):
        book = english(k)
        scene = [f"{coined(3000 + 2 * k).title()} ran to {coined(3001 + 2 * k)}.", "* * *"]
        books.append(book._replace(front=[*opening, *book.front[1:3]], text=[*scene, *book.text]))
    for found in told(books):
        assert set(found.head) == set(found.text) == {None}
        assert found.front[-2:] == [SITE_TEMPLATE] * 2


def test_front_matter_of_markdown_goes() -> None:
    books = []
    for k in range(12):
        book, own = english(k), [coined(20 * k + j + 3000) for j in range(4)]
        lines = [
            "---", "layout: post", f"title: {own[0]} and {own[1]}", f"date: {2000 + k}-05-0{k % 9 + 1}",
            f"{own[2]}: {own[3]}", "published: true", "---",
        ]  # fmt: skip
        books.append(Book([], lines, book.text, []))
    texts = ["\n".join(book.front) + "\n\n" + "\n\n".join(book.text) for book in books]
    _, documents = judged([(None, text) for text in texts])
    for book, blocks in zip(books, documents, strict=True):
        assert [(text, reason) for text, reason, _ in blocks] == list(
            zip(book.lines(), whole(book).lines(), strict=True)
        )


@pytest.mark.parametrize(("words", "goes"), [(60, True), (61, False)])
def test_lines_of_a_colophon_have_sixty_words(words: int, goes: bool) -> None:
    books = []
    for k in range(12):
        book, line = english(k), " ".join(coined(200 * k + j + 500) for j in range(words))
        books.append(book._replace(back=[*book.back[:4], line, *book.back[4:]]))
    if goes:
        assert told(books) == list(map(whole, books))
    else:  # above it only what is plainly shared
        expected = [SITE_TEMPLATE, *[None] * 4, *[SITE_TEMPLATE] * 3]
        assert [found.back for found in told(books)] == [expected] * 12


def test_long_lines_that_are_shared_go_with_what_is_around() -> None:
    licence = " ".join(coined(j + 500) for j in range(90))
    books = [english(k) for k in range(12)]
    books = [book._replace(back=[*book.back[:4], licence, *book.back[4:]]) for book in books]
    assert told(books) == list(map(whole, books))


def test_copies_of_a_book_do_not_count() -> None:
    books = [english(k) for k in range(12)]
    odd = books[0]._replace(
        text=[books[0].back[4], *books[0].text, books[0].back[0], books[0].back[-1], books[0].text[0]]
    )
    alone, among = told([odd, *books[1:]]), told([odd, *books[1:], *[odd] * 6])
    assert among[1:12] == alone[1:] == list(map(whole, books[1:]))


def test_empty_documents_and_those_of_nothing_but_matter() -> None:
    bare = english(20)._replace(text=[])
    books = [*(english(k) for k in range(9)), bare, Book([], [], [], []), Book([], [RULE_OF_HYPHENS], [], [])]
    found = told(books)
    assert found[:9] == list(map(whole, books[:9]))
    assert (found[9].head, found[9].front) == whole(bare)[:2]
    assert found[9].back[-1] == SITE_TEMPLATE
    assert found[10].lines() == []
    assert found[11].front == [None]
    assert told([Book([], [], [], [])] * 4) == [Book([], [], [], [])] * 4


def test_documents_that_are_all_the_same_are_copies() -> None:
    book = english(1)
    found = told([book] * 5)
    assert found[0].lines() == [None] * len(book.lines())
    assert {reason for one in found[1:] for reason in one.lines()} == {"exact_duplicate_document"}


def test_forms_keep_what_was_filled_in() -> None:
    books = []
    for k in range(12):
        a, b, c, d, e = (coined(20 * k + j) for j in range(5))
        filled = [
            f"Harbour register, sheet {k + 3}", f"Name of the boat: {a}", f"Owner: {b.title()} {c.title()}son",
            f"Built in {1850 + k} at {d}", f"Length: {k + 20} feet", f"Sold to {e.title()} for {k * 7 + 3} crowns",
            "Remarks: none",
        ]  # fmt: skip
        books.append(Book([], [], filled, []))
    assert not any(SITE_TEMPLATE in found.text for found in told(books))
