"""A real Prometheus on loopback, built by ``scripts/build-tools``.

It scrapes each second what its jobs' files of targets list at that time, and is asked over its own
HTTP interface.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml
from devcluster.base.binaries import binary
from devcluster.base.processes import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Json = dict[str, Any]
SCRAPE_SECONDS = 1


class Prometheus:
    """A running server.

    Args:
        folder: of its configuration, data and log.
        jobs: options of each scrape job (honor_labels, relabel_configs) by its name.
    """

    def __init__(self, folder: Path, jobs: Mapping[str, Json]) -> None:
        self._folder = folder
        self._endpoint = f"127.0.0.1:{free_port()}"
        for job in jobs:
            self.scrape(job, {})
        config = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
            "scrape_configs": [
                {
                    "job_name": job,
                    "file_sd_configs": [{"files": [f"{job}.json"], "refresh_interval": "1s"}],
                    **options,
                }
                for job, options in jobs.items()
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command: list[str | Path] = [
            binary("prometheus"),
            "--config.file=prometheus.yml",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._endpoint}",
            "--log.level=warn",
        ]
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GOMAXPROCS": "2"}
        self.process = ServerProcess(command, environment, folder / "log", cwd=folder)
        self.process.wait_until(self._is_ready)

    def scrape(self, job: str, targets: Mapping[int, Mapping[str, str]]) -> None:
        """Scrape these ports of this machine from now on, with these labels."""
        listed = [
            {"targets": [f"127.0.0.1:{port}"], "labels": dict(labels)}
            for port, labels in targets.items()
        ]
        whole = self._folder / f"{job}.new"
        whole.write_text(json.dumps(listed))
        whole.rename(self._folder / f"{job}.json")

    def values(self, expression: str, begin: float, end: float) -> list[list[float]]:
        """What an expression was from one time to another, second by second, for each series.

        Raises:
            AssertionError: Prometheus refuses it; the message says why.
        """
        times = {"start": f"{begin:.0f}", "end": f"{end:.0f}", "step": "1"}
        found = self._ask("query_range", {"query": expression, **times})
        return [[float(value) for _, value in series["values"]] for series in found["result"]]

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values that a label has among some series."""
        found: list[str] = self._ask(f"label/{label}/values", {"match[]": selector})
        return found

    def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        url = f"http://{self._endpoint}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._endpoint}/-/ready", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, jobs: Mapping[str, Json]) -> Iterator[Prometheus]:
    """Run one; see `Prometheus`."""
    folder.mkdir(parents=True)
    server = Prometheus(folder, jobs)
    try:
        yield server
    finally:
        server.process.stop()
