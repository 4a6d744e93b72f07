"""One object that is nested beyond reason arrives cut short, and all others beside it arrive whole.

The API server is played here by a few lines, so that every way in is tested with every depth; that
a real one stores and delivers such objects is shown by `test_one_bad_object_stops_nobody_else`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import kopf
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio import client

from cycleqd.errors import ManifestError
from cycleqd.manifest.bounds import MAX_LEVELS
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.decision.reconcile import reconcile
from cycleqd_operator.kube.cluster import ApiCluster, ApiError
from cycleqd_operator.kube.nesting import LEVELS, parse_json, shallow
from cycleqd_operator.kube.resources import RUN
from cycleqd_operator.kube.trimming import trim
from cycleqd_operator.kube.watching import bounded_session
from cycleqd_operator.metrics import Metrics
from tests.controller.memory_cluster import MemoryCluster
from tests.controller.nested import deep_run_text
from tests.controller.running import check, controller_of
from tests.controller.runs import run_document

DEPTHS = [90, 500, 990, 5_000, 10_000]


def levels_of(value: Any) -> int:
    """How deep a value is, counted without recursion."""
    deepest, left = 0, [(value, 0)]
    while left:
        part, above = left.pop()
        if isinstance(part, dict | list):
            deepest = max(deepest, above + 1)
            inside = part.values() if isinstance(part, dict) else part
            left += [(item, above + 1) for item in inside]
    return deepest


def page(*items: str) -> str:
    """A LIST answer of objects that are given as texts."""
    return '{"metadata": {"resourceVersion": "7"}, "items": [' + ", ".join(items) + "]}"


def documents(levels: int) -> list[str]:
    """A deep run between two others."""
    others = [json.dumps(run_document(name, "lab")) for name in ("one", "two")]
    return [others[0], deep_run_text("deep", "lab", levels), others[1]]


@asynccontextmanager
async def api_server(answer: str, *, chunk: int = 1 << 20) -> AsyncIterator[str]:
    """A server that answers every request so, in chunks; yields its address."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        data = answer.encode()
        for start in range(0, len(data), chunk):
            await response.write(data[start : start + chunk])
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def listed(answer: str) -> Any:
    """What the operator's own client makes of an answer to a LIST of runs."""

    async def ask() -> Any:
        async with api_server(answer) as address:
            cluster = ApiCluster(client.Configuration(host=address), 10, Metrics().count_request)
            try:
                return await cluster.list_all(RUN, "")
            finally:
                await cluster.close()

    return asyncio.run(ask())


def in_kopf_s_session(answer: str, chunk: int, use: Callable[[Any], Awaitable[Any]]) -> Any:
    """What comes of an answer in the session that kopf is given."""

    async def ask() -> Any:
        async with api_server(answer, chunk=chunk) as address:
            found = bounded_session(kopf.ConnectionInfo(server=address))
            url = f"{found.server}{RUN.path('')}"
            async with found.aiohttp_session as session, session.get(url) as response:
                return await use(response)

    return asyncio.run(ask())


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_list_of_ours_has_them_all(levels: int) -> None:
    found = listed(page(*documents(levels))).items
    assert [item["metadata"]["name"] for item in found] == ["one", "deep", "two"]
    assert found[0] == run_document("one", "lab")
    assert MAX_LEVELS < levels_of(found[1]) <= LEVELS
    with pytest.raises(ManifestError, match=r"^spec\.workers\.template\.spec\.affinity\.a"):
        parse_resource(found[1])


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_list_of_kopf_s_has_them_all(levels: int) -> None:
    found = in_kopf_s_session(page(*documents(levels)), 1 << 20, lambda r: r.json())
    assert [item["metadata"]["name"] for item in found["items"]] == ["one", "deep", "two"]
    assert found["items"][2] == run_document("two", "lab")
    assert MAX_LEVELS < levels_of(found) <= LEVELS


@pytest.mark.parametrize("chunk", [1000, 1 << 20])
@pytest.mark.parametrize("levels", DEPTHS)
def test_a_watch_goes_on_behind_them(levels: int, chunk: int) -> None:
    events = [f'{{"type": "ADDED", "object": {text}}}' for text in documents(levels)]

    async def lines(response: Any) -> list[Any]:
        text = b"".join([part async for part in response.content.iter_chunked(chunk)])
        return [json.loads(line) for line in text.splitlines()]

    found = in_kopf_s_session("\n".join(events) + "\n", chunk, lines)
    assert [event["object"]["metadata"]["name"] for event in found] == ["one", "deep", "two"]
    assert found[2]["object"] == run_document("two", "lab")
    assert MAX_LEVELS < levels_of(found[1]) <= LEVELS


def test_an_answer_that_is_none_is_not_an_empty_list() -> None:
    for answer in ("<html>proxy</html>", '["x"]', page(*documents(500))[:-5]):
        with pytest.raises(ApiError):
            listed(answer)


JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='a"\\[]{}é\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"{]a', max_size=3), inner),
    max_leaves=20,
)


@given(value=JSON, around=st.integers(0, 150), indent=st.sampled_from([None, 1]))
def test_what_is_not_too_deep_is_not_touched(value: Any, around: int, indent: int | None) -> None:
    text = "[" * around + json.dumps(value, indent=indent) + ', "]"' + "]" * around
    text = text if around else json.dumps(value)
    found = json.loads(shallow(text))
    assert levels_of(found) <= LEVELS
    if levels_of(json.loads(text)) <= LEVELS:
        assert shallow(text) == text
    assert parse_json(text) == json.loads(text)


def test_what_the_cache_keeps_is_never_deep() -> None:
    deep = json.loads(deep_run_text("deep", "lab", 400))
    assert MAX_LEVELS < levels_of(trim(RUN.kind, deep)) <= LEVELS


def test_a_deep_run_fails_and_another_goes_on() -> None:
    async def body(cluster: MemoryCluster) -> None:
        cluster.store(RUN.kind, json.loads(deep_run_text("deep", "default", 90)))
        cluster.store(RUN.kind, run_document("one", "default"))
        async with controller_of(cluster, reconcile):
            await asyncio.sleep(60)
        assert cluster.get("Job", "one-coordinator")
        conditions = cluster.get(RUN.kind, "deep")["status"]["conditions"]
        (failed,) = (found for found in conditions if found["type"] == "Failed")
        assert (failed["status"], failed["reason"]) == ("True", "InvalidManifest")
        assert "spec.workers.template.spec.affinity.a" in failed["message"]
        assert not [name for kind, _, name in cluster.objects if name.startswith("deep-")]

    check(body)
