"""The manifest's S3 settings come first, then the ``CYCLEQD_S3_*`` variables, then AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.contract.variables import (
    S3_ADDRESSING_STYLE,
    S3_CA_BUNDLE,
    S3_CHECKSUMS,
    S3_ENDPOINT,
    S3_REGION,
)
from cycleqd.errors import InputError
from cycleqd.manifest.cluster import S3
from cycleqd.store import S3Settings
from cycleqd.store.access import environment_of, settings_of


def test_nothing_given_is_aws() -> None:
    assert settings_of() == S3Settings()


def test_the_manifest_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(S3_ENDPOINT, "http://variable")
    monkeypatch.setenv(S3_REGION, "variable")
    assert settings_of() == S3Settings(endpoint="http://variable", region="variable")
    settings = settings_of(S3(endpoint="http://manifest"))
    assert settings == S3Settings(endpoint="http://manifest", region="variable")


def test_a_bundle_of_another_folder_is_named_by_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose manifest says ``ca.pem`` is read from any folder."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder in (here, elsewhere):
        folder.mkdir()
        monkeypatch.chdir(folder)
        Path("own.pem").touch()
    (here / "ca.pem").touch()
    manifest = S3(ca_bundle="ca.pem")
    with pytest.raises(InputError, match=r"spec\.storage\.s3\.caBundle: no file 'ca\.pem'"):
        settings_of(manifest)
    monkeypatch.setenv(S3_CA_BUNDLE, "own.pem")
    assert settings_of(manifest).ca_bundle == Path("own.pem")
    monkeypatch.chdir(here)
    assert settings_of(manifest).ca_bundle == Path("ca.pem")


@pytest.mark.parametrize(
    ("style", "checksums"), [("Path", "WhenRequired"), ("path", "when_required"), ("PATH", "")]
)
def test_variables_are_spelled_like_the_manifest_or_like_botocore(
    style: str, checksums: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(S3_ADDRESSING_STYLE, style)
    monkeypatch.setenv(S3_CHECKSUMS, checksums)
    settings = settings_of()
    assert settings.addressing_style == "Path"
    assert settings.checksums == ("WhenRequired" if checksums else "WhenSupported")
    manifest = S3(addressing_style="Virtual", checksums="WhenSupported")
    assert settings_of(manifest) == S3Settings(addressing_style="Virtual")


def test_a_wrong_variable_is_named_with_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(S3_CHECKSUMS, "Never")
    with pytest.raises(InputError) as caught:
        settings_of()
    assert str(caught.value) == f"{S3_CHECKSUMS}: 'Never' is not one of WhenSupported, WhenRequired"


def test_child_processes_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = S3Settings(endpoint="http://host", addressing_style="Path", checksums="WhenRequired")
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert settings_of() == settings
