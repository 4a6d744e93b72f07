"""What is wrong with a downloaded checkpoint is told of its URI, not of its copy on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.errors import CheckpointError, InputError
from cycleqd.run.refusals import Refusals

COPY = Path("/scratch/checkpoints/2af112")
MINE = Path("models/base")


@pytest.mark.parametrize("field", ["spec.base.uri", ""])
def test_copies_are_called_by_their_uri(field: str) -> None:
    refusals = Refusals()
    refusals.call(COPY, "s3://models/base/")
    with refusals.of(field):
        raise CheckpointError(f"{COPY}/config.json: no JSON\n{COPY}: no weights")
    with pytest.raises(CheckpointError) as refused:
        refusals.raise_any()
    start = f"{field}: " if field else ""
    assert str(refused.value).splitlines() == [
        f"{start}s3://models/base/config.json: no JSON",
        f"{start}s3://models/base: no weights",
    ]


def test_a_folder_of_the_user_keeps_its_name() -> None:
    refusals = Refusals()
    refusals.call(MINE, "models/base")
    with refusals.of("spec.base.uri"):
        raise InputError(f"{MINE}/config.json: no JSON")
    with pytest.raises(InputError, match=r"^spec\.base\.uri: models/base/config\.json: no JSON$"):
        refusals.raise_any()
