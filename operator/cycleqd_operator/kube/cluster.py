"""The seam to the API server: what the controller asks of a cluster, and the real one.

`Cluster` is all that the controller knows, so its tests count requests against a double.
`ApiCluster` speaks to the API server through the official client's low-level call: objects stay
plain JSON, the generated models (30 MB) stay unloaded, and the client takes care of kubeconfigs,
client certificates and rotating ServiceAccount tokens. Every request has a time limit; reads and
deletes are retried by the client, the rest by the controller's queue.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import aiohttp
from kubernetes.aio import client

from cycleqd_operator.kube.actions import Action, Create, Event, Patch
from cycleqd_operator.kube.names import MANAGED_BY, RUN_LABEL
from cycleqd_operator.kube.nesting import parse_json
from cycleqd_operator.kube.objects import Json, metadata
from cycleqd_operator.kube.pages import TooLarge, read_bounded
from cycleqd_operator.kube.resources import BY_KIND, EVENT, RUN, Resource
from cycleqd_operator.kube.rights import PolicyRule
from cycleqd_operator.kube.trimming import trim
from cycleqd_operator.kube.typed_pages import read_page

PAGE = 250
"""Objects in one page of a LIST: a page costs the API server as much as thirty objects in it."""

LARGE_PAGE_BYTES = 16 * 2**20
"""A page of so many objects is not read to its end where it takes more."""

SMALL_PAGE = 50
"""Objects in one page where they are large: 75 MB of text where all are of etcd's limit."""

READ_ATTEMPTS = 3
CONNECT_SECONDS = 10.0
MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """A request to the API server failed.

    Attributes:
        status: HTTP status; 0 where no answer came.
        reason: the server's CamelCase reason, such as ``AlreadyExists``; empty without one.
        answer: the server's own sentence.
    """

    def __init__(self, status: int, reason: str, answer: str, request: str = "") -> None:
        self.status = status
        self.reason = reason
        self.answer = answer
        super().__init__(f"{request}: {status or 'no answer'}: {answer}" if request else answer)


@dataclass(frozen=True)
class Listing:
    """All objects of a kind at one moment.

    Attributes:
        items: the objects, trimmed.
        resource_version: the moment.
    """

    items: Sequence[Json]
    resource_version: str


class Cluster(Protocol):
    """What the controller needs of a cluster."""

    async def list_all(self, resource: Resource, namespace: str) -> Listing:
        """All runs, or all objects with the run label; of one namespace, or "" for all.

        Raises:
            ApiError: also with status 404 where the kind is not known.
        """

    async def apply(self, namespace: str, action: Action) -> Json | None:
        """Carry out one action.

        Returns:
            The object as it now is, trimmed; None where it is gone.

        Raises:
            ApiError: the action was refused, or an object of that name belongs to another owner.
        """

    async def patch_status(self, run: Json, patch: Json) -> Json:
        """Change a run's status if the run is still the one that was seen.

        Args:
            run: the run as it was seen.
            patch: merge patch of its status.

        Returns:
            The run as it now is, trimmed.

        Raises:
            ApiError: with status 409 where the run has changed since, 404 where it is gone.
        """

    async def post_event(self, run: Json, event: Event) -> None:
        """Record an event about a run.

        Raises:
            ApiError: it was not recorded.
        """

    async def is_allowed(self, rule: PolicyRule, verb: str, namespace: str) -> bool:
        """Whether this process may do that in a namespace, "" for all.

        Raises:
            ApiError: the question was not answered.
        """


