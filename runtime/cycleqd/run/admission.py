"""Admission: everything that can be refused is refused here, before it costs a GPU second.

The first time, the checkpoints are opened and compared, the items parsed and copied into the
store, and ``run.json`` is created: from then on the run is what that object says. Later the same
command finds it there and checks that the manifest may continue the run; an accepted change (more
generations) becomes a revision. The steps of a curriculum are revisions of the future, which
``run.json`` holds itself: all who ever join are looked at before the run begins.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from cycleqd.errors import InputError, RunMismatch
from cycleqd.evolution.joining import joining
from cycleqd.manifest.changes import identity
from cycleqd.manifest.curriculum import Arrival, arrivals
from cycleqd.manifest.model import Manifest, Spec
from cycleqd.manifest.schema import canonical
from cycleqd.records import keys
from cycleqd.records.documents import (
    ItemsRecord,
    RunDocument,
    Split,
)
from cycleqd.run.admitted_checkpoints import (
    AdmittedCheckpoints,
    EngineName,
    Say,
    Sought,
    admit_checkpoints,
)
from cycleqd.run.continuation import (
    AdmitNewcomers,
    Newcomers,
    OtherItems,
    accepted,
    check_none_retired,
    continue_run,
)
from cycleqd.run.items import SPLITS, read_split, uri_of
from cycleqd.run.new_items import after_earlier, other_items, prompts_had
from cycleqd.run.own_checkpoints import tell_differences
from cycleqd.run.promotion import export_members, keep_members
from cycleqd.run.prompts import SplitItems, check_prompts
from cycleqd.run.refusals import Refusals
from cycleqd.run.revision import Revision
from cycleqd.run.store import RunStore
from cycleqd.run.unseen import check_between_tasks, check_unseen
from cycleqd.store import ObjectStore, S3Settings

log = logging.getLogger(__name__)


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
        look_at_items: whether files of this machine that a manifest names as before are looked at,
            lest they hold other items now.
    """

    objects: ObjectStore
    checkpoints: Path
    s3: S3Settings | None
    say: Say = _say_nothing
    check_experts: bool = False
    look_at_items: bool = False


def admit(
    objects: ObjectStore,
    manifest: Manifest,
    *,
    checkpoints: Path,
    s3: S3Settings | None = None,
    say: Say = _say_nothing,
    check_experts: bool = False,
    look_at_items: bool = False,
) -> RunStore:
    """Begin a run, or accept the manifest as the continuation of the one in the store.

    Args:
        objects: the run's store.
        manifest: what the user asks for.
        checkpoints: folder for downloaded checkpoints.
        s3: how to reach checkpoints and items on S3.
        say: told what is being done.
        check_experts: open experts' own checkpoints, and say which ones the run makes less of.
        look_at_items: see `Desk`.

    Raises:
        InputError: something the user wrote cannot run, or does not continue the stored run.
        StoreError: the store failed.
    """
    objects.probe()
    desk = Desk(objects, checkpoints, s3, say, check_experts, look_at_items)
    run = RunStore(objects)
    if not run.exists():
        say("checking checkpoints and items")
        _begin(desk, manifest)
        run = RunStore(objects)
    continue_run(run, manifest, newcomers(desk), items_that_differ(desk))
    return run


def newcomers(desk: Desk) -> AdmitNewcomers:
    """What looks at experts and tasks that are to join a run, and copies their items."""

    def admit_newcomers(
        current: Revision,
        arrived: Sequence[Arrival],
        items: Mapping[str, frozenset[Split]],
    ) -> list[Newcomers]:
        desk.say("checking what joins the run")
        spec = arrived[-1].manifest.spec
        new = joining(current.spec, spec.without_retired())
        tasks = (*new.tasks, *items)
        sought = Sought(spec, new.experts, tasks, current.engine, current, items)
        examined = _examine(desk, sought)
        for task, splits in items.items():
            for split in sorted(splits):
                record = examined.items[task][split]
                first = record.extends[-1] if record.extends else 0
                what = "join" if first else "replace"
                desk.say(f"task {task}: {record.count - first} {split} items {what} those it has")
        return _brought(examined, current.spec, arrived, items)

    return admit_newcomers


def _brought(
    examined: Examined, before: Spec, arrived: Sequence[Arrival], changed: Iterable[str] = ()
) -> list[Newcomers]:
    """What each arrival brings of all that was examined.

    Args:
        examined: checkpoints and items of all of them.
        before: the run before the first.
        arrived: who comes, in order.
        changed: the tasks that get other items, with the first.
    """
    checkpoints = examined.checkpoints
    found = []
    for arrival in arrived:
        spec = arrival.manifest.spec.without_retired()
        new = joining(before, spec)
        writers = {task.chat_template_from for task in spec.tasks if task.name in new.tasks}
        found.append(
            Newcomers(
                {name: checkpoints.experts[name] for name in new.experts},
                {name: examined.items[name] for name in (*new.tasks, *changed)},
                checkpoints.layout(len(arrival.manifest.spec.experts)) if new.experts else None,
                {e: digest for e, digest in examined.chat_templates.items() if e in writers},
            )
        )
        before, changed = spec, ()
    return found


