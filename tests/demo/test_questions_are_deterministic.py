"""Questions and items follow from the seed alone: another process draws the same bytes."""

import json
import os
import subprocess
import sys

from cycleqd.demo.questions import draw
from cycleqd.demo.skills import LATER_SKILLS, SKILLS

ALL = {**SKILLS, **LATER_SKILLS}
SCRIPT = """
import json
from cycleqd.demo.questions import draw
from cycleqd.demo.skills import LATER_SKILLS, SKILLS
ALL = {**SKILLS, **LATER_SKILLS}
print(json.dumps([[q.item(n), q.answer] for n, s in ALL.items() for q in draw(s, "search", 40)]))
"""


def test_another_process_draws_the_same():
    here = [[q.item(n), q.answer] for n, s in ALL.items() for q in draw(s, "search", 40)]
    there = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"PYTHONHASHSEED": "77"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    assert there == json.dumps(here) + "\n"


def test_another_seed_draws_others():
    for skill in ALL.values():
        first, second = draw(skill, "train", 40), draw(skill, "train", 40, seed=1)
        assert [q.prompt for q in first] != [q.prompt for q in second]
