"""What may change in a living run, marked at the manifest's fields.

A field's annotation says it (``threads: Annotated[int, Change.FIXED] = 1``), and everything else
that depends on it is derived from there: a run's identity, what a manifest may continue, what
makes a revision (`cycleqd.manifest.changes`), what asks an ended run for more, the transition rules
of the custom resource definition, and a column of ``docs/manifest.md``.

A field without a mark has the mark of the mapping it stands in, and the document itself is `FIXED`:
so a new field decides what candidates are until its author says otherwise.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

CHANGE = "x-cycleqd-change"
"""Where a field's mark stands in the JSON schema."""


class Change(Enum):
    """What becomes of a run when a field of its manifest changes; the value stands in the schema.

    The mark of a field of the spec holds for that field whole where the run's identity is taken and
    where an ended run is asked for more; otherwise fields below it may have marks of their own.
    """

    FIXED = "Fixed"
    """Never changes, since it decides what the candidates are."""

    APPENDED = "Appended"
    """A list that may grow at its end, and decides what candidates are: what is new joins."""

    RENEWED = "Renewed"
    """Of an element of such a list: may change, and what is then new joins the run, too."""

    RAISED = "Raised"
    """A number that only grows: the run goes on for longer, after its end too."""

    SET = "Set"
    """A switch at an element of a list that is turned on once, for good."""

    FREE = "Free"
    """Tells the coordinator when to end; a change is stored as a revision and asks for more."""

    PLACE = "Place"
    """Where the run lives: the command line may name a store that was moved, a cluster may not."""

    ACCESS = "Access"
    """How that place is reached, or where work is done; a change is stored as a revision."""

    PODS = "Pods"
    """What only pods are made of, so that no revision is stored; mends a failed run."""

    HOUSEKEEPING = "Housekeeping"
    """Like `PODS`, but asks no ended run for anything. The coordinator reads one of these from the
    manifest as it stands, ``spec.tracking``."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The field's schema with the mark beside it."""
        return {**handler(schema), CHANGE: self.value}


DECISIVE = frozenset({Change.FIXED, Change.APPENDED, Change.RAISED, Change.SET})
"""Part of a run's identity; a run in the store is not continued with other values."""

OF_PODS = frozenset({Change.PODS, Change.HOUSEKEEPING})
"""Say nothing to a run's coordinator and workers."""

NOT_MENDING = frozenset({Change.HOUSEKEEPING})
"""Ask a failed run for nothing."""

NOT_MORE = NOT_MENDING | {Change.PLACE, Change.ACCESS, Change.PODS}
"""Ask a complete run for nothing."""
