"""The three skills of the demo, by name."""

from __future__ import annotations

from cycleqd.demo.python_questions import PYTHON
from cycleqd.demo.questions import Skill
from cycleqd.demo.shell_questions import SHELL
from cycleqd.demo.sql_questions import SQL

SKILLS: dict[str, Skill] = {skill.name: skill for skill in (SQL, PYTHON, SHELL)}
