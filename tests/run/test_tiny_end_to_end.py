"""tiny.yaml runs end to end with real models, and everything a user does with the result works."""

from __future__ import annotations

import getpass
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.run.tiny import MANIFEST, ROOT, cycleqd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def test_the_run_is_complete_and_its_table_holds(tiny_store: Path) -> None:
    status = json.loads(cycleqd("status", str(tiny_store), "--json").stdout)
    assert status["complete"] is True
    assert status["failed"] == 0
    manifest = yaml.safe_load(tiny_store.with_name(MANIFEST.name).read_text())
    evolution = manifest["spec"]["evolution"]
    children = evolution["generations"] * evolution["candidatesPerGeneration"]
    assert status["evaluations"] == 3 + children
    generations = f"{evolution['generations']:06d}"
    summary = json.loads((tiny_store / "final" / generations / "summary.json").read_text())
    rows = {row["name"]: row for row in summary["rows"]}
    for skill in ("sql", "python", "shell"):
        expert = rows[f"expert {skill}"]["test"]
        assert expert[skill] > rows["base"]["test"][skill] + 0.1, "training taught the skill"
    assert all(record > 3 / 225 for record in status["coverage"].values()), "the search found cells"


def test_no_temporary_file_is_left(tiny_store: Path) -> None:
    left = {path.name for path in tiny_store.with_name("tmp").iterdir()}
    assert left <= {f"torchinductor_{getpass.getuser()}"}  # torch's cache, always of that name


def test_every_plan_archive_and_digest_is_recomputed(tiny_store: Path) -> None:
    assert "weights" in cycleqd("verify", str(tiny_store)).stdout


def test_the_report_is_whole(tiny_store: Path) -> None:
    pictures = sorted(path.name for path in (tiny_store / "report").glob("archive-*.png"))
    assert pictures == ["archive-python.png", "archive-shell.png", "archive-sql.png"]
    page = (tiny_store / "report/report.html").read_text()
    assert "balanced member" in page


def test_an_exported_member_is_the_model_that_was_evaluated(
    tiny_store: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from cycleqd.weights.checkpoint import Checkpoint

    out = tmp_path / "best"
    cycleqd("export", str(tiny_store), "--member", "best:sql", "--out", str(out))
    member = json.loads(cycleqd("show", str(tiny_store), "best:sql", "--json").stdout)
    assert Checkpoint.open(out).digest() == member["digest"]

    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out)
    lines = (ROOT / "out/demo/tiny/data/sql.search.jsonl").read_text().splitlines()[:40]
    right = 0
    for line in lines:
        item = json.loads(line)
        prompt = tokenizer(item["prompt"], return_tensors="pt")["input_ids"]
        with torch.no_grad():
            tokens = model.generate(prompt, max_new_tokens=32, do_sample=False)
        statement = tokenizer.decode(tokens[0, prompt.shape[1] :]).split("\n")[0]
        right += _solves(item, statement)
    # This judge is stricter than the task's about the types of numbers.
    assert 0 <= round(member["scores"]["sql"] * 40) - right <= 3


def _solves(item: dict[str, Any], statement: str) -> bool:
    connection = sqlite3.connect(":memory:")
    connection.executescript(item["database"])
    try:
        answer = connection.execute(statement)
        if "check" in item:
            answer = connection.execute(item["check"])
        rows = [list(row) for row in answer.fetchall()]
    except sqlite3.Error:
        return False
    order = (lambda row: 0) if item.get("ordered") else repr
    return sorted(rows, key=order) == sorted(item["rows"], key=order)


def test_weights_kept_in_the_store_are_a_checkpoint(tiny_store: Path) -> None:
    cycleqd("materialize", str(tiny_store), "--member", "aggregate")
    (folder,) = tiny_store.glob("candidates/aggregate-*/model")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in folder.iterdir() if not path.name.startswith(".")
    }
