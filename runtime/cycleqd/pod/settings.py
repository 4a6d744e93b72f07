"""What the operator tells a pod by its environment.

The variables' names are part of the contract with the operator (`cycleqd.contract.variables`). How
to reach S3 is read by `cycleqd.store.access`, credentials by the AWS chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from cycleqd.contract import pods, variables
from cycleqd.errors import InputError
from cycleqd.records import keys
from cycleqd.records.keys import Stage

Value = TypeVar("Value")


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def read(
        self,
        name: str,
        parse: Callable[[str], Value],
        fallback: Value,
        default: str | None = None,
    ) -> Value:
        text = self._environment.get(name) or default
        if text is None:
            self._problems.append(f"{name}: not set; the operator sets it in the pods it makes")
            return fallback
        try:
            return parse(text)
        except ValueError as error:
            self._problems.append(f"{name}: {error}")
            return fallback

    def check(self) -> None:
        if self._problems:
            raise InputError("\n".join(self._problems))


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def _stage(text: str) -> Stage | None:
    return keys.stage(text) if text else None


@dataclass(frozen=True)
class PodSettings:
    """What both roles are told.

    Attributes:
        store: URI of the run's own folder.
        scratch: folder for downloads, factors and temporary files.
        health_port: TCP port of ``/healthz`` and ``/metrics``; 0 takes any.
        termination_log: file for the reason of a failure.
    """

    store: str
    scratch: Path
    health_port: int
    termination_log: Path


@dataclass(frozen=True)
class CoordinatorSettings(PodSettings):
    """What a coordinator is told.

    Attributes:
        manifest: folder with ``run.json`` and ``generation``.
        namespace: of the run.
        config_map: name of the ConfigMap that takes the progress.
    """

    manifest: Path
    namespace: str
    config_map: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            InputError: one line for each variable that is missing or wrong.
        """
        reader = _Reader(environment)
        settings = cls(
            **_common(reader),
            manifest=reader.read(variables.MANIFEST, Path, Path()),
            namespace=reader.read(variables.NAMESPACE, str, ""),
            config_map=reader.read(variables.PROGRESS_CONFIG_MAP, str, ""),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class WorkerPodSettings(PodSettings):
    """What a worker is told.

    Attributes:
        index: 0-based.
        workers: how many there are.
        stage: the only stage to work on; None for all of the run.
    """

    index: int
    workers: int
    stage: Stage | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            InputError: one line for each variable that is missing or wrong.
        """
        reader = _Reader(environment)
        settings = cls(
            **_common(reader),
            index=reader.read(variables.INDEX, _number(0, 100_000), 0),
            workers=reader.read(variables.WORKERS, _number(1, 100_000), 1),
            stage=reader.read(variables.STAGE, _stage, None, default=""),
        )
        reader.check()
        return settings


@dataclass(frozen=True)
class SandboxSettings:
    """What the container for generated code is told.

    Attributes:
        socket: where it listens.
    """

    socket: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            InputError: it is missing.
        """
        reader = _Reader(environment)
        settings = cls(socket=reader.read(variables.SANDBOX, Path, Path()))
        reader.check()
        return settings


def termination_log(environment: Mapping[str, str]) -> Path:
    """Where the reason of a failure goes, known before anything else is."""
    return Path(environment.get(variables.TERMINATION_LOG) or pods.TERMINATION_LOG)


def _common(reader: _Reader) -> dict[str, Any]:
    return {
        "store": reader.read(variables.STORE, str, ""),
        "scratch": reader.read(variables.CACHE, Path, Path()),
        "health_port": reader.read(
            variables.HEALTH_PORT, _number(0, 65_535), 0, str(pods.HEALTH_PORT)
        ),
        "termination_log": reader.read(
            variables.TERMINATION_LOG, Path, Path(), pods.TERMINATION_LOG
        ),
    }