def items_that_differ(desk: Desk) -> OtherItems:
    """What tells which tasks of a run are to get other items."""

    def differing(current: Revision, manifest: Manifest) -> Mapping[str, frozenset[Split]]:
        run = RunStore(desk.objects)
        return other_items(run, current, manifest, desk.s3, look=desk.look_at_items)

    return differing


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
    first, *later = arrivals(manifest)
    check_none_retired(spec)
    names = [expert.name for expert in spec.experts], [task.name for task in spec.tasks]
    sought = Sought(spec, *names, choose_engine(spec.evaluation.engine))
    examined = _examine(desk, sought)
    found, items, chat_templates = examined.checkpoints, examined.items, examined.chat_templates
    nobody = spec.model_copy(update={"experts": (), "tasks": ()})
    begins, *join = _brought(examined, nobody, [first, *later])
    steps = [step.generation for step in spec.curriculum]
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
        manifest=canonical(first.manifest),
        engine=found.engine,
        base=found.base,
        experts=dict(begins.experts),
        items={task: dict(splits) for task, splits in begins.items.items()},
        layout=found.layout(len(first.manifest.spec.experts)),
        chat_templates=dict(begins.chat_templates),
        # In the same object, so that nobody ever sees the run without them.
        revisions=tuple(accepted(later, join, steps)),
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
        sought = replace(
            sought,
            members=export_members(
                desk.objects, desk.checkpoints, sought, refusals=refusals, kept=kept, say=say
            ),
        )
        read = _read_items(sought, s3, refusals, kept)
        had: dict[Split, dict[str, set[str]]] = {"search": {}, "test": {}}
        if sought.known is not None:
            run = RunStore(desk.objects)
            read = after_earlier(run, sought.known, sought, read, refusals)
            had = prompts_had(run, sought.known)
        new = [items for items in read if _is_new(items, sought)]
        check_between_tasks(new, had, refusals)
        found = admit_checkpoints(sought, desk.checkpoints, s3, say=say, refusals=refusals)
        if found is not None:
            base, experts = found.base_folder, found.folders
            prompts = check_prompts(sought, base, experts, read, say=say, refusals=refusals)
        # Nothing is written before everything was looked at.
        refusals.raise_any()
        assert found is not None, "what is not admitted was refused"
        if desk.check_experts and prompts.samples:
            tell_differences(sought, base, experts, prompts.samples, say)
        keep_members(desk.objects, desk.checkpoints, sought, found.experts)
        return Examined(
            found,
            _store_items(desk.objects, new, begun=sought.known is not None),
            _store_templates(desk.objects, prompts.templates),
        )


def _is_new(items: SplitItems, sought: Sought) -> bool:
    """Whether the run has not these items already."""
    return items.split in sought.items.get(items.name, SPLITS)


def _read_items(
    sought: Sought, s3: S3Settings | None, refusals: Refusals, kept: ExitStack
) -> list[SplitItems]:
    """Read the items of the tasks that are sought; ``kept`` keeps databases that it downloads."""
    read: list[SplitItems] = []
    for number, task in enumerate(sought.spec.tasks):
        if task.name not in sought.tasks:
            continue
        prompts: dict[Split, set[str]] = {split: set() for split in SPLITS}
        for split in SPLITS:
            with refusals.of(f"spec.tasks[{number}].items.{split}"):
                found = read_split(task, split, s3, kept)
                read.append(SplitItems(number, task.name, split, uri_of(task, split), found))
                prompts[split] = set(read[-1].prompts)
        with refusals.of():
            check_unseen(number, prompts["search"], prompts["test"])
    return read


def _store_items(
    objects: ObjectStore, read: Sequence[SplitItems], *, begun: bool
) -> dict[str, dict[Split, ItemsRecord]]:
    """Write the items into the store, in the form that workers read, and their databases.

    Args:
        objects: the run's store.
        read: the items.
        begun: whether the run has begun.

    Returns:
        What the run says of the items, by task and split.

    Raises:
        RunMismatch: others are there, of an attempt that ended before it was accepted.
    """
    records: dict[str, dict[Split, ItemsRecord]] = {}
    for items in read:
        for digest, file in items.found.files.items():
            objects.create_file(keys.database(digest), file)
        record = items.record
        key = keys.items(items.name, items.split, record.digest if record.version else "")
        if not objects.create(key, items.found.content):
            stored = hashlib.sha256(objects.read(key)).hexdigest()
            if stored != items.found.digest:
                raise RunMismatch(
                    f"{items.field}: {objects.uri}/{key} holds other items, of an earlier attempt "
                    + (
                        f"to let {items.name} join that was not accepted; give the same items "
                        "again, which others may follow, or give the task another name"
                        if begun
                        else "that ended before its run began; remove that store, or name another "
                        "one"
                    )
                )
        records.setdefault(items.name, {})[items.split] = record
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
