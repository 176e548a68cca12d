"""Blocks of documents against their twin, as spans that reassemble the document, and as worked examples."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import utf8

from dedup.blocks import split_blocks
from dedup.kernels.lines import CR, LF, find_bytes
from dedup.schema import KINDS
from dedup.settings import SPLITS, Split

PIECES = (
    "word", "Two words.", "of the long and winding line that goes on", "and ends here.", "\u044f\u0431\u043b\u043e",
    "\u00e9t\u00e9", "\u6771\u4eac\u3002", "\U0001f600", "7", "1234", "\n", "\n", "\n\n", "\r\n", "\r", "\f", "\v", " ",
    "\t", "\u00a0", "\u3000", "\ufeff", "- ", "* ", "\u2022 ", "\u2022", "\u30fb", "1. ", "(2) ", "3) ", "\uff14\uff0e",
    "5\u3001", "\u2713 ", "#", "# ", "####### ", "```", "~~~", "|", "===", "==", "---", "*", "a\u0085b", "\u2028", "\0",
    "\u00b7 ",
)  # fmt: skip
BLANK = re.compile(rf"[{naive.BLANKS}\n\v\f\r]*")

documents = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
lines = st.lists(st.sampled_from(PIECES[:3]), min_size=1, max_size=4).map(" ".join)
wrapped = st.lists(st.lists(lines, max_size=6).map("\n".join), max_size=4).map("\n\n".join)
any_document = st.one_of(documents, wrapped, st.text(max_size=40))
modes = st.sampled_from(SPLITS)


def split(texts: Sequence[str], mode: Split) -> list[list[tuple[int, int, str]]]:
    """Split documents; return start, end and kind of the blocks of each."""
    blocks = split_blocks(*utf8(texts), mode)
    assert blocks.bounds.size == len(texts) + 1
    rows = list(zip(blocks.starts.tolist(), blocks.ends.tolist(), (KINDS[kind] for kind in blocks.kinds), strict=True))
    return [rows[lo:hi] for lo, hi in itertools.pairwise(blocks.bounds.tolist())]


def shown(text: str, mode: Split = "auto") -> list[tuple[str, str]]:
    """Split one document; return kind and text of its blocks."""
    return [(kind, text.encode()[start:end].decode()) for start, end, kind in split([text], mode)[0]]


def assert_reassembles(text: str, spans: Sequence[tuple[int, int, str]]) -> None:
    """Check that spans are blocks of the document: ascending, blanks between them and nowhere at their edges."""
    data = text.encode()
    last = 0
    for start, end, kind in spans:
        assert last <= start < end <= len(data)
        assert BLANK.fullmatch(data[last:start].decode())
        block = data[start:end].decode()
        assert block == block.strip(naive.BLANKS + "\n\v\f\r")
        assert kind in KINDS
        last = end
    assert BLANK.fullmatch(data[last:].decode())


@given(st.lists(any_document, max_size=4), modes)
def test_blocks_equal_the_twin(texts: list[str], mode: Split) -> None:
    assert split(texts, mode) == [naive.split_blocks(text, mode) for text in texts]


@given(any_document, modes)
def test_blocks_and_gaps_are_the_document(text: str, mode: Split) -> None:
    assert_reassembles(text, split([text], mode)[0])


@given(st.lists(any_document, min_size=1, max_size=4), modes)
def test_documents_do_not_touch_one_another(texts: list[str], mode: Split) -> None:
    assert split(texts, mode) == [split([text], mode)[0] for text in texts]


@given(any_document)
def test_lines_that_are_blocks_hold_no_line_end(text: str) -> None:
    blocks = shown(text, "lines")
    assert not any(naive.LINE_END.search(block) for _, block in blocks)
    assert len(blocks) == sum(bool(line.strip(naive.BLANKS)) for line in naive.LINE_END.split(text))


@given(any_document)
def test_auto_cuts_wherever_blank_does_and_only_where_lines_does(text: str) -> None:
    edges = {mode: {start for start, _, _ in split([text], mode)[0]} for mode in SPLITS}
    assert edges["blank"] <= edges["auto"] <= edges["lines"]


@given(any_document, st.sampled_from(["\r", "\r\n", "\f", "\v"]), modes)
def test_line_ends_are_all_alike(text: str, line_end: str, mode: Split) -> None:
    plain = naive.LINE_END.sub("\n", text)
    expected = [(kind, naive.LINE_END.sub(line_end, block)) for kind, block in shown(plain, mode)]
    assert shown(plain.replace("\n", line_end), mode) == expected


@given(st.text(st.sampled_from("ab é\t\n\v\f\r\x0e"), max_size=200))
def test_line_ends_are_found(text: str) -> None:
    data = text.encode()
    found = find_bytes(np.frombuffer(data, np.uint8), LF, CR)
    assert found.tolist() == [k for k, byte in enumerate(data) if byte in b"\n\v\f\r"]


@pytest.mark.parametrize("mode", SPLITS)
def test_nothing_to_split(mode: Split) -> None:
    assert split([], mode) == []
    assert split(["", " \n\t\r\n\u3000", "", "\ufeff"], mode) == [[], [], [], []]
    assert split_blocks(np.empty(0, np.uint8), np.zeros(1, np.int64), mode).bounds.tolist() == [0]


def test_a_document_that_ends_in_cr_leaves_the_next_one_s_lf_alone() -> None:
    assert split(["a\r", "\nb"], "lines") == [[(0, 1, "paragraph")], [(1, 2, "paragraph")]]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("heading", "# Title"),
        ("heading", "###### Six"),
        ("paragraph", "####### Seven"),
        ("paragraph", "#hashtag"),
        ("list_item", "- item"),
        ("list_item", "* item"),
        ("list_item", "+\titem"),
        ("paragraph", "-5 degrees"),
        ("paragraph", "*emphasis* first"),
        ("list_item", "\u2022 item"),
        ("list_item", "\u2043 item"),
        ("list_item", "\u25aa item"),
        ("list_item", "\u2713 done"),
        ("list_item", "\u27a4 next"),
        ("list_item", "\u00b7 item"),
        ("paragraph", "\u2022item"),
        ("list_item", "\u30fb\u9805\u76ee"),
        ("list_item", "1. one"),
        ("list_item", "12) twelve"),
        ("list_item", "(3) three"),
        ("paragraph", "(3. three"),
        ("paragraph", "1.5 litres"),
        ("paragraph", "2024. was a year"),
        ("list_item", "\uff11\uff0e\u4e00"),
        ("list_item", "\uff12\uff09\u4e8c"),
        ("list_item", "3\u3001\u4e09"),
        ("paragraph", "(3\u3001\u4e09"),
        ("other", "| a | b |"),
        ("other", "---"),
        ("other", "* * *"),
        ("other", "==="),
        ("other", "```"),
        ("paragraph", "--- 8< ---"),
        ("paragraph", "\u2014"),
        ("paragraph", "Plain text."),
    ],
)
@pytest.mark.parametrize("mode", SPLITS)
def test_a_line_by_itself(mode: Split, kind: str, line: str) -> None:
    assert shown(f"\n \u3000{line}\t\n", mode) == [(kind, line)]


MARKDOWN = """\
Ferries in winter
=================

