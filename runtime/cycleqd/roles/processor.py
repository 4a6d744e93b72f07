"""What an evaluation on the processor will suffer from, told before it begins."""

from __future__ import annotations

from pathlib import Path

FACTS = Path("/proc/cpuinfo")
"""What Linux knows of the processor."""

_FLAGS = ("flags", "Features")  # x86 and Arm
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def advice(dtype: str, gpus: tuple[str, ...], facts: str) -> str | None:
    """What to say of a dtype that the processor can only emulate.

    Args:
        dtype: of the evaluation.
        gpus: that the workers use; none where they compute on the processor.
        facts: text of `FACTS`, empty where that is unknown.

    Returns:
        A sentence, or None where there is nothing to say.
    """
    lines = [line.partition(":") for line in facts.splitlines()]
    flags = next((found.split() for name, _, found in lines if name.strip() in _FLAGS), None)
    if dtype != "bfloat16" or gpus or flags is None or _BFLOAT16.intersection(flags):
        return None
    return (
        "spec.evaluation.dtype: this processor only emulates bfloat16; float32 is several times "
        "faster here"
    )


def facts() -> str:
    """The text of `FACTS`, empty on other systems."""
    try:
        return FACTS.read_text(errors="replace")
    except OSError:
        return ""
