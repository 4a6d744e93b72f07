"""An exported adapter, exact or closest, says in vLLM what it says in peft."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cycleqd.evaluation.engines.skeleton import read_skeleton
from cycleqd.evolution.genome import Genome, scaled_experts_genome
from cycleqd.weights.lora_export import write_adapter
from cycleqd.weights.lora_fit import fit_closely, fit_exactly
from tests.checkpoints import fine_tuned, llama_config, random_state, write_checkpoint
from tests.weights.adapted import Adapted
from tests.weights.peft_adapters import opened, trained

if TYPE_CHECKING:
    from cycleqd.weights.lora_fit import LoraFit

pytest.importorskip("vllm")

pytestmark = [pytest.mark.vllm, pytest.mark.runtime, pytest.mark.timeout(600)]

SESSION = Path(__file__).with_name("vllm_adapters.py")
LIMIT = 12
PROMPTS = [[1, 5, 9, 20], [1, 40, 41, 42, 7], [1, 30, 3, 30, 3, 11]]


def test_equal_completions(tmp_path: Path) -> None:
    config = llama_config(dtype="float32")
    state = random_state(config, 0)
    base = write_checkpoint(tmp_path / "base", config, state)
    folders = {
        "full": write_checkpoint(tmp_path / "full", config, fine_tuned(state, 1, size=0.05)),
        "one": trained(base, tmp_path / "one", seed=1, r=3, target_modules=["q_proj", "up_proj"]),
        "two": trained(base, tmp_path / "two", seed=2, r=4, target_modules="all-linear"),
    }
    family = Adapted(base, folders, tmp_path / "cache")
    maker = family.materializer()
    modules = read_skeleton(family.base.header).modules

    def member(*shares: float) -> Genome:
        return scaled_experts_genome(family.layout, list(shares))

    fits: dict[str, LoraFit] = {
        "closest": fit_closely(maker, modules, member(0.8, 0, 0), rank=12),
        "exact": fit_exactly(maker, family.experts, member(0, 2, 3)),
    }
    for name, fit in fits.items():
        write_adapter(
            fit,
            family.base,
            family.experts.values(),
            modules,
            tmp_path / f"{name}-adapter",
            base_uri="base",
            beside={},
        )
    assert [fit.rank for fit in fits.values()] == [12, 7]
    adapters = [tmp_path / f"{name}-adapter" for name in fits]
    found = session(base, adapters)
    assert found == [said(opened(base, adapter)) for adapter in adapters]
    assert found[0] != found[1]


def said(model: torch.nn.Module) -> list[list[int]]:
    """Greedy completions."""
    found = []
    for prompt in PROMPTS:
        tokens = list(prompt)
        for _ in range(LIMIT):
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([tokens])).logits
            tokens.append(int(logits[0, -1].argmax()))
        found.append(tokens[len(prompt) :])
    return found


def session(base: Path, adapters: list[Path]) -> list[list[list[int]]]:
    arguments = [str(base), "16", str(LIMIT), json.dumps(PROMPTS), *map(str, adapters)]
    done = subprocess.run(
        [sys.executable, str(SESSION), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answers: list[list[list[int]]] = json.loads(done.stdout.splitlines()[-1])
    return answers
