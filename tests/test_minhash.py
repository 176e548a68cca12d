"""Shingles, signatures and band keys against their twins and against datasketch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import datasketch
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import sentences, texts, tokenized

from dedup.arrays import U32, U64
from dedup.kernels.minhash import EMPTY, band_keys, signatures
from dedup.lsh import BLOCK_SHINGLES, DOC_SHINGLES, Scheme, make_scheme, permutations
from dedup.sketch import LEAST_WORDS, sign_rows, sketch_rows

SHINGLES = st.sampled_from([BLOCK_SHINGLES, DOC_SHINGLES, (1, 1), (2, 4), (3, 3)])
HASHES = st.lists(st.integers(0, (1 << 64) - 1), max_size=20)


def identity(value: int) -> int:
    """Return the hash that a shingle already is."""
    return value


def shingle_hashes(tokens: Sequence[int], n_min: int, n_max: int) -> list[int]:
    """Return the distinct 32-bit shingle hashes of a row."""
    return sorted({naive.shingle_hash(one) >> 32 for one in naive.shingles(tokens, n_min, n_max)})


def datasketch_signature(tokens: Sequence[int], n_min: int, n_max: int, num_perm: int, seed: int) -> list[int]:
    """Return what datasketch's MinHash holds after the shingles of a row."""
    minhash = datasketch.MinHash(num_perm=num_perm, seed=seed, hashfunc=identity, scheme="affine32")
    minhash.update_batch(shingle_hashes(tokens, n_min, n_max))
    return [int(value) for value in minhash.hashvalues]


def signature(tokens: Sequence[int] | U64, n_min: int, n_max: int, num_perm: int, seed: int) -> U32:
    """Sign one row."""
    one = np.array(tokens, np.uint64)
    a, b = permutations(num_perm, seed)
    signed: U32 = signatures(one, np.array([0, one.size]), np.zeros(1, np.int64), n_min, n_max, a, b)[0]
    return signed


