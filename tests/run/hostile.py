"""Stores as strangers might send them: a small finished run, damaged in one way each."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cycleqd.records.document import dump_json
from cycleqd.store import open_store

ARCHIVE = "generations/000002/archive.json"
FIRST = "generations/000000/archive.json"
PLAN = "generations/000001/plan.json"
RESULT = "generations/000001/results/000001.json"
SUMMARY = "final/000002/summary.json"
REVISION = "revisions/000001.json"
GENOME = "candidates/c000001/genome.safetensors"

ESCAPES = "\x1b[31mred\x1b]0;title\x07 \x9b1m [/b][red] \u202eright\u2066 <script>\r\n\udc80"
"""What a terminal would obey, what rich would read as markup, what a browser would run."""

Damage = Callable[[Path], None]


def put(folder: Path, key: str, data: bytes) -> None:
    """Put an object there with its checksum, as somebody who knows the format would."""
    store = open_store(str(folder))
    remove(folder, key)
    store.create(key, data)


def remove(folder: Path, key: str) -> None:
    path = folder / key
    if path.is_dir():
        shutil.rmtree(path)
    open_store(str(folder)).delete(key)


def text(key: str, data: bytes) -> Damage:
    """The object has other bytes."""
    return lambda folder: put(folder, key, data)


def edit(key: str, change: Callable[[Any], object]) -> Damage:
    """The object's document is changed in place."""

    def damage(folder: Path) -> None:
        document = json.loads((folder / key).read_bytes())
        change(document)
        try:
            data = dump_json(document)
        except UnicodeEncodeError:  # a lone surrogate
            data = json.dumps(document).encode()
        put(folder, key, data)

    return damage


def setting(*path: str | int, to: object) -> Callable[[Any], None]:
    """Set one value of a document."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = to

    return change


def renaming(*path: str | int, to: str) -> Callable[[Any], None]:
    """Give one field of a document another name."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[to] = document.pop(path[-1])

    return change


def run(change: Callable[[Any], object]) -> Damage:
    """``run.json`` is changed in place."""
    return edit("run.json", change)


def thing(key: str, make: Callable[[Path], object]) -> Damage:
    """Something that is no file stands in an object's place."""

    def damage(folder: Path) -> None:
        remove(folder, key)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        make(folder / key)

    return damage


