"""A follower beside a run: it tracks in a thread, and the run neither waits nor fails for it.

Whatever the tool or the network does becomes a text for whoever watches the run, and is tried again
with growing pauses. Only the end waits, and for a bounded time: what is not logged by then can be
logged at any later one, since everything follows from the store. The thread ends with its process,
wherever it is, as a follower that is killed may.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import replace

from cycleqd.errors import CycleQDError, InputError, ServiceUnavailable, StoreError
from cycleqd.manifest.tracking import MLflow, Tracking
from cycleqd.run.store import RunStore
from cycleqd.tracking.follower import Follower
from cycleqd.tracking.mlflow_client import EXTRA, Server, connect, is_installed
from cycleqd.tracking.mlflow_sink import MlflowSink

FIELD = "spec.tracking.mlflow"

LOOK_SECONDS = 10.0
"""Pause between two looks at the store, and after the first failure."""

LONGEST_PAUSE_SECONDS = 300.0

LAST_SECONDS = 60.0
"""How long the end of a run waits for what is not logged yet."""

LAST_PAUSE_SECONDS = 2.0
"""Pause between two tries in that time."""

MOST_CHARACTERS = 400
"""Of what is said to be the matter."""


def check_installed(tracking: Tracking | None) -> None:
    """See that what a manifest asks for can be done here.

    Raises:
        InputError: the tool's package is not installed.
    """
    if tracking is not None and not is_installed():
        raise InputError(f"{FIELD}: mlflow is not installed; {EXTRA}, or remove {FIELD}")


def attach_command(store: str, mlflow: MLflow) -> str:
    """The command that logs, at any later time, what a store has and MLflow has not."""
    words = ["cycleqd", "track", store, "--mlflow", mlflow.uri, "--experiment", mlflow.experiment]
    if mlflow.registered_model is not None:
        words += ["--registered-model", mlflow.registered_model]
    return shlex.join(words)


def mlflow_follower(
    open_run: Callable[[], RunStore], say: Callable[[str], None], login: str | None = None
) -> Callable[[MLflow], Follower]:
    """What makes the follower of one run, wherever it is to be tracked.

    Args:
        open_run: opens the run's store.
        say: told where the run is tracked, once for each place.
        login: what to do where a server does not accept the credentials; None for what holds on
            one machine.
    """
    said: set[str] = set()

    def begin(wanted: MLflow) -> Follower:
        server = Server(wanted.uri, f"{FIELD}.uri", f"{FIELD}.experiment")
        if login is not None:
            server = replace(server, login=login)
        client = connect(server)
        run = open_run()
        sink = MlflowSink(
            client,
            server,
            experiment=wanted.experiment,
            run=run,
            registered_model=wanted.registered_model,
            say=say,
        )
        where = f"run {sink.run_id} of experiment {wanted.experiment!r} in {wanted.uri}"
        if where not in said:
            said.add(where)
            say(f"{FIELD}: {run.document.run_id} is {where}")
        return Follower(run, sink, lambda text: None)

    return begin


class Companion:
    """Tracks one run in a thread, as long as it is wanted.

    Args:
        begin: makes the follower, as `mlflow_follower` does; called in the thread, which shares
            nothing with the run.
        warn: told what is the matter, each time that it is something else.
        pause_seconds: between two looks at the store.
    """

    def __init__(
        self,
        begin: Callable[[MLflow], Follower],
        warn: Callable[[str], None],
        pause_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._begin = begin
        self._warn = warn
        self._pause_seconds = pause_seconds
        self._changed = threading.Condition()
        self._wanted: MLflow | None = None
        self._ending = False
        self._ended = False
        self._trouble = ""
        self._thread: threading.Thread | None = None
        # The thread's own:
        self._followed: tuple[MLflow, Follower] | None = None
        self._away: type[Exception] | None = None

    @property
    def trouble(self) -> str:
        """What is the matter now, empty where nothing is."""
        return self._trouble

    def follow(self, tracking: Tracking | None) -> None:
        """Track as a manifest says from now on; returns at once."""
        with self._changed:
            wanted = None if tracking is None else tracking.mlflow
            if wanted == self._wanted:
                return
            self._wanted, self._trouble = wanted, ""
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
                self._thread.start()

    def finish(self, store: str) -> None:
        """Wait, for `LAST_SECONDS` at most, until a run that has ended is logged whole.

        Args:
            store: URI of the run's store, for the command that logs the rest later.
        """
        with self._changed:
            wanted = self._wanted
            if wanted is None:
                return
            self._ending = True
            self._changed.notify_all()
            if self._changed.wait_for(lambda: self._ended, LAST_SECONDS) and not self._trouble:
                return
            late = f"{FIELD}.uri: {wanted.uri} takes more than {LAST_SECONDS:g} s"
            why = self._trouble or late
            self._trouble = f"{why}; log what is missing by: {attach_command(store, wanted)}"
        self._warn(self._trouble)

    def _work(self) -> None:
        pause = self._pause_seconds
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted is not None)
                wanted, ending = self._wanted, self._ending
            assert wanted is not None
            failure: Exception | None = None
            try:
                last = self._look(wanted)
                pause = self._pause_seconds
            except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
                self._followed = None  # what is there is asked anew
                failure, last = error, isinstance(error, InputError)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
            self._note(failure, wanted)
            if ending and last:
                break
            self._wait(wanted, LAST_PAUSE_SECONDS if ending else pause, ending=ending)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _note(self, failure: Exception | None, wanted: MLflow) -> None:
        """Say what is the matter, once for one outage: each try fails in other words."""
        away = type(failure) if isinstance(failure, (ServiceUnavailable, StoreError)) else None
        trouble = "" if failure is None else _brief(failure)
        with self._changed:
            same = trouble == self._trouble or (self._trouble and away and away is self._away)
            if wanted != self._wanted or same:
                return
            self._trouble, self._away = trouble, away
        if trouble:
            self._warn(f"{trouble}; the run goes on, and this is tried again")

    def _wait(self, wanted: MLflow, seconds: float, *, ending: bool) -> None:
        """Wait so long, or until something else is asked for."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._wanted != wanted or self._ending != ending, seconds
            )

    def _look(self, wanted: MLflow) -> bool:
        """Log all that is committed; whether the run is complete."""
        if self._followed is None or self._followed[0] != wanted:
            self._followed = (wanted, self._begin(wanted))
        return self._followed[1].look()


def _brief(error: Exception) -> str:
    """One line that names the field, or a store that is away."""
    text = str(error).partition("\n")[0][:MOST_CHARACTERS]
    if isinstance(error, CycleQDError):
        return text if text.startswith(FIELD) else f"{FIELD}: {text}"
    return f"{FIELD}: unexpected {type(error).__name__}: {text}"
