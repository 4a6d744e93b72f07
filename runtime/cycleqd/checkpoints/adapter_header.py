"""A PEFT LoRA folder beside the base that it was trained from, before a weight is read. No torch.

`AdapterHeader.open` says which tensor of the base gains which product, and which ones are replaced
whole (``modules_to_save``). What peft would leave out in silence when it opens the adapter (a name
that matches no module, a pair that is not there) is refused here, so that what is merged is what
was trained.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cycleqd.checkpoints.compatibility import check_tokenizer
from cycleqd.checkpoints.configuration import language_settings
from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_FILE,
    INDEX_FILE,
    SINGLE_FILE,
    check_companions,
    kind_of,
)
from cycleqd.checkpoints.header import is_embedding
from cycleqd.checkpoints.lora_config import (
    ALL_LINEAR,
    MERGE,
    LoraConfig,
    ends_of,
    read_lora_config,
    written,
)
from cycleqd.checkpoints.safetensors_file import FLOAT_TYPES, FileHeader, TensorInfo, read_header
from cycleqd.checkpoints.vocabulary import is_own_head, is_tied, rows_of, with_rows
from cycleqd.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from cycleqd.checkpoints.header import CheckpointHeader

_PREFIX = "base_model.model."
_LINEAR = re.compile(r"(.+)\.lora_(A|B)\.weight")
_EMBEDDING = re.compile(r"(.+)\.lora_embedding_(A|B)")
_OTHERS = {
    "lora_magnitude_vector": "the magnitudes of DoRA",
    "lora_B.bias": "a bias on the adapter (lora_bias)",
    "trainable_tokens_delta": "rows of the embeddings trained by themselves",
}
# Families whose layers store their weights as (inputs, outputs), transformers' Conv1D. peft sets
# fan_in_fan_out by the layer's class, whatever the file says.
_WITH_CONV1D = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
_CONV1D = frozenset({"c_attn", "c_fc", "c_proj", "q_attn"})
UNTIE = (
    "the base ties its output head to the embeddings and the adapter changes one of them alone; "
    "untie the base (`cycleqd fit-base BASE --untie --out FOLDER`, and name FOLDER as "
    "spec.base.uri), or train with ensure_weight_tying"
)


@dataclass(frozen=True)
class LowRankTensor:
    """The product that one tensor of the base gains: ``scale B A``, or its transpose.

    Attributes:
        name: the base's tensor.
        a: (rank, inputs).
        b: (outputs, rank).
        scale: factor of the product.
        transposed: whether the base stores the tensor as (inputs, outputs), as embeddings are.
        embeds: whether it is an embedding.
    """

    name: str
    a: TensorInfo
    b: TensorInfo
    scale: float
    transposed: bool
    embeds: bool


@dataclass(frozen=True)
class AdapterHeader:
    """What an adapter does to its base.

    Attributes:
        folder: where it is.
        file: the header of its weights.
        products: low-rank parts, in the order of the base's tensors.
        whole: tensors that take the place of the base's, by the base's name.
        heads: those of an output head that the base ties to its embeddings.
        head_products: the same of low-rank parts; they must be those of the embeddings.
        tied: names of the embeddings that are the base's output head too.
        ties_adapters: whether what is trained of them is meant for both.
        prefix: what modules' names begin with although the base's tensors do not.
    """

    folder: Path
    file: FileHeader
    products: tuple[LowRankTensor, ...]
    whole: dict[str, TensorInfo]
    heads: tuple[TensorInfo, ...]
    head_products: tuple[LowRankTensor, ...]
    tied: frozenset[str]
    ties_adapters: bool
    prefix: str

    @classmethod
    def open(
        cls, folder: Path, base: CheckpointHeader, *, base_vocabulary: bool = False
    ) -> AdapterHeader:
        """Read an adapter's configuration and header, and match them with the base.

        Args:
            folder: where it is.
            base: the base.
            base_vocabulary: whether saved embeddings and heads may have more rows than the base's,
                which are left out (`vocabulary: Base`).

        Raises:
            CheckpointError: it is no plain LoRA, is not whole, or does not fit the base.
        """
        config = read_lora_config(folder)
        file = _file_header(folder)
        check_companions(folder)
        check_tokenizer(base, folder, base_vocabulary=base_vocabulary)
        if base_vocabulary:
            file = with_rows(file, rows_of(base))
        return _Matching(folder, config, file, base).header()


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model of its own."""
    if any(kind_of(folder / name) is not None for name in (SINGLE_FILE, INDEX_FILE)):
        return False
    return kind_of(folder / ADAPTER_CONFIG_FILE) is not None


def _file_header(folder: Path) -> FileHeader:
    path = folder / ADAPTER_FILE
    if kind_of(path) is None:
        raise CheckpointError(
            f"{path}: missing; an adapter_model.bin is a pickle, which can run code when loaded: "
            "open it with peft where you trust it and save it with save_pretrained, which writes "
            "safetensors"
        )
    header = read_header(path)
    for info in header.tensors:
        if info.dtype not in FLOAT_TYPES:
            raise CheckpointError(
                f"{path}: tensor {quoted(info.name)}: found dtype {info.dtype}, expected one of "
                f"{', '.join(sorted(FLOAT_TYPES))}; save the adapter in one of these"
            )
    return header


