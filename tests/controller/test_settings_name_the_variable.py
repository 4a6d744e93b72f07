"""Settings come from the environment alone; whatever is wrong is named by its variable."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cycleqd.errors import InputError
from cycleqd_operator.main import main
from cycleqd_operator.settings import PREFIX, Settings


def test_without_variables_the_defaults_hold() -> None:
    assert Settings.from_environment({"PATH": "/bin"}) == Settings()
    assert Settings.from_environment({PREFIX + "NAMESPACES": ""}) == Settings()


def test_values_are_read() -> None:
    settings = Settings.from_environment(
        {
            PREFIX + "NAMESPACES": "team-a, team-b",
            PREFIX + "IMAGE_PULL_SECRETS": "one",
            PREFIX + "WORKER_RESOURCES": '{"limits": {"cpu": "2"}}',
            PREFIX + "RESYNC_SECONDS": "60",
            PREFIX + "METRICS_PORT": "0",
        }
    )
    assert settings.namespaces == ("team-a", "team-b")
    assert settings.image_pull_secrets == ("one",)
    assert settings.worker_resources == {"limits": {"cpu": "2"}}
    assert (settings.resync_seconds, settings.metrics_port) == (60.0, 0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONCURRENCY", "many"),
        ("CONCURRENCY", "0"),
        ("WORKER_RESOURCES", "{"),
        ("WORKER_RESOURCES", "[]"),
        ("IMAGE_PULL_POLICY", "Sometimes"),
        ("METRICS_PORT", "99999"),
        ("METRCS_PORT", "9090"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(InputError, match=PREFIX + variable):
        Settings.from_environment({PREFIX + variable: value})


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Settings.from_environment({PREFIX + "CONCURRENCY": "x", PREFIX + "NONE": "1"})
    assert "CONCURRENCY" in str(caught.value)
    assert "NONE" in str(caught.value)


def test_variables_of_a_service_of_the_operator_s_name_are_no_settings() -> None:
    links = {
        PREFIX + "SERVICE_HOST": "10.96.0.9",
        PREFIX + "SERVICE_PORT": "9090",
        PREFIX + "SERVICE_PORT_METRICS": "9090",
        PREFIX + "PORT": "tcp://10.96.0.9:9090",
        PREFIX + "PORT_9090_TCP_ADDR": "10.96.0.9",
        PREFIX + "METRICS_PORT": "tcp://10.96.0.9:9090",
        PREFIX + "METRICS_SERVICE_HOST": "10.96.0.9",
    }
    assert Settings.from_environment(links) == Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().concurrency = 2  # type: ignore[misc]


def test_help_lists_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(PREFIX + name.upper() in text for name in Settings.model_fields)


def test_a_wrong_variable_ends_the_process_with_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PREFIX + "CONCURRENCY", "many")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 78
    assert PREFIX + "CONCURRENCY" in capsys.readouterr().err
