"""``make`` killed at any instant and called again gives the bytes of an undisturbed call."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.demo.minimal import MINIMAL

from cycleqd.demo import make_by
from cycleqd.demo.folders import sole_maker
from cycleqd.demo.material import DemoPaths
from cycleqd.demo.skills import SKILLS
from cycleqd.errors import InputError

pytestmark = pytest.mark.runtime

ROOT = Path(__file__).parents[2]
MAKER = """
import os, signal, sys
from pathlib import Path
from cycleqd.demo import folders, make_by
from tests.demo.minimal import MINIMAL
rename, instant = Path.rename, int(sys.argv[2])
done = 0
def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def counted(self, target):
    global done
    done += 1
    if done == instant:
        killed()
    return rename(self, target)
Path.rename = counted
def progress(line):
    if line.startswith(sys.argv[3]):
        killed()
make_by(MINIMAL, Path(sys.argv[1]), None, progress, pooled=True)
"""


def ignore(_line):
    pass


def digests(out):
    return {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    make_by(MINIMAL, out, None, ignore, pooled=True)
    return out


def killed_call(out, *, rename=0, line="never"):
    command = [sys.executable, "-c", MAKER, str(out), str(rename), line]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert done.returncode == -9, done.stderr.decode()


def test_kills_while_writing_and_while_training_leave_no_trace(whole, tmp_path):
    killed_call(tmp_path, rename=3)
    assert not (tmp_path / "base").exists()
    killed_call(tmp_path, line="expert python: step")
    assert (tmp_path / "base").is_dir()
    assert (tmp_path / "experts" / "sql").is_dir()
    assert not (tmp_path / "experts" / "python").exists()
    make_by(MINIMAL, tmp_path, None, ignore, pooled=True)
    assert digests(tmp_path) == digests(whole)


def test_the_pooled_expert_may_be_asked_for_later(whole, tmp_path):
    make_by(MINIMAL, tmp_path, None, ignore)
    before = digests(tmp_path)
    assert before == {
        name: digest for name, digest in digests(whole).items() if "/pooled/" not in name
    }
    make_by(MINIMAL, tmp_path, None, ignore, pooled=True)
    assert digests(tmp_path) == digests(whole)


def test_a_second_call_does_nothing(whole):
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*")}
    told = []
    paths = make_by(MINIMAL, whole, None, told.append, pooled=True)
    after = {file: file.stat().st_mtime_ns for file in whole.rglob("*") if file.name != ".lock"}
    assert told == []
    assert after == {file: before[file] for file in after}
    assert paths == DemoPaths.below(whole)
    first = [folder[skill] for skill in SKILLS for folder in (paths.experts, paths.test)]
    assert all(place.exists() for place in [paths.base, *first])


def test_a_folder_of_another_demo_is_left_alone(whole):
    before = digests(whole)
    with pytest.raises(InputError, match="holds a demo made from another preset"):
        make_by(replace(MINIMAL, search_items=9), whole, None, ignore)
    assert digests(whole) == before


def test_two_makers_of_one_folder_exclude_each_other(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="another process"):
                make_by(MINIMAL, tmp_path, None, ignore)
        finally:
            holder.kill()
    with sole_maker(tmp_path):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from cycleqd.demo.folders import sole_maker
with sole_maker(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_base_for_a_preset_that_makes_its_own_is_refused(tmp_path):
    with pytest.raises(InputError, match="makes its own"):
        make_by(MINIMAL, tmp_path, "some/model", ignore)
