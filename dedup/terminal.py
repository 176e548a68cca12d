"""What a command does in; messages, progress and an exit code out."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dedup.errors import DedupError, GuardRail, SettingsError
from dedup.process import Interrupts

if TYPE_CHECKING:
    from dedup.reading import Progress

EXIT_ERROR, EXIT_USAGE, EXIT_GUARD, EXIT_INTERRUPTED = 1, 2, 3, 130


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn errors into a message on stderr and an exit code; show what is logged there."""
    show_log()
    try:
        yield
    except GuardRail as error:
        click.echo(f"dedup: stopped: {error}", err=True)
        sys.exit(EXIT_GUARD)
    except SettingsError as error:
        click.echo(f"dedup: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except DedupError as error:
        for line in (str(error), *getattr(error, "__notes__", ())):
            click.echo(f"dedup: {line}", err=True)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        click.echo("dedup: interrupted; nothing was written", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has enough; a second complaint while shutting down would say nothing new
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_ERROR)
    except OSError as error:
        click.echo(f"dedup: {error.filename or ''}{': ' if error.filename else ''}{error.strerror or error}", err=True)
        sys.exit(EXIT_ERROR)


def show_log() -> None:
    """Show on stderr what is logged."""
    log = logging.getLogger("dedup")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("dedup: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


@contextmanager
def shown_progress(*, wanted: bool = True) -> Iterator[Progress]:
    """Yield a progress function: a bar with rate and time left where it is wanted and stderr is a terminal, or nothing.

    Args:
        wanted: whether a bar may be shown; it does not go well with lines for the same terminal.
    """
    from dedup.kernels.compile import announce_compilation

    announce_compilation()
    if not (wanted and sys.stderr.isatty()):
        yield lambda *_: Interrupts.check()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description:17}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(stage: str, done: int, total: int | None) -> None:
            Interrupts.check()
            bar.update(task, description=stage, completed=done, total=total)

        yield show
