"""`cycleqd-operator --cleanup` deletes every run that is served and waits until its pods go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from cycleqd_operator.cleanup import CleanUpTimeout, clean_up
from cycleqd_operator.kube.actions import Delete
from cycleqd_operator.kube.cluster import ApiError, Listing

Json = dict[str, Any]


def _object(name: str, namespace: str, **metadata: str) -> Json:
    return {"metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", **metadata}}


@dataclass
class FakeCluster:
    """Runs and pods by kind; deleting a run lets its pods go a few looks later."""

    objects: dict[str, list[Json]]
    looks_until_gone: int = 2
    deleted: list[str] = field(default_factory=list)
    refusal: int = 0

    async def list_all(self, resource: Any, namespace: str) -> Listing:
        if resource.kind == "CycleQDRun" and self.refusal:
            raise ApiError(self.refusal, "", "no")
        if resource.kind == "Pod" and self.deleted:
            self.looks_until_gone -= 1
            if self.looks_until_gone <= 0:
                self.objects["Pod"] = []
        found = self.objects.get(resource.kind, [])
        return Listing([o for o in found if namespace in ("", o["metadata"]["namespace"])], "1")

    async def apply(self, namespace: str, action: Any) -> None:
        assert isinstance(action, Delete)
        assert action.uid == f"uid-{action.name}"
        self.deleted.append(f"{namespace}/{action.name}")
        self.objects["CycleQDRun"] = [
            run for run in self.objects["CycleQDRun"] if run["metadata"]["name"] != action.name
        ]


def _clean(cluster: FakeCluster, namespaces: list[str], seconds: float = 30) -> int:
    return asyncio.run(clean_up(cluster, namespaces, seconds, poll_seconds=0.01))  # type: ignore[arg-type]


def test_all_runs_go_and_pods_are_waited_for() -> None:
    runs = [_object("one", "a"), _object("two", "b")]
    cluster = FakeCluster({"CycleQDRun": runs, "Pod": [_object("one-workers-0", "a")]})
    assert _clean(cluster, []) == 2
    assert cluster.deleted == ["a/one", "b/two"]
    assert cluster.looks_until_gone <= 0


def test_other_namespaces_are_left_alone() -> None:
    cluster = FakeCluster({"CycleQDRun": [_object("one", "a"), _object("two", "b")]})
    assert _clean(cluster, ["b"]) == 1
    assert cluster.deleted == ["b/two"]


def test_nothing_to_do() -> None:
    assert _clean(FakeCluster({"CycleQDRun": []}), []) == 0


def test_a_pod_on_its_way_out_holds_up_nothing() -> None:
    leaving = _object("lost", "a", deletionTimestamp="2026-01-01T00:00:00Z")
    assert _clean(FakeCluster({"CycleQDRun": [], "Pod": [leaving]}), []) == 0


def test_what_stays_is_named() -> None:
    stays = _object("stuck", "a", deletionTimestamp="2026-01-01T00:00:00Z")
    with pytest.raises(CleanUpTimeout, match=r"run a/stuck.*--no-hooks"):
        _clean(FakeCluster({"CycleQDRun": [stays]}), [], seconds=0.2)


def test_without_the_api_there_are_no_runs() -> None:
    assert _clean(FakeCluster({}, refusal=404), []) == 0


def test_a_refusal_is_told() -> None:
    with pytest.raises(ApiError):
        _clean(FakeCluster({}, refusal=403), [])
