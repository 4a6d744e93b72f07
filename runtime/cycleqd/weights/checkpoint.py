"""A checkpoint's weights as mapped tensors: opened in milliseconds, read when touched.

Files are mapped privately, so several workers of a machine share the page cache, nothing is copied,
and an accidental write to a tensor can never reach the file.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from cycleqd.checkpoints.alignment import aligned_names
from cycleqd.checkpoints.compatibility import check_types
from cycleqd.checkpoints.header import CheckpointHeader
from cycleqd.checkpoints.vocabulary import fitted
from cycleqd.errors import CheckpointError
from cycleqd.weights import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cycleqd.checkpoints.safetensors_file import FileHeader, TensorInfo

TORCH_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}

# One reads from the disk while another hashes; not the run's threads, which arithmetic depends on.
_HASHERS = 2


class MappedFile:
    """One safetensors file, mapped.

    Args:
        header: its checked header.

    Raises:
        CheckpointError: the file cannot be mapped.
    """

    def __init__(self, header: FileHeader) -> None:
        self.header = header
        # shared=False is a private mapping: the page cache is shared, writes stay in this process.
        try:
            self._bytes = torch.from_file(
                str(header.path), shared=False, size=header.size, dtype=torch.uint8
            )
        except RuntimeError as error:
            raise CheckpointError(
                f"{header.path}: cannot be mapped into memory ({_first_line(error)}); "
                "see that nothing changes the file and that the process may map its size"
            ) from error
        self._tensors = {tensor.name: tensor for tensor in header.tensors}

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def vector(self) -> torch.Tensor:
        """The whole data section as one flat vector, for a file of a single type.

        Raises:
            ValueError: tensors have several types.
        """
        dtypes = {tensor.dtype for tensor in self.header.tensors}
        if len(dtypes) != 1:
            raise ValueError(f"{self.header.path} holds tensors of {len(dtypes)} types")
        return _view(self._bytes, len(self.header.raw), self.header.size, TORCH_TYPES[dtypes.pop()])

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor by name, a view of the file.

        Raises:
            KeyError: the file has no such tensor.
        """
        info = self._tensors[name]
        end = info.start + info.nbytes
        return _view(self._bytes, info.start, end, TORCH_TYPES[info.dtype]).view(info.shape)


def _first_line(error: RuntimeError) -> str:
    return str(error).partition("\n")[0]


def _view(data: torch.Tensor, start: int, end: int, dtype: torch.dtype) -> torch.Tensor:
    """Bytes as a flat vector of ``dtype``."""
    raw = data[start:end]
    if start % dtype.itemsize:
        # Old writers did not pad the header; such data cannot be viewed in place.
        raw = raw.clone()
    return raw.view(dtype)


class Checkpoint:
    """The weights of a checkpoint folder.

    Attributes:
        header: what the folder says about itself.
        files: the mapped files by path.
    """

    def __init__(self, header: CheckpointHeader) -> None:
        check_types(header)
        self.header = header
        self.files = {file.path: MappedFile(file) for file in header.files}
        self._by_name = {t.name: t for t in (*header.tensors, *header.tied_heads)}
        self._digest: str | None = None

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Map the files of a folder.

        Raises:
            CheckpointError: the folder is no readable safetensors checkpoint of floats.
        """
        return cls(CheckpointHeader.open(path))

    def aligned(self, base: Checkpoint) -> Checkpoint:
        """The same weights under the base's names, where only a prefix tells them apart."""
        names = aligned_names(base.header.by_name, self.header.by_name)
        return Checkpoint(self.header.renamed(names)) if names else self

    def fitted(self, base: Checkpoint, *, base_vocabulary: bool = False) -> Checkpoint:
        """The same weights in the form of the base: head tied or not, and the base's rows.

        Args:
            base: the base.
            base_vocabulary: whether another number of rows is taken (`vocabulary: Base`).
        """
        header = fitted(self.header, base.header, base_vocabulary=base_vocabulary)
        return self if header is self.header else Checkpoint(header)

    @property
    def folder(self) -> Path:
        """Where the checkpoint is."""
        return self.header.folder

    @property
    def tensors(self) -> tuple[TensorInfo, ...]:
        """Names, shapes and types in canonical order."""
        return self.header.tensors

    def tensor(self, name: str) -> torch.Tensor:
        """A tensor by name, a view of the mapped file that must not be written.

        Raises:
            KeyError: the checkpoint has no such tensor.
        """
        return self.files[self._by_name[name].file].tensor(name)

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for info in self.tensors:
            yield info.name, self.tensor(info.name)

    def digest(self, hashers: int = _HASHERS) -> str:
        """The digest of the weights (`cycleqd.weights.digest`), hashed once and in parallel."""
        if self._digest is None:
            names = [info.name for info in self.tensors]
            with ThreadPoolExecutor(hashers) as pool:
                digests = pool.map(lambda name: digest.of_tensor(name, self.tensor(name)), names)
                self._digest = digest.combine(dict(zip(names, digests, strict=True)))
        return self._digest
