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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cycleqd.errors import DatasetError, InputError, ObjectNotFound, RunMismatch
from cycleqd.evaluation.tasks import read_items, skill_of
from cycleqd.evolution.joining import Joining
from cycleqd.manifest.changes import identity
from cycleqd.manifest.model import Manifest, Task
from cycleqd.manifest.schema import canonical
from cycleqd.manifest.uris import where_paths_start
from cycleqd.records import keys
from cycleqd.records.documents import (
    ItemsRecord,
    RunDocument,
    SourceRecord,
    Split,
)
from cycleqd.run.admitted_checkpoints import (
    AdmittedCheckpoints,
    EngineName,
    Say,
    Sought,
    admit_checkpoints,
)
from cycleqd.run.continuation import AdmitNewcomers, Newcomers, continue_run
from cycleqd.run.databases import published_databases
from cycleqd.run.own_checkpoints import tell_differences
from cycleqd.run.prompts import SplitItems, check_prompts
from cycleqd.run.refusals import Refusals
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.scratch import scratch_folder
from cycleqd.store import ObjectStore, S3Settings
from cycleqd.store.access import open_location
from cycleqd.store.foreign import download_foreign
from cycleqd.store.localfile import disk_errors

log = logging.getLogger(__name__)

SPLITS: tuple[Split, Split] = ("search", "test")


def _say_nothing(message: str) -> None:
    pass


@dataclass(frozen=True)
class Desk:
    """Where one looks, and who is told.

    Attributes:
        objects: the run's store.
        checkpoints: folder for downloaded checkpoints; what is made of them lies beside it.
        s3: how to reach checkpoints and items on S3.
        say: told what is being done.
        check_experts: whether experts' own checkpoints are opened, too.
    """

    objects: ObjectStore
    checkpoints: Path
    s3: S3Settings | None
    say: Say = _say_nothing
    check_experts: bool = False


def admit(
    objects: ObjectStore,
    manifest: Manifest,
    *,
    checkpoints: Path,
    s3: S3Settings | None = None,
    say: Say = _say_nothing,
    check_experts: bool = False,
) -> RunStore:
    """Begin a run, or accept the manifest as the continuation of the one in the store.

    Args:
        objects: the run's store.
        manifest: what the user asks for.
        checkpoints: folder for downloaded checkpoints.
        s3: how to reach checkpoints and items on S3.
        say: told what is being done.
        check_experts: open experts' own checkpoints, and say which ones the run makes less of.

    Raises:
        InputError: something the user wrote cannot run, or does not continue the stored run.
        StoreError: the store failed.
    """
    objects.probe()
    desk = Desk(objects, checkpoints, s3, say, check_experts)
    run = RunStore(objects)
    if not run.exists():
        say("checking checkpoints and items")
        _begin(desk, manifest)
        run = RunStore(objects)
    continue_run(run, manifest, newcomers(desk))
    return run


def newcomers(desk: Desk) -> AdmitNewcomers:
    """What looks at experts and tasks that are to join a run, and copies their items."""

    def admit_newcomers(current: Revision, manifest: Manifest, new: Joining) -> Newcomers:
        desk.say("checking what joins the run")
        sought = Sought(manifest.spec, new.experts, new.tasks, current.engine, current)
        examined = _examine(desk, sought)
        found = examined.checkpoints
        layout = found.layout if new.experts else None
        return Newcomers(found.experts, examined.items, layout, examined.chat_templates)

    return admit_newcomers


def choose_engine(requested: str) -> EngineName:
    """The engine that a manifest's choice means on this machine.

    Raises:
        InputError: the engine is not installed here.
    """
    if requested == "Auto":
        return "vllm" if importlib.util.find_spec("vllm") else "transformers"
    engine: EngineName = "vllm" if requested == "vllm" else "transformers"
    if importlib.util.find_spec(engine) is None:
        raise InputError(
            f"spec.evaluation.engine: {engine} is not installed on this machine; install the "
            f"extra cycleqd-operator[{'vllm' if engine == 'vllm' else 'runtime'}] or use Auto"
        )
    return engine


