"""What users upload with their own tools, without a checksum of ours, can be read as input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cycleqd.errors import ObjectNotFound, StoreCorrupt
from cycleqd.store import foreign, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.s3 import S3Server

pytestmark = pytest.mark.s3


def test_an_uploaded_file_arrives_whole(
    versitygw: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in versitygw.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(foreign, "CHUNK_BYTES", 1000)
    content = bytes(range(256)) * 17
    versitygw.client().put_object(Bucket=versitygw.bucket, Key="foreign/items", Body=content)
    store = open_store(versitygw.uri("foreign"), versitygw.settings)
    with pytest.raises(StoreCorrupt, match="no recorded checksum"):
        store.download("items", tmp_path / "verified")
    foreign.download_foreign(store, "items", tmp_path / "items")
    assert (tmp_path / "items").read_bytes() == content
    with pytest.raises(ObjectNotFound):
        foreign.download_foreign(store, "absent", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
