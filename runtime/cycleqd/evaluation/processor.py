"""What a processor can compute, as far as the system tells."""

from __future__ import annotations

from pathlib import Path

FACTS = Path("/proc/cpuinfo")
"""What Linux knows of the processor."""

_FLAGS = ("flags", "Features")  # x86 and Arm
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
_BFLOAT16_MATRICES = {"amx_bf16", "bf16"}
"""Those that multiply tiles. With AVX-512's products of pairs torch took 1.05 to 1.84 times as long
as in float32, for 60 to 4096 rows of 576 to 4096 columns (measured on one core)."""


def facts() -> str:
    """The text of `FACTS`, empty on other systems."""
    try:
        return FACTS.read_text(errors="replace")
    except OSError:
        return ""


def flags(facts: str) -> frozenset[str] | None:
    """Names of the instructions beyond the architecture's first, None where they are unknown.

    Args:
        facts: text of `FACTS`.
    """
    lines = (line.partition(":") for line in facts.splitlines())
    found = next((words for name, _, words in lines if name.strip() in _FLAGS), None)
    return None if found is None else frozenset(found.split())


def has_bfloat16(facts: str) -> bool | None:
    """Whether it multiplies in bfloat16, rather than several times as slowly by float32.

    Args:
        facts: text of `FACTS`.

    Returns:
        None where that is unknown.
    """
    found = flags(facts)
    return None if found is None else not _BFLOAT16.isdisjoint(found)


def is_quicker_in_bfloat16(facts: str) -> bool:
    """Whether large products take less time in bfloat16 than in float32.

    Args:
        facts: text of `FACTS`.
    """
    return not _BFLOAT16_MATRICES.isdisjoint(flags(facts) or ())


def advice(dtype: str, gpus: tuple[str, ...], facts: str) -> str | None:
    """What to say of a dtype that the processor can only emulate.

    Args:
        dtype: of the evaluation.
        gpus: that the workers use; none where they compute on the processor.
        facts: text of `FACTS`, empty where that is unknown.

    Returns:
        A sentence, or None where there is nothing to say.
    """
    if dtype != "bfloat16" or gpus or has_bfloat16(facts) is not False:
        return None
    return (
        "spec.evaluation.dtype: this processor only emulates bfloat16; float32 is several times "
        "faster here"
    )
