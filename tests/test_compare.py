"""Two texts compared: exact figures, honest estimates, a difference that puts both texts together again."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path

import pytest
from endtoend import CORPUS, FERRY, dedup, rows, shingles
from hypothesis import given
from hypothesis import strategies as st

from dedup import Comparison, Settings, SettingsError, compare
from dedup.sketch import tokenize_text

WORDS = st.lists(
    st.sampled_from(
        ["the", "ferry", "leaves", "old", "harbour", "at", "nine", "ten", "Über", "東京", "1506,", "—", "\n"]
    ),
    max_size=12,
)
TEXTS = WORDS.map(" ".join) | st.text(max_size=20)


def n_grams(text: str, n: int) -> set[tuple[int, ...]]:
    """Return the word n-grams of a text; a shorter text is one."""
    tokens = tuple(tokenize_text(text).tolist())
    return {tokens[k : k + n] for k in range(max(1, len(tokens) - n + 1))} - {()}


@given(TEXTS, TEXTS)
def test_figures_are_exact(a: str, b: str) -> None:
    result = compare(a, b)
    blocks = [shingles(tokenize_text(text).tolist()) for text in (a, b)]
    documents = [n_grams(text, 5) for text in (a, b)]
    for found, (one, other) in ((result.as_blocks, blocks), (result.as_documents, documents)):
        assert (found.shared, found.union) == (len(one & other), len(one | other))
        assert found.exact == (len(one & other) / len(one | other) if one | other else 0.0)
        assert found.estimate == 1.0 or found.exact < 1
        assert found.exact > 0 or found.estimate < 0.2
    assert result.same_tokens == (bool(blocks[0]) and tokenize_text(a).tolist() == tokenize_text(b).tolist())


@given(TEXTS, TEXTS)
def test_changes_put_both_texts_together(a: str, b: str) -> None:
    changes = compare(a, b).changes
    assert "".join(change.a for change in changes) == a
    assert "".join(change.b for change in changes) == b
    assert all((change.a == change.b) == change.equal for change in changes)
    assert all(one.equal != other.equal for one, other in itertools.pairwise(changes))
    assert compare(a, a).changes == ([] if not a else compare(a, a).changes[:1])


@given(TEXTS, TEXTS)
def test_order_does_not_matter_to_figures(a: str, b: str) -> None:
    one, other = compare(a, b), compare(b, a)
    assert (one.as_blocks, one.as_documents, one.same_tokens) == (
        other.as_blocks,
        other.as_documents,
        other.same_tokens,
    )


def test_estimates_are_unbiased() -> None:
    words = [f"w{k}" for k in range(400)]
    pairs = []
    for seed in range(40):
        draw = random.Random(seed)
        a = draw.sample(words, 100)
        pairs.append(compare(" ".join(a), " ".join(a[:70] + draw.sample(words, 30))).as_blocks)
    exact = sum(pair.exact for pair in pairs) / len(pairs)
    sigma = math.sqrt(exact * (1 - exact) / (pairs[0].permutations * len(pairs)))
    assert abs(sum(pair.estimate for pair in pairs) / len(pairs) - exact) < 4 * sigma


def test_worked_example() -> None:
    result = compare(FERRY, FERRY.replace("nine", "ten"))
    assert isinstance(result, Comparison)
    # 13 words, 12 of them unlike, and 12 pairs; one word and two pairs go, and as many come
    assert (result.as_blocks.shared, result.as_blocks.union) == (20, 26)
    assert [(change.a, change.b) for change in result.changes if not change.equal] == [("nine", "ten")]
    assert compare(FERRY, FERRY.upper().replace(" ", "\n")).same_tokens
    empty = compare("", " \n")
    assert (empty.as_blocks.exact, empty.as_documents.estimate, empty.same_tokens) == (0.0, 0.0, False)


def test_settings_choose_the_permutations() -> None:
    assert compare("a", "b", Settings(num_perm=64)).as_blocks.permutations <= 64
    with pytest.raises(SettingsError, match="num_perm=1 is not allowed"):
        compare("a", "b", Settings(num_perm=1))


def test_long_texts_take_seconds() -> None:
    words = " ".join(row["text"] for row in rows(CORPUS / "articles.jsonl")).split()[:10_000]
    changed = [word if k % 50 else "new" for k, word in enumerate(words)]
    changes = compare(" ".join(words), " ".join(changed)).changes
    assert sum(len(change.a) for change in changes if change.equal) > 0.9 * len(" ".join(words))


def test_command(tmp_path: Path) -> None:
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text(f"{FERRY}\n", encoding="utf-8")
    b.write_text(f"{FERRY.replace('nine', 'zwölf')}\n", encoding="utf-8")
    shown = dedup("compare", a, b).stdout.decode()
    assert "0.769 exact" in shown
    assert "20 of 26 word 1- and 2-grams shared" in shown
    assert "harbour at [-nine-]{+zwölf+} in the morning" in shown
    assert "\x1b" not in shown  # no terminal, no colour
    told = json.loads(dedup("compare", "-", b, "--json", stdin=a.read_bytes()).stdout)
    assert told["as_blocks"]["exact"] == 20 / 26
    assert [change for change in told["changes"] if not change["equal"]] == [
        {"equal": False, "a": "nine", "b": "zwölf"}
    ]
    b.write_bytes(b"caf\xe9")
    assert dedup("compare", a, b, code=1).stderr.decode() == f"dedup: {b}: not UTF-8 at byte 3: convert the file\n"
