"""Weight files whose headers lie, or hold what no header may."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from tests.weights.damage import WEIGHTS, Q, case, edit_header

if TYPE_CHECKING:
    from pathlib import Path


@case("model.safetensors", "truncated", "download or save it again")
def truncated(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1000])


@case("model.safetensors", "has 3 bytes")
def almost_empty(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"abc")


@case("model.safetensors", "announces a header of 9223372036854775807 bytes")
def huge_header(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**63 - 1) + data[8:])


@case("model.safetensors", "announces a header of 18446744073709551615 bytes")
def negative_header(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<q", -1) + data[8:])


@case("model.safetensors", "the header is not JSON")
def garbage_header(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 16) + b"\xff" * 16)


@case("model.safetensors", "the header is not JSON")
def deeply_nested_header(folder: Path) -> None:
    text = b"[" * 200_000
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)


@case("model.safetensors", "overlaps the tensor before it")
def overlapping_tensors(folder: Path) -> None:
    def overlap(header: dict[str, Any]) -> None:
        header[Q]["data_offsets"] = [0, 64 * 64 * 2]

    edit_header(folder, overlap)


@case("model.safetensors", Q, "data_offsets [-8, 8184]")
def negative_offset(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[-8, 8184]))


@case("model.safetensors", Q, "has 8192 bytes", "needs 8388608")
def shape_larger_than_its_data(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[65536, 64]))


@case("model.safetensors", Q, "shape [-64, -64]")
def negative_shape(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[-64, -64]))


@case(WEIGHTS, Q, "has 20000 axes", "at most 32")
def thousands_of_axes(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[10] * 20_000))


@case(WEIGHTS, Q, "shape [4294967296, 4294967296]", "fewer than 2**63 bytes")
def shape_beyond_64_bits(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[1 << 32, 1 << 32]))


@case(WEIGHTS, "model.empty", "fewer than 2**63 bytes")
def empty_shape_beyond_64_bits(folder: Path) -> None:
    entry = {"dtype": "BF16", "shape": [0, 1 << 62], "data_offsets": [0, 0]}
    edit_header(folder, lambda header: header.update({"model.empty": entry}))


@case(WEIGHTS, Q, "shape [9223372036854775808]", "below 2**63")
def axis_beyond_64_bits(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[1 << 63]))


@case(WEIGHTS, Q, "shape [True, 4096]", "expected non-negative integers")
def axis_of_a_flag(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(shape=[True, 4096]))


@case(WEIGHTS, Q, "data_offsets [0.0, 8192]")
def offset_of_a_float(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[0.0, 8192]))


@case(WEIGHTS, Q, "data_offsets [nan, 8192]")
def offset_of_no_number(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(data_offsets=[float("nan"), 8192]))


@case(WEIGHTS, Q, "unknown dtype ['BF16']")
def dtype_of_a_list(folder: Path) -> None:
    edit_header(folder, lambda header: header[Q].update(dtype=["BF16"]))


@case(WEIGHTS, "an integer of 5000 digits")
def offset_with_many_digits(folder: Path) -> None:
    text = (
        '{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, ' + "9" * 5000 + "]}}"
    ).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text)


@case(WEIGHTS, "a layer number of 5000 digits", "expected at most 5")
def layer_with_many_digits(folder: Path) -> None:
    name = f"model.layers.{'9' * 5000}.self_attn.q_proj.weight"
    edit_header(folder, lambda header: header.update({name: header.pop(Q)}))


@case(WEIGHTS, r"'model.\x1b[31m\n'", "cannot be printed")
def name_with_control_characters(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model.\x1b[31m\n": header.pop(Q)}))


@case(WEIGHTS, r"'model.\ud800'", "cannot be printed")
def name_that_is_no_unicode(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model.\ud800": header.pop(Q)}))


@case(WEIGHTS, "tensor '' has a name that is empty")
def name_without_a_letter(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"": header.pop(Q)}))


@case(WEIGHTS, "tensor 'model.aaaa", "aaaa... ", "lacks dtype")
def name_of_a_megabyte(folder: Path) -> None:
    edit_header(folder, lambda header: header.update({"model." + "a" * (1 << 20): 0}))


@case(WEIGHTS, "__metadata__ must map strings to strings")
def metadata_of_numbers(folder: Path) -> None:
    edit_header(folder, lambda header: header.update(__metadata__={"format": 1}))


@case(WEIGHTS, "the header names 'model.59999' twice")
def name_that_stands_twice_among_60_000(folder: Path) -> None:
    entry = '{"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}'
    names = [*range(60_000), 59_999]
    text = "{" + ", ".join(f'"model.{name}": {entry}' for name in names) + "}"
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text.encode())
