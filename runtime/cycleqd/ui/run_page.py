"""What the page of a run shows beside its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cycleqd.report.life import LINES, life_lines
from cycleqd.report.summary import table_lines

if TYPE_CHECKING:
    from cycleqd.run.timeline import Timeline
    from cycleqd.ui.reading import RunReader
    from cycleqd.ui.views import RunLook


def run_context(reader: RunReader, look: RunLook, life: Timeline | None) -> dict[str, Any]:
    """Read what a run's page shows.

    Args:
        reader: of the run.
        look: the last one at it.
        life: who has joined, as far as that is known.

    Raises:
        StoreError: the store failed.
    """
    return {
        "look": look,
        "stages": reader.stages(look),
        "joining": reader.joining(look.generation) if look.phase == "revisiting" else None,
        "table": table_lines(look.table, look.tasks),
        "revisions": reader.revisions(),
        "life": None if life is None else life_lines(life),
        "life_lines": tuple(LINES.values()),
    }
