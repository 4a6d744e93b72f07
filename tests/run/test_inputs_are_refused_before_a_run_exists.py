"""What cannot run is refused at admission: every problem at once, by field, file and line.

Nothing was begun then: the store holds neither ``run.json`` nor items.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from cycleqd.checkpoints.source import resolve
from cycleqd.cli.ending import run_command
from cycleqd.errors import CheckpointError, DatasetError, RunMismatch, StoreDenied
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.run import admission, admitted_checkpoints
from cycleqd.run.admission import admit
from cycleqd.store import open_store
from cycleqd.store.memory import MemoryStore
from tests.checkpoints import WORDS, write_tokenizer
from tests.run.beginning import TEMPLATE, begin, edit, items, laid_out, refused
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS
from tests.weights.damage import INDEX, edit_config, edit_state

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.runtime


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return laid_out(tmp_path, monkeypatch)


def test_a_prompt_that_does_not_fit_is_named_by_file_and_line(place: Path) -> None:
    edit(place, lambda spec: spec["tasks"][0].update(maxNewTokens=2))
    items(place, "sql.search.jsonl", ["a cat", "cat " * 600, "the " * 510, "sat " * 511])
    why = "raise that, or shorten the prompt"
    assert refused(place, DatasetError) == [
        f"spec.tasks[0].items.search: sql.search.jsonl:{line}: prompt: has {tokens} tokens, which "
        f"with 2 new ones do not fit into spec.evaluation.maxModelLen of 512; {why}"
        for line, tokens in ((2, 600), (4, 511))
    ]


def test_a_store_that_had_no_folder_has_none_afterwards(place: Path) -> None:
    items(place, "sql.search.jsonl", ["cat " * 600])
    manifest = load_manifest(place / "run.json")
    store = open_store(str(place / "out" / "run"))
    with pytest.raises(DatasetError, match=r"^spec\.tasks\[0\]\.items\.search: "):
        admit(store, manifest, checkpoints=place / "scratch")
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "row"),
    [
        ("items.csv", "id,prompt,answer\n1,a cat,a\n2,{long},a\n", "items.csv:3"),
        (
            "items.json",
            (
                '[{{"id": 1, "prompt": "a cat", "answer": "a"}},\n'
                '{{"id": 2, "prompt": "{long}", "answer": "a"}}]'
            ),
            "items.json:2: item 2",
        ),
    ],
)
def test_a_prompt_of_another_format_is_named_by_its_row(
    place: Path, name: str, text: str, row: str
) -> None:
    (place / name).write_text(text.format(long="cat " * 600))
    edit(place, lambda spec: spec["tasks"][0]["items"].update(search=name))
    (line,) = refused(place, DatasetError)
    assert line.startswith(f"spec.tasks[0].items.search: {row}: prompt: has 600 tokens, which")


def test_a_format_that_cannot_be_read_here_is_told_by_the_field(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (place / "sql.test.jsonl").write_bytes(b"PAR1")
    (line,) = refused(place)
    assert line.startswith("spec.tasks[0].items.test: sql.test.jsonl: is Parquet, which pyarrow")


def test_a_base_without_a_tokenizer_is_refused(place: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (place / "models/base" / name).unlink()
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.base.uri: models/base: the tokenizer cannot be loaded")


def test_all_that_is_wrong_is_told_at_once(place: Path) -> None:
    items(place, "sql.search.jsonl", ["cat " * 600])
    (place / "python.test.jsonl").write_text('{"id": "1"}\n')
    edit_config(place / "models/sql", hidden_act="gelu")
    edit_state(place / "models/python", lambda state: state.pop("model.norm.weight"))
    lines = refused(place)
    assert [line.split(": ")[0] for line in lines] == [
        "spec.tasks[1].items.test",
        "spec.tasks[1].items.test",
        "spec.experts[0].uri",
        "spec.experts[1].uri",
        "spec.tasks[0].items.search",
    ]
    assert "python.test.jsonl:1: prompt: is missing" in lines[0]


def test_the_command_says_each_problem_on_a_line(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items(place, "sql.search.jsonl", ["cat " * 600, "sat " * 600])
    assert run_command(["run", str(place / "run.json"), "--store", str(place / "store")]) == 78
    lines = capsys.readouterr().err.splitlines()
    found = [line for line in lines if line.startswith("spec.tasks[0].items.search: sql.search")]
    assert len(found) == 2
    assert lines[-2:] == found
    assert not open_store(str(place / "store")).exists(keys.RUN)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (
            {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
            ("rope_parameters", "yarn", "'default'"),
        ),
        ({"rope_theta": 5e5}, ("rope_theta", "500000")),
        ({"hidden_act": "gelu"}, ("hidden_act", "'gelu'", "'silu'")),
        ({"attention_bias": True}, ("attention_bias", "True")),
        ({"model_type": "mistral", "architectures": None}, ("model_type", "'mistral'")),
    ],
)
def test_a_setting_that_changes_what_weights_mean_is_refused(
    place: Path, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    edit_config(place / "models/python", **change)
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.experts[1].uri: models/python/config.json: ")
    assert [part for part in parts if part not in line] == []


@pytest.mark.parametrize(
    "change",
    [
        {"head_dim": None},
        {"rope_theta": None, "rope_parameters": {"rope_theta": 1e4, "rope_type": "default"}},
        {"rope_scaling": None, "mlp_bias": False},
        {"max_position_embeddings": 4096, "use_cache": False, "unsloth_version": "2025.1"},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        {"initializer_range": 0.5, "attention_dropout": 0.1, "torch_dtype": "float32"},
    ],
)
def test_a_setting_said_in_another_way_is_taken(place: Path, change: dict[str, Any]) -> None:
    edit_config(place / "models/python", **change)
    assert begin(place, MemoryStore()).exists()


def test_what_the_engine_cannot_fill_is_refused_by_name(place: Path) -> None:
    for name in ("base", *SKILLS):
        edit_state(place / "models" / name, lambda state: state.pop("model.norm.weight"))
    (line,) = refused(place, CheckpointError)
    lacking = "spec.base.uri: models/base: lacks 'model.norm.weight' of LlamaForCausalLM"
    assert line == f"{lacking}; save the whole model with save_pretrained"


def test_a_compiled_base_is_refused_with_its_remedy(place: Path) -> None:
    def compiled(state: dict[str, torch.Tensor]) -> None:
        tensors = dict(state)
        state.clear()
        state.update({f"_orig_mod.{name}": tensor for name, tensor in tensors.items()})

    edit_state(place / "models/base", compiled)
    (line,) = refused(place, CheckpointError)
    assert "'_orig_mod." in line
    assert "torch.compile" in line


def test_left_over_files_are_not_read(place: Path) -> None:
    (place / "models/base" / INDEX).write_text('{"weight_map": {"a": "gone.safetensors"}}')
    (place / "models/base/consolidated.safetensors").write_bytes(b"no weights")
    (place / "models/sql/adapter_model.safetensors").write_bytes(b"no weights")
    assert begin(place, MemoryStore()).exists()


def test_added_tokens_are_told(place: Path) -> None:
    write_tokenizer(place / "models/python", [*WORDS, "<|im_end|>"])
    said: list[str] = []
    assert begin(place, MemoryStore(), said).exists()
    assert "expert python: the base's tokenizer is used, without '<|im_end|>'" in said


def test_what_may_lower_an_expert_s_scores_is_told(place: Path) -> None:
    (place / "models/python/generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    (place / "models/base/chat_template.jinja").write_text(TEMPLATE)
    config = json.loads((place / "models/sql/tokenizer_config.json").read_text())
    for name, template in (("sql", f"{TEMPLATE}\n"), ("python", f"{TEMPLATE}<s>")):
        path = place / "models" / name / "tokenizer_config.json"
        path.write_text(json.dumps({**config, "chat_template": template}))
    said: list[str] = []
    assert begin(place, MemoryStore(), said).exists()
    ends = "expert python: it ends texts with token 7 too, the base does not"
    assert [line.startswith(ends) for line in said[-1:]] == [True]
    edit(place, lambda spec: spec["tasks"][0].update(chat=True))
    begin(place, MemoryStore(), said)
    assert said[-1] == (
        "expert python: its own tokenizer and chat template would write prompts of task sql in "
        "other tokens than this run, so it may score less than by itself"
    )
    assert not [line for line in said if line.startswith("expert sql")]


def test_what_cannot_be_tuned_is_refused(place: Path) -> None:
    edit(place, lambda spec: spec["evolution"].update(tune={"share": "0.5"}))
    assert begin(place, MemoryStore()).exists()
    for name in ("base", *SKILLS):
        edit_state(place / "models" / name, without_prefix)
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.evolution.tune: LlamaForCausalLM has no linear layers under")


def without_prefix(state: dict[str, torch.Tensor]) -> None:
    tensors = dict(state)
    state.clear()
    state.update({name.removeprefix("model."): tensor for name, tensor in tensors.items()})


def test_a_store_that_fails_is_told_by_the_field(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(uri: str, *_: object) -> Path:
        if uri == "models/python":
            raise StoreDenied("s3://models/python: access denied")
        return resolve(uri, place)

    monkeypatch.setattr(admitted_checkpoints, "resolve", denied)
    with pytest.raises(StoreDenied, match=r"^spec\.experts\[1\]\.uri: s3://models/python: access"):
        begin(place, MemoryStore())


def test_items_of_an_attempt_that_did_not_begin_are_not_taken_for_these(place: Path) -> None:
    objects = MemoryStore()
    key = keys.items("sql", "search")
    objects.create(key, b"of an earlier version, which wrote them first\n")
    with pytest.raises(RunMismatch, match=rf"{key} holds other items, .*; remove that store, or"):
        begin(place, objects)
    assert not objects.exists(keys.RUN)


@pytest.mark.parametrize("requested", ["vllm", "Auto"])
def test_vllm_is_not_asked_for_what_it_cannot_swap(
    place: Path, requested: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "choose_engine", lambda _: "vllm")
    edit(place, lambda spec: spec.update(evaluation={"engine": requested, "maxModelLen": 1024}))
    (line,) = refused(place, CheckpointError)
    assert line.startswith("spec.evaluation.maxModelLen: 1024 is more than the 512 positions")
    edit(place, lambda spec: spec.update(evaluation={"engine": requested}))
    assert begin(place, MemoryStore()).document.engine == "vllm"

    for name in ("base", *SKILLS):
        mixture(place / "models" / name)
    if requested == "vllm":
        (line,) = refused(place, CheckpointError)
        assert line.startswith(
            "spec.evaluation.engine: vllm is not for MixtralForCausalLM: it swaps"
        )
        assert line.endswith("set it to transformers")
    else:
        assert begin(place, MemoryStore()).document.engine == "transformers"


def mixture(folder: Path) -> None:
    """Make a Llama a mixture of two experts each of which is its own feed-forward part."""

    def copied(state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if ".mlp." in name]:
            tensor = state.pop(name)
            layer, _, part = name.partition(".mlp.")
            new = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}[part.split(".")[0]]
            for number in range(2):
                place = f"{layer}.block_sparse_moe.experts.{number}.{new}.weight"
                state[place] = tensor.clone()
            state[f"{layer}.block_sparse_moe.gate.weight"] = torch.zeros(2, 64)

    edit_state(folder, copied)
    edit_config(
        folder,
        model_type="mixtral",
        architectures=["MixtralForCausalLM"],
        num_local_experts=2,
        num_experts_per_tok=2,
    )
