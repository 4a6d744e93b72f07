"""What a checkpoint folder says about itself before any weight is read. No torch.

`CheckpointHeader.open`, the one reader for weights, engines and the demo alike, reads
``config.json`` and the safetensors headers of a Hugging Face folder, single-file or sharded, and
lists its tensors in one canonical order that does not depend on how they were sharded: by block
(embeddings, layer 0, layer 1, ..., head), then by name. The coordinator derives the genome layout
of a run from it with `layout`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.configuration import read_config, ties_head
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_FILE,
    CONFIG_FILE,
    INDEX_FILE,
    SINGLE_FILE,
    check_companions,
    kind_of,
    read_json,
)
from cycleqd.checkpoints.safetensors_file import FileHeader, TensorInfo, read_header
from cycleqd.errors import CheckpointError
from cycleqd.evolution.genome import GenomeLayout, TensorSlot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# `model.layers.7.` (Llama, Qwen, Mistral, Gemma, Phi, NeoX, OPT), `transformer.h.7.` (GPT-2,
# Falcon, Bloom), `transformer.blocks.7.` (MPT), `encoder.layer.7.` (BERT), `backbone.layers.7.`.
# Digits of ASCII alone, for Python knows others; as many as `_check_layer` lets through.
_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.([0-9]{1,5})\.")
_NO_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.([0-9]{6,})\.")
_SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}\.safetensors$")
_MAX_FILE_NAME_BYTES = 255
_HEADS = frozenset({"lm_head", "embed_out", "output", "score", "classifier"})
_EMBEDDING = re.compile(r"embed|(?:^|\.)w[tp]e\.")
_POSITION = re.compile(r"position|(?:^|\.)wpe\.")
# What models compute from their configuration, and older versions of the library stored all the
# same: rotary frequencies, the scalar that masks, numbers of positions.
_BUFFERS = re.compile(r"(?:^|\.)(?:inv_freq|(?:cos|sin)_cached|masked_bias|position_ids)$")
# A causal mask has the name of a bias, but a shape that no bias has.
_MASK = re.compile(r"(?:^|\.)(?:attn|attention|self_attn)\.bias$")


@dataclass(frozen=True)
class CheckpointHeader:
    """A checkpoint's folder, configuration and tensors, no weights.

    Attributes:
        folder: where it is.
        config: ``config.json``.
        files: the headers of its safetensors files, by file name.
        tensors: in canonical order; a tied output head appears once, as the embedding.
        tied_heads: stored copies of a tied embedding that `tensors` leaves out.
        buffers: what a model computes by itself, no weights; `tensors` leaves them out.
        short: tensors with fewer rows than the base's, whose other rows are kept.
        retied: whether the head was fitted to a base that ties its own, or does not.
    """

    folder: Path
    config: dict[str, Any]
    files: tuple[FileHeader, ...]
    tensors: tuple[TensorInfo, ...]
    tied_heads: tuple[TensorInfo, ...] = ()
    buffers: tuple[TensorInfo, ...] = ()
    short: frozenset[str] = frozenset()
    retied: bool = False

    @classmethod
    def open(cls, folder: Path) -> CheckpointHeader:
        """Read the configuration and headers of a folder.

        Raises:
            CheckpointError: the folder is no safetensors checkpoint, or a file of it is broken.
        """
        kind = kind_of(folder)
        if kind != "folder":
            found = "no such folder" if kind is None else f"is a {kind}, not a folder"
            raise CheckpointError(f"{folder}: {found}; give the path of a checkpoint folder")
        files = tuple(_file_headers(folder))
        tensors: dict[str, TensorInfo] = {}
        for file in files:
            for tensor in file.tensors:
                _check_layer(tensor)
                if tensor.name in tensors:
                    raise CheckpointError(
                        f"{file.path}: tensor {quoted(tensor.name)} is also in "
                        f"{tensors[tensor.name].file.name}; save the checkpoint again"
                    )
                tensors[tensor.name] = tensor
        buffers = tuple(tensor for tensor in tensors.values() if _is_buffer(tensor))
        for buffer in buffers:
            del tensors[buffer.name]
        if not tensors:
            raise CheckpointError(f"{folder}: the checkpoint holds no tensors; save it again")
        config = read_config(folder)
        check_companions(folder)
        heads = _tied_heads(config, tensors)
        for head in heads:
            del tensors[head.name]
        return cls(folder, config, files, ordered(tensors.values()), heads, buffers)

    def renamed(self, names: Mapping[str, str]) -> CheckpointHeader:
        """The same checkpoint with other names for some tensors, a new name for each old one."""

        def other(tensors: Iterable[TensorInfo]) -> tuple[TensorInfo, ...]:
            return tuple(replace(t, name=names.get(t.name, t.name)) for t in tensors)

        files = tuple(replace(file, tensors=other(file.tensors)) for file in self.files)
        return replace(
            self,
            files=files,
            tensors=ordered(other(self.tensors)),
            tied_heads=other(self.tied_heads),
            buffers=other(self.buffers),
        )

    @property
    def by_name(self) -> dict[str, TensorInfo]:
        """The tensors by name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors together."""
        return sum(tensor.nbytes for tensor in self.tensors)


def layout(
    base: CheckpointHeader,
    experts: Sequence[str],
    rank: int | None,
    limits: Mapping[str, int] | None = None,
) -> GenomeLayout:
    """The genome layout of a run: which numbers describe a child of this base.

    Args:
        base: the base model; expert checkpoints do not matter.
        experts: expert names, in the manifest's order.
        rank: singular directions kept for each matrix, None for all.
        limits: the largest rank of an expert's task vector by tensor, where it is known to be less
            than full; beyond it there are no directions.

    Returns:
        One slot for each tensor in canonical order. Matrices have ``min(rank, rows, columns)``
        directions, or fewer by ``limits``; vectors and tensors of more than two axes (stacked
        experts of some mixture-of-experts checkpoints) have none and are addressed by their scale
        alone.
    """
    blocks = block_numbers(tensor.name for tensor in base.tensors)
    slots = []
    for tensor in base.tensors:
        full = min(tensor.shape) if len(tensor.shape) == 2 else 0
        if limits is not None:
            full = min(full, limits.get(tensor.name, full))
        kept = full if rank is None else min(rank, full)
        slots.append(TensorSlot(tensor.name, tensor.shape, kept, blocks[tensor.name]))
    return GenomeLayout(tuple(experts), tuple(slots))


def block_numbers(names: Iterable[str]) -> dict[str, int]:
    """The block of each tensor: embeddings 0, layer ``N`` is ``N + 1``, last norm and head last."""
    names = list(names)
    layers = {name: int(match[1]) for name in names if (match := _LAYER.search(name))}
    last = max(layers.values(), default=-1) + 2

    def block(name: str) -> int:
        if name in layers:
            return layers[name] + 1
        return 0 if _EMBEDDING.search(name) and not is_head(name) else last

    return {name: block(name) for name in names}


def is_embedding(name: str) -> bool:
    """Whether a tensor is an embedding of tokens, by its name; positions are none."""
    return _EMBEDDING.search(name) is not None and not is_head(name) and not _POSITION.search(name)


def is_head(name: str) -> bool:
    """Whether a tensor belongs to an output head, by its name."""
    return not _HEADS.isdisjoint(name.split("."))


def ordered(tensors: Iterable[TensorInfo]) -> tuple[TensorInfo, ...]:
    """Tensors in canonical order."""
    tensors = list(tensors)
    blocks = block_numbers(tensor.name for tensor in tensors)
    return tuple(sorted(tensors, key=lambda t: (blocks[t.name], _natural_key(t.name), t.name)))


def _is_buffer(tensor: TensorInfo) -> bool:
    if _BUFFERS.search(tensor.name):
        return True
    is_mask = len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1)
    return is_mask and _MASK.search(tensor.name) is not None


def _natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts ``experts.10`` after ``experts.9``; numbers of any length, by length and digits."""
    parts = re.split(r"([0-9]+)", name)
    numbers = [part.lstrip("0") for part in parts[1::2]]
    key = [(-1, part) for part in parts]
    key[1::2] = [(len(number), number) for number in numbers]
    return tuple(key)


