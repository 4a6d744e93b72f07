"""Pushing to MLflow: a logged model with its weights, and a version of a registered model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.cards.facts import CARD_FILE
from cycleqd.errors import InputError
from cycleqd.push.destinations import Destination, Label
from cycleqd.tracking.mlflow_client import Server, connect, told

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

EXPERIMENT = "cycleqd-pushed"
"""Experiment of the logged models that are pushed: they are of no run of MLflow."""

PUSHED_TAG = "cycleqd.pushed"
URI_VARIABLE = "MLFLOW_TRACKING_URI"


class MlflowPlace:
    """A registered model as a place for versions, one for each member that is pushed.

    Args:
        destination: which.
        say: told what is done.

    Raises:
        InputError: no server is named.
    """

    def __init__(self, destination: Destination, say: Callable[[str], None]) -> None:
        uri = os.environ.get(URI_VARIABLE, "")
        if not uri:
            raise InputError(
                f"DESTINATION: {destination.uri} needs a server; set {URI_VARIABLE} to its address"
            )
        self._server = Server(uri, URI_VARIABLE)
        self._client = connect(self._server)
        self._name = destination.name
        self._say = say
        self._label = b""

    @property
    def _tag(self) -> str:
        """Names what is pushed, by what it follows from."""
        return hashlib.sha256(self._label + self._name.encode()).hexdigest()

    def claim(self, label: Label) -> bool:
        """Look for the version; whether it is there already.

        Raises:
            InputError: the server refuses.
            ServiceUnavailable: the server does not answer.
        """
        self._label = label.to_bytes()
        with told(self._server):
            found = self._client.search_model_versions(f"name = '{self._name}'")
            return any(version.tags.get(PUSHED_TAG) == self._tag for version in found)

    def send(self, folder: Path) -> None:
        """Send the weights, then make the version.

        Raises:
            InputError: the server refuses.
            ServiceUnavailable: the server does not answer.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with told(self._server):
            model = self._model()
            if model.status != "READY":
                self._client.log_model_artifacts(model.model_id, str(folder))
                self._client.finalize_logged_model(model.model_id, "READY")
            try:
                self._client.create_registered_model(self._name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            version = self._client.create_model_version(
                self._name,
                source=f"models:/{model.model_id}",
                tags={PUSHED_TAG: self._tag},
                description=(folder / CARD_FILE).read_text("utf-8")[:4000],
                await_creation_for=0,
                model_id=model.model_id,
            )
        self._say(f"models:/{self._name}/{version.version}")

    def _model(self) -> LoggedModel:
        """The logged model of an earlier try, or a new one."""
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        number = (
            self._client.create_experiment(EXPERIMENT)
            if experiment is None
            else experiment.experiment_id
        )
        found = self._client.search_logged_models(
            [number], filter_string=f"tags.`{PUSHED_TAG}` = '{self._tag}'"
        )
        if found:
            return found[0]
        return self._client.create_logged_model(
            number, name=self._tag[:16], tags={PUSHED_TAG: self._tag}, model_type="cycleqd"
        )
