"""Check that the documentation tells what is: `docs/cli.md` is the commands' help, links lead somewhere.

`python tests/check_docs.py` exits 1 and names what is wrong; `--write` writes `docs/cli.md` anew.
"""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator

import click

import dedup
from dedup.cli import cli

ROOT = pathlib.Path(__file__).parent.parent
CLI_PAGE = ROOT / "docs" / "cli.md"
PAGES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "corpus/README.md", "bench/README.md", "docs/recipes.md")
WIDTH = 110


def help_page() -> str:
    """Return the help of all commands as one page."""
    parts = ["# Command line\n\nWritten by `python tests/check_docs.py --write` from `--help`.\n"]
    settings = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    root = click.Context(cli, info_name="dedup", **settings)
    parts.append(f"## dedup\n\n```text\n{cli.get_help(root)}\n```\n")
    return "\n".join([*parts, *help_of(cli, root, "##")])


def help_of(group: click.Group, parent: click.Context, mark: str) -> Iterator[str]:
    """Yield the help of the commands of a group, each below a heading with some mark."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None:
            continue
        context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
        text = re.sub(r"[ \t]+\n", "\n", command.get_help(context))
        yield f"{mark} {context.command_path}\n\n```text\n{text}\n```\n"
        if isinstance(command, click.Group):
            yield from help_of(command, context, f"{mark}#")


def complaints() -> list[str]:
    """Return what is wrong, a sentence each."""
    found = []
    if not CLI_PAGE.exists() or CLI_PAGE.read_text(encoding="utf-8") != help_page():
        found.append("docs/cli.md is not what --help says: run python tests/check_docs.py --write")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    root = click.Context(cli)
    commands = [f"dedup {name}" for name in cli.list_commands(root)]
    found += [f"README.md does not mention `{command}`" for command in commands if command not in readme]
    public = [name for name in dedup.__all__ if name[0] != "_"]
    found += [f"README.md does not mention `{name}`" for name in public if name not in readme]
    found += [f"dedup.{name} has no docstring" for name in public if not getattr(dedup, name).__doc__]
    for page in PAGES:
        path = ROOT / page
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                found.append(f"{page}: {target} does not exist")
    return found


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        CLI_PAGE.parent.mkdir(exist_ok=True)
        CLI_PAGE.write_text(help_page(), encoding="utf-8")
    wrong = complaints()
    print("\n".join(wrong) or "the documentation agrees with the code")
    sys.exit(bool(wrong))
