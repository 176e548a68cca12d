"""The compiled corpus, its parser and the generator of texts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CORPUS = Path(__file__).resolve().parents[1] / "corpus"

SETTINGS = "site: a.example\njoin: {join}\n"
HEAD = "=== a-1\nurl: https://a.example/1\ntitle: T\nlang: {lang}\ndate: 2025-03-14\n---\n"
GOOD = "paragraph content substance cluster=c:base | The ferry sails 4 times a day from Monday.\n"


def load(name: str) -> ModuleType:
    """Load a script of the corpus from its path; the scripts beside it can be imported meanwhile."""
    spec = importlib.util.spec_from_file_location(name, CORPUS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(CORPUS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(CORPUS))
    return module


build = load("build")


def rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def written(directory: Path, body: str, join: str = "lines", lang: str = "en") -> Path:
    """Write a source directory with one article and return it."""
    (directory / "articles").mkdir()
    text = SETTINGS.format(join=join) + HEAD.format(lang=lang) + body
    (directory / "articles" / "a.txt").write_text(text, encoding="utf-8")
    return directory


def generate(out: Path, *arguments: str, hash_seed: int = 0) -> None:
    """Run the generator in a process of its own."""
    command = [sys.executable, str(CORPUS / "generate.py"), arguments[0], str(out), *arguments[1:]]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    subprocess.run(command, check=True, env=environment, capture_output=True)


def check_labels(directory: Path) -> None:
    """Check that the labels of compiled articles cut out whole blocks, in order, without line ends around."""
    texts = {row["id"]: row["text"].encode() for row in rows(directory / "articles.jsonl")}
    labels = rows(directory / "labels.jsonl")
    ends = dict.fromkeys(texts, 0)
    blocks = dict.fromkeys(texts, 0)
    for label in labels:
        doc = label["doc"]
        text = texts[doc][label["start"] : label["end"]].decode()
        assert text.strip() and text == text.strip("\n")
        assert texts[doc][ends[doc] : label["start"]].strip(b"\n") == b""
        assert label["block"] == blocks[doc]
        ends[doc] = label["end"]
        blocks[doc] += 1
    assert all(texts[doc][end:] == b"\n" for doc, end in ends.items())


def test_compiled_files_are_up_to_date() -> None:
    """The committed files are what the sources compile to."""
    assert build.main(["--check"]) == 0


def test_topics_say_what_the_labels_say() -> None:
    labels: dict[str, Counter[str | None]] = defaultdict(Counter)
    for row in rows(CORPUS / "labels.jsonl"):
        labels[row["doc"]][row["substance"]] += row["end"] - row["start"]
    kinds: dict[str, set[str]] = defaultdict(set)
    for line in (CORPUS / "topics.tsv").read_text(encoding="utf-8").splitlines():
        doc, topic, kind = line.split("\t")
        share = labels[doc]["filler"] / (labels[doc]["filler"] + labels[doc]["substance"])
        low, high = {"substance": (0.0, 0.2), "mixed": (0.2, 0.78), "filler": (0.78, 1.0)}[kind]
        assert low <= share <= high, (doc, share)
        kinds[topic].add(kind)
    assert sum({"filler", "substance"} <= of_topic for of_topic in kinds.values()) >= 7


def test_the_second_pass_labels_blocks_of_the_first() -> None:
    first = {(row["doc"], row["start"]): row for row in rows(CORPUS / "labels.jsonl")}
    second = rows(CORPUS / "second_pass.jsonl")
    assert len({(row["doc"], row["start"]) for row in second}) == len(second) == 300
    for row in second:
        labelled = first[row["doc"], row["start"]]
        assert labelled["block"] == row["block"]
        assert labelled["role"] == "content"
        assert row["substance"] in {"substance", "filler"}


def test_labels_cut_out_blocks(tmp_path: Path) -> None:
    """Offsets fit in the committed corpus and in generated sites of every join rule."""
    check_labels(CORPUS)
    generate(tmp_path, "sites", "--sites", "3", "--pages", "8")
    check_labels(tmp_path)
    relations = {label["relation"] for label in rows(tmp_path / "labels.jsonl")}
    assert {"base", "exact", "near"} <= relations


@pytest.mark.parametrize(
    ("join", "text"),
    [
        ("lines", "Aé\n- b\n- {long}\n---\nC\n"),
        ("blank", "Aé\n\n- b\n- {long}\n\n---\n\nC\n"),
        ("wrap", "Aé\n\n- b\n- {wrapped}\n\n---\n\nC\n"),
    ],
)
def test_join_rules(tmp_path: Path, join: str, text: str) -> None:
    """Blocks are joined by the rule of the site, and lists stay together."""
    long = " ".join(["seven"] * 14)
    body = f"paragraph content - | Aé\nlist_item content - | - b\nlist_item content - | - {long}\n"
    body += "#! a comment\n\nother content - | ---\nparagraph content - | C\n"
    assert build.main(["--directory", str(written(tmp_path, body, join))]) == 0
    wrapped = " ".join(["seven"] * 12) + "\n  seven seven"
    assert rows(tmp_path / "articles.jsonl")[0]["text"] == text.format(long=long, wrapped=wrapped)
    check_labels(tmp_path)


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (GOOD + "paragraph content - no bar\n", 10, "no ' | '"),
        (GOOD + "paragraf content - | x\n", 10, "unknown kind 'paragraf'"),
        (GOOD + "paragraph boilerplate:menu - | x\n", 10, "unknown role 'boilerplate:menu'"),
        (GOOD + "paragraph content good | x\n", 10, "unknown substance 'good'"),
        (GOOD + "paragraph boilerplate:navigation filler | x\n", 10, "boilerplate block has substance '-'"),
        (GOOD + "paragraph content - |  \n", 10, "no text"),
        (GOOD + "heading content - | Plain\n", 10, "heading begins with"),
        (GOOD + "list_item content - | plain\n", 10, "list_item begins with"),
        (GOOD + "paragraph content - cluster=c | x\n", 10, "expected cluster=NAME:RELATION"),
        (GOOD + "paragraph content - cluster=c:same | x\n", 10, "unknown relation 'same'"),
        (GOOD + GOOD, 10, "already has a base"),
        (GOOD + "\nparagraph content - cluster=d:near | x\n", 11, "cluster 'd' has no base"),
        (GOOD + "paragraph content - cluster=c:exact | The ferry sails.\n", 10, "not 'exact'"),
        (GOOD + GOOD.replace("base", "number").replace("a day", "daily"), 10, "not 'number'"),
        (
            GOOD + HEAD.format(lang="en") + "paragraph content - | x\n",
            10,
            "already stands",
        ),
        (GOOD + "=== a-2\nurl: ftp://x\n---\n", 11, "url 'ftp://x'"),
        (GOOD + "=== a-2\ndate: 2025-02-30\n---\n", 11, "date '2025-02-30'"),
        (GOOD + "=== a-2\n---\n", 10, "lacks 'title'"),
        (GOOD + "=== a-2\nauthor: X\n---\n", 11, "expected '---' or one of the fields"),
        (GOOD + "paragraph content - | x\r\n", 10, "carriage return"),
    ],
)
def test_errors_name_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, line: int, message: str
) -> None:
    """Whatever is wrong in a source is reported with its file and line, and nothing is written."""
    assert build.main(["--directory", str(written(tmp_path, body))]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert any(error.startswith(f"a.txt:{line}: ") and message in error for error in errors), errors
    assert not (tmp_path / "articles.jsonl").exists()


def test_wrap_is_not_for_chinese(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Languages without blanks cannot be wrapped."""
    assert build.main(["--directory", str(written(tmp_path, GOOD, "wrap", "zh"))]) == 1
    assert capsys.readouterr().err.startswith("a.txt:6: join 'wrap' is not for language 'zh'")


