"""Admission: everything that can be refused is refused here, before it costs a GPU second.

The first time, the checkpoints are opened and compared, the items parsed and copied into the
store, and ``run.json`` is created: from then on the run is what that object says. Later the same
command finds it there and checks that the manifest may continue the run; an accepted change (more
generations) becomes a revision.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from cycleqd.checkpoints.source import location_of, resolve
from cycleqd.errors import CheckpointError, DatasetError, InputError, ObjectNotFound
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evolution.strategies import strategy_of
from cycleqd.manifest.changes import changes, check_continuation, concerns_pods_only, identity
from cycleqd.manifest.model import Manifest, Spec, Task
from cycleqd.manifest.schema import canonical
from cycleqd.manifest.uris import where_paths_start
from cycleqd.records import keys
from cycleqd.records.documents import (
    ItemsRecord,
    RevisionDocument,
    RunDocument,
    SourceRecord,
    Split,
)
from cycleqd.run.databases import published_databases
from cycleqd.run.store import RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.store import ObjectStore, S3Settings
from cycleqd.store.access import open_location
from cycleqd.store.foreign import download_foreign

log = logging.getLogger(__name__)

Say = Callable[[str], None]

SPLITS: tuple[Split, Split] = ("search", "test")


def admit(
    objects: ObjectStore,
    manifest: Manifest,
    *,
    checkpoints: Path,
    s3: S3Settings | None = None,
    say: Say = lambda message: None,
) -> RunStore:
    """Begin a run, or accept the manifest as the continuation of the one in the store.

    Args:
        objects: the run's store.
        manifest: what the user asks for.
        checkpoints: folder for downloaded checkpoints.
        s3: how to reach checkpoints and items on S3.
        say: told what is being done.

    Raises:
        InputError: something the user wrote cannot run, or does not continue the stored run.
        StoreError: the store failed.
    """
    objects.probe()
    run = RunStore(objects)
    if not run.exists():
        say("checking checkpoints and items")
        _begin(objects, manifest, checkpoints, s3, say)
        run = RunStore(objects)
    continue_run(run, manifest)
    return run


def choose_engine(requested: str) -> Literal["transformers", "vllm"]:
    """The engine that a manifest's choice means on this machine.

    Raises:
        InputError: the engine is not installed here.
    """
    if requested == "Auto":
        return "vllm" if importlib.util.find_spec("vllm") else "transformers"
    engine: Literal["transformers", "vllm"] = "vllm" if requested == "vllm" else "transformers"
    if importlib.util.find_spec(engine) is None:
        raise InputError(
            f"spec.evaluation.engine: {engine} is not installed on this machine; install the "
            f"extra cycleqd-operator[{'vllm' if engine == 'vllm' else 'runtime'}] or use Auto"
        )
    return engine


def _begin(
    objects: ObjectStore, manifest: Manifest, checkpoints: Path, s3: S3Settings | None, say: Say
) -> None:
    spec = manifest.spec
    engine = choose_engine(spec.evaluation.engine)
    items = _admit_items(objects, spec, s3)
    base, experts, layout = _admit_checkpoints(spec, checkpoints, s3, say)
    decisive = {
        "spec": identity(manifest),
        "base": base.digest,
        "experts": {name: source.digest for name, source in experts.items()},
        "items": {
            task: {s: record.digest for s, record in by.items()} for task, by in items.items()
        },
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    run = RunDocument(
        run_id=f"{manifest.metadata.name}-{digest[:8]}",
        manifest=canonical(manifest),
        engine=engine,
        base=base,
        experts=experts,
        items=items,
        layout=layout,
    )
    # Losing the race for this key is fine: `continue_run` compares with what is there.
    objects.create(keys.RUN, run.to_bytes())


def _admit_items(
    objects: ObjectStore, spec: Spec, s3: S3Settings | None
) -> dict[str, dict[Split, ItemsRecord]]:
    """Read every task's items and write them into the store, in the form that workers read."""
    records: dict[str, dict[Split, ItemsRecord]] = {}
    for number, task in enumerate(spec.tasks):
        records[task.name] = {}
        prompts: dict[Split, set[str]] = {}
        skill = skill_of(task.type, task.settings)
        for split in SPLITS:
            uri = task.items.search if split == "search" else task.items.test
            where = f"spec.tasks[{number}].items.{split}"
            databases = published_databases(uri, skill.database_folder, s3)
            with _local_file(uri, where, s3) as path, databases as files:
                limit = limit_of(task, split)
                found = read_items(path, skill, limit=limit, name=uri, databases=files)
                for digest, file in found.files.items():
                    objects.create_file(keys.database(digest), file)
                objects.create(keys.items(task.name, split), found.content)
            prompts[split] = {item.text("prompt") for item in found.items}
            records[task.name][split] = ItemsRecord(
                uri=uri, digest=found.digest, count=len(found.items)
            )
        check_unseen(number, prompts["search"], prompts["test"])
    return records


