"""A stored run as an object: read it, export its members, write its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.api.views import Elite, FinalRow, Member, Result, Revisiting, Status, TaskStatus
from cycleqd.errors import InputError
from cycleqd.evolution.final import recommended
from cycleqd.records import keys
from cycleqd.records.documents import ArchiveDocument, EvaluateEntry, ResultDocument
from cycleqd.records.final_table import SummaryRow
from cycleqd.records.keys import Stage
from cycleqd.run.members import resolve_member
from cycleqd.run.revisiting import revisiting_now
from cycleqd.run.store import Position, RunStore
from cycleqd.store import ObjectStore, open_store
from cycleqd.store.access import settings_of
from cycleqd.store.cache import cache_folder
from cycleqd.store.localfile import store_error

if TYPE_CHECKING:
    from cycleqd.api.adapting import ExportedAdapter
    from cycleqd.manifest.model import Manifest
    from cycleqd.run.revision import Revision


MAX_LOSS = 0.02
"""The most that a member's mean score may fall where it is exported as an adapter of a rank."""


def open_run(uri: str | Path) -> Run:
    """The run in a store.

    Args:
        uri: the run's folder or ``s3://bucket/prefix``, as given to ``cycleqd run --store``. S3 is
            reached by the ``CYCLEQD_S3_*`` variables and the usual AWS chain.

    Raises:
        InputError: no run is stored there.
        StoreError: the store failed.
    """
    return Run(open_store(str(uri), settings_of()))


