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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cycleqd.checkpoints.compatibility import added_tokens
from cycleqd.checkpoints.source import location_of, resolve
from cycleqd.errors import CheckpointError, DatasetError, InputError, ObjectNotFound, RunMismatch
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
from cycleqd.run.prompts import SplitItems, check_prompts
from cycleqd.run.refusals import Refusals
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
    refusals = Refusals()
    with ExitStack() as kept:
        read = _read_items(spec, s3, refusals, kept)
        found = _admit_checkpoints(spec, engine, checkpoints, s3, say=say, refusals=refusals)
        templates: dict[str, str] = {}
        if found is not None:
            templates = check_prompts(
                spec, found.base_folder, found.folders, read, say=say, refusals=refusals
            )
        # Nothing is written before everything was looked at.
        refusals.raise_any()
        assert found is not None, "what is not admitted was refused"
        items = _store_items(objects, read)
        chat_templates = _store_templates(objects, templates)
    decisive = {
        "spec": identity(manifest),
        "base": found.base.digest,
        "experts": {name: source.digest for name, source in found.experts.items()},
        "items": {
            task: {s: record.digest for s, record in by.items()} for task, by in items.items()
        },
        **({"chatTemplates": chat_templates} if chat_templates else {}),
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    run = RunDocument(
        run_id=f"{manifest.metadata.name}-{digest[:8]}",
        manifest=canonical(manifest),
        engine=found.engine,
        base=found.base,
        experts=found.experts,
        items=items,
        layout=found.layout,
        chat_templates=chat_templates,
    )
    # Losing the race for this key is fine: `continue_run` compares with what is there.
    objects.create(keys.RUN, run.to_bytes())


def _read_items(
    spec: Spec, s3: S3Settings | None, refusals: Refusals, kept: ExitStack
) -> list[SplitItems]:
    """Read every task's items; databases that were downloaded stay as long as ``kept`` is open."""
    read: list[SplitItems] = []
    for number, task in enumerate(spec.tasks):
        prompts: dict[Split, set[str]] = {split: set() for split in SPLITS}
        skill = skill_of(task.type, task.settings)
        for split in SPLITS:
            uri = task.items.search if split == "search" else task.items.test
            with refusals.of(f"spec.tasks[{number}].items.{split}"), _local_file(uri, s3) as path:
                files = kept.enter_context(published_databases(uri, skill.database_folder, s3))
                limit = limit_of(task, split)
                found = read_items(path, skill, limit=limit, name=uri, databases=files)
                read.append(SplitItems(number, task.name, split, uri, found))
                prompts[split] = set(read[-1].prompts)
        with refusals.of():
            check_unseen(number, prompts["search"], prompts["test"])
    return read


def _store_items(
    objects: ObjectStore, read: Sequence[SplitItems]
) -> dict[str, dict[Split, ItemsRecord]]:
    """Write the items into the store, in the form that workers read, and their databases.

    Returns:
        What the run says of the items, by task and split.

    Raises:
        RunMismatch: others are there, of an attempt that ended before the run began.
    """
    records: dict[str, dict[Split, ItemsRecord]] = {}
    for items in read:
        for digest, file in items.found.files.items():
            objects.create_file(keys.database(digest), file)
        key = keys.items(items.name, items.split)
        if not objects.create(key, items.found.content):
            stored = hashlib.sha256(objects.read(key)).hexdigest()
            if stored != items.found.digest:
                raise RunMismatch(
                    f"{items.field}: {objects.uri}/{key} holds other items, of an earlier attempt "
                    "that ended before its run began; remove that store, or name another one"
                )
        records.setdefault(items.name, {})[items.split] = items.record
    return records


def _store_templates(objects: ObjectStore, templates: dict[str, str]) -> dict[str, str]:
    """Write the chat templates that tasks take from experts into the store.

    Returns:
        Their digests, by expert.

    Raises:
        RunMismatch: another is there, of an attempt that ended before the run began.
    """
    digests = {}
    for expert, text in templates.items():
        key, data = keys.chat_template(expert), text.encode()
        digests[expert] = hashlib.sha256(data).hexdigest()
        if not objects.create(key, data) and objects.read(key) != data:
            raise RunMismatch(
                f"{objects.uri}/{key} is another chat template, of an earlier attempt that ended "
                "before its run began; remove that store, or name another one"
            )
    return digests


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
def _local_file(uri: str, s3: S3Settings | None) -> Iterator[Path]:
    """A local file with an object's content."""
    if not uri.startswith("s3://"):
        if not Path(uri).is_file():
            raise DatasetError(f"{uri}: no such file; {where_paths_start(uri)}")
        yield Path(uri)
        return
    store, name = open_location(uri, s3)
    with scratch_folder("items") as folder:
        path = folder / name
        try:
            download_foreign(store, name, path)
        except ObjectNotFound as error:
            raise DatasetError(f"{uri}: no such object") from error
        yield path


@dataclass(frozen=True)
class _Checkpoints:
    """The checkpoints of a run, compared with one another.

    Attributes:
        engine: the engine that serves them.
        base: the base.
        experts: by name.
        folders: where the experts lie here, by name.
        base_folder: where the base lies here.
        layout: the run's genome layout.
    """

    engine: Literal["transformers", "vllm"]
    base: SourceRecord
    experts: dict[str, SourceRecord]
    folders: dict[str, Path]
    base_folder: Path
    layout: dict[str, Any]


def _admit_checkpoints(
    spec: Spec,
    engine: Literal["transformers", "vllm"],
    folder: Path,
    s3: S3Settings | None,
    *,
    say: Say,
    refusals: Refusals,
) -> _Checkpoints | None:
    # torch is only needed here, once in a run's life.
    from cycleqd.checkpoints.header import layout  # noqa: PLC0415
    from cycleqd.evaluation.engines.settings import check_length, check_settings  # noqa: PLC0415
    from cycleqd.evaluation.engines.skeleton import read_skeleton  # noqa: PLC0415
    from cycleqd.weights.check import check_base, check_expert  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415
    from cycleqd.weights.experts import open_expert, task_vector  # noqa: PLC0415

    base: Checkpoint | None = None
    with refusals.of("spec.base.uri"):
        opened = Checkpoint.open(resolve(spec.base.uri, folder, s3))
        check_base(opened)
        skeleton = read_skeleton(opened.header)
        base = opened
    if base is None:
        return None
    if engine == "vllm" and skeleton.not_for_vllm is not None:
        what = f"vllm is not for {skeleton.architecture}: it {skeleton.not_for_vllm}"
        with refusals.of("spec.evaluation.engine"):
            if spec.evaluation.engine != "Auto":
                raise CheckpointError(f"{what}; set it to transformers")
            say(f"{what}; transformers is used instead")
            engine = "transformers"
    if spec.evolution.tune is not None and not skeleton.can_learn:
        with refusals.of("spec.evolution.tune"):
            raise CheckpointError(
                f"{skeleton.architecture} has no linear layers under the names of the checkpoint, "
                "which alone can be tuned; leave tune out"
            )
    if engine == "vllm":  # the other engine computes beyond it, however well the model does
        with refusals.of("spec.evaluation.maxModelLen"):
            check_length(base.folder, spec.evaluation.max_model_len)
    records: dict[str, SourceRecord] = {}
    folders: dict[str, Path] = {}
    limits = {tensor.name: 0 for tensor in base.tensors}
    for number, expert in enumerate(spec.experts):
        say(f"checking expert {expert.name}")
        with refusals.of(f"spec.experts[{number}].uri"):
            other = expert.vocabulary == "Base"
            found = open_expert(resolve(expert.uri, folder, s3), base, base_vocabulary=other)
            check_expert(base, found, base_vocabulary=other)
            if isinstance(found, Checkpoint):  # an adapter has no settings of its own
                check_settings(base.folder, found.folder, retied=found.header.retied)
            if added := added_tokens(base.folder, found.folder):
                say(f"expert {expert.name}: the base's tokenizer is used, without {added[0]!r}")
            records[expert.name] = _source(expert.uri, found.digest())
            folders[expert.name] = found.folder
            vector = task_vector(base, found)
            limits = {name: max(rank, vector.rank(name)) for name, rank in limits.items()}
    names = [expert.name for expert in spec.experts]
    directions = strategy_of(spec.evolution).uses_directions(spec.evolution)
    rank = spec.evolution.mutation.rank if directions else 0
    shape = layout(base.header, names, rank, limits).to_json()
    return _Checkpoints(
        engine=engine,
        base=_source(spec.base.uri, base.digest()),
        experts=records,
        folders=folders,
        base_folder=base.folder,
        layout=shape,
    )


def _source(uri: str, digest: str) -> SourceRecord:
    return SourceRecord(uri=uri, digest=digest, location=location_of(uri))


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
