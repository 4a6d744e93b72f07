"""Whether a base's tokenizer and chat template can serve a task's prompts, before any is asked.

Workers find the same out when they generate; then a run has begun, experts are factored, and on a
cluster pods with GPUs start again and again. `PromptCheck` needs the tokenizer's files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.checkpoints.files import (
    GENERATION_FILE,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    kind_of,
)
from cycleqd.errors import CheckpointError, DatasetError, EngineError
from cycleqd.evaluation.chat import ChatFormat, template_for, template_of
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.tasks.reading import Dataset

_SHOWN = 20


@dataclass(frozen=True)
class Sample:
    """Some prompts of a task.

    Attributes:
        task: its name.
        prompts: a few.
        wrap: the task's chat format; None where it does without.
        system: the task's system message.
    """

    task: str
    prompts: Sequence[str]
    wrap: Callable[[str], str] | None
    system: str | None = None


class PromptCheck:
    """Checks prompts with a base model's tokenizer.

    Args:
        base: the base's folder.
        max_model_len: most tokens of a prompt and its completion together.

    Raises:
        CheckpointError: the tokenizer cannot be loaded.
    """

    def __init__(self, base: Path, max_model_len: int) -> None:
        self._base = base
        try:
            self._tokenizer = Tokenizer(base, max_model_len)
        except EngineError as error:
            raise CheckpointError(
                f"{str(error).splitlines()[0]}; put a whole tokenizer, such as tokenizer.json and "
                "tokenizer_config.json, into the base's folder"
            ) from error

    def chat(self, expert: str | None, experts: dict[str, Path]) -> tuple[ChatFormat, str | None]:
        """The chat format of a task.

        Args:
            expert: whose template is wanted; None for the base's.
            experts: folders by name; the first that has a template is told where there is none.

        Returns:
            The format, and the template's text where it is an expert's.

        Raises:
            CheckpointError: there is no template, or it fails.
        """
        template = None
        try:
            if expert is None:
                chat = ChatFormat(self._base)
            else:
                template = template_for(self._base, experts[expert])
                chat = ChatFormat(self._base, template, str(experts[expert]))
        except CheckpointError as error:
            wanted = self._base if expert is None else experts[expert]
            if template_of(wanted) is not None:
                raise
            having = [name for name, folder in experts.items() if template_of(folder) is not None]
            if not having:
                raise
            raise CheckpointError(
                f"{wanted}: has no chat template, expert {having[0]} has one; write "
                f"chatTemplateFrom: {having[0]} beside chat: true, or switch chat off"
            ) from error
        chat.wrap("a prompt")  # fails where the template does
        return chat, template

    def bound(self, chat: ChatFormat, system: str | None) -> Callable[[str], str]:
        """A chat format with a task's system message.

        Args:
            chat: the format.
            system: the message; None for none.

        Raises:
            CheckpointError: the template does not take it.
        """
        remedy = "remove the line, or name an expert whose template does as chatTemplateFrom"
        if system is not None:
            try:
                text = chat.wrap("a prompt", system)
            except CheckpointError as error:
                raise CheckpointError(
                    f"the chat template takes no system message ({error.__cause__}); {remedy}"
                ) from error
            if text == chat.wrap("a prompt") and system.strip() not in text:
                raise CheckpointError(
                    f"the chat template does not write the system message; {remedy}"
                )
        return lambda prompt: chat.wrap(prompt, system)

    def notes(self, expert: Path, samples: Sequence[Sample]) -> Iterator[str]:
        """What may lower an expert's scores, since its prompts and ends are the base's.

        Args:
            expert: its folder.
            samples: prompts of each task.

        Raises:
            CheckpointError: a configuration of it cannot be read.
        """
        more = sorted(end_tokens(expert) - self._tokenizer.ends)
        if more:
            yield (
                f"it ends texts with token {more[0]} too, the base does not, so completions may go "
                f"on to maxNewTokens; name it as eos_token_id in {self._base / GENERATION_FILE}"
            )
        if all(kind_of(expert / name) is None for name in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)):
            return
        try:
            own = Tokenizer(expert, 0)
            chat = ChatFormat(expert) if template_of(expert) is not None else None
        except (CheckpointError, EngineError):  # nobody uses it
            return
        for sample in samples:
            if sample.wrap is not None and chat is None:
                continue
            if self._differ(sample, own, chat):
                with_chat = " and chat template" if sample.wrap is not None else ""
                yield (
                    f"its own tokenizer{with_chat} would write prompts of task {sample.task} in "
                    "other tokens than this run, so it may score less than by itself"
                )

    def _differ(self, sample: Sample, own: Tokenizer, chat: ChatFormat | None) -> bool:
        """Whether an expert's own tokenizer and template write a prompt in other tokens."""

        def wrapped(prompt: str) -> str:
            if sample.wrap is None or chat is None:
                return prompt
            return chat.wrap(prompt, sample.system)

        try:
            return any(
                self._tokenizer.tokens(_wrapped(prompt, sample.wrap)) != own.tokens(wrapped(prompt))
                for prompt in sample.prompts
            )
        except CheckpointError:  # its template fails, and nobody uses it
            return False

    def refuse(
        self, found: Dataset, max_new_tokens: int, wrap: Callable[[str], str] | None
    ) -> None:
        """Refuse items whose prompts cannot be completed.

        Args:
            found: the items.
            max_new_tokens: limit on generated tokens.
            wrap: the chat format; None for none.

        Raises:
            DatasetError: one problem a line, the first 20, each with the file's line.
            CheckpointError: the chat template fails.
        """
        problems: list[str] = []
        for place, item in zip(found.places, found.items, strict=True):
            text = _wrapped(item.text("prompt"), wrap)
            problem = self._tokenizer.problem(Request(text, max_new_tokens))
            if problem is not None:
                problems.append(f"{place}: prompt: {problem}")
        if problems:
            left = len(problems) - _SHOWN
            more = [f"and {left} more"] if left > 0 else []
            raise DatasetError("\n".join([*problems[:_SHOWN], *more]))


def _wrapped(prompt: str, wrap: Callable[[str], str] | None) -> str:
    return prompt if wrap is None else wrap(prompt)
