"""What the two presets of the demo are made of: every number that was tuned, in one place.

``smollm2`` fine-tunes a real language model of 135 M parameters; ``tiny`` makes a model of 2 M
parameters from nothing. Both were chosen for headroom on the ``tune`` split: experts good but not
perfect at their own skill, and merges that lose part of it in a way that depends on where in the
model which expert is mixed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Preset = Literal["smollm2", "tiny"]


@dataclass(frozen=True)
class Schedule:
    """How to train.

    Attributes:
        epochs: passes over the questions, each in another order.
        batch_size: questions in a step.
        learning_rate: highest rate, reached after ``warmup`` steps; it falls to a tenth at the end.
        warmup: steps.
        train_embeddings: whether token embeddings (and a tied head) learn too.
        threads: torch's threads.
        seed: of the order of the questions.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: int = 4
    train_embeddings: bool = False
    threads: int = 2
    seed: int = 0


@dataclass(frozen=True)
class TinyBase:
    """How to make a base model from nothing.

    It learns half of the templates of every skill, so that the experts, who learn all templates of
    one skill, start from something that merges.

    Attributes:
        vocabulary: largest number of tokens.
        hidden: width; a multiple of 32.
        layers: depth.
        schedule: how to train it.
    """

    vocabulary: int
    hidden: int
    layers: int
    schedule: Schedule


@dataclass(frozen=True)
class Recipe:
    """One preset.

    Attributes:
        base: how to make the base model, None to take an existing one.
        questions: number of training questions by skill.
        expert: how to train an expert.
        later: how to train one whose skill joins later; the tiny base has learned nothing of it.
        search_items: items a skill in the search split.
        test_items: items a skill in the test split.
        shared_share: share of the questions that concern the staff table.
        test_seed: which of the disjoint parts of the test split is written.
    """

    base: TinyBase | None
    questions: Mapping[str, int]
    expert: Schedule
    later: Schedule
    search_items: int
    test_items: int
    shared_share: float = 0.4
    test_seed: int = 0


RECIPES: dict[Preset, Recipe] = {
    "smollm2": Recipe(
        base=None,
        questions={"sql": 480, "python": 480, "shell": 480},
        expert=Schedule(epochs=1, batch_size=10, learning_rate=1e-4),
        later=Schedule(epochs=1, batch_size=10, learning_rate=1e-4),
        search_items=100,
        test_items=200,
    ),
    "tiny": Recipe(
        base=TinyBase(
            vocabulary=640,
            hidden=256,
            layers=2,
            schedule=Schedule(
                epochs=8, batch_size=64, learning_rate=2e-3, train_embeddings=True, threads=1
            ),
        ),
        questions={"sql": 600, "python": 600, "shell": 600},
        expert=Schedule(
            epochs=4, batch_size=64, learning_rate=5e-4, train_embeddings=True, threads=1
        ),
        later=Schedule(
            epochs=24, batch_size=64, learning_rate=1e-3, train_embeddings=True, threads=1
        ),
        search_items=60,
        test_items=100,
    ),
}
