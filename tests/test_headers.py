"""Templates listed with their slots: as a function, and by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from endtoend import dedup, jsonl
from test_boilerplate import page, prose, site

from dedup import Header, InputError, NotFound, headers, scan
from dedup.settings import Settings

MENU = "Home | World News | Sport and Leisure | Contact"
PAGES = 8


def records(pages: int = PAGES, source: str | None = "harbour.example") -> list[dict[str, Any]]:
    """Make the records of a site; its pages link to where they are talked of."""
    texts = [f"{text}\n\nTalk of it at https://harbour.example/talk/{k}" for k, text in enumerate(site(pages))]
    return [{"id": f"{k:02}", "source": source, "text": text} for k, text in enumerate(texts)]


def by_text(found: list[Header]) -> dict[str, Header]:
    """Return templates by their texts."""
    return {header.text: header for header in found}


def test_slots_are_named_and_filled() -> None:
    found = by_text(headers(records()))
    minutes = found["{number} min read"]
    assert (minutes.reason, minutes.source, minutes.learnt) == ("site_template", "harbour.example", False)
    assert minutes.values == [["2", "3", "4", "5"]]
    assert (minutes.clusters, minutes.source_clusters, minutes.documents, minutes.blocks) == (PAGES,) * 4
    assert minutes.documents_repeating == 0
    assert (minutes.from_top, minutes.from_bottom) == (3.0, 6.0)
    assert (minutes.doc, minutes.block) in {(f"{k:02}", 3) for k in range(PAGES)}
    link = found["Talk of it at {link}"]
    assert link.values == [[f"https://harbour.example/talk/{k}" for k in range(4)]]
    assert found[MENU].reason == "navigation"
    assert found[MENU].values == []


def test_names_are_a_slot_of_their_own() -> None:
    byline = by_text(headers(records()))["By {any}"]
    assert byline.clusters == PAGES
    assert byline.values == [[record["text"].split("\n\n")[2].removeprefix("By ") for record in records()[:4]]]


def test_learnt_templates_show_what_their_lines_share() -> None:
    desks = [record | {"text": record["text"].replace("By ", "Desk of ")} for record in records()]
    desk = by_text(headers(desks))["Desk of {any}"]
    assert desk.learnt
    assert desk.values == [[record["text"].split("\n\n")[2].removeprefix("Desk of ") for record in desks[:4]]]


def test_titles_are_slots() -> None:
    texts = [page(k, [prose(2 * k), prose(2 * k + 1)]).split("\n\n") for k in range(PAGES)]
    for text in texts:
        text.append(f"Comments on {text[1].removeprefix('# ')} are closed")
    found = headers([{"id": str(k), "source": "a", "text": "\n\n".join(text)} for k, text in enumerate(texts)])
    comments = by_text(found)["Comments on {title} are closed"]
    assert comments.values == [[text[1].removeprefix("# ") for text in texts[:4]]]


def test_the_table_of_the_run_is_told_row_by_row() -> None:
    both = records() + [record | {"id": "b" + record["id"], "source": "b.example"} for record in records(4)]
    table = scan(both, Settings(allow=True)).templates.to_pylist()
    found = headers(both)
    assert [(one.source, one.template, one.clusters, one.doc, one.block) for one in found] == [
        (row["source"], row["template"], row["clusters"], row["doc"], row["block"]) for row in table
    ]
    keys = [(one.source or "", -one.clusters, one.template) for one in found]
    assert keys == sorted(keys)
    assert {one.source for one in found} == {"harbour.example", "b.example"}


def test_documents_without_a_source() -> None:
    assert {one.source for one in headers(records(source=None))} == {None}


@pytest.mark.parametrize("few", [[], records(1), [{"id": "a", "text": ""}]])
def test_nothing_recurs_in_little(few: list[dict[str, Any]]) -> None:
    assert headers(few) == []


def test_the_command_lists_and_pipes(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(records()))
    expected = headers(records())
    lines = dedup("headers", path).stdout.decode().splitlines()
    assert len(lines) == len(expected) >= 4
    fields = {line.split("\t")[4]: line.split("\t") for line in lines}
    assert fields["{number} min read"] == [
        "harbour.example", "site_template", "8/8", "+3/-6", "{number} min read", "2, 3, 4, 5",
        fields["{number} min read"][6],
    ]  # fmt: skip
    told = [json.loads(line) for line in dedup("headers", path, "--json").stdout.splitlines()]
    assert [Header(**one) for one in told] == expected


def test_standard_input_is_refused(tmp_path: Path) -> None:
    refused = dedup("headers", "-", code=2, stdin=jsonl(records()))
    assert b"read twice" in refused.stderr
    with pytest.raises(NotFound):
        headers(tmp_path / "absent.jsonl")


def test_inputs_that_change_between_the_two_readings(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(records()))

    def change(stage: str, *_: object) -> None:
        if stage == "writing verdicts":
            path.write_bytes(jsonl(records()[1:]))

    with pytest.raises(InputError, match="changed while they were read"):
        headers(path, progress=change)
