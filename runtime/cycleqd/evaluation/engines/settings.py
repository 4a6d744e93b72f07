"""Settings that change what weights mean, compared as the library reads them.

A configuration leaves out what is the default, writes null for what follows from other settings,
and says the same in old and new words (``rope_scaling`` and ``rope_theta``, ``rope_parameters``).
The library makes one thing of all that. So both files are read by it, and what the model's class
knows is compared, but for what only training, generation or storage look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cycleqd.checkpoints.documents import quoted
from cycleqd.checkpoints.files import CONFIG_FILE
from cycleqd.errors import CheckpointError
from cycleqd.evaluation.engines.skeleton import read_settings

if TYPE_CHECKING:
    from pathlib import Path

# Of what every configuration has, the few that say what the model computes.
_COMMON = frozenset({"tie_word_embeddings"})
_NO_MEANING = frozenset(
    {
        "use_cache", "pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id",
        "decoder_start_token_id", "initializer_range", "initializer_factor", "pretraining_tp",
        "router_aux_loss_coef", "router_z_loss_coef", "router_jitter_noise", "output_router_logits",
        "rescale_prenorm_residual", "max_window_layers", "base_model_tp_plan", "base_model_pp_plan",
        "base_model_ep_plan", "time_step_min", "time_step_max", "time_step_floor", "model_type",
        "summary_type", "summary_use_proj", "summary_activation", "summary_first_dropout",
        "summary_proj_to_labels", "vocab_size",
    }
)  # fmt: skip
_LENGTHS = frozenset({"max_position_embeddings", "n_positions", "n_ctx", "seq_length"})


def check_settings(base: Path, expert: Path, *, retied: bool = False) -> None:
    """Compare what base and expert make of their weights.

    Args:
        base: the base's folder, with whose settings every child runs.
        expert: the expert's folder.
        retied: whether its head was fitted to the base's already, tied or not.

    Raises:
        CheckpointError: a setting differs, or a configuration cannot be read.
    """
    ours, theirs = read_settings(base), read_settings(expert)
    if type(ours) is not type(theirs):
        raise _differing(expert, base, "model_type", theirs.model_type, ours.model_type)
    expected, found = meaning(ours), meaning(theirs)
    if retied and not expected.get("tie_word_embeddings"):
        # The other way round the head is there. Here it was taken to be the embeddings.
        expected["tie_word_embeddings"] = True
    elif retied:
        expected.pop("tie_word_embeddings")
    for name, value in expected.items():
        if name in found and found[name] != value:
            raise _differing(expert, base, name, found[name], value)


def meaning(settings: Any) -> dict[str, Any]:  # noqa: ANN401 - transformers has no types
    """What decides what a language model computes of its weights.

    Args:
        settings: a ``transformers.PreTrainedConfig``.
    """
    from transformers import PreTrainedConfig  # noqa: PLC0415  # slow to import

    text = settings.get_text_config(decoder=True)
    common = PreTrainedConfig().to_dict().keys() - _COMMON
    known = type(text)().to_dict().keys() - common - _NO_MEANING
    # With plain rotary positions a model's length is only what it was trained for.
    if not _scales_positions(text):
        known -= _LENGTHS
    given = text.to_dict()
    return {
        name: _in_new_words(given[name])
        for name in sorted(known)
        if name in given and "drop" not in name
    }


def check_length(base: Path, max_model_len: int) -> None:
    """See that a model has so many positions, unless how it scales them says otherwise.

    Raises:
        CheckpointError: it has fewer, or the configuration cannot be read.
    """
    text = read_settings(base).get_text_config(decoder=True)
    length = getattr(text, "max_position_embeddings", None)
    if isinstance(length, int) and not _scales_positions(text) and length < max_model_len:
        raise CheckpointError(
            f"{max_model_len} is more than the {length} positions that {base} has; lower it"
        )


def _in_new_words(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A rotary block without the old word for its type, which the library keeps beside the new."""
    if not isinstance(value, dict):
        return value
    kept = {name: _in_new_words(inner) for name, inner in value.items()}
    if "rope_type" in kept:
        kept.pop("type", None)
    return kept


def _scales_positions(text: Any) -> bool:  # noqa: ANN401 - transformers has no types
    rope = getattr(text, "rope_parameters", None) or {}
    layers = [part for part in rope.values() if isinstance(part, dict)] or [rope]
    return any(part.get("rope_type", "default") != "default" for part in layers)


def _differing(
    expert: Path, base: Path, name: str, found: object, expected: object
) -> CheckpointError:
    also = " (rope_theta and rope_scaling among them)" if name == "rope_parameters" else ""
    return CheckpointError(
        f"{expert / CONFIG_FILE}: {name}{also}: transformers reads {quoted(found)}, of the base "
        f"{quoted(expected)}; children run with the base's settings, under which these weights "
        f"mean something else: use an expert that was fine-tuned with the settings of {base}, or, "
        "where all experts share this one, give it to a copy of the base"
    )
