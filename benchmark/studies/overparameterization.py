"""Do more layers make LeNet more robust? (the paper's Table 1 and Figure 19b, claim C11)"""

from __future__ import annotations

import pandas as pd

from benchmark.studies.measures.robustness import Probe
from benchmark.studies.measures.tables import Row
from benchmark.studies.measures.training_sweep import Training, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest
from estimators.data.load import image_shape
from estimators.errors import InputError
from estimators.networks.build import build_network
from estimators.networks.layer_table import count_parameters
from estimators.spec import Spec

# the paper's Table 1, for LeNet on 28x28 grey images
PAPER_SHAPE, PAPER_CLASSES = (1, 28, 28), 10
PRINTED = {0: 61_706, 2: 150_978, 4: 282_562, 6: 414_146, 10: 743_106, 20: 1_335_234}


def compute(request: StudyRequest) -> Findings:
    """Measure LeNets with N additional layers.

    Tables `accuracy`, `gap`, `area`, `smallest`: rows begin with dataset, network, extra_layers,
    epochs, seed; `measures.robustness.measure` has the other columns. `parameters` is Table 1:
    dataset, network, extra_layers, parameters, printed (in the paper, for MNIST's shape), note.
    """
    layers = whole_numbers(request, "layers", 0)
    (epochs,), (seeds,) = (whole_numbers(request, name, 1) for name in ("epochs", "seeds"))
    trainings, parameters = [], []
    for dataset, network in request.subjects:
        if network.name != "lenet":
            raise InputError(f"--network {network}: only lenet takes additional layers")
        shape, classes = image_shape(dataset, request.data_dir)
        for extra in layers:
            spec = with_layers(network, extra)
            setting = (("extra_layers", extra),)
            trainings += [Training(dataset, spec, epochs, seed, setting) for seed in range(seeds)]
            count = sum(count_parameters(build_network(spec, shape, classes)))
            in_paper = (shape, classes) == (PAPER_SHAPE, PAPER_CLASSES)
            parameters.append({"dataset": dataset, **_table_1(extra, count, in_paper)})
    tables = swept(trainings, Probe.of(request), request.report, share=request.share)
    return Findings({"parameters": pd.DataFrame(parameters), **tables})


def with_layers(network: Spec, extra: int) -> Spec:
    """Return the network with additional layers; without any, it has the plain network's name."""
    params = network.without("extra_layers").kwargs
    return Spec.of(network.name, {**params, "extra_layers": extra} if extra else params)


def _table_1(extra: int, count: int, in_paper: bool) -> Row:
    """Return a row of Table 1, with a note where the paper's count is that of another network."""
    printed = PRINTED.get(extra) if in_paper else None
    note = ""
    if printed is not None and printed != count:
        other = next((n for n in range(1, 40) if _count(n) == printed), None)
        note = f"slip in the report: {printed:,} is the count for {other} layers"
    row = Row(network="lenet", extra_layers=extra, parameters=count)
    return row | {"printed": printed, "note": note}


def _count(extra: int) -> int:
    spec = Spec.of("lenet", extra_layers=extra)
    return count_parameters(build_network(spec, PAPER_SHAPE, PAPER_CLASSES))[0]
