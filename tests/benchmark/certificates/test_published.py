"""Networks whose robust accuracy others proved: never more is proved here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.anchors.networks import cnn_a
from benchmark.certificates.certify import certify
from benchmark.certificates.lookup import method_of
from benchmark.certificates.reading import read_graph
from estimators.networks.input_layers import Normalise
from estimators.spec import Spec

# file, data, eps, images of 200 that complete verifiers prove, and that no attack breaks
PUBLISHED = [
    ("mnist-cnn-a-adv.model", "sdp-mnist.npz", 0.3, 152, 153),
    ("cifar-cnn-a-adv.model", "sdp-cifar.npz", 2 / 255, 97, 100),
    ("cifar-cnn-a-mix.model", "sdp-cifar.npz", 2 / 255, 96, 106),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "data", "eps", "proved", "standing"), PUBLISHED)
def test_no_more_is_proved_than_is_true(
    real_data: Path | None, file, data, eps, proved, standing
) -> None:
    folder = None if real_data is None else real_data / "networks"
    if folder is None or not (folder / file).is_file():
        pytest.skip("BENCH_DATA_DIR has no folder networks")
    with np.load(folder / data) as arrays:
        x = np.ascontiguousarray(arrays["x_test"].transpose(0, 3, 1, 2).astype(np.float32))
        labels = arrays["y_test"].astype(np.int64)
    shape = x.shape[1:]
    network = cnn_a(shape)
    network.load_state_dict(torch.load(folder / file, weights_only=True))
    config = getattr(network, "pretrained_cfg", {"mean": [0.0], "std": [1.0]})
    whole = nn.Sequential(Normalise(config["mean"], config["std"]), network).eval()
    graph = read_graph(whole, shape, torch.from_numpy(x[:2]), file).to("cpu")
    found = certify(graph, method_of(Spec("crown")), x, labels, eps)
    assert 0 < found.proved.sum() <= proved <= standing
