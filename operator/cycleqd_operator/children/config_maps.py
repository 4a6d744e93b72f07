"""The two ConfigMaps of a run: its manifest for the coordinator, and the coordinator's progress."""

from __future__ import annotations

import json

from cycleqd.contract.config_maps import DOCUMENT, GENERATION
from cycleqd.manifest.model import API_VERSION, KIND
from cycleqd_operator.children.ownership import child
from cycleqd_operator.kube import names
from cycleqd_operator.kube.objects import Json, metadata, name, spec


def manifest_config_map(run: Json) -> Json:
    """The manifest as the coordinator reads it, and the generation it has in the cluster."""
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name(run)},
        "spec": spec(run),
    }
    config_map = names.manifest_config_map(name(run))
    body = child(run, "v1", "ConfigMap", config_map, "coordinator")
    body["data"] = {
        DOCUMENT: json.dumps(document, sort_keys=True),
        GENERATION: str(metadata(run).get("generation", 1)),
    }
    return body


def progress_config_map(run: Json) -> Json:
    """An empty page for the coordinator to write on."""
    return child(run, "v1", "ConfigMap", names.progress_config_map(name(run)), "coordinator")
