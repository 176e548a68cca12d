"""The command ``score``, the columns that ``scan --score`` writes, and what is cleaned by scores."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import math
import os
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endtoend import CORPUS, command, dedup, files, jsonl, rows, unpacked

import dedup as dedup_package
from dedup import GuardRail, Run, Settings, SettingsError, clean, scan, score, undo
from dedup.lexicon import read_words
from dedup.schema import BLOCK_SCORES, DOCUMENT_SCORES, DOCUMENTS, VERDICTS
from dedup.settings import DEFAULT_DROP, Removable

PATH = CORPUS / "articles.jsonl"
ARTICLES = rows(PATH)
ARTICLE_KEYS = ["doc", "substance", "filler_share", "scored", "language", "word_lists"]
BLOCK_KEYS = ["doc", "block", "start", "end", "substance", "scored", "reasons"]
FERRY = "The ferry Ostara sank off Lund in 1931 with 40 crates of tuning forks aboard, says the log."
WINTER = "In winter the boat stays in the yard, where Nils Holm caulks its 212 planks anew with tar from Riga."
TICKETS = "Tickets cost 12 crowns in the kiosk beside the customs house, which Inga Berg has kept since 1987."
EMPTY = "There are many things to consider, and it could be very important for you to consider all of them."
VAGUE = "It could perhaps be said that many different things are very important for everyone in many ways."
FILLER: frozenset[Removable] = DEFAULT_DROP | {"filler"}


def told(*arguments: str | os.PathLike[str], stdin: bytes = b"") -> list[dict[str, Any]]:
    """Have articles or blocks scored, and read what is told of them."""
    done = dedup("score", "--json", *arguments, stdin=stdin)
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


@functools.cache
def lines_of(*options: str) -> list[str]:
    """Have the articles scored, and return what is printed; once for each options."""
    return dedup("score", PATH, *options).stdout.decode().splitlines()


def told_of_articles(*options: str) -> list[dict[str, Any]]:
    """Have the articles scored, and read what is told of them."""
    return [json.loads(line) for line in lines_of("--json", *options)]


# -------------------------------------------------------------------------------------------------------- dedup score


def test_articles_are_ranked_the_least_first() -> None:
    found = told_of_articles()
    assert all(list(row) == ARTICLE_KEYS for row in found)
    expected = {row["doc"]: row for row in score(ARTICLES).to_pylist()}
    assert len(found) == len(expected) == len(ARTICLES)
    for row in found:
        same = expected[row["doc"]]
        assert row == same | {name: round(same[name], 3) for name in ("substance", "filler_share") if same[name]}
    values = [row["substance"] for row in found if row["scored"]]
    assert values == sorted(values)
    assert [row["scored"] for row in found] == [True] * len(values) + [False] * (len(found) - len(values))


def test_ties_and_what_is_not_scored_stand_in_the_order_of_the_input(tmp_path: Path) -> None:
    texts = ["Short.", FERRY, "", EMPTY, FERRY, "Short too."]
    (tmp_path / "in.jsonl").write_bytes(jsonl({"id": k, "text": text} for k, text in enumerate(texts)))
    found = told(tmp_path / "in.jsonl")
    assert [row["doc"] for row in found] == ["3", "1", "4", "0", "2", "5"]
    assert [row["substance"] for row in found][3:] == [None] * 3


def test_filler_ranks_below_substance() -> None:
    rank = {row["doc"]: k for k, row in enumerate(told_of_articles())}
    topics: dict[str, dict[str, list[int]]] = {}
    for line in (CORPUS / "topics.tsv").read_text(encoding="utf-8").splitlines():
        doc, topic, kind = line.split("\t")
        topics.setdefault(topic, {}).setdefault(kind, []).append(rank[doc])
    both = {topic: kinds for topic, kinds in topics.items() if {"filler", "substance"} <= set(kinds)}
    assert len(both) >= 7
    assert all(max(kinds["filler"]) < min(kinds["substance"]) for kinds in both.values()), both


def test_blocks_stand_in_the_order_of_the_input() -> None:
    found = told_of_articles("--blocks")
    assert all(list(row) == BLOCK_KEYS for row in found)
    expected = blocks_of_articles()
    assert found == [row | {"substance": row["substance"] and round(row["substance"], 1)} for row in expected]
    texts = {row["id"]: row["text"].encode() for row in ARTICLES}
    assert all(texts[row["doc"]][row["start"] : row["end"]].strip() for row in found)


def test_explanations_are_those_of_the_three_blocks_that_say_least() -> None:
    found = told_of_articles("--explain")
    assert all(list(row) == [*ARTICLE_KEYS, "blocks"] for row in found)
    blocks: dict[str, list[dict[str, Any]]] = {}
    for row in told_of_articles("--blocks"):
        blocks.setdefault(row.pop("doc"), []).append(row)
    for row in found:
        assert all(list(block) == BLOCK_KEYS[1:] for block in row["blocks"])
        scored = sorted((one for one in blocks[row["doc"]] if one["scored"]), key=lambda one: one["substance"])
        assert row["blocks"] == scored[:3]
    assert {len(row["blocks"]) for row in found} >= {3}
    assert [{**row, "blocks": []} for row in found] == [{**row, "blocks": []} for row in told_of_articles()]


@pytest.mark.parametrize("below", [0, 70.05])
def test_below(below: float) -> None:
    least = ["--below", str(below)]
    assert told_of_articles(*least) == [row for row in told_of_articles() if row["scored"] and row["substance"] < below]
    blocks = told_of_articles("--blocks")
    assert told_of_articles("--blocks", *least) == [row for row in blocks if row["scored"] and row["substance"] < below]


def way(block: dict[str, Any]) -> str:
    """Return which way the reasons of a block went: below what is usual, or above."""
    model = json.loads((Path(dedup_package.__file__).parent / "substance.json").read_text(encoding="utf-8"))
    usual = 100 / (1 + math.exp(-model["intercept"]))
    return "" if not block["reasons"] else "low: " if block["substance"] < usual else "high: "


def test_tables() -> None:
    found = lines_of()
    assert found[0].split() == ["substance", "filler", "doc"]
    expected = told_of_articles()
    for line, row in zip(found[1:], expected, strict=True):
        note = "" if row["word_lists"] or not row["scored"] else f"  (no word lists for {row['language']})"
        value = f"{row['substance']:.1f}" if row["scored"] else "-"
        match = re.fullmatch(r" *(\S+) +([\d.]+)%  (\S+)(.*)", line)
        assert match is not None, line
        assert (match[1], match[3], match[4]) == (value, row["doc"], note)
        assert abs(float(match[2]) - 100 * row["filler_share"]) <= 0.051
    by_block = lines_of("--blocks", "--below", "70.05")
    assert by_block[0].split() == ["substance", "doc:block", "bytes"]
    for line, row in zip(by_block[1:], told_of_articles("--blocks", "--below", "70.05"), strict=True):
        place = f"{row['doc']}:{row['block']} {row['start']}-{row['end']}"
        assert line.strip() == f"{row['substance']:.1f}  {place}  low: {'; '.join(row['reasons'])}"
    explained = lines_of("--explain")
    below = [
        f"{b['substance']:9.1f}  block {b['block']} ({b['start']}-{b['end']}) {way(b)}".rstrip(" ")
        + (" " if b["reasons"] else "")
        + "; ".join(b["reasons"])
        for row in told_of_articles("--explain")
        for b in row["blocks"]
    ]
    assert [line.rstrip() for line in explained if "  block " in line] == below
    assert [line for line in explained if "  block " not in line] == found


def test_languages_without_lists_are_said_to_have_none() -> None:
    greek = "Το καράβι βυθίστηκε στο λιμάνι και δεν το είδε κανείς από την πόλη."
    unknown = "Zxq wvk jjq kkz qqx vvz xxk zzq wqx jkq."
    records = jsonl({"id": k, "text": text} for k, text in enumerate((greek, unknown, "Short.", FERRY)))
    lines = dedup("score", "-", stdin=records).stdout.decode().splitlines()[1:]
    notes = {line.split()[2]: line.partition("(")[2].rstrip(")") for line in lines}
    assert notes == {
        "0": "no word lists for el", "1": "no word lists for its language", "2": "", "3": ""
    }  # fmt: skip


def test_inputs(tmp_path: Path) -> None:
    some = ARTICLES[:30]
    data = jsonl({"id": row["id"], "text": row["text"]} for row in some)
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "tree").mkdir()
    for row in some:
        (tmp_path / "tree" / f"{row['id']}.txt").write_bytes(row["text"].encode())
    expected = told(tmp_path / "in.jsonl.gz")
    assert len(expected) == 30
    tree = told(tmp_path / "tree")
    assert [row | {"doc": Path(row["doc"]).stem} for row in tree] == expected
    halves = [tmp_path / f"{k}.jsonl" for k in range(2)]
    for half, part in zip(halves, (some[:15], some[15:]), strict=True):
        half.write_bytes(jsonl({"id": row["id"], "text": row["text"]} for row in part))
    assert told(*halves) == expected
    assert told("-", "--text", "body", stdin=data.replace(b'"text"', b'"body"')) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl.gz", "tree", "0.jsonl", "1.jsonl"}


def test_nothing_is_little_to_tell() -> None:
    assert told("-", "--blocks") == []
    assert told("-", stdin=b"\n") == []
    nothing = dedup("score", "-", stdin=jsonl([{"text": None}]), code=1)
    assert nothing.stdout == b""
    assert b"no record could be used, of 1" in nothing.stderr


def test_settings_count() -> None:
    shares = [{row["doc"]: row["filler_share"] for row in told_of_articles(*n)} for n in ((), ("--filler", "95"))]
    assert all(shares[0][doc] <= shares[1][doc] for doc in shares[0])
    assert sum(shares[0].values()) < sum(shares[1].values()) - 10


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Missing argument"),
        (["x", "--below", "101"], "101"),
        (["x", "--below", "-1"], "-1"),
        (["x", "--below", "much"], "is not a valid float"),
        (["x", "--filler", "101"], "filler=101.0 is not allowed: from 0 to 100"),
        (["x", "--below", "nan"], "not a number"),
        (["x", "--min-substance", "10"], "No such option"),
        (["x", "--rank"], "No such option"),
        (["x", "--drop", "filler"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    failed = dedup("score", *arguments, code=2)
    assert complaint in failed.stderr.decode().replace("\n", " ")
    assert failed.stdout == b""


def test_bad_files_are_named(tmp_path: Path) -> None:
    failed = dedup("score", tmp_path / "nowhere.jsonl", code=1)
    assert failed.stderr.decode() == f"dedup: {tmp_path}/nowhere.jsonl does not exist\n"
    (tmp_path / "empty").mkdir()
    failed = dedup("score", tmp_path / "empty", code=1)
    assert failed.stderr.decode().startswith(f"dedup: {tmp_path}/empty: holds no files of a format that is read")
    (tmp_path / "bad.jsonl").write_bytes(jsonl([{"id": "a", "text": FERRY}]) + b"{]\n")
    done = dedup("score", tmp_path / "bad.jsonl", "--json")
    assert [json.loads(line)["doc"] for line in done.stdout.splitlines()] == ["a"]
    assert done.stderr.decode().startswith(f"dedup: {tmp_path}/bad.jsonl:2: ")
    assert done.stderr.count(b"\n") == 1
    failed = dedup("score", tmp_path / "bad.jsonl", "--strict", code=1)
    assert failed.stderr.decode().startswith(f"dedup: {tmp_path}/bad.jsonl:2: ")
    assert failed.stdout == b""


def test_a_closed_pipe_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(jsonl(ARTICLES) for _ in range(4)))
    for options in (["--json"], ["--blocks", "--explain"]):
        with subprocess.Popen(
            command("score", path, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.stdout.close()
            complaint = process.stderr.read()
            assert process.wait() == 1
        assert b"Traceback" not in complaint
        assert b"Exception" not in complaint


# ------------------------------------------------------------------------------------------------------- scan --score


def test_scan_writes_scores_if_asked(tmp_path: Path) -> None:
    dedup("scan", PATH, "-o", tmp_path / "plain")
    for option in (["--score"], ["--drop-filler"], ["--min-substance", "0"]):
        dedup("scan", PATH, "-o", tmp_path / "scored", *option)
        for name, schema, scores in (
            ("verdicts", VERDICTS, BLOCK_SCORES), ("documents", DOCUMENTS, DOCUMENT_SCORES)
        ):  # fmt: skip
            plain = pq.read_table(tmp_path / "plain" / f"{name}.parquet")
            scored = pq.read_table(tmp_path / "scored" / f"{name}.parquet")
            assert plain.column_names == schema.names
            assert scored.column_names == [*schema.names, *scores.names]
            if option == ["--score"]:
                assert scored.select(schema.names).equals(plain)
        assert Run.open(tmp_path / "scored").documents.select(DOCUMENT_SCORES.names).equals(
            score(PATH).select(DOCUMENT_SCORES.names)
        ) or option == ["--drop-filler"]  # then no repeat is told of filler


def test_a_scan_of_nothing_has_the_columns_of_scores(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"")
    run = scan(tmp_path / "in.jsonl", Settings(score=True), out=tmp_path / "run")
    assert run.documents.column_names == [*DOCUMENTS.names, *DOCUMENT_SCORES.names]
    assert run.verdicts.column_names == [*VERDICTS.names, *BLOCK_SCORES.names]


# ------------------------------------------------------------------------------------------------------ clean by scores


@functools.cache
def blocks_of_articles() -> list[dict[str, Any]]:
    """Return the scores of the blocks of the articles."""
    found: list[dict[str, Any]] = score(PATH, blocks=True).to_pylist()
    return found


def expected_filler(below: float, min_substance: float | None) -> tuple[set[tuple[str, int]], set[str]]:
    """Return the blocks and the documents that scores condemn."""
    low = {
        row["doc"]
        for row in score(PATH).to_pylist()
        if min_substance is not None and row["scored"] and row["substance"] < min_substance
    }
    blocks = {(row["doc"], row["block"]) for row in blocks_of_articles() if row["scored"] and row["substance"] < below}
    return blocks, low


@pytest.mark.parametrize(
    ("options", "below", "least"),
    [
        (["--drop-filler"], None, None),
        (["--drop", "filler", "--filler", "70.05"], 70.05, None),
        (["--filler", "70.05", "--min-substance", "60.05"], 0.0, 60.05),
        (["--drop-filler", "--filler", "80.05", "--min-substance", "75.05"], 80.05, 75.05),
        (["--filler", "95.05"], 0.0, None),  # filler is told of, not dropped, if nobody asks
    ],
)
def test_what_goes_is_what_scores_say(
    tmp_path: Path, options: list[str], below: float | None, least: float | None
) -> None:
    out = tmp_path / "out.jsonl"
    drawn = {row["doc"] for row in scan(ARTICLES).documents.to_pylist() if row["action"] == "drop"}
    dedup("clean", PATH, "-o", out, "--allow", *options)
    removals = rows(tmp_path / "out.jsonl.removals.jsonl")
    whole = {row["doc"]: row for row in removals if "block" not in row}
    blocks, low = expected_filler(49.95 if below is None else below, least)
    if below is None:  # 49.97 is told as 50.0
        doubtful = {(row["doc"], row["block"]) for row in blocks_of_articles() if row["substance"] == 50}
        blocks |= doubtful & {(row["doc"], row["block"]) for row in removals if row["reason"] == "filler"}
    gone = {doc for doc, row in whole.items() if row["reason"] == "low_substance_document"}
    assert gone == low
    assert all(whole[doc]["partner_doc"] is None and whole[doc]["similarity"] is None for doc in gone)
    assert drawn - low >= set(whole) - low  # what was a copy of one that went is one no more
    found = {(row["doc"], row["block"]) for row in removals if row["reason"] == "filler"}
    assert found == {place for place in blocks if place[0] not in whole}
    for row in removals:
        if row["reason"] == "filler":
            assert row["partner_doc"] is row["partner_block"] is row["similarity"] is None
    texts = {row["id"]: row["text"] for row in rows(out)}
    assert set(texts) == {row["id"] for row in ARTICLES} - set(whole)
    assert undo(out, tmp_path / "back.jsonl").read_bytes() == PATH.read_bytes()
    if options == ["--filler", "95.05"]:
        assert [(row["doc"], row.get("block")) for row in removals] == [
            (row["doc"], row.get("block")) for row in clean(ARTICLES, settings=Settings(allow=True)).removals or ()
        ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_filler_is_restored_byte_for_byte(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(pack(PATH.read_bytes() + b'{"text": "\\u0041 \\/ b"}\n{]'))
    options = ["--drop-filler", "--filler", "80.05", "--min-substance", "70.05", "--allow"]
    dedup("clean", path, "-o", tmp_path / "out", *options)
    reasons = {row["reason"] for row in rows(tmp_path / "out" / "removals.jsonl")}
    assert reasons >= {"filler", "low_substance_document", "site_template"}
    dedup("clean", "--undo", tmp_path / "out", "-o", tmp_path / "back")
    assert unpacked(tmp_path / "back" / "in.jsonl") == unpacked(path)
    clean(path, path, Settings(drop=FILLER, filler=80.05, min_substance=70.05, allow=True))  # in place
    assert unpacked(path) == unpacked(tmp_path / "out" / "in.jsonl")
    undo(path, path)
    assert unpacked(path) == unpacked(tmp_path / "back" / "in.jsonl")


def test_filler_of_a_directory_is_restored(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    for k, row in enumerate(ARTICLES[:40]):
        (tree / ("below" if k % 2 else ".") / f"{row['id']}.txt").write_bytes(
            row["text"].replace("\n", "\r\n").encode()
        )
    before = files(tree)
    options = ["--drop-filler", "--filler", "80.05", "--min-substance", "75.05", "--allow"]
    dedup("clean", tree, "-o", tmp_path / "out", *options)
    assert {row["reason"] for row in rows(tmp_path / "out" / "removals.jsonl")} >= {"filler", "low_substance_document"}
    kept = {name for name in files(tmp_path / "out") if name.endswith(".txt")}
    assert kept < {name for name in before if name.endswith(".txt")} | {f"tree/{name}" for name in before}
    undo(tmp_path / "out", tmp_path / "back")
    back = files(tmp_path / "back")
    assert sorted(back.values()) == sorted(before.values())
    assert {Path(name).name for name in back} == {Path(name).name for name in before}


def test_a_dry_run_counts_what_would_go(tmp_path: Path) -> None:
    options = ["--drop-filler", "--filler", "80.05", "--min-substance", "75.05", "--allow", "--json"]
    dry = json.loads(dedup("clean", PATH, "--dry-run", *options).stdout)
    real = json.loads(dedup("clean", PATH, "-o", tmp_path / "out.jsonl", *options).stdout)
    assert {**dry, "seconds": 0} == {**real, "seconds": 0}
    removals = rows(tmp_path / "out.jsonl.removals.jsonl")
    whole = [row for row in removals if "block" not in row]
    assert dry["documents_dropped"] == len(whole)
    assert (
        dry["documents_by_reason"]["low_substance_document"]
        == sum(row["reason"] == "low_substance_document" for row in whole)
        > 1
    )
    in_blocks = [row for row in removals if row["reason"] == "filler"]
    assert dry["blocks_by_reason"]["filler"] == len(in_blocks) > 10
    assert dry["blocks_by_reason"]["low_substance_document"] > 10
    table = dedup("clean", PATH, "--dry-run", *options[:-1]).stdout.decode()
    assert re.search(rf"\n  filler +{len(in_blocks)}\n", table)
    assert re.search(r"\n  low_substance_document +\d+\n", table)


def test_dicts_and_tables_lose_filler_too(tmp_path: Path) -> None:
    settings = Settings(drop=FILLER, filler=80.05, min_substance=75.05, allow=True)
    of_dicts = clean(ARTICLES, settings=settings)
    of_table = clean(pa.Table.from_pylist(ARTICLES), settings=settings)
    clean(PATH, tmp_path / "out.jsonl", settings)
    assert isinstance(of_dicts.records, list)
    assert isinstance(of_table.records, pa.Table)
    assert of_dicts.records == of_table.records.to_pylist() == rows(tmp_path / "out.jsonl")
    assert of_dicts.removals == of_table.removals
    assert of_dicts.removals is not None
    of_file = rows(tmp_path / "out.jsonl.removals.jsonl")
    assert [(row["doc"], row["reason"], row["text"]) for row in of_dicts.removals] == [
        (row["doc"], row["reason"], row["text"]) for row in of_file
    ]
    assert {row["reason"] for row in of_dicts.removals} >= {"filler", "low_substance_document"}
    texts = {record["id"]: record["text"] for record in of_dicts.records}
    old = {article["id"]: article["text"] for article in ARTICLES}
    places = {(row["doc"], row["block"]): row for row in score(ARTICLES, blocks=True).to_pylist()}
    for row in of_dicts.removals:
        if row["reason"] == "filler":
            place = places[row["doc"], row["block"]]
            assert place["substance"] < 80.05
            assert (row["start"], row["end"]) == (place["start"], place["end"])
            assert texts[row["doc"]].count(row["text"].strip()) < old[row["doc"]].count(row["text"].strip())


def test_a_run_with_scores_is_used_again(tmp_path: Path) -> None:
    settings = Settings(drop=FILLER, filler=80.05, min_substance=75.05, allow=True)
    scan(PATH, settings, out=tmp_path / "run")
    clean(PATH, tmp_path / "a.jsonl", run=tmp_path / "run", settings=Settings(allow=True))
    clean(PATH, tmp_path / "b.jsonl", settings)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


# ----------------------------------------------------------------------- nothing goes in favour of what goes for itself

PROSE = [FERRY, WINTER, TICKETS, "Holm sold 31 of the forks to a choir in Malmö for 90 crowns in May of 1932.",
    "A diver from Ystad, Signe Lind, found the bell of the Ostara at 14 metres in 1958."]  # fmt: skip
IDLE = [EMPTY, VAGUE, "Many people could often say that some of these various things really are very important to us.",
    "There are certainly many ways in which you can always do several different things for everyone."]  # fmt: skip


def scored_as(blocks: list[str], *context: str) -> tuple[str, float]:
    """Return a document of blocks, and the substance of its first."""
    text = "\n\n".join([*blocks, *context])
    return text, score([text], blocks=True)["substance"][0].as_py()


def removed(records: list[dict[str, Any]], settings: Settings) -> dict[tuple[str, int], dict[str, Any]]:
    """Clean records; return what went, -1 for whole documents."""
    cleaned = clean(records, settings=settings)
    assert cleaned.removals is not None
    return {(row["doc"], row.get("block", -1)): row for row in cleaned.removals}


@pytest.mark.parametrize("change", [("", ""), ("many", "some")], ids=["equal", "near"])
@pytest.mark.parametrize("first", ["filler", "other"])
def test_no_block_goes_in_favour_of_filler(change: tuple[str, str], first: str) -> None:
    block = "It is said that there could be many things in the old harbour of Lund, and that was in the summer of 1931."
    twin = block.replace(*change) if change[0] else block
    idle, low = scored_as([block], *IDLE)
    rich, high = scored_as([twin], *PROSE[1:])
    least = (low + high) / 2
    assert low < least - 5 < least + 5 < high  # the same words beside filler say less than beside substance
    records = [{"id": "filler", "text": idle}, {"id": "other", "text": rich}]
    records = records if first == "filler" else records[::-1]
    found = removed(records, Settings(drop=FILLER, filler=least, allow=True))
    assert found["filler", 0]["reason"] == "filler"
    assert ("other", 0) not in found
    kept = removed(records, Settings(allow=True))  # without scores the later one goes
    (place,) = [place for place, row in kept.items() if row["reason"] in {"exact_duplicate", "near_duplicate"}]
    assert place == ("other" if first == "filler" else "filler", 0)


def test_boilerplate_that_stays_goes_as_filler() -> None:
    run = scan(ARTICLES, Settings(drop=frozenset({"filler"}), filler=100, allow=True))
    for row in run.verdicts.to_pylist():
        assert (row["action"] == "drop") == (row["reason"] == "filler") == (row["scored"] and row["substance"] < 100)


@pytest.mark.parametrize("survivor", ["first", "longest"])
@pytest.mark.parametrize("near", [False, True])
def test_no_document_goes_in_favour_of_one_of_low_substance(near: bool, survivor: Any) -> None:
    # the longer of two near-duplicates says less, for what it has beside the other
    shared = " ".join([*PROSE, *PROSE[:2], *PROSE])
    low = f"{shared}\n\n{EMPTY}" if near else shared
    records = [{"id": "low", "text": low}, {"id": "good", "text": shared}, {"id": "other", "text": IDLE[2]}]
    values = dict(zip(("low", "good", "other"), score(records)["substance"].to_pylist(), strict=True))
    plain = removed(records, Settings(allow=True, survivor=survivor))
    ((copied, why),) = [(doc, row["reason"]) for (doc, _), row in plain.items()]
    near_one, exact = "near_duplicate_document", "exact_duplicate_document"
    assert (copied, why) in {("good", near_one), ("good", exact), ("low", exact)}
    if not near:  # copies go together, each by its own score
        found = removed(records, Settings(min_substance=100, allow=True, survivor=survivor))
        assert {row["reason"] for row in found.values()} == {"low_substance_document"}
        assert len(found) == len(values)
        return
    assert values["other"] < values["low"] < values["good"]
    least = (values["low"] + values["good"]) / 2
    found = removed(records, Settings(min_substance=least, allow=True, survivor=survivor))
    gone = {doc: row["reason"] for (doc, _), row in found.items()}
    assert gone == dict.fromkeys(("low", "other"), "low_substance_document")
    # and the other way round: of two that stay, one goes as a copy, though a third of them is low
    records.append({"id": "copy", "text": shared})
    found = removed(records, Settings(min_substance=least, allow=True, survivor=survivor))
    same = found.pop(("copy", -1), None) or found.pop(("good", -1))
    assert (same["reason"], {same["doc"], same["partner_doc"]}) == (exact, {"good", "copy"})
    assert {doc: (row["reason"], row["partner_doc"]) for (doc, _), row in found.items()} == {
        "low": ("low_substance_document", None), "other": ("low_substance_document", None)
    }  # fmt: skip


def test_no_block_goes_in_favour_of_one_in_a_document_of_low_substance() -> None:
    idle, rich = "\n\n".join([*IDLE, FERRY]), f"{FERRY}\n\n{WINTER}\n\n{TICKETS}"
    records = [{"id": "low", "text": idle}, {"id": "good", "text": rich}]
    low, good = score(records)["substance"].to_pylist()
    assert low < 50 < good
    assert {place: row["reason"] for place, row in removed(records, Settings()).items()} == {
        ("good", 0): "exact_duplicate"
    }
    found = removed(records, Settings(min_substance=50))
    assert {place: row["reason"] for place, row in found.items()} == {("low", -1): "low_substance_document"}


def test_no_removal_has_a_partner_that_goes() -> None:
    copies = [
        {**row, "id": f"again-{row['id']}", "text": f"{row['text']}\n\n{IDLE[k % 4]}"} for k, row in enumerate(ARTICLES)
    ]
    for order, least in itertools.product((1, -1), (60.05, 80.05)):
        settings = Settings(drop=FILLER, filler=least, min_substance=least - 10, allow=True)
        run = scan([*ARTICLES, *copies][::order], settings)
        kept = {row["doc"] for row in run.documents.to_pylist() if row["action"] == "keep"}
        action = {(row["doc"], row["block"]): row["action"] for row in run.verdicts.to_pylist()}
        low = [row for row in run.documents.to_pylist() if row["reason"] == "low_substance_document"]
        assert {row["doc"] for row in low} == {
            row["doc"] for row in run.documents.to_pylist() if row["scored"] and row["substance"] < least - 10
        }
        assert all(row["action"] == "drop" for row in low)
        for row in run.documents.to_pylist():
            assert row["partner_doc"] is None or row["action"] == "keep" or row["partner_doc"] in kept
        for row in run.verdicts.to_pylist():
            if row["doc"] in kept and row["action"] == "drop" and row["partner_doc"] is not None:
                assert row["partner_doc"] in kept
                assert action[row["partner_doc"], row["partner_block"]] == "keep"
        assert {"filler", "near_duplicate"} <= {row["reason"] for row in run.verdicts.to_pylist()}


# ------------------------------------------------------------------------------------------------------------- safety


def test_a_guard_rail_stops_where_most_documents_would_be_hollow(tmp_path: Path) -> None:
    words, draw = " ".join(read_words("vague")["en hedge"] + IDLE).lower().split(), random.Random(5)
    records = [{"id": k, "text": " ".join(draw.choices(words, k=40)) + "."} for k in range(24)]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl(records))
    stopped = dedup("clean", path, "-o", out, "--drop-filler", code=3)
    assert b"24 of 24 documents would lose most of their text as filler" in stopped.stderr
    assert files(tmp_path).keys() == {"in.jsonl"}
    dedup("clean", path, "-o", out, "--drop-filler", "--allow")
    removals = [json.loads(line) for line in (tmp_path / "out.jsonl.removals.jsonl").read_bytes().splitlines()]
    assert [row["reason"] for row in removals] == ["filler"] * 24
    assert all(row["substance"] < 50 and row["reasons"] for row in removals)


def test_a_run_is_not_asked_for_what_it_has_not_decided(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl([{"id": "a", "text": " ".join(IDLE)}]))
    summary = json.loads(dedup("scan", path, "-o", tmp_path / "run", "--score", "--json").stdout)
    assert "filler" in summary
    for more in (["--drop-filler"], ["--min-substance", "40"]):
        refused = dedup("clean", path, "--run", tmp_path / "run", "-n", *more, code=2)
        assert refused.stderr.endswith(b" ... decides again\n")
    dedup("scan", path, "-o", tmp_path / "run", "--drop-filler", "--allow")
    dedup("clean", path, "--run", tmp_path / "run", "-n", "--drop-filler")


def test_guard_rails_count_documents_of_low_substance(tmp_path: Path) -> None:
    words, draw = " ".join(read_words("vague")["en hedge"] + IDLE).lower().split(), random.Random(5)
    texts = [" ".join(draw.choices(words, k=40)) + "." for _ in range(24)]
    records = [{"id": k, "text": text, "source": "a.example"} for k, text in enumerate(texts)]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl(records))
    assert scan(records, Settings(score=True)).summary["documents_dropped"] == 0
    stopped = dedup("clean", path, "-o", out, "--min-substance", "90", code=3)
    assert b"\ndedup: stopped: 24 of 24 documents of source 'a.example' would be dropped" in stopped.stderr
    assert files(tmp_path).keys() == {"in.jsonl"}
    with pytest.raises(GuardRail):
        clean(records, settings=Settings(min_substance=90))
    clean(path, out, Settings(min_substance=90, allow=True))
    assert out.read_bytes() == b""
    assert undo(out, tmp_path / "back.jsonl").read_bytes() == path.read_bytes()
    assert len(told(path)) == 24  # nothing is removed


@pytest.mark.parametrize(("name", "value"), [("filler", -0.1), ("filler", 100.1), ("min_substance", 101)])
def test_settings_off_the_scale(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]
    assert Settings(filler=0, min_substance=100).scores
    assert not Settings(filler=80).scores
