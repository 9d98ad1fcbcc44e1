"""The part of the audit that needs a network; `reports.audit.audit` does the rest from files."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from estimators.classifier import BATCH
from estimators.data.images import Images


def output_facts(network: nn.Module, images: Images) -> dict[str, Any]:
    """What a network on the CPU puts out for the first batch of images, for the manifest.

    images: how many were looked at. low, high: smallest and largest output. sum_low, sum_high:
    smallest and largest sum over the classes of one image. From these the audit tells logits from
    probabilities (all in [0, 1], every sum 1).
    """
    x = torch.from_numpy(images[:BATCH].x)
    with torch.inference_mode():
        out = network(x).double()
    sums = out.sum(dim=1)
    facts = {"low": out.min(), "high": out.max(), "sum_low": sums.min(), "sum_high": sums.max()}
    return {"images": len(x), **{name: float(f"{value:.6g}") for name, value in facts.items()}}
