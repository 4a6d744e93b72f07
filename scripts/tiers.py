"""The tiers of the tests: what each is made of, what it needs, and what runs beside what.

Every test belongs to exactly one tier by its markers. Stages follow each other. Some of a stage's
tiers run side by side, and the next begins when one of them ends: tests that wait (for pods,
leases, outages) stand beside tests that compute, so that two cores are busy to the end. Tests of
one tier share several processes where nothing but the processor is shared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TIERS = {
    "fast": (
        "not (pods or browser or runtime or vllm or s3 or controlplane or scale or nodes or slow)"
    ),
    "pods": (
        "pods and not (browser or runtime or vllm or s3 or controlplane or scale or nodes or slow)"
    ),
    "browser": "browser and not (runtime or vllm or s3 or controlplane or scale or nodes or slow)",
    "runtime": "runtime and not (vllm or s3 or controlplane or scale or nodes or slow)",
    "s3": "s3 and not (vllm or controlplane or scale or nodes or slow)",
    "vllm": "vllm and not (controlplane or scale or nodes or slow)",
    "controlplane": "controlplane and not (scale or nodes or slow)",
    "scale": "scale and not (nodes or slow)",
    "nodes": "nodes and not slow",
    "slow": "slow",
}

# The news that comes soonest first; then what takes longest, and last what fills the ends.
STAGES: tuple[tuple[str, ...], ...] = (
    ("fast",),
    ("pods", "runtime", "vllm", "nodes", "controlplane", "slow", "scale", "s3", "browser"),
)
SIDE_BY_SIDE = 3

# More than cores, for tests wait; each of the control plane tier has a control plane of its own.
PROCESSES = {
    "fast": ("-n", "4", "--dist", "worksteal"),
    "controlplane": ("-n", "2", "--dist", "loadgroup"),
}

S3_TOOLS = ("versitygw", "minio")
CLUSTER_TOOLS = ("versitygw", "etcd", "kubernetes", "kwok", "helm", "helm3")
# Built when a tier's turn comes, not before: a broken build must not hide faster news.
TOOLS: dict[str, tuple[str, ...]] = {
    "s3": S3_TOOLS,
    "vllm": S3_TOOLS,
    "controlplane": (*CLUSTER_TOOLS, "prometheus"),
    "scale": CLUSTER_TOOLS,
    "nodes": (*CLUSTER_TOOLS, "coredns"),
    "slow": S3_TOOLS,
}

EXISTING_CLUSTER = "CYCLEQD_TEST_KUBECONFIG"

_SELECTED = re.compile(rb"(?m)^(?:collected .*?|\d+ workers \[)(\d+) (?:items?|selected)\]?$")
_OUTCOMES = re.compile(rb"(?m)^(?:\S+\.py )?([.FEsxX]+)(?: +\[ *\d+%\])?$")


def plan(chosen: Collection[str]) -> list[list[str]]:
    """The stages that are left when only the chosen tiers run."""
    stages = ([tier for tier in stage if tier in chosen] for stage in STAGES)
    return [stage for stage in stages if stage]


def processes(tier: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The options that give a tier its processes.

    Where the tests use a cluster of somebody's own there is one, for they would all use that.
    """
    return () if environment.get(EXISTING_CLUSTER) else PROCESSES.get(tier, ())


def progress(output: bytes) -> str:
    """How far a tier is, by what its pytest has written: ``3 of 11 tests``."""
    selected = _SELECTED.search(output)
    if selected is None:
        return "begins"
    done = sum(len(found[1]) for found in _OUTCOMES.finditer(output, selected.end()))
    return f"{done} of {int(selected[1])} tests"
