"""An expert that is a PEFT LoRA: its task vector is a product, and is never multiplied out.

The file is mapped like a checkpoint's. What it holds is a few thousandths of the base, so a run of
adapters reads the base and little else. `cycleqd.checkpoints.adapter_header` says what belongs
where.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from cycleqd.checkpoints.adapter_header import UNTIE
from cycleqd.checkpoints.documents import quoted
from cycleqd.errors import CheckpointError
from cycleqd.weights import digest
from cycleqd.weights.blocks import equal
from cycleqd.weights.change import Change, LowRank
from cycleqd.weights.checkpoint import MappedFile

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.adapter_header import AdapterHeader, LowRankTensor
    from cycleqd.checkpoints.safetensors_file import TensorInfo
    from cycleqd.weights.checkpoint import Checkpoint

_FORMAT = "cycleqd-adapter-expert/1"


class AdapterExpert:
    """The task vector of an adapter, see `cycleqd.weights.experts.TaskVector`.

    Attributes:
        header: what the folder says about itself.
    """

    def __init__(self, header: AdapterHeader, base: Checkpoint) -> None:
        self.header = header
        self._base = base
        self._file = MappedFile(header.file)
        self._products = {product.name: product for product in header.products}
        self._parts: dict[str, tuple[bool, bool]] = {}
        self._digest: str | None = None

    @property
    def folder(self) -> Path:
        """Where the adapter is."""
        return self.header.folder

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """All that its file holds."""
        return self.header.file.tensors

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor of the file by its name there, a view that must not be written."""
        return self._file.tensor(name)

    def digest(self) -> str:
        """The digest of the base and of all that the adapter changes of it."""
        if self._digest is None:
            digests = {
                f"whole {name}": digest.of_tensor(name, self.tensor(info.name))
                for name, info in self.header.whole.items()
            }
            for product in self.header.products:
                text = f"{product.name}\0{product.scale!r}\0{product.transposed}"
                state = hashlib.sha256(text.encode())
                for info in (product.a, product.b):
                    state.update(digest.of_tensor("", self.tensor(info.name)))
                digests[f"product {product.name}"] = state.digest()
            text = f"{_FORMAT}\0{self._base.digest()}\0{digest.combine(digests)}"
            self._digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        return self._digest

    def rank(self, name: str) -> int:
        """See `TaskVector.rank`."""
        shape = self._base.tensor(name).shape
        replaced, multiplied = self._parts_of(name)
        if replaced:
            return min(shape, default=0)
        return min(self._products[name].a.shape[0], *shape) if multiplied else 0

    def change(self, name: str) -> Change | None:
        """See `TaskVector.change`."""
        replaced, multiplied = self._parts_of(name)
        if not (replaced or multiplied):
            return None
        return Change(
            self._base.tensor(name),
            whole=self.tensor(self.header.whole[name].name) if replaced else None,
            low_rank=self._low_rank(self._products[name]) if multiplied else None,
        )

    def check_tied(self) -> None:
        """See that embeddings and head stay one where the base ties them.

        Raises:
            CheckpointError: the adapter changes one of them alone.
        """
        header = self.header
        for name in sorted(header.tied):
            embedding = self._base.tensor(name)
            saved = header.whole.get(name)
            if saved is not None and not equal(embedding, self.tensor(saved.name)):
                embedding = self.tensor(saved.name)
                if not (header.heads or header.ties_adapters):
                    raise _changes_one(saved)
            for head in header.heads:
                if not equal(embedding, self.tensor(head.name)):
                    raise _changes_one(head)
            for product in header.head_products:
                twin = self._products.get(name)
                if twin is None or not self._equal(product, twin):
                    raise _changes_one(product.a)

    def _parts_of(self, name: str) -> tuple[bool, bool]:
        """Whether a tensor is replaced by another one, and whether its product is not zero."""
        if name not in self._parts:
            # peft saves embeddings beside their product even where they are the base's.
            info, product = self.header.whole.get(name), self._products.get(name)
            self._parts[name] = (
                info is not None and not equal(self._base.tensor(name), self.tensor(info.name)),
                product is not None and self._is_not_zero(product),
            )
        return self._parts[name]

    def _is_not_zero(self, product: LowRankTensor) -> bool:
        return all(bool(self.tensor(info.name).any()) for info in (product.a, product.b))

    def _low_rank(self, product: LowRankTensor) -> LowRank:
        a, b = self.tensor(product.a.name).float(), self.tensor(product.b.name).float()
        left, right = (a.T, b.T) if product.transposed else (b, a)
        return LowRank(left, right, product.scale)

    def _equal(self, product: LowRankTensor, twin: LowRankTensor) -> bool:
        ours, theirs = self._low_rank(product), self._low_rank(twin)
        return product.scale == twin.scale and all(
            torch.equal(x, y) for x, y in ((ours.left, theirs.left), (ours.right, theirs.right))
        )


def _changes_one(info: TensorInfo) -> CheckpointError:
    return CheckpointError(f"{info.file}: tensor {quoted(info.name)}: {UNTIE}")
