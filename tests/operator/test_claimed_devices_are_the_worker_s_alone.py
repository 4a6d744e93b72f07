"""A claim on devices in a worker's template reaches its pods as it is written: the worker has them
instead of the GPU that it would ask for, and generated code beside it has none."""

import kubernetes_validate
import pytest
import yaml

from cycleqd.errors import ManifestError
from cycleqd.manifest.reader import parse_resource
from cycleqd_operator.children import jobs
from cycleqd_operator.settings import GPU_LIMIT, Settings
from tests.operator.world import World, evolving, make_run
from tests.project.repository import ROOT

EXAMPLE = ROOT / "manifests" / "cluster-examples" / "dra.yaml"
CLAIMS = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
RESOURCES = {"claims": [{"name": "gpu", "request": "gpu"}], "limits": {"memory": "12Gi"}}
TEMPLATE = {
    "spec": {
        "resourceClaims": CLAIMS,
        "containers": [{"name": "worker", "resources": RESOURCES}],
    }
}


def pod(part="workers", template=TEMPLATE):
    """The pod that is made of a template."""
    run = make_run(**{part: {"template": template}})
    make = jobs.pool_job if part == "workers" else jobs.coordinator_job
    job = make(run, parse_resource(run), Settings())
    kubernetes_validate.validate(job, "1.34", strict=True)
    return job["spec"]["template"]["spec"]


def resources(spec):
    """Resources of all containers by name."""
    found = [*spec["containers"], *spec.get("initContainers", ())]
    return {container["name"]: container["resources"] for container in found}


def test_pods_have_the_claim_as_it_is_written():
    assert pod()["resourceClaims"] == CLAIMS


def test_the_worker_has_it_and_asks_for_no_gpu_beside_it():
    found = resources(pod())
    assert found["worker"] == RESOURCES
    assert "nvidia.com/gpu" not in str(found)
    without = resources(pod(template={"spec": {"resourceClaims": CLAIMS}}))
    assert without["worker"] == GPU_LIMIT


def test_generated_code_has_none():
    assert "claims" not in resources(pod())["sandbox"]
    claims = {"name": "sandbox", "resources": {"claims": [{"name": "gpu"}]}}
    with pytest.raises(ManifestError) as error:
        pod(template={"spec": TEMPLATE["spec"] | {"initContainers": [claims]}})
    where = "spec.workers.template.spec.initContainers[0].resources.claims: is not to be set"
    assert str(error.value).startswith(where)


def test_a_coordinator_has_what_its_own_template_claims():
    container = {"name": "coordinator", "resources": RESOURCES}
    template = {"spec": {"resourceClaims": CLAIMS, "containers": [container]}}
    found = pod("coordinator", template)
    assert found["resourceClaims"] == CLAIMS
    assert resources(found)["coordinator"] == RESOURCES


def test_another_claim_makes_another_job():
    digests = set()
    for name in ("one-gpu", "two-gpus"):
        claims = [{"name": "gpu", "resourceClaimTemplateName": name}]
        run = make_run(
            workers={"template": {"spec": TEMPLATE["spec"] | {"resourceClaims": claims}}}
        )
        job = jobs.pool_job(run, parse_resource(run), Settings())
        digests.add(job["metadata"]["annotations"]["cycleqd.io/template-hash"])
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("allowed", "field"),
    [
        (("none",), "resourceClaims.name"),
        (("containers.resources",), "resourceClaims.resourceClaimTemplateName"),
        (("containers.resources.limits", "resourceClaims"), "containers.resources.claims.name"),
    ],
)
def test_an_administrator_who_leaves_claims_out_forbids_them_by_name(allowed, field):
    world = World(make_run(workers={"template": TEMPLATE}), Settings(pod_template_fields=allowed))
    world.settle()
    failed = world.condition("Failed")
    assert failed.reason == "InvalidManifest"
    assert f"spec.workers.template.spec.{field}: is not for a run to set" in failed.message
    assert not world.objects


def test_an_administrator_may_allow_claims_from_templates_alone():
    """Not those that name a claim which another pod may hold."""
    fields = ("containers.resources", "resourceClaims.resourceClaimTemplateName")
    settings = Settings(pod_template_fields=fields)
    world = evolving(make_run(workers={"template": TEMPLATE}), settings)
    assert world.jobs["demo-workers"]["spec"]["template"]["spec"]["resourceClaims"] == CLAIMS
    shared = {"spec": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "shared"}]}}
    world = World(make_run(workers={"template": shared}), settings)
    world.settle()
    assert "resourceClaims.resourceClaimName: is not for a run" in world.condition("Failed").message


def test_the_example_claims_what_its_administrator_made():
    run = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    made = yaml.safe_load((EXAMPLE.parent / "administrator" / "gpu-claim.yaml").read_text("utf-8"))
    run["metadata"]["uid"] = "1"
    job = jobs.pool_job(run, parse_resource(run), Settings())
    spec = job["spec"]["template"]["spec"]
    (claim,) = spec["resourceClaims"]
    assert claim["resourceClaimTemplateName"] == made["metadata"]["name"]
    assert made["metadata"]["namespace"] == run["metadata"]["namespace"]
    assert resources(spec)["worker"]["claims"] == [{"name": claim["name"]}]
    assert "nvidia.com/gpu" not in str(spec)
