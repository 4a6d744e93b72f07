"""The prompts of a run's items, checked with the base's tokenizer before the run begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.checkpoints.trial import SECONDS, tried
from cycleqd.evaluation.tasks.reading import Dataset
from cycleqd.records.documents import ItemsRecord, Split
from cycleqd.run.admitted_checkpoints import Sought
from cycleqd.run.refusals import Refusals

if TYPE_CHECKING:
    from cycleqd.evaluation.prompts_fit import PromptCheck, Sample

_SAMPLED = 8
"""Prompts of a task that are compared in an expert's own words."""
_PROMPTS_OF_A_SECOND = 100
"""So many at least are written and read in a second of computing; honest ones are far quicker."""


@dataclass(frozen=True)
class SplitItems:
    """The items of a split, read but not yet stored.

    Attributes:
        task: the task's number in the manifest.
        name: the task's name.
        split: which items of it.
        uri: what the manifest calls their file.
        found: what it holds.
        after: what the run says of them where they come after others of the task.
    """

    task: int
    name: str
    split: Split
    uri: str
    found: Dataset
    after: ItemsRecord | None = None

    @property
    def field(self) -> str:
        """Where the manifest names them."""
        return f"spec.tasks[{self.task}].items.{self.split}"

    @property
    def prompts(self) -> list[str]:
        """The prompts of those that are used."""
        return [item.text("prompt") for item in self.found.items]

    @property
    def record(self) -> ItemsRecord:
        """What the run says of them."""
        record = ItemsRecord(uri=self.uri, digest=self.found.digest, count=len(self.found.items))
        if self.after is None:
            return record
        return self.after.model_copy(update={"uri": self.uri})


@dataclass(frozen=True)
class CheckedPrompts:
    """What the prompts of a run are like.

    Attributes:
        samples: some of each task, as the run asks them.
        templates: the chat templates of experts that tasks use, by expert.
    """

    samples: Sequence[Sample] = ()
    templates: dict[str, str] = field(default_factory=dict)


def check_prompts(
    sought: Sought,
    base: Path,
    experts: dict[str, Path],
    read: Sequence[SplitItems],
    *,
    say: Callable[[str], None],
    refusals: Refusals,
) -> CheckedPrompts:
    """See that every prompt, in the base's words, fits into the model's length.

    Args:
        sought: says of which tasks.
        base: the base's folder.
        experts: folders by name, in the manifest's order.
        read: the items of these tasks.
        say: told what may lower an expert's scores.
        refusals: takes what is wrong.
    """
    from cycleqd.evaluation.prompts_fit import PromptCheck, Sample  # noqa: PLC0415 - torch

    spec = sought.spec
    check = None
    with refusals.of("spec.base.uri"):
        tried(str(base), partial(PromptCheck, base, spec.evaluation.max_model_len))
        check = PromptCheck(base, spec.evaluation.max_model_len)
    if check is None:
        return CheckedPrompts()
    wraps, templates = _chats(sought, check, base, experts, refusals)
    samples = [
        Sample(
            items.name,
            items.prompts[:_SAMPLED],
            wraps[items.task],
            spec.tasks[items.task].system_message,
        )
        for items in read
        if items.split == "search" and items.task in wraps
    ]
    for number, expert in enumerate(spec.experts):
        if expert.name in experts:
            with refusals.of(f"spec.experts[{number}].uri"):
                folder = experts[expert.name]
                tried(str(folder), partial(_exhaust, partial(check.notes, folder, samples)))
                for note in check.notes(folder, samples):
                    say(f"expert {expert.name}: {note}")
    for items in read:
        if items.task in wraps:
            with refusals.of(items.field):
                limit = spec.tasks[items.task].max_new_tokens
                look = partial(check.refuse, items.found, limit, wraps[items.task])
                seconds = SECONDS + len(items.found.items) // _PROMPTS_OF_A_SECOND
                tried("the base's tokenizer or its chat template", look, seconds=seconds)
                look()
    return CheckedPrompts(samples, templates)


def _exhaust(notes: Callable[[], Iterable[str]]) -> None:
    for _ in notes():
        pass


def _chats(
    sought: Sought,
    check: PromptCheck,
    base: Path,
    experts: dict[str, Path],
    refusals: Refusals,
) -> tuple[dict[int, Callable[[str], str] | None], dict[str, str]]:
    """The chat formats of tasks by their number, and the templates of experts among them."""
    wraps: dict[int, Callable[[str], str] | None] = {}
    templates: dict[str, str] = {}
    for number, task in enumerate(sought.spec.tasks):
        if task.name not in sought.tasks:
            continue
        source, place = task.chat_template_from, f"spec.tasks[{number}]"
        if not task.chat:
            wraps[number] = None
        elif source is None or source in experts:  # else its checkpoint was refused
            chat = None
            with refusals.of(f"{place}.{'chat' if source is None else 'chatTemplateFrom'}"):
                near = task.expert or task.name
                known = dict(sorted(experts.items(), key=lambda expert: expert[0] != near))
                writer = base if source is None else experts[source]
                opening = partial(check.chat, source, known)
                tried(f"{writer}: its chat template", opening)
                chat, template = opening()
                if source is not None and template is not None:
                    templates[source] = template
            with refusals.of(f"{place}.systemMessage"):
                if chat is not None:
                    binding = partial(check.bound, chat, task.system_message)
                    tried("the chat template", binding)
                    wraps[number] = binding()
    return wraps, templates
