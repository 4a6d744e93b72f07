"""``cycleqd pod coordinate``: a coordinator that answers for its run in a cluster.

It admits the run, steps the coordinator of `cycleqd.roles.coordinator`, follows the manifest while
it is edited, and reports to the operator by a ConfigMap. Newcomers are looked at beside it, so that
generations go on, and the run is tracked beside it where its manifest says so. It never dies of the
store or of the API server: trouble with the one is progress to report, the other is written to when
it is there again. It ends with 0 once the run is complete and the operator can know it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from cycleqd.contract.config_maps import DOCUMENT
from cycleqd.contract.progress import Progress
from cycleqd.errors import InputError, StoreError
from cycleqd.manifest.reader import parse_manifest
from cycleqd.pod.health import serving
from cycleqd.pod.looking import LookBeside, StillLooking
from cycleqd.pod.manifest_folder import ManifestFolder, ManifestVersion
from cycleqd.pod.metrics import CoordinatorMetrics
from cycleqd.pod.publishing import ConfigMapBoard, Publisher
from cycleqd.pod.settings import CoordinatorSettings
from cycleqd.pod.view import told, with_store_error
from cycleqd.records import keys
from cycleqd.roles.coordinator import Coordinator
from cycleqd.roles.polling import seconds_between_looks
from cycleqd.run.admission import Desk, admit, items_that_differ, newcomers
from cycleqd.run.continuation import AdmitNewcomers, continue_run
from cycleqd.run.store import RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.store import ObjectStore, open_store
from cycleqd.store.access import settings_of
from cycleqd.store.patient import PatientStore, patiently
from cycleqd.tracing.spans import NO_SPANS, Spans
from cycleqd.tracing.starting import COORDINATOR, traced
from cycleqd.tracking.companion import Companion, mlflow_follower

log = logging.getLogger(__name__)

BEFORE_SECONDS = 10.0
"""How long to wait for what an earlier coordinator published, so that counts do not jump."""

LOGIN = (
    "correct the Secret of spec.tracking.mlflow.credentialsSecretRef, which pods read when they "
    "start, then set spec.suspend to true and back to false"
)
"""What to do where a tracking server does not accept the credentials."""


def coordinate(settings: CoordinatorSettings) -> None:
    """Coordinate a run until it is complete.

    Raises:
        InputError: the run cannot begin, or the store holds another one.
        RunFailed: the run gave up.
        StoreCorrupt: something stored is damaged.
    """
    metrics = CoordinatorMetrics()
    with serving(settings.health_port, metrics.registry):
        board = ConfigMapBoard(settings.namespace, settings.config_map)
        with (
            traced(os.environ, COORDINATOR, log.warning) as spans,
            Publisher(board, metrics.published) as publisher,
        ):
            PodCoordinator(settings, publisher, metrics, spans=spans).run()
            publisher.flush()


def _beginning(before: Progress | None, store: str) -> Progress:
    """What to publish first: the numbers of an earlier coordinator of this run, but no end."""
    if before is None or before.store != store:
        return Progress(store=store)
    phase = "Evolving" if before.run_id else "Admitting"
    changes = {
        "phase": phase,
        "report": "",
        "stages": (),
        "goal_reached": False,
        "revisiting": None,
        "tracking_error": "",
    }
    return with_store_error(before.model_copy(update=changes), None)


def _log_store(error: StoreError | None) -> None:
    """Trouble with the store beside the run, which meets it as well and reports it."""
    if error is not None:
        log.warning("looking at newcomers: %s", error)


class PodCoordinator:
    """One run, from its manifest's folder to its report.

    Args:
        settings: of the pod.
        publisher: takes each new progress.
        metrics: counts.
        sleep: waits so many seconds.
        spans: take the time of what is done.
    """

    def __init__(
        self,
        settings: CoordinatorSettings,
        publisher: Publisher,
        metrics: CoordinatorMetrics,
        sleep: Callable[[float], None] = time.sleep,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._settings = settings
        self._spans = spans
        self._publisher = publisher
        self._metrics = metrics
        self._sleep = sleep
        self._folder = ManifestFolder(settings.manifest)
        self._edited: ManifestVersion | None = None
        self._newcomers = LookBeside(self._open_desk)
        self._s3 = settings_of()
        opened = open_store(settings.store, self._s3)
        self._store = PatientStore(opened, self._tell_store, sleep)
        self._progress = _beginning(publisher.before(BEFORE_SECONDS), opened.uri)
        self._companion = Companion(mlflow_follower(self._open_run, log.info, LOGIN), log.warning)
        self._poll_seconds = seconds_between_looks(settings.store)

    def run(self) -> None:
        """Work until the run is complete and its completion published."""
        version = self._folder.read()
        self._publisher.publish(self._progress)
        run = self._admit(version)
        self._update(run_id=run.document.run_id)
        log.info("%s: coordinating in %s", run.document.run_id, run.objects.uri)
        coordinator = Coordinator(run, self._spans)
        while True:
            self._edited = self._edited or self._folder.changed()
            if self._edited is not None and self._is_answered(run, self._edited):
                self._edited = None
            step = coordinator.step()
            if step.generation > self._progress.generation:
                log.info("generation %d of %d", step.generation, step.generations)
            self._metrics.generation.set(step.generation)
            self._metrics.open_entries.set(sum(s.entries - s.finished for s in step.stages))
            self._progress = told(self._progress, step, self._companion.trouble)
            self._publisher.publish(self._progress)
            if step.complete and self._edited is None:
                break
            self._sleep(self._poll_seconds)
        self._update(report=self._write_report(run, step.generation))
        self._companion.finish(run.objects.uri)
        self._update(phase="Complete", tracking_error=self._companion.trouble)
        log.info("%s: complete", run.document.run_id)

    def _update(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        self._publisher.publish(self._progress)

    def _tell_store(self, error: StoreError | None) -> None:
        if error is None:
            log.info("the store answers again")
        else:
            log.warning("%s", error)
            self._metrics.store_errors.inc()
        self._progress = with_store_error(self._progress, error)
        self._publisher.publish(self._progress)

    # The manifest

    def _admit(self, version: ManifestVersion) -> RunStore:
        """Begin the run, or take it up where it stands."""

        def begin() -> RunStore:
            return admit(
                self._store,
                parse_manifest(version.text, DOCUMENT),
                checkpoints=self._settings.scratch / "checkpoints",
                s3=self._s3,
                say=log.info,
                # Its pod has neither the memory nor the processors to open experts.
                check_experts=False,
            )

        try:
            # Checkpoints and items may lie in other stores, which may be away as well.
            run = patiently(begin, self._tell_store, self._sleep)
        except InputError as error:
            run = RunStore(self._store)
            before = self._accepted_before(version, run)
            if before is None:
                raise
            self._refuse(version, error)
            self._update(observed_generation=before.observed_generation)
            self._companion.follow(run.latest().manifest.spec.tracking)
            return run
        self._accept(version)
        return run

    def _accepted_before(self, version: ManifestVersion, run: RunStore) -> Progress | None:
        """What was published, if an earlier version of this very manifest began the stored run.

        The first version of a manifest that does not fit the stored run is another run's, and
        nothing may go on under its name.
        """
        if version.generation <= 1 or not run.exists():
            return None
        before = self._publisher.before()
        return before if before is not None and before.run_id == run.document.run_id else None

    def _is_answered(self, run: RunStore, version: ManifestVersion) -> bool:
        """Take a new version of the manifest or say why not; false while that is not known."""
        try:
            manifest = parse_manifest(version.text, DOCUMENT)
            continue_run(run, manifest, self._newcomers, items_that_differ(self._desk(self._store)))
        except StillLooking:
            return False
        except InputError as error:
            self._refuse(version, error)
            return True
        log.info("manifest of generation %d accepted", version.generation)
        self._accept(version)
        return True

    def _open_desk(self) -> AdmitNewcomers:
        """What looks at newcomers beside the run, with a connection of its own to the store."""
        store = PatientStore(open_store(self._settings.store, self._s3), _log_store)
        return newcomers(self._desk(store))

    def _open_run(self) -> RunStore:
        """The run's store by a connection of its own, for what tracks the run."""
        return RunStore(open_store(self._settings.store, self._s3))

    def _desk(self, store: ObjectStore) -> Desk:
        return Desk(store, self._settings.scratch / "checkpoints", self._s3, log.info)

    def _refuse(self, version: ManifestVersion, error: InputError) -> None:
        log.warning("manifest of generation %d refused: %s", version.generation, error)
        self._update(rejected=str(error), rejected_generation=version.generation)

    def _accept(self, version: ManifestVersion) -> None:
        self._companion.follow(parse_manifest(version.text, DOCUMENT).spec.tracking)
        self._update(observed_generation=version.generation, rejected="", rejected_generation=0)

    # The report

    def _write_report(self, run: RunStore, generation: int) -> str:
        """Write the report into the store; its URI, empty if it could not be made."""
        try:
            from cycleqd.report.from_store import write_run_report  # noqa: PLC0415 - matplotlib

            with scratch_folder("report") as folder:
                page = write_run_report(run, folder).html
                for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                    name = path.relative_to(folder).as_posix()
                    run.objects.create_file(keys.report(generation, name), path)
                name = page.relative_to(folder).as_posix()
                return f"{run.objects.uri}/{keys.report(generation, name)}"
        except Exception:  # the run is complete, whatever a picture fails of
            log.exception(
                "the report could not be written; `cycleqd report` makes it from the store"
            )
            return ""
