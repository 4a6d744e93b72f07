"""`check_files` names every local path that is not there, in the words of the manifest's errors."""

from pathlib import Path

import pytest

from cycleqd.manifest.reader import check_files, parse_manifest

from .documents import VALID, as_yaml, edited


def lay_out(folder: Path) -> None:
    for name in ("base", "python", "sql"):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "config.json").write_text("{}")
    (folder / "data").mkdir()
    for skill in ("python", "sql", "shell"):
        for split in ("search", "test"):
            (folder / "data" / f"{skill}-{split}.jsonl").touch()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_there(workplace: Path) -> None:
    assert check_files(parse_manifest(VALID, "run.yaml")) == []


def test_an_expert_may_be_an_adapter_and_the_base_may_not(workplace: Path) -> None:
    for name in ("base", "sql"):
        folder = workplace / "models" / name
        (folder / "config.json").rename(folder / "adapter_config.json")
    (problem,) = check_files(parse_manifest(VALID, "run.yaml"))
    assert problem.startswith('spec.base.uri: "models/base" is a LoRA adapter; name the model that')


def test_each_fault_has_its_line(workplace: Path) -> None:
    (workplace / "models/python/config.json").unlink()
    (workplace / "data/sql-test.jsonl").unlink()
    (workplace / "data/shell-test.jsonl").unlink()
    (workplace / "data/shell-test.jsonl").mkdir()
    edit = {
        "spec.base.uri": "org/model",
        "spec.experts[1].uri": "data/sql-search.jsonl",
        "spec.tasks[0].items.search": "~/items.jsonl",
        "spec.tasks[0].items.test": "x" * 300,
        "spec.storage.s3.caBundle": "/nowhere/ca.pem",
    }
    problems = check_files(parse_manifest(as_yaml(edited(edit)), "run.yaml"))
    expected = [
        ("spec.base.uri", "for the model on the Hugging Face hub write hf://org/model"),
        ("spec.experts[0].uri", "has no config.json"),
        ("spec.experts[1].uri", "is a file; name the checkpoint's folder"),
        ("spec.tasks[0].items.search", "'~' is not expanded"),
        ("spec.tasks[0].items.test", "does not exist"),
        ("spec.tasks[1].items.test", f"paths start from the working directory {workplace}"),
        ("spec.tasks[2].items.test", "is a folder; name the file in it"),
        ("spec.storage.s3.caBundle", "does not exist; correct the path"),
    ]
    assert [line.split(": ")[0] for line in problems] == [path for path, _ in expected]
    for line, (_, said) in zip(problems, expected, strict=True):
        assert said in line
