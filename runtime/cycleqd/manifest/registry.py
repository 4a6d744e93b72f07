"""The strategies and the types of task that there are: one line each, `STRATEGIES`, `TASK_TYPES`.

A line names a class as ``module:Class``. Its file holds everything: what the manifest says of it
(name, settings, rules; `Registered`) and what it does. From these lines follow the manifest's
fields, the rules between them, the custom resource definition and the reference. The manifest is
read where there is neither numpy nor a worker, so the lines are no imports: a file is loaded when
the manifest's models are made, and what it needs to *act* it imports where it acts.

Settings of its own stand in the document in a mapping called like the entry, beside the field that
chooses it (``strategy: Lattice`` and ``lattice: {steps: 4}``), which is how Kubernetes writes a
discriminated union. Fields that all entries share stay where they are.

Standard library only: the sandbox's harness imports this too (`cycleqd.evaluation.tasks.skill`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from cycleqd.manifest.values import Model


@dataclass(frozen=True)
class Conflict:
    """Choices that cannot stand together; a rule of the manifest and of the API server.

    Attributes:
        field: path of a choice, from the mapping that holds the entry's name.
        values: its values that are refused ...
        other: ... where this other choice ...
        others: ... has one of these values.
        because: why, after "which".
        remedy: what to write instead.
    """

    field: str
    values: tuple[str, ...]
    other: str
    others: tuple[str, ...]
    because: str
    remedy: str


class Registered:
    """What the manifest knows of a strategy or a type of task; the class attributes say it.

    Attributes:
        name: what a manifest writes to choose it.
        summary: what it does, in a few words for the reference.
        settings_model: the fields of its own; None where it has none.
        settings_written: whether the stored manifest holds their defaults where a user wrote none.
            Not so for an entry that once had no settings: runs of then keep their identity.
        ignores: shared fields that have no effect with it, by name in document spelling, each with
            the reason ("which runs no code").
        needs: shared sections that are optional and must stand there with it, each with the reason
            ("to train candidates").
        overrides: fields of its own that, where a user writes them, leave others of its own without
            effect, each with those.
        conflicts: shared choices that it cannot combine.
        grows: of a strategy, whether experts and tasks may join and retire while it searches: its
            new points go through `Strategy.without_retired`, and what it has learned is not of a
            fixed number of them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    settings_model: ClassVar[type[Model] | None] = None
    settings_written: ClassVar[bool] = True
    ignores: ClassVar[Mapping[str, str]] = {}
    needs: ClassVar[Mapping[str, str]] = {}
    overrides: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    conflicts: ClassVar[tuple[Conflict, ...]] = ()
    grows: ClassVar[bool] = False


class Registry:
    """Entries of one kind, by name, in the order of their lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    @cached_property
    def entries(self) -> dict[str, type[Registered]]:
        """The classes by name.

        Raises:
            TypeError: a line names no registered class, or two have one name.
        """
        entries: dict[str, type[Registered]] = {}
        for line in self._lines:
            module, _, attribute = line.partition(":")
            entry = getattr(import_module(module), attribute, None)
            if not isinstance(entry, type) or not issubclass(entry, Registered):
                raise TypeError(f"{line}: names no class of a strategy or task type; correct it")
            if entries.setdefault(entry.name, entry) is not entry:
                raise TypeError(
                    f"{line}: {entry.name} is registered already; rename one of the two"
                )
        return entries

    @property
    def names(self) -> tuple[str, ...]:
        """What a manifest can choose from."""
        return tuple(self.entries)

    @cached_property
    def members(self) -> dict[str, str]:
        """For each entry with settings of its own the field that holds them."""
        return {
            name: _field_of(name) for name, entry in self.entries.items() if entry.settings_model
        }

    def settings(self, name: str, holder: Model) -> Model | None:
        """The chosen entry's own settings in the mapping that chooses it; None if it has none."""
        model, field = self.entries[name].settings_model, self.members.get(name)
        if model is None or field is None:
            return None
        settings: Model | None = getattr(holder, field)
        return model() if settings is None and not self.entries[name].settings_written else settings

    def summaries(self) -> str:
        """Names and summaries in one line, for the reference."""
        return ", ".join(f"``{name}`` {entry.summary}" for name, entry in self.entries.items())


def _field_of(name: str) -> str:
    """``lattice`` for ``Lattice``, ``mapElites`` for ``MAPElites``, ``cmaes`` for ``CMAES``."""
    return re.sub(r"^[A-Z]+(?![a-z])|^[A-Z]", lambda found: found[0].lower(), name)


STRATEGIES = Registry(
    "cycleqd.evolution.strategies.cycleqd:CycleQD",
    "cycleqd.evolution.strategies.uniform_merge:UniformMerge",
    "cycleqd.evolution.strategies.random_genomes:RandomGenomes",
    "cycleqd.evolution.strategies.task_arithmetic:TaskArithmetic",
    "cycleqd.evolution.strategies.cmaes:CMAES",
    "cycleqd.evolution.strategies.nsga2:NSGA2",
    "cycleqd.evolution.strategies.ties:TIES",
    "cycleqd.evolution.strategies.dare:DARE",
    "cycleqd.evolution.strategies.iso_c:IsoC",
    "cycleqd.evolution.strategies.tsv_m:TSVM",
    "cycleqd.evolution.strategies.opcm:OPCM",
    "cycleqd.evolution.strategies.tuned_scalar:TunedScalar",
)
"""``spec.evolution.strategy``; each is a `cycleqd.evolution.strategies.base.Strategy`."""

TASK_TYPES = Registry(
    "cycleqd.evaluation.tasks.python:PythonSkill",
    "cycleqd.evaluation.tasks.sql:SqlSkill",
    "cycleqd.evaluation.tasks.shell:ShellSkill",
    "cycleqd.evaluation.tasks.exact:ExactSkill",
    "cycleqd.evaluation.tasks.number:NumberSkill",
)
"""``spec.tasks[].type``; each is a `cycleqd.evaluation.tasks.skill.Skill`."""
