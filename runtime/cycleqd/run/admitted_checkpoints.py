"""Checkpoints compared with their base, when a run begins and when experts join it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cycleqd.checkpoints.adapter_header import AdapterHeader, is_adapter
from cycleqd.checkpoints.compatibility import added_tokens
from cycleqd.checkpoints.files import ADAPTER_CONFIG_FILE
from cycleqd.checkpoints.source import location_of, resolve
from cycleqd.checkpoints.trial import tried
from cycleqd.errors import CheckpointError, RunMismatch
from cycleqd.evolution.strategies import strategy_of
from cycleqd.manifest.model import Expert as ManifestExpert
from cycleqd.manifest.model import Spec
from cycleqd.records import keys
from cycleqd.records.documents import SourceRecord, Split
from cycleqd.run.refusals import Refusals
from cycleqd.run.revision import Revision
from cycleqd.store import S3Settings

if TYPE_CHECKING:
    from cycleqd.weights.checkpoint import Checkpoint

Say = Callable[[str], None]
EngineName = Literal["transformers", "vllm"]


@dataclass(frozen=True)
class Sought:
    """What is looked at.

    Attributes:
        spec: what is asked for.
        experts: names of those that are compared.
        tasks: names of those whose items are read.
        engine: that was chosen.
        known: the run as it is; None where none has begun.
        items: of tasks that the run has, the splits that change.
        members: folders of the members that become experts, by the experts' names.
    """

    spec: Spec
    experts: Collection[str]
    tasks: Collection[str]
    engine: EngineName
    known: Revision | None = None
    items: Mapping[str, Collection[Split]] = field(default_factory=dict)
    members: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class AdmittedCheckpoints:
    """The checkpoints of a run, compared with one another.

    Attributes:
        engine: the engine that serves them.
        base: the base.
        experts: by name, those that were sought.
        folders: where these lie here, by name, and others whose chat templates are used.
        base_folder: where the base lies here.
        layout: gives the genome layout of the first so many experts of the manifest.
    """

    engine: EngineName
    base: SourceRecord
    experts: dict[str, SourceRecord]
    folders: dict[str, Path]
    base_folder: Path
    layout: Callable[[int], dict[str, Any]]


def admit_checkpoints(
    sought: Sought, folder: Path, s3: S3Settings | None, *, say: Say, refusals: Refusals
) -> AdmittedCheckpoints | None:
    """Open the base and the experts that are sought, and compare them.

    Args:
        sought: what is asked for.
        folder: for downloaded checkpoints.
        s3: how to reach those on S3.
        say: told what is being done.
        refusals: takes what is wrong.

    Returns:
        What was found; None where the base cannot be used.
    """
    # torch is only needed here, once in a run's life and whenever somebody joins it.
    from cycleqd.checkpoints.header import layout  # noqa: PLC0415
    from cycleqd.evaluation.engines.settings import check_settings  # noqa: PLC0415
    from cycleqd.weights.check import check_expert  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415
    from cycleqd.weights.experts import open_expert, task_vector  # noqa: PLC0415

    spec, known = sought.spec, sought.known
    opened = _admit_base(sought, folder, s3, say=say, refusals=refusals)
    if opened is None:
        return None
    base, engine = opened
    records: dict[str, SourceRecord] = {}
    folders: dict[str, Path] = {}
    limits = {tensor.name: 0 for tensor in base.tensors}
    if known is not None:
        limits = {slot.name: slot.rank for slot in known.layout.tensors}
    limits_of: dict[int, dict[str, int]] = {}
    writers = {task.chat_template_from for task in spec.tasks if task.name in sought.tasks}
    for number, expert in enumerate(spec.experts):
        if expert.name not in sought.experts:
            # A new task's prompts may be written as it does.
            if expert.name in writers and expert.uri is not None:
                with refusals.of(f"spec.experts[{number}].uri"):
                    folders[expert.name] = _resolved(expert.uri, folder, s3, refusals)
            limits_of[number + 1] = limits
            continue
        say(f"checking expert {expert.name}")
        made = sought.members.get(expert.name)
        if expert.uri is None and made is None:
            continue  # was refused
        with refusals.of(f"spec.experts[{number}].{'member' if expert.uri is None else 'uri'}"):
            other = expert.vocabulary == "Base"
            place = made or _resolved(expert.uri or "", folder, s3, refusals)
            if is_adapter(place):  # which modules it means, expressions of its own say
                opening = partial(AdapterHeader.open, place, base.header, base_vocabulary=other)
                tried(str(place / ADAPTER_CONFIG_FILE), opening)
            found = open_expert(place, base, base_vocabulary=other)
            check_expert(base, found, base_vocabulary=other)
            if isinstance(found, Checkpoint):  # an adapter has no settings of its own
                check_settings(base.folder, found.folder, retied=found.header.retied)
            if added := added_tokens(base.folder, found.folder):
                say(f"expert {expert.name}: the base's tokenizer is used, without {added[0]!r}")
            records[expert.name] = _record(expert, found.digest())
            folders[expert.name] = found.folder
            vector = task_vector(base, found)
            limits = {name: max(rank, vector.rank(name)) for name, rank in limits.items()}
            limits_of[number + 1] = limits
    names = [expert.name for expert in spec.experts]
    directions = strategy_of(spec.evolution).uses_directions(spec.evolution)
    rank = spec.evolution.mutation.rank if directions else 0
    return AdmittedCheckpoints(
        engine=engine,
        base=_source(spec.base.uri, base.digest()),
        experts=records,
        folders=folders,
        base_folder=base.folder,
        layout=lambda n: layout(base.header, names[:n], rank, limits_of[n]).to_json(),
    )


def _admit_base(
    sought: Sought, folder: Path, s3: S3Settings | None, *, say: Say, refusals: Refusals
) -> tuple[Checkpoint, EngineName] | None:
    """The base and the engine that serves it; None where it cannot be used."""
    from cycleqd.evaluation.engines.settings import check_length  # noqa: PLC0415
    from cycleqd.evaluation.engines.skeleton import read_skeleton  # noqa: PLC0415
    from cycleqd.weights.check import check_base  # noqa: PLC0415
    from cycleqd.weights.checkpoint import Checkpoint  # noqa: PLC0415

    spec, engine, known = sought.spec, sought.engine, sought.known
    base: Checkpoint | None = None
    with refusals.of("spec.base.uri"):
        opened = Checkpoint.open(_resolved(spec.base.uri, folder, s3, refusals))
        check_base(opened)
        skeleton = read_skeleton(opened.header)
        if known is not None and opened.digest() != known.base.digest:
            raise RunMismatch(
                f"{opened.folder}: is not the base that the run began with (digest "
                f"{opened.digest()}, then {known.base.digest}); restore it, or begin a run in "
                "another store"
            )
        base = opened
    if base is None:
        return None
    if known is not None:  # what the base is good for was seen then
        return base, engine
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
    return base, engine


def _resolved(uri: str, folder: Path, s3: S3Settings | None, refusals: Refusals) -> Path:
    """The local folder of a checkpoint, which refusals then call by its URI."""
    found = resolve(uri, folder, s3)
    refusals.call(found, uri)
    return found


def _record(expert: ManifestExpert, digest: str) -> SourceRecord:
    if expert.member is not None:
        where = keys.model_folder(expert.member)
        return SourceRecord(uri=where, digest=digest, member=expert.member)
    assert expert.uri is not None, "the manifest's rules want one of the two"
    return _source(expert.uri, digest)


def _source(uri: str, digest: str) -> SourceRecord:
    return SourceRecord(uri=uri, digest=digest, location=location_of(uri))
