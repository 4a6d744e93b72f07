"""Everything that is wrong with what the user gave, told at once, each line by its field.

A store or a hub that fails is no refusal: it may answer later. What it says passes at once, with
the field whose URI was meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cycleqd.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType


class Refusals:
    """Collects refusals, so that one look is enough to mend all of them."""

    def __init__(self) -> None:
        self._errors: list[InputError] = []
        self._origins: dict[str, str] = {}

    def call(self, folder: Path, uri: str) -> None:
        """Let what is refused name a checkpoint as the user did, not by its copy on this machine.

        Args:
            folder: where it was downloaded to.
            uri: where from.
        """
        if "://" in uri:
            self._origins[str(folder)] = uri.rstrip("/")

    def of(self, field: str = "") -> Keeping:
        """A block after which the caller goes on; what it refuses is kept.

        Args:
            field: of the manifest, that is to blame; empty where the message says so itself.
        """
        return Keeping(self._errors, field, self._origins)

    def raise_any(self) -> None:
        """Refuse, if anything was wrong.

        Raises:
            InputError: all of it, one problem a line.
        """
        if not self._errors:
            return
        kinds = {type(error) for error in self._errors}
        kind = kinds.pop() if len(kinds) == 1 else InputError
        raise kind("\n".join(str(error) for error in self._errors))


class Keeping:
    """Keeps what is wrong with a checkpoint, a dataset or what would read it.

    Args:
        errors: where it is kept.
        field: begins each line of the message.
        origins: what the message calls each folder that was downloaded.
    """

    def __init__(self, errors: list[InputError], field: str, origins: Mapping[str, str]) -> None:
        self._errors = errors
        self._field = field
        self._origins = origins

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End the block; true where what ended it is kept.

        Raises:
            StoreError: what ended it, with the field.
        """
        if isinstance(error, StoreError) and self._field:
            raise type(error)(f"{self._field}: {error}") from (error.__cause__ or error)
        if not isinstance(error, InputError):
            return False
        said = text = str(error)
        for folder, uri in self._origins.items():
            text = text.replace(folder, uri)
        if self._field:
            text = "\n".join(f"{self._field}: {line}" for line in text.splitlines())
        self._errors.append(error if text == said else type(error)(text))
        return True
