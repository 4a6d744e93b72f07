"""The singular value decomposition of a task vector, by its small side.

``G = A^T A`` (or ``A A^T``, whichever is smaller) and one symmetric eigen-decomposition are several
times faster than a general SVD. The product ``L R`` that materialisation uses is formed from ``A``
itself, so the squared condition number of ``G`` blurs only directions whose singular value is
negligible, never the reconstruction. Where the matrix is a product of two thin ones, a QR of each
side does it.
"""

from __future__ import annotations

import torch


def factor(matrix: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The leading singular directions of a matrix.

    Args:
        matrix: (m, n) float32 or float64.
        rank: directions to keep, at most ``min(m, n)``.

    Returns:
        ``L = U diag(s)``: (m, rank) and ``R = V^T``: (rank, n), both of its type and contiguous,
        singular values descending, the sign of each direction fixed so that the entry of largest
        magnitude in its row of R is positive.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    gram = matrix @ matrix.T if wide else matrix.T @ matrix
    _, vectors = torch.linalg.eigh(gram)
    # eigh ascends.
    small = vectors[:, -rank:].flip(1)
    if wide:
        # R from A keeps L R = U U^T A exact however inaccurate a tiny singular value is.
        right = small.T @ matrix
        values = right.norm(dim=1)
        right /= torch.where(values > 0, values, 1.0)[:, None]
        left = small * values
    else:
        right = small.T.contiguous()
        left = matrix @ small
        values = left.norm(dim=0)
    return _ordered(left, right, values)


def factor_product(
    left: torch.Tensor, right: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The leading singular directions of ``left @ right``, which is not multiplied out.

    A QR of each side leaves a matrix of the product's rank, whose decomposition costs nothing. It
    is done in float64, since there is no large matrix from which a small error could be mended.

    Args:
        left: (m, k) of any float type.
        right: (k, n) of any float type.
        rank: directions to keep, at most ``min(k, m, n)``.

    Returns:
        As `factor`, float32.
    """
    left_basis, left_part = torch.linalg.qr(left.double())
    right_basis, right_part = torch.linalg.qr(right.double().T)
    rows, values, columns = torch.linalg.svd(left_part @ right_part.T)
    values = values[:rank]
    found = left_basis @ rows[:, :rank] * values, columns[:rank] @ right_basis.T
    first, second = _ordered(*found, values)
    return first.float(), second.float()


def _ordered(
    left: torch.Tensor, right: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions by descending singular value, with the sign that `factor` gives them."""
    order = values.argsort(descending=True, stable=True)
    left, right = left[:, order], right[order]
    peaks = right.gather(1, right.abs().argmax(dim=1, keepdim=True))
    signs = torch.where(peaks < 0, -1.0, 1.0)
    return (left * signs.T).contiguous(), (right * signs).contiguous()
