"""A user's pod template merged into the operator's, so that each changes only what is its own.

The rules are those of ``kubectl patch`` with its strategic merge, cut down to pods: named lists
(containers, volumes, env, mounts, ...) merge by their key, tolerations and ``envFrom`` add up,
mappings such as ``nodeSelector`` merge by key, and everything else is replaced. Things that
exclude one another (a volume's source, a probe's kind, resources) are replaced whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cycleqd.errors import ManifestError
from cycleqd_operator.kube.objects import Json

KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
}
"""Lists whose items have a name, by the field that holds it."""

_PARTS = frozenset({"containers", "initContainers"})
"""Named lists whose items merge; in the others the user's item replaces ours."""

_ADDED = frozenset({"tolerations", "envFrom", "topologySpreadConstraints"})
"""Lists without a key; the user's items come after ours."""

_MERGED = frozenset({"securityContext", "capabilities"})
"""Mappings of fields that merge by key; others are replaced."""

_NAMED = frozenset({"nodeSelector"})
"""Mappings whose keys are the user's own names, so that none of the above holds in them."""

_NEEDED = frozenset({"containers", "initContainers", "volumes", "env", "volumeMounts"})
"""Lists that a null cannot remove, since a run's pods do not work without ours."""


def merge(ours: Json, theirs: Mapping[str, object], path: str) -> Json:
    """``ours`` with the fields of ``theirs``; neither is changed.

    Args:
        ours: a pod spec or a container.
        theirs: the same, in part. A null removes the field.
        path: of ``theirs`` in the manifest, for errors.

    Raises:
        ManifestError: a list or a mapping of ``theirs`` is none, or an item has no name.
    """
    merged = dict(ours)
    for field, value in theirs.items():
        present, where = merged.get(field), f"{path}.{field}"
        if value is None and field in _NEEDED and present:
            raise ManifestError([f"{where}: must not be null, since pods need it; leave it out"])
        if value is None:
            merged.pop(field, None)
        elif field in KEYS:
            merged[field] = _by_key(field, present or (), _items(value, where), where)
        elif field in _ADDED:
            merged[field] = [*(present or ()), *_items(value, where)]
        elif field in _MERGED or field in _NAMED:
            if not isinstance(value, Mapping):
                raise ManifestError([f"{where}: must be a mapping, not {value!r:.80}"])
            ours_there = present or {}
            named = field in _NAMED
            merged[field] = {**ours_there, **value} if named else merge(ours_there, value, where)
        else:
            merged[field] = value
    return merged


def _items(value: object, path: str) -> list[Json]:
    """A user's list of objects."""
    if not isinstance(value, list):
        raise ManifestError([f"{path}: must be a list, not {value!r:.80}"])
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise ManifestError([f"{path}[{index}]: must be an object, not {item!r:.80}"])
    return value


def _by_key(field: str, ours: Iterable[Json], theirs: Iterable[Json], path: str) -> list[Json]:
    """A named list: our items in our order, then the user's new ones."""
    key = KEYS[field]
    items = {item[key]: item for item in ours}
    for index, item in enumerate(theirs):
        where = f"{path}[{index}]"
        name = item.get(key)
        if not isinstance(name, str | int):
            raise ManifestError([f"{where}.{key}: is required, since lists merge by it"])
        merges = field in _PARTS
        items[name] = merge(items.get(name, {}), item, where) if merges else item
    return list(items.values())
