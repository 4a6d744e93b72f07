"""Wrong manifests: runs that are to be tracked where nobody can."""

from __future__ import annotations

from typing import Any, Final

from .wrong_fields import Wrong

_URI: Final = "spec.tracking.mlflow.uri"


def _mlflow(**fields: Any) -> dict[str, Any]:
    return {"spec.tracking": {"mlflow": {"uri": "http://mlflow:5000", **fields}}}


WRONG_TRACKING: Final = [
    Wrong("tracked nowhere", {"spec.tracking": {}}, "spec.tracking.mlflow", "add it with uri"),
    Wrong("no tracking server", {"spec.tracking": {"mlflow": {}}}, _URI, "is missing; add text"),
    Wrong(
        "password of the tracking server",
        _mlflow(uri="http://me:hunter2@mlflow"),
        _URI,
        "holds credentials",
    ),
    Wrong(
        "token of the tracking server",
        _mlflow(uri="http://mlflow?token=hunter2"),
        _URI,
        "MLFLOW_TRACKING_TOKEN",
    ),
    Wrong("tracking server without scheme", _mlflow(uri="mlflow:5000"), _URI, "http://host:port"),
    Wrong("tracking in a folder", _mlflow(uri="file:///mlruns"), _URI, "http://host:port"),
    Wrong(
        "tracking in a bucket", _mlflow(uri="s3://mlflow/runs"), _URI, '"s3://mlflow/runs" is not'
    ),
    Wrong(
        "query of the tracking server", _mlflow(uri="http://mlflow/?a=b"), _URI, "http://host:port"
    ),
    Wrong(
        "space after the tracking server", _mlflow(uri="http://mlflow "), _URI, "http://host:port"
    ),
    Wrong("empty experiment", _mlflow(experiment=""), "spec.tracking.mlflow.experiment", "empty"),
    Wrong(
        "long experiment",
        _mlflow(experiment="x" * 257),
        "spec.tracking.mlflow.experiment",
        "at most 256",
    ),
    Wrong(
        "experiment that ends with a space",
        _mlflow(experiment="agents "),
        "spec.tracking.mlflow.experiment",
        "ends with a space",
    ),
    Wrong(
        "experiment of two lines",
        _mlflow(experiment="a\nb"),
        "spec.tracking.mlflow.experiment",
        "control character",
    ),
    Wrong(
        "registered model in a folder",
        _mlflow(registeredModel="team/agents"),
        "spec.tracking.mlflow.registeredModel",
        '"team/agents" is no name',
    ),
    Wrong(
        "registered model with a quote",
        _mlflow(registeredModel="a'b"),
        "spec.tracking.mlflow.registeredModel",
        "write letters",
    ),
    Wrong(
        "password in the manifest",
        _mlflow(password="hunter2"),
        "spec.tracking.mlflow.password",
        "MLFLOW_TRACKING_PASSWORD",
    ),
    Wrong(
        "name of a tracking Secret",
        _mlflow(credentialsSecretRef={"name": "My_Login"}),
        "spec.tracking.mlflow.credentialsSecretRef.name",
        "for example my-login",
    ),
    Wrong(
        "tracking by its address alone",
        {"spec.tracking": "http://mlflow:5000"},
        "spec.tracking",
        "indent its fields below it",
    ),
]
