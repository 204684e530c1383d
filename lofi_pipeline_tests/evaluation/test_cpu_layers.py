"""Layers that are faster on CPUs, beside torch's own in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lofi_pipeline.evaluation.embedders.cpu_layers import FewerProducts, made_for_cpus


def _convolution(channels_in: int = 128, channels_out: int = 128, **given: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(channels_in, channels_out, 3, **({"padding": 1} | given))  # pyright: ignore[reportArgumentType]


def _apart(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    ("count", "height", "width"), [(1, 4, 4), (3, 12, 8), (2, 7, 1), (1, 5, 30), (90, 8, 6)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_gives_the_same_whatever_the_size(
    count: int, height: int, width: int, bias: bool
) -> None:
    layer = _convolution(bias=bias)
    images = torch.randn(count, 128, height, width).to(memory_format=torch.channels_last)
    with torch.no_grad():
        found = FewerProducts(layer)(images)
        exact = layer.double()(images.double())
    assert found.shape == exact.shape
    assert _apart(found, exact) < 5e-6


def test_only_what_is_faster_is_replaced() -> None:
    assert FewerProducts.fits(_convolution())
    others = [
        _convolution(16, 16),
        _convolution(stride=2),
        _convolution(padding=0),
        _convolution(dilation=2),
        _convolution(groups=2),
        _convolution(padding_mode="reflect"),
        nn.Conv2d(128, 128, 1),
        nn.Linear(128, 128),
    ]
    assert [layer for layer in others if FewerProducts.fits(layer)] == []


def test_a_network_gives_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 128, 3, padding=1),
        nn.ReLU(True),
        nn.Sequential(_convolution(128, 128), nn.ReLU(True)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128 * 64, 16),
    ).eval()
    images = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        before = network(images).numpy()
        changed = made_for_cpus(network)
        after = changed(images).numpy()
    assert sum(isinstance(layer, FewerProducts) for layer in changed.modules()) == 1
    np.testing.assert_allclose(after, before, atol=1e-5 * np.abs(before).max())
