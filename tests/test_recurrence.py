"""Templates that recur, against dictionaries of sets: counts over clusters, copies that are joined, outlines learnt."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import frozen

from dedup.boilerplate import count_spread
from dedup.kernels.recur import Pages
from dedup.kernels.tables import FREE
from dedup.kernels.template import SLOT
from dedup.recurrence import Recurrence, Sources, Texts, find_recurrence
from dedup.workspace import Workspace

SURE, UNSURE = 6.0, -2.0  # log-odds of what looks like content, and of what does not
UNNAMED = ""


class Block(NamedTuple):
    """A block of a made-up page."""

    key: int
    text: str = ""
    odds: float = UNSURE


class Doc(NamedTuple):
    """A made-up page; documents of one cluster are near-duplicates."""

    name: str
    source: str
    cluster: str
    blocks: Sequence[Block]


class Found(NamedTuple):
    """What recurs, and in which documents."""

    docs: Sequence[Doc]
    bounds: list[int]
    sources: list[str]
    recurrence: Recurrence

    def groups(self) -> dict[int, set[tuple[str, int]]]:
        """Return the blocks of each template: documents' names and places in them."""
        blocks: dict[int, set[tuple[str, int]]] = defaultdict(set)
        for (lo, hi), doc in zip(itertools.pairwise(self.bounds), self.docs, strict=True):
            for place, template in enumerate(self.recurrence.templates[lo:hi].tolist()):
                if template != FREE:
                    blocks[template].add((doc.name, place))
        return dict(blocks)

    def told(self) -> list[tuple[object, ...]]:
        """Return what is known of each template that some block has, but for its number."""
        counts, learnt = self.recurrence.counts, self.recurrence.learnt
        numbers = (counts.docs, counts.clusters, counts.repeated, counts.blocks, counts.from_top, counts.from_bottom)
        return sorted(
            (sorted(blocks), bool(learnt[t]), int(self.recurrence.names[t]), *(column[t].item() for column in numbers))
            for t, blocks in self.groups().items()
        )

    def clusters(self) -> set[frozenset[str]]:
        """Return the clusters of documents."""
        members: dict[int, set[str]] = defaultdict(set)
        for doc, cluster in zip(self.docs, self.recurrence.clusters.tolist(), strict=True):
            members[cluster].add(doc.name)
        return set(map(frozenset, members.values()))


def pages_of(docs: Sequence[Doc]) -> tuple[Pages, Texts, list[str]]:
    """Put documents into columns."""
    blocks = [block for doc in docs for block in doc.blocks]
    words = [naive.tokenize(block.text) for block in blocks]
    contents = sorted({tuple(one) for one in words if one})
    number = {one: k for k, one in enumerate(contents)}
    hashes = [naive.token_hash(token) for one in contents for token in one]
    names = sorted({doc.source for doc in docs}, key=lambda name: (name == UNNAMED, name))
    first: dict[str, int] = {}
    for k, doc in enumerate(docs):
        first.setdefault(doc.cluster, k)
    pages = Pages(
        bounds=frozen(np.cumsum([0, *(len(doc.blocks) for doc in docs)]), np.int64),
        sources=np.array([names.index(doc.source) for doc in docs], np.int32),
        salts=np.array([naive.token_hash(name) if name else 0 for name in [*names, UNNAMED]], np.uint64),
        clusters=np.array([first[doc.cluster] for doc in docs], np.int64),
        prints=np.array([naive.token_hash(doc.name) for doc in docs], np.uint64),
        keys=frozen([block.key for block in blocks], np.uint64),
        words=frozen(list(map(len, words)), np.float32),
        odds=frozen([block.odds for block in blocks], np.float32),
    )
    texts = Texts(
        frozen([number.get(tuple(one), FREE) for one in words], np.int64),
        frozen(hashes, np.uint64),
        frozen(np.cumsum([0, *map(len, contents)]), np.int64),
    )
    return pages, texts, names


def find(docs: Sequence[Doc], threads: int = 2) -> Found:
    """Find what recurs."""
    pages, texts, names = pages_of(docs)
    sources = Sources(len(names), names.index(UNNAMED) if UNNAMED in names else FREE)
    with Workspace() as workspace, ThreadPoolExecutor(threads) as pool:
        found = find_recurrence(pages, texts, sources, workspace, pool)
    return Found(docs, pages.bounds.tolist(), names, found)


