"""``cycleqd history``: who joined a run, what it cost, and what the run has kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cycleqd.cli.console import DataTable, print_json, print_note, print_result, print_table
from cycleqd.cli.stores import JsonOption, StoreArgument, open_run_store
from cycleqd.evolution.memory import Answered, Estimate, Memory
from cycleqd.run.timeline import Cost, Step, Timeline, timeline

_MEASURES = {
    "acc": "average accuracy",
    "bwt": "backward transfer",
    "forgetting": "forgetting",
    "fwt": "forward transfer",
}
_LINES = {"archive": "archives' best", "published": "published model"}


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
    for line, title in _LINES.items():
        print_table(_accuracies(life, title, lambda step, line=line: getattr(step, line)))  # type: ignore[misc]
    print_table(_measures(life))
    for step in life.steps:
        if step.record is not None and step.record.held is not None:
            losses = ", ".join(
                f"{task} {loss.mean:+.3f} ± {loss.error:.3f}"
                for task, loss in step.record.losses.items()
            )
            print_result(
                f"generation {step.generation}: {step.record.held} was held back, "
                f"{step.candidate} stays published; loss on search items: {losses or 'unknown'}"
            )


def _told(cost: Cost) -> str:
    who = [
        *(f"expert {name}" for name in cost.experts),
        *(f"task {name}" for name in cost.tasks),
        *(f"items of {name}" for name in cost.items),
    ]
    happened = [f"{', '.join(who)} joined"] if who else []
    if cost.retired:
        happened.append(f"{', '.join(cost.retired)} retired")
    return (
        f"generation {cost.generation}: {'; '.join(happened)}; {cost.revisited} evaluated on "
        f"what is new, {cost.introduced} on everything, {cost.seconds:.0f} worker-seconds"
    )


def _accuracies(
    life: Timeline, title: str, of: Callable[[Step], Mapping[str, Answered]]
) -> DataTable:
    table = DataTable(title=f"Held-out accuracy, {title}", title_justify="left")
    for column in ("after generation", "revision", *life.tasks, "mean"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in life.steps:
        found = {task: one.accuracy for task, one in of(step).items() if task in life.tasks}
        mean = f"{sum(found.values()) / len(found):.3f}" if found else ""
        scores = (f"{found[task]:.3f}" if task in found else "" for task in life.tasks)
        table.add_row(str(step.generation), str(step.revision), *scores, mean)
    return table


def _measures(life: Timeline) -> DataTable:
    table = DataTable(title="What was kept", title_justify="left")
    table.add_column("measure", no_wrap=True)
    for title in _LINES.values():
        table.add_column(title, justify="right", no_wrap=True)
    for name, title in _MEASURES.items():
        table.add_row(title, *(_shown(getattr(life, line), name) for line in _LINES))
    return table


def _shown(found: Memory | None, name: str) -> str:
    estimate: Estimate | None = getattr(found, name, None)
    if estimate is None:
        return ""
    sign = "" if name == "acc" else "+"
    return f"{estimate.value:{sign}.3f} ± {estimate.error:.3f}"


def _document(life: Timeline) -> dict[str, Any]:
    lines = {line: getattr(life, line) for line in _LINES}
    measures: dict[str, Any] = {
        name: {line: _value(found, name, "value") for line, found in lines.items()}
        for name in _MEASURES
    }
    errors = {
        name: {line: _value(found, name, "error") for line, found in lines.items()}
        for name in _MEASURES
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
            line: {task: one.accuracy for task, one in getattr(step, line).items()}
            for line in _LINES
        },
        "published": step.candidate or None,
        "held": None if record is None else record.held,
        "losses": {}
        if record is None
        else {task: {"mean": x.mean, "error": x.error} for task, x in record.losses.items()},
    }
