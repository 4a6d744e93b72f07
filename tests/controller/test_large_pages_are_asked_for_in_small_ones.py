"""Lists come in large pages, which cost little, unless their objects would take much memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from cycleqd_operator.kube.cluster import LARGE_PAGE_BYTES, PAGE, SMALL_PAGE, ApiCluster
from cycleqd_operator.kube.resources import CONFIG_MAP, RUN
from cycleqd_operator.metrics import Metrics

OBJECTS = PAGE + SMALL_PAGE + 1


class PagingServer:
    """Answers a LIST of as many objects, of which each has so many bytes, page by page.

    Attributes:
        asked: the limit of each request.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self.asked: list[int] = []

    async def answer(self, request: web.Request) -> web.Response:
        limit, start = int(request.query["limit"]), int(request.query.get("continue", 0))
        self.asked.append(limit)
        items = [
            {"metadata": {"namespace": "lab", "name": f"n{number}"}, "data": {"x": "x" * size}}
            for number, size in enumerate(self.sizes[start : start + limit], start)
        ]
        meta = {"resourceVersion": "7"}
        if start + limit < len(self.sizes):
            meta["continue"] = str(start + limit)
        return web.Response(text=json.dumps({"metadata": meta, "items": items}))

    async def with_client(self, use: Any) -> Any:
        """What a function of the operator's client gives."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            cluster = ApiCluster(client.Configuration(host=address), 60, Metrics().count_request)
            try:
                return await use(cluster)
            finally:
                await cluster.close()
        finally:
            await runner.cleanup()

    def listed(self) -> list[str]:
        """Names of the objects that a list brings."""
        found = asyncio.run(self.with_client(lambda cluster: cluster.list_all(CONFIG_MAP, "lab")))
        assert found.resource_version == "7"
        return [item["metadata"]["name"] for item in found.items]


SMALL, LARGE = 10, LARGE_PAGE_BYTES // PAGE + 1


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ([SMALL] * OBJECTS, [PAGE, PAGE]),
        ([LARGE] * OBJECTS, [PAGE] + [SMALL_PAGE] * 7),
        ([SMALL] * PAGE + [LARGE] * PAGE, [PAGE, PAGE] + [SMALL_PAGE] * 5),
        ([], [PAGE]),
    ],
    ids=["small", "large", "large ones later", "none"],
)
def test_every_object_arrives_once(sizes: list[int], asked: list[int]) -> None:
    server = PagingServer(sizes)
    assert server.listed() == [f"n{number}" for number in range(len(sizes))]
    assert server.asked == asked


def test_whether_runs_are_listed_is_asked_with_one_object() -> None:
    server = PagingServer([SMALL] * OBJECTS)
    asyncio.run(server.with_client(lambda cluster: cluster.check_listed(RUN, "lab")))
    assert server.asked == [1]
