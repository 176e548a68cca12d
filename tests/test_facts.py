"""What blocks say that is new, and in what words, against sets of what was said before."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_substance import (
    HEARD,
    KINDS_OF_WORDS,
    OUT,
    SCORED,
    Blend,
    Facts,
    Text,
    drawn_texts,
    frequencies_of,
    hashes,
    key_of,
    keys_of,
    languages_of,
    listed_phrases,
    part_of,
    roles_of,
    split,
    spoken,
    typeset,
)
from naive_substance import find_facts as find_facts_slowly

from dedup.arrays import F32
from dedup.kernels import facts as constants
from dedup.kernels.facts import FACTS, KINDS, WORDS_A_TOKEN, find_facts
from dedup.lexicon import make_table

NAMES = (
    "words", "terms", "new_rare", "commons", "numbers", "new_numbers", "bare_numbers", *KINDS_OF_WORDS, "phrase",
    "before",
)  # fmt: skip
UNTOUCHED = -7.0


def found_in(texts: Sequence[Text], counted: Sequence[Text], docs: Sequence[int], *, included: bool) -> F32:
    """Find the facts of some documents, whose terms are weighed by how many of others have them."""
    weights = frequencies_of(counted).blended(languages_of([texts[doc] for doc in docs]), included=included)
    which = np.array(docs, np.int64)
    part = part_of(texts, which)
    facts = np.full((part.size, FACTS), UNTOUCHED, np.float32)
    find_facts(which, spoken(texts, weights), part, facts)
    return facts


def facts_of(language: str | None, *blocks: str, title: int | None = None, part: Sequence[int] = ()) -> list[Facts]:
    """Return the facts of the blocks of one document; those that are not scored are empty."""
    text = Text(list(map(hashes, blocks)), part or [SCORED] * len(blocks), title, language)
    rows = found_in([text], [], [0], included=False).tolist()
    return [dict(zip(NAMES, row, strict=True)) if UNTOUCHED not in row else {} for row in rows]


@given(drawn_texts(), drawn_texts(), st.data())
def test_facts_equal_the_twin(texts: list[Text], others: list[Text], data: st.DataObject) -> None:
    included = data.draw(st.booleans())
    docs = data.draw(st.lists(st.sampled_from(range(len(texts))), unique=True)) if texts else []
    counted = texts + others if included else others
    blend = Blend(counted, included=included)
    expected = [one for doc in docs for one in find_facts_slowly(texts[doc], blend.weight)]
    found = found_in(texts, counted, docs, included=included)
    assert len(found) == len(expected)
    for row, one in zip(found.tolist(), expected, strict=True):
        if one is None:
            assert set(row) == {UNTOUCHED}
        else:
            assert dict(zip(NAMES, row, strict=True)) == pytest.approx(one, rel=1e-6)


@given(drawn_texts(least=2), st.data())
def test_documents_do_not_hear_each_other(texts: list[Text], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(texts))))
    together = found_in(texts, [], order, included=False)
    alone = [found_in(texts, [], [doc], included=False) for doc in order]
    assert together.tolist() == np.concatenate(alone).tolist()


def test_facts_have_the_columns_they_are_named_by() -> None:
    columns = [constants.WORDS, constants.TERMS, constants.NEW_RARE, constants.COMMONS, constants.NUMBERS]
    columns += [constants.NEW_NUMBERS, constants.BARE_NUMBERS, constants.HEDGES, constants.AMOUNTS, constants.NOUNS]
    columns += [constants.EMPHASIS, constants.ADDRESS, constants.ABSTRACT, constants.PHRASES, constants.BEFORE]
    assert columns == list(range(FACTS)) == list(range(len(NAMES)))
    assert len(KINDS_OF_WORDS) == KINDS == constants.PHRASES - constants.HEDGES
    roles = [*(1 << kind for kind in range(KINDS)), constants.OPENING, constants.PHRASE]
    assert roles == sorted(set(roles))
    assert sum(roles) == sum(roles) & 0xFFFF == (1 << len(roles)) - 1
    assert [int(one) for one in (constants.OUT, constants.HEARD, constants.SCORED)] == [OUT, HEARD, SCORED]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("the of and", {"words": 3, "terms": 3, "commons": 3, "new_rare": 0}),
        ("quincunx Ostara quincunx", {"terms": 3, "commons": 0, "new_rare": 2}),
        ("bridge river harbour", {"terms": 3, "commons": 0, "new_rare": 1}),
        ("could very many things analysis you", dict.fromkeys(KINDS_OF_WORDS, 1)),
        ("COULD Could could", {"hedge": 3, "terms": 3}),
        ("17 2024 17", {"words": 3, "terms": 0, "numbers": 1, "new_numbers": 1, "bare_numbers": 1, "new_rare": 0}),
        ("17 metres", {"numbers": 1, "bare_numbers": 0}),
        ("metres 17", {"numbers": 1, "bare_numbers": 0}),
        ("the 17 metres", {"numbers": 1, "bare_numbers": 0}),
        ("metres 17 the", {"numbers": 1, "bare_numbers": 0}),
        ("bridge 17 river 3 river", {"numbers": 2, "bare_numbers": 1}),
        ("the 17 of", {"numbers": 1, "bare_numbers": 1}),
        ("metres 17 metres 3 metres", {"numbers": 2, "bare_numbers": 0}),
        ("metres the 17 the metres", {"numbers": 1, "bare_numbers": 1}),
        ("1 2 metres", {"numbers": 1, "bare_numbers": 0}),
        ("metres 1 2", {"numbers": 1, "bare_numbers": 0}),
        ("metres 1 2 3 metres", {"numbers": 1, "bare_numbers": 0}),
        ("the 1,500.25 of", {"numbers": 1, "new_numbers": 1, "bare_numbers": 1}),
        ("17 the 17 9 the 9 17", {"numbers": 3, "new_numbers": 2, "bare_numbers": 3}),
    ],
)
def test_facts_of_one_block(block: str, expected: dict[str, float]) -> None:
    (found,) = facts_of("en", block)
    assert {name: found[name] for name in expected} == expected
    assert found["before"] == 0


def test_a_word_of_several_kinds_is_of_each() -> None:
    text = Text([hashes("quincunx Ostara quincunx could")], [SCORED], None, "en")
    table = make_table(
        {key_of(hashes("quincunx")[0] >> 32, "en"): 0b100101, key_of(hashes("Ostara")[0] >> 32, "en"): 1}
    )
    weights, facts = frequencies_of([]).blended(languages_of([text]), included=False), np.zeros((1, FACTS), np.float32)
    find_facts(np.arange(1), spoken([text], weights)._replace(**table._asdict()), part_of([text], np.arange(1)), facts)
    assert facts[0, constants.HEDGES : constants.BEFORE].tolist() == [3, 0, 2, 0, 0, 2, 0]


# ------------------------------------------------------------------------------------------------------- stock phrases


def phrases_in(language: str | None, *blocks: str) -> list[float]:
    """Return how many stock phrases begin in each block of a document."""
    return [one["phrase"] for one in facts_of(language, *blocks)]


@pytest.mark.parametrize(
    ("language", "block", "count"),
    [
        ("en", "In conclusion, the harbour is here to stay.", 2),
        ("en", "the harbour", 0),
        ("en", "conclusion in", 0),
        ("en", "in the conclusion", 0),
        ("en", "in conclusions", 0),
        ("en", "in in conclusion conclusion", 1),
        ("en", "IN CONCLUSION in conclusion In Conclusion", 3),
        ("en", "in; conclusion", 1),  # what stands between words is not looked at
        ("en", "It is important to the city", 1),
        ("en", "It's important to the city", 1),
        ("en", "It’s important to the city", 1),
        ("en", "IT’S IMPORTANT TO THE CITY", 1),
        ("en", "it important to the city", 0),
        ("en", "in today’s fast-paced city", 1),
        ("en", "more than ever", 0),
        ("en", "more than ever before", 2),  # and "than ever before"
        ("en", "now more than ever", 1),
        ("en", "now more than ever before", 3),
        ("en", "only time will tell", 2),  # and "time will tell"
        ("en", "17 in conclusion 17", 1),
        ("en", "in 17 conclusion", 0),
        ("de", "Unterm Strich ist der Hafen für jeden etwas.", 2),
        ("de", "EINE GROSSE ROLLE", 1),
        ("de", "egal ob der Hafen, egal ob sie", 2),  # of two that begin at one place one is counted
        ("es", "Hoy en día el puerto, sin duda alguna.", 2),
        ("fr", "De nos jours le port, force est de constater", 2),
        ("fr", "L’avenir nous le dira, l'avenir nous le dira", 2),
        ("fr", "il joue un rôle", 1),
        ("fr", "il joue un rôle crucial", 2),  # and "un rôle crucial"
        ("ru", "В НАШЕ ВРЕМЯ порт", 1),
        ("ar", "الميناء في هذا المقال", 1),
        ("zh", "众所周知", 1),
        ("zh", "港口众所周知，港口毋庸置疑。", 2),
        ("zh", "众 所 周 知", 1),
        ("zh", "众所周", 0),
        ("zh", "众所周龘", 0),
        ("zh", "众所周知17", 1),
        ("zh", "17众所周知", 1),
        ("zh", "众所17周知", 0),
        ("zh", "众所周17知", 0),
        ("zh", "众17所周知", 0),
        ("zh", "众所周众所周知", 1),
        ("zh", "在当今社会", 2),  # and "当今社会"
        ("zh", "Ostara众所周知Ostara", 1),
        ("ja", "港町はますます", 1),
        ("ja", "ますますます", 2),  # it begins where it stands already
        ("ja", "ますま17すます", 0),
        ("ja", "幅広い世代", 1),
        ("el", "in conclusion της πόλης", 0),
        (None, "in conclusion zzxq 众所周知", 0),
        ("en", "unterm Strich 众所周知", 0),
        ("de", "in conclusion", 0),
        ("zh", "in conclusion ますます", 0),
        ("ja", "众所周知", 0),
    ],
)
def test_stock_phrases_of_one_block(language: str | None, block: str, count: int) -> None:
    assert phrases_in(language, block) == [count]


@pytest.mark.parametrize(
    ("language", "blocks", "counts"),
    [
        ("en", ("the harbour in", "conclusion of it"), [0, 0]),
        ("en", ("the harbour in conclusion", "the harbour in"), [1, 0]),
        ("zh", ("港口众所", "周知"), [0, 0]),
        ("zh", ("港口众所周", "知"), [0, 0]),
        ("zh", ("港口众所周知", "港口众所周", "港口众所"), [1, 0, 0]),
    ],
)
def test_stock_phrases_end_with_their_block(language: str, blocks: Sequence[str], counts: list[float]) -> None:
    assert phrases_in(language, *blocks) == counts


def test_stock_phrases_that_were_said_before_count_again() -> None:
    facts = facts_of("en", "in conclusion", "in conclusion in conclusion", "the in conclusion", title=0)
    assert [one["phrase"] for one in facts] == [1, 2, 1]
    facts = facts_of("en", "in conclusion", "in conclusion", "in conclusion", part=[OUT, HEARD, SCORED])
    assert [one.get("phrase") for one in facts] == [None, None, 1]


def test_stock_phrases_do_not_hide_vague_words() -> None:
    (found,) = facts_of("en", "needless to say, it could be many things")
    assert [found[name] for name in ("phrase", "hedge", "amount", "noun")] == [1, 1, 1, 1]


def beginnings(block: Sequence[str], phrases: Collection[Sequence[str]]) -> int:
    """Count the places of a block at which phrases begin, word by word."""
    return sum(any(block[k : k + len(phrase)] == phrase for phrase in phrases) for k in range(len(block)))


@pytest.mark.parametrize("language", listed_phrases())
def test_every_stock_phrase_is_counted_however_it_is_written(language: str) -> None:
    listed = listed_phrases()[language]
    tokens = {tuple(naive.tokenize(phrase)) for phrase in listed}
    expected = [beginnings(tuple(naive.tokenize(phrase)), tokens) for phrase in listed]
    assert min(expected) == 1
    for change in (str, str.upper, typeset, lambda phrase: f"17 {phrase} 17"):
        assert phrases_in(language, *map(change, listed)) == expected
    apart = [tuple(naive.tokenize(split(phrase))) for phrase in listed]
    assert phrases_in(language, *map(split, listed)) == [beginnings(words, tokens) for words in apart]
    shorter = [tuple(naive.tokenize(phrase))[:-1] for phrase in listed]
    assert phrases_in(language, *map(" ".join, shorter)) == [beginnings(words, tokens) for words in shorter]


FEW_WORDS = {"en": ("the", "harbour", "quincunx"), "zh": ("龘", "鬱", "鱻")}


def phrases_of(language: str, phrases: Iterable[Sequence[str]], blocks: Sequence[str]) -> list[float]:
    """Return how many of some phrases begin in each block of a document."""
    table = make_table(roles_of(keys_of(" ".join(phrase), language) for phrase in phrases))
    text = Text(list(map(hashes, blocks)), [SCORED] * len(blocks), None, language)
    weights = frequencies_of([]).blended(languages_of([text]), included=False)
    facts = np.zeros((len(blocks), FACTS), np.float32)
    find_facts(np.arange(1), spoken([text], weights)._replace(**table._asdict()), part_of([text], np.arange(1)), facts)
    found: list[float] = facts[:, constants.PHRASES].tolist()
    return found


@given(st.sampled_from(sorted(FEW_WORDS)), st.data())
def test_phrases_within_and_across_each_other(language: str, data: st.DataObject) -> None:
    words = st.sampled_from(FEW_WORDS[language])
    least = 3 if language == "zh" else 2
    phrases = data.draw(st.sets(st.lists(words, min_size=least, max_size=6).map(tuple), max_size=6))
    pieces = st.one_of(words.map(lambda word: (word,)), st.sampled_from([("17",), *sorted(phrases)]))
    pieces_in_blocks = data.draw(st.lists(st.lists(pieces, max_size=9), min_size=1, max_size=5))
    blocks = [tuple(itertools.chain.from_iterable(block)) for block in pieces_in_blocks]
    expected = [beginnings(block, phrases) for block in blocks]
    assert phrases_of(language, phrases, list(map(" ".join, blocks))) == expected


def test_what_is_no_term_begins_no_phrase() -> None:
    assert phrases_of("en", [("17", "harbour"), ("harbour", "17", "the")], ["17 harbour", "harbour 17 the"]) == [0, 1]
    assert phrases_of("en", [("the", "harbour")], ["the", "", "harbour", "the harbour"]) == [0, 0, 0, 1]


# ---------------------------------------------------------------------------------------------------- new, and in order


def test_numbers_of_two_blocks_are_no_neighbours_of_their_words() -> None:
    facts = facts_of("en", "the metres", "17 the", "the 17", "metres the")
    assert [one["bare_numbers"] for one in facts] == [0, 1, 1, 0]


def test_what_was_said_before_is_not_new() -> None:
    blocks = ["quincunx 17", "quincunx Ostara 17 2024", "Ostara quincunx 2024"]
    assert [one["new_rare"] for one in facts_of("en", *blocks)] == [1, 1, 0]
    assert [one["new_numbers"] for one in facts_of("en", *blocks)] == [1, 1, 0]
    assert [one["before"] for one in facts_of("en", *blocks)] == [0, 1, 2]


@pytest.mark.parametrize("part", [OUT, HEARD, SCORED])
def test_what_the_title_says_is_not_new(part: int) -> None:
    blocks, parts = ["quincunx 17", "Ostara 2024"], [SCORED, part]
    first = facts_of("en", *blocks, title=1, part=parts)[0]
    assert (first["new_rare"], first["new_numbers"]) == (1, 1)
    first = facts_of("en", *blocks, "Ostara quincunx", title=1, part=[*parts, SCORED])[-1]
    assert first["new_rare"] == 0
    titled = facts_of("en", "Ostara 17", "Ostara 17 quincunx", title=1, part=[SCORED, part])[0]
    assert (titled["new_rare"], titled["new_numbers"], titled["before"]) == (0, 0, 0)


@pytest.mark.parametrize(("part", "new", "before"), [(OUT, 1, 0), (HEARD, 0, 1), (SCORED, 0, 1)])
def test_what_is_left_out_was_not_said(part: int, new: int, before: int) -> None:
    found = facts_of("en", "quincunx", "quincunx", part=[part, SCORED])[-1]
    assert (found["new_rare"], found["before"]) == (new, before)


def test_blocks_without_a_token_are_not_heard() -> None:
    assert facts_of("en", "…", "", "the", part=[HEARD, HEARD, SCORED])[-1]["before"] == 0


def test_terms_of_scripts_without_spaces_are_pairs() -> None:
    (found,) = facts_of("zh", "我们可能发展")
    assert found["words"] == pytest.approx(6 * WORDS_A_TOKEN)
    assert (found["terms"], found["hedge"], found["address"], found["abstract"]) == (5, 1, 1, 1)
    assert facts_of("zh", "我")[0]["terms"] == 0


@pytest.mark.parametrize("language", ["zh", "ja"])
@pytest.mark.parametrize(
    ("block", "terms", "new_rare", "numbers", "bare_numbers"),
    [
        ("龘17", 0, 0, 1, 1),
        ("17龘", 0, 0, 1, 1),
        ("17龘龘", 1, 1, 1, 0),
        ("龘龘17", 1, 1, 1, 1),  # the pair does not stand beside it
        ("龘龘17龘鬱", 2, 2, 1, 0),
        ("龘17龘17龘", 0, 0, 2, 2),
        ("17龘3龘鬱", 1, 1, 2, 1),
        ("17 2024龘龘", 1, 1, 1, 0),
        ("龘龘龘17 2024", 2, 1, 1, 1),
    ],
)
def test_a_number_is_no_part_of_a_pair(
    language: str, block: str, terms: int, new_rare: int, numbers: int, bare_numbers: int
) -> None:
    (found,) = facts_of(language, block)
    assert found["words"] == pytest.approx(len(hashes(block)) * WORDS_A_TOKEN)
    names = ("terms", "new_rare", "numbers", "bare_numbers")
    assert [found[name] for name in names] == [terms, new_rare, numbers, bare_numbers]


def test_what_stands_beside_a_number_was_not_said() -> None:
    assert [one["new_rare"] for one in facts_of("zh", "龘17龘", "龘龘", "17龘龘")] == [0, 1, 0]


@pytest.mark.parametrize("language", ["el", None])
def test_languages_without_lists_have_no_vague_words(language: str | None) -> None:
    (found,) = facts_of(language, "could very many things analysis you könnte in conclusion 可能 μπορεί")
    assert [found[kind] for kind in (*KINDS_OF_WORDS, "phrase")] == [0] * (KINDS + 1)


def test_vague_words_are_those_of_the_language() -> None:
    assert facts_of("de", "could very things")[0]["hedge"] == 0
    assert facts_of("de", "könnte")[0]["hedge"] == facts_of("en", "could")[0]["hedge"] == 1
    assert facts_of("en", "könnte")[0]["hedge"] == 0


@pytest.mark.parametrize(
    ("having", "expected"),
    # log(1101 / (7 + 1.4)) = 4.88, log(1101 / (8 + 1.4)) = 4.76, log(1101 / (31 + 1.4)) = 3.53, then 3.495
    [(7, (1, 0, 0)), (8, (0, 0, 0)), (31, (0, 0, 0)), (32, (0, 1, 0))],
)
def test_how_rare_is_rare(having: int, expected: tuple[int, int, int]) -> None:
    counted = [Text([hashes("qqrt" if k < having else "wvvk")], [HEARD], None, "en") for k in range(100)]
    text = Text([hashes("qqrt 17")], [SCORED], None, "en")
    row = dict(zip(NAMES, found_in([text], counted, [0], included=False)[0].tolist(), strict=True))
    assert (row["new_rare"], row["bare_numbers"], row["commons"]) == expected


@pytest.mark.parametrize(("having", "common"), [(800, 1), (599, 1), (597, 0)])  # log(1801 / (599 + 1.4)) = 1.098
def test_how_common_is_common(having: int, common: int) -> None:
    counted = [Text([hashes("qqrt" if k < having else "wvvk")], [HEARD], None, "en") for k in range(800)]
    text = Text([hashes("qqrt 17")], [SCORED], None, "en")
    assert found_in([text], counted, [0], included=False)[0, constants.COMMONS] == common


def test_how_rare_is_rare_in_a_language_depends_on_no_other() -> None:
    texts = [Text([hashes("qqrt 17")], [SCORED], None, language) for language in ("de", "en", None)]
    counted = [Text([hashes("qqrt")], [HEARD], None, "en") for _ in range(1000)]
    rows = found_in(texts, counted, [0, 1, 2], included=False)
    assert rows[:, constants.NEW_RARE].tolist() == [1, 0, 1]
    assert rows[:, constants.BARE_NUMBERS].tolist() == [0, 1, 0]
    assert rows[:, constants.COMMONS].tolist() == [0, 1, 0]


def test_documents_without_blocks_take_no_rows() -> None:
    said, empty = (
        Text([hashes("quincunx 17"), hashes("quincunx")], [SCORED, HEARD], None, "en"),
        Text([], [], None, "de"),
    )
    found = found_in([empty, said, empty, empty, said, empty], [], range(6), included=False)
    assert found.tolist() == found_in([said, said], [], [0, 1], included=False).tolist()
    assert found[:, 0].tolist() == [2, UNTOUCHED, 2, UNTOUCHED]


def test_a_large_document_between_small_ones() -> None:
    numbers = list(map(str, range(40_000)))
    large = Text([hashes(" the ".join(numbers)), hashes(" the ".join(reversed(numbers)))], [SCORED, SCORED], None, "en")
    small = Text([hashes("7 quincunx"), hashes("7 the 17")], [SCORED, SCORED], None, "en")
    found = found_in([small, large, small], [], [0, 1, 2], included=False)
    assert found[:, constants.NEW_NUMBERS].tolist() == [1, 1, 40_000, 0, 1, 1]
    assert found[:, constants.NUMBERS].tolist() == [1, 2, 40_000, 40_000, 1, 2]
    assert found[:, constants.NEW_RARE].tolist() == [1, 0, 0, 0, 1, 0]


def test_many_documents_in_turn_say_the_same() -> None:
    text = Text([hashes("quincunx 17"), hashes("quincunx 2024 Ostara")], [SCORED, SCORED], 0, "en")
    facts = found_in([text] * 500, [], range(500), included=False)
    assert all(
        row.tolist() == first.tolist() for row, first in zip(facts[2:], itertools.cycle(facts[:2]), strict=False)
    )
