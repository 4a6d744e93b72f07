"""``cycleqd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cycleqd.cli.console import errors, print_note, print_result
from cycleqd.cli.local_runs import ShareGpusOption, WorkersOption, resumable
from cycleqd.cli.progress import ProgressDisplay
from cycleqd.compare.agreement import parse_seeds
from cycleqd.compare.comparing import measure
from cycleqd.compare.held_out import count_items
from cycleqd.compare.trials import prepare_trials
from cycleqd.compare.write import check_drawing, write_comparison
from cycleqd.manifest.reader import load_manifest


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="CycleQDRun manifests; the first is what the others are compared with.",
        ),
    ],
    seeds: Annotated[
        str, typer.Option(metavar="LIST", help="Seeds of every manifest's runs, such as 1,2,3.")
    ],
    out: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where runs, evaluations and tables are kept.")
    ],
    *,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Manifest with other experts: a further reference. Repeatable."
        ),
    ] = None,
    workers: WorkersOption = None,
    share_gpus: ShareGpusOption = False,
    items: Annotated[
        int | None, typer.Option(min=1, help="Held-out items of each task; all if absent.")
    ] = None,
    diversity: Annotated[
        bool, typer.Option("--diversity", help="Evaluate all archive members on held-out items.")
    ] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="Compare each manifest with the one before it too.")
    ] = False,
) -> None:
    """Run manifests with several seeds and compare what they find on held-out items.

    Writes compare.md, compare.json, compare.csv and compare.png. Kill it at any moment; the same
    command goes on. All manifests must have the same models, tasks and items; references may have
    other experts and run with the first seed alone.
    """
    manifests = [load_manifest(file) for file in files]
    references = [load_manifest(file) for file in reference or ()]
    wanted = parse_seeds(seeds)
    check_drawing()
    trials = prepare_trials(
        manifests,
        wanted,
        out,
        references=references,
        workers=workers,
        share_gpus=share_gpus,
        say=print_note,
    )
    folder = Path(out)
    counts = count_items(trials[0].run, items)
    with resumable():
        for number, trial in enumerate(trials, start=1):
            print_note(f"run {number} of {len(trials)}: {trial.label}")
            run = trial.run
            with ProgressDisplay(errors, run.latest().spec, run.document.run_id) as display:
                trial.work(display.show)
        comparison = measure(
            trials, folder, counts, limit=items, diversity=diversity, steps=steps, say=print_note
        )
    for path in write_comparison(comparison, folder):
        print_result(str(path))
