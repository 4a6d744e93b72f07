"""Another training length gives other experts of the same base and questions, in its own folder."""

import hashlib

import pytest
from tests.demo.minimal import MINIMAL

from cycleqd.demo import make
from cycleqd.demo.recipes import RECIPES
from cycleqd.errors import InputError

pytestmark = pytest.mark.runtime


def ignore(_line):
    pass


def digests(folder):
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture
def usual(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", MINIMAL)
    make("tiny", tmp_path / "usual", None, ignore)
    return tmp_path / "usual"


def test_only_the_experts_differ(usual, tmp_path):
    lines = []
    make("tiny", tmp_path / "long", None, lines.append, epochs=3)
    assert "expert sql: step 9 of 9" in " ".join(lines)  # three times 24 questions, 8 a step
    before, after = digests(usual), digests(tmp_path / "long")
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    weights = {f"experts/{skill}/model.safetensors" for skill in MINIMAL.questions}
    assert changed == {"demo.json", *weights}


def test_a_folder_holds_one_length(usual):
    before = digests(usual)
    make("tiny", usual, None, ignore, epochs=MINIMAL.expert.epochs)
    assert digests(usual) == before
    with pytest.raises(InputError, match="training length"):
        make("tiny", usual, None, ignore, epochs=MINIMAL.expert.epochs + 1)
