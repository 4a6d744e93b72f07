"""Environment variables: what the operator tells a run's pods, and commands their child processes.

The operator writes them into the pods that it makes, `cycleqd.pod.settings` reads them there.
Those of S3 (`cycleqd.contract.s3`) and the cache folder serve every command.
"""

from __future__ import annotations

from typing import Final

STORE: Final = "CYCLEQD_STORE"
"""URI of the run's own folder."""

CACHE: Final = "CYCLEQD_CACHE"
"""Folder for downloads, factors and temporary files."""

HEALTH_PORT: Final = "CYCLEQD_HEALTH_PORT"
"""TCP port of the pod's HTTP server; 0 takes any."""

TERMINATION_LOG: Final = "CYCLEQD_TERMINATION_LOG"
"""File for the reason of a failure."""

MANIFEST: Final = "CYCLEQD_MANIFEST"
"""Folder where the coordinator finds the manifest's ConfigMap."""

NAMESPACE: Final = "CYCLEQD_NAMESPACE"
"""The run's namespace, for the coordinator."""

PROGRESS_CONFIG_MAP: Final = "CYCLEQD_PROGRESS_CONFIGMAP"
"""Name of the ConfigMap that the coordinator reports in."""

WORKERS: Final = "CYCLEQD_WORKERS"
"""How many workers share the work."""

INDEX: Final = "JOB_COMPLETION_INDEX"
"""Which of them a worker is, from 0; set by Kubernetes in the pods of an indexed Job."""

STAGE: Final = "CYCLEQD_STAGE"
"""The only stage that a worker works on, such as ``generations/000012``; all when absent."""

SANDBOX: Final = "CYCLEQD_SANDBOX"
"""Unix socket of the container that runs generated code; it runs in the worker's when absent."""

SANDBOX_FILES: Final = "CYCLEQD_SANDBOX_FILES"
"""Folder that this container reads and the worker writes."""

S3_ENDPOINT: Final = "CYCLEQD_S3_ENDPOINT"
S3_REGION: Final = "CYCLEQD_S3_REGION"
S3_CA_BUNDLE: Final = "CYCLEQD_S3_CA_BUNDLE"
S3_ADDRESSING_STYLE: Final = "CYCLEQD_S3_ADDRESSING_STYLE"
S3_CHECKSUMS: Final = "CYCLEQD_S3_CHECKSUMS"

AWS_ACCESS_KEY_ID: Final = "AWS_ACCESS_KEY_ID"
AWS_SECRET_ACCESS_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name
AWS_SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105 - a name
"""Optional, of temporary credentials. The keys of a credentials Secret have these three names."""

MLFLOW: Final = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
"""MLflow's own, for the coordinator alone. The keys of a tracking Secret have these names."""
