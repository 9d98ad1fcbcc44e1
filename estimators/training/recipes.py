"""Training recipes: everything that decides the weights besides data, network and seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from estimators.errors import whole
from estimators.networks.external import network_entry
from estimators.spec import Spec
from estimators.training.adversarial import Training, build_training
from estimators.training_spec import split_training


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights besides data, network and seed.

    epochs: passes over the training images.
    batch_size: images per step.
    learning_rate: the peak of a one-cycle schedule (Smith and Topin 2017) of AdamW.
    weight_decay: decoupled (Loshchilov and Hutter 2019).
    flip: mirror half of the images.
    crop: shift each image by up to this many pixels, zeros at the border.
    bfloat16: multiply in bfloat16, keep weights and sums in float32.
    adversarial: adversarial training, or None.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    flip: bool = False
    crop: int = 0
    bfloat16: bool = False
    adversarial: Training | None = None

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1, 1_000_000)

    @property
    def as_dict(self) -> dict[str, object]:
        """Return the fields by name, for keys and metadata.

        A recipe without `adversarial` has no such field here: its checkpoints keep the keys that
        they had before the field existed.
        """
        fields = asdict(self)
        training = fields.pop("adversarial")
        if self.adversarial is not None:
            fields["adversarial"] = {"method": self.adversarial.name, **training}
        return fields


DEFAULT_EPOCHS = 15


def recipe_for(dataset: str, network: str | Spec, epochs: int | None = None) -> Recipe:
    """Return the recipe of a data set and a network, or the default one.

    A network with adversarial training takes the recipe of that training, else that of its plain
    self, with the training parameters of its spec.

    epochs: overrides the recipe's own number.
    """
    spec = Spec(network) if isinstance(network, str) else network
    _, training = split_training(spec)
    entry = network_entry(spec.name)
    fields: dict[str, Any] = {"epochs": DEFAULT_EPOCHS}
    if entry is not None:
        names = [training.name, ""] if training else [""]
        rows = [entry.recipes[dataset, name] for name in names if (dataset, name) in entry.recipes]
        fields.update(*rows[:1])
    recipe = Recipe(**fields, adversarial=None if training is None else build_training(training))
    return recipe if epochs is None else replace(recipe, epochs=epochs)
