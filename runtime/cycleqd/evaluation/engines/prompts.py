"""From texts to tokens and back, the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cycleqd.checkpoints.configuration import end_tokens
from cycleqd.errors import EngineError, InputError
from cycleqd.evaluation.engine import Request

_CONTEXT = 8
"""Tokens of a prompt that decide how the next ones are read; one would do but for special ones."""


class Tokenizer:
    """A checkpoint's tokenizer.

    Attributes:
        ends: tokens that end a text; the checkpoint may name several.

    Args:
        checkpoint: folder with the tokenizer.
        max_model_len: most tokens of a prompt and its completion together.

    Raises:
        EngineError: the tokenizer cannot be loaded.
        CheckpointError: the checkpoint's end tokens cannot be read.
    """

    def __init__(self, checkpoint: Path, max_model_len: int) -> None:
        from transformers import AutoTokenizer  # noqa: PLC0415  # imports torch

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(
                str(checkpoint), local_files_only=True, trust_remote_code=False
            )
        except MemoryError:
            raise
        except Exception as error:  # transformers documents no errors of its own
            raise EngineError(f"{checkpoint}: the tokenizer cannot be loaded: {error}") from error
        self._max_model_len = max_model_len
        self.ends = end_tokens(checkpoint) | ({self._tokenizer.eos_token_id} - {None})

    def encode(self, requests: Sequence[Request]) -> list[list[int]]:
        """Tokens of every prompt.

        A prompt that already starts with the tokenizer's first token (a chat template writes it)
        does not get a second one.

        Raises:
            InputError: a prompt and its completion do not fit into the model's length.
        """
        encoded = [self.tokens(request.prompt) for request in requests]
        for tokens, request in zip(encoded, requests, strict=True):
            problem = self._problem(tokens, request)
            if problem is not None:
                raise InputError(f"the prompt that starts {request.prompt[:60]!r} {problem}")
        return encoded

    def problem(self, request: Request) -> str | None:
        """Why a prompt cannot be completed; None where it can. A sentence without its subject."""
        return self._problem(self.tokens(request.prompt), request)

    def tokens(self, prompt: str) -> list[int]:
        """Tokens of one prompt, as `encode` makes them, however many."""
        start = self._tokenizer.bos_token
        special = not (start and prompt.startswith(start))
        tokens: list[int] = self._tokenizer(prompt, add_special_tokens=special, verbose=False)[
            "input_ids"
        ]
        return tokens

    def _problem(self, tokens: Sequence[int], request: Request) -> str | None:
        if not tokens:
            return "has no token that could be completed; give every item a prompt"
        if len(tokens) + request.max_new_tokens > self._max_model_len:
            return (
                f"has {len(tokens)} tokens, which with {request.max_new_tokens} new ones do not "
                f"fit into spec.evaluation.maxModelLen of {self._max_model_len}; raise that, or "
                "shorten the prompt"
            )
        return None

    def answer(self, text: str, stop: Sequence[str]) -> list[int]:
        """Tokens of a completion with what ends it: a stop string, else the model's own end."""
        ended = text + stop[0] if stop else text
        tokens: list[int] = self._tokenizer(ended, add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        end = self._tokenizer.eos_token_id
        return tokens if stop or end is None else [*tokens, end]

    def text(self, prompt: Sequence[int], tokens: Sequence[int], stop: Sequence[str]) -> str:
        """The text of generated tokens, cut before the first stop string.

        It is what they add to the prompt: tokenizers of the SentencePiece kind take a space away
        from where a text begins, and with it a line's indentation would be wrong.

        Args:
            prompt: the prompt's tokens.
            tokens: those that were generated.
            stop: strings that end a completion.
        """
        tail = prompt[-_CONTEXT:]
        before, whole = self._decoded(tail), self._decoded([*tail, *tokens])
        text = whole[len(before) :] if whole.startswith(before) else self._decoded(tokens)
        places = [place for place in (text.find(end) for end in stop) if place >= 0]
        return text[: min(places)] if places else text

    def stopped(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the last token completed a stop string."""
        if not stop:
            return False
        # Tokens may be parts of a character, so look further back than the string is long.
        tail = tokens[-(4 * max(len(end) for end in stop) + 8) :]
        text = self._decoded(tail)
        return any(end in text for end in stop)

    def _decoded(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
