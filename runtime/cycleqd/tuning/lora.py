"""Low-rank adapters beside the linear layers of a model in memory (LoRA, Hu et al., 2021).

The model's weights stay as they are, in whatever dtype: a hook adds ``B A x`` to what a layer
computes. So a merged model that an engine holds is trained without a copy of it, and without its
adapters it is the same model again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from cycleqd.errors import EngineError

Matrices = tuple[torch.Tensor, torch.Tensor]
"""``B`` (rows, rank) and ``A`` (rank, columns), fp32: a product."""

Pair = tuple[nn.Parameter, nn.Parameter]
"""The same, to be trained; the adapter adds ``scale B A``."""


@contextmanager
def adapted(
    model: nn.Module,
    weights: Collection[str],
    begin: Mapping[str, Matrices],
    *,
    rank: int,
    scale: float,
    seed: int,
) -> Iterator[dict[str, Pair]]:
    """Give linear layers adapters while the block runs; nothing else can be trained in it.

    Args:
        model: in memory; its parameters keep their values.
        weights: names of the layers' weights, such as ``model.layers.0.mlp.up_proj.weight``.
        begin: what adapters add at first, by weight; at most of the rank.
        rank: of each adapter; less where a layer is smaller.
        scale: factor of the product, alpha / rank in the paper.
        seed: of first values beyond these: A is uniform as in the paper's code, B is zero.

    Yields:
        The adapters by weight, in the order of the names.

    Raises:
        EngineError: a name is no weight of a linear layer.
    """
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    with ExitStack() as undo:
        undo.callback(_require, model, trained)
        _require(model, dict.fromkeys(trained, False))
        pairs = {}
        for name in sorted(weights):
            layer = _linear(model, name)
            left, right = _fresh(name, layer, min(rank, *layer.weight.shape), seed)
            if name in begin:
                old_left, old_right = begin[name]
                known = old_right.shape[0]
                left[:, :known] = old_left / scale
                right[:known] = old_right
            device = layer.weight.device
            pairs[name] = nn.Parameter(left.to(device)), nn.Parameter(right.to(device))
            hook = layer.register_forward_hook(partial(_add, pairs[name], scale))
            undo.callback(hook.remove)
        yield pairs


def _require(model: nn.Module, trained: dict[str, bool]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained[name])


def _linear(model: nn.Module, name: str) -> nn.Linear:
    path, _, last = name.rpartition(".")
    try:
        layer = model.get_submodule(path)
    except AttributeError:
        layer = None
    if last != "weight" or not isinstance(layer, nn.Linear):
        raise EngineError(f"{name}: is no weight of a linear layer, which alone can be tuned")
    return layer


def _fresh(name: str, layer: nn.Linear, rank: int, seed: int) -> Matrices:
    """An adapter that adds nothing yet; its values depend on the seed and the name alone."""
    rows, columns = layer.weight.shape
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:6], "big"))
    bound = columns**-0.5  # kaiming_uniform_ with a of sqrt(5)
    right = torch.empty(rank, columns).uniform_(-bound, bound, generator=generator)
    return torch.zeros(rows, rank), right


def _add(
    pair: Pair,
    scale: float,
    layer: nn.Module,  # noqa: ARG001 - given by torch
    given: tuple[torch.Tensor, ...],
    computed: Any,  # noqa: ANN401 - as torch gives it
) -> torch.Tensor:
    left, right = pair
    added = nn.functional.linear(nn.functional.linear(given[0].to(right.dtype), right), left)
    result: torch.Tensor = computed + scale * added.to(computed.dtype)
    return result
