"""A candidate as coefficients: kilobytes instead of gigabytes.

Every model that linear crossover and expert-SVD mutation can reach from the experts is exactly::

    W = W_base + sum_e  scale[e, t] * tau_e,t  +  L_e,t diag(gain[e, t, :]) R_e,t

with ``tau_e,t = W_expert - W_base`` the task vector of expert ``e`` in tensor ``t`` and
``L_e,t R_e,t`` the leading ``rank`` directions of its singular value decomposition
(``L = U diag(s)``, ``R = V^T``, so a gain of 1 on all directions of a full-rank tensor adds
``tau`` once more). The expert itself is ``scale = 1, gain = 0``. Splitting a uniform *scale* from
the per-direction *gain* keeps vectors (norms, biases) in the same formula, stores truncated ranks
small, and lets a materialiser skip the matrix product where the gain is zero.

What lies outside that span is a *term* (`Noise`, `Dense`, `Merged`, `ChildSVD`), each naming the
operator, its seed and its coefficient; terms stay closed under linear combination, except for
`ChildSVD`, which applies to the sum of everything else and whose result is stored (see
``docs/concepts.md``).

What a member has learned is a low-rank *adapter*, ``B_a,t A_a,t`` in some tensors, stored once
under the candidate that was trained. Genomes refer to it with a factor for each tensor, so adapters
pass through every crossover like the experts do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FORMAT = "cycleqd-genome/1"
EXTENDED = "cycleqd-genome/2"
"""Only genomes with adapters or merged terms need it; all others stay files that every version
reads."""

MergeMethod = Literal["TIES", "DARE", "IsoC", "TSVM", "OPCM"]


@dataclass(frozen=True)
class TensorSlot:
    """One tensor of the base model as the genome sees it.

    Attributes:
        name: the tensor's name in the base checkpoint.
        shape: its shape.
        rank: singular directions that a genome may address, 0 for vectors.
        block: number of the block it belongs to (0 for embeddings, then one for each layer, the
            last for the head), the grain of ``crossover.granularity: Block``.
    """

    name: str
    shape: tuple[int, ...]
    rank: int
    block: int


@dataclass(frozen=True)
class GenomeLayout:
    """Which number of a genome belongs to which expert, tensor and direction.

    Derived from the base checkpoint's header and the run's rank setting alone, and fixed in
    ``run.json``: it depends on no weights.

    Attributes:
        experts: expert names, the first axis of ``scale`` and ``gain``.
        tensors: the tensors in checkpoint order, the second axis of ``scale``.
    """

    experts: tuple[str, ...]
    tensors: tuple[TensorSlot, ...]
    _offsets: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        offsets = tuple(accumulate((slot.rank for slot in self.tensors), initial=0))
        object.__setattr__(self, "_offsets", offsets)

    @property
    def directions(self) -> int:
        """Singular directions of all tensors together, the second axis of ``gain``."""
        return self._offsets[-1]

    def directions_of(self, tensor: int) -> slice:
        """Where tensor number ``tensor`` lies on the second axis of ``gain``."""
        return slice(self._offsets[tensor], self._offsets[tensor + 1])

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return 1 + max((slot.block for slot in self.tensors), default=-1)

    def expert_index(self, name: str) -> int:
        """The position of an expert on the first axis.

        Raises:
            KeyError: no expert has this name.
        """
        try:
            return self.experts.index(name)
        except ValueError:
            raise KeyError(name) from None

    def to_json(self) -> dict[str, Any]:
        """The form stored in ``run.json``."""
        return {
            "experts": list(self.experts),
            "tensors": [
                {"name": t.name, "shape": list(t.shape), "rank": t.rank, "block": t.block}
                for t in self.tensors
            ],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> GenomeLayout:
        """The inverse of `to_json`."""
        return cls(
            experts=tuple(document["experts"]),
            tensors=tuple(
                TensorSlot(t["name"], tuple(t["shape"]), t["rank"], t["block"])
                for t in document["tensors"]
            ),
        )


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on every tensor, regenerated from its seed (the paper's ablation).

    Attributes:
        candidate: number of the candidate it was drawn for; with the run's seed it keys the stream.
        stddev: standard deviation of each element.
        coefficient: factor left after crossovers.
    """

    candidate: int
    stddev: float
    coefficient: float


