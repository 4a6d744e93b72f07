"""A member of a run becomes one of its experts: real checkpoints, kept in the run's own store."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import InputError, ManifestError, RunMismatch, StoreCorrupt
from cycleqd.manifest.reader import load_manifest
from cycleqd.records import keys
from cycleqd.run.admission import admit
from cycleqd.run.members import Members
from cycleqd.run.models import RunModels
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore, open_store
from cycleqd.weights.checkpoint import Checkpoint
from tests.run.synthetic import archives
from tests.run.test_a_run_is_continued_from_any_folder import lay_out
from tests.run.test_adapters_are_experts_of_a_run import adapt
from tests.run.weighed import verify, work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cycleqd.store import ObjectStore

pytestmark = pytest.mark.runtime

NAME = "grown"
TUNED = {"tune": {"share": "0.9"}}
KINDS = {
    "svd": {},
    "dense": {"mutation": {"method": "ChildSVD"}},
    "noise": {"mutation": {"method": "Gaussian"}},
    "tuned": TUNED,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    lay_out(folder)
    monkeypatch.chdir(folder)
    edit(folder, lambda spec: spec.update(evaluation={"engine": "transformers"}))
    return folder


def edit(place: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((place / "run.json").read_text())
    change(document["spec"])
    (place / "run.json").write_text(json.dumps(document))


def asked(place: Path, objects: ObjectStore) -> RunStore:
    return admit(objects, load_manifest(place / "run.json"), checkpoints=place / "scratch/made")


def begun(place: Path, evolution: dict[str, Any]) -> RunStore:
    """A finished run."""
    edit(place, lambda spec: spec["evolution"].update(evolution))
    run = asked(place, MemoryStore())
    work(run, place / "scratch")
    return run


def child_of(run: RunStore, *, tuned: bool = False) -> str:
    """A member that is no expert."""
    archive = run.committed_archive(run.committed())
    found = {m.candidate for a in archive.archives.values() for m in a.members}
    children = [candidate for candidate in found if keys.child_number(candidate) is not None]
    return max(child for child in children if run.genome(child).adapters or not tuned)


def promote(place: Path, member: str, name: str = NAME, generations: int = 6, **more: str) -> None:
    def change(spec: dict[str, Any]) -> None:
        spec["experts"].append({"name": name, "member": member, **more})
        spec["evolution"]["generations"] = generations

    edit(place, change)


@pytest.mark.parametrize("kind", KINDS)
def test_an_expert_is_the_member_to_the_byte(place: Path, kind: str) -> None:
    run = begun(place, KINDS[kind])
    member = child_of(run, tuned=kind == "tuned")
    promote(place, member)
    grown = asked(place, run.objects)
    work(grown, place / "scratch")
    assert grown.latest().layout.experts == ("sql", "python", NAME)
    models = RunModels(grown, place / "fresh").under_way()
    digests = {
        candidate: models.materializer.digest(models.genome(candidate))
        for candidate in (member, keys.expert(NAME))
    }
    assert len(set(digests.values())) == 1
    assert grown.latest().experts[NAME].digest in digests.values()
    assert verify(grown, place / "fresh").weights > len(digests)


def test_a_member_of_adapters_becomes_an_expert(place: Path) -> None:
    adapt(place, "sql", "python")
    run = begun(place, {})
    promote(place, child_of(run))
    grown = asked(place, run.objects)
    work(grown, place / "scratch")
    assert isinstance(RunModels(grown, place / "fresh").under_way().experts[NAME], Checkpoint)
    verify(grown, place / "fresh")


def test_its_directions_and_its_children_are_an_expert_s(place: Path) -> None:
    run = begun(place, {})
    member = child_of(run)
    promote(place, member)
    grown = asked(place, run.objects)
    work(grown, place / "scratch")
    assert grown.objects.exists(keys.factors(NAME))
    introduced = grown.genome(keys.introduced(3, 0))
    assert set(introduced.scale[2].tolist()) == {0.5}
    assert Members(grown).parents(keys.expert(NAME)) == (member,)


def test_every_process_opens_it_from_the_store(place: Path) -> None:
    objects = open_store(str(place / "store"))
    run = asked(place, objects)
    work(run, place / "scratch")
    promote(place, child_of(run))
    work(asked(place, objects), place / "scratch")
    (place / "store").rename(place / "moved")
    shutil.rmtree(place / "scratch")
    moved = RunStore(open_store(str(place / "moved")))
    verify(moved, place / "fresh")


def test_a_member_may_follow_a_member(place: Path) -> None:
    run = begun(place, {})
    promote(place, child_of(run))
    run = asked(place, run.objects)
    work(run, place / "scratch")
    second = keys.introduced(3, 0)
    stands = {m.candidate for a in run.committed_archive(6).archives.values() for m in a.members}
    promote(place, second if second in stands else child_of(run), "again", 9)
    run = asked(place, run.objects)
    work(run, place / "scratch")
    assert run.latest().joins == (3, 7)
    verify(run, place / "fresh")


def test_a_member_takes_the_place_of_an_expert(place: Path) -> None:
    run = begun(place, {})
    promote(place, child_of(run))
    edit(place, lambda spec: spec["experts"][0].update(retired=True))
    run = asked(place, run.objects)
    work(run, place / "scratch")
    assert run.latest().joins == (3,)
    assert run.latest().layout.experts == ("sql", "python", NAME)
    assert set(run.committed_archive(6).focus_experts.values()) <= {"python", NAME}
    verify(run, place / "fresh")


class Killed(BaseException):
    """Stands for a kill: nothing after it happens."""


class Killing(MemoryStore):
    """A store whose user is killed before a write."""

    left: int | None = None

    def create(self, key: str, data: bytes) -> bool:
        self._tick()
        return super().create(key, data)

    def create_file(self, key: str, path: Path) -> bool:
        self._tick()
        return super().create_file(key, path)

    def _tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


def test_a_kill_at_any_write_changes_nothing(place: Path) -> None:
    found: list[dict[str, bytes]] = []
    for interval in (None, 1, 3):
        objects = Killing()
        run = asked(place, objects)
        work(run, place / "scratch")
        before = (place / "run.json").read_text()
        promote(place, child_of(run))
        kills = 0
        while True:
            objects.left = None if interval is None else interval + kills
            try:
                work(asked(place, objects), place / "scratch")
                break
            except Killed:
                kills += 1
        assert (kills > 0) is (interval is not None)
        objects.left = None
        found.append({key: objects.read(key) for key in objects.list("") if "/model/" in key})
        found[-1] |= archives(objects)
        (place / "run.json").write_text(before)
    assert found[0] == found[1] == found[2]


def test_other_weights_in_its_place_are_refused(place: Path) -> None:
    run = begun(place, {})
    member = child_of(run)
    for path in sorted((place / "models/sql").iterdir()):
        run.objects.create_file(f"{keys.model_folder(member)}/{path.name}", path)
    promote(place, member)
    with pytest.raises(StoreCorrupt, match=f"candidates/{member}/model: holds weights of digest"):
        asked(place, run.objects)
    assert RunStore(run.objects).latest().number == 0


def test_a_run_that_begins_has_no_members(place: Path) -> None:
    promote(place, "c000000")
    objects = MemoryStore()
    with pytest.raises(
        InputError, match=r"^spec\.experts\[2\]\.member: c000000: a run that begins"
    ):
        asked(place, objects)
    assert not RunStore(objects).exists()


def test_who_is_in_no_archive_is_refused(place: Path) -> None:
    run = begun(place, {})
    before = sorted(run.objects.list(""))
    promote(place, "c000999")
    with pytest.raises(
        InputError, match=r"^spec\.experts\[2\]\.member: c000999: is in no archive after generation"
    ):
        asked(place, run.objects)
    assert sorted(run.objects.list("")) == before


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("balanced", r'"balanced" is no candidate\'s id, such as c000123; `cycleqd list` prints'),
        ("expert-sql", r'"expert-sql" is no candidate\'s id'),
    ],
)
def test_roles_are_no_members(place: Path, member: str, message: str) -> None:
    promote(place, member)
    with pytest.raises(ManifestError, match=rf"spec\.experts\[2\]\.member: {message}"):
        load_manifest(place / "run.json")


def test_another_member_in_its_place_is_refused(place: Path) -> None:
    run = begun(place, {})
    promote(place, child_of(run))
    asked(place, run.objects)
    edit(place, lambda spec: spec["experts"][2].update(member="c000000"))
    with pytest.raises(RunMismatch, match=r"spec\.experts\[2\]\.member: the run in the store has"):
        asked(place, run.objects)
