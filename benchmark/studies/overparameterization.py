"""Do more layers make LeNet more robust? (the paper's Table 1 and Figure 19b, claim C11)"""

from __future__ import annotations

from typing import Any

import pandas as pd

from benchmark.studies.measures.training_sweep import Probe, Training, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest
from estimators.data.registry import image_shape
from estimators.errors import InputError
from estimators.networks.registry import build_network, count_parameters
from estimators.spec import Spec

# the report's Table 1, for LeNet on 28x28 grey images
PRINTED = {0: 61_706, 2: 150_978, 4: 282_562, 6: 414_146, 10: 743_106, 20: 1_335_234}


def compute(request: StudyRequest) -> Findings:
    """LeNets with N additional layers: `accuracy`, `gap`, `area`, `smallest`, and `parameters`.

    Rows of the first four begin with dataset, network, extra_layers, epochs, seed;
    `measures.robustness.measure` has the other columns. `parameters` is Table 1: dataset,
    network, extra_layers, parameters, printed (in the report, for MNIST's shape), note.
    """
    layers = whole_numbers(request, "layers", 0)
    (epochs,) = whole_numbers(request, "epochs", 1)
    trainings, counts = [], []
    for dataset, network in request.subjects:
        if network.name != "lenet":
            raise InputError(f"--network {network}: only lenet takes additional layers")
        for extra in layers:
            spec = with_layers(network, extra)
            trainings += [
                Training(dataset, spec, epochs, seed, (("extra_layers", extra),))
                for seed in range(request["seeds"])
            ]
            counts.append({**_counted(dataset, spec, request), "extra_layers": extra})
    table = pd.DataFrame(_table_1(counts))
    return Findings({"parameters": table, **swept(trainings, Probe.of(request), request.report)})


def with_layers(network: Spec, extra: int) -> Spec:
    """The network with so many additional layers; without any it is the plain one by name too."""
    params = network.without("extra_layers").kwargs
    return Spec.of(network.name, {**params, "extra_layers": extra} if extra else params)


def _counted(dataset: str, spec: Spec, request: StudyRequest) -> dict[str, Any]:
    shape, classes = image_shape(dataset, request.data_dir)
    trainable, fixed = count_parameters(build_network(spec, shape, classes))
    at_paper = shape == (1, 28, 28) and classes == 10
    return {"dataset": dataset, "parameters": trainable + fixed, "at_paper": at_paper}


def _table_1(counts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for row in counts:
        printed = PRINTED.get(row["extra_layers"]) if row["at_paper"] else None
        note = ""
        if printed is not None and printed != row["parameters"]:
            other = next((n for n in range(1, 40) if _count(n) == printed), None)
            note = f"slip in the report: {printed:,} is the count for {other} layers"
        rows.append(
            {
                "dataset": row["dataset"],
                "network": "lenet",
                "extra_layers": row["extra_layers"],
                "parameters": row["parameters"],
                "printed": printed,
                "note": note,
            }
        )
    return rows


def _count(extra: int) -> int:
    network = build_network(Spec.of("lenet", extra_layers=extra), (1, 28, 28), 10)
    return count_parameters(network)[0]
