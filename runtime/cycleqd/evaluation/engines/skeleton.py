"""The model that an engine makes of a checkpoint, without weights.

On torch's meta device a model of any size is made in a moment and takes no memory. It tells what no
file does: which tensors the architecture has, under which names, which of them are one, and whether
a checkpoint fills all of them. What the library would only warn of, and then compute with random
numbers, is refused here by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import CONFIG_FILE
from cycleqd.errors import CheckpointError, EngineError
from cycleqd.evaluation.engines.placement import Placement

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader
    from cycleqd.checkpoints.modules import Modules


# Kinds of layers whose memory is keys and values alone.
_ATTENTIONS = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


@dataclass(frozen=True)
class Skeleton:
    """What a checkpoint's architecture says of its tensors.

    Attributes:
        architecture: name of the model's class.
        embedding: the checkpoint's name of the tokens' embeddings.
        head: the checkpoint's name of the output head; that of the embeddings where it is tied.
        not_for_vllm: why vLLM cannot serve it here; None where it can.
        can_learn: whether it has layers that `evolution.tune` can train.
        modules: where it has the checkpoint's tensors.
    """

    architecture: str
    embedding: str
    head: str
    not_for_vllm: str | None
    can_learn: bool
    modules: Modules


def read_skeleton(header: CheckpointHeader) -> Skeleton:
    """Make the model of a checkpoint without weights, and see that its tensors fill it.

    Raises:
        CheckpointError: the library does not know the architecture, or tensors are missing, too
            many, or of the wrong shape.
    """
    model = _model(header)
    architecture = type(model).__name__
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    placement = Placement(model, shapes)
    strange = [name for name in placement.unplaced if name not in placement.ignored]
    try:
        missing = placement.missing({n: s for n, s in shapes.items() if n not in strange})
    except EngineError as error:
        raise CheckpointError(
            f"{header.folder}: does not fit {architecture}: {str(error).removeprefix('weights: ')};"
            f" see that {CONFIG_FILE} is that of these weights"
        ) from error
    if missing:
        raise CheckpointError(
            f"{header.folder}: lacks {quoted(missing[0])}{_more(missing)} of {architecture}"
            f"{_instead(strange)}; {_remedy(strange)}"
        )
    if strange:
        raise CheckpointError(
            f"{header.by_name[strange[0]].file}: tensor {quoted(strange[0])}{_more(strange)}: "
            f"{architecture} has no place for it; drop what was added before saving"
        )
    if (pair := placement.twice()) is not None:
        raise CheckpointError(
            f"{header.folder / CONFIG_FILE}: {' and '.join(map(quoted, pair))} are one tensor of "
            f"{architecture}, which ties its output head by default; set tie_word_embeddings to "
            "true there if they are equal, to false if they are not"
        )
    embedding = placement.source_of(_weight(model.get_input_embeddings()))
    head = placement.source_of(_weight(model.get_output_embeddings())) or embedding
    if embedding is None or head is None:
        raise CheckpointError(
            f"{header.folder}: {architecture} has no embeddings and output head that are stored as"
            " they are; use a model that generates text"
        )
    return Skeleton(
        architecture,
        embedding,
        head,
        not_for_vllm=_not_for_vllm(model),
        can_learn=bool(placement.tunable()),
        modules=placement.modules(),
    )


def read_settings(folder: Path) -> Any:  # noqa: ANN401 - transformers has no types
    """A checkpoint's configuration as the library reads it, a ``transformers.PreTrainedConfig``.

    Raises:
        CheckpointError: the library does not know the kind of model, or refuses a value.
    """
    from transformers import AutoConfig  # noqa: PLC0415  # slow to import

    try:
        return AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers documents no errors of its own
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: transformers cannot read it: {_line(error)}; correct it, or "
            "use a model whose architecture is part of transformers"
        ) from error


def _model(header: CheckpointHeader) -> Any:  # noqa: ANN401 - transformers has no types
    from transformers import AutoModelForCausalLM  # noqa: PLC0415  # slow to import

    settings = read_settings(header.folder)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(settings)
    except Exception as error:  # transformers documents no errors of its own
        raise CheckpointError(
            f"{header.folder / CONFIG_FILE}: no causal language model of transformers can be made "
            f"of model_type {quoted(header.config.get('model_type'))}: {_line(error)}; use a model "
            "that generates text"
        ) from error


def _not_for_vllm(model: Any) -> str | None:  # noqa: ANN401 - transformers has no types
    """What `engines.vllm` was found not to do, or cannot do; its self test finds the rest."""
    if any("experts" in name.split(".") for name, _ in model.named_parameters()):
        # After a reload of the very same weights no item was answered right.
        return "swaps the experts of a mixture wrongly"
    text = model.config.get_text_config(decoder=True)
    if text is not model.config:
        return "opens images and sound too, and needs what processes them"
    if model._is_stateful or set(getattr(text, "layer_types", None) or ()) - _ATTENTIONS:  # noqa: SLF001 - the library's word for it
        return "keeps states that are not emptied between two candidates"
    return None


def _weight(module: Any) -> torch.Tensor:  # noqa: ANN401 - transformers has no types
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, torch.Tensor) else torch.empty(0)


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _instead(strange: list[str]) -> str:
    return f", but holds {quoted(strange[0])}{_more(strange)}" if strange else ""


def _remedy(strange: list[str]) -> str:
    """What to do where a model's tensors have other names."""
    if strange and all(name.startswith("_orig_mod.") for name in strange):
        return "it was compiled by torch.compile when it was saved; save its _orig_mod instead"
    if strange and all(name.startswith("module.") for name in strange):
        return "it was wrapped for training when it was saved; save its module instead"
    return "save the whole model with save_pretrained"


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
