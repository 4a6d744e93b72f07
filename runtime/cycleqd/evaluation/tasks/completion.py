"""From what a model wrote to the answer that is judged.

The rule is the same for every type of task and part of what a score means:

1. If the completion holds a line that starts with three backticks, the answer is what stands
   between that line and the next such line (or the end).
2. Common indentation is removed, then white space at both ends.

Nothing else is repaired: prose around unfenced code counts against the model. A type of task may
look for its answer in another way (`cycleqd.evaluation.tasks.skill.Skill.answer`).
"""

from __future__ import annotations

import re
import textwrap

_FENCE = re.compile(r"^[ \t]*```[^\n]*$", re.MULTILINE)


def answer_of(completion: str) -> str:
    """The answer in a completion."""
    inside = fenced(completion)
    return textwrap.dedent((completion if inside is None else inside).strip("\n")).strip()


def fenced(completion: str) -> str | None:
    """What stands in a completion's first fence, None where it has none."""
    opening = _FENCE.search(completion)
    if opening is None:
        return None
    rest = completion[opening.end() :].removeprefix("\n")
    closing = _FENCE.search(rest)
    return rest[: closing.start()] if closing is not None else rest
