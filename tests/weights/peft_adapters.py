"""Adapters that peft itself makes, saves and merges: what ours must equal."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from tests.checkpoints import family

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedModel

State = dict[str, torch.Tensor]


def llama(folder: Path, *, tied: bool = False, dtype: str = "float32", **config: Any) -> Path:
    """The folder of a small random Llama."""
    return family(folder, experts=(), tied=tied, dtype=dtype, **config)["base"]


def gpt2(folder: Path) -> Path:
    """The folder of a small random GPT-2, whose layers are transformers' Conv1D."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=48, n_positions=64, n_embd=64, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder / "base")
    return folder / "base"


def trained(
    base: Path,
    folder: Path,
    *,
    seed: int = 1,
    dtype: torch.dtype = torch.float32,
    prepare: Callable[[PreTrainedModel], object] = lambda model: None,
    **options: Any,
) -> Path:
    """An adapter folder as peft saves it, with random numbers in all that it trains.

    Args:
        base: the model.
        folder: a new folder.
        seed: of the numbers.
        dtype: what they are saved in.
        prepare: done to the base's copy before it is given an adapter.
        options: of peft's LoraConfig.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
        prepare(plain)
        torch.manual_seed(seed)
        config = LoraConfig(task_type="CAUSAL_LM", **options)
        model = get_peft_model(plain, config, autocast_adapter_dtype=False)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    noise = torch.randn(parameter.shape, generator=generator) * 0.05
                    parameter.add_(noise.to(parameter.dtype))
        model.save_pretrained(str(folder))
    return folder


def opened(base: Path, adapter: Path) -> PeftModel:
    """The adapter on its base as peft opens it, all in float64."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
        return PeftModel.from_pretrained(plain, adapter, autocast_adapter_dtype=False).double()


def merged(base: Path, adapter: Path) -> State:
    """What peft merges, all in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = opened(base, adapter).merge_and_unload()
    return {name: tensor.detach().clone() for name, tensor in whole.state_dict().items()}


def answers(model: torch.nn.Module) -> torch.Tensor:
    """The logits of a model on a few tokens."""
    tokens = torch.randint(0, 48, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=tokens).logits
    return found


def answers_of(base: Path, state: State) -> torch.Tensor:
    """The logits of the base's architecture with other weights, in float64."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    model.load_state_dict(state, strict=False)
    return answers(model)
