"""``measured_loss.json``: what a member loses as an adapter, beside the adapter's weights."""

from __future__ import annotations

from typing import Literal

from cycleqd.manifest.values import Name
from cycleqd.records.document import Document
from cycleqd.records.documents import CandidateId, Count, Score

LOSS_FILE = "measured_loss.json"


class TaskLoss(Document):
    """One task.

    Attributes:
        items: how many were asked.
        member: score of the member.
        adapter: score of the base with the adapter merged into it.
        loss: the first less the second.
        standard_error: of the loss over items, paired by item.
    """

    items: Count
    member: Score
    adapter: Score
    loss: float
    standard_error: float


class LossDocument(Document):
    """Scores of a member and of its adapter on the same search items.

    Attributes:
        run: id of the run.
        candidate: id of the member.
        onto: id of the member that the adapter is added to, None for the base model.
        rank: of the adapter.
        relative_error: of what the member adds to that, by the Frobenius norm.
        left_out: tensors that the member changes and the adapter does not.
        left_out_share: of the square of the norm, what those have.
        tasks: by name.
        mean_loss: over the tasks.
        standard_error: of the mean.
    """

    format: Literal["cycleqd-adapter-loss/1"] = "cycleqd-adapter-loss/1"
    run: str
    candidate: CandidateId
    onto: CandidateId | None
    rank: Count
    relative_error: float
    left_out: tuple[str, ...]
    left_out_share: float
    tasks: dict[Name, TaskLoss]
    mean_loss: float
    standard_error: float

    @property
    def scores(self) -> str:
        """By task the member's and then the adapter's, for people."""
        return ", ".join(
            f"{name} {task.member:.3f} to {task.adapter:.3f}" for name, task in self.tasks.items()
        )
