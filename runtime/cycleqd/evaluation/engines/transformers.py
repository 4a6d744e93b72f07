"""The transformers engine: a plain batched greedy loop that runs wherever torch runs.

Why not ``model.generate``: requests differ in their limits and stop strings, and rows that have
ended should leave the batch. The loop is short, and what results depend on is all in view: prompts
sorted by length, batches of fixed size, padding on the left, the highest logit at each step.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.checkpoints.links import linked
from cycleqd.errors import EngineError
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.placement import Placement
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.engines.weights import checked, checkpoint_shapes, checkpoint_tensors


@dataclass
class _Row:
    """One completion in progress.

    Attributes:
        request: what is asked.
        prompt: its tokens.
        new: tokens generated so far, without the one that ends a text.
        ended: whether it takes no more tokens.
    """

    request: Request
    prompt: list[int]
    new: list[int] = field(default_factory=list)
    ended: bool = False


class TransformersEngine:
    """A causal language model of the transformers library, with weights that are replaced in place.

    Args:
        checkpoint: folder with configuration, tokenizer and safetensors.
        dtype: ``bfloat16``, ``float16`` or ``float32``.
        threads: of torch, for the whole process.
        max_model_len: most tokens of a prompt and its completion together.
        device: ``cpu`` or ``cuda``; None takes a GPU where there is one.
        max_batch: rows computed at once.

    Raises:
        EngineError: the model cannot be loaded.
        CheckpointError: the checkpoint cannot be read.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        dtype: str,
        threads: int,
        max_model_len: int,
        device: str | None,
        max_batch: int,
    ) -> None:
        from transformers import AutoModelForCausalLM  # noqa: PLC0415  # slow to import
        from transformers.utils import logging  # noqa: PLC0415

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._tokenizer = Tokenizer(checkpoint, max_model_len)
        self._shapes = checkpoint_shapes(checkpoint)
        try:
            with linked(CheckpointHeader.open(checkpoint)) as folder:
                model: Any = AutoModelForCausalLM.from_pretrained(
                    str(folder), dtype=getattr(torch, dtype), local_files_only=True
                )
            self._model: Any = model.to(self._device).eval()
        except Exception as error:  # transformers documents no errors of its own
            raise EngineError(f"{checkpoint}: transformers cannot load it: {error}") from error
        # Models of states (Mamba) have another word for what they remember.
        known = inspect.signature(model.forward).parameters
        self._memory = "cache_params" if "cache_params" in known else "past_key_values"
        self._placement: Any = Placement(self._model, self._shapes)
        self._check_placement(checkpoint)
        self._max_batch = max_batch

    @property
    def name(self) -> str:
        """``transformers``."""
        return "transformers"

    @property
    def model(self) -> Any:  # noqa: ANN401 - transformers has no types
        """The model in memory, a ``transformers.PreTrainedModel``."""
        return self._model

    def tunable(self) -> list[str]:
        """Names of the weights that adapters are trained for: the linear layers but the head."""
        names: list[str] = self._placement.tunable()
        return names

    def tokens(self, request: Request, answer: str) -> tuple[list[int], list[int]]:
        """Tokens of a prompt, and of an answer with what ends it.

        Args:
            request: the prompt; the first of its stop strings ends the answer, else the model's
                own end.
            answer: the completion that is taught.
        """
        prompt = self._tokenizer.encode([request])[0]
        return prompt, self._tokenizer.answer(answer, request.stop)

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace all weights in place; what follows from the configuration stays as it is.

        Raises:
            EngineError: a tensor is missing, unknown or misshapen; the engine then holds a mixture
                and must be loaded again.
        """
        self._placement.put(checked(tensors, self._shapes))

    def _check_placement(self, checkpoint: Path) -> None:
        """See that a swap puts weights where the library put them when it loaded the model.

        Raises:
            EngineError: it would not.
        """
        for target, tensor in self._placement.converted(checkpoint_tensors(checkpoint)):
            if not self._placement.holds(target, tensor):
                raise EngineError(
                    f"{checkpoint}: {target} of {type(self._model).__name__} is not what the "
                    "checkpoint holds; this architecture's weights cannot be swapped"
                )

    def generate(self, requests: Sequence[Request]) -> list[str]:
        """Greedy completions, one for each request.

        Raises:
            InputError: a prompt and its completion do not fit into the model's length.
            EngineError: the model failed, for instance for lack of memory.
        """
        prompts = self._tokenizer.encode(requests)
        rows = [_Row(*pair) for pair in zip(requests, prompts, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: (-len(prompts[i]), i))
        try:
            with torch.inference_mode():
                for start in range(0, len(order), self._max_batch):
                    self._complete([rows[i] for i in order[start : start + self._max_batch]])
        except RuntimeError as error:
            raise EngineError(f"transformers failed to generate: {error}") from error
        return [self._tokenizer.text(row.prompt, row.new, row.request.stop) for row in rows]

    def _complete(self, rows: list[_Row]) -> None:
        """Generate for one batch until every row has ended."""
        width = max(len(row.prompt) for row in rows)
        pads = [width - len(row.prompt) for row in rows]
        tokens = self._tensor([[0] * pad + row.prompt for pad, row in zip(pads, rows, strict=True)])
        mask = self._tensor([[0] * pad + [1] * (width - pad) for pad in pads])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache: Any = None
        while True:
            output = self._model(
                input_ids=tokens,
                attention_mask=mask,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=1,
                **{self._memory: cache},
            )
            cache = output[self._memory]
            chosen: list[int] = output.logits[:, -1].argmax(-1).tolist()
            for row, token in zip(rows, chosen, strict=True):
                self._append(row, token)
            going = [i for i, row in enumerate(rows) if not row.ended]
            if not going:
                return
            # Copying the cache costs about one step, so rows leave when half of them have ended.
            if len(going) <= len(rows) // 2:
                kept = torch.tensor(going, device=self._device)
                cache.reorder_cache(kept)  # the one way to choose rows that every cache has
                mask, positions = mask[kept], positions[kept]
                rows, chosen = [rows[i] for i in going], [chosen[i] for i in going]
            tokens = self._tensor([[token] for token in chosen])
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            positions = positions[:, -1:] + 1

    def _append(self, row: _Row, token: int) -> None:
        if row.ended:
            return
        if token in self._tokenizer.ends:
            row.ended = True
            return
        row.new.append(token)
        row.ended = len(row.new) >= row.request.max_new_tokens or self._tokenizer.stopped(
            row.new, row.request.stop
        )

    def _tensor(self, values: list[list[int]]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)

    def close(self) -> None:
        """Release the model; may be called twice."""
        self._model = self._placement = None
        gc.collect()
