"""Wrong expert checkpoints: how each is made and what its message must say.

Every maker gets a folder holding a good expert and damages it.
"""

from __future__ import annotations

from typing import Final

from tests.weights import wrong_documents, wrong_files, wrong_headers, wrong_models
from tests.weights.damage import CASES

# Each registers its cases as it is read.
KINDS: Final = (wrong_models, wrong_headers, wrong_files, wrong_documents)

__all__ = ["CASES", "KINDS"]
