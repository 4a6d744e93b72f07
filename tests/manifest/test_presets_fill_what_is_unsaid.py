"""A preset fills the sections of the search that nobody wrote, on a machine and in a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cycleqd.errors import ManifestError
from cycleqd.manifest.evolution import Aggregate, Crossover, Mutation, Selection, Soup, Start, Tune
from cycleqd.manifest.presets import PRESETS
from cycleqd.manifest.reader import parse_manifest, parse_resource
from cycleqd.manifest.schema import canonical
from tests.manifest.documents import edited

if TYPE_CHECKING:
    from cycleqd.manifest.evolution import Evolution


def document(**evolution: Any) -> dict[str, Any]:
    return edited({"spec.evolution": evolution})


def evolution_of(**evolution: Any) -> Evolution:
    return parse_manifest(json.dumps(document(**evolution)), "m").spec.evolution


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_its_sections_written_out(preset: str) -> None:
    written = {section: dict(values) for section, values in PRESETS[preset].items()}
    by_name = evolution_of(preset=preset)
    assert by_name.model_copy(update={"preset": None}) == evolution_of(**written)


def test_what_presets_say_never_changes() -> None:
    """Runs in stores are continued by manifests that name them: add a preset, change none."""
    free = evolution_of(preset="GradientFree")
    assert free.start == Start(rays=6, design=6)
    assert free.crossover == Crossover(method="Line", granularity="Band")
    assert (free.mutation, free.tune) == (Mutation(method="None"), None)
    assert free.selection == Selection(low=0.1, high=1.0)
    assert free.aggregate == Aggregate(method="Front")
    tuned = evolution_of(preset="Default")
    assert tuned.tune == Tune(share=0.3, epochs=3, rays=3, hold_out_share=0.2)
    assert tuned.start == Start(rays=6, design=2)
    assert tuned.crossover == Crossover(
        method="Line", granularity="Band", soup=Soup(share=0.5, members=4, temperature=0.05)
    )
    taught = {"preset": "Distilled", "tune": tuned.tune.model_copy(update={"distillation": 0.5})}
    assert evolution_of(preset="Distilled") == tuned.model_copy(update=taught)
    assert evolution_of(preset="Rounds") == tuned.model_copy(
        update={
            "preset": "Rounds",
            "start": Start(rays=6, design=0),
            "tune": Tune(share=0.7, epochs=2, rays=3, distillation=0.5),
        }
    )
    rest = {
        "preset": "GradientFree",
        "tune": None,
        "start": free.start,
        "crossover": free.crossover,
    }
    assert tuned.model_copy(update=rest) == free
    assert evolution_of(preset="Paper").model_copy(update={"preset": None}) == evolution_of()
    reference = evolution_of(preset="Reference")
    assert reference.selection.method == "ReferenceElite"
    assert reference.crossover == Crossover(stddev=0.01)


def test_a_section_that_is_written_stands_as_it_is_written() -> None:
    found = evolution_of(
        preset="Default", crossover={"granularity": "Block"}, tune={"rank": 4}, start={}
    )
    assert found.crossover == Crossover(granularity="Block")
    assert (found.tune, found.start) == (Tune(rank=4), Start())
    assert found.mutation.method == "None", "the others are the preset's"


def test_the_defaults_that_an_api_server_fills_in_are_unsaid() -> None:
    plain = canonical(parse_manifest(json.dumps(document()), "m"))
    evolution = {**plain["spec"]["evolution"], "preset": "Default"}
    resource = {**plain, "spec": {**plain["spec"], "evolution": evolution}}
    assert parse_resource(resource).spec.evolution == evolution_of(preset="Default")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_canonical_form_is_read_as_it_was(preset: str) -> None:
    manifest = parse_manifest(json.dumps(document(preset=preset)), "m")
    assert parse_manifest(json.dumps(canonical(manifest)), "m") == manifest


def test_without_a_preset_nothing_of_it_is_stored() -> None:
    plain = canonical(parse_manifest(json.dumps(document()), "m"))
    assert not {"preset", "start", "tune"} & plain["spec"]["evolution"].keys()


def test_faults_of_a_section_are_told_as_without_a_preset() -> None:
    with pytest.raises(ManifestError, match=r"spec\.evolution\.crossover\.granularity"):
        evolution_of(preset="Default", crossover={"granularity": "Layer"})
    with pytest.raises(ManifestError, match=r"spec\.evolution\.preset: .*Default"):
        evolution_of(preset="Fast")
    with pytest.raises(ManifestError, match=r"cannot be combined with mutation Gaussian"):
        evolution_of(preset="Default", mutation={"method": "Gaussian"})
