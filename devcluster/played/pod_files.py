"""What a pod's process finds around it: its volumes as local folders, its environment resolved.

A volume is a folder below the pod's; where a container mounts it, the mount path is replaced by the
folder in arguments and environment. ConfigMaps and Secrets change as under a kubelet: a new folder
is filled and the link ``..data`` moved to it, so a reader never sees half of a change.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.base.cluster import Json
    from devcluster.played.node_api import NodeApi

TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_METADATA_ENTRY = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class PodFiles:
    """Volumes and environment of one pod.

    Args:
        api: of its node.
        pod: the object.
        folder: to put volumes in.
    """

    def __init__(self, api: NodeApi, pod: Json, folder: Path) -> None:
        self.api = api
        self.pod = pod
        self.folder = folder
        self._written: dict[str, dict[str, bytes]] = {}

    @property
    def namespace(self) -> str:
        """Of the pod."""
        return str(self.pod["metadata"]["namespace"])

    def refresh(self) -> None:
        """Write all volumes, or what has changed in them since the last call.

        Raises:
            kubernetes.client.ApiException: a ConfigMap or Secret cannot be read.
            ValueError: a kind of volume that is not played.
        """
        for volume in self.pod["spec"].get("volumes", []):
            target = self.folder / str(volume["name"])
            if "emptyDir" in volume:
                target.mkdir(parents=True, exist_ok=True)
                continue
            files = self._files(volume)
            if self._written.get(volume["name"]) != files:
                write_atomically(target, files)
                self._written[volume["name"]] = files

    def mounts(self, container: Json) -> dict[str, Path]:
        """Local folders by mount path."""
        return {
            mount["mountPath"].rstrip("/"): self.folder / mount["name"] / mount.get("subPath", "")
            for mount in container.get("volumeMounts", [])
        }

    def environment(self, container: Json) -> dict[str, str]:
        """The container's own variables.

        Raises:
            kubernetes.client.ApiException: a ConfigMap or Secret cannot be read.
            KeyError: it lacks a key.
            ValueError: a source that is not played.
        """
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            for key, value in self._data(_without_ref(source)).items():
                found[source.get("prefix", "") + key] = value.decode()
        for variable in container.get("env", []):
            if "valueFrom" not in variable:
                found[variable["name"]] = expand(variable.get("value", ""), found)
                continue
            taken = self._value_from(variable["valueFrom"])
            if taken is not None:
                found[variable["name"]] = taken
        return found

    def field(self, path: str) -> str:
        """A field of the pod as the downward API gives it."""
        if match := _METADATA_ENTRY.fullmatch(path):
            return str(self.pod["metadata"].get(match[1], {}).get(match[2], ""))
        if path in {"status.podIP", "status.hostIP"}:
            return "127.0.0.1"
        value = self.pod
        for name in path.split("."):
            value = value[name]
        return str(value)

    def _value_from(self, source: Json) -> str | None:
        if "fieldRef" in source:
            return self.field(source["fieldRef"]["fieldPath"])
        reference = source.get("configMapKeyRef") or source.get("secretKeyRef")
        if reference is None:
            raise ValueError(f"environment from {', '.join(source)} is not played")
        data = self._data(_without_ref(source))
        if reference["key"] not in data:
            if reference.get("optional"):
                return None
            raise KeyError(f"couldn't find key {reference['key']} in {reference['name']}")
        return data[reference["key"]].decode()

    def _files(self, source: Json) -> dict[str, bytes]:
        """Content by path of a volume, or of one source of a projected volume."""
        if "projected" in source:
            projected: dict[str, bytes] = {}
            for part in source["projected"]["sources"]:
                projected |= self._files(part)
            return projected
        if "serviceAccountToken" in source:
            return self._token(source["serviceAccountToken"])
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return {i["path"]: self.field(i["fieldRef"]["fieldPath"]).encode() for i in items}
        data = self._data(source)
        reference = source.get("configMap") or source.get("secret") or {}
        if items := reference.get("items"):
            return {item["path"]: data[item["key"]] for item in items if item["key"] in data}
        return data

    def _token(self, source: Json) -> dict[str, bytes]:
        for files in self._written.values():
            if source["path"] in files:
                return {source["path"]: files[source["path"]]}
        token = self.api.token(self.pod, int(source.get("expirationSeconds", 3600)))
        return {source["path"]: token.encode()}

    def _data(self, source: Json) -> dict[str, bytes]:
        """The data of a referenced ConfigMap or Secret; empty where it is optional and absent."""
        reference: Json = source.get("configMap") or source.get("secret") or {}
        name = reference.get("name") or reference.get("secretName")
        if name is None:
            raise ValueError(f"a volume of {', '.join(source)} is not played")
        try:
            if "configMap" in source:
                found = self.api.config_map(self.namespace, name)
            else:
                found = self.api.secret(self.namespace, name)
        except Exception as error:
            if reference.get("optional") and getattr(error, "status", None) == 404:
                return {}
            raise
        if "secret" in source:
            return {key: base64.b64decode(text) for key, text in found.get("data", {}).items()}
        texts = {key: text.encode() for key, text in found.get("data", {}).items()}
        binary = found.get("binaryData", {})
        return texts | {key: base64.b64decode(text) for key, text in binary.items()}


def localise(value: str, mounts: Mapping[str, Path]) -> str:
    """Replace a mount path that a value begins with by its local folder."""
    for path in sorted(mounts, key=len, reverse=True):
        if value == path or value.startswith(f"{path}/"):
            return f"{mounts[path]}".rstrip("/") + value[len(path) :]
    return value


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` where NAME is known, as Kubernetes does in commands and values."""
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text)


def write_atomically(folder: Path, files: Mapping[str, bytes]) -> None:
    """Give a folder these files at one moment, by the link ``..data`` as kubelets do."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "..data"
    number = int(link.readlink().name.removeprefix("..")) + 1 if link.is_symlink() else 0
    fresh = folder / f"..{number}"
    for path, content in files.items():
        (fresh / path).parent.mkdir(parents=True, exist_ok=True)
        (fresh / path).write_bytes(content)
    fresh.mkdir(exist_ok=True)
    moving = folder / "..data_moving"
    moving.symlink_to(fresh.name)
    moving.replace(link)
    names = {Path(path).parts[0] for path in files}
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)
    for entry in os.scandir(folder):
        if not entry.name.startswith("..") and entry.name not in names:
            Path(entry.path).unlink()
    shutil.rmtree(folder / f"..{number - 1}", ignore_errors=True)


def _without_ref(source: Json) -> Json:
    """`configMapKeyRef` and the like in the form that volumes use."""
    for kind in ("configMap", "secret"):
        for suffix in ("KeyRef", "Ref"):
            if kind + suffix in source:
                return {kind: source[kind + suffix]}
    return source