def _begin(desk: Desk, manifest: Manifest) -> None:
    spec = manifest.spec
    names = [expert.name for expert in spec.experts], [task.name for task in spec.tasks]
    sought = Sought(spec, *names, choose_engine(spec.evaluation.engine))
    examined = _examine(desk, sought)
    found, items, chat_templates = examined.checkpoints, examined.items, examined.chat_templates
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
    desk.objects.create(keys.RUN, run.to_bytes())


@dataclass(frozen=True)
class Examined:
    """What can run.

    Attributes:
        checkpoints: as they were found.
        items: by task and split, copied into the store.
        chat_templates: digests of those that tasks take from experts, by expert; copied, too.
    """

    checkpoints: AdmittedCheckpoints
    items: dict[str, dict[Split, ItemsRecord]]
    chat_templates: dict[str, str]


def _examine(desk: Desk, sought: Sought) -> Examined:
    """Look at checkpoints and items; copy the latter into the store where nothing is wrong.

    Raises:
        InputError: all that is wrong, one problem a line.
    """
    refusals, s3, say = Refusals(), desk.s3, desk.say
    with ExitStack() as kept:
        sought = replace(sought, members=_export_members(desk, sought, refusals, kept))
        read = _read_items(sought, s3, refusals, kept)
        found = admit_checkpoints(sought, desk.checkpoints, s3, say=say, refusals=refusals)
        if found is not None:
            base, experts = found.base_folder, found.folders
            prompts = check_prompts(sought, base, experts, read, say=say, refusals=refusals)
        # Nothing is written before everything was looked at.
        refusals.raise_any()
        assert found is not None, "what is not admitted was refused"
        if desk.check_experts and prompts.samples:
            tell_differences(sought, base, experts, prompts.samples, say)
        _keep_members(desk, sought, found.experts)
        return Examined(
            found,
            _store_items(desk.objects, read),
            _store_templates(desk.objects, prompts.templates),
        )


def _export_members(
    desk: Desk, sought: Sought, refusals: Refusals, kept: ExitStack
) -> dict[str, Path]:
    """Folders of the members that are to become experts, by these' names; ``kept`` keeps them."""
    folders: dict[str, Path] = {}
    models = None
    for number, expert in enumerate(sought.spec.experts):
        if expert.member is None or expert.name not in sought.experts:
            continue
        # torch is only needed here, whenever a member becomes an expert.
        from cycleqd.run.kept_models import check_member  # noqa: PLC0415
        from cycleqd.run.models import RunModels  # noqa: PLC0415

        with refusals.of(f"spec.experts[{number}].member"):
            if sought.known is None:
                raise InputError(
                    f"{expert.member}: a run that begins has no members yet; name a checkpoint by "
                    "uri, and append a member once the run has one"
                )
            run, scratch = RunStore(desk.objects), desk.checkpoints.parent
            check_member(run, expert.member)
            desk.say(f"making the weights of {expert.member}")
            with disk_errors(f"cannot write {scratch}"):
                scratch.mkdir(parents=True, exist_ok=True)
            models = models or RunModels(run, scratch).latest()
            folder = kept.enter_context(scratch_folder("model", scratch)) / "model"
            models.export(expert.member, folder)
            folders[expert.name] = folder
    return folders


def _keep_members(desk: Desk, sought: Sought, experts: Mapping[str, SourceRecord]) -> None:
    """Keep the weights of members that become experts in the store, where every process opens them.

    Raises:
        StoreCorrupt: other weights are kept there.
    """
    for name, folder in sought.members.items():
        from cycleqd.run.kept_models import keep_model  # noqa: PLC0415 - torch

        source = experts[name]
        assert source.member is not None
        keep_model(desk.objects, source.member, folder, source.digest, desk.checkpoints)


def _read_items(
    sought: Sought, s3: S3Settings | None, refusals: Refusals, kept: ExitStack
) -> list[SplitItems]:
    """Read the items of the tasks that are sought; ``kept`` keeps databases that it downloads."""
    read: list[SplitItems] = []
    for number, task in enumerate(sought.spec.tasks):
        if task.name not in sought.tasks:
            continue
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
