"""What lies where a checkpoint should: the most specific reason why it is none, by names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"


def why_no_checkpoint(names: Iterable[str], place: str) -> str | None:
    """Why a folder with these files is no checkpoint, and what to do; None where it may be one.

    Args:
        names: of files, relative to the folder; those in folders of it too, one level deep.
        place: the folder as the user wrote it.

    Returns:
        A sentence that goes on after the folder's name.
    """
    found = sorted(names)
    if _CONFIG in found or _ADAPTER in found:
        return None
    gguf = [name for name in found if name.endswith(".gguf")]
    if gguf:
        return (
            f"holds a GGUF file ({gguf[0]}) and no {_CONFIG}; GGUF is for inference, name the "
            "folder of the safetensors weights that it was made of"
        )
    for wanted in (_CONFIG, _ADAPTER):
        for name in found:
            if name.endswith(f"/{wanted}"):
                inner = name.removesuffix(f"/{wanted}")
                return f"has no {wanted}, its folder {inner} has; name {place.rstrip('/')}/{inner}"
    if any(name.startswith("consolidated.") or name == "params.json" for name in found):
        return (
            f"has no {_CONFIG}, but its maker's own format (consolidated.*, params.json); name the "
            "folder of the model in Hugging Face format"
        )
    return f"has no {_CONFIG}; name a folder in Hugging Face format"