def shuffled(docs: Sequence[Doc], seed: int) -> list[Doc]:
    """Return documents in another order."""
    order = list(docs)
    random.Random(seed).shuffle(order)
    return order


KEYS = st.sampled_from([0, 2, 4, 5, 6, 1 << 63, (1 << 64) - 2])


@st.composite
def plain_docs(draw: st.DrawFn) -> list[Doc]:
    """Draw documents without text."""
    docs = []
    for k in range(draw(st.integers(0, 12))):
        source = draw(st.sampled_from(["a", "a", "b", UNNAMED]))
        cluster = draw(st.sampled_from([str(k), str(k), "x", "y"]))
        docs.append(Doc(f"doc {k}", source, cluster, [Block(key) for key in draw(st.lists(KEYS, max_size=6))]))
    return docs


@given(plain_docs())
def test_counts_equal_the_twin(docs: list[Doc]) -> None:
    first: dict[str, int] = {}
    pages = [
        naive.Page(doc.source, first.setdefault(doc.cluster, k), [block.key for block in doc.blocks], 0)
        for k, doc in enumerate(docs)
    ]
    expected = naive.recurring(pages, UNNAMED)
    found = find(docs)
    counts, names = found.recurrence.counts, set()
    seen = {}
    for template, blocks in found.groups().items():
        keys = {(docs[int(name[4:])].source, docs[int(name[4:])].blocks[place].key) for name, place in blocks}
        assert len(keys) == 1
        seen[keys.pop()] = naive.Recurring(
            int(counts.docs[template]),
            int(counts.clusters[template]),
            int(counts.repeated[template]),
            int(counts.blocks[template]),
            float(counts.from_top[template]),
            float(counts.from_bottom[template]),
        )
        assert counts.blocks[template] == len(blocks)
        assert not found.recurrence.learnt[template]
        names.add(int(found.recurrence.names[template]))
        prints = {naive.token_hash(name): int(name[4:]) for name, _ in blocks}
        assert counts.first[template] == prints[min(prints)]
    assert seen == expected
    assert len(names) == len(expected)
    sources = [doc.source for doc in docs]
    assert found.recurrence.docs_of.tolist() == [sources.count(name) for name in found.sources]
    stand = [docs[k].source for k in set(first.values())]
    assert found.recurrence.clusters_of.tolist() == [stand.count(name) for name in found.sources]


VOCABULARY = st.sampled_from(["by", "ann", "lee", "at", "17", "3", "may", "read"])
LINES = st.lists(VOCABULARY, max_size=8).map(" ".join)


@st.composite
def written_docs(draw: st.DrawFn) -> list[Doc]:
    """Draw documents of lines, most of them short; some have a key that others have."""
    docs = []
    sources = draw(st.sampled_from([["a", "a", "a", "b"], [UNNAMED], ["a", UNNAMED, UNNAMED]]))
    for k in range(draw(st.integers(1, 8))):
        blocks = []
        for place, line in enumerate(draw(st.lists(LINES, max_size=5))):
            own = draw(st.sampled_from([0] * 6 + [1, 1, 4, 35, 38]))  # words that no other line has, ...
            at = draw(st.sampled_from([1, 1, 2, 99]))  # ... behind so many that others may have
            words = line.split()
            text = " ".join([*words[:at], *(f"w{k}x{place}x{j}" for j in range(own)), *words[at:]])
            number = 1000 + 100 * k + 2 * place
            key = number if own else draw(st.sampled_from([2, 4, number]))  # long ones are no body of copies
            blocks.append(Block(key, text, draw(st.sampled_from([UNSURE] * 4 + [SURE]))))
        docs.append(Doc(f"doc {k}", draw(st.sampled_from(sources)), str(k), blocks))
    return docs


