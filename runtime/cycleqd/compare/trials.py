"""The runs of a comparison, one for each manifest and seed, admitted before the first begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cycleqd.api.evolving import prepare
from cycleqd.compare.agreement import check_agreement, with_seed
from cycleqd.errors import InputError, RunMismatch
from cycleqd.manifest.model import Manifest
from cycleqd.roles.coordinator import RunProgress
from cycleqd.run.store import RunStore
from cycleqd.store import open_store

RUNS = "runs"

Observe = Callable[[RunProgress], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One run of the comparison.

    Attributes:
        name: of its manifest.
        seed: its seed.
        run: its store.
        work: runs it until it is complete; at once where it is.
        reference: whether its experts may be others, so that only what it finds is compared.
    """

    name: str
    seed: int
    run: RunStore
    work: Callable[[Observe], object]
    reference: bool = False

    @property
    def label(self) -> str:
        """How messages and its folder call it."""
        return f"{self.name}-{self.seed}"


def prepare_trials(
    manifests: Sequence[Manifest],
    seeds: Sequence[int],
    folder: str | Path,
    *,
    references: Sequence[Manifest] = (),
    workers: int | None = None,
    share_gpus: bool = False,
    say: Say = lambda message: None,
) -> list[Trial]:
    """Check everything that can be refused and admit every run; none of them begins.

    Args:
        manifests: what to compare, the first with all others.
        seeds: each replaces ``spec.seed`` of every manifest.
        folder: where the comparison is kept.
        references: manifests with other experts, each run with the first seed.
        workers: worker processes of each run; ``spec.workers.replicas`` when absent.
        share_gpus: let several workers share a GPU.
        say: told what is being done.

    Returns:
        Manifests in their order, seeds within; then the references.

    Raises:
        InputError: something cannot run, does not continue what is stored, or is not comparable.
        StoreError: a store failed.
    """
    check_agreement(manifests, references)
    if "://" in str(folder):
        raise InputError(f"--out: {folder} is no folder; comparisons are kept on this machine")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out: {folder} is a file; name a folder")
    trials: list[Trial] = []
    wanted = [(manifest, seed, False) for manifest in manifests for seed in seeds]
    wanted += [(manifest, seeds[0], True) for manifest in references]
    for manifest, seed, reference in wanted:
        name = manifest.metadata.name
        store = folder / RUNS / f"{name}-{seed}"
        prepared = prepare(
            with_seed(manifest, seed),
            store,
            workers=workers,
            share_gpus=share_gpus,
            workers_field="--workers",
            say=lambda message, label=store.name: say(f"{label}: {message}"),  # type: ignore[misc]
            # The other runs have the same experts.
            check_experts=reference or not trials,
            look_at_items=False,
        )
        run = RunStore(open_store(str(store)))
        trials.append(Trial(name, seed, run, prepared.runner.run, reference))
    check_sources(trials)
    return trials


def _templates(trial: Trial) -> dict[str, str | None]:
    """Digest of the chat template that each task takes from an expert."""
    known = trial.run.latest().chat_templates
    return {
        task.name: None if task.chat_template_from is None else known[task.chat_template_from]
        for task in trial.run.latest().spec.tasks
    }


def check_sources(trials: Sequence[Trial]) -> None:
    """Refuse runs that began with other files under the same names, or on another engine.

    Raises:
        RunMismatch: the message names both runs and what differs.
    """
    first = trials[0]
    begun = first.run.latest()
    for trial in trials[1:]:
        other = trial.run.latest()
        experts = {} if trial.reference else begun.experts
        same = {
            "spec.base": begun.base.digest == other.base.digest,
            "spec.evaluation.engine": begun.engine == other.engine,
            **{
                f"spec.experts ({name})": source.digest == other.experts[name].digest
                for name, source in experts.items()
            },
            **{
                f"spec.tasks ({name}) items.{split}": record.digest
                == other.items[name][split].digest
                for name, splits in begun.items.items()
                for split, record in splits.items()
            },
            **{
                f"spec.tasks ({name}) chatTemplateFrom": template == _templates(trial)[name]
                for name, template in _templates(first).items()
            },
        }
        for field, agrees in same.items():
            if not agrees:
                raise RunMismatch(
                    f"{field}: {trial.run.objects.uri} did not begin with what "
                    f"{first.run.objects.uri} began with, it was changed in between; choose "
                    "another --out"
                )
