"""The operator imports the part of the Kubernetes client that it uses, and nothing else changes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cycleqd_operator.lean_packages import import_by_parts


def outcome(code: str) -> str:
    """What a new process prints that knows the operator's main module."""
    text = f"import sys\nimport cycleqd_operator.main\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout.strip()


def test_the_client_for_threads_and_the_logins_of_clouds_stay_out() -> None:
    wanted = ("kubernetes.config", "kubernetes.dynamic", "google.auth", "requests", "oauthlib")
    assert outcome(f"print([name for name in {wanted} if name in sys.modules])") == "[]"
    assert outcome("print('kubernetes.aio.client' in sys.modules)") == "True"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("from kubernetes import client; print(client.V1Pod.__name__)", "V1Pod"),
        (
            "import kubernetes; print(kubernetes.config.load_kube_config.__name__)",
            "load_kube_config",
        ),
        ("import kubernetes; print(kubernetes.__version__ > '3')", "True"),
        ("from kubernetes.dynamic import DynamicClient as D; print(D.__name__)", "DynamicClient"),
        ("import kubernetes.aio as a; print(a.watch.Watch.__name__)", "Watch"),
        ("import kubernetes.aio as a; print('client' in a.__all__)", "True"),
        (
            "import kubernetes as k; print(hasattr(k, 'nothing'), hasattr(k, 'client'))",
            "False True",
        ),
    ],
)
def test_who_asks_for_more_gets_it(code: str, printed: str) -> None:
    assert outcome(code) == printed


def test_who_does_not_run_the_operator_needs_no_client() -> None:
    for package in ("no_such_package", "no_such_package.inside", "json.no_such_part"):
        import_by_parts(package)
        assert package not in sys.modules
