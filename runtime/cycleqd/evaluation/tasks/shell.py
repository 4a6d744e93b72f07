"""``shell``: the answer is a script for a fresh folder; its output and files decide.

The exit code is not judged: ``grep`` without a match ends with 1 and may well be right.
"""

from __future__ import annotations

from cycleqd.evaluation.sandbox import Limits, Program, Report, ShellProgram
from cycleqd.evaluation.tasks.items import Field, Item, any_text
from cycleqd.evaluation.tasks.skill import ProgramSkill


def _files(value: object) -> str | None:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return "must be an object of texts by relative path"
    for path in value:
        parts = path.split("/")
        if not all(parts) or ".." in parts or "." in parts or "\0" in path:
            return f"{path!r} must be a relative path without '.', '..' and empty parts"
    folders = {path.rsplit("/", 1)[0] for path in value if "/" in path}
    clash = next(
        (path for path in value if any(f"{f}/".startswith(f"{path}/") for f in folders)), None
    )
    return None if clash is None else f"{clash!r} is a file and a folder at once; rename one"


class ShellSkill(ProgramSkill[None]):
    """Runs the answer with bash and compares what it printed, and the files it left."""

    name = "shell"
    summary = "compares output and files"
    fields = (
        Field("files", _files),
        Field("stdout", any_text),
        Field("files_after", _files, required=False),
    )

    def program(self, item: Item, answer: str, limits: Limits) -> Program:
        """The item's files and the answer."""
        after = tuple(item.fields.get("files_after", {}))
        return ShellProgram(dict(item.fields["files"]), answer, after, limits)

    def solved(self, item: Item, report: Report) -> bool:
        """Whether output and files are those of the item, trailing white space aside."""
        expected = item.fields.get("files_after", {})
        return report.stdout.rstrip() == item.text("stdout").rstrip() and all(
            path in report.files and report.files[path].rstrip() == text.rstrip()
            for path, text in expected.items()
        )
