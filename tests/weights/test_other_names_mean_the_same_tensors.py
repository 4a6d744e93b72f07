"""An expert whose tensors differ from the base's by a prefix alone is read under the base's names.

What a model computes by itself is no weight under any name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from cycleqd.checkpoints.alignment import aligned_names
from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.checkpoints.links import linked
from cycleqd.run.models import RunModels
from cycleqd.weights.check import check_base, check_expert
from cycleqd.weights.checkpoint import Checkpoint
from tests.checkpoints import family
from tests.run.test_a_run_is_continued_from_any_folder import evolve, lay_out
from tests.weights.damage import INDEX, WEIGHTS, edit_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.runtime

BUFFERS = {
    "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16),
    "model.rotary_emb.inv_freq": torch.ones(16, dtype=torch.float64),
    "model.layers.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool),
    "model.layers.1.attn.masked_bias": torch.tensor(-1e4),
    "model.embeddings.position_ids": torch.arange(8),
}


@pytest.fixture
def expert(tmp_path: Path) -> Path:
    return family(tmp_path, experts=("expert",))["expert"]


@pytest.mark.parametrize(
    "other",
    [
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: name.removeprefix("model."),
    ],
)
def test_a_prefix_changes_nothing(expert: Path, other: Callable[[str], str]) -> None:
    base = Checkpoint.open(expert.parent / "base")
    plain = Checkpoint.open(expert)
    digest, tensors = plain.digest(), {name: tensor.clone() for name, tensor in plain}
    state = load_file(expert / WEIGHTS)
    save_file({other(name): tensor for name, tensor in state.items()}, expert / WEIGHTS)

    renamed = Checkpoint.open(expert)
    assert {info.name for info in renamed.tensors} == {other(name) for name in tensors}
    found = renamed.aligned(base)
    check_expert(base, found)
    assert found.digest() == digest
    assert [info.name for info in found.tensors] == [info.name for info in base.tensors]
    assert all(torch.equal(found.tensor(name), tensor) for name, tensor in tensors.items())


def test_a_run_s_workers_read_the_same_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "here")
    monkeypatch.chdir(folder)
    plain = Checkpoint.open(folder / "models/sql").digest()
    state = load_file(folder / "models/sql" / WEIGHTS)
    renamed = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    save_file(renamed, folder / "models/sql" / WEIGHTS)
    run = evolve(folder, tmp_path)
    models = RunModels(run, tmp_path).under_way()
    assert models.experts["sql"].digest() == plain == run.document.experts["sql"].digest
    assert "model.layers.0.self_attn.q_proj.weight" in models.factors["sql"].ranks


@pytest.mark.parametrize(
    ("base", "expert", "names"),
    [
        ({"h.0.w", "wte.w"}, {"h.0.w", "wte.w"}, {}),
        ({"h.0.w", "wte.w"}, {"t.h.0.w", "t.wte.w"}, {"t.h.0.w": "h.0.w", "t.wte.w": "wte.w"}),
        ({"t.h.0.w", "t.wte.w"}, {"h.0.w", "wte.w"}, {"h.0.w": "t.h.0.w", "wte.w": "t.wte.w"}),
        # Something more is not to be hidden, something less neither.
        ({"h.0.w"}, {"t.h.0.w", "score"}, {"t.h.0.w": "h.0.w"}),
        ({"t.h.0.w"}, {"h.0.w", "score"}, {}),
        ({"h.0.w", "wte.w"}, {"t.h.0.w"}, {}),
        ({"h.0.w", "h.1.w"}, {"t.h.0.w", "u.h.1.w"}, {}),
        (set(), {"w"}, {}),
    ],
)
def test_only_a_prefix_of_all_names_is_believed(
    base: set[str], expert: set[str], names: dict[str, str]
) -> None:
    assert aligned_names(base, expert) == names


# What is quadratic takes longer than the limit by far, on any machine.
@pytest.mark.timeout(60)
def test_many_prefixes_take_no_time() -> None:
    base = {f"a{number}" for number in range(50_000)} | {"the.longest.of.all"}
    expert = {f"p{number}.the.longest.of.all" for number in range(50_000)}
    assert aligned_names(base, expert) == {}


@pytest.mark.parametrize("holders", [("expert",), ("base",), ("base", "expert")])
def test_buffers_are_no_weights(expert: Path, holders: tuple[str, ...]) -> None:
    before = Checkpoint.open(expert).digest()
    names = [info.name for info in Checkpoint.open(expert).tensors]
    for holder in holders:
        edit_state(expert.parent / holder, lambda state: state.update(BUFFERS))
    base, found = Checkpoint.open(expert.parent / "base"), Checkpoint.open(expert)
    check_base(base)
    check_expert(base, found)
    assert [info.name for info in found.tensors] == names
    assert found.digest() == before


def test_a_placeholder_that_the_base_lacks_is_no_weight(expert: Path) -> None:
    edit_state(expert, lambda state: state.update({"model.extra": torch.ones(0)}))
    check_expert(Checkpoint.open(expert.parent / "base"), Checkpoint.open(expert))


def test_engines_are_given_what_was_read(tmp_path: Path) -> None:
    single = family(tmp_path / "a", experts=())["base"]
    for name in ("adapter_model.safetensors", "consolidated.safetensors"):
        save_file({"other": torch.ones(1)}, single / name)
    (single / INDEX).write_text('{"weight_map": {"gone": "model-00001-of-00002.safetensors"}}')
    shards = family(tmp_path / "b", experts=(), shards=2)["base"]
    save_file({"other": torch.ones(1)}, shards / "model-00009-of-00009.safetensors")
    companions = ["config.json", "generation_config.json"]
    tokenizer = ["tokenizer.json", "tokenizer_config.json"]
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for folder, weights in ((single, [WEIGHTS]), (shards, [*parts, INDEX])):
        header = CheckpointHeader.open(folder)
        with linked(header) as links:
            assert sorted(p.name for p in links.iterdir()) == sorted(
                [*companions, *weights, *tokenizer]
            )
            assert CheckpointHeader.open(links).by_name.keys() == header.by_name.keys()
        assert not links.exists()
