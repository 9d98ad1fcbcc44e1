"""HopSkipJump: along the boundary by decisions alone, within a budget of queries."""

from __future__ import annotations

import math

import numpy as np
import torch

from benchmark.attacks.steps.checks import as_count, as_two_or_inf
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier


class HopSkipJump(TensorAttack):
    """HopSkipJump (Chen, Jordan and Wainwright 2020, Algorithm 2) for L2 or Linf.

    ART's class drives an image from the predicted class, right or wrong; starts from the
    operating system's random numbers, so no seed repeats it; has no budget of queries; and
    returns its last point, which lies off the boundary. Here the true class counts, every image
    has its own stream, the search ends with its queries, and the nearest adversarial point that
    was met comes back.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = 2,
        queries: int = 1000,
        init_eval: int = 100,
        init_size: int = 100,
        targeted: bool = False,
    ) -> None:
        """queries: forward passes an image at most.

        init_eval: queries of the first estimate of a gradient; the t-th takes sqrt(t) times as
        many. init_size: random images that are tried as a start.
        """
        super().__init__(estimator, targeted)
        self.norm = as_two_or_inf(norm, "HopSkipJump")
        self.queries = as_count(queries, "queries", 1)
        self.init_eval = as_count(init_eval, "init_eval", 1)
        self.init_size = as_count(init_size, "init_size", 1)

    def attack(self, x: torch.Tensor, y: torch.Tensor, streams: Streams) -> torch.Tensor:
        """Image by image; images that are wrong already stay as they are."""
        found = [
            _Search(self, x[i], y[i : i + 1], stream).run() for i, stream in enumerate(streams)
        ]
        return torch.stack(found)


class _Search:
    """The search for one image [C, H, W]: what was asked, and the nearest that was found."""

    def __init__(
        self, attack: HopSkipJump, x: torch.Tensor, y: torch.Tensor, stream: np.random.Generator
    ) -> None:
        self.own, self.x, self.y, self.stream = attack, x, y, stream
        self.left = attack.queries
        self.nearest, self.distance = x, math.inf
        pixels = x.numel()
        # ART's threshold of the binary search
        self.theta = 0.01 / (math.sqrt(pixels) if attack.norm == 2 else pixels)

    def run(self) -> torch.Tensor:
        """The nearest adversarial image that the queries reached."""
        if bool(self.query(self.x[None])[0]):
            return self.x
        here = self._start()
        step = 1
        while here is not None and self.left > 0:
            here = self._to_boundary(here)
            here = self._leap(here, step)
            step += 1
        return self.nearest

    def query(self, images: torch.Tensor) -> torch.Tensor:
        """Which images [N, C, H, W] are adversarial; the nearest of them is kept.

        Asks as many as are left, and gives an answer for these alone.
        """
        images = images[: self.left]
        self.left -= len(images)
        if not len(images):
            return torch.zeros(0, dtype=torch.bool, device=images.device)
        wrong = self.own.margin(images, self.y.expand(len(images))) < 0
        if wrong.any():
            lengths = self._length(images - self.x).where(wrong, math.inf)
            best = int(lengths.argmin())
            if float(lengths[best]) < self.distance:
                self.nearest, self.distance = images[best].clone(), float(lengths[best])
        return wrong

    def _start(self) -> torch.Tensor | None:
        for _ in range(self.own.init_size):
            drawn = self.stream.random(tuple(self.x.shape), dtype=np.float32)
            image = torch.from_numpy(drawn).to(self.x.device)
            answer = self.query(image[None])
            if len(answer) and bool(answer[0]):
                return image
        return None

    def _to_boundary(self, here: torch.Tensor) -> torch.Tensor:
        """Between the image and an adversarial point, the nearest adversarial one."""
        high = 1.0 if self.own.norm == 2 else float((here - self.x).abs().max())
        low, close = 0.0, self.theta * high
        best = here
        while high - low > close and self.left > 0:
            middle = (low + high) / 2
            trial = self._between(here, middle)
            if bool(self.query(trial[None])[0]):
                high, best = middle, trial
            else:
                low = middle
        return best

    def _leap(self, here: torch.Tensor, step: int) -> torch.Tensor:
        """From the boundary along the estimated gradient, as far as it stays adversarial."""
        span = float(self._length((here - self.x)[None])[0])
        count = min(int(self.own.init_eval * math.sqrt(step)), self.left)
        if count < 1 or span == 0:
            self.left = 0
            return here
        side = math.sqrt(here.numel()) if self.own.norm == 2 else here.numel()
        delta = 0.1 if step == 1 else side * self.theta * span
        noise = torch.from_numpy(
            self.stream.standard_normal((count, *here.shape), dtype=np.float32)
            if self.own.norm == 2
            else (2 * self.stream.random((count, *here.shape), dtype=np.float32) - 1)
        ).to(here.device)
        noise /= torch.linalg.vector_norm(noise.flatten(1), dim=1).view(-1, 1, 1, 1)
        trial = (here + delta * noise).clamp_(0, 1)
        noise = (trial - here) / delta
        answer = self.query(trial)
        votes = (2 * answer.float() - 1).view(-1, 1, 1, 1)
        mean = votes.mean()
        # all alike: there is no difference to learn from
        weight = votes if abs(float(mean)) == 1 else votes - mean
        gradient = (weight * noise).mean(0)
        length = torch.linalg.vector_norm(gradient)
        if float(length) == 0:
            return here
        towards = gradient / length if self.own.norm == 2 else gradient.sign()
        size = span / math.sqrt(step)
        while self.left > 0 and size > 1e-6:
            trial = (here + size * towards).clamp(0, 1)
            if bool(self.query(trial[None])[0]):
                return trial
            size /= 2
        return here

    def _between(self, here: torch.Tensor, share: float) -> torch.Tensor:
        if self.own.norm == 2:
            return self.x + share * (here - self.x)
        return self.x + (here - self.x).clamp(-share, share)

    def _length(self, change: torch.Tensor) -> torch.Tensor:
        length: torch.Tensor = torch.linalg.vector_norm(change.flatten(1), self.own.norm, dim=1)
        return length
