"""A user whose processor only emulates bfloat16 is told before the run begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from cycleqd.api import evolving
from cycleqd.evaluation import processor
from cycleqd.evaluation.processor import advice
from tests.run.synthetic import manifest

OLD = "processor\t: 0\nflags\t\t: fpu sse avx avx2 fma\nbugs\t\t: \n"
NEW = OLD.replace("fma", "fma avx512_bf16")
AMX = OLD.replace("fma", "amx_tile amx_bf16")
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("dtype", "gpus", "facts", "said"),
    [
        ("bfloat16", (), OLD, True),
        ("bfloat16", (), OLD.replace("flags\t", "Features"), True),
        ("float32", (), OLD, False),
        ("bfloat16", ("0",), OLD, False),
        ("bfloat16", (), NEW, False),
        ("bfloat16", (), AMX, False),
        ("bfloat16", (), ARM, False),
        ("bfloat16", (), "", False),
    ],
)
def test_who_is_told(dtype: str, gpus: tuple[str, ...], facts: str, said: bool) -> None:
    assert (advice(dtype, gpus, facts) is not None) is said


@pytest.mark.parametrize(
    ("facts", "has"), [(OLD, False), (NEW, True), (AMX, True), (ARM, True), ("", None)]
)
def test_what_a_processor_has(facts: str, has: bool | None) -> None:
    assert processor.has_bfloat16(facts) is has


@pytest.mark.parametrize(
    ("facts", "quicker"), [(OLD, False), (NEW, False), (AMX, True), (ARM, True), ("", False)]
)
def test_where_training_is_quicker_in_bfloat16(facts: str, quicker: bool) -> None:
    assert processor.is_quicker_in_bfloat16(facts) is quicker


def test_it_is_told_before_anything_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text(OLD)
    monkeypatch.setattr(processor, "FACTS", facts)
    monkeypatch.setattr(evolving, "check_files", lambda manifest: [])
    monkeypatch.setattr(evolving, "nvidia_gpus", lambda: ())
    monkeypatch.setattr(evolving, "admit", lambda *_, say, **__: say("checking") or 1 / 0)
    said: list[str] = []
    with pytest.raises(ZeroDivisionError):
        evolving.prepare(manifest(), tmp_path / "store", say=said.append)
    first, second = said
    assert first.startswith("spec.evaluation.dtype: ")
    assert "float32" in first
    assert second == "checking"
