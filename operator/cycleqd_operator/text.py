"""Texts that fit: whatever a server or a log says, a status holds one line of bounded size."""

from __future__ import annotations

LINE_BYTES = 400
"""Size of one cause in a message."""


def one_line(text: str, limit: int = LINE_BYTES, *, tail: bool = False) -> str:
    """``text`` on one line of printable characters.

    Args:
        text: any text.
        limit: most bytes of the result in UTF-8.
        tail: keep the end instead of the beginning where it is too long.
    """
    # The last lines of a log hold the cause; bounding first keeps a huge input cheap.
    text = text[-limit * 4 :] if tail else text[: limit * 4]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    encoded = line.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    room = limit - len(" ...")
    if tail:
        return "... " + encoded[-room:].decode(errors="ignore")
    return encoded[:room].decode(errors="ignore") + " ..."
