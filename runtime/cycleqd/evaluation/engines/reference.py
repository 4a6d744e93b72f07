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
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from cycleqd.checkpoints.files import CONFIG_FILE
from cycleqd.checkpoints.links import linked
from cycleqd.errors import CycleQDError, EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cycleqd.checkpoints.header import CheckpointHeader

log = logging.getLogger(__name__)

T = TypeVar("T")

# Beside the weights: activations, and what loading needs for a moment.
_MARGIN = 1.2
# Bytes of a model whose threads would wait for each other longer than they compute.
_SMALL = 50_000_000
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
        if (lacking := memory_lacking(header.nbytes)) is not None:
            log.warning("the engine is not compared with transformers: that takes %s", lacking)
            return None
        return ask(header, "auto", lambda model: [next_scores(model, probe) for probe in probes])


def memory_lacking(nbytes: int) -> str | None:
    """How much memory opening a model takes and how much is free; None where it suffices.

    Args:
        nbytes: of its weights.
    """
    needed, free = int(_MARGIN * nbytes), free_memory()
    if free is None or needed <= free:
        return None
    return f"{needed // 1_000_000} MB of memory, {free // 1_000_000} are free"


def ask(header: CheckpointHeader, dtype: str, question: Callable[[Any], T]) -> T:
    """Open a checkpoint as the library's own model on the processor, and close it again.

    A model that is not small takes all processors.

    Args:
        header: the checkpoint.
        dtype: of torch; ``auto`` leaves it to the checkpoint.
        question: asked of the ``transformers.PreTrainedModel``.

    Returns:
        The answer.

    Raises:
        EngineError: the library cannot load it, or fails to answer.
    """
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  # slow to import
    from transformers.utils import logging as library_logging  # noqa: PLC0415

    library_logging.disable_progress_bar()
    verbosity = library_logging.get_verbosity()
    library_logging.set_verbosity_error()
    threads = torch.get_num_threads()
    small = header.nbytes < _SMALL
    torch.set_num_threads(1 if small else len(os.sched_getaffinity(0)))
    try:
        with linked(header) as folder, torch.inference_mode():
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=dtype if dtype == "auto" else getattr(torch, dtype),
                local_files_only=True,
            ).eval()
            answer = question(model)
    except CycleQDError:
        raise
    except Exception as error:  # transformers documents no errors of its own
        raise EngineError(f"{header.folder}: transformers cannot load it: {error}") from error
    finally:
        torch.set_num_threads(threads)
        library_logging.set_verbosity(verbosity)
    del model
    if not small:
        gc.collect()
    return answer


def next_scores(model: Any, tokens: Sequence[int]) -> torch.Tensor:  # noqa: ANN401 - has no types
    """Log probabilities of all next tokens after some tokens.

    Args:
        model: a ``transformers.PreTrainedModel``.
        tokens: at least one.
    """
    logits: torch.Tensor = model(input_ids=torch.tensor([list(tokens)])).logits[0, -1]
    return logits.float().log_softmax(-1)


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
