"""Each pod that ended is judged by what the cluster says of it: only its own faults count."""

import pytest

from cycleqd.contract.progress import PodFailure
from cycleqd_operator.decision.endings import counted, endings, given_up

DISRUPTED = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]


def ended(code=1, *, message="", why="Error", role="worker", index="0", name="p", **more):
    """A pod as the kubelet leaves it; ``code=None`` is one that nobody saw end."""
    states = []
    if code is not None:
        state = {"exitCode": code, "reason": why, "message": message, "finishedAt": name}
        states = [{"name": role, "state": {"terminated": state}}]
    meta = {
        "name": name,
        "labels": {"batch.kubernetes.io/job-completion-index": index},
        "ownerReferences": [{"uid": "job", "controller": True}],
    } | more.pop("meta", {})
    status = {"phase": "Failed" if code != 0 else "Succeeded", "containerStatuses": states}
    return {"metadata": meta, "status": status | more}


def told(reason, code):
    return PodFailure(reason=reason, message="because", exit_code=code).to_json()


DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}

CASES = [
    ("drained", ended(0), "Succeeded"),
    ("refuses its configuration", ended(78, message=told("ManifestError", 78)), "Configuration"),
    ("refuses it without a word", ended(78), "Configuration"),
    ("preempted", ended(143, conditions=DISRUPTED), "Stopped"),
    ("preempted and slow", ended(137, conditions=DISRUPTED), "Stopped"),
    ("evicted", ended(137, reason="Evicted"), "Stopped"),
    ("evicted before it began", ended(None, reason="Evicted"), "Stopped"),
    ("deleted", ended(143, meta=DELETED), "Stopped"),
    ("deleted and killed", ended(137, meta=DELETED), "Stopped"),
    ("on a lost node", ended(None, reason="NodeLost"), "Stopped"),
    ("on a node that was removed", ended(None, conditions=DISRUPTED), "Stopped"),
    ("on a node that shut down", ended(143, reason="Terminated"), "Stopped"),
    ("refused by a kubelet", ended(None, reason="OutOfnvidia.com/gpu"), "Stopped"),
    ("out of memory", ended(137, why="OOMKilled"), "OutOfMemory"),
    ("machine broken", ended(65, message=told("EngineError", 65)), "Slot"),
    ("store away", ended(75, message=told("StoreUnavailable", 75)), "Storage"),
    ("store damaged", ended(74, message=told("StoreCorrupt", 74)), "Failure"),
    ("crashed", ended(1, message="Traceback\nValueError: x"), "Failure"),
    ("killed by its liveness probe", ended(143), "Failure"),
    ("a worker gives up", ended(1, message=told("RunFailed", 1)), "Failure"),
    (
        "the coordinator gives up",
        ended(1, role="coordinator", message=told("RunFailed", 1)),
        "GaveUp",
    ),
    ("a coordinator's traceback", ended(1, role="coordinator", message="Traceback"), "Failure"),
]


EVICTED = ended(None, reason="Evicted")
EVICTED["status"]["message"] = "disk pressure"
COUNTS = {"Failure", "OutOfMemory", "Slot"}


@pytest.mark.parametrize(("pod", "kind"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_kind(pod, kind):
    states = pod["status"]["containerStatuses"]
    (ending,) = endings([pod], states[0]["name"] if states else "worker")
    assert ending.kind == kind
    assert counted([ending]) == (kind in COUNTS)


def test_a_running_pod_has_not_ended():
    assert endings([{"metadata": {"name": "p"}, "status": {"phase": "Running"}}], "worker") == []


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (ended(65, message=told("EngineError", 65)), ["Pod p", "EngineError", "because"]),
        (ended(1, message="line 1\nlast line"), ["exit code 1", "last line"]),
        (ended(1), ["exit code 1", "kubectl logs p"]),
        (ended(137, why="OOMKilled"), ["memory", "spec.workers.template", "limits.memory"]),
        (EVICTED, ["stopped", "disk pressure"]),
        (ended(1, message="x" * 9000 + "\x00the cause"), ["the cause"]),
    ],
)
def test_messages_name_the_cause_and_what_to_do(pod, words):
    (ending,) = endings([pod], "worker")
    assert all(word in ending.message for word in words)
    assert len(ending.message.encode()) < 600
    assert ending.message.isprintable()


def test_an_init_container_of_the_user_is_named():
    pod = ended(None)
    failed = {"exitCode": 3, "message": "no licence"}
    pod["status"]["initContainerStatuses"] = [{"name": "warm", "state": {"terminated": failed}}]
    (ending,) = endings([pod], "worker")
    assert ending.kind == "Failure"
    assert "'warm'" in ending.message
    assert "no licence" in ending.message


@pytest.mark.parametrize("code", [137, 143])
def test_the_end_of_the_container_for_generated_code_is_nobody_s_fault(code):
    pod = ended(143)
    state = {"terminated": {"exitCode": code, "message": "killed"}}
    pod["status"]["initContainerStatuses"] = [{"name": "sandbox", "state": state}]
    pod["status"]["containerStatuses"][0]["state"]["terminated"].pop("exitCode")
    (ending,) = endings([pod], "worker")
    assert (ending.kind, "sandbox" in ending.message) == ("Stopped", False)


def test_a_broken_machine_counts_three_times_and_is_given_up():
    pods = [ended(65, name=f"p{number}", index="4") for number in range(9)]
    found = endings(pods, "worker")
    assert counted(found) == 3
    assert given_up(found) == {("job", "4")}
    assert given_up(found[:2]) == set()


def test_the_order_is_that_of_their_ends():
    pods = [ended(1, name=name) for name in ("c", "a", "b")]
    assert [ending.pod for ending in endings(pods, "worker")] == ["a", "b", "c"]