@given(written_docs())
def test_learnt_templates_equal_the_twin(docs: list[Doc]) -> None:
    pages = [
        (
            doc.source,
            [
                naive.TextBlock(
                    block.key,
                    [naive.NUMBER if word == "may" else word for word in naive.tokenize(block.text)],
                    block.odds > 2,
                )
                for block in doc.blocks
            ],
        )
        for doc in docs
    ]
    expected: dict[Any, set[tuple[str, int]]] = defaultdict(set)
    for doc, row in zip(docs, naive.learn(pages, UNNAMED), strict=True):
        for place, template in enumerate(row):
            if template is not None:
                expected[template].add((doc.name, place))
    outlines = {(source, key): key[0] if isinstance(key, tuple) else None for source, key in expected}
    found = find(docs)
    told = [
        (sorted(blocks), bool(found.recurrence.learnt[template]), template >= found.recurrence.beginnings)
        for template, blocks in found.groups().items()
    ]
    assert sorted(told) == sorted(
        (sorted(blocks), outlines[template] is not None, outlines[template] == naive.BEGINNINGS)
        for template, blocks in expected.items()
    )


@given(written_docs(), st.integers(0, 99))
def test_order_of_documents_does_not_matter(docs: list[Doc], seed: int) -> None:
    left, right = find(docs), find(shuffled(docs, seed))
    assert left.told() == right.told()
    assert left.clusters() == right.clusters()


@given(written_docs())
def test_threads_do_not_matter(docs: list[Doc]) -> None:
    one, four = (find(docs, threads) for threads in (1, 4))
    assert one.recurrence.templates.tolist() == four.recurrence.templates.tolist()
    assert one.told() == four.told()


def site(lines: Sequence[str], source: str = "a") -> list[Doc]:
    """Make pages that differ in one line, which stands between two that all have."""
    top, bottom = Block(2, "home and news"), Block(4, "share this page")
    return [
        Doc(
            f"{source}{k}",
            source,
            f"{source}{k}",
            [top, Block(10_000 + 2 * k, line), bottom],
        )
        for k, line in enumerate(lines)
    ]


BYLINES = ["By Ann Lee", "By Bo", "By Cem D. Ek", "By Dora Quist and Eve Ray"]


def test_lines_between_the_same_neighbours_are_learnt() -> None:
    found = find(site(BYLINES))
    groups = {frozenset(blocks): template for template, blocks in found.groups().items()}
    bylines = frozenset((f"a{k}", 1) for k in range(4))
    assert bylines in groups
    assert found.recurrence.learnt[groups[bylines]]
    assert found.recurrence.counts.clusters[groups[bylines]] == 4
    assert len(groups) == 3


@pytest.mark.parametrize(
    ("lines", "learnt"),
    [
        (["By Ann Lee", "By Bo", "From Cem", "Of Dora"], 0),  # two are too few
        (["Ann Lee writes", "Bo writes", "Cem D. Ek writes"], 3),
        (["Posted by Ann Lee in World News", "Posted by Bo in World News", "Posted by Cem in World News"], 3),
        (
            ["Road closed on 5 May by heavy snow at Ulm", "Road closed on 17 June by heavy wind at Ulm"],
            2,
        ),  # six and one
        (["Road shut on 5 May at Ulm", "Road shut on 17 June at Bonn"], 0),
        (["", "", ""], 0),
    ],
)
def test_outlines_that_are_learnt(lines: list[str], learnt: int) -> None:
    found = find(site(lines))
    own = [
        template for (lo, _) in itertools.pairwise(found.bounds) for template in [found.recurrence.templates[lo + 1]]
    ]
    assert sum(template != FREE for template in own) == learnt
    assert len({template for template in own if template != FREE}) <= 1


def test_lines_without_neighbours_that_recur_are_not_learnt() -> None:
    docs = [Doc(f"a{k}", "a", f"a{k}", [Block(10_000 + 2 * k, line)]) for k, line in enumerate(BYLINES)]
    assert find(docs).groups() == {}


