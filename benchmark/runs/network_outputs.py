"""The part of the audit that needs a network; `reports.audit` does the rest from files."""

from __future__ import annotations

import torch
from torch import nn

from estimators.data.images import Images
from estimators.errors import NetworkError
from estimators.outputs import finite_rows


def output_facts(network: nn.Module, images: Images, batch: int) -> dict[str, float]:
    """Return the range of a network's outputs for the first batch of images, for the manifest.

    network: on the CPU. batch: images per pass.

    The keys are images (their number), low and high (smallest and largest output), sum_low and
    sum_high (smallest and largest sum over the classes of an image). By these the audit
    distinguishes logits from probabilities, which lie in [0, 1] and have the sum 1. A network that
    raises has no such facts.
    """
    x = torch.from_numpy(images.beginning(batch).x)
    try:
        with torch.inference_mode():
            outputs = network(x).double()
    except NetworkError:
        return {}
    finite = finite_rows(outputs)
    # a few images may have outputs that are no numbers
    outputs = outputs[finite] if bool(finite.any()) else outputs
    sums = outputs.sum(dim=1)
    facts = {"low": outputs.min(), "high": outputs.max()}
    facts |= {"sum_low": sums.min(), "sum_high": sums.max()}
    return {"images": len(x), **{name: float(f"{value:.6g}") for name, value in facts.items()}}