class Run:
    """A run as its store tells it, at the moment of each call.

    Args:
        store: where it is kept.

    Raises:
        InputError: no run is stored there.
        StoreError: the store failed.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._run = RunStore(store)
        self._run.latest()  # says so where there is none

    def __repr__(self) -> str:
        return f"<Run {self.id} in {self.uri}>"

    @property
    def id(self) -> str:
        """The manifest's name and a digest of what defines the run."""
        return self._run.document.run_id

    @property
    def uri(self) -> str:
        """Where it is kept."""
        return self._run.objects.uri

    @property
    def manifest(self) -> Manifest:
        """The manifest that was accepted last."""
        return self._run.latest().manifest

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that have joined, in the manifest's order."""
        return self._in_force().tasks

    def _in_force(self) -> Revision:
        """The revision that the last committed generation is of."""
        self._run.history.refresh()
        return self._run.history.as_of(self._run.committed())

    def status(self) -> Status:
        """Where the run stands.

        Raises:
            StoreError: the store failed.
        """
        position = self._run.position()
        archive, summary = position.archive, position.summary
        records = archive.archives if archive is not None else {}
        rows = summary.rows if summary is not None else ()
        best = None if summary is None else recommended(summary)
        return Status(
            run_id=self.id,
            revision=self._in_force().number,
            generation=position.generation,
            generations=position.generations,
            evaluations=archive.evaluations if archive is not None else 0,
            failed=len(archive.failed) if archive is not None else 0,
            stopped=archive.stopped if archive is not None else 0,
            complete=position.complete,
            goal_reached=position.goal_reached,
            revisiting=self._revisiting(position),
            tasks={
                task: TaskStatus(record.best, record.coverage, record.qd_score)
                if (record := records.get(task)) is not None
                else TaskStatus(0.0, 0.0, 0.0)
                for task in self.tasks
            },
            final=tuple(_final_row(row) for row in rows),
            recommended=None if best is None else _final_row(best),
        )

    def _revisiting(self, position: Position) -> Revisiting | None:
        now = None if position.ended else revisiting_now(self._run, position.generation)
        if now is None:
            return None
        return Revisiting(now.revision, now.generation, now.said(), now.done, now.of)

    def archives(self, generation: int | None = None) -> Mapping[str, tuple[Elite, ...]]:
        """Every task's archive, best quality first.

        Args:
            generation: as of which committed generation; the last one when absent.

        Returns:
            By task, in the manifest's order, those that were asked then; empty archives before
            generation 0 is committed.

        Raises:
            InputError: that generation is not committed.
            StoreError: the store failed.
        """
        document = self._archive(generation)
        if document is None:
            return dict.fromkeys(self.tasks, ())
        tasks = self._run.history.as_of(document.generation).tasks
        return {
            task: tuple(
                Elite(member.candidate, member.cell, {t: member.scores[t] for t in tasks})
                for member in sorted(
                    document.archives[task].members,
                    key=lambda m, task=task: (-m.scores[task], m.cell),  # type: ignore[misc]
                )
            )
            for task in tasks
        }

    def members(self, generation: int | None = None) -> tuple[Member, ...]:
        """The swarm: every model that is the elite of a cell, by id.

        Args:
            generation: as of which committed generation; the last one when absent.

        Raises:
            InputError: that generation is not committed.
            StoreError: the store failed.
        """
        cells: dict[str, dict[str, tuple[int, ...]]] = {}
        scores: dict[str, Mapping[str, float]] = {}
        for task, elites in self.archives(generation).items():
            for elite in elites:
                cells.setdefault(elite.candidate, {})[task] = elite.cell
                scores[elite.candidate] = elite.scores
        return tuple(
            Member(candidate, scores[candidate], cells[candidate]) for candidate in sorted(cells)
        )

    def results(self) -> Iterator[Result]:
        """Every evaluation so far, in the order of planning, the held-out ones last.

        Raises:
            StoreError: the store failed.
        """
        committed = self._run.committed()
        depth = self._run.latest().spec.evolution.pipeline_depth
        for number in range(committed + depth + 1):
            yield from self._results(keys.generation(number))
        for number in range(committed + 1):
            yield from self._results(keys.final(number))

    def resolve(self, member: str) -> str:
        """The candidate id that a name means.

        Args:
            member: a candidate id, ``balanced``, ``aggregate``, ``published`` or ``best:TASK``.

        Raises:
            InputError: there is no such member; the message says what there is.
            StoreError: the store failed.
        """
        return resolve_member(self._run, member)

    def export(self, member: str, out: str | Path) -> str:
        """Write a model as a Hugging Face folder that transformers opens and vLLM serves.

        Args:
            member: a candidate id, ``balanced``, ``aggregate``, ``published`` or ``best:TASK``.
            out: a new folder.

        Returns:
            The digest of the weights.

        Raises:
            InputError: there is no such member, or the folder cannot be written.
            CheckpointError: the base or an expert is not where it was.
            StoreError: the store failed.
        """
        from cycleqd.run.models import RunModels  # noqa: PLC0415 - torch

        candidate = resolve_member(self._run, member)
        return RunModels(self._run, cache_folder()).under_way().export(candidate, Path(out))

    def export_adapter(
        self,
        member: str,
        out: str | Path,
        rank: int | None = None,
        *,
        onto: str | None = None,
        max_loss: float = MAX_LOSS,
        save_others: bool = False,
        say: Callable[[str], None] = lambda text: None,
    ) -> ExportedAdapter:
        """Write a member as a LoRA adapter of the base, which peft and vLLM open.

        Without a rank it is exactly the member, which only members of adapters can be. With one it
        is the closest of that rank; where that is not exact, what it loses is measured on the run's
        search items, by the run's engine on this machine, and written beside it as
        ``measured_loss.json``.

        Args:
            member: a candidate id, ``balanced``, ``aggregate``, ``published`` or ``best:TASK``.
            out: a new folder.
            rank: the highest of a product; exact when absent.
            onto: a member that takes the base's place, a hub for several adapters, to be exported
                as a whole model.
            max_loss: the most that the mean score over tasks may fall.
            save_others: with a rank, whether embeddings, norms and the head are saved whole, which
                peft opens and vLLM does not; else they stay the base's.
            say: told how far it is, when that takes long.

        Returns:
            What was written.

        Raises:
            InputError: there is no such member, no adapter says exactly what it is, the adapter
                loses more than allowed, or the folder exists and is not empty.
            CheckpointError: the base or an expert is not there any more, or has changed.
            EngineError: this machine cannot measure what is lost.
            StoreError: the store failed.
        """
        from cycleqd.api.adapting import AdapterOptions, export_adapter  # noqa: PLC0415 - torch

        candidate = resolve_member(self._run, member)
        hub = None if onto is None else resolve_member(self._run, onto)
        options = AdapterOptions(rank, hub, max_loss, save_others)
        return export_adapter(self._run, candidate, Path(out), options, say)

    def report(self, out: str | Path | None = None) -> Path:
        """Write the HTML report and the heatmaps from what is stored now.

        Args:
            out: folder to fill; when absent ``STORE/report`` of a folder, ``out/report/RUN`` of S3.

        Returns:
            The page.

        Raises:
            InputError: the libraries of the extra ``report`` are not installed.
            StoreError: the store failed, or the folder cannot be written.
        """
        try:
            from cycleqd.report.from_store import write_run_report  # noqa: PLC0415 - matplotlib
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed; reports need the extra: "
                "pip install 'cycleqd-operator[report]'"
            ) from error
        if out is None:
            out = Path("out/report") / self.id if "://" in self.uri else Path(self.uri) / "report"
        try:
            return write_run_report(self._run, Path(out)).html
        except OSError as error:
            cannot = store_error(f"cannot write the report to {out}", error)
            raise type(cannot)(f"{cannot} (`cycleqd report STORE --out FOLDER`)") from error

    def _archive(self, generation: int | None) -> ArchiveDocument | None:
        committed = self._run.committed()
        if generation is None:
            return self._run.archive(committed) if committed >= 0 else None
        document = self._run.archive(generation) if generation >= 0 else None
        if document is None:
            raise InputError(
                f"generation {generation}: is not committed; {self.uri} has generations 0 to "
                f"{committed}"
                if committed >= 0
                else f"generation {generation}: {self.uri} has no committed generation yet"
            )
        return document

    def _results(self, stage: Stage) -> Iterator[Result]:
        for entry, document in self._run.evaluated(stage):
            yield _result(stage, entry, document)


def _final_row(row: SummaryRow) -> FinalRow:
    return FinalRow(
        name=row.name,
        kind=row.kind,
        candidate=row.candidate,
        scores=row.test,
        search=row.search,
        unseen=row.unseen,
        mean=row.mean,
        minimum=row.minimum,
        standard_error=row.standard_error,
        gain=row.gain,
        gain_error=row.gain_error,
    )


def _result(stage: Stage, entry: EvaluateEntry, document: ResultDocument) -> Result:
    failure = document.failure
    return Result(
        candidate=entry.candidate,
        generation=stage.number,
        split=entry.split,
        scores=document.scores,
        outcomes=document.outcomes,
        stopped=document.stopped,
        parents=entry.parents,
        failure=None if failure is None else f"{failure.cause}: {failure.message}",
        seconds=document.telemetry.seconds,
    )
