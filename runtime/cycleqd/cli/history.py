"""``cycleqd history``: who joined a run, what it cost, and what the run has kept."""

from __future__ import annotations

from typing import Any

from cycleqd.cli.console import DataTable, print_json, print_note, print_result, print_table
from cycleqd.cli.stores import JsonOption, StoreArgument, open_run_store
from cycleqd.evolution.memory import Memory
from cycleqd.report.life import (
    LINES,
    MEASURES,
    Line,
    answered,
    held_back,
    measure_lines,
    step_lines,
)
from cycleqd.run.timeline import Cost, Step, Timeline, timeline


def history(store: StoreArgument, as_json: JsonOption = False) -> None:
    """What a run has kept of what it learned: accuracy on held-out items over its life.

    A step is a final table: before an expert or a task joins, and at the end. Accuracy is that of
    the best member of each archive, chosen on search items, and of the published model.
    """
    life = timeline(open_run_store(store))
    if as_json:
        print_json(_document(life))
        return
    for cost in life.costs:
        print_result(_told(cost))
    if not life.steps:
        print_note("no final table yet: one is made before somebody joins, and one at the end")
        return
    for line, title in LINES.items():
        print_table(_accuracies(life, line, title))
    print_table(_measures(life))
    for sentence in held_back(life):
        print_result(sentence)


def _told(cost: Cost) -> str:
    told = f"generation {cost.generation}: {cost.told()}"
    if not cost.revisited + cost.introduced:
        return told
    return (
        f"{told}; {cost.revisited} evaluated on what is new, {cost.introduced} on everything, "
        f"{cost.seconds:.0f} worker-seconds"
    )


def _accuracies(life: Timeline, line: Line, title: str) -> DataTable:
    table = DataTable(title=f"Held-out accuracy, {title}", title_justify="left")
    for column in ("after generation", "revision", *life.tasks, "mean"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in step_lines(life, line):
        table.add_row(str(step.generation), str(step.revision), *step.scores, str(step.mean))
    return table


def _measures(life: Timeline) -> DataTable:
    table = DataTable(title="What was kept", title_justify="left")
    table.add_column("measure", no_wrap=True)
    for title in LINES.values():
        table.add_column(title, justify="right", no_wrap=True)
    for measure in measure_lines(life):
        table.add_row(measure.name, *map(str, measure.values))
    return table


def _document(life: Timeline) -> dict[str, Any]:
    lines = {line: getattr(life, line) for line in LINES}
    measures: dict[str, Any] = {
        name: {line: _value(found, name, "value") for line, found in lines.items()}
        for name in MEASURES
    }
    errors = {
        name: {line: _value(found, name, "error") for line, found in lines.items()}
        for name in MEASURES
    }
    return {
        "tasks": list(life.tasks),
        "steps": [_step(step) for step in life.steps],
        "joined": [
            {
                "generation": cost.generation,
                "experts": list(cost.experts),
                "tasks": list(cost.tasks),
                "items": list(cost.items),
                "retired": list(cost.retired),
                "revisited": cost.revisited,
                "introduced": cost.introduced,
                "seconds": cost.seconds,
            }
            for cost in life.costs
        ],
        **measures,
        "errors": errors,
        "forgottenByTask": {
            line: {task: one.value for task, one in found.forgotten.items()}
            for line, found in lines.items()
            if found is not None
        },
        "retention": {
            line: dict(found.retention) for line, found in lines.items() if found is not None
        },
    }


def _value(found: Memory | None, name: str, part: str) -> float | None:
    estimate = getattr(found, name, None)
    return None if estimate is None else getattr(estimate, part)


def _step(step: Step) -> dict[str, Any]:
    record = step.record
    return {
        "generation": step.generation,
        "revision": step.revision,
        "accuracy": {
            line: {task: one.accuracy for task, one in answered(step, line).items()}
            for line in LINES
        },
        "published": step.candidate or None,
        "held": None if record is None else record.held,
        "losses": {}
        if record is None
        else {task: {"mean": x.mean, "error": x.error} for task, x in record.losses.items()},
    }
