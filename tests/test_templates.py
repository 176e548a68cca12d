"""Template keys, titles and links against their twins, and blocks of many languages that share a template or do not."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import utf8

import dedup
from dedup.frequencies import PAIRED
from dedup.kernels.links import find_links
from dedup.kernels.template import LINK_TOKEN, NONE
from dedup.lexicon import lexicon, read_lines, read_words
from dedup.schema import KINDS, Blocks
from dedup.shape import describe_shapes
from dedup.sketch import tokenize_blocks, tokenize_text
from dedup.substance import KINDS_LISTED
from dedup.templates import Templates, bare_keys, find_templates, find_titles, mask_names, replace_links

LINK = "<link>"
WORDS = Path(dedup.__file__).parent / "words"
Document = Sequence[tuple[str, str]]  # kinds and texts of blocks


def read_roles() -> naive.Roles:
    """Read the lists of words: for each token the parts that it may play."""
    roles: dict[str, set[str]] = defaultdict(set)
    for name in ("date_units", "dates", "page_words"):
        for line in (WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            part, _, words = line.partition(":")
            for word in words.split() if not line.startswith("#") else ():
                tokens = naive.tokenize(word)
                for token in tokens if len(tokens) == 1 or name == "page_words" else ():
                    roles[token].add({"dates": "date", "page_words": "page"}.get(name, part))
    return {token: frozenset(parts) for token, parts in roles.items()}


ROLES = read_roles()


def lay_out(documents: Sequence[Document]) -> tuple[np.ndarray, np.ndarray, Blocks]:
    """Put documents, a block a line, behind each other."""
    data, bounds = utf8(["\n".join(text for _, text in document) for document in documents])
    sizes = [[len(text.encode()) for _, text in document] for document in documents]
    starts = [list(itertools.accumulate((size + 1 for size in one), initial=0))[:-1] for one in sizes]
    flat = np.array(list(itertools.chain.from_iterable(starts)), np.int64)
    lengths = np.array(list(itertools.chain.from_iterable(sizes)), np.int64)
    kinds = np.array([KINDS.index(kind) for document in documents for kind, _ in document], np.uint8)
    return data, bounds, Blocks(np.cumsum([0, *map(len, documents)]), flat, flat + lengths, kinds)


def found(documents: Sequence[Document]) -> Templates:
    """Find the templates of documents."""
    data, bounds, blocks = lay_out(documents)
    return find_templates(data, bounds, blocks, tokenize_blocks(data, bounds, blocks))


def of_blocks(*texts: str) -> Templates:
    """Find the templates of blocks without a title."""
    return found([[("paragraph", text)] for text in texts])


def with_links(text: str) -> list[str]:
    """Tokenise a block, one token for each link."""
    data, tokens, at = text.encode(), [], 0
    for start, end in naive.find_links(data):
        tokens += [*naive.tokenize(data[at:start].decode()), LINK]
        at = end
    return tokens + naive.tokenize(data[at:].decode())


def masked(tokens: Sequence[str], title: Sequence[str]) -> list[str]:
    """Mask a block as the twin does, and links too."""
    left: list[str] = []
    for token in naive.mask_template(tokens, title, ROLES):
        slot = token in {naive.NUMBER, LINK}
        if not slot or left[-1:] != [naive.NUMBER]:
            left.append(naive.NUMBER if slot else token)
    return left


SAMPLED = st.sampled_from([
    "the", "river", "rose", "by", "two", "gate", "17", "2024", "1,000", "٣", "may", "Dezember", "марта", "pm", "utc",
    "page", "of", "年", "月", "日", "号", "星", "期", "三", "十", "曜", "午", "后", "令", "和", "周", "東", "京",
    "오", "월", "https://a.example/b", "info@a.example", "www.b.example", "。", "🎉",
    "out.",
])  # fmt: skip
LINES = st.lists(SAMPLED, max_size=14).map(" ".join)
TITLES = st.lists(SAMPLED, max_size=8)


@st.composite
def echoing(draw: st.DrawFn) -> Document:
    """Draw a heading, and blocks that hold parts of it."""
    title = draw(TITLES)
    blocks = [("heading", " ".join(title))]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(title)))
        part = title[start : start + draw(st.integers(0, 8))]
        blocks.append(("paragraph", " ".join([draw(LINES), *part, draw(LINES)]).strip()))
    return blocks


@given(st.lists(echoing(), min_size=1, max_size=3))
def test_keys_are_equal_where_masked_tokens_are(documents: list[Document]) -> None:
    documents = [[*document, ("paragraph", "")] for document in documents]  # a line end, so that no links join
    templates = found(documents)
    row, seen = 0, []
    for number, document in enumerate(documents):
        all_tokens = [with_links(text) for _, text in document]
        kinds = [kind for kind, _ in document]
        sentences = [k for k, (_, text) in enumerate(document) if text.endswith((".", ",", ";"))]
        title = naive.find_title(list(zip(kinds, all_tokens, strict=True)), LINK, sentences)
        assert templates.titles[number] == (NONE if title is None else row + title)
        for place, tokens in enumerate(all_tokens):
            words = [] if title in {None, place} else all_tokens[title or 0]
            left = masked(tokens, words)
            literals = [token for token in left if token != naive.NUMBER]
            key, bare = int(templates.keys[row]), int(templates.bare[row])
            assert (key == 0) == (not tokens)
            assert key & 1 == (bool(tokens) and not literals)
            assert (bare != 0) == bool(literals)
            assert templates.literals[row] == len(literals)
            assert templates.numbered[row] == sum(naive.is_number(token) for token in tokens)
            assert templates.paged[row] == sum("page" in ROLES.get(token, ()) for token in tokens)
            assert templates.echoes[row] == int(255 * naive.title_echo(tokens, words, LINK) + 1e-9)
            seen.append((key, bare, left))
            row += 1
    for (key, bare, left), (other, other_bare, other_left) in itertools.combinations(seen, 2):
        assert (key == other) == (left == other_left)
        without = [one[1:] if one[:1] == [naive.NUMBER] else one for one in (left, other_left)]
        assert (bare == other_bare) == (without[0] == without[1])


SAME = [
    ("Posted on May 6, 2025", "Posted on December 31, 1999"),
    ("Posted Tue, 6 Sept 2025", "Posted Monday, 17 January 2024"),
    ("5 min read", "12 min read"),
    ("Veröffentlicht am 3. März 2021 um 14:30 Uhr", "Veröffentlicht am 12. Dezember 2022 um 9 Uhr"),
    ("Publié le 14 juillet 2020", "Publié le 1 août 2021"),
    ("Publicado el martes 3 de marzo", "Publicado el sábado 12 de abril"),
    ("Opublikowano 3 września 2020", "Opublikowano 17 lutego 2021"),
    ("Опубликовано 9 мая 2021 г.", "Опубликовано 31 декабря 1999 г."),
    ("Δημοσιεύτηκε 5 Μαΐου 2020", "Δημοσιεύτηκε 7 Ιουνίου 2021"),
    ("نشر في ١٢ مايو ٢٠٢٠", "نشر في ٣ أغسطس ٢٠٢١"),
    ("פורסם ב 12 אוגוסט 2021", "פורסם ב 3 מאי 2020"),
    ("प्रकाशित 5 जनवरी 2020", "प्रकाशित १२ मार्च २०२१"),
    ("게시일 2025 년 5 월 6 일", "게시일 2024 년 10 월 31 일"),
    ("发布于 2025年5月6日 星期二", "发布于 2024年12月31日 星期日"),
    ("发布于 2025年5月6日 12时30分", "发布于 2024年12月31日 8时5分"),
    ("发布于二〇二五年五月六日", "发布于2024年12月31日"),
    ("公開日：令和7年5月6日（火）", "公開日：令和6年12月31日（土）"),
    ("公開日：2025年5月6日（火曜日）", "公開日：2024年12月31日（土曜日）"),
    ("更新：午前10時30分", "更新：午後8時5分"),
    ("更新于上午10时", "更新于下午8时"),
    ("Updated 10:30 am GMT", "Updated 8 pm CET"),
    ("Write to info@harbour.example today", "Write to news@press.example today"),
    ("See https://a.example/x?y=1 for more", "See www.b.example for more"),
    ("See https://a.example/x for more", "See 17 for more"),
    ("Seen by 3, 4 and 5", "Seen by 17 and 18"),
    ("Ｐａｇｅ ３", "page 17"),
]
OTHER = [
    ("Posted on May 6, 2025", "Updated on May 6, 2025"),
    ("Posted on 6", "Posted 6 on"),
    ("Open 9 to 17", "Open 9 to noon"),
    ("东京三条", "东京四条"),  # numerals stand before no unit
    ("星光大道", "星期大道"),
    ("我们上午去", "我们下午去"),
    ("I am here", "I pm here"),  # a time's suffix behind no time
    ("月の光", "日の光"),
    ("read 5", "5 read"),
    ("Posted on", "Posted on 5"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_one_template_in_many_languages(left: str, right: str) -> None:
    templates = of_blocks(left + " ", right + " ")
    assert templates.keys[0] == templates.keys[1] != 0
    assert masked(with_links(left), []) == masked(with_links(right), [])


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_other_templates_in_many_languages(left: str, right: str) -> None:
    templates = of_blocks(left, right)
    assert templates.keys[0] != templates.keys[1]
    assert masked(with_links(left), []) != masked(with_links(right), [])


def test_a_slot_at_the_beginning_may_have_any_length() -> None:
    templates = of_blocks("May 6, 2025 by the editors", "6/2025 by the editors", "17 by the editors")
    assert len(set(templates.keys.tolist())) == 1


@pytest.mark.xfail(reason="digits and Hangul behind them are one token, and no number")
def test_korean_dates_are_slots() -> None:
    templates = of_blocks("게시일 2025년 5월 6일", "게시일 2024년 10월 31일")
    assert templates.keys[0] == templates.keys[1]


def test_a_slot_at_the_beginning_counts() -> None:
    templates = of_blocks("17 by the editors", "by the editors", "by the editors 17", "17", "5")
    assert len(set(templates.keys[:3].tolist())) == 3
    assert templates.bare[0] == templates.bare[1] != templates.bare[2]
    assert templates.keys[3] == templates.keys[4] != 0
    assert templates.bare[3] == templates.bare[4] == 0


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("17", True),
        ("5 May 2020", True),
        ("page 17", False),
        ("3 of 12", False),
        ("3 min read 12", False),
        ("2025年5月6日", True),
        ("home", False),
        ("https://a.example", True),
        ("", False),
        ("...", False),
    ],
)
def test_weak_templates_have_hardly_a_literal(text: str, weak: bool) -> None:
    assert int(of_blocks(text).keys[0]) & 1 == weak


def test_keys_do_not_depend_on_what_else_is_in_the_batch() -> None:
    documents: list[Document] = [
        [
            ("heading", "The ferry to the island stops"),
            ("paragraph", "5 min read"),
            ("paragraph", "see www.a.example "),
        ],
        [("paragraph", "5 min read")],
        [],
        [("heading", "Otters"), ("paragraph", "The ferry to the island stops at 5")],
    ]
    together = found(documents)
    each = [found([document]) for document in documents]
    for name in ("keys", "bare", "literals", "numbered", "paged", "echoes"):
        assert getattr(together, name).tolist() == list(
            itertools.chain.from_iterable(getattr(one, name).tolist() for one in each)
        )


def test_links_end_with_their_document() -> None:
    alone = of_blocks("good morning").keys[0]
    assert of_blocks("good morning", "@alice thanks").keys[0] == alone
    apart = of_blocks("www.b.example is new").keys[0]
    assert of_blocks("see www.a.example", "www.b.example is new").keys[1] == apart


def test_a_title_is_a_slot_in_other_blocks_of_its_document() -> None:
    def document(title: str) -> Document:
        return [("heading", title), ("paragraph", f"Share: {title}"), ("paragraph", f"{title} appeared first here")]

    titles = [
        "The ferry stops for the winter",
        "Otters are back",
        "港で見つかった古い船の話",
        "Новый мост открыт для всех",
    ]
    templates = found([document(title) for title in titles])
    keys = templates.keys.reshape(-1, 3)
    assert len(set(keys[:, 0].tolist())) == len(titles)  # a title is not masked in itself
    assert len(set(keys[:, 1].tolist())) == 1
    assert len(set(templates.bare.reshape(-1, 3)[:, 2].tolist())) == 1
    assert templates.titles.tolist() == [0, 3, 6, 9]
    assert (templates.echoes.reshape(-1, 3)[:, 1:] > 0).all()


def test_four_words_of_a_long_title_are_taken_for_it() -> None:
    title = ("heading", "the ferry stops for the long winter")
    texts = ["see ferry stops for the harbour", "see stops for the long harbour", "see ferry stops for harbour"]
    keys = found([[title, *(("paragraph", text) for text in texts)]]).keys[1:].tolist()
    assert keys[0] == keys[1] != keys[2]


def test_echoes_are_shares_of_title_and_block() -> None:
    title = "Ferry stops for winter"
    blocks = [
        "Ferry stops for winter",
        "ferry stops for winter, they say in the harbour",
        "ferry stops",
        "",
        "www.x.example",
    ]
    echoes = found([[("heading", title), *(("paragraph", text) for text in blocks)]]).echoes.tolist()
    assert echoes == [0, 255, 255 * 4 // 9, 0, 0, 0]


def test_long_headings_are_no_titles() -> None:
    long = " ".join(f"w{k}" for k in range(65))
    assert found([[("heading", long), ("paragraph", long)]]).titles.tolist() == [NONE]
    short = " ".join(f"w{k}" for k in range(64))
    assert found([[("heading", short), ("paragraph", short)]]).echoes.tolist() == [0, 255]


def test_numbers_and_words_of_pages_are_counted() -> None:
    templates = of_blocks("Page 3 of 12", "Seite 3 von 12", "第 3 页", "5/7", "стр. 17", "3 pages", "of page")
    assert templates.numbered.tolist() == [2, 2, 1, 2, 1, 1, 0]
    assert templates.paged.tolist() == [2, 2, 2, 0, 1, 0, 2]


def test_links_are_no_numbers() -> None:
    assert of_blocks("write to info@a.example now").numbered.tolist() == [0]


def test_japanese_pages_are_pages() -> None:
    assert of_blocks("3ページ").paged.sum() > 0


def test_bare_keys_are_those_of_texts_without_what_they_begin_with() -> None:
    keys = bare_keys(["Conclusion", "CONCLUSION:", "5. Conclusion", "3.2 Conclusion", "Conclusion 5", "17", ""])
    assert len(set(keys[:4].tolist())) == 1
    assert keys[4] not in {0, keys[0]}
    assert keys[5:].tolist() == [0, 0]


@given(st.lists(LINES, min_size=1, max_size=4))
def test_bare_keys_are_those_of_blocks(texts: list[str]) -> None:
    assert (
        bare_keys([text + " " for text in texts]).tolist() == of_blocks(*(text + " " for text in texts)).bare.tolist()
    )


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.lists(st.sampled_from("abc"), max_size=5)), max_size=10),
    st.sets(st.integers(0, 11)),
)
def test_titles_are_those_of_the_twin(blocks: list[tuple[str, list[str]]], sentences: set[int]) -> None:
    repeated = [*blocks, *blocks[:2]]
    linked = [(kind, [*tokens, LINK] if k % 3 == 2 else tokens) for k, (kind, tokens) in enumerate(repeated)]
    texts: Document = [(kind, " ".join(tokens).replace(LINK, "www.x.example")) for kind, tokens in linked]
    data, bounds, laid = lay_out([texts, texts])
    hashes, firsts, lasts = replace_links(data, bounds, laid, tokenize_blocks(data, bounds, laid))
    expected = naive.find_title(linked, LINK, sentences)
    skipped = np.array([k in sentences for k in range(len(texts))] * 2, np.bool_)
    titles = find_titles(laid, hashes, firsts, lasts, skipped).tolist()
    assert titles == ([NONE, NONE] if expected is None else [expected, expected + len(texts)])


@pytest.mark.parametrize(
    ("kinds", "texts", "title"),
    [
        (["paragraph", "heading"], ["The ferry to Elba", "Other heading here"], 1),
        (["paragraph", "paragraph", "heading"], ["The ferry to Elba", "the FERRY to elba!", "Other heading here"], 2),
        (["paragraph", "paragraph"], ["The ferry to Elba", "The ferry to Elba https://a.example/b"], 0),
        (["list_item", "paragraph"], ["The ferry to Elba", "The ferry to Elba"], None),
        (["paragraph", "list_item"], ["The ferry to Elba", "The ferry to Elba"], 0),
        (["paragraph", "paragraph"], ["Three words only", "Three words only"], None),
        (["heading", "heading"], ["Ferry", "To Elba"], 1),  # a word is no title
        (["paragraph"] * 9, ["A b c d", *"efghijk", "A b c d"], None),  # too far below
        (["paragraph"] * 9, ["A b c d", "A b c d", *"efghij", "A b c d"], None),  # a refrain
        (["paragraph"] * 2, ["The ferry to Elba.", "The ferry to Elba"], None),  # a sentence
        (["paragraph"] * 2, ["The ferry to Elba,", "The ferry to Elba;"], None),
        (["paragraph"] * 2, ["The ferry to Elba", "The ferry to Elba."], 0),
        ([*["paragraph"] * 8, "heading"], ["A b c d", "A b c d", *"efghij", "Other heading"], 0),  # not at the top
        ([*["paragraph"] * 7, "heading"], ["A b c d", "A b c d", *"efghi", "Other heading"], 7),
        ([*["paragraph"] * 8, "heading"], [*"abcdefgh", "Other heading"], 8),
        (["paragraph", "paragraph"], ["www.x.example", "www.x.example"], None),
    ],
)
def test_titles_by_hand(kinds: list[str], texts: list[str], title: int | None) -> None:
    templates = found([list(zip(kinds, texts, strict=True))])
    assert templates.titles.tolist() == [NONE if title is None else title]


def spans_of(data: bytes, room: int = 64) -> list[tuple[int, int]]:
    """Find links."""
    spans = np.full((room, 2), -1, np.int64)
    count = find_links(np.frombuffer(data, np.uint8), np.array([0, len(data)]), spans)
    return list(map(tuple, spans[: min(count, room)].tolist()))


LINK_PIECES = st.sampled_from([
    "@", "://", "www.", "WWW.", "wwww", "http", "a", "b.c", ".", "/", ":", " ", "\n", "é", "東", "(", ")", "[", "]",
    "<", ">", '"', "'", "|", "%20", "x" * 30, "-", ",",
])  # fmt: skip


@given(st.lists(LINK_PIECES, max_size=25).map("".join))
def test_links_are_those_of_the_twin(text: str) -> None:
    assert spans_of(text.encode()) == naive.find_links(text.encode())


@given(st.integers(0, 140), st.integers(0, 70))
def test_links_at_every_edge(before: int, after: int) -> None:
    data = b" " * before + b"a@bcd www.e x://f g@h" + b" " * after
    assert spans_of(data) == naive.find_links(data) != []


NAMES = st.lists(st.sampled_from(["Ann", "Bo", "Larsen", "Neill", "Öz", "van", "and", "2"]), max_size=6)
LEADS = {"By": False, "Von": False, "Автор": False, "Photo": True, "Text": True}  # whether a colon must follow


def credited_blocks(texts: Sequence[str], kind: str = "paragraph") -> tuple[list[int], list[int]]:
    """Return the blocks whose names are masked, and the keys of all."""
    data, bounds, blocks = lay_out([[(kind, text)] for text in texts])
    tokens = tokenize_blocks(data, bounds, blocks)
    before = find_templates(data, bounds, blocks, tokens)
    counts, _, _ = describe_shapes(data, bounds, blocks)
    after, rows = mask_names(data, bounds, blocks, tokens, counts, before)
    assert after.bare[rows].tolist() == after.keys[rows].tolist()
    others = np.delete(np.arange(len(texts)), rows)
    assert after.keys[others].tolist() == before.keys[others].tolist()
    return rows.tolist(), after.keys.tolist()


@given(st.lists(st.tuples(st.sampled_from(list(LEADS)), st.sampled_from([" ", ": "]), NAMES), min_size=1, max_size=8))
def test_names_behind_a_word_of_credit_are_a_slot(lines: list[tuple[str, str, list[str]]]) -> None:
    rows, keys = credited_blocks([lead + mark + " ".join(names) for lead, mark, names in lines])
    expected = []
    for k, (lead, mark, names) in enumerate(lines):
        capitals = 1 + sum(name[0].isupper() for name in names)
        small = sum(name[0].islower() for name in names)
        told = mark == ": " if LEADS[lead] else small <= 3
        expected += [k] * (capitals >= 2 and small < capitals and told)
    assert rows == expected
    by_lead = {lines[row][0]: keys[row] for row in rows}
    assert all(keys[row] == by_lead[lines[row][0]] and keys[row] & 1 == 0 for row in rows)
    assert len(set(by_lead.values())) == len(by_lead)


@pytest.mark.parametrize(
    ("text", "masked_"),
    [
        ("By Ann Larsen", True),
        ("Reporting by Ann Larsen; editing by Bo Larsen", True),
        ("Photo: Ann Larsen", True),
        ("Photo / Ann Larsen", True),
        ("Photo Ann Larsen", False),
        ("Image Processing Basics", False),
        ("De Gaulle Speaks", False),
        ("Video Game History", False),
        ("بقلم: هدى القرمان", True),
        ("בקלות: דנה לוי", False),
        ("מאת: דנה לוי", True),
        ("By Ann Larsen.", False),  # a sentence
        ("By the river", False),
        ("BY", False),
        ("Ann Larsen", False),
        ("צילום: של הים בערב", True),
        ("צילום: של הים בערב קר ושקט מאוד", False),  # too long for a script without capitals
        ("By " + "Ann Larsen " * 6, False),
        ("", False),
    ],
)
def test_names_by_hand(text: str, masked_: bool) -> None:
    rows, _ = credited_blocks([text, "nothing"])
    assert rows == [0] * masked_


@pytest.mark.parametrize("kind", ["heading", "list_item", "other"])
def test_names_are_masked_in_paragraphs_only(kind: str) -> None:
    assert credited_blocks(["By Ann Larsen"], kind)[0] == []


@given(st.lists(st.lists(LINK_PIECES, max_size=8).map(lambda pieces: "".join(pieces).encode()), max_size=5))
def test_links_stay_in_their_document(documents: list[bytes]) -> None:
    bounds = np.cumsum([0, *map(len, documents)])
    spans = np.full((64, 2), -1, np.int64)
    count = find_links(np.frombuffer(b"".join(documents), np.uint8), bounds, spans)
    assert spans[:count].tolist() == [
        [start + offset, end + offset]
        for document, offset in zip(documents, bounds.tolist(), strict=False)
        for start, end in naive.find_links(document)
    ]


def test_links_beyond_the_room_are_counted() -> None:
    data = b"a@bcd " * 10
    spans = np.full((3, 2), -1, np.int64)
    assert find_links(np.frombuffer(data, np.uint8), np.array([0, len(data)]), spans) == 10
    assert spans.tolist() == [[0, 5], [6, 11], [12, 17]]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://a.example/b?c=d#e now", ["https://a.example/b?c=d#e"]),
        ("(http://a.example)", ["http://a.example"]),
        ("[text](https://a.example/b) more", ["https://a.example/b"]),
        ('<a href="www.a.example">', ["www.a.example"]),
        ("Mail: jo.doe+x@post.example, or call", ["jo.doe+x@post.example,"]),
        ("ftp://x.example|www.y.example", ["ftp://x.example", "www.y.example"]),
        ("WWW.A.EXAMPLE", ["WWW.A.EXAMPLE"]),
        ("@handle said so", []),
        ("://nothing", []),
        ("five @ 3 euros", []),
        ("wwwhat", []),
        ("awww.a.example 9www.a.example 看www.a.example", []),
        ("https://a.example/b。谢谢 a@b.example吧", ["https://a.example/b", "a@b.example"]),
        ("https://a.example/é/ж", ["https://a.example/é/ж"]),
        ("a@b", []),
        ("", []),
        ("abc", []),
    ],
)
def test_links_by_hand(text: str, links: list[str]) -> None:
    data = text.encode()
    assert [data[start:end].decode() for start, end in spans_of(data)] == links


@given(st.lists(st.lists(LINES, max_size=4), min_size=1, max_size=3))
def test_links_become_one_token(documents: list[list[str]]) -> None:
    laid: list[Document] = [[("paragraph", text) for text in [*document, ""]] for document in documents]
    data, bounds, blocks = lay_out(laid)
    hashes, firsts, lasts = replace_links(data, bounds, blocks, tokenize_blocks(data, bounds, blocks))
    expected = [with_links(text) for document in laid for _, text in document]
    assert [hashes[lo:hi].tolist() for lo, hi in zip(firsts, lasts, strict=True)] == [
        [int(LINK_TOKEN) if token == LINK else naive.token_hash(token) for token in tokens] for tokens in expected
    ]


def test_many_links_in_a_batch() -> None:
    documents: list[Document] = [[("paragraph", f"write to a{k}@b.example or c@d.example\n")] for k in range(200)]
    templates = found(documents)
    assert len(set(templates.keys.tolist())) == 1
    assert templates.literals.tolist() == [3] * 200


def test_every_listed_word_is_in_the_table() -> None:
    table = lexicon()
    known = dict(zip(table.words.tolist(), table.roles.tolist(), strict=True))
    assert {naive.token_hash(token) for token in ROLES} == set(known) - {0}
    assert all(known[naive.token_hash(token)] for token in ROLES)
    for token in known.keys() - {0}:
        assert int(table.sieve[token >> 54]) >> (token >> 48 & 63) & 1


@pytest.mark.parametrize("name", ["buttons", "credits", "credits_before_colon", "navigation_leads", "section_labels"])
def test_lists_of_phrases_have_none_twice_in_a_language(name: str) -> None:
    for language, line in read_lines(name):
        listed = [tuple(tokenize_text(phrase).tolist()) for phrase in line.split(",")]
        assert all(listed), language
        assert len(listed) == len(set(listed)), language


def test_vague_words_are_tokens_of_one_kind() -> None:
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for key, words in read_words("vague").items():
        language, kind = key.split()
        assert kind in KINDS_LISTED
        for word in words:
            assert tokenize_text(word).size == (2 if language in PAIRED else 1), word
            assert kinds[language].setdefault(word, kind) == kind, word
        assert len(words) == len(set(words)), key
    assert set(kinds) == {"en", "de", "es", "fr", "ru", "ar", "zh", "ja"}


@pytest.mark.parametrize("name", ["dates", "page_words"])
def test_lists_have_no_word_twice_in_a_language(name: str) -> None:
    for words in read_words(name).values():
        assert len(words) == len(set(words))
        assert all(tokenize_text(word).size for word in words)
