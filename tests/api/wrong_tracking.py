"""Wrong manifests whose runs are to be tracked where nobody can, with what an API server says."""

from __future__ import annotations

from typing import Any, Final

from .wrong_fields import Wrong

_URI: Final = "spec.tracking.mlflow.uri"
_MODEL: Final = "spec.tracking.mlflow.registeredModel"


def _mlflow(**fields: Any) -> dict[str, Any]:
    return {"spec.tracking": {"mlflow": {"uri": "http://mlflow:5000", **fields}}}


WRONG_TRACKING: Final = [
    Wrong("tracked nowhere", {"spec.tracking": {}}, "spec.tracking.mlflow", "Required value"),
    Wrong("no tracking server", {"spec.tracking": {"mlflow": {}}}, _URI, "Required value"),
    Wrong(
        "password of the tracking server",
        _mlflow(uri="http://me:hunter2@mlflow"),
        _URI,
        "must not hold credentials",
    ),
    Wrong(
        "scheme of the tracking server",
        _mlflow(uri="file:///mlruns"),
        _URI,
        "must be http://host:port or https://host/path",
    ),
    Wrong(
        "experiment of two lines",
        _mlflow(experiment="a\nb"),
        "spec.tracking.mlflow.experiment",
        "nor hold control characters",
    ),
    Wrong("registered model in a folder", _mlflow(registeredModel="team/a"), _MODEL, "letters"),
    Wrong("password in the manifest", _mlflow(password="hunter2"), "password", "unknown field"),
    Wrong(
        "name of a tracking Secret",
        _mlflow(credentialsSecretRef={"name": "My_Login"}),
        "spec.tracking.mlflow.credentialsSecretRef.name",
        "should match",
    ),
]
