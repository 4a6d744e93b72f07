"""Models of a run in MLflow: logged models without weights, and versions in the registry.

A logged model is found again by its tag with the candidate's id, a version likewise. What makes a
model appear or a version's alias move happens in an order in which the last step is the mark that
all before it is done, so whoever is killed in between does the rest, and only that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cycleqd.tracking.models import ModelFacts, PublicationFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
"""Alias of the model to take."""

MODEL_TYPE = "cycleqd"
CANDIDATE_TAG = "cycleqd.candidate"
RUN_TAG = "cycleqd.run"
HELD_TAG = "cycleqd.held_back"
DECIDED_TAG = "cycleqd.champion_decided"
"""On a version: the last generation after which it was decided whether it is the champion."""

EXTERNAL_TAG = "mlflow.model.isExternal"


class MlflowModels:
    """Logged models and versions of one run.

    Args:
        client: of the server.
        experiment_id: where logged models are.
        run_id: the MLflow run that they are of.
        start: when that began, in milliseconds.
        store: URI of our run's store.
        source_id: id of our run.
        registered_model: name of the registered model, None for none.
        say: told what a user should know.
    """

    def __init__(
        self,
        client: MlflowClient,
        *,
        experiment_id: str,
        run_id: str,
        start: int,
        store: str,
        source_id: str,
        registered_model: str | None,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._run_id = run_id
        self._start = start
        self._store = store
        self._source_id = source_id
        self._name = registered_model
        self._say = say

    @cached_property
    def _models(self) -> dict[str, LoggedModel]:
        """The logged models that are there, by candidate; of those made at once the first."""
        pages = _pages(
            lambda token: self._client.search_logged_models(
                [self._experiment_id],
                filter_string=f"source_run_id = '{self._run_id}'",
                page_token=token,
            )
        )
        found = sorted(pages, key=lambda m: (m.creation_timestamp, m.model_id), reverse=True)
        return {m.tags[CANDIDATE_TAG]: m for m in found if CANDIDATE_TAG in m.tags}

    def keep(self, facts: ModelFacts) -> LoggedModel:
        """A logged model with these facts, made or completed."""
        from mlflow.entities import Metric  # noqa: PLC0415

        tags = facts.tags(self._store, self._source_id)
        model = self._models.get(facts.candidate)
        if model is None:
            model = self._client.create_logged_model(
                self._experiment_id,
                name=facts.candidate,
                source_run_id=self._run_id,
                tags={EXTERNAL_TAG: "true", **tags},
                params={"candidate": facts.candidate, "parents": ", ".join(facts.parents)},
                model_type=MODEL_TYPE,
            )
            self._models[facts.candidate] = model
        known = {(metric.key, metric.step) for metric in model.metrics or ()}
        metrics = [
            Metric(
                key,
                value,
                self._start + facts.generation,
                facts.step,
                model_id=model.model_id,
                run_id=self._run_id,
            )
            for key, value in facts.metrics().items()
            if (key, facts.step) not in known
        ]
        if metrics:
            self._client.log_batch(self._run_id, metrics=metrics)
        if any(model.tags.get(key) != value for key, value in tags.items()):
            self._client.set_logged_model_tags(model.model_id, tags)
        if model.status != "READY":
            self._write_placeholder(model)
            model = self._client.finalize_logged_model(model.model_id, "READY")
        else:
            model = self._client.get_logged_model(model.model_id) if metrics else model
        self._models[facts.candidate] = model
        return model

    def _write_placeholder(self, model: LoggedModel) -> None:
        """The file by which MLflow knows a model whose weights are elsewhere.

        What MLflow's own `get_external_mlflow_model_spec` makes, which needs pandas, without the
        signature that it writes for one vendor's registry.
        """
        from mlflow.models.model import Model  # noqa: PLC0415
        from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL  # noqa: PLC0415

        spec = Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            model_id=model.model_id,
            run_id=model.source_run_id,
            metadata={MLFLOW_MODEL_IS_EXTERNAL: True},
        )
        with tempfile.TemporaryDirectory(prefix="cycleqd-") as folder:
            spec.save(f"{folder}/MLmodel")
            self._client.log_model_artifacts(model.model_id, folder)

    def publish(self, publication: PublicationFacts) -> None:
        """Show which model the run stands for, and which one was held back.

        The alias moves only where the run has a gate, and only from one of its own versions: the
        gate compares with no other run's.
        """
        if publication.held is not None:
            held = self.keep(publication.held)
            if self._name is not None:
                self._version(held, publication.held, {HELD_TAG: str(publication.generation)})
        model = self.keep(publication.model)
        if self._name is None:
            return
        version = self._version(model, publication.model, {})
        if int(version.tags.get(DECIDED_TAG, "-1")) >= publication.generation:
            return
        if not publication.gated:
            self._say(
                f"{self._name} version {version.version}: the alias {CHAMPION} stays where it is; "
                "it moves through the gate of spec.publication alone, which this run has not"
            )
        elif self._may_move():
            self._client.set_registered_model_alias(self._name, CHAMPION, version.version)
            self._say(
                f"{self._name}@{CHAMPION} is version {version.version}, {model.name}, after "
                f"generation {publication.generation}"
            )
        self._client.set_model_version_tag(
            self._name, version.version, DECIDED_TAG, str(publication.generation)
        )
        self._versions[publication.model.candidate].tags[DECIDED_TAG] = str(publication.generation)

    def _may_move(self) -> bool:
        assert self._name is not None
        aliases: Mapping[str, Any] = self._client.get_registered_model(self._name).aliases
        if CHAMPION not in aliases:
            return True
        current = self._client.get_model_version_by_alias(self._name, CHAMPION)
        if current.tags.get(RUN_TAG) == self._source_id:
            return True
        self._say(
            f"{self._name}@{CHAMPION} is version {current.version}, which is not of this run; it "
            "stays: the gate of spec.publication compares with models of one run alone"
        )
        return False

    @cached_property
    def _versions(self) -> dict[str, ModelVersion]:
        """Versions of this run that are there, by candidate; of those made at once the first."""
        self._make_registered_model()
        pages = _pages(
            lambda token: self._client.search_model_versions(
                f"name = '{self._name}'", page_token=token
            )
        )
        ours = [v for v in pages if v.tags.get(RUN_TAG) == self._source_id]
        found = sorted(ours, key=lambda version: int(version.version), reverse=True)
        return {v.tags[CANDIDATE_TAG]: v for v in found if CANDIDATE_TAG in v.tags}

    def _make_registered_model(self) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        assert self._name is not None
        try:
            self._client.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            try:
                self._client.create_registered_model(self._name)
            except MlflowException as raced:
                if raced.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def _version(
        self, model: LoggedModel, facts: ModelFacts, more: Mapping[str, str]
    ) -> ModelVersion:
        """The version of a model, made where it is not there."""
        assert self._name is not None
        known = self._versions.get(facts.candidate)
        if known is not None:
            for key, value in more.items():
                if known.tags.get(key) != value:
                    self._client.set_model_version_tag(self._name, known.version, key, value)
                    known.tags[key] = value
            return known
        made = self._client.create_model_version(
            self._name,
            source=f"models:/{model.model_id}",
            run_id=self._run_id,
            tags={**facts.tags(self._store, self._source_id), **more},
            description=f"{facts.candidate} of {self._source_id}; its weights: "
            f"{facts.tags(self._store, self._source_id)['cycleqd.export']}",
            await_creation_for=0,
            model_id=model.model_id,
        )
        self._versions[facts.candidate] = made
        return made


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return
