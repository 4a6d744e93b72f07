"""Document and generation always belong together, however the kubelet swaps the folder."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from cycleqd.errors import InputError
from cycleqd.pod.manifest_folder import ManifestFolder, ManifestVersion
from tests.pod.pods import swap


def test_a_version_and_its_successor(tmp_path: Path) -> None:
    swap(tmp_path, "one", 1)
    folder = ManifestFolder(tmp_path)
    assert folder.read() == ManifestVersion("one", 1)
    assert folder.changed() is None
    swap(tmp_path, "two", 2)
    assert folder.changed() == ManifestVersion("two", 2)
    assert folder.changed() is None


def test_a_plain_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "generation").write_text("7\n")
    assert ManifestFolder(tmp_path).read() == ManifestVersion("{}", 7)


@pytest.mark.parametrize("missing", ["run.json", "generation"])
def test_a_missing_key_is_named(tmp_path: Path, missing: str) -> None:
    for name in {"run.json", "generation"} - {missing}:
        (tmp_path / name).write_text("1")
    with pytest.raises(InputError, match=missing):
        ManifestFolder(tmp_path).read()


def test_a_generation_is_a_number(tmp_path: Path) -> None:
    swap(tmp_path, "{}", 1)
    (tmp_path / "..data" / "generation").write_text("newest")
    with pytest.raises(InputError, match="newest"):
        ManifestFolder(tmp_path).read()


def test_a_folder_that_is_gone_for_a_moment_is_no_change(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    swap(mount, "one", 1)
    folder = ManifestFolder(mount)
    folder.read()
    away = mount.rename(tmp_path / "away")
    assert folder.changed() is None
    away.rename(mount)
    assert folder.changed() is None
    swap(mount, "two", 2)
    assert folder.changed() == ManifestVersion("two", 2)


def test_versions_are_never_mixed(tmp_path: Path) -> None:
    """A thread swaps and removes old versions, as the kubelet does, while another reads."""
    swap(tmp_path, "0", 0)
    ended = threading.Event()

    def edit() -> None:
        for number in range(1, 300):
            old = (tmp_path / "..data").resolve()
            swap(tmp_path, str(number), number)
            shutil.rmtree(old)
        ended.set()

    folder = ManifestFolder(tmp_path)
    folder.read()
    editor = threading.Thread(target=edit)
    editor.start()
    seen = set()
    while not ended.is_set():
        version = folder.changed()
        if version is not None:
            assert version.text == str(version.generation)
            seen.add(version.generation)
    editor.join(30)
    last = folder.changed()
    assert 299 in seen or (last is not None and last.generation == 299)
