"""What the Dockerfile copies is sent to the builder, and decides the names of the images.

A file that .dockerignore keeps back breaks the build; one that is not among the sources by which
`make cluster` names its images would leave an old image in use after a change.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from devcluster.real.images import SOURCES
from scripts.image_requirements import VLLM, requirements

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def copied() -> set[str]:
    """Paths of the clone that the Dockerfile copies."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {path for line in lines for path in line.split()}


def test_sources_are_what_is_copied():
    assert set(SOURCES) == copied() | {"Dockerfile"}


def test_the_builder_is_sent_just_these():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == copied()
    assert "*" in lines


def test_requirements_follow_extras_of_the_project_itself(tmp_path):
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text("""
[project]
name = "example"
dependencies = ["a>=1"]
[project.optional-dependencies]
inner = ["b>=2"]
outer = ["example[inner]", "c"]
other = ["d"]
""")
    assert requirements(pyproject, ["outer"]) == ["a>=1", "b>=2", "c"]


def test_cuda_takes_the_version_that_was_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (lowest,) = (r for r in project["optional-dependencies"]["vllm"] if r.startswith("vllm"))
    pinned = VLLM.removeprefix("vllm==")
    assert pinned.startswith(lowest.removeprefix("vllm>="))


def test_the_image_of_the_page_is_light():
    asked = requirements(ROOT / "pyproject.toml", ["ui"])
    names = {re.split("[<>=]", requirement)[0] for requirement in asked}
    assert {"boto3", "jinja2", "starlette", "uvicorn"} <= names
    heavy = {
        "torch",
        "transformers",
        "vllm",
        "matplotlib",
        "mlflow-skinny",
        "kubernetes",
        "pyarrow",
    }
    assert names.isdisjoint(heavy)
    assert heavy <= set(re.findall(r'"([a-z0-9-]+)[<>=]', (ROOT / "pyproject.toml").read_text()))
