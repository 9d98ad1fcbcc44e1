"""Training: a recipe, a seed and images make weights and a history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from estimators.data.images import Images
from estimators.errors import InputError
from estimators.spec import Spec
from estimators.training.adversarial import PgdTraining, Training, split_training

EVALUATION_BATCH = 250


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights besides data, network and seed.

    epochs: passes over the training images.
    batch_size: images a step.
    learning_rate: the peak of a one-cycle schedule (Smith and Topin 2017) of AdamW.
    weight_decay: decoupled (Loshchilov and Hutter 2019).
    flip: mirror half of the images.
    crop: shift each image by up to this many pixels, zeros at the border.
    bfloat16: multiply in bfloat16, keep weights and sums in float32.
    adversarial: a defence in training (estimators/adversarial.py).
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
        if self.epochs < 1:
            raise InputError(f"epochs: must be at least 1, found {self.epochs}")

    @property
    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for keys and metadata.

        A recipe without `adversarial` has no such entry: its checkpoints keep the keys that they
        had before there was one.
        """
        fields = asdict(self)
        del fields["adversarial"]
        if self.adversarial is not None:
            fields["adversarial"] = self.adversarial.as_dict
        return fields


RECIPES: dict[tuple[str, str], Recipe] = {
    ("digits", "lenet"): Recipe(epochs=60, batch_size=32, crop=2),
    ("mnist", "lenet"): Recipe(epochs=15),
    ("mnist", "lenet[adversarial=pgd]"): Recipe(epochs=12, adversarial=PgdTraining()),
    ("mnist", "resnet"): Recipe(epochs=8, bfloat16=True),
    ("cifar10", "lenet"): Recipe(epochs=30, flip=True),
    ("cifar10", "cnn"): Recipe(epochs=30, flip=True, crop=4, bfloat16=True),
}
DEFAULT_RECIPE = Recipe(epochs=15)


def recipe_for(dataset: str, network: str | Spec, epochs: int | None = None) -> Recipe:
    """The recipe of a data set and a network, or the default one; `epochs` overrides.

    A network with a defence in training takes the recipe of that defence, or else of its plain
    self, with the parameters of its own spec.
    """
    spec = Spec(network) if isinstance(network, str) else network
    _, training = split_training(spec)
    recipe = RECIPES.get((dataset, spec.name), DEFAULT_RECIPE)
    if training is not None:
        recipe = RECIPES.get((dataset, f"{spec.name}[adversarial={training.name}]"), recipe)
        recipe = replace(recipe, adversarial=training)
    return recipe if epochs is None else replace(recipe, epochs=epochs)


def train(
    build: Callable[[], nn.Module],
    images: Images,
    test: Images,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a network from its first weights on.

    build: makes the untrained network; called after seeding, so that the seed decides its start.
    images, test: training images, and the images that each epoch is measured on (they choose
        nothing: the weights of the last epoch are kept).
    on_epoch: called with each row of the history.

    Returns the network in evaluation mode on the CPU, and the history: epoch, loss and accuracy
    of training (running, with dropout and augmentation) and test, seconds.
    """
    torch.manual_seed(seed)
    network = build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, y = torch.from_numpy(images.x).to(device), torch.from_numpy(images.y).to(device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = -(-len(y) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.learning_rate, total_steps=steps * recipe.epochs
    )
    random = torch.Generator().manual_seed(seed)
    history = []
    for epoch in range(1, recipe.epochs + 1):
        start = time.perf_counter()
        network.train()
        if recipe.adversarial is not None and not recipe.adversarial.dropout:
            _without_dropout(network)
        loss_sum, hits = 0.0, 0
        for batch_x, batch_y in _batches(x, y, recipe, random):
            if recipe.adversarial is not None:
                done = schedule.last_epoch / schedule.total_steps
                batch_x = recipe.adversarial.batch(network, batch_x, batch_y, done, random)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=recipe.bfloat16):
                logits = network(batch_x)
            loss = functional.cross_entropy(logits.float(), batch_y)
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.item() * len(batch_y)
            hits += int((logits.argmax(1) == batch_y).sum())
        test_loss, test_accuracy = evaluate(network, test, device)
        row = {
            "epoch": epoch,
            "train_loss": loss_sum / len(y),
            "train_accuracy": hits / len(y),
            "test_loss": test_loss,
            "test_accuracy": test_accuracy,
            "seconds": time.perf_counter() - start,
        }
        history.append(row)
        if on_epoch is not None:
            on_epoch(row)
    return network.eval().to("cpu", memory_format=torch.contiguous_format), pd.DataFrame(history)


def evaluate(network: nn.Module, images: Images, device: str = "cpu") -> tuple[float, float]:
    """Mean cross entropy and accuracy of a network on images, in evaluation mode."""
    network.eval()
    loss, hits = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(images), EVALUATION_BATCH):
            part = images[start : start + EVALUATION_BATCH]
            y = torch.from_numpy(part.y).to(device)
            logits = network(torch.from_numpy(part.x).to(device))
            loss += float(functional.cross_entropy(logits, y, reduction="sum"))
            hits += int((logits.argmax(1) == y).sum())
    return loss / len(images), hits / len(images)


def _without_dropout(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()


def _batches(
    x: torch.Tensor, y: torch.Tensor, recipe: Recipe, random: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    order = torch.randperm(len(y), generator=random)
    for chosen in torch.split(order, recipe.batch_size):
        batch = x[chosen.to(x.device)]
        if recipe.flip:
            mirrored = torch.rand(len(batch), generator=random).to(x.device) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        if recipe.crop:
            batch = _shifted(batch, recipe.crop, random)
        yield batch.contiguous(memory_format=torch.channels_last), y[chosen.to(y.device)]


def _shifted(batch: torch.Tensor, pixels: int, random: torch.Generator) -> torch.Tensor:
    """Each image shifted by its own offset, zeros at the border."""
    n, channels, height, width = batch.shape
    padded = functional.pad(batch, (pixels,) * 4)
    offset = torch.randint(0, 2 * pixels + 1, (2, n), generator=random).to(batch.device)
    rows = offset[0, :, None] + torch.arange(height, device=batch.device)
    columns = offset[1, :, None] + torch.arange(width, device=batch.device)
    image = torch.arange(n, device=batch.device)[:, None, None, None]
    channel = torch.arange(channels, device=batch.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
