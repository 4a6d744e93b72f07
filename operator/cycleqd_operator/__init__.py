"""The Kubernetes operator: runs every ``CycleQDRun`` as coordinator and worker Jobs.

It watches runs and their children, decides with pure functions and acts through the API server
alone: no S3, no Secrets, no torch. Of the runtime it imports only the manifest, the progress
document and the errors' exit codes.
"""

from cycleqd_operator.lean_packages import import_by_parts

# Before kopf and our own client import them.
import_by_parts("kubernetes")
import_by_parts("kubernetes.aio")
