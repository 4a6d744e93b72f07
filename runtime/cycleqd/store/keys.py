"""Which strings may be keys: the same on every back end.

A key is a path of plain names (``generations/000012/plan.json``). The rules are the strictest of
what a folder and S3 bear, so that a run can be copied from one to the other: ASCII, nothing that a
shell, a URL or a file system treats specially, no name that leaves the folder, and no leading dot,
which marks what a back end keeps for itself.
"""

from __future__ import annotations

import re

from cycleqd.errors import StoreError

# A name shares its 255 bytes with the checksum suffix that the folder store appends (65 bytes).
MAX_NAME = 180
MAX_KEY = 700
_NAME = re.compile(r"[A-Za-z0-9_+=@,~-][A-Za-z0-9_+=@,~.-]*")


def is_key(key: str) -> bool:
    """Whether a string is a well-formed key."""
    return len(key) <= MAX_KEY and all(is_name(name) for name in key.split("/"))


def is_name(name: str) -> bool:
    """Whether a string may be one segment of a key."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        StoreError: it is not well formed; the message says what is allowed.
    """
    if not is_key(key):
        raise StoreError(
            f"{key[:200]!r} is no key: ASCII letters, digits, _+=@,~.- joined by "
            f"single slashes, no leading dot, up to {MAX_NAME} characters each, {MAX_KEY} in all"
        )
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself: empty, or the beginning of a well-formed key.

    Raises:
        StoreError: no key can start with it.
    """
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def folder_prefix(prefix: str) -> str:
    """A folder's prefix with its closing slash (``""`` stays the root), checked."""
    check_prefix(prefix)
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
