"""Whether a base's tokenizer and chat template can serve a task's prompts, before any is asked.

Workers find the same out when they generate; then a run has begun, experts are factored, and on a
cluster pods with GPUs start again and again. `PromptCheck` needs the tokenizer's files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.checkpoints.files import GENERATION_FILE, TOKENIZER_FILE, kind_of, read_json
from cycleqd.errors import CheckpointError, DatasetError, EngineError
from cycleqd.evaluation.chat import load_chat
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.tasks.reading import Dataset

_SHOWN = 20
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


@dataclass(frozen=True)
class Sample:
    """Some prompts of a task.

    Attributes:
        task: its name.
        prompts: a few.
        wrap: the base's chat format; None where the task does without.
    """

    task: str
    prompts: Sequence[str]
    wrap: Callable[[str], str] | None


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

    def chat(self, experts: dict[str, Path]) -> Callable[[str], str]:
        """The base's chat format.

        Args:
            experts: folders by name, to say which one has a template where the base has none.

        Raises:
            CheckpointError: the base has no chat template.
        """
        try:
            wrap = load_chat(self._base)
        except CheckpointError as error:
            having = [
                f"expert {name} has one ({file})"
                for name, folder in experts.items()
                if (file := template_of(folder)) is not None
            ]
            if not having or template_of(self._base) is not None:
                raise
            raise CheckpointError(
                f"{error}; {having[0]}: put it into a copy of {self._base} as {_TEMPLATES[0]}"
            ) from error
        wrap("a prompt")  # fails where the template does
        return wrap

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
        if all(kind_of(expert / name) is None for name in (TOKENIZER_FILE, _TOKENIZER_CONFIG)):
            return
        try:
            own = Tokenizer(expert, 0)
            chat = load_chat(expert) if template_of(expert) is not None else None
        except (CheckpointError, EngineError):  # nobody uses it
            return
        for sample in samples:
            wrap = None if sample.wrap is None else chat
            if (sample.wrap is None) == (wrap is None) and any(
                self._tokenizer.tokens(_wrapped(prompt, sample.wrap))
                != own.tokens(_wrapped(prompt, wrap))
                for prompt in sample.prompts
            ):
                with_chat = " and chat template" if wrap is not None else ""
                yield (
                    f"its own tokenizer{with_chat} would write prompts of task {sample.task} in "
                    "other tokens; the base's are used, so it may score less than by itself"
                )

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


def template_of(folder: Path) -> Path | None:
    """The file that holds a checkpoint's chat template.

    Raises:
        CheckpointError: a file cannot be read.
    """
    for name in _TEMPLATES:
        if kind_of(folder / name) is not None:
            return folder / name
    path = folder / _TOKENIZER_CONFIG
    if kind_of(path) is not None and read_json(path).get("chat_template"):
        return path
    return None


def _wrapped(prompt: str, wrap: Callable[[str], str] | None) -> str:
    return prompt if wrap is None else wrap(prompt)
