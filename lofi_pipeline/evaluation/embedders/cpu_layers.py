"""Layers that give the same in less time on CPUs; only the last digits differ, by 1e-6 of the whole.

Convolutions of 3 x 3 take a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3), Lavin and Gray 2015, arXiv 1509.09308. Squares
of 6 x 6 inputs, 4 apart, and the filters are brought into a space in which a convolution is a product of matrices for each of 36
places; these products give squares of 4 x 4 outputs. Rounding errs by 2e-6 of a layer's output, in torch's own convolution by 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import torch
from torch import nn

SIDE, TAKEN = 4, 6
"""Of a square of outputs, and of the inputs that it takes."""
_PLACES = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""What each of the 6 places of a direction takes of a filter."""
_FEWEST, _MOST = 128 * 128, 512 * 512
"""Filters. With fewer the way there and back takes longer than what is saved; more would take
much memory, 36 numbers each."""
_SQUARES_AT_ONCE = 192
"""So many stay in a processor's cache."""


class FewerProducts(nn.Module):
    """Does what a convolution of 3 x 3 with a margin of 1 does, on float32 [n, channels, height, width]."""

    filters: torch.Tensor
    """float32 [36, channels in, channels out]"""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        places = torch.tensor(_PLACES, dtype=torch.float64)
        channels_out, channels_in = convolution.weight.shape[:2]
        weights = convolution.weight.detach().double().permute(2, 3, 1, 0).reshape(9, -1)
        filters = torch.kron(places, places) @ weights
        self.register_buffer("filters", filters.float().view(TAKEN**2, channels_in, channels_out))
        self.bias = convolution.bias

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Whether a layer is such a convolution, and is faster this way."""
        if not isinstance(module, nn.Conv2d) or module.groups != 1 or module.padding_mode != "zeros":
            return False
        shape = (module.kernel_size, module.padding, module.stride, module.dilation)
        filters = module.in_channels * module.out_channels
        return shape == ((3, 3), (1, 1), (1, 1), (1, 1)) and _FEWEST <= filters <= _MOST

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """As the convolution's."""
        count, _, height, width = images.shape
        high, wide = -(-height // SIDE), -(-width // SIDE)
        margins = (0, 0, 1, wide * SIDE + 1 - width, 1, high * SIDE + 1 - height)
        rows = nn.functional.pad(images.permute(0, 2, 3, 1), margins)
        out = rows.new_empty(count, high * SIDE, wide * SIDE, self.filters.shape[2])
        many, tall = max(1, _SQUARES_AT_ONCE // (high * wide)), max(1, _SQUARES_AT_ONCE // wide)
        for start in range(0, count, many):
            some = slice(start, start + many)
            for top in range(0, high, tall):
                bottom = min(high, top + tall) * SIDE
                self._fill(out[some, top * SIDE : bottom], rows[some, top * SIDE : bottom + TAKEN - SIDE])
        if self.bias is not None:
            out += self.bias
        return out[:, :height, :width].permute(0, 3, 1, 2)

    def _fill(self, out: torch.Tensor, rows: torch.Tensor) -> None:
        """[n, 4 high, 4 wide, channels out] from [n, 4 high + 2, 4 wide + 2, channels in]."""
        squares = out.unflatten(2, (-1, SIDE)).unflatten(1, (-1, SIDE))
        count, high, _, wide = squares.shape[:4]
        half = rows.new_empty(TAKEN, count, high, *rows.shape[2:])
        _there([rows[:, at::SIDE][:, :high] for at in range(TAKEN)], half.unbind())
        places = rows.new_empty(TAKEN, TAKEN, count, high, wide, rows.shape[3])
        _there([half[:, :, :, at::SIDE][:, :, :, :wide] for at in range(TAKEN)], places.unbind(1))
        products = torch.bmm(places.view(TAKEN**2, -1, rows.shape[3]), self.filters)
        half = rows.new_empty(SIDE, TAKEN, count, high, wide, out.shape[3])
        _back(products.view(TAKEN, *half.shape[1:]).unbind(), half.unbind())
        _back(half.unbind(1), squares.permute(4, 2, 0, 1, 3, 5).unbind())


def _there(taken: Sequence[torch.Tensor], places: Sequence[torch.Tensor]) -> None:
    """The 6 places of one direction, from the 6 inputs that a square takes."""
    for place, at in ((0, 0), (5, 1)):
        torch.add(taken[at + 4], taken[at + 2], alpha=-5, out=places[place]).add_(taken[at], alpha=4)
    for place, near, far in ((1, -4, 1), (3, -1, 2)):
        even = torch.add(taken[4], taken[2], alpha=near)
        odd = torch.add(taken[3], taken[1], alpha=near)
        torch.add(even, odd, alpha=far, out=places[place])
        torch.add(even, odd, alpha=-far, out=places[place + 1])


def _back(places: Sequence[torch.Tensor], out: Sequence[torch.Tensor]) -> None:
    """The 4 outputs of one direction, from its 6 places."""
    near, far = places[1] + places[2], places[3] + places[4]
    torch.add(near, far, out=out[0]).add_(places[0])
    torch.add(near, far, alpha=4, out=out[2])
    near, far = places[1] - places[2], places[3] - places[4]
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(places[5])


def made_for_cpus(model: nn.Module) -> nn.Module:
    """The model, those of its layers replaced that are faster another way."""
    for parent in [*model.modules()]:
        for name, layer in [*parent.named_children()]:
            if FewerProducts.fits(layer):
                setattr(parent, name, FewerProducts(layer))
    return model