class ApiCluster:
    """The API server behind a client configuration.

    Args:
        configuration: where and who; see `cycleqd_operator.kube.login`.
        timeout_seconds: time limit of each request.
        count: told of each request: the verb, the kind, the HTTP status (0 without an answer).
        user_agent: how this process calls itself.
    """

    def __init__(
        self,
        configuration: client.Configuration,
        timeout_seconds: float,
        count: Callable[[str, str, int], None],
        user_agent: str = MANAGED_BY,
    ) -> None:
        configuration.retries = READ_ATTEMPTS
        self._client = client.ApiClient(configuration)
        self._client.user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        self._count = count
        self._instance = socket.gethostname()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def list_all(self, resource: Resource, namespace: str) -> Listing:
        """See `Cluster.list_all`; page by page, in small ones from the first large one on."""
        items: list[Json] = []
        token, limit = "", PAGE
        while True:
            try:
                page = await self._page(resource, namespace, limit, token)
            except TooLarge:
                limit = SMALL_PAGE
                continue
            items += page.get("items") or ()
            token = metadata(page).get("continue") or ""
            if not token:
                return Listing(items, str(metadata(page).get("resourceVersion", "")))

    async def check_listed(self, resource: Resource, namespace: str) -> None:
        """Ask for one object of a kind, as `list_all` asks for all.

        Raises:
            ApiError: with status 404 where the kind is not known.
        """
        await self._page(resource, namespace, 1)

    async def _page(self, resource: Resource, namespace: str, limit: int, token: str = "") -> Json:
        """One page of a list, its objects trimmed.

        Raises:
            ApiError: the API server refused.
            TooLarge: of a page that is not small.
        """
        return await self._request(
            "list",
            resource,
            resource.path(namespace),
            query=[
                ("limit", str(limit)),
                ("labelSelector", "" if resource is RUN else RUN_LABEL),
                ("continue", token),
            ],
            # Items of a list carry no apiVersion and kind of their own.
            parse=partial(read_page, resource.kind),
            most_bytes=LARGE_PAGE_BYTES if limit > SMALL_PAGE else None,
        )

    async def apply(self, namespace: str, action: Action) -> Json | None:
        """See `Cluster.apply`."""
        if isinstance(action, Create):
            return await self._create(namespace, action.manifest)
        resource = BY_KIND[action.kind]
        path = resource.path(namespace, action.name)
        try:
            if isinstance(action, Patch):
                stored = await self._request(
                    "patch", resource, path, body=action.body, content_type=MERGE_PATCH
                )
                return trim(resource.kind, stored)
            options = {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "propagationPolicy": "Background",
                "preconditions": {"uid": action.uid},
            }
            await self._request("delete", resource, path, body=options)
        except ApiError as error:
            another = not isinstance(action, Patch) and error.status == 409
            if error.status != 404 and not another:
                raise
        return None

    async def _create(self, namespace: str, manifest: Json) -> Json:
        """Create an object, or find that its owner has it already."""
        resource = BY_KIND[manifest["kind"]]
        try:
            stored = await self._request(
                "create", resource, resource.path(namespace), body=manifest
            )
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            name = metadata(manifest)["name"]
            stored = await self._request("get", resource, resource.path(namespace, name))
            if _owners(stored) != _owners(manifest):
                raise _foreign(resource, stored, manifest) from None
        return trim(resource.kind, stored)

    async def patch_status(self, run: Json, patch: Json) -> Json:
        """See `Cluster.patch_status`; the resourceVersion is the precondition."""
        seen = metadata(run)
        stored = await self._request(
            "patch",
            RUN,
            RUN.path(seen["namespace"], seen["name"]) + "/status",
            body={"metadata": {"resourceVersion": seen["resourceVersion"]}, "status": patch},
            content_type=MERGE_PATCH,
        )
        return trim(RUN.kind, stored)

    async def post_event(self, run: Json, event: Event) -> None:
        """See `Cluster.post_event`."""
        seen = metadata(run)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": f"{seen['name']}.{secrets.token_hex(8)}",
                "namespace": seen["namespace"],
            },
            "eventTime": now,
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason,
            "note": event.message[:1024],
            "reportingController": f"cycleqd.io/{MANAGED_BY}",
            "reportingInstance": self._instance[:128],
            "regarding": {
                "apiVersion": RUN.api_version,
                "kind": RUN.kind,
                "namespace": seen["namespace"],
                "name": seen["name"],
                "uid": seen["uid"],
                "resourceVersion": seen["resourceVersion"],
            },
        }
        await self._request("create", EVENT, EVENT.path(seen["namespace"]), body=body)

    async def is_allowed(self, rule: PolicyRule, verb: str, namespace: str) -> bool:
        """See `Cluster.is_allowed`."""
        resource, _, subresource = rule.resource.partition("/")
        attributes = {
            "group": rule.group,
            "resource": resource,
            "subresource": subresource,
            "verb": verb,
            "namespace": namespace,
        }
        body = {
            "apiVersion": ACCESS_REVIEW.api_version,
            "kind": ACCESS_REVIEW.kind,
            "spec": {"resourceAttributes": attributes},
        }
        answer = await self._request("create", ACCESS_REVIEW, ACCESS_REVIEW.path(), body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _request(
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Json | None = None,
        content_type: str = "application/json",
        parse: Callable[[str], Any] = parse_json,
        most_bytes: int | None = None,
    ) -> Json:
        """One request; the answer's JSON.

        Raises:
            ApiError: the API server refused, or did not answer.
            TooLarge: the answer takes more than ``most_bytes``.
        """
        status = 0
        try:
            method, url, headers, payload, form = await self._client.param_serialize(
                METHODS[verb],
                path,
                query_params=[pair for pair in query if pair[1]],
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._client.call_api(
                method, url, headers, payload, form, _request_timeout=self._timeout
            )
            status = response.status
            content = await read_bounded(response.response, most_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or type(error).__name__
            raise ApiError(0, "", text, f"{verb} {path}") from error
        finally:
            self._count(verb, resource.kind, status)
        answer = _parse(content, parse)
        if status >= 400 or answer is None:
            answer = answer or {}
            message = answer.get("message") or content[:200].decode(errors="replace")
            raise ApiError(status, str(answer.get("reason") or ""), message, f"{verb} {path}")
        return answer


FOREIGN_OWNER = "ForeignOwner"
"""Reason where an object of that name is somebody else's; no API server says it."""

METHODS = {"list": "GET", "get": "GET", "create": "POST", "patch": "PATCH", "delete": "DELETE"}
ACCESS_REVIEW = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)


def _parse(content: bytes, parse: Callable[[str], Any]) -> Json | None:
    """The answer's JSON object; None where it is none, as from a proxy on the way."""
    try:
        found = parse(content.decode())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _foreign(resource: Resource, stored: Json, manifest: Json) -> ApiError:
    """Why an object cannot be made where another one stands."""
    what = f"{resource.kind} {metadata(stored).get('namespace')}/{metadata(stored).get('name')}"
    former = [owner["name"] for owner in metadata(manifest).get("ownerReferences") or ()]
    if any(
        owner.get("kind") == RUN.kind and owner.get("name") in former
        for owner in metadata(stored).get("ownerReferences") or ()
    ):
        return ApiError(
            409,
            "Conflict",
            f"{what} belongs to another owner, an earlier run of this name; it is collected soon",
        )
    return ApiError(
        409,
        FOREIGN_OWNER,
        f"{what} belongs to another owner, not to this run; delete it, or give the run another"
        " name",
    )


def _owners(obj: Json) -> set[str]:
    """Uids of an object's owners."""
    return {owner["uid"] for owner in metadata(obj).get("ownerReferences") or ()}
