"""Three LoRA experts that peft trains: a run of them against peft's arithmetic and full experts.

    .venv/bin/python -m benchmarks.adapter_experts [--base FOLDER] [--rank 16] [--questions 120]

Trains an adapter of SmolLM2-135M for each of the demo's skills and evolves them by `cycleqd run`,
once as they are and once merged by peft and saved as whole checkpoints. Told are

- of every candidate the largest difference of its weights from the same sum in float64, made of the
  products and scales that peft reads, its directions decomposed again; the digest says that these
  weights are those that the run evaluated;
- what either run has stored of experts and candidates, and the seconds that it took of each;
- how many completions of the last candidates, exported as exact adapters, are equal in peft
  (float64) and in vLLM (float32), and how many differ from the base's.

Few items are asked, so scores say nothing. ``--base`` is any checkpoint with a tokenizer that knows
the demo's prompts, such as ``out/demo/tiny/base``, which is done soonest. Interrupted, the same
command goes on; other options want another ``--out``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import eq, ne
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from benchmarks.adapters import Session
from tests.weights.peft_adapters import opened
from tokenizers import Tokenizer

from cycleqd.checkpoints.files import TOKENIZER_FILE
from cycleqd.demo.base_model import put_base
from cycleqd.demo.folders import made_whole
from cycleqd.demo.questions import draw
from cycleqd.demo.recipes import Schedule
from cycleqd.demo.skills import SKILLS
from cycleqd.demo.training import fine_tune, load_master, save_expert
from cycleqd.records import keys
from cycleqd.records.documents import FactorEntry
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import open_store
from cycleqd.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peft.tuners.lora import LoraLayer

    from cycleqd.evolution.genome import Genome

WAYS = ("adapters", "full")
EVOLUTION = {
    "preset": "Paper",  # its mutation changes single directions
    "generations": 2,
    "candidatesPerGeneration": 4,
    "mutation": {"maxScale": "0.8"},
}
LIMIT = 3000


def train(options: argparse.Namespace) -> None:
    """An adapter for each skill, and the same merged and saved as a checkpoint."""
    from peft import LoraConfig, PeftModel, get_peft_model

    tokenizer = Tokenizer.from_file(str(options.base / TOKENIZER_FILE))
    schedule = Schedule(epochs=1, batch_size=10, learning_rate=2e-3, threads=options.threads)
    for skill in SKILLS:
        adapter, full = (options.out / way / skill for way in WAYS)
        if full.exists():
            continue
        plain = load_master(options.base)
        config = LoraConfig(
            task_type="CAUSAL_LM", r=options.rank, lora_alpha=32, target_modules="all-linear"
        )
        model = get_peft_model(plain, config)
        questions = draw(SKILLS[skill], "train", options.questions)
        fine_tune(plain, tokenizer, questions, schedule, partial(tell, skill))
        model.save_pretrained(str(adapter))
        whole = PeftModel.from_pretrained(load_master(options.base), adapter).merge_and_unload()
        with made_whole(full) as folder:
            save_expert(whole, options.base, folder)


def tell(name: str, line: str) -> None:
    """A line of progress."""
    print(f"{name}: {line}", file=sys.stderr)


def cycleqd(*arguments: object) -> None:
    """A command, which must succeed."""
    command = [sys.executable, "-m", "cycleqd.cli", *map(str, arguments)]
    subprocess.run(command, stdout=sys.stderr, check=True, timeout=LIMIT)


def evolve(options: argparse.Namespace, way: str) -> RunStore:
    """The finished run of the experts of a way."""
    tasks = []
    for skill in SKILLS.values():
        items = {}
        for split in ("search", "test"):
            path = options.out / f"{skill.name}.{split}.jsonl"
            asked = draw(skill, split, options.items)
            path.write_text("".join(json.dumps(q.item(skill.name)) + "\n" for q in asked))
            items[split] = str(path)
        task = {"name": skill.name, "type": skill.type, "maxNewTokens": 32, "stop": ["\n"]}
        tasks.append(task | {"items": items})
    experts = [{"name": s, "uri": str(options.out / way / s)} for s in SKILLS]
    manifest = {
        "apiVersion": "cycleqd.io/v1alpha1",
        "kind": "CycleQDRun",
        "metadata": {"name": way},
        "spec": {
            "base": {"uri": str(options.base)},
            "experts": experts,
            "tasks": tasks,
            "evolution": EVOLUTION,
            "evaluation": {"engine": "transformers", "dtype": "float32", "maxModelLen": 128},
            "workers": {"replicas": 1, "threads": options.threads},
        },
    }
    path, store = options.out / f"{way}.json", options.out / f"{way}-store"
    path.write_text(json.dumps(manifest))
    cycleqd("run", path, "--store", store, "--no-check")
    return RunStore(open_store(str(store)))


@dataclass
class Costs:
    """What a run took; bytes and seconds, those of candidates and experts a piece."""

    expert_files: int
    factors: int
    candidate: float
    factor_seconds: float
    make_seconds: float


def costs(options: argparse.Namespace, way: str, run: RunStore) -> Costs:
    """Read from what the run has stored."""
    store, first = run.objects, keys.generation(0)
    plan = run.plan(first)
    assert plan is not None
    factored = [
        run.result(first, index)
        for index, entry in enumerate(plan.entries)
        if isinstance(entry, FactorEntry)
    ]
    made = [result.telemetry.materialize_seconds for _, result in evaluations(run)]
    stored = [store.size(key) for key in store.list("candidates/")]
    files = (options.out / way).rglob("*.safetensors")
    return Costs(
        expert_files=sum(file.stat().st_size for file in files) // len(SKILLS),
        factors=sum(store.size(key) for key in store.list("experts/")) // len(SKILLS),
        candidate=sum(stored) / len({key.split("/")[1] for key in store.list("candidates/")}),
        factor_seconds=median(result.telemetry.seconds for result in factored),
        make_seconds=median(made),
    )


def evaluations(run: RunStore) -> Iterator[tuple[str, Any]]:
    """Candidates of all generations with their results."""
    for number in range(run.committed() + 1):
        for entry, result in run.evaluated(keys.generation(number)):
            yield entry.candidate, result


class PeftArithmetic:
    """What a genome means, in float64 and by peft's numbers.

    Args:
        base: folder of the base.
        adapters: folders of the experts, by name.
    """

    def __init__(self, base: Path, adapters: Mapping[str, Path]) -> None:
        self._base = Checkpoint.open(base)
        first, *others = adapters
        model = opened(base, adapters[first])
        self._names = {first: "default"} | {name: name for name in others}
        for name in others:
            model.load_adapter(str(adapters[name]), adapter_name=name, autocast_adapter_dtype=False)
        self._layers = {
            f"{name.removeprefix('base_model.model.')}.weight": module
            for name, module in model.double().named_modules()
            if hasattr(module, "get_delta_weight")
        }

    def weights(self, genome: Genome) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor in float64; the genome must have no terms but scales and gains."""
        assert genome.linear
        for number, slot in enumerate(genome.layout.tensors):
            total = self._base.tensor(slot.name).double()
            for index, expert in enumerate(genome.layout.experts):
                if slot.name not in self._layers:
                    continue
                layer, adapter = self._layers[slot.name], self._names[expert]
                with torch.no_grad():
                    share = float(genome.scale[index, number])
                    total = total + share * layer.get_delta_weight(adapter)
                    if (gains := genome.gain_of(index, number)) is not None:
                        left, right = _directions(layer, adapter)
                        kept = torch.from_numpy(gains[: len(right)]).double()
                        total = total + left * kept @ right
            yield slot.name, total


