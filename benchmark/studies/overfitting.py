"""Does longer training make a network more robust? (the paper's Figure 19a, claim C10)

Each number of epochs is a complete training with a one-cycle schedule, whose learning rate ends at
zero: the paper says "trained with 5 different amounts of epochs". Its framework would by default
use a constant learning rate. Whether a network is overfit is measured and not assumed: table `gap`
has accuracy and loss on as many training as test images.
"""

from __future__ import annotations

from itertools import product

from benchmark.studies.measures.robustness import Probe
from benchmark.studies.measures.training_sweep import Training, swept, whole_numbers
from benchmark.studies.request import Findings, StudyRequest


def compute(request: StudyRequest) -> Findings:
    """Measure networks for every number of epochs and every training seed.

    Tables `accuracy`, `gap`, `area`, `smallest`: rows begin with dataset, network, epochs, seed;
    `measures.robustness.measure` has the other columns.
    """
    epochs = whole_numbers(request, "epochs", 1)
    (seeds,) = whole_numbers(request, "seeds", 1)
    settings = product(request.subjects, epochs, range(seeds))
    trainings = [Training(*subject, count, seed) for subject, count, seed in settings]
    return Findings(swept(trainings, Probe.of(request), request.report, share=request.share))
