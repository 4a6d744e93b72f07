"""A model of the hub gets a member in one commit, and stays that member's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cycleqd.errors import InputError, ServiceUnavailable
from cycleqd.push.destinations import LABEL_FILE, Label, parse_destination
from cycleqd.push.pushing import push
from cycleqd.push.to_hub import HubPlace
from cycleqd.run.members import resolve_member
from cycleqd.run.store import RunStore
from tests.run import synthetic

from . import hub

NAME = "org/agents"


@pytest.fixture(scope="module")
def run() -> RunStore:
    run = synthetic.fresh(generations=2, candidatesPerGeneration=3)
    synthetic.do_everything(run)
    return run


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with hub.running() as running:
        yield running


def place(endpoint: str, *, public: bool = False) -> HubPlace:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token="hf_test")
    return HubPlace(api, parse_destination(f"hf://{NAME}"), public=public, say=lambda text: None)


def label(run: RunStore, member: str = "balanced") -> Label:
    return Label(run.document.run_id, resolve_member(run, member), "model", None)


def export(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")


def test_once(run: RunStore, server: hub.Hub) -> None:
    assert push(run, label(run), place(server.endpoint), export)
    files = server.files[NAME]
    assert sorted(files) == ["README.md", "config.json", LABEL_FILE, "model.safetensors"]
    assert files["model.safetensors"] == b"weights"
    assert files["README.md"].startswith(b"---\nlibrary_name: transformers\n")
    assert server.private == {NAME: True}
    assert not push(run, label(run), place(server.endpoint), export)
    assert server.commits == 1
    with pytest.raises(InputError, match="holds another model"):
        push(run, label(run, "expert-sql"), place(server.endpoint), export)
    assert server.files[NAME] == files


def test_what_others_put_there_stays(run: RunStore, server: hub.Hub) -> None:
    server.files[NAME] = {"model.safetensors": b"theirs"}
    with pytest.raises(InputError, match="weights that cycleqd did not push"):
        push(run, label(run), place(server.endpoint), export)
    assert server.files[NAME] == {"model.safetensors": b"theirs"}


def test_everybody_sees_what_is_public(run: RunStore, server: hub.Hub) -> None:
    push(run, label(run), place(server.endpoint, public=True), export)
    assert server.private == {NAME: False}


def test_a_refusal_names_the_token(run: RunStore, server: hub.Hub) -> None:
    server.refuses = True
    with pytest.raises(InputError, match="set HF_TOKEN"):
        push(run, label(run), place(server.endpoint), export)


def test_a_hub_that_is_away(run: RunStore, server: hub.Hub) -> None:
    endpoint = server.endpoint
    server.shutdown()
    server.server_close()
    with pytest.raises(ServiceUnavailable, match="DESTINATION: the hub does not answer"):
        push(run, label(run), place(endpoint), export)
