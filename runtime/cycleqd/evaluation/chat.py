"""The base model's chat format around a task's prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cycleqd.errors import CheckpointError


def load_chat(checkpoint: Path, *, system: str | None = None) -> Callable[[str], str]:
    """A function that wraps a prompt as the user's turn and opens the model's.

    Args:
        checkpoint: folder with the tokenizer and its chat template.
        system: the system message; None leaves it to the template.

    Raises:
        CheckpointError: the tokenizer cannot be read or has no chat template. The function that is
            returned raises it too, when the template fails.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415  # imports torch

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(checkpoint), local_files_only=True)
    except Exception as error:  # transformers documents no errors of its own
        raise CheckpointError(f"{checkpoint}: the tokenizer cannot be loaded: {error}") from error
    if not tokenizer.chat_template:
        raise CheckpointError(
            f"{checkpoint}: has no chat template; switch chat off, or use an instruct model"
        )
    before = [] if system is None else [{"role": "system", "content": system}]

    def wrap(prompt: str) -> str:
        turns = [*before, {"role": "user", "content": prompt}]
        try:
            text: str = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # whatever the checkpoint's program raises
            raise CheckpointError(
                f"{checkpoint}: its chat template fails: {error}; switch chat off, or mend it"
            ) from error
        return text

    return wrap
