"""A fitted adapter in a folder that peft and vLLM open.

All modules get the same rank, filled up with zeros, and a scale of one: readers differ in which
patterns of ranks and alphas they follow. Names are those of the library's model, which adapters are
applied to. `cycleqd.weights.lora_fit` says what is written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.adapter_header import tied_embeddings
from cycleqd.checkpoints.files import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from cycleqd.checkpoints.folder import atomic_folder
from cycleqd.checkpoints.safetensors_file import build_header
from cycleqd.errors import InputError
from cycleqd.store.localfile import atomic_file, write_all
from cycleqd.weights import digest
from cycleqd.weights.adapter_expert import AdapterExpert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    import torch

    from cycleqd.checkpoints.modules import Modules
    from cycleqd.weights.checkpoint import Checkpoint
    from cycleqd.weights.experts import Expert
    from cycleqd.weights.lora_fit import LoraFit

_PREFIX = "base_model.model."


@dataclass(frozen=True)
class WrittenAdapter:
    """What was written.

    Attributes:
        rank: of every module.
        modules: how many got a product.
        saved: modules that are saved whole.
        nbytes: of the weights' file.
    """

    rank: int
    modules: int
    saved: int
    nbytes: int


def write_adapter(
    fit: LoraFit,
    base: Checkpoint,
    experts: Iterable[Expert],
    modules: Modules,
    folder: Path,
    *,
    base_uri: str,
    beside: Mapping[str, bytes],
) -> WrittenAdapter:
    """Write an adapter; the folder appears whole or not at all.

    Args:
        fit: the adapter.
        base: the base model.
        experts: of the run; those that are adapters tell how embeddings are adapted.
        modules: of the base.
        folder: a new folder.
        base_uri: what the adapter's configuration names as its base.
        beside: files that are written beside it, by name.

    Raises:
        InputError: it changes nothing by a product, or the folder exists and is not empty.
        StoreFull: the disk is full.
    """
    width = fit.rank
    if not width:
        raise InputError(
            "the member changes no matrix of the base by a product; export it without --format lora"
        )
    places = _Places(base, [e for e in experts if isinstance(e, AdapterExpert)], modules)
    tensors = places.saved(fit.whole)
    saved = len({name.rpartition(".")[0] for name in tensors})
    for name, pair in fit.pairs.items():
        tensors.update(places.pair(name, *_padded(*pair, width)))
    config = places.config(sorted(fit.pairs), fit.whole, width, base_uri)
    files = {ADAPTER_CONFIG_FILE: json.dumps(config, indent=2).encode() + b"\n", **beside}
    with atomic_folder(folder) as partial:
        for name, content in files.items():
            with atomic_file(partial / name) as descriptor:
                write_all(descriptor, content)
        nbytes = _write(tensors, partial / ADAPTER_FILE)
    return WrittenAdapter(width, len(fit.pairs), saved, nbytes)


def _write(tensors: Mapping[str, torch.Tensor], path: Path) -> int:
    entries = [(name, digest.NAMES[t.dtype], tuple(t.shape)) for name, t in sorted(tensors.items())]
    header, offsets, size = build_header(entries, {"format": "pt"})
    with atomic_file(path) as descriptor:
        write_all(descriptor, header, 0)
        for name, offset in offsets.items():
            write_all(descriptor, digest.tensor_bytes(tensors[name]), offset)
    return size


def _padded(
    left: torch.Tensor, right: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    rank = right.shape[0]
    wide, tall = left.new_zeros(left.shape[0], width), right.new_zeros(width, right.shape[1])
    wide[:, :rank], tall[:rank] = left, right
    return wide, tall


class _Places:
    """What peft calls the tensors of the base."""

    def __init__(self, base: Checkpoint, experts: list[AdapterExpert], modules: Modules) -> None:
        self._base = base
        self._names = modules.names
        self._linear = modules.linear
        self._tied = tied_embeddings(base.header)
        self._head = modules.head
        self._embeddings = {
            product.name for e in experts for product in e.header.products if product.embeds
        }

    def pair(self, name: str, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        """``left right`` in the names and orientation of the module."""
        module = f"{_PREFIX}{self._module(name)}"
        embeds = name in self._embeddings
        b, a = (right.T, left.T) if embeds or self._linear.get(name, False) else (left, right)
        if embeds:
            found = {f"{module}.lora_embedding_A": a, f"{module}.lora_embedding_B": b}
        else:
            found = {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
        return {key: tensor.contiguous() for key, tensor in found.items()}

    def saved(self, whole: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors that stand in the base's place, with all others of their modules."""
        modules = {name.rpartition(".")[0] for name in whole}
        tied = {
            f"{_PREFIX}{self._head}": tensor.contiguous()
            for name, tensor in whole.items()
            if name in self._tied
        }
        return tied | {
            f"{_PREFIX}{self._model_name(info.name)}": whole.get(
                info.name, self._base.tensor(info.name)
            ).contiguous()
            for info in self._base.tensors
            if info.name.rpartition(".")[0] in modules
        }

    def config(
        self, names: list[str], whole: Collection[str], rank: int, base_uri: str
    ) -> dict[str, Any]:
        """The content of ``adapter_config.json``.

        Args:
            names: the base's tensors that get a product.
            whole: those that are replaced.
            rank: of every product.
            base_uri: of the base.
        """
        saved = sorted({self._model_name(name).rpartition(".")[0] for name in whole})
        modules = [self._module(name) for name in names]
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base_uri.removeprefix("hf://").partition("@")[0],
            "inference_mode": True,
            "r": rank,
            "lora_alpha": rank,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": self._targets(modules),
            "modules_to_save": saved or None,
            "fan_in_fan_out": any(self._linear.get(name, False) for name in names),
            "ensure_weight_tying": not self._tied.isdisjoint([*names, *whole]),
        }

    def _targets(self, modules: list[str]) -> list[str]:
        """Ends of names where they mean these modules and no others, else whole names."""
        ends = {module.rpartition(".")[2] for module in modules}
        meant = {
            module
            for info in self._base.tensors
            if info.name.endswith(".weight")
            and (module := self._module(info.name)).rpartition(".")[2] in ends
        }
        return sorted(ends) if meant == set(modules) else modules

    def _module(self, name: str) -> str:
        return self._model_name(name).removesuffix(".weight")

    def _model_name(self, name: str) -> str:
        return self._names.get(name, name)
