"""vLLM engines one after another in a process: prints what each base's checkpoints answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tiny_models import REQUESTS  # type: ignore[import-not-found]  # beside this file

from cycleqd.errors import EngineError
from cycleqd.evaluation.engines import create_engine
from cycleqd.evaluation.engines.weights import checkpoint_tensors


def answers(checkpoints: list[Path]) -> list[list[str]] | str:
    """Of each checkpoint, swapped into an engine of the first; or why there is no engine."""
    try:
        engine = create_engine(
            "vllm",
            checkpoints[0],
            dtype="float32",
            threads=1,
            max_model_len=96,
            gpu_memory_utilization=0.85,
        )
    except EngineError as error:
        return str(error)
    found = []
    for checkpoint in checkpoints:
        engine.load(checkpoint_tensors(checkpoint))
        found.append(engine.generate(REQUESTS))
    engine.close()
    return found


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        found = answers([folder / name for name in ("base", "expert", "merged")])
        print(json.dumps({folder.name: found}), flush=True)


if __name__ == "__main__":
    main()