@dataclass(frozen=True)
class Dense:
    """The stored task vector of a candidate that no coefficients describe.

    Attributes:
        candidate: id of the candidate whose ``task-vector.safetensors`` holds it.
        coefficient: factor.
    """

    candidate: str
    coefficient: float


@dataclass(frozen=True)
class Merged:
    """The task vectors of all experts merged by a method that is not linear in them.

    What the method gives follows from the experts and the run's seed, so terms of one method and
    density are multiples of one vector and add up like those.

    Attributes:
        method: how they are merged (`cycleqd.weights.merged_vectors`).
        density: share of the elements that ``TIES`` and ``DARE`` keep of each task vector, None for
            methods without one.
        coefficient: factor of the merged task vector.
    """

    method: MergeMethod
    density: float | None
    coefficient: float

    def __post_init__(self) -> None:
        if self.method not in get_args(MergeMethod):
            raise ValueError(f"no merge method {self.method!r}")
        if (self.density is not None) != (self.method in ("TIES", "DARE")) or (
            self.density is not None and not 0.0 < self.density <= 1.0
        ):
            raise ValueError(f"{self.method} cannot have density {self.density}")


@dataclass(frozen=True)
class ChildSVD:
    """The singular values of the child's own task vector, each multiplied by ``1 + w``.

    Applied last, to the sum of everything else; ``w ~ U[0, max_scale]`` for each direction.

    Attributes:
        candidate: number of the candidate it was drawn for; with the run's seed it keys the stream.
        max_scale: upper limit of ``w``.
        rank: leading directions that are scaled, None for all.
    """

    candidate: int
    max_scale: float
    rank: int | None


