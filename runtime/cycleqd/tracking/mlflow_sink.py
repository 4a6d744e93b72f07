"""A run in MLflow: one MLflow run with parameters, metrics, tags and the report.

MLflow has no keys that a client chooses, so everything is found again by what it says: the run by
a tag with our run's id, a metric by its timestamp. That is no wall time but the start of the MLflow
run plus a millisecond for each generation, so that the same number has the same place whoever logs
it, and a database store drops what comes twice even from two followers at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cycleqd.errors import InputError
from cycleqd.run.store import RunStore
from cycleqd.tracking.mlflow_client import Server, told
from cycleqd.tracking.mlflow_models import MlflowModels
from cycleqd.tracking.models import ModelFacts, PublicationFacts
from cycleqd.tracking.translation import Point, parameters

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

RUN_TAG = "cycleqd.run"
STORE_TAG = "cycleqd.store"
REPORT_TAG = "cycleqd.report"

MAX_METRICS = 1000
MAX_PARAMETERS = 100
MAX_TAGS = 100
"""What MLflow takes at once."""

MAX_VALUE = 5000
"""Longest value of a parameter or tag that all servers take."""


class MlflowSink:
    """One run in an MLflow server, made where it is not there yet.

    Args:
        client: of the server.
        server: the same, for messages.
        experiment: name of the experiment, made where it is missing.
        run: what is tracked.
        registered_model: name under which published models are registered; None for nowhere.
        say: told what a user should know.

    Raises:
        InputError: the server refuses, or has the experiment deleted.
        ServiceUnavailable: the server does not answer.
    """

    def __init__(
        self,
        client: MlflowClient,
        server: Server,
        *,
        experiment: str,
        run: RunStore,
        registered_model: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._server = server
        self._store = run.objects.uri
        first = run.history.refresh()[0]
        self._source_id = first.run.run_id
        with told(server):
            self._experiment = self._experiment_of(experiment)
            self._run = self._run_of(first.manifest.metadata.name)
            self._describe(parameters(first))
        self.run_id: str = self._run.info.run_id
        self._curves: dict[str, dict[int, float]] = {}
        self._models = MlflowModels(
            client,
            experiment_id=self._experiment.experiment_id,
            run_id=self.run_id,
            start=self._run.info.start_time,
            store=self._store,
            source_id=self._source_id,
            registered_model=registered_model,
            say=say,
        )

    def _experiment_of(self, name: str) -> Experiment:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                self._client.create_experiment(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            raise InputError(
                f"{self._server.experiment_field}: {name!r} is deleted in {self._server.uri}; "
                "restore it or name another one"
            )
        return found

    def _run_of(self, name: str) -> Run:
        """The MLflow run that tracks ours; where several were begun at once the first of them."""
        found = self._runs()
        if not found:
            self._client.create_run(
                self._experiment.experiment_id,
                start_time=int(time.time() * 1000),
                tags={RUN_TAG: self._source_id, STORE_TAG: self._store},
                run_name=name,
            )
            found = self._runs()
        first, *others = found
        for other in others:  # all that they say is said in the first one too
            self._client.delete_run(other.info.run_id)
        return first

    def _runs(self) -> list[Run]:
        found = self._client.search_runs(
            [self._experiment.experiment_id], f"tags.`{RUN_TAG}` = '{self._source_id}'"
        )
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _describe(self, wanted: Mapping[str, str]) -> None:
        from mlflow.entities import Param  # noqa: PLC0415

        known = self._run.data.params
        missing = [Param(k, v[:MAX_VALUE]) for k, v in wanted.items() if k not in known]
        for params in _parts(missing, MAX_PARAMETERS):
            self._client.log_batch(self._run.info.run_id, params=params)

    def _values(self, key: str) -> dict[int, float]:
        """Every point of a curve that is there, by generation; asked once."""
        if key not in self._curves:
            start = self._run.info.start_time
            there = key in self._run.data.metrics
            history = self._client.get_metric_history(self.run_id, key) if there else []
            self._curves[key] = {m.timestamp - start: m.value for m in history}
        return self._curves[key]

    def known(self, key: str) -> Collection[int]:
        """See `cycleqd.tracking.sink.Sink`."""
        with told(self._server):
            return set(self._values(key))

    def add(self, points: Sequence[Point]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        from mlflow.entities import Metric  # noqa: PLC0415

        with told(self._server):
            missing = [point for point in points if not self._has(point)]
            start = self._run.info.start_time
            for part in _parts(missing, MAX_METRICS):
                metrics = [Metric(p.key, p.value, start + p.generation, p.step) for p in part]
                self._client.log_batch(self.run_id, metrics=metrics)
                for point in part:
                    self._curves[point.key][point.generation] = point.value

    def _has(self, point: Point) -> bool:
        value = self._values(point.key).get(point.generation)
        if value is not None and value != point.value:
            raise InputError(
                f"{self._server.experiment_field}: {self._experiment.name!r} has another run of "
                f"the id {self._source_id}: {point.key} of generation {point.generation} is "
                f"{value:g} there, {point.value:g} in {self._store}; name another experiment"
            )
        return value is not None

    def tag(self, tags: Mapping[str, str]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        from mlflow.entities import RunTag  # noqa: PLC0415

        with told(self._server):
            known = self._run.data.tags
            cut = {key: value[:MAX_VALUE] for key, value in tags.items()}
            missing = {key: value for key, value in cut.items() if known.get(key) != value}
            for part in _parts([*missing.items()], MAX_TAGS):
                self._client.log_batch(self.run_id, tags=[RunTag(*pair) for pair in part])
            known.update(missing)

    def publish(self, publication: PublicationFacts) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        with told(self._server):
            self._models.publish(publication)

    def keep(self, models: Sequence[ModelFacts]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        with told(self._server):
            for model in models:
                self._models.keep(model)

    def wants_report(self, generation: int) -> bool:
        """See `cycleqd.tracking.sink.Sink`."""
        return bool(self._run.data.tags.get(REPORT_TAG) != str(generation))

    def attach_report(self, generation: int, folder: Path) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        with told(self._server):
            self._client.log_artifacts(self.run_id, str(folder), "report")
        # After the files: without the tag they are sent once more.
        self.tag({REPORT_TAG: str(generation)})

    def end(self, *, complete: bool) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        wanted = "FINISHED" if complete else "RUNNING"
        if self._run.info.status == wanted:
            return
        with told(self._server):
            if complete:
                self._client.set_terminated(self.run_id, wanted)
            else:
                self._client.update_run(self.run_id, status=wanted)
            self._run = self._client.get_run(self.run_id)


def _parts(things: list[Any], size: int) -> Iterator[list[Any]]:
    for begin in range(0, len(things), size):
        yield things[begin : begin + size]
