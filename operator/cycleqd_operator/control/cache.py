"""Runs and their children in memory, as far as the API server has told.

Watches, relists and the answers to our own writes all end here, in any order: an object only ever
moves forward by its resourceVersion, and what was deleted stays deleted against a list that was
made before. `replace` takes a whole list and reports what the watches had missed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import MappingProxyType

from cycleqd_operator.control.work_queue import RunKey
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.kube.names import RUN_LABEL
from cycleqd_operator.kube.objects import Json, labels, metadata
from cycleqd_operator.kube.resources import RUN, WATCHED

log = logging.getLogger(__name__)

Children = dict[str, dict[str, Json]]
"""A run's children by kind and name."""


class Cache:
    """All runs and children that this operator serves; for one event loop."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[RunKey, Json]] = {kind.kind: {} for kind in WATCHED}
        self._children: dict[RunKey, Children] = {}
        self._deleted: dict[tuple[str, RunKey], tuple[int, str]] = {}
        self._listed: dict[tuple[str, str], int] = {}

    def run_keys(self) -> tuple[RunKey, ...]:
        """All known runs."""
        return tuple(self._objects[RUN.kind])

    def runs(self) -> tuple[Json, ...]:
        """All known runs' objects."""
        return tuple(self._objects[RUN.kind].values())

    def count(self, kind: str) -> int:
        """Number of objects of a kind."""
        return len(self._objects[kind])

    def observed(self, key: RunKey) -> Observed | None:
        """A run's world; None where the run is unknown or gone."""
        run = self._objects[RUN.kind].get(key)
        if run is None:
            return None
        children = self._children.get(key, {})
        return Observed(
            run=run,
            jobs=MappingProxyType(children.get("Job", {})),
            pods=MappingProxyType(children.get("Pod", {})),
            config_maps=MappingProxyType(children.get("ConfigMap", {})),
        )

    def put(self, kind: str, obj: Json) -> RunKey | None:
        """Take an object as it now is.

        Args:
            kind: its kind, one of those watched.
            obj: the trimmed object.

        Returns:
            The run that this concerns; None where nothing is new.
        """
        place = _place(obj)
        version = _version(obj)
        deleted, uid = self._deleted.get((kind, place), (-1, ""))
        if version <= deleted or (uid and uid == metadata(obj).get("uid")):
            return None
        known = self._objects[kind].get(place)
        if known is not None and version <= _version(known):
            return None
        run = _run_of(kind, obj)
        if known is not None:
            self._unlink(kind, place, known)
        self._objects[kind][place] = obj
        if kind != RUN.kind:
            self._children.setdefault(run, {}).setdefault(kind, {})[place.name] = obj
        return run

    def remove(self, kind: str, obj: Json) -> RunKey | None:
        """Take note that an object is gone.

        Args:
            kind: its kind.
            obj: the object as it last was.

        Returns:
            The run that this concerns; None where another object of that name is there already.
        """
        place = _place(obj)
        known = self._objects[kind].get(place)
        uid = str(metadata(obj).get("uid", ""))
        if known is not None and metadata(known).get("uid") != uid:
            return None
        self._deleted[kind, place] = (_version(obj), uid)
        if known is None:
            return None
        self._drop(kind, place, known)
        return _run_of(kind, known)

    def mark_deleting(self, kind: str, key: RunKey, uid: str, when: str) -> None:
        """Remember that we deleted an object, until the watch says that it is gone.

        Args:
            kind: its kind.
            key: its namespace and name.
            uid: which one was deleted.
            when: RFC 3339 time.
        """
        known = self._objects[kind].get(key)
        if known is None or metadata(known).get("uid") != uid:
            return
        known["metadata"] = {"deletionTimestamp": when, **metadata(known)}

    def replace(
        self, kind: str, namespace: str, items: Iterable[Json], resource_version: str
    ) -> set[RunKey]:
        """Take a whole list; what it lacks and was there before it is gone.

        Args:
            kind: kind of the list.
            namespace: of the list, "" for all.
            items: the trimmed objects.
            resource_version: of the list.

        Returns:
            The runs concerned by what the watches had missed.
        """
        concerned: set[RunKey] = set()
        listed: set[RunKey] = set()
        moment = _number(resource_version)
        if moment < self._listed.get((kind, namespace), 0):
            # Time went back: the API server was restored from a backup. What we know is void.
            concerned |= self._forget(kind, namespace)
        self._listed[kind, namespace] = moment
        for obj in items:
            listed.add(_place(obj))
            try:
                run = self.put(kind, obj)
            except Exception:  # one object that cannot be taken must not hide the others
                log.exception("%s %s/%s stays as it was known", kind, *_place(obj))
                continue
            if run is not None:
                concerned.add(run)
        for place, known in self._served(kind, namespace):
            if place not in listed and _version(known) <= moment:
                self._drop(kind, place, known)
                concerned.add(_run_of(kind, known))
        for which in self._deletions(kind, namespace):
            if self._deleted[which][0] < moment:
                del self._deleted[which]
        return concerned

    def _served(self, kind: str, namespace: str) -> list[tuple[RunKey, Json]]:
        """Known objects of a kind in a namespace, "" for all."""
        return [
            (place, known)
            for place, known in self._objects[kind].items()
            if not namespace or place.namespace == namespace
        ]

    def _forget(self, kind: str, namespace: str) -> set[RunKey]:
        """Drop all that is known of a kind in a namespace; returns the runs concerned."""
        concerned: set[RunKey] = set()
        for place, known in self._served(kind, namespace):
            self._drop(kind, place, known)
            concerned.add(_run_of(kind, known))
        for which in self._deletions(kind, namespace):
            del self._deleted[which]
        return concerned

    def _deletions(self, kind: str, namespace: str) -> list[tuple[str, RunKey]]:
        """Remembered deletions of a kind in a namespace, "" for all."""
        return [
            (its_kind, place)
            for its_kind, place in self._deleted
            if its_kind == kind and (not namespace or place.namespace == namespace)
        ]

    def _drop(self, kind: str, place: RunKey, known: Json) -> None:
        """Forget an object."""
        del self._objects[kind][place]
        self._unlink(kind, place, known)

    def _unlink(self, kind: str, place: RunKey, known: Json) -> None:
        """Take an object from its run's children."""
        if kind == RUN.kind:
            return
        run = _run_of(kind, known)
        children = self._children.get(run, {})
        children.get(kind, {}).pop(place.name, None)
        if not any(children.values()):
            self._children.pop(run, None)


def _place(obj: Json) -> RunKey:
    """Namespace and name of any object."""
    meta = metadata(obj)
    return RunKey(meta.get("namespace", ""), meta["name"])


def _run_of(kind: str, obj: Json) -> RunKey:
    """The run that an object is, or belongs to by its label."""
    place = _place(obj)
    return place if kind == RUN.kind else RunKey(place.namespace, labels(obj).get(RUN_LABEL, ""))


def _version(obj: Json) -> int:
    """An object's resourceVersion as a number."""
    return _number(metadata(obj).get("resourceVersion", ""))


def _number(version: str) -> int:
    """A resourceVersion as a number, by which versions of one kind can be compared since 1.35.

    API servers over etcd, all that are known, have counted this way before; a version that is none
    is always the newest.
    """
    return int(version) if version.isdecimal() else 2**63
