"""One model, two ways to name its tensors: which of an expert's are which of the base's. No torch.

A model's body saved alone lacks the prefix that the whole model's has (``h.0`` and
``transformer.h.0``), a compiled or wrapped one has a prefix more (``_orig_mod.``, ``module.``).
Such names mean the same tensors, and the expert is read under the base's. Only a prefix that makes
all names agree is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


_MOST_PREFIXES = 4


def aligned_names(base: Collection[str], expert: Collection[str]) -> dict[str, str]:
    """The base's name for each tensor of an expert that has another one.

    Args:
        base: names of the base's tensors.
        expert: names of the expert's.

    Returns:
        Nothing where the names agree, or no prefix makes them agree.
    """
    wanted = set(base)
    if not wanted or wanted <= set(expert):
        return {}
    for prefix in _prefixes(base, expert):
        longer = {f"{prefix}{name}" for name in base}
        if longer <= set(expert):
            return {name: name.removeprefix(prefix) for name in longer}
    for prefix in _prefixes(expert, base):
        shorter = {name: f"{prefix}{name}" for name in expert}
        if wanted == set(shorter.values()):
            return shorter
    return {}


def _prefixes(short: Collection[str], long: Collection[str]) -> list[str]:
    """What may stand before the names of ``short`` in ``long``, by the longest of them.

    The shortest few: headers of strangers must not cost more than their size.
    """
    longest = max(short, key=lambda name: (len(name), name), default="")
    found = {name.removesuffix(longest) for name in long if name.endswith(f".{longest}")}
    return sorted(found, key=lambda prefix: (len(prefix), prefix))[:_MOST_PREFIXES]