def test_check_names_the_stale_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A compiled file that was changed by hand is found."""
    directory = ["--directory", str(written(tmp_path, GOOD))]
    assert build.main(directory) == 0
    assert build.main([*directory, "--check"]) == 0
    (tmp_path / "labels.jsonl").write_text("")
    assert build.main([*directory, "--check"]) == 1
    assert capsys.readouterr().err.startswith("labels.jsonl: ")


def test_generator_is_deterministic(tmp_path: Path) -> None:
    """A seed decides every byte, whatever the hash seed of the process; another seed gives other bytes."""
    made: list[list[bytes]] = []
    for index, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(index)
        out.mkdir()
        truth = ("--truth", str(out / "truth.jsonl"))
        options = ("--megabytes", "0.3", "--seed", str(seed), *truth)
        generate(out / "texts.jsonl", "throughput", *options, hash_seed=index)
        generate(out, "sites", "--sites", "2", "--pages", "4", "--seed", str(seed), hash_seed=index)
        made.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert len(made[0]) == 4
    assert made[0] == made[1]
    assert all(one != other for one, other in zip(made[0], made[2], strict=True))


def test_truth_is_true(tmp_path: Path) -> None:
    """What the truth file says of blocks and documents holds for their texts."""
    out, truth = tmp_path / "texts.jsonl", tmp_path / "truth.jsonl"
    generate(out, "throughput", "--megabytes", "1", "--truth", str(truth))
    documents = {row["id"]: row for row in rows(out)}
    blocks = {name: [line for line in row["text"].split("\n") if line] for name, row in documents.items()}
    seen: set[tuple[str, str]] = set()
    planted = 0
    for row in rows(truth):
        doc, of_doc, relation = row["doc"], row["of_doc"], row["relation"]
        seen.add((row["type"], relation))
        if row["type"] == "document":
            same = documents[doc]["text"] == documents[of_doc]["text"]
            assert same == (relation == "exact")
            continue
        planted += 1
        text, origin = blocks[doc][row["block"]], blocks[of_doc][row["of_block"]]
        masked = re.sub(r"\d+", "0", text) == re.sub(r"\d+", "0", origin)
        assert (text == origin) == (relation == "exact")
        assert masked == (relation in ("exact", "number"))
        assert (row["edits"] > 0) == (relation == "near")
    assert len(seen) == 6
    assert 0.25 < planted / sum(map(len, blocks.values())) < 0.35
