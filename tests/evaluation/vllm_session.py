"""A vLLM engine in a process of its own: loads checkpoints in turn, prints what each generates."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from cycleqd.errors import CycleQDError
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines import create_engine
from cycleqd.evaluation.engines.weights import checkpoint_tensors


def main() -> None:
    base, dtype, requests, *order = sys.argv[1:]
    asked = [Request(prompt, limit, tuple(stop)) for prompt, limit, stop in json.loads(requests)]
    engine = create_engine(
        "vllm",
        Path(base),
        dtype=dtype,  # type: ignore[arg-type]
        threads=1,
        max_model_len=96,
        gpu_memory_utilization=0.85,
    )
    results, seconds = [], []
    for checkpoint in order:
        start = time.perf_counter()
        engine.load(checkpoint_tensors(Path(checkpoint)))
        seconds.append(time.perf_counter() - start)
        results.append(engine.generate(asked))
        if engine.generate(asked) != results[-1]:
            results.append(["a second batch differs"])
    refused = []
    tensors = list(checkpoint_tensors(Path(base)))
    for wrong in (tensors[:-1], [*tensors, ("model.extra", tensors[0][1])]):
        try:
            engine.load(wrong)
        except CycleQDError as error:
            refused.append(f"{type(error).__name__}: {error}")
    # A broken candidate must not poison the memory of those that follow.
    engine.load((name, torch.full_like(tensor, float("nan"))) for name, tensor in tensors)
    engine.generate(asked)
    engine.load(tensors)
    after = engine.generate(asked)
    engine.close()
    engine.close()
    print(json.dumps({"results": results, "refused": refused, "after": after, "seconds": seconds}))


if __name__ == "__main__":
    main()
