"""What ``adapter_config.json`` of a PEFT LoRA says, with the meaning that peft gives it. No torch.

Each module's rank, scale and whether it is adapted at all follow from patterns over its name; they
are matched here as `peft.tuners.tuners_utils` and `peft.utils.other` match them. Settings that only
concern training are passed over. A setting that makes the adapter something else than a low-rank
product beside unchanged weights is refused by name, one that is not known here too: a wrong guess
would be a model that nobody trained.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import ADAPTER_CONFIG_FILE, read_json
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MERGE = (
    "merge it into its base (PeftModel.merge_and_unload, then save_pretrained) and give the full "
    "checkpoint"
)
"""The remedy for every adapter that is not a plain LoRA."""

Number = TypeVar("Number", int, float)

ALL_LINEAR = "all-linear"
_LARGEST_RANK = 1 << 20
_MOST = 1e30
# Around an expression of a pattern: it may name the end of a module alone.
_BEFORE, _AFTER = r"(.*\.)?(", ")$"

# What training alone needs, and what describes the adapter without changing it.
_PASSED_OVER = frozenset(
    {
        "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "fan_in_fan_out",
        "inference_mode", "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core",
        "peft_type", "peft_version", "qalora_group_size", "revision", "runtime_config", "task_type",
    }
)  # fmt: skip
_READ = frozenset(
    {
        "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules",
        "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save", "bias",
        "init_lora_weights", "ensure_weight_tying",
    }
)  # fmt: skip
# These leave the base as it was; PiSSA, OLoRA, LoftQ, CorDA and LoRA-GA take what they put into the
# adapter out of the base's weights.
_PLAIN_BEGINNINGS = ("gaussian", "eva", "orthogonal")
_NAMES = {
    "use_dora": "DoRA, which rescales each row of the weights",
    "lora_bias": "a bias on the adapter",
    "use_qalora": "QALoRA, which pools the inputs",
    "alora_invocation_tokens": "activated LoRA, which acts on some tokens only",
    "layer_replication": "layers that are repeated",
    "trainable_token_indices": "rows of the embeddings trained by themselves",
    "target_parameters": "adapters on parameters instead of modules",
    "megatron_config": "parallel layers of Megatron",
}


@dataclass(frozen=True)
class LoraConfig:
    """The settings of a plain LoRA.

    Attributes:
        path: the file.
        rank: of modules that ``rank_patterns`` does not name.
        alpha: of modules that ``alpha_patterns`` does not name.
        rank_stabilised: whether the product is scaled by ``alpha / sqrt(rank)``.
        rank_patterns: expressions and ranks; the first that matches a module counts.
        alpha_patterns: expressions and alphas, likewise.
        targets: the adapted modules' names or ends of names; one expression, or `ALL_LINEAR`.
        excluded: modules that are not adapted, likewise.
        layers: numbers of the layers that are adapted, None for all.
        layers_patterns: expressions with a group ``layer``, one of which finds a module's layer.
        saved_modules: expressions of the modules that are trained whole and saved beside, by what
            the file calls them.
        ties_adapters: whether what is trained of the embeddings is meant for a tied head too.
    """

    path: Path
    rank: int
    alpha: float
    rank_stabilised: bool
    rank_patterns: tuple[tuple[re.Pattern[str], int], ...]
    alpha_patterns: tuple[tuple[re.Pattern[str], float], ...]
    targets: frozenset[str] | str
    excluded: frozenset[str] | str
    layers: frozenset[int] | None
    layers_patterns: tuple[re.Pattern[str], ...]
    saved_modules: Mapping[str, re.Pattern[str]]
    ties_adapters: bool

    def rank_of(self, module: str) -> int:
        """The rank of a module's adapter."""
        return _by_pattern(self.rank_patterns, module, self.rank)

    def scale_of(self, module: str) -> float:
        """The factor of the product ``B A`` of a module's adapter."""
        alpha = _by_pattern(self.alpha_patterns, module, self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)

    def adapts(self, module: str) -> bool:
        """Whether a module is adapted, if it is of a kind that can be.

        With `ALL_LINEAR` the kind decides, so the answer is yes for every module.
        """
        if _names(self.excluded, module) or self.saves(module):
            return False
        if self.targets == ALL_LINEAR:
            return True
        if not _names(self.targets, module):
            return False
        # A whole name counts in every layer.
        if isinstance(self.targets, str) or module in self.targets or self.layers is None:
            return True
        return self.layer_of(module) in self.layers

    def saves(self, module: str) -> bool:
        """Whether a module is trained whole, or lies in one that is."""
        return any(pattern.match(module) is not None for pattern in self.saved_modules.values())

    def layer_of(self, module: str) -> int | None:
        """The number of the layer that a module lies in, None where it lies in no layer."""
        for pattern in self.layers_patterns:
            if (match := pattern.match(module)) is not None:
                return int(match["layer"])
        return None


def read_lora_config(folder: Path) -> LoraConfig:
    """The configuration of an adapter's folder.

    Raises:
        CheckpointError: it cannot be read, or is not that of a plain LoRA; the message names the
            field.
    """
    path = folder / ADAPTER_CONFIG_FILE
    fields = _Fields(path, read_json(path))
    fields.refuse_others()
    targets = fields.names("target_modules")
    if not targets:
        raise fields.wrong("target_modules", "the names of the adapted modules")
    if isinstance(targets, str) and targets.lower() == ALL_LINEAR:
        targets = ALL_LINEAR
    layers = fields.layers("layers_to_transform")
    if layers is not None and isinstance(targets, str):
        raise fields.wrong("layers_to_transform", "none beside a pattern in target_modules")
    return LoraConfig(
        path=path,
        rank=fields.rank("r", fields.document.get("r", 8)),
        alpha=fields.number("lora_alpha", fields.document.get("lora_alpha", 8)),
        rank_stabilised=fields.flag("use_rslora"),
        rank_patterns=fields.patterns("rank_pattern", fields.rank),
        alpha_patterns=fields.patterns("alpha_pattern", fields.number),
        targets=targets,
        excluded=fields.names("exclude_modules"),
        layers=layers,
        layers_patterns=fields.layers_patterns("layers_pattern"),
        saved_modules=fields.saved_modules("modules_to_save"),
        ties_adapters=fields.flag("ensure_weight_tying"),
    )


