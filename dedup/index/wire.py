"""Commands for a Redis server in, many at a time; its answers, or an error that names the server and the remedy, out.

One connection a store, for an index asks nothing twice at once. What was asked is asked again over a new connection
where the old one broke, for a while: everything that is asked here may be asked twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import time
import urllib.parse
from collections.abc import Sequence
from typing import Any, NamedTuple

from dedup.errors import Corrupt, DedupError, MissingExtra, SettingsError, StoreError
from dedup.urls import hide, hide_in

Command = tuple[Any, ...]

SCHEMES = ("redis://", "rediss://")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
PATIENCE = 10.0  # seconds in which a server that was there may come back
MEETING = 2.0  # seconds in which one that was not may come: it may be a wrong address
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # seconds
CONNECTING, ANSWERING = 5.0, 60.0  # seconds, where the URL says nothing else
OPTIONS = re.compile(r"socket_(connect_)?timeout|ssl_\w+|client_name")  # of redis-py, that a URL may hold
FORMS = "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?name=NAME], NAME of up to 64 letters, digits, dots, - and _"
REMEDIES = {
    "OOM": "it has no memory left: raise its maxmemory, or remove pages",
    "MISCONF": "it cannot write to its disk: make room there",
    "READONLY": "it is a replica: name the master",
    "NOAUTH": "it asks for a password: put one into the URL",
    "WRONGPASS": "it does not know the user and password of the URL: correct them",
    "NOPERM": "the user of the URL may not do that: give it all commands on keys that begin with the name",
    "LOADING": "it is reading its files: try again when it has",
    "BUSY": "it is busy with a script: try again",
}
KINDS = {  # by the errors of redis-py
    "OutOfMemoryError": "OOM", "ReadOnlyError": "READONLY", "NoPermissionError": "NOPERM",
    "AuthenticationError": "NOAUTH", "AuthenticationWrongNumberOfArgsError": "NOAUTH", "BusyLoadingError": "LOADING",
}  # fmt: skip


class Script(NamedTuple):
    """A script that the server runs: its text, and by which name the server knows it."""

    text: str
    digest: str


def script(text: str) -> Script:
    """Put a script together."""
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Wire:
    """A connection to a server.

    Args:
        url: ``redis://`` or ``rediss://``.
        scripts: those that will be called.

    Attributes:
        name: what the keys of the index begin with.
        place: the server and the name, as they may be shown.

    Raises:
        SettingsError: the URL is none of these.
        MissingExtra: the package redis is not installed.
    """

    def __init__(self, url: str, scripts: Sequence[Script]) -> None:
        try:
            self._redis: Any = importlib.import_module("redis")
        except ImportError as error:
            raise MissingExtra("an index in Redis", "redis") from error
        self._url, self._scripts = url, scripts
        server, self.name = parts_of(url)
        parts = urllib.parse.urlsplit(server)
        self.place = shown(f"{parts.scheme}://{parts.netloc}{parts.path}").replace("...@", "") + f" ({self.name})"
        none = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 0)
        try:
            self._pool = self._redis.ConnectionPool.from_url(
                server, protocol=2, retry=none, socket_connect_timeout=CONNECTING, socket_timeout=ANSWERING
            )
        except (ValueError, TypeError):
            raise SettingsError("url", shown(url), FORMS) from None
        self._connection: Any = None
        self._process = os.getpid()
        self._closed = False
        self._met = False  # whether the server has answered once

    def close(self) -> None:
        """Close the connection for good."""
        self._drop()
        self._closed = True

    def _drop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if self._process == os.getpid():
                with contextlib.suppress(Exception):
                    connection.disconnect()

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to some commands.

        Raises:
            Corrupt: keys of the index hold something else.
            StoreError: the server does not answer, or refuses.
        """
        if self._closed:
            raise StoreError(f"{self.place}: the index is closed: open it again")
        pause, begun = FIRST_PAUSE, time.monotonic()
        while True:
            try:
                answers = self._known(commands)
            except (self._redis.ConnectionError, self._redis.TimeoutError, OSError) as error:
                self._drop()
                there = self._met or isinstance(error, self._redis.BusyLoadingError)
                end = begun + (PATIENCE if there else MEETING)
                if isinstance(error, self._redis.AuthenticationError) or time.monotonic() + pause > end:
                    raise self._complaint(error) from None
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except self._redis.ResponseError as error:  # to what opens a connection
                self._drop()
                raise self._complaint(error) from None
            except BaseException:  # answers may be on their way
                self._drop()
                raise
            else:
                self._met = True
                return self._checked(answers)

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands, and read what comes; errors are among it."""
        if self._connection is None or self._process != os.getpid():
            self._connection, self._process = self._pool.make_connection(), os.getpid()
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(commands))
        answers = []
        for _ in commands:
            try:
                answers.append(connection.read_response())
            except self._redis.ResponseError as error:
                answers.append(error)
        return answers

    def _known(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands; a server that was started again gets to know the scripts first."""
        answers = self._exchange(commands)
        if any(isinstance(answer, self._redis.exceptions.NoScriptError) for answer in answers):
            self._exchange([("SCRIPT", "LOAD", one.text) for one in self._scripts])
            answers = self._exchange(commands)
        return answers

    def _checked(self, answers: list[Any]) -> list[Any]:
        """Return answers without an error among them."""
        wrong = next((answer for answer in answers if isinstance(answer, self._redis.ResponseError)), None)
        if wrong is not None:
            raise self._complaint(wrong) from None
        return answers

    def _complaint(self, error: Exception) -> DedupError:
        """Put an error into words that say what can be done."""
        told = hide_in(str(error), self._url)
        kind = KINDS.get(type(error).__name__, "")
        kind = kind or next((one for one in REMEDIES if re.match(rf"{one}\b", told)), "")
        if kind == "NOAUTH" and "required" not in told.lower():
            kind = "WRONGPASS"
        if told.startswith("WRONGTYPE"):
            return Corrupt(f"{self.place}: keys of that name hold something else: choose another name with ?name=")
        if kind:
            return StoreError(f"{self.place}: {REMEDIES[kind]}")
        return StoreError(f"{self.place}: {told}: see that the server runs and can be reached, and try again")


def shown(url: str) -> str:
    """Return a URL without user and password, even where these have characters that they should not have.

    >>> shown("redis://me:pass/word@host/0")
    'redis://...@host/0'
    """
    return hide(re.sub(r"(?<=://).*@", "...@", url, flags=re.DOTALL))


def parts_of(url: str) -> tuple[str, str]:
    """Return the URL of a server without what is meant for the index, and the name that its keys begin with.

    >>> parts_of("redis://host:6379/2?name=crawl")
    ('redis://host:6379/2', 'crawl')

    Raises:
        SettingsError: it has options that are not known.
    """
    parts = urllib.parse.urlsplit(url)
    options = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    name = next((value for key, value in options if key == "name"), "dedup")
    rest = [(key, value) for key, value in options if key != "name"]
    plain = re.fullmatch(r"/?\d*", parts.path) is not None and parts.hostname and not parts.fragment
    if not plain or NAME.fullmatch(name) is None or not all(OPTIONS.fullmatch(key) for key, _ in rest):
        raise SettingsError("url", shown(url), FORMS)
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(rest))), name
