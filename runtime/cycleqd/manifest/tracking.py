"""The parts of a manifest that say who else is told of a run.

Nothing of the run depends on them: what is tracked follows from its store, and a tool that is away
neither stops nor slows it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from cycleqd.manifest.values import Model, ObjectName, Uri

TrackedName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class TrackingSecretRef(Model):
    """A Secret in the run's namespace."""

    name: ObjectName
    """Name of a Secret with the keys MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
    MLFLOW_TRACKING_TOKEN; other keys of it are not read."""


class MLflow(Model):
    """An MLflow server that is kept up to date while the run goes on."""

    uri: Uri
    """Address of the server, ``http://host:port`` or ``https://host/path``, without credentials."""

    experiment: TrackedName = "cycleqd"
    """Experiment there, made where it is missing."""

    credentials_secret_ref: TrackingSecretRef | None = None
    """Secret with the server's credentials, which only the coordinator's pod gets; the operator
    never reads it. Ignored outside a cluster, where MLflow's own variables hold."""

    registered_model: TrackedName | None = None
    """Register the published models as versions of this model; the alias ``champion`` moves through
    the gate of ``spec.publication`` alone."""


class Tracking(Model):
    """Tools that are told of the run."""

    mlflow: MLflow
    """A run in MLflow, as ``cycleqd track`` writes it."""
