"""Does training for longer make a network more robust? (the paper's Figure 19a, claim C10)

Each number of epochs is a whole training, its learning rate brought to zero along a one-cycle
schedule, as the paper's "trained with 5 different amounts of epochs" says; its framework's default
would be a constant learning rate. Whether a network is overfit is measured, not assumed: table
`gap` has accuracy and loss on as many training as test images.
"""

from __future__ import annotations

from benchmark.studies.measures.training_sweep import Probe, Training, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest


def compute(request: StudyRequest) -> Findings:
    """Networks for every number of epochs and training seed: `accuracy`, `gap`, `area`, `smallest`.

    Rows begin with dataset, network, epochs, seed; `measures.robustness.measure` has the
    other columns.
    """
    epochs = whole_numbers(request, "epochs", 1)
    trainings = [
        Training(dataset, network, count, seed)
        for dataset, network in request.subjects
        for count in epochs
        for seed in range(request["seeds"])
    ]
    return Findings(swept(trainings, Probe.of(request), request.report))
