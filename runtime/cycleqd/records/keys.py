"""Names of a run's objects (``docs/store.md``), made and read here and nowhere else.

A *stage* is a folder with a plan, the results of its entries and a commit: one for each generation,
and ``final/<generation>`` for the held-out comparison after the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

RUN = "run.json"

GENERATIONS = "generations/"
"""Prefix of all stages of generations; the names below it are their numbers."""

REVISIONS = "revisions/"
"""Prefix of all accepted changes."""

FINALS = "final/"
"""Prefix of all stages of final tables."""

REPORTS = "report/"
"""Prefix of all files of reports."""

DATABASES = "databases/"
"""Prefix of all database files that items ask about."""

_JSON = ".json"


@dataclass(frozen=True)
class Stage:
    """A folder of work.

    Attributes:
        folder: its key without a trailing slash.
        commit: name of the object that closes it.
    """

    folder: str
    commit: str

    @property
    def is_final(self) -> bool:
        """Whether it is a held-out comparison."""
        return self.folder.startswith(FINALS)

    @property
    def name(self) -> str:
        """Its name among stages of its kind."""
        return self.folder.rpartition("/")[2]

    @property
    def number(self) -> int:
        """The generation that it is, or that it comes after."""
        return int(self.name)

    @property
    def plan_key(self) -> str:
        """Key of the plan."""
        return f"{self.folder}/plan.json"

    @property
    def results_prefix(self) -> str:
        """Prefix of all results."""
        return f"{self.folder}/results/"

    def result_key(self, entry: int) -> str:
        """Key of one entry's result."""
        return f"{self.results_prefix}{entry:06d}{_JSON}"

    def entries(self, names: Iterable[str]) -> set[int]:
        """The entries whose results have these names below `results_prefix`."""
        return {n for name in names if (n := number(name, _JSON)) is not None}

    @property
    def commit_key(self) -> str:
        """Key of the commit."""
        return f"{self.folder}/{self.commit}"


def generation(number: int) -> Stage:
    """The stage of a generation."""
    return Stage(f"{GENERATIONS}{number:06d}", "archive.json")


def final(generations: int) -> Stage:
    """The stage of the held-out comparison after so many generations."""
    return Stage(f"{FINALS}{generations:06d}", "summary.json")


def stage(folder: str) -> Stage:
    """The stage that is stored in a folder, such as ``generations/000012``.

    Raises:
        ValueError: no stage is called so.
    """
    kind, slash, number = folder.partition("/")
    make = {GENERATIONS: generation, FINALS: final}.get(kind + slash)
    if make is None or not re.fullmatch("[0-9]{6,7}", number):
        raise ValueError(
            f"{folder!r} is no stage; they are called generations/000012, final/000010"
        )
    return make(int(number))


def number(name: str, suffix: str = "") -> int | None:
    """The number that an object or folder is named by, None for names that are none of a run's.

    Args:
        name: one segment of a key, ``000012`` or ``000003.json`` for instance.
        suffix: what follows the number.
    """
    stem = name.removesuffix(suffix)
    if not re.fullmatch("[0-9]{6,9}", stem) or f"{int(stem):06d}{suffix}" != name:
        return None
    return int(stem)


def report(generations: int, name: str) -> str:
    """Key of a file of the report that a cluster's coordinator writes at the end."""
    return f"{REPORTS}{generations:06d}/{name}"


def revision(number: int) -> str:
    """Key of an accepted change."""
    return f"{REVISIONS}{number:06d}{_JSON}"


def revision_numbers(names: Iterable[str]) -> set[int]:
    """The accepted changes that have these names below `REVISIONS`."""
    return {n for name in names if (n := number(name, _JSON)) is not None}


def items(task: str, split: str, digest: str = "") -> str:
    """Key of a task's items.

    Args:
        task: its name.
        split: which items.
        digest: SHA-256 of those that came after the first; empty for these.
    """
    return f"tasks/{task}/{split}-{digest}.jsonl" if digest else f"tasks/{task}/{split}.jsonl"


def chat_template(expert: str) -> str:
    """Key of the chat template that tasks take from an expert."""
    return f"experts/{expert}/chat_template.jinja"


def database(digest: str) -> str:
    """Key of a database file that items ask about, by its SHA-256."""
    return f"{DATABASES}{digest}.sqlite"


def genome(candidate: str) -> str:
    """Key of a candidate's genome."""
    return f"candidates/{candidate}/genome.safetensors"


def begin(candidate: str) -> str:
    """Key of the genome from which a candidate is tuned."""
    return f"candidates/{candidate}/begin.safetensors"


def answers(candidate: str, revisit: int = 0) -> str:
    """Key of the answers of a candidate that passed their checks.

    Args:
        candidate: its id.
        revisit: the generation whose new tasks they are of; 0 for those it was made for.
    """
    name = f"answers-{revisit:06d}" if revisit else "answers"
    return f"candidates/{candidate}/{name}{_JSON}"


def task_vector(candidate: str) -> str:
    """Key of the stored task vector of a child-SVD candidate."""
    return f"candidates/{candidate}/task-vector.safetensors"


def adapter(candidate: str) -> str:
    """Key of the low-rank adapter that a candidate was trained to."""
    return f"candidates/{candidate}/adapter.safetensors"


def model_folder(candidate: str) -> str:
    """Where a candidate's weights are kept, once somebody asked for it; no trailing slash."""
    return f"candidates/{candidate}/model"


def factors(name: str) -> str:
    """Key of the index of an expert's singular directions, stored after their shards."""
    return f"experts/{name}/factors{_JSON}"


def factors_shard(name: str, number: int, of: int) -> str:
    """Key of a file of an expert's singular directions, numbered from 1."""
    return f"experts/{name}/factors-{number:05d}-of-{of:05d}.safetensors"


def child(number: int) -> str:
    """Id of the run's ``number``-th child."""
    return f"c{number:06d}"


def child_number(candidate: str) -> int | None:
    """Which child an id belongs to; None for experts and finalists."""
    found = re.fullmatch("c([0-9]+)", candidate)
    return None if found is None else int(found[1])


def expert(name: str) -> str:
    """Candidate id of an expert."""
    return f"expert-{name}"


def introduced(generation: int, number: int) -> str:
    """Candidate id of a member with a part of an expert that joins in a generation."""
    return f"joined-{generation:06d}-{number:03d}"


def joined_in(candidate: str) -> int | None:
    """The generation in which a candidate was introduced; None for all others."""
    found = re.fullmatch("joined-([0-9]{6,9})-[0-9]{3,}", candidate)
    return None if found is None else int(found[1])


BASE_CANDIDATE = "base"
UNIFORM_MERGE_CANDIDATE = "uniform-merge"
"""Of the experts that a run began with."""


def uniform_merge(changed: int) -> str:
    """Candidate id of the uniform merge of the experts that are not retired.

    Args:
        changed: how many experts have joined or retired after the run had begun.
    """
    return f"{UNIFORM_MERGE_CANDIDATE}-{changed}" if changed else UNIFORM_MERGE_CANDIDATE


def aggregate(generations: int) -> str:
    """Candidate id of the aggregate model after so many generations."""
    return f"aggregate-{generations:06d}"


def front_mean(generations: int, members: int) -> str:
    """Candidate id of the mean of so many members of the front, which may become the aggregate."""
    return f"{aggregate(generations)}-best-{members}"