# Timetable

- departs at 9:00
- departs at 12:00
1. buy a ticket
2. board

| from | to |
|------|----|
| A    | B  |

```
x = 1

y = 2
```
Last line.
"""
MARKDOWN_BLOCKS = [
    ("heading", "Ferries in winter\n================="),
    ("heading", "# Timetable"),
    ("list_item", "- departs at 9:00"),
    ("list_item", "- departs at 12:00"),
    ("list_item", "1. buy a ticket"),
    ("list_item", "2. board"),
    ("other", "| from | to |"),
    ("other", "|------|----|"),
    ("other", "| A    | B  |"),
    ("other", "```\nx = 1\n\ny = 2\n```"),
    ("paragraph", "Last line."),
]


@pytest.mark.parametrize("mode", ["auto", "blank"])
def test_markdown_by_hand(mode: Split) -> None:
    assert shown(MARKDOWN, mode) == MARKDOWN_BLOCKS


def test_every_line_is_a_block_where_lines_are_asked_for() -> None:
    expected = [line for line in MARKDOWN.splitlines() if line]
    assert [block for _, block in shown(MARKDOWN, "lines")] == expected


def test_a_fence_without_end_is_a_line() -> None:
    text = "```\ncode\n\ntext"
    assert shown(text) == [("other", "```"), ("paragraph", "code"), ("paragraph", "text")]


def test_an_underline_makes_a_heading_of_the_line_before_it_only() -> None:
    text = "One paragraph\nwith two lines\nTitle\n=====\nand text"
    assert shown(text, "blank") == [
        ("paragraph", "One paragraph\nwith two lines"),
        ("heading", "Title\n====="),
        ("paragraph", "and text"),
    ]


HARD_WRAPPED = """\
It was the best of times, it was the worst
of times, it was the age of Wisdom, when
Foolishness was thought to be for others.
It was the epoch of belief, it was the epoch
of incredulity, it was the season of light.

