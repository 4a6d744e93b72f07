"""Which manifests may be compared: those that ask different searches the same question.

Held-out scores, QD scores, coverage and costs mean the same only where models, tasks, items, cells
and the way of evaluating are the same. Everything else, above all ``spec.evolution``, is what a
comparison is about.

A reference is a run with other experts, such as one that was trained on data which the compared
searches must not see. What it finds answers the same held-out items and says no more than that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cycleqd.errors import InputError, ManifestError
from cycleqd.manifest.changes import differences, shown_value
from cycleqd.manifest.model import Manifest

SEEDS_END = 2**53
_EQUAL = re.compile(r"spec\.(base|experts|tasks|archive|evaluation|workers\.threads)(?![a-zA-Z])")
_EQUAL_OF_REFERENCES = re.compile(_EQUAL.pattern.replace("experts|", ""))
# Of a task: what steers the search, and how much of the test items a run's own table uses.
_FREE = re.compile(r"spec\.tasks\[\d+\]\.(expert|train|items\.testLimit)$")
# A reference may have the same template from an expert of another name; `check_sources` compares.
_FROM = re.compile(r"spec\.tasks\[\d+\]\.chatTemplateFrom$")


def check_agreement(manifests: Sequence[Manifest], references: Sequence[Manifest] = ()) -> None:
    """Refuse manifests whose runs would not be comparable.

    Args:
        manifests: at least one; the others must agree with the first.
        references: must agree with it too, but for the experts.

    Raises:
        ManifestError: one line for each field that differs, with both values; or two have one name.
    """
    first = manifests[0]
    names = [manifest.metadata.name for manifest in (*manifests, *references)]
    problems = [
        f"metadata.name: {names.count(name)} manifests are called {name}; give each a name of its "
        "own, its rows are called so"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    rules = [(other, _EQUAL) for other in manifests[1:]]
    rules += [(other, _EQUAL_OF_REFERENCES) for other in references]
    for manifest, equal in rules:
        for path, before, after in differences(first, manifest):
            other_expert = equal is _EQUAL_OF_REFERENCES and None not in (before, after)
            if _FREE.match(path) or (other_expert and _FROM.match(path)):
                continue
            if equal.match(path):
                problems.append(
                    f"{path}: {first.metadata.name} has {shown_value(before)}, "
                    f"{manifest.metadata.name} has {shown_value(after)}; a comparison is fair only "
                    "where they agree"
                )
    if problems:
        raise ManifestError(problems)


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds in a list such as ``1,2,3``.

    Raises:
        InputError: it is no such list, or names a seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        if not re.fullmatch(r"[0-9]{1,16}", part.strip()) or int(part) >= SEEDS_END:
            raise InputError(
                f"--seeds: {part.strip()!r} is no seed; give whole numbers from 0 to "
                f"{SEEDS_END - 1} with commas between them, such as 1,2,3"
            )
        if int(part) in seeds:
            raise InputError(f"--seeds: {int(part)} stands there twice; give every seed once")
        seeds.append(int(part))
    return tuple(seeds)


def with_seed(manifest: Manifest, seed: int) -> Manifest:
    """The manifest with another seed, of a run that is tracked nowhere."""
    spec = manifest.spec.model_copy(update={"seed": seed, "tracking": None})
    return manifest.model_copy(update={"spec": spec})
