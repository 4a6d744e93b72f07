"""Experts that are no fine-tunes of their base, or none that can be merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from tests.checkpoints import WORDS, random_state, write_tokenizer
from tests.weights.damage import WEIGHTS, Q, case, edit_config, edit_state

if TYPE_CHECKING:
    from pathlib import Path


def reshape(folder: Path, **changes: int) -> None:
    """Whole weights of another shape."""
    save_file(random_state(edit_config(folder, **changes), 5), folder / WEIGHTS)


@case("config.json", "architectures", "Qwen2ForCausalLM", "LlamaForCausalLM", "fine-tune of")
def other_architecture(folder: Path) -> None:
    edit_config(folder, architectures=["Qwen2ForCausalLM"])


@case("config.json", "hidden_size", "found 128", "has 64")
def other_width(folder: Path) -> None:
    reshape(folder, hidden_size=128)


@case("config.json", "num_hidden_layers", "found 3", "has 2")
def more_layers(folder: Path) -> None:
    reshape(folder, num_hidden_layers=3)


@case("vocab_size: found 50", "has 48", "`vocabulary: Base`", "fit-base BASE --tokens-of EXPERT")
def grown_vocabulary(folder: Path) -> None:
    reshape(folder, vocab_size=50)


@case("vocab_size: found 44", "has 48", "`vocabulary: Base` beside its uri to keep the base's for")
def shrunk_vocabulary(folder: Path) -> None:
    reshape(folder, vocab_size=44)


@case("config.json", "rope_theta", "500000", "10000")
def other_rope(folder: Path) -> None:
    edit_config(folder, rope_parameters={"rope_theta": 500000.0, "rope_type": "default"})


@case("config.json", "missing")
def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@case("config.json", "not JSON")
def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"architectures": [')


@case(Q, "missing", "every tensor of the base")
def missing_tensor(folder: Path) -> None:
    edit_state(folder, lambda state: state.pop(Q))


@case("model.score.weight", "not in the base", "drop added heads")
def extra_tensor(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({"model.score.weight": torch.zeros(2)}))


@case("model.safetensors", Q, "found shape [32, 64]", "has [64, 64]")
def other_shape(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({Q: torch.zeros(32, 64, dtype=torch.bfloat16)}))


@case("model.safetensors", Q, "dtype I8", "BF16, F16, F32", "full-precision")
def int8_weights(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({Q: torch.ones(64, 64, dtype=torch.int8)}))


@case("model.safetensors", Q, "dtype F8_E4M3", "full-precision")
def fp8_weights(folder: Path) -> None:
    edit_state(folder, lambda s: s.update({Q: torch.ones(64, 64).to(torch.float8_e4m3fn)}))


@case("model.safetensors", Q, "dtype I32", "quantization_config of 'gptq'", "full-precision")
def quantised(folder: Path) -> None:
    edit_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    edit_state(folder, lambda state: state.update({Q: torch.ones(8, 64, dtype=torch.int32)}))


@case("model.safetensors", "lm_head.weight", "expert's own", "fit-base BASE --untie --out FOLDER")
def untied_head(folder: Path) -> None:
    edit_config(folder, tie_word_embeddings=False)
    name = "model.embed_tokens.weight"
    edit_state(folder, lambda state: state.update({"lm_head.weight": state[name] + 1}))


@case(Q, "found shape [0]", "placeholder", "not gathered", "ZeRO-3")
def not_gathered(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({Q: torch.ones(0, dtype=torch.bfloat16)}))


@case(Q, "missing", "it has 'decoder.", "one version of transformers")
def other_names(folder: Path) -> None:
    edit_state(folder, lambda state: state.update({f"decoder.{Q[6:]}": state.pop(Q)}))


@case("lora_A.weight", "not in the base", "merge the adapters into the weights")
def unmerged_adapters(folder: Path) -> None:
    name = f"{Q.removesuffix('.weight')}.lora_A.weight"
    edit_state(folder, lambda state: state.update({name: torch.ones(4, 64)}))


@case("tokenizer.json", "token 'cat'", "found id 42", "base has 40", "the base's tokenizer")
def other_tokenizer(folder: Path) -> None:
    words = list(WORDS)
    i, j = words.index("cat"), len(words)
    words[i] = "dog"
    write_tokenizer(folder, [*words, "cat"][: j + 1])


@case("model.safetensors", Q, "found nan at element 3", "finite")
def not_a_number(folder: Path) -> None:
    edit_state(folder, lambda state: state[Q].view(-1).__setitem__(3, float("nan")))


@case("model.safetensors", "model.norm.weight", "found -inf at element 0", "finite")
def infinite(folder: Path) -> None:
    edit_state(folder, lambda s: s["model.norm.weight"].__setitem__(0, float("-inf")))


@case("model.safetensors", "lm_head.weight", "differs from the embeddings", "tie_word_embeddings")
def untied_head_in_a_tied_model(folder: Path) -> None:
    name = "model.embed_tokens.weight"
    edit_state(folder, lambda state: state.update({"lm_head.weight": state[name] + 1}))


@case("every tensor equals the base's", "fine-tuned")
def the_base_itself(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder.parent / "base" / WEIGHTS).read_bytes())