def random_texts(count: int, seed: int) -> list[str]:
    """Write texts of up to 60 words from a small vocabulary."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(0, 61, count)
    return [" ".join(f"word{k}" for k in chance.integers(0, 200, length)) for length in lengths]


@given(HASHES, SHINGLES, st.integers(1, 70), st.sampled_from([0, 1, 7, 2**32 - 1]))
def test_signatures_are_datasketch_s_bit_for_bit(
    tokens: list[int], n: tuple[int, int], num_perm: int, seed: int
) -> None:
    assert signature(tokens, *n, num_perm, seed).tolist() == datasketch_signature(tokens, *n, num_perm, seed)


@pytest.mark.parametrize(
    ("seed", "num_perm", "n"), [(1, 128, BLOCK_SHINGLES), (2, 168, DOC_SHINGLES), (42, 256, (3, 3))]
)
def test_signatures_of_random_texts_are_datasketch_s(seed: int, num_perm: int, n: tuple[int, int]) -> None:
    documents = random_texts(300, seed)
    hashes, bounds, _ = tokenized(documents)
    a, b = permutations(num_perm, seed)
    found = signatures(hashes, bounds, np.arange(300), *n, a, b)
    expected = []
    for document in documents:
        tokens = list(map(naive.token_hash, naive.tokenize(document)))
        expected.append(datasketch_signature(tokens, *n, num_perm, seed))
    assert found.dtype == np.uint32
    assert found.tolist() == expected


@given(texts, SHINGLES)
def test_signature_of_a_text_depends_on_its_shingle_set_only(text: str, n: tuple[int, int]) -> None:
    tokens = tokenized([text])[0].tolist()
    once, twice = signature(tokens, *n, 32, 1), signature(tokens + tokens, *n, 32, 1)
    same = shingle_hashes(tokens, *n) == shingle_hashes(tokens + tokens, *n)
    assert not same or once.tolist() == twice.tolist()
    assert np.all(twice <= once) or len(tokens) < n[0]


@pytest.mark.parametrize(("count", "shingles"), [(1, 1), (2, 1), (4, 1), (5, 1), (6, 2), (9, 5)])
def test_word_five_grams_by_hand(count: int, shingles: int) -> None:
    tokens = list(range(100, 100 + count))
    assert len(shingle_hashes(tokens, 5, 5)) == shingles
    assert signature(tokens, 5, 5, 16, 1).tolist() == datasketch_signature(tokens, 5, 5, 16, 1)


def test_empty_rows_sign_as_an_empty_minhash() -> None:
    assert signature([], 1, 2, 16, 1).tolist() == [EMPTY] * 16 == datasketch_signature([], 1, 2, 16, 1)


def test_rows_may_be_chosen_in_any_order_and_twice() -> None:
    hashes, bounds, _ = tokenized(random_texts(20, 3))
    a, b = permutations(64, 1)
    every = signatures(hashes, bounds, np.arange(20), 1, 2, a, b)
    chosen = np.array([7, 3, 3, 19, 0])
    assert np.array_equal(signatures(hashes, bounds, chosen, 1, 2, a, b), every[chosen])
    assert signatures(hashes, bounds, np.empty(0, np.int64), 1, 2, a, b).shape == (0, 64)


@given(
    st.lists(HASHES.filter(bool), min_size=1, max_size=5), SHINGLES, st.integers(1, 150), st.integers(1, 8), st.data()
)
def test_band_keys_and_bits_equal_the_twins(
    rows: list[list[int]], n: tuple[int, int], num_perm: int, bands: int, data: st.DataObject
) -> None:
    bands = min(bands, num_perm)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    tokens = np.array([token for row in rows for token in row], np.uint64)
    bounds = np.cumsum([0, *map(len, rows)])
    a, b = permutations(num_perm, 1)
    width = data.draw(st.integers(1, num_perm // bands))
    keys, bits = band_keys(tokens, bounds, np.array(chosen, np.int64), *n, a, b, bands, width)
    assert keys.shape == (bands, len(chosen))
    assert bits.shape == (2 * len(chosen),)
    lowest = []
    for place, row in enumerate(chosen):
        values = signature(rows[row], *n, num_perm, 1).tolist()
        cut = [values[band : width * bands : bands] for band in range(bands)]
        assert keys[:, place].tolist() == [naive.band_key(band, part) for band, part in enumerate(cut)]
        lowest.append([values[k % num_perm] & 1 for k in range(128)])
    # only how many bits differ matters, not their order
    for x, y in itertools.product(range(len(chosen)), repeat=2):
        for half in range(2):
            here = slice(64 * half, 64 * half + 64)
            differ = sum(p != q for p, q in zip(lowest[x][here], lowest[y][here], strict=True))
            assert (int(bits[2 * x + half]) ^ int(bits[2 * y + half])).bit_count() == differ
            assert int(bits[2 * x + half]).bit_count() == sum(lowest[x][here])


@pytest.fixture(scope="module")
def scheme() -> Scheme:
    """Return the scheme of blocks."""
    return make_scheme(BLOCK_SHINGLES, 0.7, 168, 0.96, 1)


@given(documents=st.lists(sentences.filter(bool), max_size=8), data=st.data())
def test_sketches_of_rows_equal_the_twins(scheme: Scheme, documents: list[str], data: st.DataObject) -> None:
    hashes, bounds, _ = tokenized(documents)
    rows = data.draw(st.permutations(range(len(documents))))[: len(documents) // 2 + 1]
    sketches = sketch_rows(hashes, bounds, np.array(rows, np.int64), scheme)
    signed = sign_rows(hashes, bounds, np.array(rows, np.int64), scheme)
    assert sketches.keys.shape == (scheme.bands, len(rows))
    masks = []
    for place, row in enumerate(rows):
        tokens = naive.tokenize(documents[row])
        values = signature(list(map(naive.token_hash, tokens)), 1, 2, 168, 1).tolist()
        assert signed[place].tolist() == values
        cut = [values[band :: scheme.bands] for band in range(scheme.bands)]
        assert sketches.keys[:, place].tolist() == [naive.band_key(band, part) for band, part in enumerate(cut)]
        masks.append(naive.mask_numbers(tokens, LEAST_WORDS))
    families = sketches.families.tolist()
    assert [family != 0 for family in families] == [one is not None for one in masks]
    for members in naive.group_by_key(masks).values():
        assert len({families[place] for place in members}) == 1
    assert len(set(families)) == len(set(masks))


@pytest.mark.parametrize(("shared", "own"), [(5, 45), (30, 30), (70, 15), (95, 3), (20, 0)])
def test_mean_of_the_estimate_lies_within_four_sigma(shared: int, own: int) -> None:
    chance = np.random.default_rng(shared)
    items = chance.integers(0, 1 << 63, shared + 2 * own, dtype=np.uint64)
    left, right = items[: shared + own], np.concatenate([items[:shared], items[shared + own :]])
    truth = naive.jaccard(set(left.tolist()), set(right.tolist()))
    assert truth == shared / (shared + 2 * own)
    seeds, num_perm = range(100), 128
    agree = [signature(left, 1, 1, num_perm, s) == signature(right, 1, 1, num_perm, s) for s in seeds]
    sigma = np.sqrt(truth * (1 - truth) / (len(seeds) * num_perm))
    assert abs(np.mean(agree) - truth) <= 4 * sigma


def test_datasketch_takes_the_signatures_and_finds_near_duplicates() -> None:
    documents = [*random_texts(60, 9), "the harbour master closed the gate at nine and opened it at noon that day"]
    documents.append(documents[-1].replace("noon", "one"))
    hashes, bounds, _ = tokenized(documents)
    scheme = make_scheme(BLOCK_SHINGLES, 0.7, 168, 0.96, 1)
    signed = sign_rows(hashes, bounds, np.arange(len(documents)), scheme)
    index = datasketch.MinHashLSH(num_perm=signed.shape[1], params=(scheme.bands, scheme.rows))
    lean = [datasketch.LeanMinHash(seed=1, hashvalues=row, scheme="affine32") for row in signed]
    for k, minhash in enumerate(lean):
        index.insert(k, minhash)
    assert all(k in index.query(minhash) for k, minhash in enumerate(lean))
    assert set(index.query(lean[-1])) == {60, 61}
    assert lean[60].jaccard(lean[61]) == np.mean(signed[60] == signed[61]) > 0.6
