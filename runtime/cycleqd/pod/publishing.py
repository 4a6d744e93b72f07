"""Progress on its way to the operator: written when it changes, never in the coordinator's way.

A thread of its own writes the newest progress into the run's ConfigMap. What a person waits for
(another phase, generation or stage, trouble and its end) goes at once, mere counts every five
seconds. An API server that does not answer is asked again and again; only the last word, ``flush``,
is waited for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from cycleqd.contract.config_maps import PROGRESS
from cycleqd.contract.progress import Progress
from cycleqd.errors import InputError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

INTERVAL_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0
TIMEOUT_SECONDS = (5.0, 10.0)
"""Of the connection and of the answer."""


class Board(Protocol):
    """Where progress is pinned up."""

    def read(self) -> Progress:
        """What is there; any exception means that it is to be tried again."""
        ...

    def write(self, progress: Progress) -> None:
        """Replace what is there; any exception means that it is to be tried again."""
        ...


class ConfigMapBoard:
    """A ConfigMap's key, by the official client: in-cluster, or by ``KUBECONFIG``.

    Raises:
        InputError: there is neither.
    """

    def __init__(self, namespace: str, name: str) -> None:
        from kubernetes import client, config  # noqa: PLC0415 - half a second

        kubeconfig = os.environ.get("KUBECONFIG")
        try:
            if kubeconfig:
                config.load_kube_config(kubeconfig)
            else:
                config.load_incluster_config()
        except config.ConfigException as error:
            raise InputError(
                f"no Kubernetes API server to report to: {error}; run in a pod with its service "
                "account's token, or set KUBECONFIG"
            ) from error
        self._api: Any = client.CoreV1Api()
        self._namespace = namespace
        self._name = name

    def write(self, progress: Progress) -> None:
        """Patch the key."""
        self._api.patch_namespaced_config_map(
            self._name,
            self._namespace,
            {"data": {PROGRESS: progress.to_json()}},
            _request_timeout=TIMEOUT_SECONDS,
        )

    def read(self) -> Progress:
        """What is there; a progress without a run where nothing is, or nothing readable."""
        found = self._api.read_namespaced_config_map(
            self._name, self._namespace, _request_timeout=TIMEOUT_SECONDS
        )
        text = (found.data or {}).get(PROGRESS)
        try:
            return Progress.from_json(text) if text else Progress()
        except ValueError:  # another version's
            return Progress()


def is_news(sent: Progress | None, latest: Progress) -> bool:
    """Whether the difference is one that is told at once."""
    return sent is None or _essence(sent) != _essence(latest)


def _essence(progress: Progress) -> tuple[object, ...]:
    return (
        progress.phase,
        progress.generation,
        progress.observed_generation,
        progress.rejected,
        progress.rejected_generation,
        progress.accepted_revision,
        progress.report,
        progress.goal_reached,
        progress.store_error_reason,
        progress.tracking_error,
        tuple(stage.stage for stage in progress.stages),
    )


class Publisher:
    """Writes the newest progress in a thread; a context manager.

    Args:
        board: where to.
        count: told of each attempt whether it succeeded.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        board: Board,
        count: Callable[[bool], None] = lambda delivered: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._count = count
        self._clock = clock
        self._changed = threading.Condition()
        self._latest: Progress | None = None
        self._sent: Progress | None = None
        self._sent_at = float("-inf")
        self._before: Progress | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def publish(self, progress: Progress) -> None:
        """Take a new progress; returns at once."""
        with self._changed:
            if progress != self._latest:
                self._latest = progress
                self._changed.notify_all()

    def before(self, timeout: float | None = None) -> Progress | None:
        """What was published before this process began; None if it is not known in that time.

        Args:
            timeout: seconds; None waits for ever.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._before is not None, timeout)
            return self._before

    def flush(self) -> None:
        """Wait, for ever if need be, until the newest progress is delivered."""
        with self._changed:
            self._changed.wait_for(lambda: self._sent == self._latest)

    def due_in(self) -> float | None:
        """Seconds until there is something to write, None while there is nothing."""
        if self._latest is None or self._latest == self._sent:
            return None
        if is_news(self._sent, self._latest):
            return 0.0
        return max(0.0, self._sent_at + INTERVAL_SECONDS - self._clock())

    def _work(self) -> None:
        before = self._insist("read", self._board.read)
        with self._changed:
            self._before = before
            self._changed.notify_all()
        while (progress := self._wait()) is not None:
            self._insist("written", partial(self._board.write, progress))
            with self._changed:
                self._sent = progress
                self._sent_at = self._clock()
                self._changed.notify_all()

    def _insist(self, what: str, call: Callable[[], Answer]) -> Answer | None:
        """The answer of a call that is repeated until it is given; None at the end."""
        pause = 1.0
        while not self._closed:
            try:
                answer = call()
            except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
                log.warning(
                    "progress could not be %s, again in %.0f s: %s", what, pause, _brief(error)
                )
                self._count(False)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, timeout=pause)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
            else:
                self._count(True)
                return answer
        return None

    def _wait(self) -> Progress | None:
        """What to write, once it is time; None at the end."""
        with self._changed:
            while not self._closed:
                seconds = self.due_in()
                if seconds == 0.0:
                    return self._latest
                self._changed.wait(seconds)
            return None


def _brief(error: Exception) -> str:
    """One line: the client's errors quote headers and bodies."""
    status = getattr(error, "status", None)
    if status is not None:
        return f"HTTP {status} {getattr(error, 'reason', '')}".strip()
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
