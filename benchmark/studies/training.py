"""How the networks were trained, and of what layers they are (the paper's Figures 26 to 31)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmark.studies.request import Findings, StudyRequest
from estimators.data.registry import image_shape
from estimators.networks.registry import layer_table
from estimators.spec import Spec
from estimators.training.checkpoints import read_history, trained_network

HISTORY = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")


def compute(request: StudyRequest) -> Findings:
    """Of each subject's trained network (shipped, cached, or trained now) two tables.

    `history`: dataset, network, epoch, split, measure (accuracy or loss), value. Training is
    measured while it runs, with dropout and augmentation; test without.
    `layers`: dataset, network, position, layer, output_shape (CxHxW), parameters, as Keras counts
    them: the running statistics of a batch norm are parameters.
    """
    history, layers = [], []
    for dataset, network in request.subjects:
        request.report(f"{network} on {dataset}")
        trained = trained_network(dataset, network, request.data_dir, request.device)
        history.append(_long(read_history(trained.path), dataset, network))
        shape, _ = image_shape(dataset, request.data_dir)
        layers += _layers(layer_table(trained.network, shape), dataset, network)
    return Findings({"history": pd.concat(history), "layers": pd.DataFrame(layers)})


def _long(history: pd.DataFrame, dataset: str, network: Spec) -> pd.DataFrame:
    """One observation a row."""
    rows = history.melt("epoch", list(HISTORY), "what")
    split = rows.pop("what").str.split("_", expand=True)
    rows.insert(1, "split", split[0])
    rows.insert(2, "measure", split[1])
    rows.insert(0, "dataset", dataset)
    rows.insert(1, "network", str(network))
    return rows


def _layers(table: list[dict[str, Any]], dataset: str, network: Spec) -> list[dict[str, Any]]:
    return [
        {
            "dataset": dataset,
            "network": str(network),
            "position": position,
            "layer": row["layer"],
            "output_shape": "x".join(str(size) for size in row["output_shape"]),
            "parameters": row["parameters"],
        }
        for position, row in enumerate(table, 1)
    ]
