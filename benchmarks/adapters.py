"""Several members as adapters in one vLLM batch, against as many swaps of weights.

    python -m benchmarks.adapters [--base FOLDER] [--adapters 8] [--rank 16] [--rounds 3]

All ways ask the same prompts of the same members, by turns, each engine in a process of its own:
*batch* is one vLLM with LoRA that gets all requests at once, *one by one* the same engine with an
adapter after the other, *swaps* an engine without LoRA whose weights are replaced, as a run's
workers do, by the base with the adapter merged into it. An engine that serves adapters computes a
product beside each layer and never rounds it into the weights, so completions may differ where two
tokens are nearly as likely: how many are equal is told, not required.

On a machine with a GPU vLLM takes it. ``--base`` is any Llama-like checkpoint; if absent, random.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from tests.checkpoints import llama_config, random_state, write_checkpoint

from cycleqd.checkpoints.header import CheckpointHeader, layout
from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evolution.genome import base_genome
from cycleqd.weights.checkpoint import Checkpoint
from cycleqd.weights.lora_export import write_adapter
from cycleqd.weights.lora_fit import LoraFit, adapted_tensors
from cycleqd.weights.materialize import Materializer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = "adapters, one batch"
SINGLE = "adapters, one by one"
SWAP = "swaps of weights"
LIMIT = 3000

Answers = list[list[list[int]]]
"""Tokens by member and prompt."""


def random_fit(base: Checkpoint, rank: int, seed: int) -> LoraFit:
    """An adapter for every linear layer, of a size that changes what the model says."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {}
    for name in read_skeleton(base.header).modules.linear:
        tensor = base.tensor(name)
        rows, columns = tensor.shape
        left = torch.randn(rows, rank, generator=generator)
        right = torch.randn(rank, columns, generator=generator)
        size = 0.1 * float(tensor.float().norm()) / (rank * rows * columns) ** 0.5
        pairs[name] = left * size, right
    return LoraFit(pairs, {}, (), 0.0, 0.0)


def prompts_of(base: Path, count: int) -> list[list[int]]:
    """Random tokens, 16 to 64 of them."""
    header = CheckpointHeader.open(base)
    vocabulary = int(header.config["vocab_size"])
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randint(3, vocabulary, (16 + 7 * n % 49,), generator=generator).tolist()
        for n in range(count)
    ]


class Session:
    """One engine, in this process."""

    def __init__(self, options: argparse.Namespace, *, serves_adapters: bool) -> None:
        os.environ |= {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "VLLM_NO_USAGE_STATS": "1",
        }
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
        from vllm import LLM, SamplingParams
        from vllm.platforms import current_platform

        more: dict[str, Any] = {}
        if serves_adapters:
            more = {
                "enable_lora": True,
                "max_loras": options.adapters,
                "max_lora_rank": max(16, options.rank),
            }
        self._engine = LLM(
            model=str(options.base),
            dtype=options.dtype,
            max_model_len=256,
            enforce_eager=current_platform.is_cpu(),
            enable_prefix_caching=False,
            skip_tokenizer_init=True,
            seed=0,
            **more,
        )
        self._settings = SamplingParams(
            temperature=0.0, max_tokens=options.tokens, ignore_eos=True, detokenize=False
        )
        self.device = current_platform.get_device_name()

    def say(self, prompts: list[list[int]], requests: list[Any] | None) -> list[list[int]]:
        """Completions; ``requests`` are the adapters, one for each prompt."""
        outputs = self._engine.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts],
            self._settings,
            lora_request=requests,
            use_tqdm=False,
        )
        return [list(output.outputs[0].token_ids) for output in outputs]

    def load(self, tensors: Iterator[tuple[str, torch.Tensor]]) -> None:
        """Replace the weights."""
        self._engine.collective_rpc("reload_weights", kwargs={"weights_iterator": tensors})


def adapter_ways(options: argparse.Namespace) -> tuple[str, dict[str, Callable[[], Answers]]]:
    """The two ways of an engine that serves adapters."""
    from vllm.lora.request import LoRARequest

    base = Checkpoint.open(options.base)
    modules = read_skeleton(base.header).modules
    folder = Path(options.folder)
    requests = []
    for number in range(1, options.adapters + 1):
        target = folder / f"adapter-{number}"
        if not target.exists():
            fit = random_fit(base, options.rank, number)
            write_adapter(fit, base, (), modules, target, base_uri="base", beside={})
        requests.append(LoRARequest(target.name, number, str(target)))
    prompts = prompts_of(options.base, options.prompts)
    session = Session(options, serves_adapters=True)

    def batch() -> Answers:
        asked = [request for request in requests for _ in prompts]
        said = session.say(prompts * len(requests), asked)
        count = len(prompts)
        return [said[n * count : (n + 1) * count] for n in range(len(requests))]

    def one_by_one() -> Answers:
        return [session.say(prompts, [request] * len(prompts)) for request in requests]

    return session.device, {BATCH: batch, SINGLE: one_by_one}


