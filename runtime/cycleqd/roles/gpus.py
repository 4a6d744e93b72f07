"""Which GPU each local worker gets: one of its own, unless the user lets workers share.

Every worker uses the first GPU that it sees, so each is shown one, by ``CUDA_VISIBLE_DEVICES``. A
list that the user set is the list to take from. Devices are named as that variable names them: by
index, or by UUID where a GPU is split into MIG instances, which have no index. NVIDIA's GPUs are
the only ones told apart. Pods are no local workers; a cluster's device plugin shows each its own.

Nothing here looks at the machine: `cycleqd.roles.gpu_detection` does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from cycleqd.errors import InputError

VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"

_LISTED = re.compile(r"^GPU (?P<index>\d+): .*\(UUID: (?P<gpu>GPU-[^)\s]+)\)")
_INSTANCE = re.compile(r"^\s+MIG .*\(UUID: (?P<mig>MIG-[^)\s]+)\)")
_UUID = re.compile(r"(GPU|MIG)-\S+")


def listed(listing: str) -> tuple[str, ...]:
    """The devices in the output of ``nvidia-smi -L``.

    A GPU that is split into MIG instances counts as these: a process can use one of them, and not
    the whole.
    """
    gpus: list[tuple[str, str, list[str]]] = []
    for line in listing.splitlines():
        if gpu := _LISTED.match(line):
            gpus.append((gpu["index"], gpu["gpu"], []))
        elif gpus and (instance := _INSTANCE.match(line)):
            gpus[-1][2].append(instance["mig"])
    if any(instances for _, _, instances in gpus):
        return tuple(name for _, uuid, instances in gpus for name in instances or [uuid])
    return tuple(index for index, _, _ in gpus)


def visible(devices: Sequence[str], chosen: str | None) -> tuple[str, ...]:
    """The devices that CUDA shows a process.

    Args:
        devices: those of the machine.
        chosen: ``CUDA_VISIBLE_DEVICES``; None where it is not set. As CUDA reads it, the list ends
            before the first entry that names no device (``-1``, an index too high).
    """
    if chosen is None or not devices:
        return tuple(devices)
    found: list[str] = []
    for name in (part.strip() for part in chosen.split(",")):
        index = int(name) if name.isascii() and name.isdigit() else None
        if index is None and not _UUID.fullmatch(name):
            break
        if index is not None and index >= len(devices):
            break
        if name not in found:
            found.append(name)
    return tuple(found)


def assign(workers: int, gpus: Sequence[str], *, field: str, share: bool) -> tuple[str, ...]:
    """The GPU of each worker; empty where there is no GPU, and workers use the CPU.

    Args:
        workers: how many.
        gpus: what there is for them.
        field: what the user set their number by.
        share: whether several may use one GPU, in turn by index.

    Raises:
        InputError: there are fewer GPUs than workers.
    """
    if not gpus:
        return ()
    if workers > len(gpus) and not share:
        raise InputError(
            f"{field}: {workers} workers need a GPU each, and there {_count(len(gpus))} "
            f"({', '.join(gpus)}); give --workers {len(gpus)}, or --share-gpus to let several use "
            f"one, or set {VISIBLE_DEVICES} to nothing to use the CPU"
        )
    return tuple(gpus[index % len(gpus)] for index in range(workers))


def check_memory(assigned: Sequence[str], utilization: float) -> None:
    """Check that vLLM's engines fit beside one another on shared GPUs.

    Args:
        assigned: the GPU of each worker.
        utilization: ``spec.evaluation.gpuMemoryUtilization``, the share of a GPU that each engine
            reserves.

    Raises:
        InputError: together they reserve more than a whole GPU.
    """
    share = Fraction(str(utilization))
    sharing = max((assigned.count(gpu) for gpu in assigned), default=1)
    if sharing == 1 or sharing * share <= 1:
        return
    fitting = len(set(assigned)) * int(1 / share)
    raise InputError(
        f"spec.evaluation.gpuMemoryUtilization: {utilization} for each of {sharing} workers that "
        f"share a GPU is more than the whole; give --workers {fitting}, or begin a run with a "
        f"value below 1/{sharing}"
    )


def _count(gpus: int) -> str:
    return "is 1" if gpus == 1 else f"are {gpus}"
