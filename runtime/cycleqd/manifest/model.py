"""What a run is: the ``CycleQDRun`` document, its fields, defaults and rules.

The same models serve the command line, the store (``run.json`` holds the accepted manifest) and,
through the generated custom resource definition, the Kubernetes API server. They import nothing of
the rest of the package, so an operator image needs neither torch nor numpy to read a manifest.

Reading a document from YAML, with errors that name the field and the remedy, is
`cycleqd.manifest.reader`'s work; here stand only the fields and the rules between them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from cycleqd.manifest.choices import OneOf, with_settings
from cycleqd.manifest.cluster import Annotations, Coordinator, Storage, Workers
from cycleqd.manifest.evolution import Evolution
from cycleqd.manifest.mutability import Change
from cycleqd.manifest.registry import TASK_TYPES
from cycleqd.manifest.tracking import Tracking
from cycleqd.manifest.values import DECIMAL, Fraction, Label, Model, Name, Uri

API_VERSION = "cycleqd.io/v1alpha1"
KIND = "CycleQDRun"

StopString = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
SystemMessage = Annotated[str, StringConstraints(min_length=1, max_length=16384)]


class Metadata(Model):
    """The Kubernetes object metadata that a run uses."""

    name: Name
    """Name of the run: lower-case letters, digits and '-', at most 40 characters."""

    namespace: Annotated[Label | None, Change.PODS] = None
    """Kubernetes namespace; ignored outside a cluster."""

    labels: Annotated[dict[str, str], Change.PODS] = Field(default={})
    """Kubernetes labels; ignored outside a cluster."""

    annotations: Annotated[dict[str, str], Change.PODS] = Field(default={})
    """Kubernetes annotations; ignored outside a cluster."""


class BaseModelSource(Model):
    """The model that all experts were fine-tuned from."""

    uri: Uri
    """Folder of a safetensors checkpoint in Hugging Face format: a local path (relative to the
    working directory), ``hf://org/name[@revision]`` or ``s3://bucket/prefix``."""


class Expert(Model):
    """A fine-tuned model whose skill takes part in the run."""

    name: Name
    """Name of the expert, unique in the run."""

    uri: Uri | None = None
    """Its checkpoint, like ``spec.base.uri``; same architecture, shapes and tokenizer as there.

    Or a LoRA adapter of the base, a folder that peft saved (``adapter_config.json``)."""

    member: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    """In place of ``uri``, in a run that has begun: a member of its archives, by the id that
    ``cycleqd list`` prints (``c000123``). Its weights are kept with the run and become an expert's.
    """

    vocabulary: Annotated[
        Literal["Same", "Base"], Field(exclude_if=lambda choice: choice == "Same")
    ] = "Same"
    """``Same`` refuses an expert whose embeddings have another number of rows than the base's.
    ``Base`` takes it with the base's vocabulary: rows beyond the base's are left out, rows that it
    lacks stay the base's, and the base's tokenizer writes all prompts."""

    retired: Annotated[bool, Change.SET, Field(exclude_if=lambda retired: not retired)] = False
    """Whether new children get no more of this expert than their parents have. May be set once the
    run has begun, and stays; members stay what they are."""


class Items(Model):
    """The examples of a task, in two files that share none."""

    search: Uri
    """File of the items that guide the search, JSON Lines, a JSON array, CSV or Parquet, also
    compressed by gzip: a local path or ``s3://bucket/key``."""

    test: Uri
    """File of the held-out items, used only for the final table."""

    search_limit: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Use only the first so many search items; all when absent."""

    test_limit: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Use only the first so many test items; all when absent."""


class Bounds(Model):
    """Fixed limits of a task's score on the behaviour axes."""

    min: Fraction
    """Lower limit; smaller scores fall into the first bin."""

    max: Fraction
    """Upper limit; larger scores fall into the last bin."""


