"""Which fields of a pod template the administrator leaves to the authors of runs.

A template is merged into pods that run in the author's namespace, and by default may say whatever a
pod may: volumes of the node, any Secret, other containers. `Settings.pod_template_fields` narrows
that to a list of fields, each with all that is below it. Lists are looked through: what is said of
``containers.resources`` holds for each container. The key by which an item of a list is found
(`cycleqd_operator.children.pod_merge`) goes with any field that is allowed in the item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cycleqd.errors import ManifestError
from cycleqd.manifest.cluster import PodTemplate
from cycleqd.manifest.model import Manifest
from cycleqd_operator.children.pod_merge import KEYS
from cycleqd_operator.settings import ANY_FIELD, Settings

Field = tuple[str, ...]


def check_templates(manifest: Manifest, settings: Settings) -> None:
    """See that a run's templates set nothing but what they may.

    Raises:
        ManifestError: they do; one line for each field.
    """
    if ANY_FIELD in settings.pod_template_fields:
        return
    allowed = [_field(name) for name in settings.pod_template_fields]
    spec = manifest.spec
    problems = [
        f"spec.{part}.template.{'.'.join(field)}: is not for a run to set on this cluster; remove"
        " it, or ask for it in the operator's podTemplateFields"
        for part, template in (("workers", spec.workers), ("coordinator", spec.coordinator))
        for field in _forbidden(template.template, allowed)
    ]
    if problems:
        raise ManifestError(problems)


def _field(name: str) -> Field:
    """A field of a template by its name in the settings: of the pod's spec, or of its metadata."""
    steps = tuple(name.split("."))
    return steps if steps[0] == "metadata" else ("spec", *steps)


def _forbidden(template: PodTemplate | None, allowed: list[Field]) -> list[Field]:
    """Fields that are set and may not be, each once."""
    given = template or PodTemplate()
    written: dict[Field, object] = {
        ("metadata", "labels"): given.metadata.labels,
        ("metadata", "annotations"): given.metadata.annotations,
        ("spec",): given.spec,
    }
    found = dict.fromkeys(
        field for root, value in written.items() if value for field in _leaves(value, root)
    )
    return [field for field in found if not _may(field, allowed)]


def _leaves(value: object, field: Field) -> Iterator[Field]:
    """Fields that hold no others; a null or an empty list takes away what is the operator's."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(part, (*field, key))
    elif isinstance(value, list | tuple) and value:
        for part in value:
            yield from _leaves(part, field)
    else:
        yield field


def _may(field: Field, allowed: list[Field]) -> bool:
    if any(field[: len(known)] == known for known in allowed):
        return True
    *item, key = field
    return (
        bool(item)
        and KEYS.get(item[-1]) == key
        and any(known[: len(item)] == tuple(item) for known in allowed)
    )
