"""What a run asks of where its generated code runs (``spec.evaluation.sandbox``)."""

from __future__ import annotations

from cycleqd.errors import ManifestError
from cycleqd.evaluation.sandbox.sandbox import Sandbox


def check_containment(sandbox: Sandbox) -> None:
    """See that namespaces or another container contain programs; starts the first harness.

    Raises:
        ManifestError: less than that would.
        SandboxUnavailable: nothing would.
    """
    if sandbox.confinement == "plain":
        why = "is Require, and neither a container nor namespaces would contain generated code here"
        remedy = "allow unprivileged user namespaces or run in a cluster, or write Auto"
        raise ManifestError([f"spec.evaluation.sandbox: {why}; {remedy}"])
