"""The vLLM engine: one warm, in-process vLLM whose weights are swapped for each candidate.

Four things would make a swapped engine answer for a model that it is not, and each is dealt with:

- **Incomplete weights.** vLLM only logs a warning when a reload misses a tensor. The stream is
  checked against the base checkpoint's header first (`weights.checked`).
- **A stale head.** vLLM's CPU build packs the output head's weight when it starts, and its
  ``reload_weights`` does not pack it again where the head is tied to the embedding. `_repack_head`
  does; it is harmless elsewhere.
- **A stale prefix cache.** ``reload_weights`` keeps keys and values of the old weights. The cache
  is emptied after every swap, and before every batch, so that a batch is always computed in the
  same way, whatever came before.
- **Poisoned memory.** Attention multiplies what lies in the unused part of a block of keys and
  values by zero. After a candidate whose activations were not finite, zero times NaN is NaN for
  every candidate that follows. The blocks are zeroed after every swap.

None of this is taken on trust: `selftest.check_swap` runs when the engine starts.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.checkpoints.links import linked
from cycleqd.errors import CycleQDError, EngineError
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines.prompts import Tokenizer
from cycleqd.evaluation.engines.quiet import quiet_streams
from cycleqd.evaluation.engines.reference import reference_scores
from cycleqd.evaluation.engines.selftest import check_swap, probes
from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evaluation.engines.weights import checked, checkpoint_shapes

_PROBE_LOGPROBS = 8


class VLLMEngine:
    """vLLM behind the `Engine` seam.

    Args:
        checkpoint: folder with configuration, tokenizer and safetensors.
        dtype: ``bfloat16``, ``float16`` or ``float32``.
        threads: of a CPU build, for the whole process.
        max_model_len: most tokens of a prompt and its completion together.
        gpu_memory_utilization: share of a GPU's memory.
        max_batch: sequences in progress at once.
        sleeps: whether `asleep` must give a GPU's memory back; its allocator is another one then.

    Raises:
        EngineError: vLLM is missing, does not start, computes something else than transformers, or
            does not swap weights faithfully.
        CheckpointError: the checkpoint cannot be read.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        dtype: str,
        threads: int,
        max_model_len: int,
        gpu_memory_utilization: float,
        max_batch: int,
        sleeps: bool = False,
    ) -> None:
        self._tokenizer = Tokenizer(checkpoint, max_model_len)
        self._shapes = checkpoint_shapes(checkpoint)
        header = CheckpointHeader.open(checkpoint)
        skeleton = read_skeleton(header)
        asked = probes(self._shapes[skeleton.embedding][0], max_model_len)
        _prepare_environment(threads)
        self._set_num_threads = torch.set_num_threads
        torch.set_num_threads(threads)
        # Before vLLM starts, which changes the process that it runs in.
        reference = reference_scores(header, asked)
        self._llm: Any = None
        self._kept = ExitStack()
        with quiet_streams() as noise:
            try:
                self._sleeps = sleeps and _can_sleep()
                self._llm = _start(
                    self._kept.enter_context(linked(header)),
                    dtype=dtype,
                    max_model_len=max_model_len,
                    gpu_memory_utilization=gpu_memory_utilization,
                    max_batch=max_batch,
                    sleeps=self._sleeps,
                )
            except Exception as error:  # vLLM documents no errors of its own
                self._kept.close()
                raise EngineError(
                    f"vLLM does not start on {checkpoint}: {error}\n{noise.tail()}"
                ) from error
            try:
                check_swap(self, checkpoint, skeleton, asked, reference)
            except CycleQDError:
                self.close()
                raise

    @property
    def name(self) -> str:
        """``vllm``."""
        return "vllm"

    def load(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Replace all weights.

        Raises:
            EngineError: a tensor is missing, unknown or misshapen, or vLLM failed; the engine then
                holds a mixture and must be loaded again.
        """
        stream = checked(tensors, self._shapes)
        try:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": stream})
            # vLLM may stop reading early; reading on finds out whether all tensors were there.
            unread = sum(1 for _ in stream)
            self._llm.apply_model(_repack_head)
            self._llm.collective_rpc(_zero_cache)
        except CycleQDError:
            raise
        except Exception as error:
            raise EngineError(f"vLLM failed to load weights: {error}") from error
        if unread:
            raise EngineError(f"vLLM did not read {unread} tensors")
        self._forget()

    def generate(self, requests: Sequence[Request]) -> list[str]:
        """Greedy completions, one for each request.

        Raises:
            InputError: a prompt and its completion do not fit into the model's length.
            EngineError: vLLM failed.
        """
        from vllm import SamplingParams  # noqa: PLC0415  # needs the environment set first

        prompts = self._tokenizer.encode(requests)
        if not prompts:
            return []
        settings = [
            SamplingParams(
                temperature=0.0,
                max_tokens=request.max_new_tokens,
                stop=list(request.stop),
                stop_token_ids=sorted(self._tokenizer.ends),
                detokenize=bool(request.stop),
            )
            for request in requests
        ]
        outputs = self._run(prompts, settings)
        return [
            self._tokenizer.text(
                prompt, self._without_end(output.outputs[0].token_ids), request.stop
            )
            for prompt, output, request in zip(prompts, outputs, requests, strict=True)
        ]

    def _without_end(self, tokens: Sequence[int]) -> list[int]:
        kept = list(tokens)
        if kept and kept[-1] in self._tokenizer.ends:
            del kept[-1]
        return kept

    def next_token_scores(self, tokens: Sequence[int]) -> dict[int, float]:
        """The highest log probabilities after some tokens, by token; what the self test looks at.

        Raises:
            EngineError: vLLM failed.
        """
        from vllm import SamplingParams  # noqa: PLC0415  # needs the environment set first

        settings = SamplingParams(
            temperature=0.0, max_tokens=1, logprobs=_PROBE_LOGPROBS, detokenize=False
        )
        (output,) = self._run([list(tokens)], [settings])
        return {token: entry.logprob for token, entry in output.outputs[0].logprobs[0].items()}

    def _run(self, prompts: Sequence[Sequence[int]], settings: Sequence[Any]) -> list[Any]:
        self._forget()
        try:
            outputs: list[Any] = self._llm.generate(
                [{"prompt_token_ids": list(prompt)} for prompt in prompts],
                list(settings),
                use_tqdm=False,
            )
        except Exception as error:
            raise EngineError(f"vLLM failed to generate: {error}") from error
        return outputs

    def _forget(self) -> None:
        """Empty the prefix cache.

        Raises:
            EngineError: vLLM refused; outputs could then come from other weights.
        """
        if not self._llm.reset_prefix_cache():
            raise EngineError("vLLM did not empty its prefix cache")

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Without weights, keys and values on the GPU for the block; load weights after it.

        On a CPU, where vLLM cannot sleep, everything stays in memory.

        Raises:
            EngineError: vLLM failed to sleep or to wake.
        """
        if not self._sleeps:
            yield
            return
        # Level 2 drops the weights: the next candidate's replace them anyway.
        self._told("sleep", level=2)
        try:
            yield
        finally:
            self._told("wake_up")

    def _told(self, what: str, **how: int) -> None:
        try:
            getattr(self._llm, what)(**how)
        except Exception as error:
            raise EngineError(f"vLLM failed to {what.replace('_', ' ')}: {error}") from error

    def close(self) -> None:
        """Release the model and vLLM's process groups; may be called twice."""
        if self._llm is None:
            return
        from vllm.distributed import cleanup_dist_env_and_memory  # noqa: PLC0415

        with quiet_streams():
            self._llm = None
            gc.collect()
            cleanup_dist_env_and_memory()
        self._kept.close()
        # vLLM's CPU worker replaces this function for the whole process.
        torch.set_num_threads = self._set_num_threads


def _prepare_environment(threads: int) -> None:
    """Settings that vLLM reads from the environment; where it is free, what the user set stays."""
    # One process: weights are handed over by reference, and a crash is an exception.
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for name, value in {
        # GiB; without it vLLM takes a share of the machine for keys and values.
        "VLLM_CPU_KVCACHE_SPACE": "1",
        # Workers side by side must not all be bound to the first cores.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        # vLLM would look for the machine's address on the network.
        "VLLM_HOST_IP": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }.items():
        os.environ.setdefault(name, value)


def _start(
    checkpoint: Path,
    *,
    dtype: str,
    max_model_len: int,
    gpu_memory_utilization: float,
    max_batch: int,
    sleeps: bool,
) -> Any:  # noqa: ANN401  # vLLM is not always there to name its class
    from vllm import LLM  # noqa: PLC0415  # needs the environment set first
    from vllm.platforms import current_platform  # noqa: PLC0415

    more: dict[str, Any] = {}
    if not current_platform.is_cpu():
        more["gpu_memory_utilization"] = gpu_memory_utilization
    if sleeps:
        more["enable_sleep_mode"] = True
    return LLM(
        model=str(checkpoint),
        dtype=dtype,
        max_model_len=max_model_len,
        max_num_seqs=max_batch,
        # Compiling costs more than short runs gain on a CPU, and graphs must not outlive weights.
        enforce_eager=current_platform.is_cpu(),
        disable_log_stats=True,
        seed=0,
        **more,
    )


def _can_sleep() -> bool:
    from vllm.platforms import current_platform  # noqa: PLC0415  # needs the environment set first

    return bool(current_platform.is_sleep_mode_available())


def _repack_head(model: torch.nn.Module) -> None:
    """Pack the output head again, as vLLM does when it loads a model for the first time."""
    head: Any = getattr(model, "lm_head", None)
    method = getattr(head, "quant_method", None)
    if method is not None and hasattr(head, "weight"):
        method.process_weights_after_loading(head)


def _zero_cache(worker: Any) -> None:  # noqa: ANN401  # vLLM's worker, whichever it runs
    """Zero the memory of keys and values."""
    for block in worker.model_runner.kv_caches:
        block.zero_()