class _Fields:
    """Fields of the document, each looked at before it is believed."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document

    def wrong(self, name: str, expected: str, found: object = None) -> CheckpointError:
        found = self.document.get(name) if found is None else found
        return CheckpointError(
            f"{self.path}: {name}: found {quoted(found)}, expected {expected}; "
            "correct it or download it again"
        )

    def refuse_others(self) -> None:
        """Refuse what is no plain LoRA."""
        kind = self.document.get("peft_type")
        if kind != "LORA":
            raise CheckpointError(
                f"{self.path}: peft_type: found {quoted(kind)}, expected 'LORA'; {MERGE}"
            )
        bias = self.document.get("bias") or "none"
        if bias != "none":
            raise CheckpointError(
                f"{self.path}: bias: found {quoted(bias)}, expected 'none'; biases that were "
                f"trained beside the adapter are not read: {MERGE}"
            )
        begin = self.document.get("init_lora_weights", True)
        if not isinstance(begin, bool | None) and begin not in _PLAIN_BEGINNINGS:
            raise CheckpointError(
                f"{self.path}: init_lora_weights: found {quoted(begin)}, which changes the base's "
                "weights; save the adapter with path_initial_model_for_weight_conversion, which "
                f"makes a plain LoRA of it, or {MERGE}"
            )
        for name, value in self.document.items():
            # Empty and off are what a setting is where it is not used.
            if value and name not in _PASSED_OVER and name not in _READ:
                what = _NAMES.get(name, "a setting that is not known here")
                shown = name if name.isidentifier() else quoted(name)
                raise CheckpointError(
                    f"{self.path}: {shown}: found {quoted(value)}: {what}; {MERGE}"
                )

    def rank(self, name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST_RANK:
            raise self.wrong(name, "a rank, a whole number above 0", value)
        return value

    def number(self, name: str, value: object) -> float:
        # Written so that what is not a number is not within the limit either.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
            raise self.wrong(name, "a number", value)
        return float(value)

    def flag(self, name: str) -> bool:
        value = self.document.get(name)
        if not isinstance(value, bool | None):
            raise self.wrong(name, "true or false")
        return bool(value)

    def patterns(
        self, name: str, parse: Callable[[str, object], Number]
    ) -> tuple[tuple[re.Pattern[str], Number], ...]:
        value = self.document.get(name) or {}
        if not isinstance(value, dict):
            raise self.wrong(name, "an object of patterns and numbers")
        return tuple(
            (
                self.expression(name, pattern, f"{_BEFORE}{pattern}{_AFTER}"),
                parse(f"{name} of {quoted(pattern)}", number),
            )
            for pattern, number in value.items()
        )

    def names(self, name: str) -> frozenset[str] | str:
        """Names, or one regular expression."""
        value = self.document.get(name)
        if isinstance(value, str):
            self.expression(name, value, value)
            return value
        return frozenset(self.texts(name, value))

    def saved_modules(self, name: str) -> dict[str, re.Pattern[str]]:
        return {
            text: self.expression(name, text, rf"(^|.*\.){text}($|\..*)")
            for text in self.texts(name, self.document.get(name))
        }

    def layers(self, name: str) -> frozenset[int] | None:
        value = self.document.get(name)
        numbers = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
            raise self.wrong(name, "numbers of layers")
        return frozenset(numbers) if numbers else None

    def layers_patterns(self, name: str) -> tuple[re.Pattern[str], ...]:
        value = self.document.get(name) or []
        texts = self.texts(name, [value] if isinstance(value, str) else value)
        # The first number counts: that of the layer, not that of one of its experts.
        expressions = {text: rf"(?:^|.*?\.){text}\.(?P<layer>\d+)\." for text in texts}
        anything = {"": r".*?\.[^.]*\.(?P<layer>\d+)\."}
        return tuple(
            self.expression(name, text, whole) for text, whole in (expressions or anything).items()
        )

    def expression(self, name: str, text: str, whole: str) -> re.Pattern[str]:
        """A regular expression made of one in the file."""
        try:
            re.compile(text)
            return re.compile(whole)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.wrong(name, f"a regular expression ({error})", text) from error

    def texts(self, name: str, value: object) -> tuple[str, ...]:
        texts = [] if value is None else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
            raise self.wrong(name, "a list of module names")
        return tuple(texts)


def written(expression: re.Pattern[str]) -> str:
    """An expression of ``rank_patterns`` or ``alpha_patterns`` as it stands in the file."""
    return expression.pattern.removeprefix(_BEFORE).removesuffix(_AFTER)


def ends_of(module: str) -> Iterator[str]:
    """A module's name, and what is left of it after each of its dots."""
    while module:
        yield module
        module = module.partition(".")[2]


def _by_pattern(
    patterns: tuple[tuple[re.Pattern[str], Number], ...], module: str, otherwise: Number
) -> Number:
    return next((number for pattern, number in patterns if pattern.match(module)), otherwise)


def _names(names: frozenset[str] | str, module: str) -> bool:
    if isinstance(names, str):
        return re.fullmatch(names, module) is not None
    return not names.isdisjoint(ends_of(module))
