"""Wrong manifests, each a small edit of one valid document, with what must be said of it.

``python -m tests.manifest.wrong`` prints every message as ``cycleqd validate`` would.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import parse_manifest

from .documents import VALID, as_yaml, edited
from .wrong_curricula import WRONG_CURRICULA
from .wrong_fields import WRONG_FIELDS, Wrong
from .wrong_rules import WRONG_RULES
from .wrong_tracking import WRONG_TRACKING


class WrongText(NamedTuple):
    """A text that is no document, and a part of the line said of it."""

    fault: str
    text: str
    said: str


WRONG: Final[list[Wrong]] = [
    *WRONG_FIELDS,
    *WRONG_RULES,
    *WRONG_CURRICULA,
    *WRONG_TRACKING,
]

WRONG_TEXTS: Final = [
    WrongText("empty file", "# nothing yet\n", "run.yaml: empty"),
    WrongText("two documents", f"{VALID}---\n{VALID}", "holds 2 documents, the second begins at"),
    WrongText("a list", "- a\n- b\n", "must be a mapping with apiVersion, kind, metadata and spec"),
    WrongText("a text", "hello\n", "not the single value 'hello'"),
    WrongText(
        "tab",
        VALID.replace("  name: agents", "\tname: agents"),
        "line 4, column 1: not valid YAML",
    ),
    WrongText("open bracket", VALID.replace("}", "", 1), "not valid YAML"),
    WrongText(
        "key twice",
        VALID.replace("  seed: 7\n", "  seed: 7\n  seed: 8\n"),
        "line 7, column 3: 'seed' stands here again, first at line 6",
    ),
    WrongText("key twice in JSON", '{"kind": "a", "kind": "b"}', "'kind' stands here again"),
    WrongText("own type", VALID.replace("seed: 7", "seed: !!python/name:os.system x"), "the tag"),
    WrongText("endless anchor", "a: &a [*a]\n", "an anchor that contains itself"),
    WrongText(
        "list of runs",
        "apiVersion: v1\nkind: List\nitems: []\n",
        'kind: "List" holds several objects',
    ),
]


def problems_of(text: str) -> tuple[str, ...]:
    """The lines said of a text, none when it is a valid manifest."""
    try:
        parse_manifest(text, "run.yaml")
    except ManifestError as error:
        return error.problems
    return ()


if __name__ == "__main__":
    texts = [(wrong.fault, as_yaml(edited(wrong.edit))) for wrong in WRONG]
    texts += [(wrong.fault, wrong.text) for wrong in WRONG_TEXTS]
    for number, (fault, text) in enumerate(texts, start=1):
        print(f"{number:2}. {fault}")
        for line in problems_of(text):
            print(f"      {line}")
