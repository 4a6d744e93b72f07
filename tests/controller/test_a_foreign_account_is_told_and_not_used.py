"""Where an object of a run's name is somebody else's, no pod starts, and the run says so.

That the API server answers so is shown by `test_requests_are_safe_to_repeat`.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from kubernetes.aio import client

from cycleqd_operator.decision.reconcile import reconcile
from cycleqd_operator.kube.actions import Create
from cycleqd_operator.kube.cluster import FOREIGN_OWNER, ApiCluster, ApiError
from cycleqd_operator.kube.objects import Json
from cycleqd_operator.kube.resources import RUN
from cycleqd_operator.metrics import Metrics
from tests.controller.decisions import child
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.running import check, controller_of
from tests.controller.runs import run_document

ACCOUNT = "create ServiceAccount one-coordinator"


def test_a_run_waits_for_its_account_and_says_so() -> None:
    said = "ServiceAccount default/one-coordinator belongs to another owner"

    def messages(cluster: MemoryCluster) -> dict[str, str]:
        found = cluster.get(RUN.kind, "one")["status"]["conditions"]
        return {condition["type"]: condition["message"] for condition in found}

    async def body(cluster: MemoryCluster) -> None:
        cluster.refuse[ACCOUNT] = ApiError(409, FOREIGN_OWNER, said)
        cluster.store(RUN.kind, run_document("one", "default"))
        async with controller_of(cluster, reconcile):
            await asyncio.sleep(60)
            told = messages(cluster)
            assert said in told["WorkersReady"]
            assert said in told["Progressing"]
            assert not [name for kind, _, name in cluster.objects if kind == "Job"]
            cluster.refuse.clear()
            await asyncio.sleep(1000)
            assert cluster.get("Job", "one-coordinator")
            assert said not in messages(cluster)["Progressing"]

    check(body)


def answer_to_a_create(stored: Json) -> ApiError:
    """What the operator makes of it where an object of that name is there already."""

    async def there(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response(stored)
        return web.json_response({"kind": "Status", "reason": "AlreadyExists"}, status=409)

    async def ask() -> ApiError:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", there)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        cluster = ApiCluster(client.Configuration(host=address), 10, Metrics().count_request)
        try:
            with pytest.raises(ApiError) as caught:
                await cluster.apply("default", Create(wanted("new")))
        finally:
            await cluster.close()
            await runner.cleanup()
        return caught.value

    return asyncio.run(ask())


def wanted(uid: str) -> Json:
    run = run_document("one", "default")
    run["metadata"]["uid"] = uid
    made = child(run, "coordinator", "ServiceAccount")
    made["metadata"]["ownerReferences"][0]["kind"] = RUN.kind
    return json.loads(json.dumps(made))


def test_what_an_earlier_run_leaves_is_waited_for() -> None:
    error = answer_to_a_create(wanted("old"))
    assert (error.reason, "collected soon" in error.answer) == ("Conflict", True)


def test_what_is_somebody_else_s_needs_a_remedy() -> None:
    stored = wanted("old")
    stored["metadata"].pop("ownerReferences")
    error = answer_to_a_create(stored)
    assert error.reason == FOREIGN_OWNER
    assert "delete it, or give the run another name" in error.answer
