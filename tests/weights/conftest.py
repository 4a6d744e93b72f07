"""Small families of checkpoints, made once and never written to.

What makes them imports torch: only when a test asks for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.weights.lineage import Family


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A tied bf16 Llama and two experts with frozen embeddings."""
    from tests.checkpoints import family
    from tests.weights.lineage import Family

    folder = tmp_path_factory.mktemp("small")
    return Family(family(folder, frozen=("embed",)), folder / "cache")


@pytest.fixture(scope="session")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """An untied fp32 Llama and three experts: the output rounding hides nothing."""
    from tests.checkpoints import family
    from tests.weights.lineage import Family

    folder = tmp_path_factory.mktemp("exact")
    folders = family(folder, experts=("sql", "python", "shell"), dtype="float32", tied=False)
    return Family(folders, folder / "cache")
