"""The loop: what changed is looked at, what follows is done.

Watches call `Controller.observe`, which fills the cache and makes the run due. A few workers take
runs from the queue; a look at a run is one call of the pure `reconcile`, then its actions, then the
status, then the events. After acting, a run is looked at again; after a failure too, with back-off.
A slow relist takes all objects anew and looks at every run, so nothing depends on every event
having arrived. Killed at any instruction, the next process finds the same world and goes on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from cycleqd_operator.control.cache import Cache
from cycleqd_operator.control.event_poster import EventPoster
from cycleqd_operator.control.status_writer import StatusWriter
from cycleqd_operator.control.work_queue import RunKey, WorkQueue
from cycleqd_operator.decision.observed import Observed
from cycleqd_operator.decision.reconcile import reconcile
from cycleqd_operator.kube.actions import Action, Create, Decision, Delete
from cycleqd_operator.kube.cluster import FOREIGN_OWNER, ApiError, Cluster
from cycleqd_operator.kube.objects import Json, format_time, name
from cycleqd_operator.kube.resources import BY_KIND, RUN, WATCHED
from cycleqd_operator.kube.trimming import trim
from cycleqd_operator.metrics import Metrics
from cycleqd_operator.settings import Settings

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.1
"""Changes of a run within this time are looked at together."""

RELIST_AFTER_RECONNECT_SECONDS = 5.0
"""A watch that starts over does not tell what was deleted meanwhile; a relist does."""

RELIST_RETRY_SECONDS = 15.0

START_RETRY_SECONDS = 1.0
"""Between two tries while the API server does not answer yet."""

REFUSALS = frozenset({400, 403, 413, 422})
"""HTTP codes by which an object itself is refused, as invalid or forbidden; a remedy is needed."""

IDENTITIES = frozenset({"ServiceAccount", "Role", "RoleBinding"})
"""Kinds without which no pod may start: it would be somebody else."""

Reconcile: TypeAlias = Callable[[Observed, Settings, datetime], Decision]


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


class Controller:
    """All that one operator process does to its runs.

    Args:
        cluster: the API server.
        settings: the operator's settings.
        metrics: where to count.
        decide: the decision; a parameter for tests of this loop alone.
        now: the clock.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        metrics: Metrics,
        decide: Reconcile = reconcile,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._metrics = metrics
        self._decide = decide
        self._now = now
        self._cache = Cache()
        self._queue = WorkQueue()
        self._writer = StatusWriter(cluster, settings.status_interval_seconds)
        self._poster = EventPoster(cluster, metrics)
        self._refused: dict[RunKey, dict[str, str]] = {}
        self._relist_soon = asyncio.Event()
        self._listed_at = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []
        metrics.follow_runs(self._cache.runs)
        metrics.queue_depth.set_function(lambda: len(self._queue))
        for resource in WATCHED:
            metrics.objects.labels(resource.kind).set_function(
                partial(self._cache.count, resource.kind)
            )

    async def start(self) -> None:
        """Fill the cache, then look at every run.

        Raises:
            ApiError: the objects could not be listed within ``start_timeout_seconds``.
        """
        await self._first_list()
        log.info("caches are filled: %s", self.health())
        self._tasks = [
            asyncio.create_task(self._work(), name=f"reconcile worker {number}")
            for number in range(self._settings.concurrency)
        ]
        self._tasks.append(asyncio.create_task(self._keep_relisting(), name="relist"))
        self._tasks.append(asyncio.create_task(self._poster.run(), name="event poster"))

    async def stop(self) -> None:
        """Stop at once; what is left undone the next process will do."""
        self._queue.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def wait(self) -> None:
        """Wait until one of the tasks ends, which none does unless it failed: then raise its error.

        A process whose relist or worker is gone would look healthy and do half its work.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def observe(self, kind: str, type_: str | None, obj: Json) -> None:
        """Take what a watch delivered.

        Args:
            kind: kind of the object.
            type_: ``ADDED``, ``MODIFIED`` or ``DELETED``; None for a watch that starts (over).
            obj: the object, not kept.
        """
        self._metrics.saw_event(kind)
        small = trim(kind, obj)
        known = self._cache.remove if type_ == "DELETED" else self._cache.put
        run = known(kind, small)
        if run is not None:
            self._queue.add_after(run, COALESCE_SECONDS)
        if type_ is None and self._seconds_since_relist() > RELIST_AFTER_RECONNECT_SECONDS:
            self._relist_soon.set()

    def health(self) -> dict[str, float]:
        """Figures for a probe: cached objects by kind and the age of the last relist in seconds."""
        counts = {resource.plural: float(self._cache.count(resource.kind)) for resource in WATCHED}
        return counts | {"secondsSinceRelist": round(self._seconds_since_relist(), 1)}

    async def _work(self) -> None:
        """Look at one run after the other, for ever."""
        while True:
            key = await self._queue.get()
            started = time.perf_counter()
            try:
                outcome = await self._look(key)
                if outcome == "quiet":
                    self._queue.succeeded(key)
            except ApiError as error:
                outcome = "failed"
                wait = self._queue.retry(key)
                log.warning("%s/%s: %s; looking again in %.1f s", *key, error, wait)
            except Exception:  # one run's bug must not stop the others
                outcome = "failed"
                wait = self._queue.retry(key)
                log.exception("%s/%s: looking again in %.1f s", *key, wait)
            finally:
                self._queue.done(key)
            self._metrics.looked(outcome, time.perf_counter() - started)

    async def _look(self, key: RunKey) -> str:
        """Look at a run once and do what follows; returns the outcome for the metrics."""
        observed = self._cache.observed(key)
        if observed is None:
            self._writer.forget(key)
            self._queue.forget(key)
            self._refused.pop(key, None)
            return "gone"
        observed = replace(observed, refused=dict(self._refused.get(key, {})))
        decision = self._decide(observed, self._settings, self._now())
        waits = [decision.requeue_seconds]
        try:
            for action in decision.actions:
                taken = await self._act(key, action)
                if not taken and _target(action).partition("/")[0] in IDENTITIES:
                    break
        finally:
            # Also where an action failed: the status must not wait for a remedy.
            written = await self._writer.write(key, observed.run, decision.status)
            if written.run is not None:
                self._cache.put(RUN.kind, written.run)
                for event in decision.events:
                    self._poster.post(written.run, event)
            waits.append(written.wait_seconds)
        if decision.actions:
            # Each round that acts waits longer, so that a decision which never settles is slow.
            self._queue.retry(key)
            return "acted"
        for wait in waits:
            if wait is not None:
                self._queue.add_after(key, wait)
        return "quiet"

    async def _act(self, key: RunKey, action: Action) -> bool:
        """Carry out one action; what the API server refuses is remembered for the next look.

        Returns:
            Whether it was taken.
        """
        refused = self._refused.setdefault(key, {})
        try:
            stored = await self._cluster.apply(key.namespace, action)
        except ApiError as error:
            known = error.status in REFUSALS or error.reason == FOREIGN_OWNER
            if isinstance(action, Delete) or not known:
                raise
            log.warning("%s/%s: %s", *key, error)
            refused[_target(action)] = error.answer
            return False
        refused.pop(_target(action), None)
        self._learn(key, action, stored)
        return True

    def _learn(self, key: RunKey, action: Action, stored: Json | None) -> None:
        """Take the answer to an action into the cache, ahead of the watch."""
        if isinstance(action, Delete):
            place = RunKey(key.namespace, action.name)
            self._cache.mark_deleting(action.kind, place, action.uid, format_time(self._now()))
        elif stored is not None and BY_KIND[stored["kind"]] in WATCHED:
            self._cache.put(stored["kind"], stored)

    async def _keep_relisting(self) -> None:
        """Relist now and then, or soon after a watch started over."""
        wait = self._settings.resync_seconds
        while True:
            try:
                async with asyncio.timeout(wait * random.uniform(0.9, 1.1)):
                    await self._relist_soon.wait()
                await asyncio.sleep(RELIST_AFTER_RECONNECT_SECONDS)
            except TimeoutError:
                pass
            try:
                await self._relist()
                wait = self._settings.resync_seconds
            except ApiError as error:
                log.warning("relist failed: %s", error)
                wait = min(RELIST_RETRY_SECONDS, self._settings.resync_seconds)

    async def _first_list(self) -> None:
        """Take all objects for the first time.

        An API server that answered a moment ago may still refuse a whole list: one that has just
        started and lags behind etcd says 504, one that many ask at once 429.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.start_timeout_seconds
        while True:
            try:
                return await self._relist()
            except ApiError as error:
                if loop.time() >= deadline:
                    raise
                log.warning("the first lists failed: %s", error)
            await asyncio.sleep(START_RETRY_SECONDS)

    async def _relist(self) -> None:
        """Take all objects anew and make every run due."""
        missed: set[RunKey] = set()
        self._relist_soon.clear()
        namespaces: Sequence[str] = self._settings.namespaces or ("",)
        lists = [(resource, namespace) for resource in WATCHED for namespace in namespaces]
        listings = await asyncio.gather(*(self._cluster.list_all(*which) for which in lists))
        for (resource, namespace), listing in zip(lists, listings, strict=True):
            missed |= self._cache.replace(
                resource.kind, namespace, listing.items, listing.resource_version
            )
        if self._tasks and missed:
            self._metrics.drift.inc(len(missed))
            log.info("a relist found changes of %d runs that no watch had delivered", len(missed))
        for key in {*missed, *self._cache.run_keys()}:
            self._queue.add(key)
        self._listed_at = asyncio.get_running_loop().time()
        self._metrics.relisted()

    def _seconds_since_relist(self) -> float:
        return asyncio.get_running_loop().time() - self._listed_at


def _target(action: Action) -> str:
    """What an action is about, as `Observed.refused` names it."""
    if isinstance(action, Create):
        return f"{action.manifest['kind']}/{name(action.manifest)}"
    return f"{action.kind}/{action.name}"
