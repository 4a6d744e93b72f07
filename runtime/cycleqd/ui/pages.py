"""From views to HTML. Everything that comes from a store is text and escaped as such.

A page is a frame and a *live* part, which the page asks for again every few seconds. The address
that it asks carries a digest of what it has, so what has not changed is not sent and moves nothing
under the reader's hands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cycleqd.report.page import style_sheet
from cycleqd.ui.links import Links, with_digest
from cycleqd.version import __version__

LIVE_SECONDS = 4
"""Between two questions of a page whether it has changed."""

COMPLETE_SECONDS = 60

TYPES = {
    "style.css": "text/css; charset=utf-8",
    "ui.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Files that pages load, with their types."""


def static_files() -> dict[str, bytes]:
    """The files that pages load, by name."""
    folder = files("cycleqd.ui") / "static"
    found = {name: (folder / name).read_bytes() for name in TYPES if name != "style.css"}
    own = (folder / "ui.css").read_text("utf-8")
    return {**found, "style.css": (style_sheet() + own).encode()}


@dataclass(frozen=True)
class Live:
    """The part of a page that is asked for again, and its digest."""

    html: Markup
    digest: str


class Pages:
    """Renders pages.

    Args:
        static: files that pages load, by name.
        prefix: URI of the folder or prefix that is shown.
        links: addresses of the pages.
        now: tells the time.
    """

    def __init__(
        self,
        static: Mapping[str, bytes],
        prefix: str,
        links: Links,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        digests = {name: hashlib.sha256(data).hexdigest()[:12] for name, data in static.items()}
        self._now = now
        self._environment = Environment(
            loader=PackageLoader("cycleqd.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            links=links,
            prefix=prefix,
            version=__version__,
            static=lambda name: links.static(name, digests[name]),
        )
        self._environment.filters.update(
            ago=self._ago, element=element, percent=percent, place=place
        )

    def live(self, name: str, address: str, seconds: int, context: Mapping[str, Any]) -> Live:
        """The part of a page that is asked for again.

        Args:
            name: of the page.
            address: of the page.
            seconds: until the page asks again.
            context: of its template.
        """
        text = self._environment.get_template(f"{name}.live.html.j2").render(**context)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        html = self._environment.get_template("live.html.j2").render(
            address=with_digest(address, digest),
            seconds=seconds,
            body=Markup(text),  # noqa: S704 - a template's text, escaped there
        )
        return Live(Markup(html), digest)  # noqa: S704 - as above

    def page(self, name: str, live: Live | None, context: Mapping[str, Any]) -> str:
        """A whole page."""
        template = self._environment.get_template(f"{name}.html.j2")
        return template.render(live=None if live is None else live.html, **context)

    def _ago(self, then: datetime) -> str:
        return ago((self._now() - then).total_seconds())


def ago(seconds: float) -> str:
    """A time span in one coarse unit, so that it seldom changes."""
    if seconds < 60:
        return "less than a minute"
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError(seconds)


def element(name: str) -> str:
    """A name as a part of an element's id, in letters that selectors take; others differ too."""
    return re.sub("[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_", name)


def percent(share: float) -> str:
    """A share, with a digit where it is small."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def place(value: float) -> str:
    """A coordinate of a picture."""
    return f"{value:.1f}"