def bind(path: Path) -> None:
    """A socket; its address may be 107 bytes long, so it is bound from its folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@dataclass(frozen=True)
class Case:
    """One damage.

    Attributes:
        damage: does it.
        named: what the message of a command that sees it must hold.
        seen_by: the commands that see it; the others end well.
    """

    damage: Damage
    named: str
    seen_by: tuple[str, ...]


EVERY = ("status", "list", "show", "verify", "report")
SUMMARISED = ("status", "verify", "report")
DEEP = b"[" * 100_000


def _texts(key: str) -> dict[str, bytes]:
    return {
        "empty": b"",
        "truncated": b'{"format": "cycleqd-',
        "list": b"[]",
        "nested": DEEP,
        "nested-object": b'{"a":' * 100_000,
        "twice": b'{"format": 1, "format": 2}',
        "latin": b'{"\xff": 1}',
        "utf-16": '{"format": 1}'.encode("utf-16"),
        "infinite": b'{"x": 1e999}',
        "nan": b'{"x": NaN}',
        "digits": b'{"x": ' + b"9" * 5000 + b"}",
        "binary": bytes(range(256)),
        "surrogate": b'{"\\ud800\\u001b[31m": 1}',
        "escapes": json.dumps({ESCAPES: ESCAPES}).encode(),
    }


THINGS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "socket": bind,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "huge": huge,
    "no-checksum": Path.touch,
}

NAMES = ("../../etc", "a/b", "[/b]", "", "x" * 300, "a\nb", ESCAPES, "ü", "/etc/passwd")

CASES: dict[str, Case] = {
    **{f"run-{n}": Case(text("run.json", d), "run.json", EVERY) for n, d in _texts("").items()},
    **{f"archive-{n}": Case(text(ARCHIVE, d), ARCHIVE, EVERY) for n, d in _texts("").items()},
    **{f"run-is-{n}": Case(thing("run.json", m), "run.json", EVERY) for n, m in THINGS.items()},
    **{f"archive-is-{n}": Case(thing(ARCHIVE, m), ARCHIVE, EVERY) for n, m in THINGS.items()},
    **{
        f"genome-is-{n}": Case(thing(GENOME, m), GENOME, ("show", "verify"))
        for n, m in THINGS.items()
    },
    **{
        f"plan-is-{n}": Case(thing(PLAN, m), PLAN, ("show", "verify", "report"))
        for n, m in THINGS.items()
    },
    **{
        f"run-id-{n}": Case(run(setting("runId", to=name)), "run.json", EVERY)
        for n, name in enumerate(NAMES)
    },
    **{
        f"run-name-{n}": Case(
            run(setting("manifest", "metadata", "name", to=name)), "run.json", EVERY
        )
        for n, name in enumerate(NAMES)
    },
    **{
        f"expert-{n}": Case(run(renaming("experts", "sql", to=name)), "run.json", EVERY)
        for n, name in enumerate(NAMES)
    },
    **{
        f"task-{n}": Case(run(renaming("items", "sql", to=name)), "run.json", EVERY)
        for n, name in enumerate(NAMES)
    },
    **{
        f"layout-expert-{n}": Case(run(setting("layout", "experts", 0, to=name)), "run.json", EVERY)
        for n, name in enumerate(NAMES)
    },
    **{
        f"member-{n}": Case(
            edit(ARCHIVE, setting("archives", "sql", "members", 0, "candidate", to=name)),
            ARCHIVE,
            EVERY,
        )
        for n, name in enumerate(NAMES)
    },
    **{
        f"planned-{n}": Case(
            edit(PLAN, setting("entries", 0, "candidate", to=name)),
            PLAN,
            ("show", "verify", "report"),
        )
        for n, name in enumerate(NAMES)
    },
    "no-items": Case(run(setting("items", to={})), "run.json", EVERY),
    "no-experts": Case(run(setting("experts", to={})), "run.json", EVERY),
    "no-layout": Case(run(setting("layout", to={})), "run.json", EVERY),
    "layout-rank": Case(run(setting("layout", "tensors", 0, "rank", to=10**15)), "run.json", EVERY),
    "layout-block": Case(
        run(setting("layout", "tensors", 0, "block", to=-(10**15))), "run.json", EVERY
    ),
    "layout-shape": Case(
        run(setting("layout", "tensors", 0, "shape", to="wide")), "run.json", EVERY
    ),
    "manifest-list": Case(run(setting("manifest", to={"spec": []})), "run.json", EVERY),
    "manifest-zero": Case(
        run(
            setting("manifest", "spec", "evolution", "candidatesPerGeneration", to=0),
        ),
        "run.json",
        EVERY,
    ),
    "archive-generation": Case(edit(ARCHIVE, setting("generation", to=1)), ARCHIVE, EVERY),
    "archive-tasks": Case(edit(ARCHIVE, renaming("archives", "sql", to="other")), ARCHIVE, EVERY),
    "archive-axes": Case(edit(ARCHIVE, renaming("axes", "sql", to="other")), ARCHIVE, EVERY),
    "archive-bounds": Case(edit(ARCHIVE, setting("axes", "sql", "lower", to=7)), ARCHIVE, EVERY),
    "archive-bins": Case(edit(ARCHIVE, setting("axes", "sql", "bins", to=10**9)), ARCHIVE, EVERY),
    "archive-empty": Case(
        edit(ARCHIVE, setting("archives", "sql", "members", to=[])), ARCHIVE, EVERY
    ),
    "archive-cell": Case(
        edit(ARCHIVE, setting("archives", "sql", "members", 0, "cell", to=[99, 0])),
        ARCHIVE,
        EVERY,
    ),
    "archive-cell-negative": Case(
        edit(ARCHIVE, setting("archives", "sql", "members", 0, "cell", to=[-1, 0])),
        ARCHIVE,
        EVERY,
    ),
    "archive-scores": Case(
        edit(ARCHIVE, setting("archives", "sql", "members", 0, "scores", to={})), ARCHIVE, EVERY
    ),
    "archive-score": Case(
        edit(ARCHIVE, setting("archives", "sql", "members", 0, "scores", "sql", to=1e308)),
        ARCHIVE,
        EVERY,
    ),
    "archive-missing": Case(
        lambda folder: remove(folder, FIRST), "generation 0 has no archive", ("verify", "report")
    ),
    "summary-tasks": Case(
        edit(SUMMARY, setting("rows", 0, "test", to={})),
        SUMMARY,
        SUMMARISED,
    ),
    "summary-generation": Case(edit(SUMMARY, setting("generations", to=5)), SUMMARY, SUMMARISED),
    "result-candidate": Case(
        edit(RESULT, setting("candidate", to="../x")), RESULT, ("show", "verify")
    ),
    "result-entry": Case(edit(RESULT, setting("entry", to=-1)), RESULT, ("show", "verify")),
    "genome-empty": Case(text(GENOME, b""), GENOME, ("show", "verify")),
    "genome-nested": Case(
        text(GENOME, (100_000).to_bytes(8, "little") + DEEP), GENOME, ("show", "verify")
    ),
    "revision-gap": Case(text("revisions/000002.json", b"{}"), REVISION, EVERY),
    "revision-wrong": Case(text(REVISION, b"{}"), REVISION, EVERY),
    "revision-manifest": Case(
        text(
            REVISION,
            dump_json({"format": "cycleqd-revision/1", "manifest": {}, "fromGeneration": 1}),
        ),
        REVISION,
        EVERY,
    ),
    "far-generation": Case(text("generations/999999999/archive.json", b"{}"), "generation", EVERY),
}
"""By name; each is seen by the commands that read what is damaged, and by no other."""

STRANGERS: dict[str, Damage] = {
    "generation": text("generations/abc/archive.json", b"{}"),
    "generation-short": text("generations/7/archive.json", b"{}"),
    "generation-long": text("generations/" + "9" * 180 + "/archive.json", b"{}"),
    "result": text("generations/000001/results/xyz.json", b"{}"),
    "result-copy": text("generations/000001/results/000001.json.bak", b"{}"),
    "revision": text("revisions/foo.json", b"{}"),
    "folder-named-as-result": thing("generations/000001/results/notes", Path.mkdir),
    "foreign-name": lambda folder: (folder / "generations" / "\x1b[31m\n[b]").mkdir(),
    "surrogate-name": lambda folder: (folder / "generations/\udcff").mkdir(),
    "other-digits": lambda folder: (folder / "generations/٠٠٠٠٠٣").mkdir(),
    "fifo": lambda folder: os.mkfifo(folder / "generations/pipe"),
    "loop": lambda folder: (folder / "generations/loop").symlink_to("."),
}
"""Things that are none of the run's, which every command passes over."""
