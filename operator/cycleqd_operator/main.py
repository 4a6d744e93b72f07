"""The console script ``cycleqd-operator``: settings, permissions, then the controller under kopf.

The order matters: wrong settings and missing permissions end the process with exit code 78 and a
list of what to mend; the caches are filled before the watches start, and the health port opens
after that, so a probe that answers means a working operator. SIGTERM ends it within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Sequence
from wsgiref.simple_server import WSGIServer

import kopf
from prometheus_client import disable_created_metrics, start_http_server

from cycleqd.errors import CycleQDError, InputError
from cycleqd_operator.cleanup import clean_up
from cycleqd_operator.control.controller import START_RETRY_SECONDS, Controller
from cycleqd_operator.control.handlers import registry_of
from cycleqd_operator.kube.cluster import SMALL_PAGE, ApiCluster, ApiError
from cycleqd_operator.kube.login import load_configuration
from cycleqd_operator.kube.names import RUN_LABEL
from cycleqd_operator.kube.permissions import check_permissions
from cycleqd_operator.kube.resources import RUN, WATCHED
from cycleqd_operator.metrics import Metrics
from cycleqd_operator.settings import Settings

log = logging.getLogger(__name__)

EXIT_SECONDS = 20.0
"""After SIGTERM; the pod's terminationGracePeriodSeconds must be longer."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the operator until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="cycleqd-operator",
        description="Run CycleQDRuns on Kubernetes. All settings come from the environment.",
        epilog="environment variables and their defaults:\n" + Settings.describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="only check settings and permissions, then end"
    )
    mode.add_argument(
        "--cleanup",
        type=float,
        metavar="SECONDS",
        help="only delete all runs and wait so long for their pods to go, then end",
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
        configure_logging(settings)
        spare_the_collector()
        disable_created_metrics()  # type: ignore[no-untyped-call]
        if options.cleanup is not None:
            asyncio.run(remove_runs(settings, options.cleanup))
        else:
            asyncio.run(run(settings, check_only=options.check))
    except CycleQDError as error:
        print(f"cycleqd-operator: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ApiError as error:
        print(f"cycleqd-operator: {error}", file=sys.stderr)
        sys.exit(1)


def spare_the_collector() -> None:
    """Let Python look for garbage cycles less often.

    Thousands of API objects are trees without cycles; at the default thresholds the collector would
    take more time than parsing and trimming them, and the operator would start as much later.
    """
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


def configure_logging(settings: Settings) -> None:
    """One line an event on standard error, by kopf's formatters."""
    json_lines = settings.log_format == "json"
    kopf.configure(log_format=kopf.LogFormat.JSON if json_lines else kopf.LogFormat.FULL)
    logging.getLogger().setLevel(settings.log_level)
    for chatty in ("aiohttp.access", "kopf.objects", "kopf.activities"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


async def run(settings: Settings, *, check_only: bool = False) -> None:
    """Check, fill the caches and serve until SIGTERM.

    Args:
        settings: the operator's settings.
        check_only: end after the checks.

    Raises:
        InputError: permissions or the custom resource definition are missing.
        ApiError: the API server did not answer within ``start_timeout_seconds``.
    """
    metrics = Metrics()
    cluster = ApiCluster(
        await load_configuration(), settings.request_timeout_seconds, metrics.count_request
    )
    try:
        await wait_for_cluster(cluster, settings)
        log.info("settings and permissions are fine")
        if not check_only:
            await serve(cluster, settings, metrics)
    finally:
        await cluster.close()


async def remove_runs(settings: Settings, seconds: float) -> None:
    """Delete all runs that are served, before the operator itself is uninstalled.

    Args:
        settings: the operator's settings.
        seconds: how long to wait for the runs' pods to go.

    Raises:
        CleanUpTimeout: some were left at the end.
        ApiError: the API server refused.
    """
    configuration = await load_configuration()
    cluster = ApiCluster(configuration, settings.request_timeout_seconds, Metrics().count_request)
    try:
        deleted = await clean_up(cluster, settings.namespaces, seconds)
        log.info("%d runs were deleted", deleted)
    finally:
        await cluster.close()


async def wait_for_cluster(cluster: ApiCluster, settings: Settings) -> None:
    """Wait until the API server answers, all is permitted and the definition is installed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.start_timeout_seconds
    while True:
        try:
            await check_permissions(cluster, settings.namespaces)
            for namespace in settings.namespaces or ("",):
                await cluster.check_listed(RUN, namespace)
            return
        except ApiError as error:
            if loop.time() >= deadline:
                if error.status == 404:
                    raise InputError(
                        f"the API server knows no {RUN.plural}.{RUN.group}/{RUN.version}: install"
                        " the custom resource definition (manifests/crd, or the Helm chart)"
                    ) from error
                raise
            log.warning("waiting for the API server: %s", error)
        await asyncio.sleep(START_RETRY_SECONDS)


async def serve(cluster: ApiCluster, settings: Settings, metrics: Metrics) -> None:
    """Run the controller and kopf's watches until SIGTERM."""
    exporter: tuple[WSGIServer, threading.Thread] | None = None
    if settings.metrics_port:
        exporter = start_http_server(settings.metrics_port, registry=metrics.registry)
    controller = Controller(cluster, settings, metrics)
    await controller.start()
    health = f"http://0.0.0.0:{settings.health_port}/healthz" if settings.health_port else None
    working = asyncio.create_task(controller.wait(), name="controller")
    watching = asyncio.create_task(
        kopf.operator(
            registry=registry_of(controller),
            settings=kopf_settings(),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            liveness_endpoint=health,
        ),
        name="watches",
    )
    try:
        # Watches end by SIGTERM or by an outage that is too long; the controller only by a fault.
        done, _ = await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)
        await controller.stop()
        if exporter is not None:
            exporter[0].shutdown()


def kopf_settings() -> kopf.OperatorSettings:
    """Settings of kopf for watching only."""
    settings = kopf.OperatorSettings()
    # No LIST of definitions and namespaces: a Role is enough, in both scopes.
    settings.scanning.disabled = True
    for resource in WATCHED:
        if resource is not RUN:
            key = (resource.group, resource.version, resource.plural)
            settings.watching.label_selectors[key] = RUN_LABEL
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = SMALL_PAGE
    # An idle worker of kopf holds its object untrimmed: 5 s of that cost 70 MB for 8,000 objects.
    settings.queueing.idle_timeout = 0.1
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.process.ultimate_exiting_timeout = EXIT_SECONDS
    settings.posting.enabled = False
    settings.posting.loggers = False
    return settings
