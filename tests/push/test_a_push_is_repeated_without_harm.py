"""A push that ends anywhere and is repeated sends what is missing; no place holds two models."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.cli.ending import run_command
from cycleqd.errors import InputError, StoreUnavailable
from cycleqd.push.destinations import LABEL_FILE, Label, parse_destination
from cycleqd.push.pushing import push
from cycleqd.push.to_store import StorePlace
from cycleqd.run.members import resolve_member
from cycleqd.run.store import RunStore
from cycleqd.store import MemoryStore
from tests.run import synthetic


class BreakingStore(MemoryStore):
    """A store that is away after so many created objects."""

    creates_left = -1

    def create(self, key: str, data: bytes) -> bool:
        if self.creates_left == 0:
            raise StoreUnavailable("away")
        self.creates_left -= 1
        return super().create(key, data)


@pytest.fixture(scope="module")
def run() -> RunStore:
    run = synthetic.fresh(generations=2, candidatesPerGeneration=3)
    synthetic.do_everything(run)
    return run


def export(folder: Path) -> None:
    (folder / "nested").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "nested/tokenizer.json"):
        (folder / name).write_text(name)


def test_wherever_it_ends(run: RunStore) -> None:
    label = Label(run.document.run_id, resolve_member(run, "balanced"), "model", None)
    place, said = BreakingStore(), []
    for number in range(1, 20):
        place.creates_left = number
        try:
            assert push(run, label, StorePlace(place, said.append), export)
        except StoreUnavailable:
            assert "README.md" not in place.list()
            continue
        break
    names = ["README.md", "config.json", LABEL_FILE, "model.safetensors", "nested/tokenizer.json"]
    assert list(place.list()) == names
    assert place.read("config.json") == b"config.json"
    assert [line for line in said if line.endswith("was there")]
    place.creates_left = -1
    assert not push(run, label, StorePlace(place, said.append), not_again)


def not_again(folder: Path) -> None:
    raise AssertionError("what is there is not exported again")


def test_a_place_of_another_model_is_refused(run: RunStore) -> None:
    place = MemoryStore()
    label = Label(run.document.run_id, resolve_member(run, "balanced"), "model", None)
    push(run, label, StorePlace(place, lambda text: None), export)
    before = {key: place.read(key) for key in place.list()}
    other = Label(run.document.run_id, "expert-sql", "model", None)
    with pytest.raises(InputError, match="holds another model"):
        push(run, other, StorePlace(place, lambda text: None), not_again)
    assert {key: place.read(key) for key in place.list()} == before


@pytest.mark.parametrize(
    ("uri", "kind", "name"),
    [
        ("s3://models/agents/best", "s3", "s3://models/agents/best"),
        ("hf://org/agents", "hf", "org/agents"),
        ("mlflow:models/agents", "mlflow", "agents"),
    ],
)
def test_destinations_are_read(uri: str, kind: str, name: str) -> None:
    found = parse_destination(uri)
    assert (found.kind, found.name) == (kind, name)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("models/agents", "is no place to push to"),
        ("hf://agents", "write hf://ORG/NAME"),
        ("hf://org/agents/more", "write hf://ORG/NAME"),
        ("mlflow:models/", "write mlflow:models/NAME"),
        ("s3://models", "has no prefix"),
        ("s3://key:secret@models/x", "no credentials"),
    ],
)
def test_what_is_no_destination_is_explained(
    uri: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["push", str(tmp_path), uri, "--member", "balanced"]) == 78
    said = capsys.readouterr().err
    assert told in said
    assert "secret" not in said
