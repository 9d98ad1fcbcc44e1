"""HopSkipJump: along the boundary by predicted classes alone, within a budget of queries."""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
import torch
from torch import Tensor

from benchmark.attacks.steps.checks import as_count, as_two_or_inf
from benchmark.attacks.steps.projections import each, lengths, norms
from benchmark.attacks.steps.tensor_attack import Streams, TensorAttack
from estimators.classifier import Classifier

# a search asks which images [N, C, H, W] are adversarial, and gets bool [N]
Asking = Generator[Tensor, Tensor, Tensor]
Asked = Generator[Tensor, Tensor, Tensor | None]


class HopSkipJump(TensorAttack):
    """HopSkipJump (Chen, Jordan and Wainwright 2020, Algorithm 2) for L2 or Linf.

    ART's class leaves the predicted class, right or wrong; takes random numbers from the operating
    system; has no budget of queries; and returns its last point, which is off the boundary. Here an
    image leaves its true class and has its own random stream, the search ends with its queries, and
    the result is the nearest adversarial point of all queries.
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
        """queries: forward passes per image at most.

        init_eval: queries for the first estimate of a gradient; the t-th takes sqrt(t) times as
        many. init_size: random images to try as a start.
        """
        super().__init__(estimator, targeted)
        self.norm = as_two_or_inf(norm, "HopSkipJump")
        self.queries = as_count(queries, "queries", 1)
        self.init_eval = as_count(init_eval, "init_eval", 1)
        self.init_size = as_count(init_size, "init_size", 1)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Search for all images side by side; images that are wrong already stay unchanged.

        Each search is that of the image alone. Small queries of several images share a batch,
        queries of half a batch or more have batches of their own.
        """
        result = x.clone()
        walks = [_Search(self, *image).run() for image in zip(x, streams, strict=True)]
        asked = {n: next(walk) for n, walk in enumerate(walks)}
        while asked:
            sizes = [len(images) for images in asked.values()]
            labels = y[list(asked)].repeat_interleave(torch.tensor(sizes, device=y.device))
            wrong = self.margin(torch.cat(list(asked.values())), labels) < 0
            answers = dict(zip(asked, wrong.split(sizes), strict=True))
            asked = {}
            for n, answer in answers.items():
                try:
                    images = walks[n].send(answer)
                    while 2 * len(images) >= self.estimator.batch:
                        images = walks[n].send(self.margin(images, y[n].expand(len(images))) < 0)
                    asked[n] = images
                except StopIteration as end:
                    result[n] = end.value
        return result


class _Search:
    """The search for one image [C, H, W]: the queries left, and the nearest adversarial point."""

    def __init__(self, attack: HopSkipJump, x: Tensor, stream: np.random.Generator) -> None:
        self.attack, self.x, self.stream = attack, x, stream
        self.left = attack.queries
        self.nearest, self.distance = x, math.inf
        pixels = x.numel()
        # ART's threshold of the binary search
        self.theta = 0.01 / (math.sqrt(pixels) if attack.norm == 2 else pixels)

    def run(self) -> Asking:
        """Return the nearest adversarial image that the queries reach."""
        wrong = yield from self.query(self.x[None])
        if bool(wrong[0]):
            return self.x
        x_adv, step = (yield from self._start()), 0
        while x_adv is not None and self.left > 0:
            step += 1
            boundary = yield from self._to_boundary(x_adv)
            x_adv = yield from self._jump(boundary, step)
        return self.nearest

    def query(self, images: Tensor) -> Asking:
        """Return which images [N, C, H, W] are adversarial, and keep the nearest of them.

        Where fewer queries are left than images, the answer covers the first images alone.
        """
        images = images[: self.left]
        self.left -= len(images)
        if not len(images):
            return torch.zeros(0, dtype=torch.bool, device=images.device)
        wrong = yield images
        if wrong.any():
            norms = self._length(images - self.x).where(wrong, math.inf)
            best = int(norms.argmin())
            if float(norms[best]) < self.distance:
                self.nearest, self.distance = images[best].clone(), float(norms[best])
        return wrong

    def _start(self) -> Asked:
        """Return a random image that is adversarial; None if none of `init_size` is."""
        for _ in range(self.attack.init_size):
            drawn = self.stream.random(tuple(self.x.shape), dtype=np.float32)
            image = torch.from_numpy(drawn).to(self.x.device)
            wrong = yield from self.query(image[None])
            if wrong.any():
                return image
        return None

    def _to_boundary(self, x_adv: Tensor) -> Asking:
        """Return the nearest adversarial point between the image and an adversarial one."""
        high = 1.0 if self.attack.norm == 2 else float((x_adv - self.x).abs().max())
        low, close = 0.0, self.theta * high
        best = x_adv
        while high - low > close and self.left > 0:
            middle = (low + high) / 2
            trial = self._between(x_adv, middle)
            wrong = yield from self.query(trial[None])
            if bool(wrong[0]):
                high, best = middle, trial
            else:
                low = middle
        return best

    def _jump(self, x_adv: Tensor, step: int) -> Asking:
        """Return the point after a step from the boundary along the estimated gradient."""
        span = float(self._length((x_adv - self.x)[None])[0])
        count = min(int(self.attack.init_eval * math.sqrt(step)), self.left)
        if count < 1 or span == 0:
            self.left = 0
            return x_adv
        side = math.sqrt(x_adv.numel()) if self.attack.norm == 2 else x_adv.numel()
        delta = 0.1 if step == 1 else side * self.theta * span
        draw = self.stream.standard_normal if self.attack.norm == 2 else self.stream.random
        drawn = draw((count, *x_adv.shape), dtype=np.float32)
        drawn = drawn if self.attack.norm == 2 else 2 * drawn - 1
        noise = torch.from_numpy(drawn).to(x_adv.device)
        noise /= lengths(noise)
        trial = (x_adv + delta * noise).clamp_(0, 1)
        noise = (trial - x_adv) / delta
        answer = yield from self.query(trial)
        votes = each(2 * answer.float() - 1)
        mean = votes.mean()
        # all votes equal: there is no baseline to subtract
        weight = votes if abs(float(mean)) == 1 else votes - mean
        gradient = (weight * noise).mean(0)
        length = torch.linalg.vector_norm(gradient)
        if float(length) == 0:
            return x_adv
        direction = gradient / length if self.attack.norm == 2 else gradient.sign()
        size = span / math.sqrt(step)
        while self.left > 0 and size > 1e-6:
            trial = (x_adv + size * direction).clamp(0, 1)
            wrong = yield from self.query(trial[None])
            if bool(wrong[0]):
                return trial
            size /= 2
        return x_adv

    def _between(self, x_adv: Tensor, share: float) -> Tensor:
        """Return a point between the image and x_adv: by share in L2, clipped to it in Linf."""
        if self.attack.norm == 2:
            return self.x + share * (x_adv - self.x)
        return self.x + (x_adv - self.x).clamp(-share, share)

    def _length(self, change: Tensor) -> Tensor:
        """Return the norm of each change [N]."""
        return norms(change.flatten(1), self.attack.norm)
