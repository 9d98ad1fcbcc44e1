"""How the networks were trained, and their layers (the paper's Figures 26 to 31)."""

from __future__ import annotations

import pandas as pd

from benchmark.studies.request import Findings, StudyRequest
from estimators.data.load import image_shape
from estimators.networks.layer_table import layer_table
from estimators.training.checkpoints import HISTORY as SUFFIX
from estimators.training.train_or_load import trained_network
from reports.results.csv_file import read_table

HISTORY = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")


def compute(request: StudyRequest) -> Findings:
    """Return two tables of each subject's trained network (shipped, cached, or trained now).

    `history`: dataset, network, epoch, split, measure (accuracy or loss), value. Training accuracy
    and loss are measured during training, with dropout and augmentation; those of test without.
    `layers`: dataset, network, position, layer, output_shape (CxHxW), parameters. As in Keras, the
    running statistics of a batch norm count as parameters.
    """
    history, layers = [], []
    for dataset, network in request.each_subject():
        trained = trained_network(dataset, network, request.data_dir, request.device)
        table = read_table(trained.path.with_suffix(SUFFIX), "history")
        history.append(_long(table, dataset, str(network)))
        shape, _ = image_shape(dataset, request.data_dir)
        for position, row in enumerate(layer_table(trained.network, shape), 1):
            line = {"dataset": dataset, "network": str(network), "position": position}
            size = "x".join(map(str, row["output_shape"]))
            layers.append({**line, **row, "output_shape": size})
    return Findings({"history": pd.concat(history), "layers": pd.DataFrame(layers)})


def _long(history: pd.DataFrame, dataset: str, network: str) -> pd.DataFrame:
    """Return one row per epoch, split and measure."""
    rows = history.melt("epoch", list(HISTORY), "what")
    split = rows.pop("what").str.split("_", expand=True)
    rows.insert(1, "split", split[0])
    rows.insert(2, "measure", split[1])
    rows.insert(0, "dataset", dataset)
    rows.insert(1, "network", network)
    return rows
