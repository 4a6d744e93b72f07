"""What a test sees of a PNG."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from matplotlib.image import imread


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 colours of a PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    image = imread(io.BytesIO(png), format="png")
    return np.round(image[..., :3] * 255).astype(np.uint8)


def share_of(picture: npt.NDArray[np.uint8], colour: str) -> float:
    """Share of the pixels that have exactly this colour, written ``#rrggbb``."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    return float((picture == wanted).all(axis=-1).mean())
