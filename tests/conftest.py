"""What all tests share: real S3 servers and Kubernetes, started when a test first asks for one."""

from tests.servers.kubernetes import cluster, control_plane, kubectl, namespace
from tests.servers.operator import operator
from tests.servers.s3 import minio, versitygw

__all__ = ["cluster", "control_plane", "kubectl", "minio", "namespace", "operator", "versitygw"]
