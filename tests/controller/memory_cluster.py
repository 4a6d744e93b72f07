"""A cluster in memory that counts what is asked of it, for tests of the loop alone.

It knows resourceVersions, owners and the answers to repeated actions; no schema, no controllers.
Tests drive the watches themselves, or leave them out to see what happens without.
"""

from __future__ import annotations

import copy
from collections import Counter

from cycleqd_operator.kube.actions import Action, Create, Event, Patch
from cycleqd_operator.kube.cluster import ApiError, Listing
from cycleqd_operator.kube.objects import Json, labels, metadata
from cycleqd_operator.kube.resources import RUN, Resource
from cycleqd_operator.kube.rights import PolicyRule


def merged(target: Json, patch: Json) -> Json:
    """RFC 7386."""
    found = dict(target)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            before = found.get(key)
            found[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            found[key] = value
    return found


class MemoryCluster:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.version = 0
        self.writes: Counter[str] = Counter()
        self.events: list[Event] = []
        self.refuse: dict[str, ApiError] = {}
        self.denied: set[tuple[str, str]] = set()

    def store(self, kind: str, obj: Json) -> Json:
        """Create or replace, as someone else would."""
        self.version += 1
        obj = copy.deepcopy(obj)
        meta = obj.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{self.version}")
        meta["resourceVersion"] = str(self.version)
        self.objects[kind, meta["namespace"], meta["name"]] = {"kind": kind, **obj}
        return copy.deepcopy(self.objects[kind, meta["namespace"], meta["name"]])

    def run(self, name: str, namespace: str = "default", **spec: object) -> Json:
        meta = {"namespace": namespace, "name": name}
        return self.store(RUN.kind, {"metadata": meta, "spec": spec})

    def drop(self, kind: str, name: str, namespace: str = "default") -> Json:
        self.version += 1
        gone = self.objects.pop((kind, namespace, name))
        gone["metadata"]["resourceVersion"] = str(self.version)
        return gone

    def get(self, kind: str, name: str, namespace: str = "default") -> Json:
        return self.objects[kind, namespace, name]

    def _ask(self, what: str) -> None:
        if what in self.refuse:
            raise self.refuse[what]

    async def list_all(self, resource: Resource, namespace: str) -> Listing:
        self._ask(f"list {resource.kind}")
        items = [
            copy.deepcopy(obj)
            for (kind, its_namespace, _), obj in self.objects.items()
            if kind == resource.kind
            and (not namespace or its_namespace == namespace)
            and (resource is RUN or "cycleqd.io/run" in labels(obj))
        ]
        return Listing(items, str(self.version))

    async def apply(self, namespace: str, action: Action) -> Json | None:
        if isinstance(action, Create):
            kind, name = action.manifest["kind"], metadata(action.manifest)["name"]
        else:
            kind, name = action.kind, action.name
        verb = type(action).__name__.lower()
        self.writes[f"{verb} {kind}"] += 1
        self._ask(f"{verb} {kind}")
        self._ask(f"{verb} {kind} {name}")
        known = self.objects.get((kind, namespace, name))
        if isinstance(action, Create):
            return known or self.store(kind, action.manifest)
        if known is None:
            return None
        if isinstance(action, Patch):
            return self.store(kind, merged(known, action.body))
        if metadata(known)["uid"] == action.uid:
            self.drop(kind, name, namespace)
        return None

    async def patch_status(self, run: Json, patch: Json) -> Json:
        self.writes["patch status"] += 1
        self._ask("patch status")
        seen = metadata(run)
        known = self.objects.get((RUN.kind, seen["namespace"], seen["name"]))
        if known is None:
            raise ApiError(404, "NotFound", "gone")
        if metadata(known)["resourceVersion"] != seen["resourceVersion"]:
            raise ApiError(409, "Conflict", "changed since")
        return self.store(RUN.kind, merged(known, {"status": patch}))

    async def post_event(self, run: Json, event: Event) -> None:
        self._ask("create Event")
        self.events.append(event)

    async def is_allowed(self, rule: PolicyRule, verb: str, namespace: str) -> bool:
        return (rule.resource, verb) not in self.denied
