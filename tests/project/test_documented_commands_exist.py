"""Commands in the documents exist, with the options that are shown."""

from __future__ import annotations

import re
import subprocess

import pytest

from .naming import command_problem
from .repository import ROOT, documents

BLOCK = re.compile(r"^```(?:console|sh|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`(?:\.venv/bin/)?((?:cycleqd|make) [^`\n]+)`(?!`)")


def _shown() -> list[tuple[str, str]]:
    """(document, command) of every command line of the documents, without its comment."""
    found = []
    for path in documents():
        text = path.read_text("utf-8").replace("\\\n", " ")
        lines = [line.removeprefix("$ ") for b in BLOCK.findall(text) for line in b.splitlines()]
        for line in [*lines, *INLINE.findall(text)]:
            command = line.split(" #")[0].strip().removeprefix(".venv/bin/")
            if command.split(" ")[0] in {"cycleqd", "make"}:
                found.append((path.name, command))
    return found


SHOWN = _shown()


def test_cycleqd_commands() -> None:
    lines = [(document, command) for document, command in SHOWN if command.startswith("cycleqd")]
    assert lines
    problems = [(document, command, command_problem(command)) for document, command in lines]
    assert [problem for problem in problems if problem[2]] == []


def test_make_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    targets = set(phony.group(1).split())
    named = {command.split()[1] for _, command in SHOWN if command.startswith("make ")}
    assert named
    assert named <= targets


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = _make("help")
    for target in phony.group(1).split():
        assert re.search(rf"^  make {target} +\w", shown, re.MULTILINE), target


@pytest.mark.parametrize("target", ["setup", "demo", "test"])
def test_first_commands_set_up_what_they_need(target: str) -> None:
    assert "scripts/setup" in _make("--dry-run", target)


def test_the_demo_is_what_the_documents_say() -> None:
    said = [
        "cycleqd demo-experts",
        "cycleqd run manifests/examples/quickstart.yaml --store out/quickstart",
    ]
    done = _make("--dry-run", "demo").replace(".venv/bin/", "").splitlines()
    assert done[-2:] == said
    first_run = [command for document, command in SHOWN if document == "first-run.md"]
    assert set(said) <= set(first_run)


def test_ci_runs_make_test() -> None:
    assert "\nexec make test" in (ROOT / ".ci" / "run").read_text("utf-8")


def _make(*arguments: str) -> str:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
