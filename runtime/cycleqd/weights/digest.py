"""One digest for the weights of a model, whatever form they are in.

The digest of a tensor is SHA-256 over its name, type, shape and little-endian bytes; the digest of
a model is SHA-256 over its tensors' digests sorted by name. It therefore does not depend on
sharding, on file metadata or on the order in which tensors pass by: a checkpoint on disk, the
tensors handed to an engine and a child written to a folder have the same digest exactly if they are
the same model.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from hashlib import _Hash

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}


def begin(name: str, dtype: str, shape: Iterable[int]) -> _Hash:
    """The hash of one tensor before its bytes."""
    return hashlib.sha256(f"{name}\0{dtype}\0{','.join(map(str, shape))}\0".encode())


def of_tensor(name: str, tensor: torch.Tensor) -> bytes:
    """The digest of one tensor on any device."""
    state = begin(name, NAMES[tensor.dtype], tensor.shape)
    state.update(tensor_bytes(tensor))
    return state.digest()


def combine(digests: Mapping[str, bytes]) -> str:
    """The digest of a model, ``sha256:...``, from those of its tensors by name."""
    state = hashlib.sha256()
    for name in sorted(digests):
        state.update(digests[name])
    return f"sha256:{state.hexdigest()}"


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """The tensor's bytes in row-major order, without a copy where it is contiguous on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


class DigestingIterator:
    """Passes tensors through and hashes what passes; `digest` is known at the end.

    Args:
        tensors: (name, tensor) pairs, on any device.
    """

    def __init__(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        self._tensors = iter(tensors)
        self._digests: dict[str, bytes] = {}
        self._complete = False

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in self._tensors:
            # Before it is handed on: the receiver may consume the tensor.
            self._digests[name] = of_tensor(name, tensor)
            yield name, tensor
        self._complete = True

    @property
    def digest(self) -> str:
        """The digest of the model that passed.

        Raises:
            RuntimeError: the receiver has not taken all tensors.
        """
        if not self._complete:
            raise RuntimeError("the digest is known when all tensors have been taken")
        return combine(self._digests)