def tied_embeddings(base: CheckpointHeader) -> frozenset[str]:
    """The embeddings that are the output head too."""
    if not is_tied(base):
        return frozenset()
    settings = language_settings(base.config)
    shape = (settings.get("vocab_size"), settings.get("hidden_size"))
    named = {tensor.name: tensor.shape for tensor in base.tensors if is_embedding(tensor.name)}
    return frozenset(name for name in named if named[name] == shape) or frozenset(named)


class _Matching:
    """The tensors of an adapter's file, each put to a tensor of the base."""

    def __init__(
        self, folder: Path, config: LoraConfig, file: FileHeader, base: CheckpointHeader
    ) -> None:
        self.folder = folder
        self.config = config
        self.file = file
        self.base = base
        self.shapes = {tensor.name: tensor.shape for tensor in base.tensors}
        self.tied = tied_embeddings(base)
        self.pairs: dict[str, dict[str, TensorInfo]] = {}
        self.embeddings: set[str] = set()
        self.others: dict[str, TensorInfo] = {}
        self._sort()
        self.prefix = self._prefix()

    def header(self) -> AdapterHeader:
        order = {name: number for number, name in enumerate(self.shapes)}
        products = [self._product(module, parts) for module, parts in self.pairs.items()]
        self._check_targets()
        self._check_missing()
        whole, heads = self._whole()
        return AdapterHeader(
            folder=self.folder,
            file=self.file,
            products=tuple(
                sorted((p for p in products if p.name in order), key=lambda p: order[p.name])
            ),
            whole=whole,
            heads=heads,
            head_products=tuple(p for p in products if p.name not in order),
            tied=self.tied,
            ties_adapters=self.config.ties_adapters,
            prefix=self.prefix,
        )

    def _sort(self) -> None:
        """Tensors of the file by what they are."""
        for info in self.file.tensors:
            for part, what in _OTHERS.items():
                if part in info.name:
                    raise self._refused(info, f"{what}; {MERGE}")
            if not info.name.startswith(_PREFIX):
                raise self._refused(info, f"expected a name that begins with {_PREFIX}; {MERGE}")
            name = info.name.removeprefix(_PREFIX)
            match = _LINEAR.fullmatch(name) or _EMBEDDING.fullmatch(name)
            if match is not None:
                parts = self.pairs.setdefault(match[1], {})
                if match[2] in parts:
                    raise self._refused(info, f"stands beside {quoted(parts[match[2]].name)}")
                parts[match[2]] = info
                if _EMBEDDING.fullmatch(name):
                    self.embeddings.add(match[1])
            elif ".lora_" in name:
                raise self._refused(info, f"no part of a LoRA that peft saves; {MERGE}")
            else:
                self._sort_whole(name, info)

    def _sort_whole(self, name: str, info: TensorInfo) -> None:
        # Where the vocabulary was resized, peft saves its own wrapper of a saved module beside it:
        # the same tensor once more, and the one that it replaces.
        if ".original_module." in name:
            return
        own = name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
        known = self.others.get(own)
        if known is None or ".modules_to_save." in known.name:
            self.others[own] = info
        elif ".modules_to_save." not in name:
            raise self._refused(info, f"stands beside {quoted(known.name)}; save it again")

    def _prefix(self) -> str:
        """What the names of modules begin with although the base's tensors do not.

        GPT-2 lies on the hub without the ``transformer.`` that its class gives every module.
        """
        names = [f"{module}.weight" for module in self.pairs] + list(self.others)
        if any(name in self.shapes for name in names):
            return ""
        first = {name.partition(".")[0] for name in names if name.partition(".")[2] in self.shapes}
        return f"{first.pop()}." if len(first) == 1 else ""

    def _name(self, name: str) -> str:
        """The base's tensor of a name in the adapter; the name itself where there is none."""
        if name in self.shapes:
            return name
        return name.removeprefix(self.prefix)

    def _is_tied_head(self, name: str) -> bool:
        return bool(self.tied) and name.endswith("lm_head.weight")

    def _is_conv1d(self, module: str) -> bool:
        family = language_settings(self.base.config).get("model_type")
        return family in _WITH_CONV1D and module.rpartition(".")[2] in _CONV1D

    def _product(self, module: str, parts: dict[str, TensorInfo]) -> LowRankTensor:
        lone = next(iter(parts.values()))
        if len(parts) < 2:
            other = "B" if "A" in parts else "A"
            raise self._refused(lone, f"the {other} that belongs to it is missing; save it again")
        name = self._name(f"{module}.weight")
        head = name not in self.shapes and self._is_tied_head(name)
        if name not in self.shapes and not head:
            raise self._refused(
                lone, f"module {quoted(module)} has no weight in the base {self.base.folder}; give "
                "the base that the adapter was trained from"
            )  # fmt: skip
        # An adapter of a tied base fits one that was given a head: both products are in its file.
        twin = is_own_head(name) and self.config.ties_adapters
        if not self.config.adapts(module) and not twin:
            raise CheckpointError(
                f"{self.config.path}: target_modules: does not name module {quoted(module)}, which "
                f"{ADAPTER_FILE} has a product for, so peft would leave it out; correct the field "
                "or save the adapter again"
            )
        if (head or name in self.tied) and not self.config.ties_adapters:
            raise self._refused(lone, UNTIE)
        embeds = module in self.embeddings
        transposed = embeds or self._is_conv1d(module)
        shape = self.shapes[min(self.tied)] if head else self.shapes[name]
        self._check_shapes(module, parts, shape[::-1] if transposed else shape)
        scale = self.config.scale_of(module)
        return LowRankTensor(name, parts["A"], parts["B"], scale, transposed, embeds)

    def _check_shapes(
        self, module: str, parts: dict[str, TensorInfo], shape: tuple[int, ...]
    ) -> None:
        rank = self.config.rank_of(module)
        if len(shape) != 2:
            raise self._refused(
                parts["A"], f"the base's tensor has shape {quoted(list(shape))}, and only products "
                f"on matrices are read; {MERGE}"
            )  # fmt: skip
        expected = {"A": (rank, shape[1]), "B": (shape[0], rank)}
        for letter, info in sorted(parts.items()):
            if info.shape != expected[letter]:
                raise self._refused(
                    info, f"found shape {quoted(list(info.shape))}, expected "
                    f"{quoted(list(expected[letter]))} by {ADAPTER_CONFIG_FILE} and the base; give "
                    "the base that the adapter was trained from, or save the adapter again"
                )  # fmt: skip

    def _modules(self) -> list[str]:
        """Modules of the base that may be adapted, by the names that the adapter uses."""
        return [
            f"{self.prefix}{name.removesuffix('.weight')}"
            for name, shape in self.shapes.items()
            if name.endswith(".weight") and len(shape) == 2
        ]

    def _check_targets(self) -> None:
        """Every name in the configuration must mean something here."""
        config, adapted = self.config, list(self.pairs)
        expressions = {"rank_pattern": config.rank_patterns, "alpha_pattern": config.alpha_patterns}
        unmatched = [
            (field, written(expression))
            for field, patterns in expressions.items()
            for expression, _ in patterns
            if not any(map(expression.match, adapted))
        ]
        if not isinstance(config.targets, str):
            ends = {end for module in adapted for end in ends_of(module)}
            unmatched += [("target_modules", name) for name in sorted(config.targets - ends)]
        saved = [name.rpartition(".")[0] for name in self.others]
        unmatched += [
            ("modules_to_save", name)
            for name in config.saved_modules
            if not any(name in module for module in saved)
        ]
        if config.layers is not None:
            found = set(map(config.layer_of, adapted))
            unmatched += [
                ("layers_to_transform", str(number)) for number in sorted(config.layers - found)
            ]
        if unmatched:
            field, name = unmatched[0]
            raise CheckpointError(
                f"{config.path}: {field}: {quoted(name)} matches no module that {ADAPTER_FILE} "
                "holds; take it out of the field if nothing was trained there, else save the "
                "adapter again"
            )

    def _check_missing(self) -> None:
        # What "all-linear" names is told by the modules' classes, which a header does not have.
        if self.config.targets == ALL_LINEAR:
            return
        for module in self._modules():
            if module not in self.pairs and self.config.adapts(module):
                raise CheckpointError(
                    f"{self.file.path}: tensor {quoted(f'{_PREFIX}{module}.lora_A.weight')}: "
                    f"missing, although target_modules in {ADAPTER_CONFIG_FILE} names its module; "
                    "save the adapter again"
                )

    def _whole(self) -> tuple[dict[str, TensorInfo], tuple[TensorInfo, ...]]:
        """Tensors that replace those of the base, and those of a head that it ties."""
        found: dict[str, TensorInfo] = {}
        heads = []
        for name, info in self.others.items():
            own = self._name(name)
            expected = self.shapes.get(own)
            if expected is None and self._is_tied_head(own):
                heads.append(info)
                continue
            if expected is None:
                raise self._refused(
                    info, f"not in the base {self.base.folder}; leave it out of modules_to_save, "
                    f"or {MERGE}"
                )  # fmt: skip
            if info.shape != expected:
                remedy = "an expert must keep the base's vocabulary"
                if info.shape[1:] == expected[1:] and info.shape[0] > expected[0]:
                    remedy = "write `vocabulary: Base` beside its uri to leave the added rows out"
                raise self._refused(
                    info, f"found shape {quoted(list(info.shape))}, the base has "
                    f"{quoted(list(expected))}; {remedy}"
                )  # fmt: skip
            found[own] = info
        return found, tuple(heads)

    def _refused(self, info: TensorInfo, problem: str) -> CheckpointError:
        return CheckpointError(f"{info.file}: tensor {quoted(info.name)}: {problem}")
