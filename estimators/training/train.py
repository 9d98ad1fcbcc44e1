"""Training: from a recipe, a seed and images to weights and a history."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from estimators.data.images import Images
from estimators.networks.running.guarded import guarded, placed
from estimators.networks.running.lanes.training import trained_on_lanes
from estimators.training.recipes import Recipe

EVALUATION_BATCH = 250


def train(
    build: Callable[[], nn.Module],
    images: Images,
    test: Images,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_share: Callable[[float], None] | None = None,
    every_epoch: bool = True,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a network.

    build: makes the untrained network; called after seeding, so that the seed decides its start.
    images, test: training images, and the images that each epoch is measured on. These choose
        nothing: the weights of the last epoch are kept.
    on_epoch: called with each row of the history.
    on_share: called after each step with the share of the training that is done.
    every_epoch: whether each epoch is measured on the test images, or the last one alone, whose
        numbers are then the only ones of `test` in the history. The weights are the same.

    Returns the network in evaluation mode on the CPU, and the history: epoch, loss and accuracy
    of training (running, with dropout and augmentation) and of test, seconds.
    """
    torch.manual_seed(seed)
    network = build()
    # the same network; an external one gets its own memory and layout
    called = placed(guarded(network, images.shape), device)
    if device == "cpu":
        sizes = {min(recipe.batch_size, len(images)), len(images) % recipe.batch_size} - {0}
        called = trained_on_lanes(called, images.shape, sizes)
    take = _taker(images, device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = -(-len(images) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=recipe.learning_rate, total_steps=steps * recipe.epochs
    )
    random = torch.Generator().manual_seed(seed)
    history = []
    for epoch in range(1, recipe.epochs + 1):
        start = time.perf_counter()
        called.train()
        if recipe.adversarial is not None and not recipe.adversarial.dropout:
            for dropout in (m for m in called.modules() if isinstance(m, nn.Dropout)):
                dropout.eval()
        loss_sum, hits, seen = 0.0, 0, 0
        for batch_x, batch_y in _batches(take, len(images), recipe, random):
            if recipe.adversarial is not None:
                done = schedule.last_epoch / schedule.total_steps
                batch_x = recipe.adversarial.batch(called, batch_x, batch_y, done, random)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(batch_x.device.type, torch.bfloat16, enabled=recipe.bfloat16):
                logits = called(batch_x)
            loss = functional.cross_entropy(logits.float(), batch_y)
            loss.backward()
            optimiser.step()
            schedule.step()
            if on_share is not None:
                on_share(schedule.last_epoch / schedule.total_steps)
            loss_sum += loss.item() * len(batch_y)
            hits += int((logits.argmax(1) == batch_y).sum())
            seen += len(batch_y)
        test_loss = test_accuracy = math.nan
        if every_epoch or epoch == recipe.epochs:
            test_loss, test_accuracy = evaluate(called, test, device)
        row = {"epoch": epoch, "train_loss": loss_sum / seen, "train_accuracy": hits / seen}
        row |= {"test_loss": test_loss, "test_accuracy": test_accuracy}
        row["seconds"] = time.perf_counter() - start
        history.append(row)
        if on_epoch is not None:
            on_epoch(row)
    network.eval().to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return network, pd.DataFrame(history)


def evaluate(network: nn.Module, images: Images, device: str = "cpu") -> tuple[float, float]:
    """Return mean cross entropy and accuracy of a network on images, in evaluation mode."""
    network.eval()
    loss, hits, seen = 0.0, 0, 0
    with torch.inference_mode():
        for start in range(0, len(images), EVALUATION_BATCH):
            part = images[start : start + EVALUATION_BATCH].read()
            if not len(part):
                continue
            y = torch.from_numpy(part.y).to(device)
            logits = network(torch.from_numpy(part.x).to(device))
            loss += float(functional.cross_entropy(logits, y, reduction="sum"))
            hits += int((logits.argmax(1) == y).sum())
            seen += len(part)
    return loss / seen, hits / seen


# gives images and labels of some positions
Take = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def _taker(images: Images, device: str) -> Take:
    """Return what gives the images of a batch; images on disk are read batch by batch."""

    def read(chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        part = images[chosen.numpy()].read()
        return torch.from_numpy(part.x).to(device), torch.from_numpy(part.y).to(device)

    if images.streamed:
        return read
    x, y = torch.from_numpy(images.x).to(device), torch.from_numpy(images.y).to(device)
    return lambda chosen: (x[chosen.to(x.device)], y[chosen.to(y.device)])


def _batches(
    take: Take, count: int, recipe: Recipe, random: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    order = torch.randperm(count, generator=random)
    for chosen in torch.split(order, recipe.batch_size):
        batch, labels = take(chosen)
        if not len(labels):
            continue  # none of these files can be read
        if recipe.flip:
            mirrored = torch.rand(len(batch), generator=random).to(batch.device) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
        if recipe.crop:
            batch = _shifted(batch, recipe.crop, random)
        yield batch.contiguous(memory_format=torch.channels_last), labels


def _shifted(batch: torch.Tensor, pixels: int, random: torch.Generator) -> torch.Tensor:
    """Shift each image by its own offset, with zeros at the border."""
    n, channels, height, width = batch.shape
    padded = functional.pad(batch, (pixels,) * 4)
    offset = torch.randint(0, 2 * pixels + 1, (2, n), generator=random).to(batch.device)
    rows = offset[0, :, None] + torch.arange(height, device=batch.device)
    columns = offset[1, :, None] + torch.arange(width, device=batch.device)
    image = torch.arange(n, device=batch.device)[:, None, None, None]
    channel = torch.arange(channels, device=batch.device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
