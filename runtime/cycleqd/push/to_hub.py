"""Pushing to the Hugging Face hub, in one commit; who may is said by ``HF_TOKEN`` alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import InputError, ServiceUnavailable
from cycleqd.push.destinations import LABEL_FILE, Destination, Label, check_label

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def hub_api() -> HfApi:
    """The hub that ``HF_ENDPOINT`` names, by the token in ``HF_TOKEN``.

    Raises:
        InputError: its library is not installed.
    """
    try:
        from huggingface_hub import HfApi  # noqa: PLC0415 - takes 1 s
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; pushing to the hub needs the extra: "
            "pip install 'cycleqd-operator[runtime]'"
        ) from error
    return HfApi()


class HubPlace:
    """A repository of the hub as a place for one model.

    Args:
        api: the hub; `hub_api` is the one that this machine is set up for.
        destination: which repository.
        public: whether everybody may see it, where it is made.
        say: told what is done.
    """

    def __init__(
        self, api: HfApi, destination: Destination, *, public: bool, say: Callable[[str], None]
    ) -> None:
        self._api = api
        self._name = destination.name
        self._uri = destination.uri
        self._public = public
        self._say = say

    def claim(self, label: Label) -> bool:
        """Make the place the model's; whether all of it is there already.

        Raises:
            InputError: it is another model's, or the hub refuses.
            ServiceUnavailable: the hub does not answer.
        """
        with self._told():
            self._api.create_repo(self._name, private=not self._public, exist_ok=True)
            files = self._api.list_repo_files(self._name)
            sent = any(name.endswith(".safetensors") for name in files)
            if LABEL_FILE in files:
                path = self._api.hf_hub_download(self._name, LABEL_FILE)
                check_label(self._uri, Path(path).read_bytes(), label)
            elif sent:
                raise InputError(
                    f"DESTINATION: {self._uri} holds weights that cycleqd did not push; name "
                    "another model"
                )
        return sent

    def send(self, folder: Path) -> None:
        """Send everything in one commit; of files that arrived before, the hub takes none again.

        Raises:
            InputError: the hub refuses.
            ServiceUnavailable: the hub does not answer.
        """
        with self._told():
            done = self._api.upload_folder(
                repo_id=self._name, folder_path=folder, commit_message="Push by cycleqd"
            )
        self._say(str(done.commit_url))

    @contextmanager
    def _told(self) -> Iterator[None]:
        from huggingface_hub import errors  # noqa: PLC0415

        try:
            yield
        except errors.HfHubHTTPError as error:
            said = str(error).strip().partition("\n")[0]
            status = error.response.status_code
            if status in (401, 403):
                raise InputError(
                    f"DESTINATION: the hub refuses {self._uri} ({said}); set HF_TOKEN to a token "
                    "that may write there"
                ) from error
            if status < 500 and status not in (408, 429):
                raise InputError(f"DESTINATION: the hub refuses {self._uri}: {said}") from error
            raise self._away(said) from error
        except (OSError, errors.HTTPError) as error:  # the latter of whichever library it uses
            raise self._away(str(error)) from error

    def _away(self, said: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"DESTINATION: the hub does not answer ({said[:300]}); repeat the command later"
        )