def check_unseen(number: int, search: set[str], test: set[str]) -> None:
    """Compare the prompts of task ``number`` in both splits.

    Raises:
        DatasetError: they share some.
    """
    if shared := search & test:
        raise DatasetError(
            f"spec.tasks[{number}].items: search and test share {len(shared)} prompts, for "
            f"example {min(shared)[:80]!r}; the held-out items must be unseen"
        )


def limit_of(task: Task, split: Split) -> int | None:
    """How many items of a split are used, None for all."""
    return task.items.search_limit if split == "search" else task.items.test_limit


@contextmanager
def _local_file(uri: str, where: str, s3: S3Settings | None) -> Iterator[Path]:
    """A local file with an object's content."""
    if not uri.startswith("s3://"):
        if not Path(uri).is_file():
            raise DatasetError(f"{where}: {uri}: no such file; {where_paths_start(uri)}")
        yield Path(uri)
        return
    store, name = open_location(uri, s3)
    with scratch_folder("items") as folder:
        path = folder / name
        try:
            download_foreign(store, name, path)
        except ObjectNotFound as error:
            raise DatasetError(f"{where}: {uri}: no such object") from error
        yield path


def _admit_checkpoints(
    spec: Spec, folder: Path, s3: S3Settings | None, say: Say
) -> tuple[SourceRecord, dict[str, SourceRecord], dict[str, Any]]:
    # torch is only needed here, once in a run's life.
    from cycleqd.checkpoints.header import layout  # noqa: PLC0415
    from cycleqd.weights.check import check_base, check_expert  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415
    from cycleqd.weights.experts import open_expert, task_vector  # noqa: PLC0415

    with _blamed_on("spec.base.uri"):
        base = Checkpoint.open(resolve(spec.base.uri, folder, s3))
        check_base(base)
    records: dict[str, SourceRecord] = {}
    limits = {tensor.name: 0 for tensor in base.tensors}
    for number, expert in enumerate(spec.experts):
        say(f"checking expert {expert.name}")
        with _blamed_on(f"spec.experts[{number}].uri"):
            opened = open_expert(resolve(expert.uri, folder, s3), base)
            check_expert(base, opened)
        records[expert.name] = _source(expert.uri, opened.digest())
        vector = task_vector(base, opened)
        limits = {name: max(rank, vector.rank(name)) for name, rank in limits.items()}
    names = [expert.name for expert in spec.experts]
    directions = strategy_of(spec.evolution).uses_directions(spec.evolution)
    rank = spec.evolution.mutation.rank if directions else 0
    shape = layout(base.header, names, rank, limits).to_json()
    return _source(spec.base.uri, base.digest()), records, shape


def _source(uri: str, digest: str) -> SourceRecord:
    return SourceRecord(uri=uri, digest=digest, location=location_of(uri))


@contextmanager
def _blamed_on(field: str) -> Iterator[None]:
    """Checkpoint errors begin with the manifest's field."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{field}: {error}") from error


def continue_run(run: RunStore, manifest: Manifest) -> None:
    """Accept what may change, refuse the rest.

    Raises:
        RunMismatch: the manifest describes another run than the stored one.
    """
    while True:
        revisions = run.history.refresh()
        current = revisions[-1].manifest
        check_continuation(current, manifest)
        if all(concerns_pods_only(path) for path in changes(current, manifest)):
            return
        revision = RevisionDocument(
            manifest=canonical(manifest), from_generation=run.committed() + 1
        )
        # Where another coordinator took the number first, its manifest is the one to continue.
        run.objects.create(keys.revision(len(revisions)), revision.to_bytes())