@pytest.mark.parametrize(
    ("lines", "pages", "learnt"),
    [
        (["Story by Ann", "Story by Bo Ek", "Story by Cem D. Quist"], 6, 3),
        (["Story by Ann", "Story by Bo Ek", "Story by Cem D. Quist"], 7, 0),  # less than half of the source
        (["Story by Ann", "Story by Bo Ek"], 2, 0),
        ([f"Story by a{k} b c d e f g h{k}" for k in range(3)], 3, 3),
        ([f"Story by a{k} b c d e f g h i{k}" for k in range(3)], 3, 0),  # more than ten words
    ],
)
def test_short_lines_that_half_of_a_source_begins_alike_are_learnt(lines: list[str], pages: int, learnt: int) -> None:
    texts = [*lines, *(f"w{k} x{k}" for k in range(pages - len(lines)))]
    docs = [Doc(f"a{k}", "a", f"a{k}", [Block(10_000 + 2 * k, text)]) for k, text in enumerate(texts)]
    assert sorted(map(len, find(docs).groups().values())) == ([learnt] if learnt else [])


def test_what_looks_like_content_is_not_learnt() -> None:
    docs = site(BYLINES)
    docs = [doc._replace(blocks=[block._replace(odds=SURE) for block in doc.blocks]) for doc in docs]
    assert len(find(docs).groups()) == 2


def test_long_lines_are_not_learnt_by_their_neighbours() -> None:
    long = " ".join(f"w{k}" for k in range(40))
    assert len(find(site([f"By {k} {k}x {long} {k}y" for k in "abcd"])).groups()) == 2
    short = " ".join(f"w{k}" for k in range(30))
    assert len(find(site([f"By {k} {k}x {short} {k}y" for k in "abcd"])).groups()) == 3


def test_learnt_templates_stay_within_their_source() -> None:
    docs = [*site(BYLINES[:2], "a"), *site(BYLINES[2:], "b")]
    assert not find(docs).recurrence.learnt[list(find(docs).groups())].any()


def test_names_do_not_depend_on_the_order() -> None:
    docs = site(BYLINES)
    other = [Doc("c", "c", "c", [Block(2), Block(6)]), Doc("d", "c", "d", [Block(6), Block(2)]), *docs]

    def names(found: Found) -> set[tuple[str, int]]:
        return {(min(blocks)[0], int(found.recurrence.names[template])) for template, blocks in found.groups().items()}

    assert names(find(other)) == names(find(docs + other[:2]))


BODY = [
    "the ferry to the outer island will stop for the winter because its pier was broken by the storm",
    "the harbour board said on monday that it would mend the pier before the first of may next year",
]


