"""What all tests share: real S3 servers and Kubernetes, started when a test first asks for one."""

from hypothesis import HealthCheck, settings

from tests.servers.kubernetes import cluster, control_plane, kubectl, namespace
from tests.servers.operator import operator
from tests.servers.s3 import minio, versitygw

__all__ = ["cluster", "control_plane", "kubectl", "minio", "namespace", "operator", "versitygw"]

# The same examples every time, however slow the machine is.
settings.register_profile(
    "cycleqd",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cycleqd")
