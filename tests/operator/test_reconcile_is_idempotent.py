"""From any sequence of events: once the operator has acted there is nothing left to do, its status
stays equal, no finished run has an active Job, and no look fails."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cycleqd.contract.progress import OpenStage, PodFailure
from cycleqd_operator.decision.conditions import CONDITION_TYPES
from tests.operator.world import World, make_run

CODES = st.sampled_from([0, 1, 65, 70, 74, 75, 78, 137, 143])
EDITS = st.sampled_from(
    [
        {"suspend": True},
        {"suspend": False},
        {"workers": {"replicas": 1}},
        {"workers": {"replicas": 4}},
        {"workers": {"image": "worker:2"}},
        {"workers": {"mode": "Generation"}},
        {"workers": {"mode": "Pool"}},
        {"workers": {"queueName": "gpus"}},
        {"workers": {"queueName": None}},
        {"workers": {"maxFailedPods": 2}},
        {"evolution": {"generations": 30}},
        {"evolution": {"generations": "many"}},
        {"evolution": {"generations": 12}},
        {"activeDeadlineSeconds": 300},
        {"activeDeadlineSeconds": None},
        {"ttlSecondsAfterFinished": None},
        {"goal": {"metric": "Coverage", "value": "0.5"}},
        {"workers": {"template": {"spec": {"nodeSelector": {"gpu": "a"}}}}},
        {"workers": {"template": {"spec": {"containers": "no list"}}}},
    ]
)


class AnyWorld(RuleBasedStateMachine):
    """A run, its users, its cluster and its coordinator, in any order."""

    def __init__(self):
        super().__init__()
        self.world = World(make_run())

    def pick(self, number, kind):
        names = sorted(self.world.of(kind))
        return names[number % len(names)] if names else None

    @rule(edit=EDITS)
    def user_edits(self, edit):
        self.world.edit(**edit)

    @rule(seconds=st.sampled_from([1, 15, 61, 130, 1000]))
    def time_passes(self, seconds):
        self.world.pass_time(seconds)

    @rule()
    def pods_start(self):
        self.world.start()

    @rule(number=st.integers(0, 9), code=CODES, said=st.booleans())
    def a_pod_ends(self, number, code, said):
        pod = self.pick(number, "Pod")
        if pod is not None and self.world.pods[pod]["status"]["phase"] in ("Pending", "Running"):
            failure = PodFailure(reason="RunFailed", message="maxFailedCandidates", exit_code=code)
            self.world.end(pod, code, failure.to_json() if said else "")

    @rule(number=st.integers(0, 9))
    def a_pod_is_disrupted(self, number):
        pod = self.pick(number, "Pod")
        if pod is not None and self.world.pods[pod]["status"]["phase"] in ("Pending", "Running"):
            self.world.disrupt(pod)

    @rule(
        number=st.integers(0, 9),
        reason=st.sampled_from(["ImagePullBackOff", "CreateContainerConfigError", "Unschedulable"]),
    )
    def a_pod_is_stuck(self, number, reason):
        pod = self.pick(number, "Pod")
        if pod is not None and self.world.pods[pod]["status"]["phase"] == "Pending":
            self.world.stuck(pod, reason, "because")

    @rule(number=st.integers(0, 9), kind=st.sampled_from(["Job", "Pod", "ConfigMap"]))
    def something_is_deleted(self, number, kind):
        name = self.pick(number, kind)
        if name is not None:
            self.world.delete(kind, name)
            self.world.react()

    @rule(number=st.integers(0, 9))
    def a_job_gives_up(self, number):
        name = self.pick(number, "Job")
        if name is not None:
            self.world.finish_job(name, "Failed")

    @rule()
    def kueue_admits(self):
        for job in self.world.jobs.values():
            if "kueue.x-k8s.io/queue-name" in job["metadata"]["labels"]:
                job["spec"]["suspend"] = False
        self.world.react()

    @rule()
    def kueue_evicts(self):
        for job in self.world.jobs.values():
            if "kueue.x-k8s.io/queue-name" in job["metadata"]["labels"]:
                job["spec"]["suspend"] = True
        self.world.react()

    @precondition(lambda self: ("ConfigMap", "demo-progress") in self.world.objects)
    @rule(
        phase=st.sampled_from(["Admitting", "Evolving", "Finishing", "Complete"]),
        generation=st.integers(-1, 12),
        finished=st.integers(0, 4),
        error=st.sampled_from(["", "no answer"]),
        behind=st.booleans(),
    )
    def the_coordinator_reports(self, phase, generation, finished, error, behind):
        open_stages = (
            ()
            if phase in ("Admitting", "Complete")
            else (
                OpenStage(stage=f"generations/{generation + 1:06}", entries=4, finished=finished),
            )
        )
        seen = self.world.run["metadata"]["generation"] - behind
        self.world.report(
            phase=phase,
            generation=generation,
            stages=open_stages,
            store_error=error,
            observed_generation=seen,
        )

    @precondition(lambda self: {"demo-coordinator"} & set(self.world.jobs))
    @precondition(lambda self: ("ConfigMap", "demo-progress") in self.world.objects)
    @rule()
    def the_coordinator_completes(self):
        self.world.complete()

    @rule()
    def the_operator_looks_once(self):
        self.world.look()

    @rule()
    def the_operator_decides_and_dies(self):
        """Its actions arrive, its status does not."""
        decision = self.world.decide()
        before = self.world.run.get("status")
        self.world.carry_out(decision)
        self.world.run["status"] = before or {}

    @rule()
    def the_operator_settles(self):
        world = self.world
        world.settle()
        writes = dict(world.writes)
        decision = world.decide()
        assert world.look() == decision
        assert dict(world.writes) == writes
        status = world.status
        assert [condition.type for condition in status.conditions] == list(CONDITION_TYPES)
        ended = [t for t in ("Complete", "Failed") if world.condition(t).status == "True"]
        assert len(ended) <= 1
        if ended or world.condition("Suspended").status == "True":
            assert world.active_jobs == set()
        assert (status.completion_time is not None) == bool(ended)
        assert (status.active_since_time is None) or not ended

    @invariant()
    def decisions_are_pure(self):
        assert self.world.decide() == self.world.decide()


AnyWorld.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_any_sequence_of_events = AnyWorld.TestCase
