"""A member of full fine-tunes is exported as the closest adapter, and its loss is measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import cycleqd
from cycleqd.errors import InputError
from cycleqd.evaluation.engine import Request
from cycleqd.evaluation.engines import create_engine
from cycleqd.evaluation.engines.weights import checkpoint_tensors
from cycleqd.manifest.reader import load_manifest
from cycleqd.records.loss import LOSS_FILE, LossDocument
from cycleqd.roles.workbench import ModelWorkbench
from cycleqd.run.admission import admit
from cycleqd.store import open_store
from tests.checkpoints import family
from tests.run.synthetic import ITEMS, do_everything
from tests.run.test_a_run_is_continued_from_any_folder import SKILLS, lay_out
from tests.run.test_a_run_is_continued_from_any_folder import cycleqd as command
from tests.weights.peft_adapters import merged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import torch

pytestmark = pytest.mark.runtime

TOKENS = 6


class Speaker:
    """What weights say, by an engine of its own."""

    def __init__(self, base: Path) -> None:
        self._engine = create_engine(
            "transformers",
            base,
            dtype="bfloat16",
            threads=1,
            max_model_len=64,
            gpu_memory_utilization=0.8,
            device="cpu",
        )

    def right(self, weights: Iterable[tuple[str, torch.Tensor]], folder: Path, skill: str) -> int:
        """How many of a task's search items they solve."""
        lines = (folder / f"{skill}.search.jsonl").read_text().splitlines()
        items = [json.loads(line) for line in lines]
        said = self.says(weights, [item["prompt"] for item in items])
        return sum(
            one.strip() == item["answer"].strip() for one, item in zip(said, items, strict=True)
        )

    def says(self, weights: Iterable[tuple[str, torch.Tensor]], asked: list[str]) -> list[str]:
        self._engine.load(weights)
        return self._engine.generate([Request(prompt, TOKENS) for prompt in asked])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run where each expert solves its own task, since the answers are its own."""
    folder = lay_out(tmp_path_factory.mktemp("here"), generations=1)
    family(folder / "models", experts=SKILLS, size=0.05)
    speaker = Speaker(folder / "models/base")
    for skill in SKILLS:
        for split in ("search", "test"):
            # Of words that the tokenizer knows, all different.
            asked = [f"the {skill[0]} {split[0]} {n // 10} {n % 10} sat" for n in range(100)]
            said = speaker.says(checkpoint_tensors(folder / "models" / skill), asked)
            items = [
                {"id": prompt, "prompt": prompt, "answer": answer}
                for prompt, answer in zip(asked, said, strict=True)
                if answer.strip()
            ][:ITEMS]
            assert len(items) == ITEMS
            lines = "".join(f"{json.dumps(item)}\n" for item in items)
            (folder / f"{skill}.{split}.jsonl").write_text(lines)
    document = json.loads((folder / "run.json").read_text())
    for task in document["spec"]["tasks"]:
        task["maxNewTokens"] = TOKENS
    document["spec"]["evaluation"] = {"engine": "transformers", "maxModelLen": 64}
    (folder / "run.json").write_text(json.dumps(document))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        manifest = load_manifest(folder / "run.json")
        run = admit(open_store("store"), manifest, checkpoints=folder / "cache")
        bench = ModelWorkbench(run, folder / "cache")
        do_everything(run, bench=bench)
        bench.close()
    return folder


@pytest.fixture
def run(finished: Path, monkeypatch: pytest.MonkeyPatch) -> cycleqd.Run:
    monkeypatch.setenv("CYCLEQD_CACHE", str(finished / "cache"))
    return cycleqd.open_run(finished / "store")


def test_an_adapter_that_loses_more_than_asked_is_refused(run: cycleqd.Run, tmp_path: Path) -> None:
    said: list[str] = []
    wrong = (
        r"expert-sql as an adapter of rank 1 loses 0\.\d+ \(standard error 0\.\d+\) of its mean "
        r"score on search items, more than --max-loss 0\.02 \(sql 1\.000 to 0\.\d+, python .*\); "
        r"nothing was written; give a higher rank \(--rank 2\), a member near it in the base's "
        r"place \(--onto MEMBER\), --save-others for what no product can hold \("
    )
    with pytest.raises(InputError, match=wrong):
        run.export_adapter("expert-sql", tmp_path / "out", 1, say=said.append)
    assert said[-2:] == [
        "rank 1: 18 of 20 tensors fitted",
        "expert-sql as an adapter of rank 1: on the search items",
    ]
    assert not list(tmp_path.iterdir())


def test_what_is_measured_is_what_peft_opens(
    run: cycleqd.Run, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    loss = run.export_adapter("expert-sql", out, 40, max_loss=1, save_others=True).loss
    assert loss is not None
    assert LossDocument.from_bytes((out / LOSS_FILE).read_bytes(), LOSS_FILE) == loss
    stored = next(
        result
        for result in run.results()
        if (result.candidate, result.split) == ("expert-sql", "search")
    )
    speaker = Speaker(finished / "models/base")
    state = merged(finished / "models/base", out)
    weights = [(name, tensor) for name, tensor in state.items() if name != "lm_head.weight"]
    for skill in SKILLS:
        found = loss.tasks[skill]
        assert (found.items, found.member) == (ITEMS, stored.scores[skill])
        assert found.adapter == speaker.right(weights, finished, skill) / ITEMS
        assert found.loss == pytest.approx(found.member - found.adapter)
    assert loss.tasks["sql"].member == 1
    assert 0 < loss.tasks["sql"].adapter < 1
    assert loss.mean_loss == pytest.approx(sum(t.loss for t in loss.tasks.values()) / 2)


def test_the_command_tells_what_is_lost(finished: Path, tmp_path: Path) -> None:
    arguments = ("--member", "expert-sql", "--format", "lora", "--out", str(tmp_path / "out"))
    done = command(finished, "export", "store", *arguments, "--rank", "12", "--max-loss", "1")
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert "expert-sql, adapter of rank 12 for 14 modules, relative error 0." in first
    assert second.startswith("search items: mean score lower by 0.")
    assert "sql 1.000 to 0." in second
    assert third.startswith("left as in the base: 6 tensors that no product can hold, ")


def test_with_every_direction_nothing_is_lost(run: cycleqd.Run, tmp_path: Path) -> None:
    made = run.export_adapter("expert-sql", tmp_path / "out", 64, save_others=True)
    assert (made.relative_error, made.loss) == (0, None)
    assert not (tmp_path / "out" / LOSS_FILE).exists()


def test_a_member_that_was_not_asked_all_search_items_is_asked(
    run: cycleqd.Run, finished: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    candidate = run.resolve("aggregate")
    made = run.export_adapter(candidate, tmp_path / "out", 16, max_loss=1, say=said.append)
    assert said[-1] == f"{candidate} itself: on the search items, not all of which it was asked"
    assert made.loss is not None
    run.export(candidate, tmp_path / "whole")
    speaker = Speaker(finished / "models/base")
    for skill in SKILLS:
        right = speaker.right(checkpoint_tensors(tmp_path / "whole"), finished, skill)
        assert made.loss.tasks[skill].member == right / ITEMS


def test_a_hub_is_a_member(run: cycleqd.Run, tmp_path: Path) -> None:
    made = run.export_adapter(
        "expert-sql", tmp_path / "out", 60, onto="expert-python", max_loss=1, save_others=True
    )
    assert made.loss is not None
    assert made.loss.onto == "expert-python"
    assert made.loss.tasks["sql"].adapter > 0.5
    config = json.loads((tmp_path / "out/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "expert-python"
    with pytest.raises(InputError, match="the run has no such candidate"):
        run.export_adapter("expert-sql", tmp_path / "other", 4, onto="expert-shell")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-loss", "0.1"), "--max-loss: is for adapters of a rank; add --format lora --rank"),
        (("--format", "lora", "--save-others"), "--save-others: is for adapters of a rank"),
        (("--onto", "balanced"), "--onto: a whole model has none; add --format lora"),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    finished: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    arguments = ("--member", "expert-sql", "--out", str(tmp_path / "out"), *options)
    done = command(finished, "export", "store", *arguments)
    assert done.returncode == 78
    assert message in done.stderr