- an item whose text is as long as a line is
  and goes on in the next one
- a short item
"""
ONE_LINE_PARAGRAPHS = """\
It was the best of times, it was the worst of times.
It was the age of wisdom.
it was the age of foolishness, and said so in a long line of its own.
It was the epoch of belief.
It was the epoch of incredulity.
It was the season of light.
"""


def test_hard_wrapped_lines_are_joined() -> None:
    assert shown(HARD_WRAPPED) == [
        ("paragraph", HARD_WRAPPED.partition("\n\n")[0]),
        ("list_item", "- an item whose text is as long as a line is\n  and goes on in the next one"),
        ("list_item", "- a short item"),
    ]


def test_a_line_with_room_for_the_next_word_ends_a_wrapped_paragraph() -> None:
    text = HARD_WRAPPED.replace(" for others.", ".")
    assert shown(text)[0][1].endswith("Foolishness was thought to be.")
    assert shown(text)[1][1].startswith("It was the epoch")


@given(st.lists(st.tuples(wrapped, st.booleans()), max_size=6))
def test_a_paragraph_stays_one_when_others_go(paragraphs: list[tuple[str, bool]]) -> None:
    text = "\n".join(paragraph for paragraph, _ in paragraphs)
    blocks = [text.encode()[start:end] for start, end, _ in split([text], "auto")[0]]
    kept = [block for k, block in enumerate(blocks) if k >= len(paragraphs) or paragraphs[k][1]]
    assert [block.encode() for _, block in shown(b"\n\n".join(kept).decode())] == kept


def test_lines_that_are_paragraphs_are_not_joined() -> None:
    expected = [("paragraph", line) for line in ONE_LINE_PARAGRAPHS.splitlines()]
    assert shown(ONE_LINE_PARAGRAPHS) == expected
    assert len(shown(ONE_LINE_PARAGRAPHS, "blank")) == 1


@pytest.mark.parametrize(
    "lower",
    ["and on", "\u00e9t\u00e9", "\u00dfa", "\u03ac\u03bb\u03bb\u03b1", "\u03c9\u03c2", "\u043e\u043d", "\u0451\u0436"],
)
def test_a_line_that_goes_on_in_lower_case_is_wrapped(lower: str) -> None:
    text = f"A line that is long enough to have been wrapped\n{lower} to the end."
    assert shown(text) == [("paragraph", text)]


@pytest.mark.parametrize(
    "text",
    [
        "Related: Power Outage Map | School Closings | Radar\nclose",
        "What you need for a cake that feeds a whole family:\nflour, eggs and sugar",
        "a short line that is not full\nis followed by one that is much longer than any that could have been wrapped",
        "- a short item\nand a line that does not stand further in than it",
    ],
)
def test_lower_case_alone_makes_no_wrap(text: str) -> None:
    assert len(shown(text)) == 2


def test_lines_further_in_than_an_item_belong_to_it() -> None:
    text = "- Short:\n  Twenty minutes.\n  - inner\n\tTwo\n- next\n Three"
    assert [block for _, block in shown(text)] == ["- Short:\n  Twenty minutes.", "- inner\n\tTwo", "- next", "Three"]


@pytest.mark.parametrize("upper", ["And", "\u00c9t\u00e9", "\u0386", "\u041e\u043d", "7 days", "\u6771\u4eac", '"and"'])
def test_a_line_that_goes_on_otherwise_is_none(upper: str) -> None:
    text = f"A line that is long enough to have been wrapped.\n{upper} to the end."
    assert len(shown(text)) == 2


@pytest.mark.parametrize("corpus", ["sites", "chinese", "versions", "japanese"])
@pytest.mark.parametrize("mode", SPLITS)
def test_real_documents_reassemble(shared_data: Path, corpus: str, mode: Split) -> None:
    path = next((shared_data / corpus).glob("*.jsonl.gz"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"][:5000] for line in itertools.islice(file, 20)]
    assert len(texts) == 20
    found = split(texts, mode)
    assert found == [naive.split_blocks(text, mode) for text in texts]
    for text, spans in zip(texts, found, strict=True):
        assert_reassembles(text, spans)
