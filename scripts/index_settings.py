"""pip's settings in uv's words, so that who has set up pip for an index has set up uv.

uv reads neither pip.conf nor pip's variables: without them it would ask the public index where a
site has its own.
"""

from __future__ import annotations

import ast

# pip's option, uv's variable, what uv puts between several values.
OPTIONS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "cert": ("SSL_CERT_FILE", ""),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "timeout": ("UV_HTTP_TIMEOUT", ""),
    "default-timeout": ("UV_HTTP_TIMEOUT", ""),
}
# Where a setting stands, the least binding first, as pip ranks them.
SECTIONS = ("global", "install", ":env:")
TRUE = {"1", "true", "yes", "on", "y", "t"}


def for_uv(listing: str) -> dict[str, str]:
    """Variables that make uv look for packages where pip does.

    Args:
        listing: what `pip config list` prints, lines such as ``global.index-url='https://...'``.
    """
    found = {
        OPTIONS[option][0]: OPTIONS[option][1].join(value.split())
        for option, value in _settings(listing).items()
        if option in OPTIONS
    }
    if "UV_INDEX" in found:
        # pip takes the best version of all indexes, uv that of the first which has the package.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def without_index(listing: str) -> bool:
    """Whether pip asks no index at all, for which uv has an option but no variable."""
    return _settings(listing).get("no-index", "").lower() in TRUE


def _settings(listing: str) -> dict[str, str]:
    """What pip would do, by option."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listing.splitlines()]
    for section in SECTIONS:
        for name, _, value in lines:
            where, _, option = name.rpartition(".")
            if where == section:
                found[option] = str(ast.literal_eval(value))
    return found
