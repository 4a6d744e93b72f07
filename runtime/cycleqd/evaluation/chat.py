"""Chat formats around a task's prompts: the base's own, or one that an expert was trained with.

A template is a program that fills in a conversation and the names of special tokens. An expert's is
taken as its own tokenizer would fill it in: where its special tokens are not the base's, lines at
the template's head say so (`template_for`). So one text means the same prompts to every worker,
and in the folder of an exported member too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from cycleqd.checkpoints.files import (
    TEMPLATE_DOCUMENT,
    TEMPLATE_FILE,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    kind_of,
    read_file,
    read_json,
)
from cycleqd.errors import CheckpointError

# Some templates write the day. A run asks the same whenever it goes on, so it is always this one,
# which such templates themselves fall back to.
_TODAY = date(2024, 7, 26)


class ChatFormat:
    """A chat template with the tokenizer that fills it in.

    Args:
        checkpoint: folder with the tokenizer.
        template: the template; the tokenizer's own when absent.
        source: what messages call the template; the folder when absent.

    Raises:
        CheckpointError: the tokenizer cannot be read or has no chat template.
    """

    def __init__(
        self, checkpoint: Path, template: str | None = None, source: str | None = None
    ) -> None:
        self._source = source or str(checkpoint)
        self._tokenizer = _open_tokenizer(checkpoint)
        self._template = _own(self._tokenizer, checkpoint) if template is None else template

    def wrap(self, prompt: str, system: str | None = None) -> str:
        """A prompt as the user's turn, with the model's opened behind it.

        Args:
            prompt: what the user says.
            system: the system message; None leaves it to the template.

        Raises:
            CheckpointError: the template fails.
        """
        before = [] if system is None else [{"role": "system", "content": system}]
        try:
            text: str = self._tokenizer.apply_chat_template(
                [*before, {"role": "user", "content": prompt}],
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=True,
                strftime_now=_TODAY.strftime,
            )
        except MemoryError:
            raise
        except Exception as error:  # whatever the checkpoint's program raises
            raise CheckpointError(
                f"{self._source}: its chat template fails: {error}; switch chat off, or mend it"
            ) from error
        return text


def load_chat(
    checkpoint: Path, *, template: str | None = None, system: str | None = None
) -> Callable[[str], str]:
    """A function that wraps a prompt as the user's turn and opens the model's.

    Args:
        checkpoint: folder with the tokenizer, and with its chat template unless one is given.
        template: the template; the tokenizer's own when absent.
        system: the system message; None leaves it to the template.

    Raises:
        CheckpointError: the tokenizer cannot be read or has no chat template. The function that is
            returned raises it too, when the template fails.
    """
    chat = ChatFormat(checkpoint, template)
    return lambda prompt: chat.wrap(prompt, system)


def template_for(base: Path, expert: Path) -> str:
    """An expert's chat template, for the base's tokenizer to fill in as the expert's would.

    Args:
        base: the base's folder.
        expert: the expert's folder, a checkpoint or an adapter.

    Raises:
        CheckpointError: a tokenizer cannot be read, or there is no chat template.
    """
    file = template_of(expert)
    if file is None:
        raise CheckpointError(f"{expert}: has no chat template")
    if any(kind_of(expert / name) is not None for name in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE)):
        tokenizer = _open_tokenizer(expert)
        text = _own(tokenizer, expert) if tokenizer.chat_template else _written(file)
        text = _own_tokens(text, tokenizer, _open_tokenizer(base))
    else:
        text = _written(file)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CheckpointError(f"{file}: the chat template is no text ({error}); mend it") from error
    return text


def template_of(folder: Path) -> Path | None:
    """The file that holds a checkpoint's chat template.

    Raises:
        CheckpointError: a file cannot be read.
    """
    for name in (TEMPLATE_FILE, TEMPLATE_DOCUMENT):
        if kind_of(folder / name) is not None:
            return folder / name
    path = folder / TOKENIZER_CONFIG_FILE
    if kind_of(path) is not None and read_json(path).get("chat_template"):
        return path
    return None


def _open_tokenizer(checkpoint: Path) -> Any:  # noqa: ANN401 - transformers has no types
    from transformers import AutoTokenizer  # noqa: PLC0415  # imports torch

    try:
        return AutoTokenizer.from_pretrained(
            str(checkpoint), local_files_only=True, trust_remote_code=False
        )
    except MemoryError:
        raise
    except Exception as error:  # transformers documents no errors of its own
        raise CheckpointError(f"{checkpoint}: the tokenizer cannot be loaded: {error}") from error


def _own(tokenizer: Any, checkpoint: Path) -> str:  # noqa: ANN401 - transformers has no types
    if not tokenizer.chat_template:
        raise CheckpointError(
            f"{checkpoint}: has no chat template; switch chat off, or use an instruct model"
        )
    try:
        text: str = tokenizer.get_chat_template()
    except ValueError as error:  # several, none of which is the default
        raise CheckpointError(f"{checkpoint}: {error}") from error
    return text


def _written(file: Path) -> str:
    """The template in a file of its own."""
    if file.name == TEMPLATE_FILE:
        try:
            return read_file(file).decode()
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{file}: not UTF-8 text; save the file as UTF-8") from error
    template = read_json(file).get("chat_template")
    if not isinstance(template, str):
        raise CheckpointError(f"{file}: chat_template: no text; save the tokenizer again")
    return template


def _own_tokens(text: str, tokenizer: Any, base: Any) -> str:  # noqa: ANN401 - as above
    """The template, told those special tokens that are others in the base's tokenizer."""
    ours, theirs = base.special_tokens_map, tokenizer.special_tokens_map
    told = [
        f"{{%- set {name} = {str(theirs.get(name) or '')!a} -%}}\n"
        for name in sorted({*ours, *theirs})
        if name in text and str(ours.get(name) or "") != str(theirs.get(name) or "")
    ]
    return "".join(told) + text
