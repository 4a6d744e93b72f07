"""The example pipeline trains experts, evolves them and pushes a model: its pods are valid and
restricted, its commands are those of the command line, its run is one, its rights are few.

Argo itself is not there: how it fills in parameters is repeated by `tests.gitops.pipeline`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest

from cycleqd.manifest.reader import load_manifest, parse_manifest
from tests.gitops.pipeline import objects, pods, templates
from tests.project.naming import command_problem
from tests.project.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.s3 import S3Server


def test_each_step_comes_after_what_it_needs() -> None:
    found = templates()
    order = [step["template"] for (step,) in found["pipeline"]["steps"]]
    assert order == ["make-experts", "evolve", "push"]
    assert found.keys() == {"pipeline", *order}
    (given,) = found["pipeline"]["steps"][-1][0]["arguments"]["parameters"]
    (out,) = found["evolve"]["outputs"]["parameters"]
    assert given["value"] == f"{{{{steps.evolve.outputs.parameters.{out['name']}}}}}"
    assert [given] == [{**asked, **given} for asked in found["push"]["inputs"]["parameters"]]


@pytest.mark.parametrize("name", ["make-experts", "push"])
def test_pods_are_valid_and_restricted(name: str) -> None:
    pod = pods()[name]
    kubernetes_validate.validate(pod, "1.34", strict=True)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    for container in [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
        assert mounted <= {volume["name"] for volume in pod["spec"]["volumes"]}


def test_commands_are_those_of_the_command_line() -> None:
    found = pods()
    (train,) = found["make-experts"]["spec"]["initContainers"]
    (push,) = found["push"]["spec"]["containers"]
    for container in (train, push):
        line = shlex.join([*container["command"], *container["args"]])
        assert command_problem(line) is None
    assert train["args"][train["args"].index("--out") + 1] == "/experts"


def test_the_run_is_valid_and_reads_what_was_put_there() -> None:
    evolve = templates(bucket="lab", run="first")["evolve"]["resource"]
    manifest = parse_manifest(evolve["manifest"], "pipeline.yaml")
    assert manifest.metadata.name == "first"
    made = load_manifest(ROOT / "manifests" / "examples" / "tiny.yaml").spec
    there = "s3://lab/experts/first/"
    read = {expert.name: expert.uri for expert in manifest.spec.experts}
    for expert in made.experts:
        uri = (expert.uri or "").replace("out/demo/tiny/", there)
        assert read.get(expert.name, uri) == uri
    (main,) = pods(bucket="lab", run="first")["make-experts"]["spec"]["containers"]
    env = {variable["name"]: variable["value"] for variable in main["env"]}
    assert there == f"s3://{env['BUCKET']}/{env['PREFIX']}/"
    assert manifest.spec.storage.s3.endpoint == env["ENDPOINT"]
    secret = manifest.spec.storage.s3.credentials_secret_ref
    assert secret is not None
    assert main["envFrom"] == [{"secretRef": {"name": secret.name}}]


def test_the_wait_reads_the_numbers_of_the_end() -> None:
    resource = templates()["evolve"]["resource"]
    assert resource["successCondition"] == "status.succeeded == 1"
    assert resource["failureCondition"] == "status.failed == 1"


def test_rights_are_what_the_steps_need() -> None:
    account, role, binding, workflow = objects()
    rights = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert rights == {
        "cycleqdruns": {"get", "create", "patch"},
        "workflowtaskresults": {"create", "patch"},
    }
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == account["metadata"]["name"] == workflow["spec"]["serviceAccountName"]
    for found in (role, binding, account):
        kubernetes_validate.validate(found, "1.34", strict=True)


@pytest.mark.s3
def test_the_upload_puts_each_file_where_the_run_reads_it(
    versitygw: S3Server, tmp_path: Path
) -> None:
    (tmp_path / "experts" / "sql").mkdir(parents=True)
    (tmp_path / "experts" / "sql" / "config.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sql.test.jsonl").write_text("1\n")
    found = pods(bucket=versitygw.bucket, run="upload", endpoint=versitygw.endpoint)
    (main,) = found["make-experts"]["spec"]["containers"]
    env = {variable["name"]: variable["value"] for variable in main["env"]}
    env |= {"FOLDER": str(tmp_path), "PATH": os.environ["PATH"], **versitygw.env}
    command = [sys.executable, *main["command"][1:], *main["args"]]
    subprocess.run(command, env=env, check=True, timeout=120, stdout=subprocess.DEVNULL)
    listed = versitygw.client().list_objects_v2(Bucket=versitygw.bucket, Prefix="experts/upload/")
    assert {entry["Key"] for entry in listed["Contents"]} == {
        "experts/upload/experts/sql/config.json",
        "experts/upload/data/sql.test.jsonl",
    }
