"""Rules for where things lie: the forms of URIs, and the settings of the S3 server.

`cycleqd.manifest.rules` lists them with the other rules.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.manifest.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cycleqd.manifest.part import Part

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def local_path(uri: str) -> str | None:
    """The URI as a local path, None where it has a scheme."""
    return None if _SCHEME.match(uri) else uri


def where_paths_start(path: str) -> str:
    """What to do about a local path that leads nowhere."""
    if path.startswith("~"):
        return "'~' is not expanded: write the whole path"
    if Path(path).is_absolute():
        return "correct the path"
    return f"paths start from the working directory {Path.cwd()}"


def same_place(uri: str) -> str:
    """One spelling of all URIs that name the same place."""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return posixpath.normpath(uri)
    return f"{scheme[1].lower()}://{uri[scheme.end() :].rstrip('/')}"


def uris(spec: Part) -> Iterator[str]:
    """Each URI has a scheme that can be read there, and no credentials."""
    models = [spec.part("base"), *spec.parts("experts")]
    for model in models:
        yield from _uri_problems(model.part("uri"), ("hf", "s3"))
    for task in spec.parts("tasks"):
        for split in ("search", "test"):
            yield from _uri_problems(task.part("items").part(split), ("s3",))
        yield from _uri_problems(task.part("sql").part("databases"), ("s3",))
    storage = spec.part("storage")
    yield from _uri_problems(storage.part("uri"), ("s3",))
    yield from _uri_problems(storage.part("s3").part("caBundle"), ())
    yield from _endpoint_problems(storage.part("s3").part("endpoint"))


FORMS = {
    "hf": (r"hf://[\w.-]+/[\w.-]+(@[\w./-]+)?", "hf://org/name or hf://org/name@revision"),
    "s3": (r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", "s3://bucket/prefix"),
}
"""By scheme: the regular expression of its URIs, and how to write one."""

ENDPOINT = r"https?://[^/\s?#]+/?"
"""Regular expression of a server's URL."""

USERINFO = r"://[^/\s]*@"
"""Regular expression of a user and password in a URI."""

MLFLOW_SERVER = r"https?://[^/\s?#]+(/[^\s?#]*)?"
"""Regular expression of an MLflow server's address."""

TRACKED_NAME = r"[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?"
"""Regular expression of an experiment's name in MLflow."""

REGISTERED_MODEL = r"[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_])?"
"""Regular expression of a registered model's name, which stands in addresses and in queries."""

SIGNED = r"[?&](x-amz-|awsaccesskeyid|signature|token)"
"""Regular expression, without case, of a signature in a URI."""


def _credentials(uri: Part, scheme: str | None) -> str | None:
    text = uri.text or ""
    signed = re.search(SIGNED, text, re.IGNORECASE)
    if scheme not in (None, "hf") and (re.search(USERINFO, text) or signed):
        return (
            f"{uri.path}: holds credentials, which never stand in a manifest; remove them and "
            "use the usual AWS chain (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, "
            "a role)"
        )
    return None


def _uri_problems(uri: Part, schemes: tuple[str, ...]) -> Iterator[str]:
    text = uri.text
    if not text:
        return
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else None
    if problem := _credentials(uri, scheme):
        yield problem
    elif text != text.strip():
        yield f"{uri.path}: {shown(text)} begins or ends with a space; remove it"
    elif scheme is None:
        if "\0" in text:
            yield f"{uri.path}: {shown(text)} holds a NUL character; write a path"
    elif scheme not in schemes:
        allowed = " or ".join(["a local path", *(FORMS[known][1] for known in schemes)])
        remedy = f"write {allowed}"
        hub = re.fullmatch(r"https?://huggingface\.co/([\w.-]+/[\w.-]+)/?", text)
        if scheme == "file":
            remedy = "write the path itself, without file://"
        elif hub and "hf" in schemes:
            remedy = f"write hf://{hub[1]}"
        yield f"{uri.path}: {shown(text)} has the scheme {scheme}://; {remedy}"
    elif not re.fullmatch(FORMS[scheme][0], text):
        yield f"{uri.path}: {shown(text)} is not of the form {FORMS[scheme][1]}; correct it"


def _endpoint_problems(endpoint: Part) -> Iterator[str]:
    text = endpoint.text
    if not text:
        return
    if problem := _credentials(endpoint, "https"):
        yield problem
    elif not re.fullmatch(ENDPOINT, text):
        yield (
            f"{endpoint.path}: {shown(text)} is not the URL of a server; write "
            "https://host or http://host:port"
        )


def s3_settings(spec: Part) -> Iterator[str]:
    """Settings of the S3 server stand only where something lies on S3."""
    storage = spec.part("storage")
    settings = storage.part("s3")
    where = storage.part("uri").text
    if not where or local_path(where) is None or not isinstance(settings.raw, dict):
        return
    inputs = [spec.part("base"), *spec.parts("experts")]
    uris = [part.part("uri").text for part in inputs]
    for task in spec.parts("tasks"):
        uris += [task.part("items").part(split).text for split in ("search", "test")]
        uris.append(task.part("sql").part("databases").text)
    if any(uri and uri.startswith("s3://") for uri in uris):
        return
    fields = [settings.part(name) for name in settings.schema["properties"]]
    if any(field.changed or isinstance(field.raw, dict) for field in fields):
        yield (
            f"{settings.path}: has no effect, spec.storage.uri {shown(where)} is a folder and "
            "nothing else lies on S3; remove spec.storage.s3, or write "
            "s3://bucket/prefix as spec.storage.uri"
        )


def ca_bundle(spec: Part) -> Iterator[str]:
    """The authorities come from a file or from a ConfigMap."""
    settings = spec.part("storage").part("s3")
    if settings.part("caBundle").text and isinstance(settings.part("caBundleRef").raw, dict):
        yield (
            f"{settings.part('caBundleRef').path}: stands beside caBundle; keep one of the two, "
            "caBundleRef for a cluster"
        )


def tracking(spec: Part) -> Iterator[str]:
    """The tracking server has an address without credentials, and names that it takes."""
    mlflow = spec.part("tracking").part("mlflow")
    uri = mlflow.part("uri")
    text = uri.text
    if text and (re.search(USERINFO, text) or re.search(SIGNED, text, re.IGNORECASE)):
        yield (
            f"{uri.path}: holds credentials, which never stand in a manifest; remove them and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in a "
            "cluster by credentialsSecretRef"
        )
    elif text and not re.fullmatch(MLFLOW_SERVER, text):
        yield (
            f"{uri.path}: {shown(text)} is not the address of an MLflow server; write "
            "http://host:port or https://host/path"
        )
    experiment, model = mlflow.part("experiment"), mlflow.part("registeredModel")
    if experiment.text and not re.fullmatch(TRACKED_NAME, experiment.text):
        yield (
            f"{experiment.path}: {shown(experiment.text)} begins or ends with a space, or holds a "
            "line break or another control character; remove it"
        )
    if model.text and not re.fullmatch(REGISTERED_MODEL, model.text):
        yield (
            f"{model.path}: {shown(model.text)} is no name of a registered model; write letters, "
            "digits, '_', '-', '.' and spaces (the last three not first or last)"
        )
