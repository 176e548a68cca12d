"""Terms and the documents that have them, against counters, and against scikit-learn's own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import naive
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from naive_substance import (
    VOCABULARY,
    Blend,
    Text,
    bucket_of,
    count,
    count_terms,
    drawn_texts,
    expected_documents,
    frequencies_of,
    hashes,
    key_of,
    languages_of,
    listed,
    number_of,
    pair_hash,
)
from naive_substance import identify as identify_slowly
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from dedup import frequencies
from dedup.background import background, identify
from dedup.frequencies import DocumentFrequencies, keys_of_terms, paired_languages, share_of_documents
from dedup.kernels.tables import FREE
from dedup.kernels.terms import BUCKETS, pair_of, term_key
from dedup.sketch import tokenize_texts

HASHES = st.integers(0, (1 << 64) - 1)
ENGLISH = background().languages.index("en")
# Words of no two of these share a bucket.
WORDS = [*VOCABULARY["en"], "17", "2024", "x2", "don't", "Łódź", "the The"]


def text_of(language: str | None, *blocks: str) -> Text:
    """Return a document that is only counted."""
    return Text(list(map(hashes, blocks)), [], None, language)


def weights(
    counted: DocumentFrequencies, language: str, words: Sequence[str], *, included: bool = False
) -> list[float]:
    """Return what words of a language weigh."""
    number = background().languages.index(language)
    found = counted.blended(np.array([number], np.int32), included=included)
    buckets = [bucket_of(key_of(hashes(word)[0] >> 32, language)) for word in words]
    return [float(np.log(found.docs[number] / having)) for having in found.frequencies[0, buckets]]


def same(one: DocumentFrequencies, other: DocumentFrequencies) -> bool:
    """Whether the same was counted."""
    equal = [np.array_equal(table, other.tables[language]) for language, table in one.tables.items()]
    return one.tables.keys() == other.tables.keys() and all(equal) and one.docs.tolist() == other.docs.tolist()


@given(st.lists(HASHES, min_size=1, max_size=5), st.sampled_from([*background().languages, None]))
def test_keys_of_terms_equal_the_twin(terms: list[int], language: str | None) -> None:
    number = FREE if language is None else background().languages.index(language)
    expected = [key_of(term >> 32, language) for term in terms]
    halves = np.array([term >> 32 for term in terms], np.uint32)
    assert keys_of_terms(halves, number).tolist() == expected
    with np.errstate(over="ignore"):
        assert [int(term_key.py_func(np.uint64(term), number)) for term in terms] == expected  # type: ignore[attr-defined]


@given(HASHES, HASHES)
def test_pairs_equal_the_twin(first: int, second: int) -> None:
    with np.errstate(over="ignore"):
        found = pair_of.py_func(np.uint64(first), np.uint64(second))  # type: ignore[attr-defined]
    assert int(found) == pair_hash(first, second)


@given(drawn_texts())
def test_counts_equal_the_twin(texts: list[Text]) -> None:
    found = count(texts)
    assert found.indptr.tolist()[0] == 0
    assert found.indptr.size == len(texts) + 1
    for text, (lo, hi) in zip(texts, itertools.pairwise(found.indptr.tolist()), strict=True):
        own = zip(found.indices[lo:hi].tolist(), found.counts[lo:hi].tolist(), strict=True)
        assert list(own) == list(count_terms(text).items())
    assert found.matrix().shape == (len(texts), BUCKETS)
    assert found.matrix().sum() == sum(count_terms(text).total() for text in texts)


def test_terms_of_scripts_without_spaces_are_pairs_within_a_block() -> None:
    assert dict(zip(background().languages, paired_languages(), strict=False))["zh"]
    assert paired_languages().sum() == 2
    assert not paired_languages()[FREE]
    one, two = text_of("zh", "我们是", "港"), text_of("zh", "我们", "是港")
    assert [len(count_terms(text)) for text in (one, two)] == [2, 2]
    shared = set(count([one]).indices.tolist()) & set(count([two]).indices.tolist())
    assert shared == {bucket_of(key_of(pair_hash(*hashes("我们")) >> 32, "zh"))}


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_a_number_is_no_part_of_a_pair(language: str) -> None:
    found = count([text_of(language, "龘17龘龘2024", "龘17", "17龘", "17 2024")])
    assert found.counts.tolist() == [1]
    assert found.indices.tolist() == [bucket_of(key_of(pair_hash(*hashes("龘龘")) >> 32, language))]


def test_the_same_word_of_two_languages_is_two_terms() -> None:
    english, german, unknown = (count([text_of(language, "die in")]) for language in ("en", "de", None))
    assert len({*english.indices.tolist(), *german.indices.tolist(), *unknown.indices.tolist()}) == 6


@given(
    st.lists(st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=3), min_size=1, max_size=6)
)
def test_counts_and_weights_are_those_of_scikit_learn(documents: list[list[str]]) -> None:
    tokens = [[word for block in blocks for word in naive.tokenize(block)] for blocks in documents]
    tokens = [[word for word in words if not naive.is_number(word)] for words in tokens]
    assume(any(tokens))
    texts = [text_of("en", *blocks) for blocks in documents]
    counts = count(texts)
    theirs = CountVectorizer(analyzer=lambda words: words)
    expected = theirs.fit_transform(tokens).toarray()
    vocabulary = sorted(theirs.vocabulary_, key=theirs.vocabulary_.get)
    columns = [bucket_of(key_of(naive.token_hash(word) >> 32, "en")) for word in vocabulary]
    assert len(set(columns)) == len(columns)
    assert counts.matrix()[:, columns].toarray().tolist() == expected.tolist()
    assert counts.matrix().sum() == expected.sum()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequencies, "PRIOR", 0)
        found = frequencies_of(texts).transformer(ENGLISH).transform(counts.matrix())
    weighed = TfidfVectorizer(analyzer=lambda words: words).fit_transform(tokens).toarray()
    assert found[:, columns].toarray() == pytest.approx(weighed, abs=1e-6)
    assert found.count_nonzero() == np.count_nonzero(weighed)


def test_weights_of_a_transformer_are_those_of_the_blend() -> None:
    counted = frequencies_of([text_of("en", "quincunx harbour"), text_of("en", "harbour")])
    words = ["quincunx", "harbour", "the"]
    buckets = [bucket_of(key_of(hashes(word)[0] >> 32, "en")) for word in words]
    found = counted.transformer(ENGLISH).idf_[buckets] - 1
    assert found == pytest.approx(weights(counted, "en", words), abs=1e-6)


@given(drawn_texts(), drawn_texts(), st.booleans())
def test_documents_and_background_equal_the_twin(texts: list[Text], others: list[Text], included: bool) -> None:
    found = frequencies_of(texts).blended(languages_of(others), included=included)
    twin = Blend(texts, included=included)
    codes = [*background().languages, None]
    assert found.docs.tolist() == [twin.documents(code) for code in codes]
    assert found.tables.size == len(codes)
    wanted = {text.language for text in others}
    assert found.frequencies.shape == (len(wanted), BUCKETS)
    assert sorted(found.tables[codes.index(code)] for code in wanted) == list(range(len(wanted)))
    assert found.docs.dtype == found.frequencies.dtype == np.float32
    buckets = {bucket for text in [*texts, *others] for bucket in count_terms(text)} | {0, BUCKETS - 1}
    buckets.update(bucket_of(key_of(word, code)) for code in ("en", "zh") for word in list(listed(code))[::400])
    places = sorted(buckets)
    for code in wanted:
        having = found.frequencies[found.tables[codes.index(code)], places]
        assert having.tolist() == pytest.approx([twin.having(bucket, code) for bucket in places], rel=2e-4)


@given(st.floats(0, 8))
def test_share_of_documents_that_have_a_word(zipf: float) -> None:
    found = float(share_of_documents(zipf))
    assert frequencies.PRIOR * found == pytest.approx(expected_documents(zipf), rel=1e-3, abs=1e-3)
    assert 0 <= found <= 1


@given(drawn_texts(least=1), st.data())
def test_documents_may_come_in_any_split_and_order(texts: list[Text], data: st.DataObject) -> None:
    expected = frequencies_of(texts)
    order = data.draw(st.permutations(range(len(texts))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    counts, languages = count(texts), languages_of(texts)
    found = DocumentFrequencies()
    for k, (lo, hi) in enumerate(itertools.pairwise([0, *cuts, len(texts)])):
        own = order[lo:hi]
        if k % 2:  # of one batch some documents, or a batch of their own
            found.add(counts, languages, np.array(own, np.int64))
        else:
            found.merge(frequencies_of([texts[doc] for doc in own]))
    assert same(found, expected)
    assert expected.docs.sum() == len(texts)
    assert expected.tables.keys() == {number_of(text.language) for text in texts}
    for language, table in expected.tables.items():
        assert table.sum() == sum(len(count_terms(text)) for text in texts if number_of(text.language) == language)


def test_what_was_merged_is_not_shared() -> None:
    texts = [text_of("en", "the quincunx"), text_of(None, "zzxq")]
    one, other = DocumentFrequencies(), frequencies_of(texts)
    one.merge(other)
    one.merge(DocumentFrequencies())
    assert same(one, other)
    one.merge(other)
    assert same(one, frequencies_of(texts * 2))
    assert same(other, frequencies_of(texts))


def test_memory_does_not_grow_but_by_languages() -> None:
    found = DocumentFrequencies()
    words = [" ".join(f"word{k}x{i}" for i in range(50)) for k in range(400)]
    batch = [text_of(("en", "de", None)[k % 3], line) for k, line in enumerate(words)]
    for _ in range(5):
        found.add(count(batch), languages_of(batch), np.arange(400))
        found.merge(found)
        assert found.tables.keys() == {number_of("en"), number_of("de"), FREE}
        assert {(table.dtype, table.shape) for table in found.tables.values()} == {(np.dtype(np.uint32), (BUCKETS,))}
    assert found.docs.sum() == 400 * (2 + 4 + 8 + 16 + 32)
    assert vars(found).keys() == {"docs", "tables"}
    assert sum(table.nbytes for table in found.tables.values()) < 7e6


@given(drawn_texts(least=1), st.integers(0, 4))
def test_a_document_is_left_out_of_its_own_counts(texts: list[Text], which: int) -> None:
    which %= len(texts)
    own, others = texts[which : which + 1], texts[:which] + texts[which + 1 :]
    languages = languages_of(own)
    inside = frequencies_of(texts).blended(languages, included=True)
    outside = frequencies_of(others).blended(languages, included=False)
    assert inside.docs[languages] == outside.docs[languages]
    buckets = list(count_terms(own[0]))
    found, expected = (one.frequencies[0, buckets].tolist() for one in (inside, outside))
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_single_document_is_weighed_as_by_nothing_counted() -> None:
    words = ["the", "harbour", "quincunx"]
    single = frequencies_of([text_of("en", "the harbour quincunx")])
    assert weights(single, "en", words, included=True) == weights(DocumentFrequencies(), "en", words)
    assert weights(single, "en", words, included=False) != weights(DocumentFrequencies(), "en", words)


def test_documents_of_a_language_do_not_count_in_another() -> None:
    words = ["der", "Hafen", "Quincunx", "Stadt", "in"]
    english = [text_of("en", " ".join(VOCABULARY["en"]), "der Hafen Quincunx Stadt in") for _ in range(500)]
    german = [text_of("de", "der Hafen Stadt")]
    mixed, alone = frequencies_of(english + german), frequencies_of(german)
    assert weights(mixed, "de", words) == weights(alone, "de", words)
    assert weights(mixed, "en", ["quincunx"])[0] < weights(alone, "en", ["quincunx"])[0] - 1
    assert mixed.docs[[ENGLISH, number_of("de")]].tolist() == [500, 1]


@given(drawn_texts(least=1), st.sampled_from([*VOCABULARY, "sv"]), st.booleans())
def test_weights_of_a_language_depend_on_no_other(texts: list[Text], other: str | None, included: bool) -> None:
    texts = [text for text in texts if text.language != other]
    alone, among = frequencies_of(texts), frequencies_of([*texts, text_of(other, "the of 我们 zzxq")])
    among.table(number_of(other))[:] += np.uint32(1_000_000)
    among.docs[number_of(other)] += 1_000_000
    for number in {number_of(text.language) for text in texts}:
        expected = alone.blended(np.array([number], np.int32), included=included)
        for asked in ([number], [number_of(other), number], [number, *range(FREE, 3), number_of(other)]):
            found = among.blended(np.array(asked, np.int32), included=included)
            assert found.docs[number] == expected.docs[number]
            row = found.frequencies[found.tables[number]]
            assert np.array_equal(row, expected.frequencies[expected.tables[number]])
        assert (among.transformer(number).idf_ == alone.transformer(number).idf_).all()
    found = among.blended(np.array([number_of(other)], np.int32), included=included)
    assert found.frequencies.min() > 1_000_000
    assert found.docs[number_of(other)] > 1_000_000


def test_a_language_that_was_not_seen_has_the_weights_of_the_background() -> None:
    words = ["der", "Hafen", "Quincunx"]
    assert weights(frequencies_of([text_of("en", "der Hafen Quincunx")] * 9), "de", words) == weights(
        DocumentFrequencies(), "de", words
    )


def test_common_words_weigh_less_the_more_documents_have_them() -> None:
    the, bridge, harbour, quincunx = weights(DocumentFrequencies(), "en", ["the", "bridge", "harbour", "quincunx"])
    assert the < 1.1 < bridge < 4.8 < harbour < quincunx
    many = [text_of("en", "the quincunx")] * 3000
    assert weights(frequencies_of(many), "en", ["quincunx"])[0] < 0.5


RUNS = st.lists(
    st.tuples(st.sampled_from([word for words in VOCABULARY.values() for word in words]), st.sampled_from([1, 3, 290])),
    max_size=6,
)


@given(st.lists(RUNS, max_size=4))
def test_languages_equal_the_twin(documents: list[list[tuple[str, int]]]) -> None:
    texts = [" ".join(" ".join([word] * times) for word, times in runs) for runs in documents]
    tokens = tokenize_texts(texts)
    found = identify(tokens.hashes, tokens.bounds).tolist()
    expected = [identify_slowly(hashes(text)) for text in texts]
    assert [None if number == FREE else background().languages[number] for number in found] == expected


@pytest.mark.parametrize(("common", "known"), [(1, False), (2, True), (3, True)])
def test_a_language_has_a_tenth_of_the_words(common: int, known: bool) -> None:
    tokens = tokenize_texts([" ".join(["the"] * common + ["zzxq"] * (20 - common))])
    assert (identify(tokens.hashes, tokens.bounds)[0] == ENGLISH) == known


def test_words_from_all_over_a_text_tell_its_language() -> None:
    texts = ["zzxq " * 900 + "the " * 300, "the " * 300 + "zzxq " * 900, "zzxq " * 1190 + "the " * 10]
    tokens = tokenize_texts(texts)
    assert identify(tokens.hashes, tokens.bounds).tolist() == [ENGLISH, ENGLISH, FREE]