def crawled(body: Sequence[str], source: str, name: str, frame: Sequence[str]) -> Doc:
    """Make a page with a body in a frame of lines of its own."""
    around = [Block(naive.token_hash(line) & ~1, line) for line in frame]
    text = [Block(naive.token_hash(line) & ~1, line, SURE) for line in body]
    return Doc(name, source, name, [*around[: len(frame) // 2], *text, *around[len(frame) // 2 :]])


def frames(k: int) -> list[str]:
    """Return lines that no other page has."""
    return [f"q{k}x{j} r{k}x{j} s{k}x{j} t{k}x{j}" for j in range(10)]


def others(count: int, source: str = "a") -> list[Doc]:
    """Return pages with bodies of their own."""
    return [
        crawled([" ".join(f"w{k}x{j}" for j in range(20))], source, f"{source}-other{k}", frames(100 + k))
        for k in range(count)
    ]


def test_pages_with_the_same_body_are_one_cluster() -> None:
    docs = [*(crawled(BODY, "a", f"copy{k}", frames(k)) for k in range(3)), *others(4)]
    found = find(docs)
    assert found.clusters() == {
        frozenset({"copy0", "copy1", "copy2"}), *(frozenset({doc.name}) for doc in docs[3:])
    }  # fmt: skip
    assert found.groups() == {}  # what one cluster has does not recur
    assert found.recurrence.clusters_of.tolist() == [5]
    for seed in range(5):
        assert find(shuffled(docs, seed)).clusters() == found.clusters()


def test_half_of_a_source_may_share_a_body() -> None:
    copies = [crawled(BODY, "a", f"copy{k}", frames(k)) for k in range(6)]
    assert len(find([*copies, *others(6)]).clusters()) == 7
    found = find([*copies, *others(5)])  # six of eleven: a template of the site
    assert len(found.clusters()) == 11
    assert sorted(map(len, found.groups().values())) == [6, 6]


def test_bodies_of_which_little_is_the_same_are_apart() -> None:
    extra = [[" ".join(f"e{k}x{j}" for j in range(30))] for k in range(2)]
    docs = [crawled(BODY[:1] + extra[k], "a", f"copy{k}", frames(k)) for k in range(2)]
    found = find([*docs, *others(3)])
    assert len(found.clusters()) == 5
    assert sorted(map(len, found.groups().values())) == [2]
    # but one that is wholly in the other is a copy of it
    shorter = [crawled(BODY[:1], "a", "copy0", frames(0)), docs[1]]
    assert len(find([*shorter, *others(3)]).clusters()) == 4


def test_copies_in_other_sources_are_not_joined() -> None:
    docs = [crawled(BODY, source, f"copy {source}", frames(k)) for k, source in enumerate("ab")]
    assert len(find(docs).clusters()) == 2


def test_short_lines_are_no_body() -> None:
    docs = [crawled([line[:40] for line in BODY], "a", f"copy{k}", frames(k)) for k in range(2)]
    assert len(find(docs).clusters()) == 2


def test_what_does_not_look_like_content_weighs_little() -> None:
    notice = "all rights reserved by the owners of this page and of the pictures that are on it today"
    docs = []
    for k in range(2):
        page = crawled([BODY[k]], "a", f"page{k}", frames(k))
        docs.append(page._replace(blocks=[*page.blocks, Block(2, notice, -3.0)]))
    assert len(find([*docs, *others(3)]).clusters()) == 5


@pytest.mark.parametrize(("pages", "recurs"), [(2, 0), (3, 3), (30, 3), (31, 0)])
def test_unnamed_sources_need_a_tenth(pages: int, recurs: int) -> None:
    with_it = min(pages, 3)
    blocks = [Block(2 if k < with_it else 0, f"a{k} b{k} c d", SURE) for k in range(pages)]
    docs = [Doc(str(k), UNNAMED, str(k), [block]) for k, block in enumerate(blocks)]
    assert sum(map(len, find(docs).groups().values())) == recurs
    named = [doc._replace(source="a") for doc in docs]
    assert sum(map(len, find(named).groups().values())) == with_it


def opened(pages: int, line: str, own: int, source: str = UNNAMED, odds: float = SURE) -> list[Doc]:
    """Make documents of a line each that three begin alike and end with so many words of their own."""
    docs = []
    for k in range(pages):
        words = [line if k < 3 else f"y{k} z{k}", *(f"w{k}x{j}" for j in range(own))]
        docs.append(Doc(f"{source}{k}", source, f"{source}{k}", [Block(10_000 + 2 * k, " ".join(words), odds)]))
    return docs


@pytest.mark.parametrize("odds", [SURE, UNSURE])
@pytest.mark.parametrize(
    ("pages", "own", "learnt"),
    [(3, 38, 3), (30, 38, 3), (31, 38, 0), (3, 39, 0), (3, 0, 3), (2, 38, 0)],
)
def test_beginnings_that_a_tenth_of_unnamed_documents_share_are_learnt(
    pages: int, own: int, learnt: int, odds: float
) -> None:
    docs = opened(pages, "typed by", own, odds=odds)
    found = find(docs)
    assert sorted(map(len, found.groups().values())) == ([learnt] if learnt else [])
    assert all(found.recurrence.learnt[t] and t >= found.recurrence.beginnings for t in found.groups())
    assert find([doc._replace(source="a") for doc in docs]).groups() == {} or (own == 0 and odds == UNSURE)


def test_other_outlines_are_learnt_of_short_lines_in_unnamed_documents_too() -> None:
    for odds, learnt in ((UNSURE, [4, 4, 4]), (SURE, [4, 4])):
        docs = [
            doc._replace(blocks=[*doc.blocks[:1], doc.blocks[1]._replace(odds=odds), *doc.blocks[2:]])
            for doc in site(["Ann Lee writes", "Bo writes", "Cem D. Ek writes", "Dora often writes"], UNNAMED)
        ]
        assert sorted(map(len, find(docs).groups().values())) == learnt


@pytest.mark.parametrize("source", [UNNAMED, "a"])
def test_templates_of_beginnings_are_the_last(source: str) -> None:
    line = "typed by" if source == UNNAMED else "story by"
    odds, own = (SURE, 30) if source == UNNAMED else (UNSURE, 3)
    more = [doc.blocks[0] for doc in opened(4, line, own, source, odds)[:3]]
    docs = [
        doc._replace(blocks=[*doc.blocks, *more[k : k + 1]])
        for k, doc in enumerate(site(["Ann Lee writes", "Bo writes", "Cem writes", "Dora writes"], source))
    ]
    docs += [Doc("named", "b", "named", [Block(2)]), Doc("other", "b", "other", [Block(2)])]
    found = find(docs)
    kinds = {
        min(blocks)[1]: (bool(found.recurrence.learnt[t]), t >= found.recurrence.beginnings)
        for t, blocks in found.groups().items()
        if min(blocks)[0].startswith(f"{source}0")
    }
    assert kinds == {0: (False, False), 1: (True, False), 2: (False, False), 3: (True, True)}


def test_beginnings_of_named_documents_count_only_among_themselves() -> None:
    docs = [*opened(3, "typed by", 20), *opened(30, "typed by", 20, "a")]
    assert [sorted(blocks) for blocks in find(docs).groups().values()] == [[(str(k), 0) for k in range(3)]]


@pytest.mark.parametrize(
    ("words", "pages", "kept"),
    [(3, 20, [2, 3]), (3, 21, [3]), (3, 31, []), (4, 200, [2, 3]), (7, 201, [3]), (8, 1000, [2, 3]), (8, 1001, [3])],
)
def test_large_sources_need_a_share(words: int, pages: int, kept: list[int]) -> None:
    keys = [2, 2, 4, 4, 4, *([0] * pages)][:pages]
    line = " ".join("abcdefgh"[:words])
    docs = [Doc(str(k), "a", str(k), [Block(key, line, SURE)]) for k, key in enumerate(keys)]
    assert sorted(map(len, find(docs).groups().values())) == kept


def test_the_share_needed_does_not_depend_on_the_order() -> None:
    lines = ["a b c", "a b c d e f g h"]  # one template, as where a slot holds more words
    docs = [Doc(str(k), "a", str(k), [Block(2, line, SURE)]) for k, line in enumerate(lines)]
    docs += [Doc(str(k), "a", str(k), [Block(0)]) for k in range(2, 40)]
    assert find(docs).told() == find(docs[::-1]).told()


def test_copies_count_once() -> None:
    docs = [Doc(str(k), "a", "x" if k < 4 else "y", [Block(2), Block(4 if k < 4 else 6)]) for k in range(5)]
    found = find(docs)
    ((template, blocks),) = found.groups().items()
    assert blocks == {(str(k), 0) for k in range(5)}
    assert (found.recurrence.counts.clusters[template], found.recurrence.counts.docs[template]) == (2, 5)
    assert found.recurrence.clusters_of.tolist() == [2]


def test_nothing_recurs_in_nothing() -> None:
    for docs in ([], [Doc("a", "a", "a", [])], [Doc("a", UNNAMED, "a", [Block(2), Block(2)])]):
        found = find(docs)
        assert found.groups() == {}
        assert found.recurrence.clusters.tolist() == list(range(len(docs)))


@given(plain_docs())
def test_spread_equals_the_twin(docs: list[Doc]) -> None:
    assume(any(doc.blocks for doc in docs))
    sources: dict[int, set[str]] = defaultdict(set)
    times: dict[int, int] = defaultdict(int)
    for doc in docs:
        for block in doc.blocks:
            sources[block.key].add(doc.source)
            times[block.key] += 1
    pages, _, _ = pages_of(docs)
    spread = np.zeros(pages.keys.size, np.int32)
    with Workspace() as workspace:
        count_spread(pages, spread, workspace)
    assert spread.tolist() == [
        len(sources[block.key]) if block.key and times[block.key] > 1 else 0 for doc in docs for block in doc.blocks
    ]


def test_slots_are_no_tokens() -> None:
    assert int(SLOT) not in {naive.token_hash(token) for token in ("#", "@", "17")}