def _directions(layer: LoraLayer, expert: str) -> tuple[torch.Tensor, torch.Tensor]:
    """``U diag(s)`` and ``V^T`` of an adapter's product."""
    q_left, r_left = torch.linalg.qr(layer.lora_B[expert].weight * layer.scaling[expert])
    q_right, r_right = torch.linalg.qr(layer.lora_A[expert].weight.T)
    u, s, v = torch.linalg.svd(r_left @ r_right.T)
    return q_left @ u * s, v @ q_right.T


def differences(options: argparse.Namespace, run: RunStore) -> dict[str, tuple[float, float]]:
    """By candidate the largest difference, and the same as a share of the tensor's largest."""
    folders = {skill: options.out / "adapters" / skill for skill in SKILLS}
    exact = PeftArithmetic(options.base, folders)
    found = {}
    with TemporaryDirectory(dir=options.out) as scratch:
        models = RunModels(run, Path(scratch)).under_way()
        for candidate, result in evaluations(run):
            genome, maker = models.genome(candidate), models.materializer
            if maker.digest(genome) != result.digest:
                raise SystemExit(f"{candidate}: evaluated weights were {result.digest}")
            largest = share = 0.0
            for (_, made), (_, expected) in zip(
                maker.tensors(genome), exact.weights(genome), strict=True
            ):
                difference = float((made.double() - expected).abs().max())
                largest = max(largest, difference)
                share = max(share, difference / float(expected.abs().max()))
            found[candidate] = largest, share
    return found


def prompts_of(options: argparse.Namespace) -> list[list[int]]:
    """Held-out questions of every skill, as tokens."""
    tokenizer = Tokenizer.from_file(str(options.base / TOKENIZER_FILE))
    asked = [q for s in SKILLS.values() for q in draw(s, "test", options.prompts)]
    return [tokenizer.encode(question.prompt).ids for question in asked]


