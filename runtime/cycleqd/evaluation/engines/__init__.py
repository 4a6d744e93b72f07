"""Engines: the transformers library for every machine, vLLM where it is installed.

Both tokenize prompts, cut completions and check weights in the same way (`prompts`, `weights`), so
that they differ in speed and in the last bits of arithmetic only.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from cycleqd.evaluation.engine import Engine

__all__ = ["MAX_BATCH", "EngineKind", "create_engine"]

EngineKind = Literal["Auto", "transformers", "vllm"]

MAX_BATCH = 64
"""Completions in progress at once. No field of the manifest, so that equal runs have equal batches;
all other settings of an engine have their defaults in `cycleqd.manifest.model` alone."""


def create_engine(
    kind: EngineKind,
    checkpoint: Path,
    *,
    dtype: Literal["bfloat16", "float16", "float32"],
    threads: int,
    max_model_len: int,
    gpu_memory_utilization: float,
    device: str | None = None,
    max_batch: int = MAX_BATCH,
    sleeps: bool = False,
) -> Engine:
    """Start an engine on a checkpoint; the checkpoint's weights are loaded.

    Args:
        kind: ``Auto`` takes vLLM where it can be imported.
        checkpoint: folder with configuration, tokenizer and safetensors of the base model.
        dtype: of weights and arithmetic.
        threads: of torch on a CPU, fixed, since results depend on it in the last bits.
        max_model_len: most tokens of a prompt and its completion together.
        gpu_memory_utilization: share of a GPU's memory that vLLM takes.
        device: ``cpu`` or ``cuda``; None takes what is there. vLLM's build decides by itself.
        sleeps: whether the engine must be able to leave a GPU's memory to a training for a while.
        max_batch: completions in progress at once. Part of what results depend on in the last bits.

    Raises:
        EngineError: the library is missing, or the engine does not start.
        CheckpointError: the checkpoint cannot be read.
    """
    if kind == "vllm" or (kind == "Auto" and importlib.util.find_spec("vllm") is not None):
        from cycleqd.evaluation.engines.vllm import VLLMEngine  # noqa: PLC0415  # imports torch

        return VLLMEngine(
            checkpoint,
            dtype=dtype,
            threads=threads,
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            max_batch=max_batch,
            sleeps=sleeps,
        )
    from cycleqd.evaluation.engines.transformers import (  # noqa: PLC0415  # imports torch
        TransformersEngine,
    )

    return TransformersEngine(
        checkpoint,
        dtype=dtype,
        threads=threads,
        max_model_len=max_model_len,
        device=device,
        max_batch=max_batch,
    )
