"""A member as a LoRA adapter of its base, in a folder that peft and vLLM open.

What a genome of adapters adds to a matrix is a sum of products. Side by side they are one product,
and a QR of each side and a small singular value decomposition give the two thin matrices of least
rank that it has. That is exact, to the rounding of float32; with a rank given it is the closest of
that rank (Eckart and Young, 1936). All modules get the same rank, filled up with zeros, and a scale
of one: readers differ in which patterns of ranks and alphas they follow.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cycleqd.checkpoints.files import ADAPTER_CONFIG_FILE, ADAPTER_FILE
from cycleqd.checkpoints.folder import atomic_folder
from cycleqd.checkpoints.safetensors_file import build_header
from cycleqd.errors import InputError
from cycleqd.store.localfile import atomic_file, write_all
from cycleqd.weights import digest
from cycleqd.weights.adapter_expert import AdapterExpert
from cycleqd.weights.svd import factor_product

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cycleqd.checkpoints.adapter_header import LowRankTensor
    from cycleqd.evolution.genome import Genome
    from cycleqd.weights.checkpoint import Checkpoint
    from cycleqd.weights.combine import Product
    from cycleqd.weights.experts import Expert
    from cycleqd.weights.materialize import Materializer

# Directions below it are the rounding of the float32 factors that were summed.
_NEGLIGIBLE = 2.0**-20
_PREFIX = "base_model.model."
_INSTEAD = "export it without --format lora"


@dataclass(frozen=True)
class ExportedAdapter:
    """What was written.

    Attributes:
        rank: of every module.
        modules: how many got a product.
        saved: modules that are saved whole, since an expert replaces them.
        relative_error: of all products together, by the Frobenius norm; 0 unless cut.
        nbytes: of the weights' file.
    """

    rank: int
    modules: int
    saved: int
    relative_error: float
    nbytes: int


def export_adapter(
    materializer: Materializer,
    base: Checkpoint,
    experts: Mapping[str, Expert],
    genome: Genome,
    folder: Path,
    *,
    base_uri: str,
    rank: int | None = None,
) -> ExportedAdapter:
    """Write a genome as an adapter; the folder appears whole or not at all.

    Args:
        materializer: of the run.
        base: the base model.
        experts: the run's experts by name.
        genome: the member, of linear terms alone.
        folder: a new folder.
        base_uri: what the adapter's configuration names as its base.
        rank: cut every product to it; exact when absent.

    Raises:
        InputError: no adapter says what the genome does, or the folder exists and is not empty.
        StoreFull: the disk is full.
    """
    _check_exact(genome, experts)
    places = _Places(base, [e for e in experts.values() if isinstance(e, AdapterExpert)])
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    whole: dict[str, torch.Tensor] = {}
    kept = total = 0.0
    for number, slot in enumerate(genome.layout.tensors):
        recipe = materializer.task_vector(genome, number)
        if recipe.sources:
            whole[slot.name] = materializer.tensor(genome, number)
        elif recipe.products:
            left, right, energy = _compressed(recipe.products, rank)
            total += energy
            kept += float(left.double().square().sum())
            if right.shape[0]:
                root = left.norm(dim=0).sqrt()
                pairs[slot.name] = left / root, right * root[:, None]
    width = max((right.shape[0] for _, right in pairs.values()), default=0)
    if not width:
        raise InputError(f"the member changes no matrix of the base by a product; {_INSTEAD}")
    tensors = places.saved(whole)
    saved = len({name.rpartition(".")[0] for name in tensors})
    for name, pair in pairs.items():
        tensors.update(places.pair(name, *_padded(*pair, width)))
    config = places.config(sorted(pairs), whole, width, base_uri)
    with atomic_folder(folder) as partial:
        with atomic_file(partial / ADAPTER_CONFIG_FILE) as descriptor:
            write_all(descriptor, json.dumps(config, indent=2).encode() + b"\n")
        nbytes = _write(tensors, partial / ADAPTER_FILE)
    # A difference of nearly equal sums is their rounding.
    lost = max(0.0, total - kept) / total
    error = math.sqrt(lost) if lost > _NEGLIGIBLE**2 and rank is not None else 0.0
    return ExportedAdapter(width, len(pairs), saved, error, nbytes)


def _check_exact(genome: Genome, experts: Mapping[str, Expert]) -> None:
    terms = {
        "noise": [term.coefficient for term in genome.noise],
        "the stored task vector of a candidate": [term.coefficient for term in genome.dense],
        "a merge that is not linear in the experts": [term.coefficient for term in genome.merged],
    }
    for what, coefficients in terms.items():
        if any(coefficients):
            raise InputError(f"the member's genome holds {what}, which is no product; {_INSTEAD}")
    for index, name in enumerate(genome.layout.experts):
        if genome.scale[index].any() and not isinstance(experts[name], AdapterExpert):
            raise InputError(
                f"the member takes a share of expert {name}, a full checkpoint, whose task vector "
                f"is no product; {_INSTEAD}"
            )


def _compressed(
    products: tuple[Product, ...], rank: int | None
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """A sum of products as the one of least rank, and the square of its norm."""
    left = torch.cat([p.left.double() * torch.from_numpy(p.gain).double() for p in products], dim=1)
    right = torch.cat([p.right.double() for p in products])
    first, second = factor_product(left, right, min(left.shape[0], *right.shape))
    values = first.double().norm(dim=0)
    kept = int((values > values.max() * _NEGLIGIBLE).sum()) if len(values) else 0
    kept = kept if rank is None else min(kept, rank)
    return first[:, :kept], second[:kept], float(values.square().sum())


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
    """What peft calls the tensors of the base, as the experts' adapters say."""

    def __init__(self, base: Checkpoint, experts: list[AdapterExpert]) -> None:
        self._base = base
        self._prefix = next((e.header.prefix for e in experts), "")
        self._tied = frozenset(name for e in experts for name in e.header.tied)
        self._heads = sorted({head.name for e in experts for head in e.header.heads})
        self._known: dict[str, LowRankTensor] = {
            product.name: product for expert in experts for product in expert.header.products
        }

    def pair(self, name: str, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
        """``left right`` in the names and orientation of the module."""
        module = f"{_PREFIX}{self._module(name)}"
        known = self._known.get(name)
        b, a = (right.T, left.T) if known is not None and known.transposed else (left, right)
        if known is not None and known.embeds:
            found = {f"{module}.lora_embedding_A": a, f"{module}.lora_embedding_B": b}
        else:
            found = {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
        return {key: tensor.contiguous() for key, tensor in found.items()}

    def saved(self, whole: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors that stand in the base's place, with all others of their modules."""
        modules = {name.rpartition(".")[0] for name in whole}
        tied = [tensor for name, tensor in whole.items() if name in self._tied]
        return {head: tied[0].contiguous() for head in self._heads if tied} | {
            f"{_PREFIX}{self._prefixed(info.name)}": whole.get(
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
        saved = sorted({self._prefixed(name).rpartition(".")[0] for name in whole})
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
            "fan_in_fan_out": any(
                known.transposed and not known.embeds
                for name in names
                if (known := self._known.get(name)) is not None
            ),
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
        return self._prefixed(name.removesuffix(".weight"))

    def _prefixed(self, name: str) -> str:
        # A head stands beside what the prefix is for.
        return name if name.startswith("lm_head") else f"{self._prefix}{name}"
