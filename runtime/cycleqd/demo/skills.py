"""The skills of the demo, by name: three to begin with, and two that join a run later."""

from __future__ import annotations

from cycleqd.demo.json_questions import JSON
from cycleqd.demo.python_questions import PYTHON
from cycleqd.demo.questions import Skill
from cycleqd.demo.regex_questions import REGEX
from cycleqd.demo.shell_questions import SHELL
from cycleqd.demo.sql_questions import SQL

SKILLS: dict[str, Skill] = {skill.name: skill for skill in (SQL, PYTHON, SHELL)}
LATER_SKILLS: dict[str, Skill] = {skill.name: skill for skill in (REGEX, JSON)}
"""Their experts are made of the same base, which has learned nothing of them."""
