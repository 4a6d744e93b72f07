"""A run in TensorBoard: event files with curves, texts and the pictures of the report."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cycleqd.errors import InputError
from cycleqd.run.store import RunStore
from cycleqd.tracking.event_files import EventFolder
from cycleqd.tracking.models import ModelFacts, PublicationFacts, export_command
from cycleqd.tracking.translation import Point, parameters

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

RUN_TEXT = "cycleqd.run"
"""Text with our run's id, which is the first value of a folder."""

PARAMETERS_TEXT = "parameters"
MODELS_TEXT = "models"
PUBLISHED_TEXT = "published"
REPORT_TEXT = "report"
"""Text that says that all pictures of a report are there."""

PNG_SIZE = slice(16, 24)
"""Where a PNG file has its width and height."""

RGBA = 4


class TensorboardSink:
    """One run in a folder of event files.

    Args:
        events: the folder, which holds this run or nothing.
        run: what is tracked.

    Raises:
        InputError: the folder holds something else, or cannot be written to.
    """

    def __init__(self, events: EventFolder, run: RunStore) -> None:
        self._events = events
        self._store = run.objects.uri
        first = run.history.refresh()[0]
        self._source_id = first.run.run_id
        self._step = 0
        told = events.values(RUN_TEXT).get(0)
        if events.tags and told != self._source_id:
            raise InputError(
                f"{events.field}: {events.folder} holds event files of "
                f"{'something else' if told is None else told}, not of {self._source_id}; "
                "name another folder"
            )
        self._text(RUN_TEXT, self._source_id, 0, 0)
        self._text(PARAMETERS_TEXT, _table(("parameter", "value"), parameters(first).items()), 0, 0)
        events.flush()

    def known(self, key: str) -> Collection[int]:
        """See `cycleqd.tracking.sink.Sink`."""
        return self._events.values(key).keys()

    def add(self, points: Sequence[Point]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

        for point in points:
            self._step = max(self._step, point.step)
            value = Summary.Value(tag=point.key, simple_value=point.value)
            there = self._events.values(point.key).get(point.generation)
            if there is None:
                self._events.write(value, point.step, point.generation)
            elif there != value.simple_value:  # both in the 32 bits of event files
                raise InputError(
                    f"{self._events.field}: {self._events.folder} has another run of the id "
                    f"{self._source_id}: {point.key} of generation {point.generation} is "
                    f"{there} there, {point.value:g} in {self._store}; name another folder"
                )
        self._events.flush()

    def tag(self, tags: Mapping[str, str]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        for tag, text in tags.items():
            self._text(tag, text, 0, 0)
        self._events.flush()

    def publish(self, publication: PublicationFacts) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        model, held = publication.model, publication.held
        text = f"{model.candidate}: `{export_command(self._store, model.candidate)}`"
        if held is not None:
            text += f"\n\nheld back: {held.candidate}"
        self._text(PUBLISHED_TEXT, text, model.step, publication.generation)
        self._events.flush()

    def keep(self, models: Sequence[ModelFacts]) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        rows = [
            (
                model.candidate,
                ", ".join(model.roles),
                ", ".join(f"{key} {score:.4g}" for key, score in model.metrics().items()),
                f"`{export_command(self._store, model.candidate)}`",
            )
            for model in models
        ]
        if models:
            table = _table(("candidate", "roles", "scores", "to have it"), rows)
            self._text(MODELS_TEXT, table, models[0].step, models[0].generation)
            self._events.flush()

    def wants_report(self, generation: int) -> bool:
        """See `cycleqd.tracking.sink.Sink`."""
        return generation not in self._events.values(REPORT_TEXT)

    def attach_report(self, generation: int, folder: Path) -> None:
        """See `cycleqd.tracking.sink.Sink`."""
        for path in sorted(folder.glob("*.png")):
            value = _picture(f"{REPORT_TEXT}/{path.stem}", path.read_bytes())
            if generation not in self._events.values(value.tag):
                self._events.write(value, self._step, generation)
        text = f"`cycleqd report {self._store}` makes the page of these pictures"
        self._text(REPORT_TEXT, text, self._step, generation)
        self._events.flush()

    def end(self, *, complete: bool) -> None:
        """See `cycleqd.tracking.sink.Sink`; event files do not say whether something goes on."""

    def _text(self, tag: str, text: str, step: int, generation: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # noqa: PLC0415
        from tensorboard.compat.proto.tensor_pb2 import TensorProto  # noqa: PLC0415
        from tensorboard.compat.proto.types_pb2 import DT_STRING  # noqa: PLC0415

        if generation in self._events.values(tag):
            return
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
        value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._events.write(value, step, generation)


def _picture(tag: str, png: bytes) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    width, height = struct.unpack(">II", png[PNG_SIZE])
    image = Summary.Image(width=width, height=height, colorspace=RGBA, encoded_image_string=png)
    return Summary.Value(tag=tag, image=image)


def _table(titles: Sequence[str], rows: Collection[Sequence[str]]) -> str:
    """A table in Markdown, which TensorBoard shows as one."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "&#124;").replace("\n", " ")
