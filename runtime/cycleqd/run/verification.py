"""``cycleqd verify``: recompute a run from what is stored and compare, byte by byte.

Everything that follows from something else is made again in the order in which it was made: the
copied items, each plan and its genomes from the archive it read, each archive from its plan's
results, the scores from the outcomes, the final table, and (unless told otherwise) the digest of
every evaluated model from its genome and the checkpoints. The first difference ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cycleqd.errors import InputError, VerificationError
from cycleqd.evolution.search import Commit, read_generation
from cycleqd.records import keys
from cycleqd.records.documents import NOT_ASKED, EvaluateEntry, PlanDocument, ResultDocument
from cycleqd.records.keys import Stage
from cycleqd.run import planning
from cycleqd.run.planning import Plan
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.told import ToldResults
from cycleqd.scratch import scratch_folder


@dataclass
class Verified:
    """What was recomputed and found equal."""

    items: int = 0
    plans: int = 0
    genomes: int = 0
    archives: int = 0
    results: int = 0
    weights: int = 0
    summaries: int = 0


class Verifier:
    """Recomputes one run.

    Args:
        run: the run's store.
        digest_of: the digest of a candidate's weights, None to leave weights out.
        say: told about each stage.
    """

    def __init__(
        self,
        run: RunStore,
        digest_of: Callable[[str], str] | None,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._run = run
        self._digest_of = digest_of
        self._say = say
        self._told = ToldResults(run)
        self._digests: dict[str, str] = {}
        self.verified = Verified()

    def verify(self, first: int = 0) -> Verified:
        """Recompute everything, or what was made from a generation on.

        Args:
            first: the generation. What was stored before it is taken as it is, so this tells of
                the whole run only together with what verified that.

        Raises:
            InputError: there is no such generation yet.
            VerificationError: naming the first object that differs.
        """
        depth = self._run.latest().spec.evolution.pipeline_depth
        committed = self._run.committed()
        if first > max(0, committed):
            raise InputError(f"--from: {first} is not committed; write {max(0, committed)} or less")
        self._items()
        self._promoted()
        history = self._run.history
        commits = {number: self._stored(number) for number in range(max(0, first - depth), first)}
        for number in range(first, committed + depth + 1):
            stage = keys.generation(number)
            plan = self._run.plan(stage)
            if plan is None:
                if number <= committed:
                    raise VerificationError(
                        f"{stage.plan_key}: missing, yet generation {committed} is committed"
                    )
                break
            self._say(f"generation {number}")
            revision = history.as_of(number)
            if number == 0:
                self._plan(stage, planning.first_plan(revision))
            else:
                read = commits[read_generation(number, revision.spec, revision.joins)]
                self._plan(stage, self._plan_again(revision, number, read))
            if number <= committed:
                self._run.committed_archive(number)
                results = self._results(stage, plan, revision)
                before = history.as_of(number - 1) if number in revision.joins else None
                known = self._told.experts(number - 1) if before is not None else ()
                last = commits.get(number - 1)
                commit = planning.make_commit(revision, results, last, before, known)
                self._same(stage.commit_key, commit.document().to_bytes())
                self.verified.archives += 1
                commits[number] = commit
                commits.pop(number - depth - 1, None)
                # A run that was continued has a final table at each generation where it had ended.
                self._final(number, commit, revision)
        return self.verified

    def _stored(self, number: int) -> Commit:
        """A commit as it is stored."""
        tasks = self._run.history.as_of(number).tasks
        return Commit.from_document(self._run.committed_archive(number), tasks)

    def _plan_again(self, revision: Revision, number: int, read: Commit) -> Plan:
        genome = self._run.genome
        if number in revision.joins:
            before = self._run.history.as_of(number - 1)
            return planning.join_plan(before, revision, number, read, genome)
        told = self._told.up_to(read.generation)
        return planning.make_plan(revision, number, read, genome, told)

    def _items(self) -> None:
        wanted = {
            revision.items_key(task, split): record.digest
            for revision in self._run.history.refresh()
            for task, splits in revision.items.items()
            for split, record in splits.items()
        }
        for key, digest in wanted.items():
            found = hashlib.sha256(self._run.objects.read(key)).hexdigest()
            if found != digest:
                raise VerificationError(f"{key}: SHA-256 {found}, the run says {digest}")
            self.verified.items += 1
        for expert, digest in self._run.latest().chat_templates.items():
            key = keys.chat_template(expert)
            found = hashlib.sha256(self._run.objects.read(key)).hexdigest()
            if found != digest:
                raise VerificationError(f"{key}: SHA-256 {found}, run.json says {digest}")
        for name in self._run.objects.children(keys.DATABASES):
            self._database(f"{keys.DATABASES}{name}")

    def _promoted(self) -> None:
        """An expert that was a member has that member's weights."""
        for name, source in self._run.latest().experts.items():
            if source.member is None or self._digest_of is None:
                continue
            found = self._digests[source.member] = self._digest_of(source.member)
            self.verified.weights += 1
            if found != source.digest:
                raise VerificationError(
                    f"expert {name}: has digest {source.digest}, {source.member} has {found}"
                )

    def _database(self, key: str) -> None:
        """A database has the content that its key, and so the items, say."""
        with scratch_folder("verify") as folder:
            path = folder / "database"
            self._run.objects.download(key, path)
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        if key != keys.database(found):
            raise VerificationError(f"{key}: SHA-256 {found}, not that of its name")

    def _plan(self, stage: Stage, plan: Plan) -> None:
        self._same(stage.plan_key, plan.document.to_bytes())
        self.verified.plans += 1
        for key, content in plan.files():
            self._same(key, content)
            self.verified.genomes += 1

    def _results(
        self, stage: Stage, plan: PlanDocument, revision: Revision
    ) -> list[ResultDocument]:
        results = self._run.results(stage, range(len(plan.entries)))
        for index, (entry, result) in enumerate(zip(plan.entries, results, strict=True)):
            if isinstance(entry, EvaluateEntry):
                self._belongs(stage.result_key(index), index, entry, result)
                self._result(stage.result_key(index), entry, result, revision)
            self.verified.results += 1
        return results

    @staticmethod
    def _belongs(key: str, index: int, entry: EvaluateEntry, result: ResultDocument) -> None:
        if (result.entry, result.candidate) != (index, entry.candidate):
            raise VerificationError(f"{key}: belongs to another entry of the plan")

    def _result(
        self, key: str, entry: EvaluateEntry, result: ResultDocument, revision: Revision
    ) -> None:
        if result.failure is not None:
            return
        if set(result.outcomes) != set(entry.tasks) or set(result.scores) != set(entry.tasks):
            raise VerificationError(f"{key}: holds other tasks than its plan")
        for task, outcome in result.outcomes.items():
            count = revision.items[task][entry.split].count - entry.first_items.get(task, 0)
            if len(outcome) != count:
                raise VerificationError(f"{key}: outcomes of {task} are not {count} marks")
        asked = self._asked(key, entry, result, revision)
        for task, outcome in result.outcomes.items():
            marks = "".join(outcome[place] for place in asked.get(task, range(len(outcome))))
            if set(marks) - {"0", "1"} or outcome.count(NOT_ASKED) != len(outcome) - len(marks):
                raise VerificationError(f"{key}: outcomes of {task} are not marks 0 or 1")
            if result.scores[task] != marks.count("1") / len(marks):
                raise VerificationError(f"{key}: score of {task} is not the share of its outcomes")
        if self._digest_of is not None:
            self._weights(key, entry, result, self._digest_of)

    def _weights(
        self,
        key: str,
        entry: EvaluateEntry,
        result: ResultDocument,
        digest_of: Callable[[str], str],
    ) -> None:
        if entry.candidate not in self._digests:
            self._digests[entry.candidate] = digest_of(entry.candidate)
            self.verified.weights += 1
        if self._digests[entry.candidate] != result.digest:
            raise VerificationError(
                f"{key}: weights of {entry.candidate} have digest "
                f"{self._digests[entry.candidate]}, evaluated was {result.digest}"
            )

    @staticmethod
    def _asked(
        key: str, entry: EvaluateEntry, result: ResultDocument, revision: Revision
    ) -> dict[str, tuple[int, ...]]:
        """By task the places of the only items that a candidate was asked; empty: it was all."""
        race = revision.race
        if race is None or entry.race is None:
            if result.stopped:
                raise VerificationError(f"{key}: was stopped, though its plan says nothing of it")
            return {}
        first = {task: race.first(task, len(marks)) for task, marks in result.outcomes.items()}
        early = {task: "".join(result.outcomes[task][p] for p in first[task]) for task in first}
        if race.is_lost(entry.race, early) is not result.stopped:
            raise VerificationError(f"{key}: what it says of being stopped is not what it solved")
        return first if result.stopped else {}

    def _final(self, generations: int, commit: Commit, revision: Revision) -> None:
        stage = keys.final(generations)
        plan = self._run.plan(stage)
        if plan is None:
            return
        self._say("final table")
        before = self._run.summary_before(generations)
        if revision.spec.publication is None and all(
            isinstance(entry, EvaluateEntry) and entry.tasks == revision.tasks
            for entry in plan.entries
        ):
            before = None  # nothing is asked for its sake; earlier versions never did
        again = planning.make_final_plan(revision, commit, self._run.genome, before)
        self._plan(stage, again)
        if self._run.summary(generations) is None:
            return
        results = self._results(stage, plan, revision)
        summary = planning.make_summary(revision, commit, results, before)
        self._same(stage.commit_key, summary.to_bytes())
        self.verified.summaries += 1

    def _same(self, key: str, recomputed: bytes) -> None:
        if self._run.objects.read(key) != recomputed:
            raise VerificationError(
                f"{self._run.objects.uri}/{key}: differs from what is recomputed from its inputs"
            )
