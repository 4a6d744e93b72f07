"""What the API server lets change is what the coordinator continues with, and the other way round.

Where a run lives is the exception: the command line may name a store that was moved, a cluster may
not, since nobody moves it there. The other halves are tested on an API server.
"""

from __future__ import annotations

import pytest

from cycleqd.errors import RunMismatch
from cycleqd.manifest.changes import check_continuation
from cycleqd.manifest.reader import parse_resource
from tests.manifest.documents import Edit, edited

from .changes import APPENDED, DECISIVE, FREE, MOVED
from .documents import VALID

OLD = parse_resource(edited({}, VALID))


@pytest.mark.parametrize("edit", [*FREE, *APPENDED, *(refused.edit for refused in MOVED)], ids=str)
def test_the_coordinator_continues(edit: Edit) -> None:
    check_continuation(OLD, parse_resource(edited(edit, VALID)))


@pytest.mark.parametrize("edit", [refused.edit for refused in DECISIVE], ids=str)
def test_the_coordinator_refuses(edit: Edit) -> None:
    with pytest.raises(RunMismatch):
        check_continuation(OLD, parse_resource(edited(edit, VALID)))
