"""A pod played as a local process shows the API server what a kubelet would show.

Jobs of these tests are real objects of a real control plane: the Job controller, the scheduler and
the garbage collector see a node and its pods, and act on them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.controlplane.jobs import condition_of, ended, eventually, job, pods_of, terminated

if TYPE_CHECKING:
    from devcluster.base.cluster import Cluster
    from devcluster.played.pod_player import PodPlayer

pytestmark = [pytest.mark.controlplane, pytest.mark.timeout(600)]

FOREVER = "import time\nwhile True: time.sleep(1)"


def running_pod(cluster: Cluster, namespace: str, name: str):
    return eventually(
        lambda: [
            pod
            for pod in pods_of(cluster, namespace, name)
            if pod["status"].get("phase") == "Running" and condition_of(pod, "Ready") == "True"
        ]
    )[0]


def test_an_indexed_job_completes(cluster: Cluster, namespace: str, node: PodPlayer) -> None:
    program = (
        "import os; open(os.environ['CYCLEQD_TERMINATION_LOG'], 'w')"
        ".write('index ' + os.environ['JOB_COMPLETION_INDEX'])"
    )
    spec = {"completionMode": "Indexed", "completions": 4, "parallelism": 4}
    cluster.apply(job("four", program, **spec), namespace=namespace)
    assert eventually(ended(cluster, namespace, "four")) == "Complete"
    messages = [terminated(pod)["message"] for pod in pods_of(cluster, namespace, "four")]
    assert sorted(messages) == [f"index {n}" for n in range(4)]


def test_a_failure_shows_its_exit_code_and_the_end_of_its_log(
    cluster: Cluster, namespace: str, node: PodPlayer
) -> None:
    program = "import sys; print('the bucket refuses'); sys.exit(78)"
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    cluster.apply(job("failing", program, container=container), namespace=namespace)
    assert eventually(ended(cluster, namespace, "failing")) == "Failed"
    state = terminated(pods_of(cluster, namespace, "failing")[0])
    assert (state["exitCode"], state["reason"]) == (78, "Error")
    assert state["message"] == "the bucket refuses\n"


def test_gpus_are_counted(cluster: Cluster, namespace: str, node: PodPlayer) -> None:
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    jobs = [job(f"gpu-{n}", FOREVER, container=gpu) for n in range(3)]
    cluster.apply(*jobs, namespace=namespace)

    def phases() -> list[str]:
        pods = [pod for n in range(3) for pod in pods_of(cluster, namespace, f"gpu-{n}")]
        waiting = [pod for pod in pods if condition_of(pod, "PodScheduled") == "False"]
        assert len(waiting) <= 1
        return sorted(pod["status"]["phase"] for pod in pods) if waiting else []

    eventually(lambda: phases() == ["Pending", "Running", "Running"])


def test_environment_and_volumes_come_from_the_api(
    cluster: Cluster, namespace: str, node: PodPlayer
) -> None:
    scope = ["-n", namespace]
    cluster.kubectl("create", "secret", "generic", "key", *scope, "--from-literal=id=geheim")
    cluster.kubectl("create", "configmap", "conf", *scope, "--from-literal=run.json={}")
    program = (
        "import os, pathlib; e = os.environ\n"
        "pathlib.Path(e['SCRATCH']).mkdir()\n"
        "text = pathlib.Path(e['CONF'], 'run.json').read_text()\n"
        "print(e['KEY'], e['NS'], text, e['BOTH'], 'ABSENT' in e, 'KUBECONFIG' in e)\n"
        "raise SystemExit(1)"
    )
    env = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "id"}}},
        {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "CONF", "value": "/etc/conf"},
        {"name": "SCRATCH", "value": "/scratch/home"},
        {"name": "BOTH", "value": "$(NS)/$(KEY)"},
        {
            "name": "ABSENT",
            "valueFrom": {"secretKeyRef": {"name": "key", "key": "no", "optional": True}},
        },
    ]
    mounts = [{"name": "conf", "mountPath": "/etc/conf"}, {"name": "s", "mountPath": "/scratch"}]
    volumes = [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "s", "emptyDir": {}}]
    container = {
        "env": env,
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {"volumes": volumes, "automountServiceAccountToken": False}
    cluster.apply(job("env", program, container=container, pod=pod), namespace=namespace)
    assert eventually(ended(cluster, namespace, "env")) == "Failed"
    message = terminated(pods_of(cluster, namespace, "env")[0])["message"]
    assert message == f"geheim {namespace} {{}} {namespace}/geheim False False\n"


def test_a_changed_config_map_reaches_the_living_pod(
    cluster: Cluster, namespace: str, node: PodPlayer
) -> None:
    cluster.kubectl("create", "configmap", "conf", "-n", namespace, "--from-literal=stage=1")
    program = (
        "import time, pathlib\n"
        "while pathlib.Path('/etc/conf/stage'.replace('/etc/conf', CONF)).read_text() != '2':\n"
        "    time.sleep(0.1)"
    ).replace("CONF", "__import__('os').environ['CONF']")
    container = {
        "env": [{"name": "CONF", "value": "/etc/conf"}],
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf"}],
    }
    pod = {"volumes": [{"name": "conf", "configMap": {"name": "conf"}}]}
    cluster.apply(job("reader", program, container=container, pod=pod), namespace=namespace)
    running_pod(cluster, namespace, "reader")
    patch = '{"data": {"stage": "2"}}'
    cluster.kubectl("patch", "configmap", "conf", "-n", namespace, "--type=merge", "-p", patch)
    assert eventually(ended(cluster, namespace, "reader")) == "Complete"


def test_a_missing_secret_waits_with_its_reason(
    cluster: Cluster, namespace: str, node: PodPlayer
) -> None:
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "id"}}}]
    cluster.apply(job("waits", "", container={"env": env}), namespace=namespace)

    def waiting() -> str:
        statuses = [
            status
            for pod in pods_of(cluster, namespace, "waits")
            for status in pod["status"].get("containerStatuses", [])
        ]
        return statuses[0]["state"]["waiting"]["reason"] if statuses else ""

    assert eventually(waiting) == "CreateContainerConfigError"
    cluster.kubectl("create", "secret", "generic", "late", "-n", namespace, "--from-literal=id=1")
    assert eventually(ended(cluster, namespace, "waits")) == "Complete"


@pytest.mark.parametrize("obedient", [True, False], ids=["obedient", "deaf"])
def test_a_deleted_pod_ends_within_its_grace(
    cluster: Cluster, namespace: str, node: PodPlayer, *, obedient: bool
) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    # A process of its own session, as runtimes start their engines: it must end with the pod too.
    child = "import subprocess; subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    program = ("" if obedient else deaf) + child + FOREVER
    pod = {"terminationGracePeriodSeconds": 2}
    cluster.apply(job("endless", program, pod=pod), namespace=namespace)
    found = running_pod(cluster, namespace, "endless")
    uid = found["metadata"]["uid"]
    eventually(lambda: len(processes(uid)) == 2)
    cluster.kubectl("delete", "job", "endless", "-n", namespace, "--wait=false")
    eventually(lambda: not pods_of(cluster, namespace, "endless"), 300)
    eventually(lambda: not processes(uid))  # a killed process is there for a moment


def test_the_service_account_of_a_pod_may_what_its_role_says(
    cluster: Cluster, namespace: str, node: PodPlayer
) -> None:
    scope = ["-n", namespace]
    cluster.kubectl("create", "configmap", "progress", *scope, "--from-literal=a=1")
    rule = ["--verb=get,patch", "--resource=configmaps", "--resource-name=progress"]
    cluster.kubectl("create", "role", "writer", *scope, *rule)
    account = f"--serviceaccount={namespace}:default"
    cluster.kubectl("create", "rolebinding", "writer", *scope, "--role=writer", account)
    program = (
        "from kubernetes import client, config; import os; config.load_config()\n"
        "api = client.CoreV1Api()\n"
        "api.patch_namespaced_config_map('progress', os.environ['NS'], {'data': {'a': '2'}})\n"
        "try: api.list_namespaced_secret(os.environ['NS'])\n"
        "except client.ApiException as error: raise SystemExit(error.status != 403)\n"
        "raise SystemExit(1)"
    )
    env = [{"name": "NS", "value": namespace}]
    cluster.apply(job("writer", program, container={"env": env}), namespace=namespace)
    assert eventually(ended(cluster, namespace, "writer")) == "Complete"
    progress = cluster.get("configmap", "progress", namespace)
    assert progress is not None
    assert progress["data"] == {"a": "2"}


def test_a_lost_node_s_pod_is_replaced_on_another(
    cluster: Cluster, namespace: str, node: PodPlayer, second_node: PodPlayer
) -> None:
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
        | {"tolerationSeconds": 1}
        for key in ("unreachable", "not-ready")
    ]
    spec = {
        "completionMode": "Indexed",
        "completions": 1,
        "backoffLimitPerIndex": 5,
        "backoffLimit": None,
        "podReplacementPolicy": "TerminatingOrFailed",
        "pod": {"tolerations": tolerations},
    }
    cluster.apply(job("moves", FOREVER, **spec), namespace=namespace)
    first = running_pod(cluster, namespace, "moves")
    players = {player.name: player for player in (node, second_node)}
    lost = players.pop(first["spec"]["nodeName"])
    (left,) = players.values()
    lost.lose()
    assert not processes(first["metadata"]["uid"])

    def elsewhere() -> bool:
        return any(
            pod["spec"].get("nodeName") == left.name and pod["status"]["phase"] == "Running"
            for pod in pods_of(cluster, namespace, "moves")
        )

    eventually(elsewhere, 300)
    cluster.kubectl("delete", "job", "moves", "-n", namespace, "--wait=false")


def processes(uid: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("POD_PLAYER_UID") == uid:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found
