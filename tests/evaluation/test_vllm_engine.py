"""A vLLM engine answers for the weights it holds: no stale head, no stale cache, no history.

Each scenario is a process of its own, since vLLM changes the process it runs in.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm")
torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_llama import save_tiny_llama  # noqa: E402
from tiny_models import save_tiny  # noqa: E402

from cycleqd.evaluation.engine import Request  # noqa: E402
from cycleqd.evaluation.engines import create_engine  # noqa: E402
from cycleqd.evaluation.engines.weights import checkpoint_tensors  # noqa: E402

pytestmark = [pytest.mark.vllm, pytest.mark.runtime, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
SHARED = "the quick brown fox jumps over the lazy dog; "
REQUESTS = [
    Request("hello", 20),
    Request(SHARED + "select", 9),
    Request(SHARED + "select", 12),
    Request("a b c", 14, ("e", "zz")),
]


def session(base: Path, dtype: str, *order: Path) -> dict[str, Any]:
    done = run_session(base, dtype, *order)
    assert done.returncode == 0, done.stderr[-4000:]
    # One line: neither vLLM nor its libraries may write to the terminal.
    (line,) = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def run_session(base: Path, dtype: str, *order: Path) -> subprocess.CompletedProcess[str]:
    asked = json.dumps([[r.prompt, r.max_new_tokens, r.stop] for r in REQUESTS])
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(HERE.parents[1] / "runtime"),
    }
    return subprocess.run(
        [sys.executable, str(HERE / "vllm_session.py"), str(base), dtype, asked, *map(str, order)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )


def by_transformers(base: Path, checkpoint: Path) -> list[str]:
    engine = create_engine(
        "transformers",
        base,
        dtype="float32",
        threads=1,
        max_model_len=96,
        gpu_memory_utilization=0.8,
        device="cpu",
    )
    try:
        engine.load(checkpoint_tensors(checkpoint))
        return engine.generate(REQUESTS)
    finally:
        engine.close()


def with_other_embedding(checkpoint: Path, folder: Path) -> Path:
    """A checkpoint that differs from another in the (tied) embedding alone."""
    folder.mkdir()
    tensors = load_file(checkpoint / "model.safetensors")
    generator = torch.Generator().manual_seed(5)
    embedding = tensors["model.embed_tokens.weight"]
    tensors["model.embed_tokens.weight"] = embedding + 0.2 * torch.randn(
        embedding.shape, generator=generator
    )
    save_file(tensors, folder / "model.safetensors")
    shutil.copy(checkpoint / "config.json", folder)
    return folder


@pytest.mark.parametrize("tied", [True, False])
def test_swaps_agree_with_transformers_and_leave_no_trace(tied: bool, tmp_path: Path) -> None:
    a = save_tiny_llama(tmp_path / "a", seed=0, tied=tied)
    b = save_tiny_llama(tmp_path / "b", seed=1, tied=tied)
    c = with_other_embedding(a, tmp_path / "c")
    found = session(a, "float32", a, b, a, c, a)
    expected = {path: by_transformers(a, path) for path in (a, b, c)}
    assert len({tuple(texts) for texts in expected.values()}) == 3
    assert found["results"] == [expected[path] for path in (a, b, a, c, a)]
    assert found["after"] == expected[a]
    missing, unknown = found["refused"]
    assert missing.startswith("EngineError: weights: 1 tensors are missing")
    assert unknown.startswith("EngineError: weights: model.extra is no tensor")


def test_a_reload_that_gives_another_model_is_refused(tmp_path: Path) -> None:
    mixture = save_tiny(
        tmp_path / "a", "Qwen3MoeForCausalLM", seed=0, hidden_size=128, head_dim=64,
        num_attention_heads=2, num_key_value_heads=2, moe_intermediate_size=64,
    )  # fmt: skip
    done = run_session(mixture, "float32", mixture)
    if done.returncode == 0:
        # A vLLM that mends it must give what the library gives.
        found = json.loads(done.stdout)
        assert found["results"] == [by_transformers(mixture, mixture)]
    else:
        assert (
            "EngineError: the engine computes something else of Qwen3MoeForCausalLM" in done.stderr
        )
        assert "set spec.evaluation.engine to transformers" in done.stderr


def test_a_restarted_engine_with_another_history_gives_the_same(tmp_path: Path) -> None:
    a = save_tiny_llama(tmp_path / "a", seed=0)
    b = save_tiny_llama(tmp_path / "b", seed=1)
    first = session(a, "bfloat16", a, b, a)
    second = session(b, "bfloat16", b, b, a)
    assert first["results"][0] == first["results"][2] == second["results"][2]
    assert first["results"][1] == second["results"][0] == second["results"][1]
    assert first["results"][0] != first["results"][1]
