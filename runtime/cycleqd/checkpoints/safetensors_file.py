"""The safetensors format: headers read with suspicion, headers written canonically. No torch.

A file is eight bytes of header length (little endian), a JSON header, and the data section. A
header comes from wherever the user downloaded it, so nothing in it is believed: lengths, shapes,
types and offsets must describe the data section exactly, without overlap, hole or excess. That also
catches truncated downloads, the common accident. Only this module knows the format.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.documents import parse_object, quoted
from cycleqd.checkpoints.files import opened, refuse_pointer
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Bytes per element; types that safetensors knows and we cannot merge are listed so that a file with
# them parses and the refusal names the tensor.
ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8,
}  # fmt: skip
FLOAT_TYPES = frozenset({"F32", "F16", "BF16"})

# The limit of the reference implementation: no real model comes near it.
MAX_HEADER_BYTES = 100_000_000
# More than any model has, and what every library can follow.
_MAX_AXES = 32
# Sizes and offsets are 64-bit numbers everywhere else.
_MAX_SIZE = 1 << 63
_LENGTH_BYTES = 8
# Written data sections start on a multiple of this, so that mapped tensors are aligned for SIMD.
_ALIGNMENT = 64


@dataclass(frozen=True)
class TensorInfo:
    """Where one tensor lies.

    Attributes:
        name: its name.
        dtype: the safetensors name of its type, ``BF16`` for instance.
        shape: its shape.
        file: the file that holds it.
        start: first byte in the file.
        nbytes: length in bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    nbytes: int


@dataclass(frozen=True)
class FileHeader:
    """The checked header of one file.

    Attributes:
        path: the file.
        raw: the length field and the header as stored; equal bytes mean an equal data layout.
        tensors: in the order of their data.
        metadata: the ``__metadata__`` strings.
        size: bytes of the whole file.
    """

    path: Path
    raw: bytes
    tensors: tuple[TensorInfo, ...]
    metadata: dict[str, str]
    size: int


def read_header(path: Path) -> FileHeader:
    """Read and check the header of a safetensors file.

    Raises:
        CheckpointError: the file is missing, truncated, or its header is not valid.
    """
    with opened(path) as (file, size):
        prefix = file.read(_LENGTH_BYTES)
        if len(prefix) < _LENGTH_BYTES:
            raise _bad(path, f"has {size} bytes, a safetensors file at least {_LENGTH_BYTES}")
        refuse_pointer(path, prefix)
        start = data_start(prefix)
        length = start - _LENGTH_BYTES
        if length > MAX_HEADER_BYTES:
            raise _bad(path, f"announces a header of {length} bytes, at most {MAX_HEADER_BYTES}")
        if start > size:
            raise _bad(path, f"has {size} bytes but its header alone ends at {start}")
        text = file.read(length)
    document = _parse(path, text)
    metadata = document.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad(path, "__metadata__ must map strings to strings")
    tensors = [_tensor(path, start, name, entry) for name, entry in document.items()]
    tensors.sort(key=lambda tensor: (tensor.start, tensor.nbytes))
    _check_cover(path, start, size, tensors)
    return FileHeader(path, prefix + text, tuple(tensors), metadata, size)


def data_start(prefix: bytes) -> int:
    """Where the data section begins, by a file's first eight bytes."""
    return _LENGTH_BYTES + int.from_bytes(prefix[:_LENGTH_BYTES], "little")


def build_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: dict[str, str]
) -> tuple[bytes, dict[str, int], int]:
    """The header of a new file whose data follow in the given order.

    Args:
        tensors: (name, safetensors dtype, shape).
        metadata: at most one entry keeps the bytes independent of hash seeds; sorted anyway.

    Returns:
        The bytes before the data section, each tensor's first byte in the file, the file's size.
    """
    document: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    position = 0
    for name, dtype, shape in tensors:
        nbytes = math.prod(shape) * ITEM_BYTES[dtype]
        offsets = [position, position + nbytes]
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        position += nbytes
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    start = 8 + len(text)
    document.pop("__metadata__", None)
    offsets_by_name = {name: start + entry["data_offsets"][0] for name, entry in document.items()}
    return len(text).to_bytes(8, "little") + text, offsets_by_name, start + position


def _bad(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: not a whole safetensors file: {problem}; download or save it again"
    )


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        return parse_object(text, unique=True)
    except ValueError as error:
        raise _bad(path, f"the header {error}") from error


def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_SIZE


def _tensor(path: Path, data_start: int, name: str, entry: object) -> TensorInfo:
    def bad(problem: str) -> CheckpointError:
        return _bad(path, f"tensor {quoted(name)} {problem}")

    # A name travels into messages, reports and the headers of children.
    if not name or not name.isprintable():
        raise bad("has a name that is empty or cannot be printed")
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise bad("lacks dtype, shape or data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise bad(f"has unknown dtype {quoted(dtype)}")
    if not isinstance(shape, list) or not all(map(_natural, shape)):
        raise bad(f"has shape {quoted(shape)}, expected non-negative integers below 2**63")
    if len(shape) > _MAX_AXES:
        raise bad(f"has {len(shape)} axes, expected at most {_MAX_AXES}")
    # An empty tensor's other axes count too: libraries multiply them all the same.
    if math.prod(axis or 1 for axis in shape) * ITEM_BYTES[dtype] >= _MAX_SIZE:
        raise bad(f"has shape {quoted(shape)}, expected fewer than 2**63 bytes")
    if (
        not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(map(_natural, offsets))
        or offsets[0] > offsets[1]
    ):
        raise bad(f"has data_offsets {quoted(offsets)}, expected [begin, end], 0 <= begin <= end")
    nbytes = math.prod(shape) * ITEM_BYTES[dtype]
    if offsets[1] - offsets[0] != nbytes:
        needed = f"its shape {quoted(shape)} of {dtype} needs {nbytes}"
        raise bad(f"has {offsets[1] - offsets[0]} bytes, {needed}")
    return TensorInfo(name, dtype, tuple(shape), path, data_start + offsets[0], nbytes)


def _check_cover(path: Path, data_start: int, size: int, tensors: list[TensorInfo]) -> None:
    end = data_start
    for tensor in tensors:
        if tensor.start != end:
            how = (
                "overlaps the tensor before it" if tensor.start < end else "leaves a hole before it"
            )
            where = f"(byte {tensor.start}, expected {end})"
            raise _bad(path, f"tensor {quoted(tensor.name)} {how} {where}")
        end += tensor.nbytes
    if size < end:
        raise _bad(path, f"truncated: it has {size} bytes, its tensors end at {end}")
    if size > end:
        raise _bad(path, f"{size - end} bytes follow the last tensor")
