"""The parts of a manifest that say where a run lives and who works for it.

No candidate depends on them, but for ``spec.workers.threads``. The command line reads the storage
and the number of workers; what concerns pods is the operator's, and ignored outside a cluster.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from cycleqd.contract.s3 import AddressingStyle, Checksums
from cycleqd.manifest.mutability import Change
from cycleqd.manifest.values import Label, LabelValue, Model, ObjectName, Uri

AnnotationValue = Annotated[str, StringConstraints(max_length=4096)]
Annotations = Annotated[dict[str, AnnotationValue], Field(max_length=64)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=64)]
Region = Annotated[str, StringConstraints(min_length=1, max_length=63)]
PodSpec = Annotated[dict[str, Any], Field(max_length=64)]
Image = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class CABundleRef(Model):
    """A key of a ConfigMap in the run's namespace."""

    name: ObjectName
    """Name of the ConfigMap."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "ca.crt"
    """Key that holds the PEM text."""


class CredentialsSecretRef(Model):
    """A Secret in the run's namespace."""

    name: ObjectName
    """Name of a Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and
    AWS_SESSION_TOKEN where there is one."""


class S3(Model):
    """How to reach the S3 server.

    Credentials come by the usual AWS chain or by reference to a Secret, never from here.
    """

    endpoint: Annotated[Uri | None, Change.PLACE] = None
    """URL of an S3-compatible server; AWS when absent."""

    region: Annotated[Region | None, Change.PLACE] = None
    """Region; from the AWS environment when absent."""

    ca_bundle: Uri | None = None
    """PEM file of the certificate authorities that sign the server's certificate. In a cluster
    ``caBundleRef`` is simpler."""

    ca_bundle_ref: CABundleRef | None = None
    """ConfigMap that holds these authorities; mounted into the run's pods. Ignored outside a
    cluster."""

    credentials_secret_ref: CredentialsSecretRef | None = None
    """Secret with the credentials of the run's pods; the pods' workload identity when absent. The
    operator never reads it. Ignored outside a cluster."""

    addressing_style: AddressingStyle = "Auto"
    """``Path`` for most self-hosted servers, ``Virtual`` for AWS."""

    checksums: Checksums = "WhenSupported"
    """``WhenRequired`` for servers that refuse the SDK's default checksums."""


class Storage(Model):
    """Where the run's objects live."""

    uri: Annotated[Uri | None, Change.PLACE] = None
    """Folder or ``s3://bucket/prefix``; the run lives below it under its name. ``--store`` on the
    command line names the run's own folder instead. Required in a cluster, and on S3 there."""

    s3: S3 = S3()
    """Settings of the S3 server."""


class PodTemplateMetadata(Model):
    """What is added to the pods' metadata."""

    labels: Labels = Field(default={})
    """Labels; those of cycleqd.io and app.kubernetes.io stay the operator's."""

    annotations: Annotations = Field(default={})
    """Annotations."""


class PodTemplate(Model):
    """What is merged into the pods that the operator makes."""

    metadata: PodTemplateMetadata = PodTemplateMetadata()
    """Labels and annotations of the pods."""

    spec: PodSpec = Field(default={})
    """A pod spec, in full or in part: nodeSelector, tolerations, affinity, imagePullSecrets,
    runtimeClassName, volumes, and containers whose env, volumeMounts and resources are added to
    the container of the same name (``worker`` or ``coordinator``). At most 32,768 bytes as JSON."""


class Workers(Model):
    """Who evaluates."""

    replicas: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Workers, one for each GPU; processes on one machine. ``--workers`` overrides it."""

    threads: Annotated[int, Field(ge=1, le=1024), Change.FIXED] = 1
    """CPU threads of each worker. Part of the run's identity: sums in another order round
    differently."""

    mode: Literal["Pool", "Generation"] = "Pool"
    """Pods of a cluster: ``Pool`` keeps one Job of workers for the whole run, which load the model
    once; ``Generation`` makes a Job for each generation, which gives the GPUs back in between."""

    image: Image | None = None
    """Container image of the workers; the operator's default when absent."""

    queue_name: Label | None = None
    """Kueue LocalQueue that admits the worker Jobs; they are created suspended."""

    max_failed_pods: Annotated[int, Field(ge=0, le=100_000)] = 20
    """The run fails once more than so many of its pods failed. Preempted and evicted pods, and
    those of lost nodes, do not count."""

    template: PodTemplate | None = None
    """Additions to the worker pods."""


class Coordinator(Model):
    """Who plans and commits: one small pod without a GPU. Ignored outside a cluster."""

    image: Image | None = None
    """Container image of the coordinator; the operator's default when absent."""

    template: PodTemplate | None = None
    """Additions to the coordinator pod."""
