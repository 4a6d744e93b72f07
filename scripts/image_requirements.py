#!/usr/bin/env python3
"""Print what pyproject.toml asks for, without the project itself, for a layer of the images.

A layer of dependencies that knows nothing of the source stays in the cache when only the source
changed. Extras that name the project's other extras are followed.

    image_requirements.py pyproject.toml operator
    image_requirements.py pyproject.toml runtime operator
    image_requirements.py --cuda constraints.txt    # the versions beside vLLM for CUDA
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

# vLLM for CUDA asks for another apache-tvm-ffi than that for CPUs, which constraints.txt is of.
VLLM = "vllm==0.32.0"
LOOSE = "apache-tvm-ffi=="


def constraints_of_cuda(text: str) -> str:
    """The versions of constraints.txt that hold beside vLLM for CUDA, and its own."""
    lines = [line for line in text.splitlines() if not line.startswith(LOOSE)]
    return "\n".join([*lines, VLLM])


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """The project's dependencies with those of some extras, sorted, each once."""
    project = tomllib.loads(pyproject.read_text())["project"]
    own = re.compile(rf"{re.escape(project['name'])}\[([^]]+)\]$")
    found: set[str] = set()
    waiting = list(project["dependencies"])
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    while waiting:
        requirement = waiting.pop()
        if match := own.match(requirement):
            for extra in match.group(1).split(","):
                waiting += project["optional-dependencies"][extra.strip()]
        else:
            found.add(requirement)
    return sorted(found)


if __name__ == "__main__":
    if sys.argv[1] == "--cuda":
        print(constraints_of_cuda(Path(sys.argv[2]).read_text()))
    else:
        print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])))
