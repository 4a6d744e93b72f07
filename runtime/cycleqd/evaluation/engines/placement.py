"""Where each tensor of a checkpoint goes in a model of the transformers library.

A checkpoint's names are not always the model's: a prefix is there or not (``transformer.h.0``,
``language_model.model``), the experts of a mixture lie one by one or stacked, query, key and value
apart or fused. The library converts while it loads. It does not load again, so a swap of weights
follows the same rules of the library's here: most tensors are copied to their place one by one,
those that are converted together are held until all of them are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch

from cycleqd.checkpoints.modules import Modules
from cycleqd.errors import EngineError


@dataclass
class _Group:
    """Tensors that are converted together.

    Attributes:
        target: the first parameter that they become.
        converter: a ``transformers`` WeightConverter.
        patterns: by name of each tensor, which of the converter's sources it is.
    """

    target: str
    converter: Any
    patterns: dict[str, str] = field(default_factory=dict)


class Placement:
    """The places of a checkpoint's tensors.

    Attributes:
        unplaced: names for which the model has no place.
        ignored: those of them that the library leaves out on purpose.

    Args:
        model: a ``transformers.PreTrainedModel``; it may lie on the meta device.
        names: of the checkpoint's tensors.
    """

    def __init__(self, model: Any, names: Iterable[str]) -> None:  # noqa: ANN401 - has no types
        from transformers.conversion_mapping import get_model_conversion_mapping  # noqa: PLC0415
        from transformers.core_model_loading import (  # noqa: PLC0415  # slow to import
            WeightConverter,
            WeightRenaming,
            dot_natural_key,
        )

        self._model = model
        self._state: dict[str, torch.Tensor] = model.state_dict(keep_vars=True)
        rules = get_model_conversion_mapping(model)
        self._renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
        self._converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
        self._direct: dict[str, str] = {}
        self._groups: dict[str, _Group] = {}
        self._group_of: dict[str, _Group] = {}
        self.unplaced: list[str] = []
        # In the library's order: some rules look at what came before.
        for name in sorted(names, key=dot_natural_key):
            self._place(name)
        skipped = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()
        self.ignored = [
            name for name in self.unplaced if any(re.search(rule, name) for rule in skipped)
        ]

    def _place(self, name: str) -> None:
        target, pattern = self._renamed(name, convert=True)
        if target not in self._state and name in self._state:
            target, pattern = self._renamed(name, convert=False)
        if target not in self._state:
            self.unplaced.append(name)
        elif pattern is None:
            self._direct[name] = target
        else:
            group = self._groups.get(target)
            if group is None:
                known = next(c for c in self._converters if pattern in c.source_patterns)
                group = self._groups[target] = _Group(target, known)
            group.patterns[name] = pattern
            self._group_of[name] = group

    def _renamed(self, name: str, *, convert: bool) -> tuple[str, str | None]:
        from transformers.core_model_loading import rename_source_key  # noqa: PLC0415

        renamings, converters = (self._renamings, self._converters) if convert else ([], [])
        found: tuple[str, str | None] = rename_source_key(
            name, renamings, converters, self._model.base_model_prefix, self._state
        )
        return found

    def put(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy tensors into the model.

        Raises:
            EngineError: one has no place, or does not fit into it.
        """
        with torch.no_grad():
            for target, tensor in self.converted(tensors):
                self._state[target].copy_(tensor)

    def converted(
        self, tensors: Iterable[tuple[str, torch.Tensor]]
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """The model's tensors by its own names; only parts of a conversion are held.

        Raises:
            EngineError: one has no place, or does not fit into it.
        """
        waiting: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors:
            if name in self._direct:
                yield self._fitting(self._direct[name], tensor)
            elif name in self._group_of:
                group = self._group_of[name]
                parts = waiting.setdefault(group.target, {})
                parts[name] = tensor
                if len(parts) == len(group.patterns):
                    yield from self._convert(group, waiting.pop(group.target))
            elif name not in self.ignored:
                raise EngineError(f"weights: {name} is in the checkpoint but not in the model")
        if waiting:
            raise EngineError(f"weights: not all parts of {next(iter(waiting))} came")

    def _convert(
        self, group: _Group, parts: Mapping[str, torch.Tensor]
    ) -> Iterator[tuple[str, torch.Tensor]]:
        converter = deepcopy(group.converter)
        for name, pattern in group.patterns.items():
            converter.add_tensor(group.target, name, pattern, parts[name])
        try:
            made = converter.convert(group.target, model=self._model, config=self._model.config)
        except Exception as error:  # transformers documents no errors of its own
            raise EngineError(
                f"weights: {', '.join(parts)} cannot be made {group.target}: {error}"
            ) from error
        for target, tensor in made.items():
            yield self._fitting(target, tensor[0] if isinstance(tensor, list) else tensor)

    def _fitting(self, target: str, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
        place = self._state.get(target)
        if place is None or place.shape != tensor.shape:
            expected = None if place is None else list(place.shape)
            raise EngineError(
                f"weights: {target} has shape {list(tensor.shape)}, the model expects {expected}"
            )
        return target, tensor

    def holds(self, target: str, tensor: torch.Tensor) -> bool:
        """Whether the model's tensor is this one, in its own type."""
        place = self._state[target]
        return torch.equal(place, tensor.to(place.device, place.dtype))

    def source_of(self, parameter: torch.Tensor) -> str | None:
        """The checkpoint's name of a parameter that is stored as it is."""
        for name, target in self._direct.items():
            if self._state[target] is parameter:
                return name
        return None

    def twice(self) -> tuple[str, str] | None:
        """Two of the checkpoint's tensors that are one in the model, if there are such."""
        places: dict[int, str] = {}
        for name, target in self._direct.items():
            earlier = places.setdefault(id(self._state[target]), name)
            if earlier != name:
                return earlier, name
        return None

    def tunable(self) -> list[str]:
        """Weights of linear layers but the head, where the checkpoint names them as the model."""
        layers = {
            f"{path}.weight"
            for path, module in self._model.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        output = self._model.get_output_embeddings()
        head = None if output is None else self.source_of(output.weight)
        return sorted(
            name
            for name, target in self._direct.items()
            if name == target and name in layers and name != head
        )

    def modules(self) -> Modules:
        """The places of the tensors that are stored as they are, and which are linear layers'."""
        from transformers.pytorch_utils import Conv1D  # noqa: PLC0415  # slow to import

        modules = {f"{path}.weight": module for path, module in self._model.named_modules()}
        output = self._model.get_output_embeddings()
        head = next((name for name, module in modules.items() if module is output), None)
        return Modules(
            names=dict(self._direct),
            linear={
                name: isinstance(modules[target], Conv1D)
                for name, target in self._direct.items()
                if target != head and isinstance(modules.get(target), torch.nn.Linear | Conv1D)
            },
            head=head,
        )

    def missing(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Parameters that tensors of these shapes leave as they were drawn.

        Args:
            shapes: of the checkpoint's tensors by name.

        Raises:
            EngineError: one does not fit into its place.
        """
        meta = ((name, torch.empty(shape, device="meta")) for name, shape in shapes.items())
        filled = {id(self._state[target]) for target, _ in self.converted(meta)}
        # Buffers are computed by whoever makes the model.
        return [
            name
            for name, tensor in self._state.items()
            if isinstance(tensor, torch.nn.Parameter) and id(tensor) not in filled
        ]
