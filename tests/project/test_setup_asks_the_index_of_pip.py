"""Who has set up pip for an index of a site has set up `make setup`, which installs by uv."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .repository import load_script

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = load_script("index_settings.py")


def listed(conf: Path, environment: dict[str, str]) -> str:
    """What pip says of a file and variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    variables = {"PIP_CONFIG_FILE": str(conf), **environment}
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_pip_s_own_listing_is_understood(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(
        "[global]\n"
        "index-url = https://user:secret@index.example.org/simple\n"
        "extra-index-url =\n  https://one.example.org/simple\n  https://two.example.org/simple\n"
        "cert = /etc/global.pem\n"
        "progress-bar = off\n"
        "[install]\n"
        "cert = /etc/install.pem\n"
        "[download]\n"
        "cert = /etc/download.pem\n"
    )
    environment = {"PIP_FIND_LINKS": "/wheels /more", "PIP_TIMEOUT": "180"}
    # The machine's own pip.conf may say more.
    assert (
        SETTINGS.for_uv(listed(conf, environment)).items()
        >= {
            "UV_DEFAULT_INDEX": "https://user:secret@index.example.org/simple",
            "UV_INDEX": "https://one.example.org/simple https://two.example.org/simple",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "UV_FIND_LINKS": "/wheels,/more",
            "UV_HTTP_TIMEOUT": "180",
            "SSL_CERT_FILE": "/etc/install.pem",
        }.items()
    )


def test_a_variable_binds_more_than_a_file(tmp_path: Path) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text("[install]\nindex-url = https://file.example.org\n")
    found = SETTINGS.for_uv(listed(conf, {"PIP_INDEX_URL": "https://variable.example.org"}))
    assert found["UV_DEFAULT_INDEX"] == "https://variable.example.org"


def test_without_settings_nothing_is_set() -> None:
    assert SETTINGS.for_uv("") == {}
    assert not SETTINGS.without_index("")


@pytest.mark.parametrize(("value", "without"), [("1", True), ("true", True), ("0", False)])
def test_a_site_may_have_no_index(tmp_path: Path, value: str, without: bool) -> None:
    conf = tmp_path / "pip.conf"
    conf.write_text(f"[global]\nno-index = {value}\n")
    assert SETTINGS.without_index(listed(conf, {})) is without


@pytest.mark.parametrize("option", sorted(SETTINGS.OPTIONS))
def test_uv_knows_each_variable(option: str) -> None:
    variable, _ = SETTINGS.OPTIONS[option]
    command = [sys.executable, "-m", "uv", "pip", "install", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    # Its help names the variables of options; these two are of its network layer.
    assert variable in text or variable in ("SSL_CERT_FILE", "UV_HTTP_TIMEOUT")
