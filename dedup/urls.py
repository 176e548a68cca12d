"""A path or URL in; whether it is one, its parts and what may be shown of it, out. Nothing is asked for here.

A URL is ``scheme://``; all else is a path.
"""

from __future__ import annotations

import os
import pathlib
import re

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?:::[A-Za-z][A-Za-z0-9+.-]*)*://")
FOUND = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>()]+")  # one in a message
WEB = ("http://", "https://")
HIDDEN = "..."
LEAST_SECRET = 4  # characters; fewer would be found everywhere


class Url(os.PathLike[str]):
    """A URL where a path is asked for, as in ``dedup.score``, to which a string is a text.

    >>> os.fspath(Url("s3://bucket/crawl/"))
    's3://bucket/crawl/'
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __fspath__(self) -> str:
        """Return the URL as it was given."""
        return self._url

    def __str__(self) -> str:
        """Return the URL without passwords."""
        return hide(self._url)

    def __repr__(self) -> str:
        """Return the URL without passwords."""
        return f"Url({hide(self._url)!r})"


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL; ``file://`` and names with a colon are none.

    >>> [is_url(one) for one in ("s3://bucket/a.jsonl", "a:b.jsonl", "C:/a.jsonl", "file:///a.jsonl")]
    [True, False, False, False]
    """
    text = os.fspath(path)
    return URL.match(text) is not None and not text.lower().startswith("file://")


def local_path(path: str) -> str:
    """Return a path as the system knows it: that of a ``file://`` URL, any other as it is."""
    if not path.lower().startswith("file://"):
        return path
    path = path[len("file://") :]
    return path[1:] if re.match(r"/[A-Za-z]:[/\\]", path) else path  # a drive of Windows


def hide(url: str) -> str:
    """Return a URL without user and password, and without what its query says.

    >>> hide("https://me:word@host/a.jsonl?Signature=abc"), hide("s3://bucket/a?.jsonl")
    ('https://...@host/a.jsonl?...', 's3://bucket/a?.jsonl')
    """
    begin, mark, rest = url.partition("://")
    if not mark:
        return url
    first, *others = rest.split("::")
    host, slash, path = first.partition("/")
    if "@" in host:
        host = f"{HIDDEN}@{host.rpartition('@')[2]}"
    shown = re.sub(r"\?[^?]*=.*", f"?{HIDDEN}", f"{host}{slash}{path}", flags=re.DOTALL)
    return "::".join([f"{begin}://{shown}", *map(hide, others)])


def hide_in(text: str, url: str) -> str:
    """Return a message without what is secret in a URL, and in others that it may hold."""
    text = FOUND.sub(lambda found: hide(found[0]), text)
    secrets = re.findall(r"://([^/@]+)@", url) + re.findall(r"[?&][^=&]*=([^&:]+)", url)
    secrets += [part for secret in secrets for part in secret.split(":")]
    for secret in sorted({secret for secret in secrets if len(secret) >= LEAST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def name_of(path: str) -> str:
    """Return the last part of a path or URL, without a query: a name for a file in an output directory."""
    if not is_url(path):
        return os.path.basename(path)
    text = path.partition("::")[0]
    text = re.split(r"[?#]" if text.startswith(WEB) else r"\?[^?]*=", text, maxsplit=1)[0]
    parts = inner_parts(URL.sub("", text, count=1))
    return parts[-1] if parts else "unnamed"


def folder_name(path: str) -> str:
    """Return the name of a directory, or the last part of a prefix."""
    return name_of(path) if is_url(path) else pathlib.Path(path).resolve().name


def inner_parts(key: str) -> list[str]:
    """Return the parts of a key that can be names of files, so that no path made of them leads out of where it begins.

    >>> inner_parts("/a//../b/./c")
    ['a', 'b', 'c']
    """
    parts = re.split(r"[/\\:]" if os.sep == "\\" else "/", key.replace("\0", "_"))
    return [part for part in parts if part not in {"", os.curdir, os.pardir}]


def join(folder: str, name: str) -> str:
    """Return the path of a file below a directory, or the URL of one below another; the name is not looked at."""
    if not is_url(folder):
        return os.path.join(folder, name)
    first, chain, rest = folder.partition("::")
    return f"{first}{'' if first.endswith('/') else '/'}{name}{chain}{rest}"


def is_below(url: str, folder: str) -> bool:
    """Whether a URL is that of something below a prefix, whatever the case and names of their schemes."""
    one, other = (re.sub(r"^s3a://", "s3://", path, flags=re.IGNORECASE).rstrip("/") + "/" for path in (url, folder))
    return one.startswith(other)


def has_magic(url: str) -> bool:
    """Whether a URL may be a pattern."""
    return re.search(r"[*?[]", url) is not None


def without_magic(pattern: str) -> str:
    """Return the prefix that all that is like a pattern stands below."""
    first, chain, rest = pattern.partition("::")
    before = re.split(r"[*?[]", first, maxsplit=1)[0]
    return before.rpartition("/")[0] + "/" + chain + rest