def swap_ways(options: argparse.Namespace) -> tuple[str, dict[str, Callable[[], Answers]]]:
    """The way of an engine that swaps weights, materialised as a run materialises them."""
    base = Checkpoint.open(options.base)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    slots = layout(base.header, (), 0)
    maker = Materializer(base, {}, {}, slots, seed=0, dtype=options.dtype, threads=1, device=device)
    fits = [random_fit(base, options.rank, n) for n in range(1, options.adapters + 1)]
    prompts = prompts_of(options.base, options.prompts)
    session = Session(options, serves_adapters=False)

    def swap() -> Answers:
        said = []
        for fit in fits:
            session.load(adapted_tensors(maker, base_genome(slots), fit))
            said.append(session.say(prompts, None))
        return said

    return session.device, {SWAP: swap}


def timed(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of every round and the last answers, of one engine's ways by turns."""
    device, ways = (adapter_ways if options.engine == "adapters" else swap_ways)(options)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Answers] = {}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            answers[name] = way()
            if number:  # the first round warms up and loads the adapters
                seconds[name].append(time.perf_counter() - begin)
    return {"device": device, "seconds": seconds, "answers": answers}


def session(options: argparse.Namespace, engine: str) -> dict[str, Any]:
    """One engine in a process of its own, since vLLM changes the process that it runs in."""
    names = ("base", "adapters", "rank", "rounds", "prompts", "tokens", "dtype", "folder")
    arguments = [f"--{name}={getattr(options, name)}" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.adapters", *arguments, f"--engine={engine}"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=LIMIT,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(found: dict[str, Any], options: argparse.Namespace) -> None:
    """The table."""
    print(
        f"{found['device']}, {options.dtype}: {options.adapters} adapters of rank {options.rank}, "
        f"{options.prompts} prompts of each, {options.tokens} tokens, {options.rounds} rounds"
    )
    middle = {name: statistics.median(runs) for name, runs in found["seconds"].items()}
    print(f"\n| {'way':22s} | median s | x swaps | equal to swaps |")
    print(f"|{'-' * 24}|---------:|--------:|---------------:|")
    flat = {
        name: [tokens for member in answers for tokens in member]
        for name, answers in found["answers"].items()
    }
    for name, value in middle.items():
        same = sum(one == other for one, other in zip(flat[name], flat[SWAP], strict=True))
        equal = f"{same} of {len(flat[SWAP])}"
        print(f"| {name:22s} | {value:8.2f} | {value / middle[SWAP]:7.2f} | {equal:>14s} |")
    by_prompt = zip(*found["answers"][SWAP], strict=True)
    distinct = [len({tuple(tokens) for tokens in answers}) for answers in by_prompt]
    print(f"\nmembers give {statistics.mean(distinct):.1f} different answers to a prompt")


def main() -> None:
    """Make what is missing, take both engines in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", type=Path, help="a checkpoint; a random one of 13 M if absent")
    parser.add_argument("--adapters", type=int, default=8)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=20, help="of each adapter")
    parser.add_argument("--tokens", type=int, default=24, help="that each is answered with")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=("adapters", "swaps"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.engine is not None:
        print(json.dumps(timed(options)))
        return
    with TemporaryDirectory(prefix="cycleqd-adapters-") as folder:
        options.folder = folder
        if options.base is None:
            config = llama_config(
                hidden=384, heads=6, layers=6, intermediate=1024, vocab=8000, dtype="bfloat16"
            )
            options.base = write_checkpoint(
                Path(folder) / "base", config, random_state(config, 0), tokenizer=False
            )
        adapters, swaps = session(options, "adapters"), session(options, "swaps")
    report(
        {
            "device": swaps["device"],
            "seconds": adapters["seconds"] | swaps["seconds"],
            "answers": adapters["answers"] | swaps["answers"],
        },
        options,
    )


if __name__ == "__main__":
    main()
