"""What the transformers library says of a checkpoint: the measure of an engine that starts.

The library's own model, opened plainly on the processor, is the nearest thing to what a checkpoint
means. An engine that disagrees with it would score all candidates by another model.

It needs the memory of the whole model for some seconds. Workers that start on one machine at the
same time take turns, each with all processors, so that together they need no more than one.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cycleqd.checkpoints.files import CONFIG_FILE
from cycleqd.checkpoints.links import linked
from cycleqd.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cycleqd.checkpoints.header import CheckpointHeader

log = logging.getLogger(__name__)

# Beside the weights: activations, and what loading needs for a moment.
_MARGIN = 1.2
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def reference_scores(
    header: CheckpointHeader, probes: Sequence[Sequence[int]]
) -> list[torch.Tensor] | None:
    """Log probabilities of all next tokens after each probe, in the checkpoint's own types.

    Args:
        header: the checkpoint.
        probes: tokens.

    Returns:
        A vector for each probe; None where this machine has not the memory for it, which is logged.

    Raises:
        EngineError: the library cannot load it.
    """
    with _turn(header):
        return _scores(header, probes)


def _scores(header: CheckpointHeader, probes: Sequence[Sequence[int]]) -> list[torch.Tensor] | None:
    needed, free = int(_MARGIN * header.nbytes), free_memory()
    if free is not None and needed > free:
        log.warning(
            "the engine is not compared with transformers: that takes %d MB of memory, %d are free",
            needed // 1_000_000,
            free // 1_000_000,
        )
        return None
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  # slow to import
    from transformers.utils import logging as library_logging  # noqa: PLC0415

    library_logging.disable_progress_bar()
    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        with linked(header) as folder, torch.inference_mode():
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(folder), dtype="auto", local_files_only=True
            ).eval()
            found = [
                model(input_ids=torch.tensor([list(probe)])).logits[0, -1].float().log_softmax(-1)
                for probe in probes
            ]
    except Exception as error:  # transformers documents no errors of its own
        raise EngineError(f"{header.folder}: transformers cannot load it: {error}") from error
    finally:
        torch.set_num_threads(threads)
    del model
    gc.collect()
    return found


@contextmanager
def _turn(header: CheckpointHeader) -> Iterator[None]:
    """Alone among the processes that measure this checkpoint; one that dies gives its turn up."""
    with (header.folder / CONFIG_FILE).open("rb") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def disagreement(scores: Mapping[int, float], reference: torch.Tensor) -> float:
    """How far an engine's scores are from the reference, in standard deviations of the latter.

    Two libraries that compute one model differ by a few hundredths in half precision; another model
    by more than one.

    Args:
        scores: the highest log probabilities by token.
        reference: log probabilities of all tokens.
    """
    spread = max(float(reference.std()), 1e-6)
    distances = [abs(score - float(reference[token])) for token, score in scores.items()]
    return float(torch.tensor(distances).median()) / spread


def free_memory() -> int | None:
    """Bytes that this process may still take, None where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        limit = int((_GROUP / "memory.max").read_text())
        held = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
        free = min(free, limit - int(held["anon"]))
    except (OSError, KeyError, ValueError):  # no container, or one without a limit
        pass
    return free
