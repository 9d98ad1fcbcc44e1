"""What a network's name says of its training: `lenet[adversarial=pgd,eps=0.1]`."""

from __future__ import annotations

from estimators.entries import Entry, table
from estimators.errors import unknown
from estimators.spec import Spec

KEY = "adversarial"
# `label` is what follows the network's own label
TRAININGS = table(
    Entry(name="pgd", build="estimators.training.adversarial:PgdTraining", label="trained by PGD",
          summary="learned from PGD's images (Madry et al. 2018)",
          defaults={"eps": 0.3, "max_iter": 7, "eps_step": None, "warmup": 0.3}),
    Entry(name="jpeg", build="estimators.training.adversarial:JpegTraining",
          summary="learned from JPEG's too (Das et al. 2017)", label="trained on JPEG",
          defaults={"qualities": "90+80+70+60+50+40+30+20"}),
)  # fmt: skip


def split_training(spec: Spec) -> tuple[Spec, Spec | None]:
    """Split a network's spec into architecture and training.

    `lenet[adversarial=pgd,eps=0.1]` gives `lenet` and `pgd[eps=0.1]`. Without the parameter
    `adversarial` the spec is all architecture.

    Raises InputError for an unknown method.
    """
    method = spec.get(KEY)
    if method is None:
        return spec, None
    entry = TRAININGS.get(method) if isinstance(method, str) else None
    if entry is None:
        raise unknown("adversarial training", str(method), TRAININGS)
    params = {name: value for name, value in spec.params if name in entry.defaults}
    return spec.without(KEY, *entry.defaults), Spec.of(entry.name, params)


def with_training(network: Spec, training: Spec) -> Spec:
    """Join a network and a training: `lenet` and `pgd[eps=0.1]` give the spec above.

    Raises InputError for an unknown method or parameter.
    """
    if training.name not in TRAININGS:
        raise unknown("adversarial training", training.name, TRAININGS)
    allowed = TRAININGS[training.name].defaults
    for name in training.kwargs:
        if name not in allowed:
            raise unknown(f"parameter of the training {training.name}", name, allowed)
    return Spec.of(network.name, {**network.kwargs, KEY: training.name, **training.kwargs})


def shortest(spec: Spec) -> Spec:
    """Return the spec without training parameters at their default: one name per training."""
    _, training = split_training(spec)
    if training is None:
        return spec
    defaults = TRAININGS[training.name].defaults
    return spec.without(*(k for k, v in training.params if v == defaults[k]))
