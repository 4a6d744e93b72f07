"""The run's ConfigMap as the kubelet shows it: a folder whose content changes at once.

The kubelet writes every version into a new folder and then turns the symbolic link ``..data`` to
it. Both files are therefore read from the folder that the link names, or else a manifest could be
taken for one of another generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cycleqd.contract.config_maps import DOCUMENT, GENERATION
from cycleqd.errors import InputError

_LINK = "..data"
_ATTEMPTS = 5
"""How often a version that vanishes while it is read is looked for again."""


@dataclass(frozen=True)
class ManifestVersion:
    """A manifest as the API server holds it.

    Attributes:
        text: the document.
        generation: its ``metadata.generation``, from 1 on.
    """

    text: str
    generation: int


class ManifestFolder:
    """Reads the folder, and notices when it changes.

    Args:
        folder: where the ConfigMap is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: ManifestVersion | None = None

    def read(self) -> ManifestVersion:
        """The present version.

        Raises:
            InputError: a file is missing or no number; the message names it.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._last = self._read()
                return self._last
            except FileNotFoundError as error:
                if attempt == _ATTEMPTS:
                    raise InputError(
                        f"{error.filename}: no such file; the run's manifest ConfigMap must be "
                        f"mounted at {self._folder} with the keys {DOCUMENT} and {GENERATION}"
                    ) from error
        raise AssertionError("the last attempt returns or raises")

    def changed(self) -> ManifestVersion | None:
        """The present version if it is another one than was last read.

        A folder that cannot be read now is no change.
        """
        before = self._last
        try:
            version = self.read()
        except (InputError, OSError):
            self._last = before
            return None
        return None if version == before else version

    def _read(self) -> ManifestVersion:
        link = self._folder / _LINK
        folder = self._folder / link.readlink() if link.is_symlink() else self._folder
        text = (folder / DOCUMENT).read_text("utf-8")
        number = (folder / GENERATION).read_text("utf-8").strip()
        if not number.isdecimal():
            raise InputError(
                f"{self._folder / GENERATION}: {number!r} is no whole number; it must hold the "
                "run's metadata.generation"
            )
        return ManifestVersion(text, int(number))