@with_settings(TASK_TYPES, "type")
class Task(Model):
    """One skill: an archive has its score as quality, the others have it as behaviour."""

    name: Name
    """Name of the task, unique in the run."""

    type: Annotated[
        str,
        OneOf(TASK_TYPES),
        Field(description=f"How a completion is graded: {TASK_TYPES.summaries()}."),
    ]

    items: Annotated[Items, Change.RENEWED]
    """The examples. Others may be given to a run of any age: members are evaluated on those that
    are new (``docs/lifelong.md``)."""

    expert: Name | None = None
    """The expert of this skill, whose directions mutate children while the task is in focus.
    Default: the expert of the same name, else the one that scores best on the task."""

    max_new_tokens: Annotated[int, Field(ge=1, le=8192)] = 64
    """Limit of generated tokens for each item."""

    stop: Annotated[tuple[StopString, ...], Field(max_length=8)] = ()
    """Generation ends before the first of these strings."""

    chat: bool = False
    """Wrap each prompt in a chat template as a user message: the base's, unless
    ``chatTemplateFrom`` names another."""

    chat_template_from: Name | None = None
    """The expert whose chat template this task uses, as its own tokenizer would fill it in; a copy
    is kept with the run. The base's when absent."""

    system_message: SystemMessage | None = None
    """The system message before each prompt; what the template does without one when absent."""

    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 5
    """Limit on the time one item's generated code may run."""

    train: Annotated[bool, Field(exclude_if=lambda train: train)] = True
    """Whether answers of this task may be learned from (``spec.evolution.tune``)."""

    bounds: Bounds | None = None
    """Fixed limits of the behaviour axis; from the experts' scores when absent."""

    retired: Annotated[bool, Change.SET, Field(exclude_if=lambda retired: not retired)] = False
    """Whether the run goes on without this task: no archive and no axis of its own. May be set
    once the run has begun, and stays; what was evaluated stays too."""

    @property
    def settings(self) -> Model | None:
        """The settings of the type alone, None where it has none."""
        return TASK_TYPES.settings(self.type, self)


class Step(Model):
    """Experts and tasks that join the run in one generation, which is spent on that."""

    generation: Annotated[int, Field(ge=1, le=1_000_000)]
    """The generation, later than that of the step before."""

    experts: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Names of those that join, of ``spec.experts``."""

    tasks: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """Names of those that join, of ``spec.tasks``."""


class Archive(Model):
    """How scores become cells."""

    bins: Annotated[int, Field(ge=1, le=1000)] = 15
    """Bins along each behaviour axis (paper: 15)."""

    lower_margin: Fraction = 0.85
    """The lowest bin starts at this share of the weakest expert's score (paper: 85 %)."""

    upper_margin: Annotated[float, Field(ge=1, le=10), DECIMAL] = 1.15
    """The highest bin ends at this multiple of the best expert's score, at most 1 (paper:
    115 %)."""


class Evaluation(Model):
    """How candidates become scores."""

    engine: Literal["Auto", "transformers", "vllm"] = "Auto"
    """Inference engine; ``Auto`` takes vLLM where it is installed and fit for the architecture (no
    mixture of experts, no states, no images). The choice is fixed when the run starts."""

    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Type of the weights that are evaluated and exported; coefficients are combined in float32 and
    rounded once."""

    max_model_len: Annotated[int, Field(ge=16, le=1_048_576)] = 512
    """Longest prompt and completion together, in tokens."""

    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1), DECIMAL] = 0.8
    """Share of a GPU's memory that vLLM may take; ignored on CPU."""

    memory_limit_mib: Annotated[int, Field(ge=16, le=1_048_576)] = 512
    """Limit on the memory of one item's generated code."""

    sandbox: Annotated[
        Literal["Auto", "Process", "Require"],
        Change.ACCESS,
        Field(exclude_if=lambda where: where == "Auto"),
    ] = "Auto"
    """Where generated code runs; scores are the same. ``Auto``: in a cluster in a container of its
    own in each worker's pod, on one machine in namespaces where they are allowed. ``Process``: in
    the worker's container. ``Require``: as ``Auto``, and the run is refused where neither a
    container nor namespaces would contain it."""


