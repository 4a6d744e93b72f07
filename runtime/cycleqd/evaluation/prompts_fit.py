"""Whether a base's tokenizer and chat template can serve a task's prompts, before any is asked.

Workers find the same out when they generate; then a run has begun, experts are factored, and on a
cluster pods with GPUs start again and again. `PromptCheck` needs the tokenizer's files alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.checkpoints.files import GENERATION_FILE, kind_of, read_file, read_json
from cycleqd.errors import CheckpointError, DatasetError, EngineError
from cycleqd.evaluation.chat import load_chat
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.tasks.items import Item

_SHOWN = 20
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


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

    def notes(self, expert: Path, *, chat: bool) -> Iterator[str]:
        """What may lower an expert's scores, since its prompts and ends are the base's.

        Args:
            expert: its folder.
            chat: whether prompts are written in the chat format.

        Raises:
            CheckpointError: a file of it cannot be read.
        """
        more = sorted(end_tokens(expert) - self._tokenizer.ends)
        if more:
            yield (
                f"it ends texts with token {more[0]} too, the base does not, so completions may go "
                f"on to maxNewTokens; name it as eos_token_id in {self._base / GENERATION_FILE}"
            )
        if chat and template_of(expert) is not None and _template(expert) != _template(self._base):
            yield "its chat template is another one; prompts are written in the base's"

    def refuse(
        self,
        path: Path,
        items: Sequence[Item],
        max_new_tokens: int,
        wrap: Callable[[str], str] | None,
    ) -> None:
        """Refuse items whose prompts cannot be completed.

        Args:
            path: the file that holds them.
            items: those that are used.
            max_new_tokens: limit on generated tokens.
            wrap: the chat format; None for none.

        Raises:
            DatasetError: one problem a line, the first 20, each with the file's line.
            CheckpointError: the chat template fails.
        """
        found: dict[str, str] = {}
        for item in items:
            prompt = item.text("prompt")
            text = prompt if wrap is None else wrap(prompt)
            problem = self._tokenizer.problem(Request(text, max_new_tokens))
            if problem is not None:
                found[item.text("id")] = problem
        if not found:
            return
        lines = _lines_of(path, found.keys())
        problems = [f"{lines[name]}: prompt: {problem}" for name, problem in found.items()]
        left = len(problems) - _SHOWN
        more = [f"{path}: and {left} more"] if left > 0 else []
        raise DatasetError("\n".join([*problems[:_SHOWN], *more]))


def template_of(folder: Path) -> Path | None:
    """The file that holds a checkpoint's chat template.

    Raises:
        CheckpointError: a file cannot be read.
    """
    for name in _TEMPLATES:
        if kind_of(folder / name) is not None:
            return folder / name
    path = folder / "tokenizer_config.json"
    if kind_of(path) is not None and read_json(path).get("chat_template"):
        return path
    return None


def _template(folder: Path) -> object:
    """What a checkpoint's chat template is, to be compared."""
    path = template_of(folder)
    if path is None:
        return None
    if path.suffix == ".jinja":
        return read_file(path).decode("utf-8", "replace").strip()
    template = read_json(path).get("chat_template")
    return template.strip() if isinstance(template, str) else template


def _lines_of(path: Path, names: Collection[str]) -> dict[str, str]:
    """Where items stand in a file, by their ids."""
    places = {name: f"{path}: item {name!r}" for name in names}
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            document = json.loads(line)
        except ValueError:  # no line of JSON: the file is in another form
            continue
        if isinstance(document, dict) and str(document.get("id")) in places:
            places[str(document["id"])] = f"{path}:{number}"
    return places
