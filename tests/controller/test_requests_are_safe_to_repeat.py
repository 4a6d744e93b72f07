"""Against a real API server: actions may be late or repeated, and never touch what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from devcluster.base.cluster import Cluster as Admin
from devcluster.base.processes import free_port

from cycleqd_operator.kube import cluster as cluster_module
from cycleqd_operator.kube.actions import Create, Delete, Event, Patch
from cycleqd_operator.kube.cluster import ApiCluster, ApiError
from cycleqd_operator.kube.login import load_configuration
from cycleqd_operator.kube.objects import Json
from cycleqd_operator.kube.resources import CONFIG_MAP
from cycleqd_operator.metrics import Metrics
from tests.controller.decisions import child
from tests.controller.runs import run_document

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

Use = Callable[[Callable[[ApiCluster], Awaitable[None]]], None]


@pytest.fixture
def run(cluster: Admin, namespace: str) -> Json:
    cluster.apply(run_document("one", namespace))
    found = cluster.get("cqd", "one", namespace)
    assert found is not None
    return found


@pytest.fixture
def use(operator_kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Calls a coroutine with a client that has the operator's rights."""
    monkeypatch.setenv("KUBECONFIG", str(operator_kubeconfig))

    def call(body: Callable[[ApiCluster], Awaitable[None]]) -> None:
        async def within() -> None:
            client = ApiCluster(await load_configuration(), 10, Metrics().count_request)
            try:
                async with asyncio.timeout(60):
                    await body(client)
            finally:
                await client.close()

        asyncio.run(within())

    return call


def config_map(run: Json, suffix: str = "x") -> Json:
    made = child(run, suffix)
    owner = made["metadata"]["ownerReferences"][0]
    owner |= {"apiVersion": run["apiVersion"], "kind": run["kind"]}
    return made


def test_a_repeated_create_finds_what_is_there(namespace: str, run: Json, use: Use) -> None:
    async def body(client: ApiCluster) -> None:
        first = await client.apply(namespace, Create(config_map(run)))
        again = await client.apply(namespace, Create(config_map(run)))
        assert first == again
        assert "managedFields" not in again["metadata"]

    use(body)


def test_another_owner_s_object_is_not_taken_for_ours(
    cluster: Admin, namespace: str, run: Json, use: Use
) -> None:
    cluster.kubectl("create", "configmap", "one-x", "-n", namespace)

    async def body(client: ApiCluster) -> None:
        with pytest.raises(ApiError, match="another owner") as caught:
            await client.apply(namespace, Create(config_map(run)))
        assert caught.value.status == 409

    use(body)


def test_only_the_object_that_was_meant_is_deleted(
    cluster: Admin, namespace: str, run: Json, use: Use
) -> None:
    async def body(client: ApiCluster) -> None:
        made = await client.apply(namespace, Create(config_map(run)))
        assert made is not None
        await client.apply(namespace, Delete("ConfigMap", "one-x", "another-uid"))
        assert cluster.get("configmap", "one-x", namespace)
        for _ in range(2):
            await client.apply(namespace, Delete("ConfigMap", "one-x", made["metadata"]["uid"]))
        assert cluster.get("configmap", "one-x", namespace) is None
        assert await client.apply(namespace, Patch("ConfigMap", "one-x", {"data": {}})) is None

    use(body)


def test_a_status_is_written_only_to_the_run_that_was_seen(
    cluster: Admin, namespace: str, run: Json, use: Use
) -> None:
    async def body(client: ApiCluster) -> None:
        new = await client.patch_status(run, {"generation": 3})
        assert new["status"]["generation"] == 3
        with pytest.raises(ApiError) as caught:
            await client.patch_status(run, {"generation": 4})
        assert caught.value.status == 409
        await client.patch_status(new, {"generation": 5})
        cluster.kubectl("delete", "cqd", "one", "-n", namespace)
        cluster.apply(run_document("one", namespace))
        with pytest.raises(ApiError):
            await client.patch_status(new, {"generation": 6})

    use(body)
    found = cluster.get("cqd", "one", namespace)
    assert found is not None
    assert "status" not in found


def test_lists_come_in_pages(
    cluster: Admin, namespace: str, run: Json, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "PAGE", 3)
    cluster.apply(*(config_map(run, f"n{number}") for number in range(8)))

    async def body(client: ApiCluster) -> None:
        listing = await client.list_all(CONFIG_MAP, namespace)
        assert {item["metadata"]["name"] for item in listing.items} == {
            f"one-n{number}" for number in range(8)
        }
        assert listing.resource_version.isdecimal()

    use(body)


def test_an_event_shows_in_describe(cluster: Admin, namespace: str, run: Json, use: Use) -> None:
    async def body(client: ApiCluster) -> None:
        await client.post_event(run, Event("Warning", "SomethingOdd", "x" * 2000))

    use(body)
    described = cluster.kubectl("describe", "cqd", "one", "-n", namespace).stdout
    assert "SomethingOdd" in described


def test_what_is_refused_comes_with_the_server_s_words(namespace: str, run: Json, use: Use) -> None:
    async def body(client: ApiCluster) -> None:
        wrong = config_map(run)
        wrong["metadata"]["name"] = "Not_A_Name"
        with pytest.raises(ApiError) as caught:
            await client.apply(namespace, Create(wrong))
        assert caught.value.status == 422
        assert "metadata.name" in caught.value.answer

    use(body)


def test_a_server_that_does_not_answer_is_an_error_in_time(use: Use, run: Json) -> None:
    async def body(client: ApiCluster) -> None:
        client._client.configuration.host = f"https://127.0.0.1:{free_port()}"
        with pytest.raises(ApiError) as caught:
            await client.list_all(CONFIG_MAP, "default")
        assert caught.value.status == 0

    use(body)