@dataclass(frozen=True, eq=False)
class Genome:
    """The coefficients of one model.

    Attributes:
        layout: what the axes mean.
        scale: (experts, tensors) float32, factor of each task vector.
        gain: (experts, directions) float32, additional factor of each singular direction, or None
            where all are zero.
        noise: Gaussian terms.
        dense: stored task vectors added with a coefficient.
        child_svd: applied last, None for most genomes.
        adapters: ids of the candidates whose ``adapter.safetensors`` are added, sorted.
        adapter_scale: (adapters, tensors) float32, factor of each; None where there are none.
        merged: merged task vectors added with a coefficient.
    """

    layout: GenomeLayout
    scale: Float32
    gain: Float32 | None = None
    noise: tuple[Noise, ...] = ()
    dense: tuple[Dense, ...] = ()
    child_svd: ChildSVD | None = None
    adapters: tuple[str, ...] = ()
    adapter_scale: Float32 | None = None
    merged: tuple[Merged, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.layout.experts), len(self.layout.tensors))
        if self.scale.shape != expected or self.scale.dtype != np.float32:
            raise ValueError(
                f"scale must be float32 of shape (experts, tensors) = {expected}, "
                f"not {self.scale.dtype} of shape {self.scale.shape}"
            )
        if self.gain is not None:
            expected = (len(self.layout.experts), self.layout.directions)
            if self.gain.shape != expected or self.gain.dtype != np.float32:
                raise ValueError(
                    f"gain must be float32 of shape (experts, directions) = {expected}, "
                    f"not {self.gain.dtype} of shape {self.gain.shape}"
                )
        expected = (len(self.adapters), len(self.layout.tensors))
        found = self.adapter_scale
        if (found is None) != (not self.adapters) or (
            found is not None and (found.shape != expected or found.dtype != np.float32)
        ):
            raise ValueError(
                f"adapter_scale must be float32 of shape (adapters, tensors) = {expected}, or None "
                "without adapters"
            )
        if list(self.adapters) != sorted(set(self.adapters)):
            raise ValueError(f"adapters must be sorted and differ, not {self.adapters}")

    @property
    def linear(self) -> bool:
        """Whether ``scale`` and ``gain`` say everything."""
        terms = (self.noise, self.dense, self.adapters, self.merged)
        return not any(terms) and self.child_svd is None

    def gain_of(self, expert: int, tensor: int) -> Float32 | None:
        """(rank,) float32 gains of one tensor, or None where all are zero."""
        if self.gain is None:
            return None
        gains: Float32 = self.gain[expert, self.layout.directions_of(tensor)]
        return gains if gains.any() else None

    def to_bytes(self) -> bytes:
        """A safetensors file that `from_bytes` reads; equal genomes give equal bytes."""
        tensors = {"scale": np.ascontiguousarray(self.scale)}
        if self.gain is not None:
            tensors["gain"] = np.ascontiguousarray(self.gain)
        terms: dict[str, Any] = {
            "noise": [[n.candidate, n.stddev, n.coefficient] for n in self.noise],
            "dense": [[d.candidate, d.coefficient] for d in self.dense],
            "childSVD": None
            if self.child_svd is None
            else [self.child_svd.candidate, self.child_svd.max_scale, self.child_svd.rank],
        }
        if self.adapter_scale is not None:
            tensors["adapterScale"] = np.ascontiguousarray(self.adapter_scale)
            terms["adapters"] = list(self.adapters)
        if self.merged:
            terms["merged"] = [[m.method, m.density, m.coefficient] for m in self.merged]
        # One metadata key only: the safetensors writer orders several keys by a hash that differs
        # between processes.
        extended = self.adapters or self.merged
        document = {"format": EXTENDED if extended else FORMAT, **terms}
        data: bytes = save_safetensors(tensors, {"genome": json.dumps(document, sort_keys=True)})
        return data

    @classmethod
    def from_bytes(cls, layout: GenomeLayout, data: bytes) -> Genome:
        """The inverse of `to_bytes`.

        Raises:
            ValueError: the bytes are not a genome, or one of another layout.
        """
        try:
            tensors = load_safetensors(data)
            document = _metadata_of(data)
            child = document["childSVD"]
            genome = cls(
                layout=layout,
                scale=tensors.pop("scale"),
                gain=tensors.pop("gain", None),
                noise=tuple(Noise(int(c), float(s), float(k)) for c, s, k in document["noise"]),
                dense=tuple(Dense(str(c), float(k)) for c, k in document["dense"]),
                child_svd=None if child is None else _child_svd(*child),
                adapters=tuple(str(candidate) for candidate in document.get("adapters", [])),
                adapter_scale=tensors.pop("adapterScale", None),
                merged=tuple(_merged(*term) for term in document.get("merged", [])),
            )
        except ValueError:
            raise
        # Whatever else a parser stumbles over in bytes of another origin.
        except (SafetensorError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"not a genome: {type(error).__name__}: {error}") from error
        if tensors:
            raise ValueError(f"not a genome: it holds tensors {sorted(tensors)} beside its own")
        numbers = {
            "scale": genome.scale,
            "gain": genome.gain,
            "adapterScale": genome.adapter_scale,
        }
        for name, values in numbers.items():
            if values is not None and not np.isfinite(values).all():
                raise ValueError(f"not a genome: {name} holds numbers that are not finite")
        return genome


def _metadata_of(data: bytes) -> dict[str, Any]:
    """The document beside the tensors of a file that the safetensors reader accepted."""
    header_length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_length])
    document: dict[str, Any] = json.loads(header["__metadata__"]["genome"])
    extended = "adapters" in document or "merged" in document
    expected = EXTENDED if extended else FORMAT
    if document["format"] != expected:
        raise ValueError(f"genome format {document['format']!r}, expected {expected!r}")
    return document


def _child_svd(candidate: int, max_scale: float, rank: int | None) -> ChildSVD:
    return ChildSVD(int(candidate), float(max_scale), None if rank is None else int(rank))


def _merged(method: MergeMethod, density: float | None, coefficient: float) -> Merged:
    return Merged(method, None if density is None else float(density), float(coefficient))


def expert_genome(layout: GenomeLayout, expert: str) -> Genome:
    """The genome that is exactly one expert."""
    scale = np.zeros((len(layout.experts), len(layout.tensors)), np.float32)
    scale[layout.expert_index(expert)] = 1.0
    return Genome(layout, scale)


def base_genome(layout: GenomeLayout) -> Genome:
    """The genome that is the base model."""
    return Genome(layout, np.zeros((len(layout.experts), len(layout.tensors)), np.float32))


def scaled_experts_genome(layout: GenomeLayout, factors: Sequence[float]) -> Genome:
    """Task arithmetic: one factor for each expert (``1/E`` each is the uniform merge)."""
    column = np.asarray(factors, np.float32)[:, None]
    return Genome(layout, np.repeat(column, len(layout.tensors), axis=1))
