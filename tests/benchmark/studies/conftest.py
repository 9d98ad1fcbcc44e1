"""What tests of whole papers share."""

from __future__ import annotations

import pytest


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded, whatever the machine can reach."""

    def refused(root: str, train: bool, download: bool) -> None:
        raise RuntimeError("Error downloading")

    for name in ("MNIST", "CIFAR10"):
        monkeypatch.setattr(f"torchvision.datasets.{name}", refused)
