"""kopf's part: the watches, the login and the probe. Decorators only; nothing decides here.

Only ``on.event`` is used: it writes nothing to the objects (no finalizer, no annotation), and the
controller keeps its own cache, because kopf's indices slow down with the square of the objects.
"""

from __future__ import annotations

from typing import Any

import kopf

from cycleqd_operator.control.controller import Controller
from cycleqd_operator.kube.login import connection_of, load_configuration
from cycleqd_operator.kube.resources import WATCHED, Resource
from cycleqd_operator.kube.watching import bounded_session


def registry_of(controller: Controller) -> kopf.OperatorRegistry:
    """All handlers, bound to a controller."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: object) -> kopf.AiohttpSession:
        return bounded_session(await connection_of(await load_configuration()))

    @kopf.on.probe(registry=registry, id="controller")
    async def health(**_: object) -> dict[str, float]:
        return controller.health()

    def watch(resource: Resource) -> None:
        @kopf.on.event(
            resource.group,
            resource.version,
            resource.plural,
            registry=registry,
            id=resource.plural,
        )
        async def changed(event: Any, **_: object) -> None:  # noqa: ANN401 - kopf's RawEvent
            controller.observe(resource.kind, event["type"], event["object"])

    for resource in WATCHED:
        watch(resource)
    return registry