def _check_layer(tensor: TensorInfo) -> None:
    """The genome has a place for each layer up to the last, so their number is bounded."""
    wrong = _NO_LAYER.search(tensor.name)
    if wrong is not None:
        raise CheckpointError(
            f"{tensor.file}: tensor {quoted(tensor.name)}: found a layer number of "
            f"{len(wrong[1])} digits, expected at most 5; save the model with save_pretrained"
        )


def _tied_heads(config: dict[str, Any], tensors: dict[str, TensorInfo]) -> tuple[TensorInfo, ...]:
    """Output heads that a checkpoint stores although its configuration ties them."""
    if not ties_head(config):
        return ()
    embeddings = {
        (t.shape, t.dtype)
        for t in tensors.values()
        if _EMBEDDING.search(t.name) and "lm_head" not in t.name
    }
    return tuple(
        t
        for t in tensors.values()
        if "lm_head.weight" in t.name and (t.shape, t.dtype) in embeddings
    )


def _file_headers(folder: Path) -> list[FileHeader]:
    # The order of precedence is that of transformers.
    _refuse_two_models(folder)
    if kind_of(folder / SINGLE_FILE) is not None:
        return [read_header(folder / SINGLE_FILE)]
    if kind_of(folder / INDEX_FILE) is not None:
        return _sharded(folder)
    if kind_of(folder / ADAPTER_CONFIG_FILE) is not None:
        raise CheckpointError(
            f"{folder}: a LoRA adapter, not a model; as an expert it is taken as it is, here merge "
            "it into its base first (PeftModel.merge_and_unload, then save_pretrained)"
        )
    pickles = sorted(p.name for s in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(s))
    if pickles:
        raise CheckpointError(
            f"{folder}: weights only as pickle ({quoted(pickles[0])}), which can run code when "
            "loaded; convert to safetensors with save_pretrained(..., safe_serialization=True)"
        )
    raise CheckpointError(f"{folder}: neither {SINGLE_FILE} nor {INDEX_FILE}; {_instead(folder)}")