def said(model: torch.nn.Module, prompts: list[list[int]], count: int) -> list[list[int]]:
    """Greedy completions."""
    found = []
    for prompt in prompts:
        tokens, ids, past = [], prompt, None
        for _ in range(count):
            with torch.no_grad():
                out = model(input_ids=torch.tensor([ids]), past_key_values=past, use_cache=True)
            past, ids = out.past_key_values, [int(out.logits[0, -1].argmax())]
            tokens += ids
        found.append(tokens)
    return found


def exported(options: argparse.Namespace) -> list[Path]:
    """The folders of the exported adapters."""
    return sorted((options.out / "exported").iterdir())


def ask_vllm(options: argparse.Namespace) -> list[list[list[int]]]:
    """What vLLM says with each exported adapter, one after another."""
    from vllm.lora.request import LoRARequest

    session = Session(options, serves_adapters=True)
    prompts = prompts_of(options)
    said = []
    for number, folder in enumerate(exported(options), 1):
        request = LoRARequest(folder.name, number, str(folder))
        said.append(session.say(prompts, [request] * len(prompts)))
    return said


def completions(options: argparse.Namespace, run: RunStore) -> None:
    """Export the last candidates; count equal completions."""
    ranks = []
    shutil.rmtree(options.out / "exported", ignore_errors=True)
    for candidate in [name for name, _ in evaluations(run)][-options.adapters :]:
        target = options.out / "exported" / candidate
        target.parent.mkdir(exist_ok=True)
        arguments = ("--member", candidate, "--format", "lora", "--out", target)
        cycleqd("export", options.out / "adapters-store", *arguments)
        ranks.append(json.loads((target / "adapter_config.json").read_text())["r"])
    prompts = prompts_of(options)
    plain = said(load_master(options.base), prompts, options.tokens)
    ours = [
        said(opened(options.base, folder), prompts, options.tokens) for folder in exported(options)
    ]
    names = ("base", "out", "threads", "prompts", "tokens", "adapters")
    shared = [f"--{name}={getattr(options, name)}" for name in names]
    served = 1 << (max(ranks) - 1).bit_length()  # vLLM takes powers of two
    command = [sys.executable, "-m", "benchmarks.adapter_experts", *shared, f"--ask={served}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT)
    theirs = json.loads(done.stdout.splitlines()[-1])
    equal = sum(map(eq, chain(*ours), chain(*theirs)))
    other = sum(map(ne, chain(*ours), plain * len(ours)))
    print(
        f"\nexact adapters of ranks {ranks}: {equal} of {len(ours) * len(prompts)} completions of "
        f"{options.tokens} tokens equal in peft and vLLM, {other} unlike the base's"
    )


def report(options: argparse.Namespace) -> None:
    """Train, run both ways, compare, export."""
    if options.base is None:
        options.base = options.out / "base"
        if not options.base.exists():
            put_base(None, options.base, partial(tell, "base"))
    train(options)
    runs = {way: evolve(options, way) for way in WAYS}
    size = Checkpoint.open(options.base).header.nbytes / 1e6
    print(f"base of {size:.1f} MB, adapters of rank {options.rank}, {options.threads} thread(s)\n")
    print("| experts  | MB an expert | MB its factors | KB a candidate | s to factor | s to make |")
    print("|----------|-------------:|---------------:|---------------:|------------:|----------:|")
    for way, run in runs.items():
        c = costs(options, way, run)
        print(
            f"| {way:8s} | {c.expert_files / 1e6:12.2f} | {c.factors / 1e6:14.2f} "
            f"| {c.candidate / 1e3:14.1f} | {c.factor_seconds:11.2f} | {c.make_seconds:9.2f} |"
        )
    print("\n| candidate     | largest difference | as a share of the tensor's largest |")
    print("|---------------|-------------------:|-----------------------------------:|")
    for candidate, (largest, share) in differences(options, runs["adapters"]).items():
        print(f"| {candidate:13s} | {largest:18.1e} | {share:34.1e} |")
    completions(options, runs["adapters"])


def main() -> None:
    """All of it, or vLLM's part in a process of its own, since vLLM changes the one it runs in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", type=Path, help="a checkpoint; SmolLM2-135M if absent")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--questions", type=int, default=120, help="that each adapter learns")
    parser.add_argument("--items", type=int, default=6, help="of each task and split")
    parser.add_argument("--prompts", type=int, default=2, help="of each skill, to be completed")
    parser.add_argument("--tokens", type=int, default=16, help="of each completion")
    parser.add_argument("--adapters", type=int, default=3, help="that are exported")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/adapter-experts"))
    parser.add_argument("--ask", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.ask is not None:
        options.rank, options.dtype = options.ask, "float32"
        print(json.dumps(ask_vllm(options)))
        return
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    report(options)


if __name__ == "__main__":
    main()
