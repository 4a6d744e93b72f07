"""A comparison refuses manifests, seeds and places that would not be fair, before it begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cycleqd.compare.agreement import check_agreement, parse_seeds
from cycleqd.compare.trials import prepare_trials
from cycleqd.errors import InputError, ManifestError
from cycleqd.manifest.model import Manifest
from cycleqd.manifest.reader import parse_manifest
from tests.run.synthetic import canonical_text
from tests.run.test_comparisons_are_fair_and_go_on import named


def changed(document: Manifest, change: Callable[[dict[str, Any]], object]) -> Manifest:
    data = json.loads(canonical_text(document))
    change(data)
    return parse_manifest(json.dumps(data), "changed")


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("spec.base.uri", lambda d: d["spec"]["base"].update(uri="models/other")),
        ("spec.experts[1].uri", lambda d: d["spec"]["experts"][1].update(uri="models/other")),
        ("spec.tasks[2].maxNewTokens", lambda d: d["spec"]["tasks"][2].update(maxNewTokens=9)),
        ("spec.tasks[0].items.test", lambda d: d["spec"]["tasks"][0]["items"].update(test="o")),
        (
            "spec.tasks[0].items.searchLimit",
            lambda d: d["spec"]["tasks"][0]["items"].update(searchLimit=3),
        ),
        ("spec.archive.bins", lambda d: d["spec"]["archive"].update(bins=9)),
        ("spec.evaluation.dtype", lambda d: d["spec"]["evaluation"].update(dtype="float32")),
        ("spec.workers.threads", lambda d: d["spec"]["workers"].update(threads=2)),
    ],
)  # fmt: skip
def test_unfair_manifests_are_refused_by_the_field(
    path: str, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(ManifestError) as refused:
        check_agreement([named("one"), changed(named("other"), change)])
    assert [problem.split(":")[0] for problem in refused.value.problems] == [path]
    assert "one has" in refused.value.problems[0]


def test_the_search_is_free() -> None:
    def change(document: dict[str, Any]) -> None:
        document["spec"]["evolution"]["generations"] = 99
        document["spec"]["tasks"][0]["items"]["testLimit"] = 1
        document["spec"]["tasks"][0]["expert"] = "python"
        document["spec"]["workers"]["replicas"] = 4

    check_agreement([named("one"), changed(named("other"), change)])


def with_one_expert(document: dict[str, Any]) -> None:
    document["spec"]["experts"] = [{"name": "pooled", "uri": "models/pooled"}]


def test_references_may_have_other_experts_and_nothing_else() -> None:
    pooled = changed(named("pooled"), with_one_expert)
    check_agreement([named("one"), named("two")], [pooled])
    with pytest.raises(ManifestError, match=r"spec\.experts"):
        check_agreement([named("one"), pooled])
    other = changed(pooled, lambda d: d["spec"]["base"].update(uri="models/other"))
    with pytest.raises(ManifestError, match=r"spec\.base\.uri: one has"):
        check_agreement([named("one")], [other])


def test_a_reference_may_have_the_chat_template_from_another_expert() -> None:
    def chats(source: str | None) -> Callable[[dict[str, Any]], None]:
        def change(document: dict[str, Any]) -> None:
            if source == "pooled":
                with_one_expert(document)
            document["spec"]["tasks"][0]["chat"] = True
            if source is not None:
                document["spec"]["tasks"][0]["chatTemplateFrom"] = source

        return change

    mine, pooled = changed(named("one"), chats("sql")), changed(named("pooled"), chats("pooled"))
    check_agreement([mine], [pooled])
    for other in (chats("python"), chats(None)):
        with pytest.raises(ManifestError, match=r"spec\.tasks\[0\]\.chatTemplateFrom: one has"):
            check_agreement([mine, changed(named("two"), other)])
    with pytest.raises(ManifestError, match=r"spec\.tasks\[0\]\.chatTemplateFrom: one has"):
        check_agreement([mine], [changed(named("base-s"), chats(None))])


def test_equal_names_are_refused() -> None:
    for manifests, references in ((["one", "one"], []), (["one"], ["one"])):
        with pytest.raises(ManifestError, match=r"metadata\.name: 2 manifests are called one"):
            check_agreement([*map(named, manifests)], [*map(named, references)])


@pytest.mark.parametrize("text", ["", "1,", "a", "-1", "1.5", "1,2,1", "01,1", str(2**53)])
def test_bad_seeds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--seeds: "):
        parse_seeds(text)


def test_seeds_keep_their_order() -> None:
    assert parse_seeds("3, 1,2") == (3, 1, 2)


@pytest.mark.parametrize("name", ["s3://bucket/comparison", "file"])
def test_other_places_than_folders_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError, match="--out: "):
        prepare_trials([named("one")], (1,), name)


def test_missing_files_are_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=r"spec\.base\.uri"):
        prepare_trials([named("one"), named("two")], (1,), "out")
    assert list(tmp_path.iterdir()) == []