def _refuse_two_models(folder: Path) -> None:
    """Which of a model and an adapter is meant, the user must say: transformers takes either."""
    weights = next((n for n in (SINGLE_FILE, INDEX_FILE) if kind_of(folder / n) is not None), None)
    if weights is None or kind_of(folder / ADAPTER_CONFIG_FILE) is None:
        return
    if kind_of(folder / ADAPTER_FILE) is not None:
        raise CheckpointError(
            f"{folder}: both a model ({weights}) and an adapter ({ADAPTER_FILE}); leave one of "
            "them in the folder"
        )


def _instead(folder: Path) -> str:
    """What lies in a folder without weights of a name that is read, and what to do."""
    files = sorted(path.name for s in ("*.gguf", "*.safetensors") for path in folder.glob(s))
    seen = f"found {', '.join(map(quoted, files[:3]))}" if files else "found no safetensors file"
    if any(name.endswith(".gguf") for name in files):
        return (
            f"{seen}; GGUF is for inference, name the folder of the safetensors weights that it "
            "was made of"
        )
    if any(_SHARD.search(name) for name in files):
        return f"{seen}, a part of them; download the index too, which tells what is in which part"
    if any(name.startswith("consolidated.") for name in files):
        return f"{seen}, its maker's own format; name the model's folder in Hugging Face format"
    inner = sorted(path.parent.name for path in folder.glob(f"*/{CONFIG_FILE}"))
    if inner:
        return f"its folder {quoted(inner[0])} has a {CONFIG_FILE} too; name that one"
    return f"{seen}; save the model with save_pretrained"


def _sharded(folder: Path) -> list[FileHeader]:
    index = folder / INDEX_FILE
    weight_map = read_json(index, unique=True).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(v, str) for v in weight_map.values()):
        raise CheckpointError(
            f"{index}: no weight_map of tensor names to file names; save it again"
        )
    files: dict[str, FileHeader] = {}
    for shard in sorted(set(weight_map.values())):
        # Only a plain name: an index must not reach files outside its folder.
        if not _is_file_name(shard):
            raise CheckpointError(
                f"{index}: names the file {quoted(shard)} outside the checkpoint folder; "
                "only plain file names are allowed"
            )
        if kind_of(folder / shard) is None:
            raise CheckpointError(
                f"{folder / shard}: missing shard that {INDEX_FILE} names; download it again"
            )
        files[shard] = read_header(folder / shard)
    held = {shard: {tensor.name for tensor in file.tensors} for shard, file in files.items()}
    for name, shard in weight_map.items():
        if name not in held[shard]:
            raise CheckpointError(
                f"{folder / shard}: lacks tensor {quoted(name)} that {INDEX_FILE} names; "
                "save it again"
            )
    for shard, header in files.items():
        for tensor in header.tensors:
            if weight_map.get(tensor.name) != shard:
                raise CheckpointError(
                    f"{folder / shard}: holds tensor {quoted(tensor.name)} that {INDEX_FILE} does "
                    "not place there; save the checkpoint again"
                )
    return list(files.values())


def _is_file_name(name: str) -> bool:
    if name in {"", ".", ".."} or not name.isprintable() or "\\" in name:
        return False
    return Path(name).name == name and len(name.encode()) <= _MAX_FILE_NAME_BYTES
