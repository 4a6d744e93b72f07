"""Tasks: items with prompts on one side, a verdict for each completion on the other.

One file for each type, with a `Skill`, registered in `cycleqd.manifest.registry`;
``docs/extending.md`` shows how to add one. `load_task` reads the items, checks all of them before
anything runs, and returns a `Task` for the engine and the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cycleqd.errors import DatasetError
from cycleqd.evaluation.sandbox import Limits, Sandbox
from cycleqd.evaluation.sandbox.programs import MEBIBYTE
from cycleqd.evaluation.tasks.loaded import LoadedTask
from cycleqd.evaluation.tasks.reading import read_items
from cycleqd.evaluation.tasks.skill import ProgramSkill, Skill
from cycleqd.manifest.registry import TASK_TYPES

if TYPE_CHECKING:
    from cycleqd.evaluation.tasks.databases import Databases
    from cycleqd.manifest.values import Model

__all__ = ["LoadedTask", "ProgramSkill", "Skill", "load_task", "read_items", "skill_of"]

_PLACEHOLDER = "{prompt}"


def skill_of(name: str, settings: Model | None = None) -> Skill[Any]:
    """How a type of task judges.

    Args:
        name: what the manifest calls it.
        settings: those of the type alone; its defaults when absent.
    """
    kind = cast("type[Skill[Any]]", TASK_TYPES.entries[name])
    if settings is None and kind.settings_model is not None:
        settings = kind.settings_model()
    return kind(settings)


def load_task(
    name: str,
    type: str,  # noqa: A002  # the manifest's word
    items: Path,
    *,
    max_new_tokens: int,
    timeout_seconds: float,
    memory_mib: int,
    sandbox: Sandbox,
    settings: Model | None = None,
    stop: tuple[str, ...] = (),
    limit: int | None = None,
    prompt_template: str | None = None,
    chat: Callable[[str], str] | None = None,
    databases: Databases | None = None,
) -> LoadedTask:
    """Read and check a task.

    Args:
        name: the task's name in the manifest.
        type: one of `TASK_TYPES`.
        items: file of the items; `cycleqd.evaluation.tasks.rows` says in which formats.
        max_new_tokens: limit on generated tokens of each completion.
        timeout_seconds: processor time for one completion's program; it is killed after three
            times that (and two seconds) on the clock, so that a busy machine changes no verdict.
        memory_mib: address space of each process of a completion's program, in MiB.
        sandbox: where generated code runs; shared by all tasks of a worker.
        settings: those of the type alone; its defaults when absent.
        stop: a completion ends before the first of these strings.
        limit: take the first so many items only.
        prompt_template: text around the prompt, holding ``{prompt}`` once.
        chat: wraps the text into the model's chat format, see `cycleqd.evaluation.chat`.
        databases: finds database files that items speak of.

    Raises:
        DatasetError: the type is unknown, or the items cannot be used; every problem on one line.
    """
    if type not in TASK_TYPES.entries:
        known = ", ".join(sorted(TASK_TYPES.names))
        raise DatasetError(f"task {name}: unknown type {type!r}; there are {known}")
    if prompt_template is not None and prompt_template.count(_PLACEHOLDER) != 1:
        raise DatasetError(
            f"task {name}: the prompt template must hold {_PLACEHOLDER} exactly once"
        )
    skill = skill_of(type, settings)
    found = read_items(items, skill, limit=limit, databases=databases)

    def text(prompt: str) -> str:
        if prompt_template is not None:
            prompt = prompt_template.replace(_PLACEHOLDER, prompt)
        return prompt if chat is None else chat(prompt)

    return LoadedTask(
        name=name,
        skill=skill,
        items=found.items,
        digest=found.digest,
        prompts=tuple(text(item.text("prompt")) for item in found.items),
        max_new_tokens=max_new_tokens,
        stop=stop,
        limits=Limits(
            cpu_seconds=timeout_seconds,
            wall_seconds=3 * timeout_seconds + 2,
            memory_bytes=memory_mib * MEBIBYTE,
        ),
        sandbox=sandbox,
    )