class Goal(Model):
    """When the run has found enough."""

    metric: Literal["Coverage", "QDScore", "BestMean"]
    """``Coverage``: share of all archives' cells that hold an elite. ``QDScore``: sum of all
    elites' qualities. ``BestMean``: best mean score over the tasks of one model."""

    value: Annotated[float, Field(gt=0, le=1_000_000_000), DECIMAL]
    """Reached when the metric is at least this; at most 1 but for ``QDScore``."""


class Publication(Model):
    """Which model a run stands for, at its end and whenever somebody joins it."""

    tolerance: Fraction = 0.02
    """The published model is replaced only if its successor's score on the search items of each
    task is lower by at most this and one standard error of their paired difference."""


class Spec(Model):
    """The run."""

    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """All random numbers of the run follow from it."""

    base: BaseModelSource
    """The base model."""

    experts: Annotated[tuple[Expert, ...], Field(min_length=1, max_length=64), Change.APPENDED]
    """The models to combine, at least one."""

    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=64), Change.APPENDED]
    """The skills, one archive each."""

    curriculum: Annotated[
        tuple[Step, ...],
        Field(max_length=64, exclude_if=lambda steps: not steps),
        Change.APPENDED,
    ] = ()
    """Who joins later. Experts and tasks stand in their lists in the order in which they join;
    those that no step names are there from the beginning."""

    archive: Archive = Archive()
    """Cells."""

    evolution: Evolution = Evolution()
    """Search."""

    evaluation: Evaluation = Evaluation()
    """Scores."""

    storage: Annotated[Storage, Change.ACCESS] = Storage()
    """Objects."""

    workers: Annotated[Workers, Change.PODS] = Workers()
    """Machines."""

    coordinator: Annotated[Coordinator, Change.PODS] = Coordinator()
    """The pod that plans."""

    service_account_annotations: Annotated[Annotations, Change.PODS] = Field(default={})
    """Annotations of the service accounts that the run's pods use, for the workload identity of a
    cloud. Ignored outside a cluster."""

    suspend: Annotated[bool, Change.HOUSEKEEPING] = False
    """Take the run's pods away and keep everything else; false again continues exactly. Ignored
    outside a cluster."""

    goal: Annotated[Goal | None, Change.FREE] = None
    """The run completes early once the archives of a committed generation meet this. May be set,
    changed or removed on an existing run, which then goes on or ends accordingly."""

    publication: Annotated[
        Publication | None, Change.FREE, Field(exclude_if=lambda publication: publication is None)
    ] = None
    """The model to take is replaced only by one that loses no task. May be set, changed or removed
    on an existing run. When absent, each final table names its own."""

    tracking: Annotated[
        Tracking | None,
        Change.HOUSEKEEPING,
        Field(exclude_if=lambda tracking: tracking is None),
    ] = None
    """Who else is told of the run while it goes on; nobody when absent. May be set, changed or
    removed at any time."""

    active_deadline_seconds: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1)] | None, Change.PODS
    ] = None
    """The run fails after so many seconds in which it was not suspended. Ignored outside a
    cluster."""

    ttl_seconds_after_finished: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 1)] | None, Change.HOUSEKEEPING
    ] = None
    """The run is deleted so many seconds after it completed or failed; its objects in the store
    stay. Ignored outside a cluster."""

    def without_retired(self) -> Spec:
        """The same without the experts and tasks that the run goes on without."""
        experts = tuple(expert for expert in self.experts if not expert.retired)
        tasks = tuple(task for task in self.tasks if not task.retired)
        if (experts, tasks) == (self.experts, self.tasks):
            return self
        return self.model_copy(update={"experts": experts, "tasks": tasks})


class Manifest(Model):
    """A CycleQD run as a Kubernetes-shaped document."""

    api_version: Literal["cycleqd.io/v1alpha1"]
    """Always ``cycleqd.io/v1alpha1``."""

    kind: Literal["CycleQDRun"]
    """Always ``CycleQDRun``."""

    metadata: Metadata
    """Name and labels."""

    spec: Spec
    """What to run."""
