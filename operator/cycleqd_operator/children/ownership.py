"""What makes an object a run's child: its owner, its labels, its namespace."""

from __future__ import annotations

from cycleqd.contract.pods import Component
from cycleqd.manifest.model import API_VERSION, KIND
from cycleqd_operator.kube import names
from cycleqd_operator.kube.objects import Json, name, namespace, uid


def child(run: Json, api_version: str, kind: str, child_name: str, component: Component) -> Json:
    """An object that belongs to the run and goes with it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": child_name,
            "namespace": namespace(run),
            "labels": names.labels(name(run), component),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": name(run),
                    "uid": uid(run),
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
    }
