"""How far do two passes of labelling substance and filler agree?

The second pass was made from titles and texts alone, with the labels of the first out of sight, under the rubric of
``corpus/RUBRIC.md``. Blocks that the first pass does not score are left out.
"""

from __future__ import annotations

import collections
import json
import pathlib

import click
from figures import Figure, finish, json_option, share
from sklearn.metrics import cohen_kappa_score

CORPUS = pathlib.Path(__file__).resolve().parent.parent / "corpus"


def read_labels(path: pathlib.Path) -> dict[tuple[str, int], str | None]:
    """Return the label of each block by document and start."""
    with path.open(encoding="utf-8") as file:
        return {(row["doc"], row["start"]): row["substance"] for row in map(json.loads, file)}


@click.command()
@json_option
def main(as_json: bool) -> None:
    """Compare the labels of ``corpus/labels.jsonl`` with those of ``corpus/second_pass.jsonl``."""
    first, second = (read_labels(CORPUS / name) for name in ("labels.jsonl", "second_pass.jsonl"))
    pairs = [(first[key], label) for key, label in second.items() if first[key] is not None]
    counts = collections.Counter(first.values())
    same = sum(one == other for one, other in pairs)
    figures = [
        Figure("blocks labelled substance", counts["substance"]),
        Figure("blocks labelled filler", counts["filler"], "at least", 300),
        Figure("blocks labelled twice the same way", share(same, len(pairs)), note=f"{same} of {len(pairs)}"),
        Figure("Cohen's kappa of the two passes", float(cohen_kappa_score(*zip(*pairs, strict=True)))),
    ]
    finish(figures, as_json)


if __name__ == "__main__":
    main()
