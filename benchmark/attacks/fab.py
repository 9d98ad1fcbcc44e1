"""FAB: steps to the linearised boundary, biased towards the image; the nearest point counts."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark.attacks.geometry.hyperplane import dual, step_to_plane
from benchmark.attacks.steps.checks import as_budget, as_count, as_norm, as_positive
from benchmark.attacks.steps.jacobian import jacobian
from benchmark.attacks.steps.nearer import HALVINGS, surely_adversarial, towards
from benchmark.attacks.steps.projections import each, norms
from benchmark.attacks.steps.tensor_attack import MIN_MARGIN, Streams, TensorAttack
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.outputs import finite_rows

# radius of the random starts where no bound and no nearer point is known, as in the authors' code
RADII = {math.inf: 0.3, 2.0: 1.0, 1.0: 5.0}
# the distance of a step along a gradient that leads to no adversarial image, per pixel
UNREACHED = 0.01


class FAB(TensorAttack):
    """FAB (Croce and Hein 2020, "Minimally distorted adversarial examples with a fast adaptive
    boundary attack", Algorithm 1), in the norms inf, 2 and 1, for correctly classified images.

    Each step leads to the linearised boundary, biased towards the image; a wrong point counts by
    its distance and is moved back. The nearest one is moved to the boundary by bisection.

    used: int64 [N, 2] after `attack`: steps of each image, all runs together, and other passes.

    With eps, as a part of AutoAttack: an image leaves with its first wrong point within eps, and
    one without is returned unchanged.
    """

    def __init__(
        self,
        estimator: Classifier,
        norm: float | str = math.inf,
        max_iter: int = 100,
        alpha_max: float = 0.1,
        eta: float = 1.05,
        beta: float = 0.9,
        restarts: int = 1,
        targets: int = 0,
        eps: float | None = None,
    ) -> None:
        """max_iter: steps of a run. alpha_max: the largest weight of the step from the image.

        eta: by what factor steps pass the boundary, at least 1. beta: the share of its distance at
        which a wrong point goes on, in (0, 1). restarts: runs, all but the first from random
        points. targets: 0 for the nearest boundary of all at each step (one backward pass per
        class); k for one run to each of the k wrong classes with the largest logits.
        """
        super().__init__(estimator)
        self.norm = as_norm(norm)
        if self.norm not in RADII:
            raise InputError(f'attack: FAB expected the norm "inf", 2 or 1, got {norm!r}')
        self.max_iter = as_count(max_iter, "max_iter", 1)
        self.alpha_max = _share(alpha_max, "alpha_max")
        self.eta = as_positive(eta, "eta")
        if self.eta < 1:
            raise InputError(f"attack: expected eta to be at least 1, got {eta!r}")
        self.beta = _share(beta, "beta")
        self.restarts = as_count(restarts, "restarts", 1)
        self.targets = min(as_count(targets, "targets", 0), estimator.nb_classes - 1)
        self.eps = None if eps is None else as_budget(eps)
        self.used = torch.zeros(0, 2, dtype=torch.int64)

    def attack(self, x: Tensor, y: Tensor, streams: Streams) -> Tensor:
        """Run from the image, then from random points; images that are wrong already stay."""
        self.estimator.forwards += len(x)
        logits = self.estimator.logits(self.estimator.defended(x))
        own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
        goals = logits.masked_fill(own, -math.inf).topk(max(1, self.targets), dim=1).indices
        result, nearest = x.clone(), torch.full_like(x[:, 0, 0, 0], math.inf)
        standing = self.logit_margin(logits, y) >= 0
        self.used = torch.stack([torch.zeros_like(y), torch.ones_like(y)], dim=1)
        # all runs of an image are in one block, whatever the batch: the first success ends them
        size = max(1, self.estimator.batch // goals.shape[1])
        for run in range(self.restarts):
            left = (standing & (nearest > (self.eps or 0.0))).nonzero().flatten()
            if not len(left):
                break
            for block in left.split(size):
                starts = x[block].repeat_interleave(goals.shape[1], 0)
                if run:
                    radius = nearest[block].clamp_max(self.eps or RADII[self.norm])
                    noise = self._noise([streams[i] for i in block.tolist()], goals.shape[1], x)
                    starts = starts + each(radius.repeat_interleave(goals.shape[1]) / 2) * noise
                image, distance, steps = self._run(
                    x[block], y[block], goals[block], starts.clamp_(0, 1)
                )
                self.used[block, 0] += steps
                closer = distance < nearest[block]
                result[block[closer]], nearest[block[closer]] = image[closer], distance[closer]
        if self.eps is not None:
            return torch.where(each(nearest <= self.eps), result, x)
        found = nearest.isfinite().nonzero().flatten()
        if len(found):
            result[found] = towards(self, x[found], result[found], y[found])
            self.used[found, 1] += HALVINGS
        return result

    def spent(self) -> Tensor:
        """Return the gradients and forward passes of each image, int64 [N, 2]."""
        # each step takes the gradients, and looks at the point that it leads to
        steps, more = self.used.unbind(1)
        gradients = self.estimator.draws * (1 if self.targets else self.estimator.nb_classes)
        return torch.stack([gradients * steps, steps + more], dim=1)

    def _run(
        self, x: Tensor, y: Tensor, goals: Tensor, starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run to all goals of each image; return nearest wrong points, distances and steps [N].

        x: images [N, C, H, W]. goals: classes [N, T]. starts: [N * T, C, H, W].
        """
        count, runs = goals.shape
        centre, labels = x.repeat_interleave(runs, 0), y.repeat_interleave(runs)
        best, nearest = centre.clone(), torch.full_like(centre[:, 0, 0, 0], math.inf)
        alive, point = torch.arange(len(centre), device=x.device), starts
        steps = torch.zeros_like(labels)
        for _ in range(self.max_iter):
            steps[alive] += 1
            near, label = centre[alive], labels[alive]
            point = self._step(point, near, label, goals.flatten()[alive])
            distance = self._size(point - near)
            if self.eps is None:
                wrong = surely_adversarial(self, point, label)
            else:
                wrong = self.margin(point, label) < 0
            closer = wrong & (distance < nearest[alive])
            best[alive[closer]], nearest[alive[closer]] = point[closer], distance[closer]
            point = torch.where(each(wrong), near + self.beta * (point - near), point)
            if self.eps is not None and bool((distance[closer] <= self.eps).any()):
                decided = (nearest <= self.eps).view(count, runs).any(1)
                go = ~decided[alive // runs]
                alive, point = alive[go], point[go]
                if not len(alive):
                    break
        first = nearest.view(count, runs).argmin(1) + runs * torch.arange(count, device=x.device)
        return best[first], nearest[first], steps.view(count, runs).sum(1)

    def _step(self, point: Tensor, centre: Tensor, y: Tensor, goal: Tensor) -> Tensor:
        """Return the next points (equations 7 to 9): both steps to one plane, mixed."""
        gap, normal = self._boundary(point, y, goal)
        at, image, flat = point.flatten(1), centre.flatten(1), normal.flatten(1)
        here = step_to_plane(at, flat, gap, self.norm)
        there = step_to_plane(image, flat, gap + torch.linalg.vecdot(flat, at - image), self.norm)
        sizes = [norms(d, self.norm).clamp_min(1e-8) for d in (here, there)]
        bias = (sizes[0] / (sizes[0] + sizes[1])).clamp_max(self.alpha_max)[:, None]
        at = at.add(here, alpha=self.eta)
        moved = at.lerp_(image.add(there, alpha=self.eta), bias)
        return moved.clamp_(0, 1).view_as(point)

    def _boundary(self, x: Tensor, y: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gap [N] by which a logit must rise to pass the label's, and its gradient.

        Without eps it includes what a wrong point must pass it by to count (`surely_adversarial`):
        steps that end on the boundary itself would never count, and never go on from there.

        goal: the class [N] whose logit it is; without targets the nearest by the dual norm.
        """
        if self.targets:
            gap, normal = self._difference(x, y, goal)
            normal = self.estimator.finite(
                normal, x, lambda points: self._difference(points, y, goal)[1]
            )
        else:
            logits, gradients = jacobian(self.estimator, x)
            rows = torch.arange(len(x), device=x.device)
            away = gradients - gradients[rows, y][:, None]
            gaps = logits[rows, y][:, None] - logits + self._room(logits)[:, None]
            lengths = torch.linalg.vector_norm(away.flatten(2), dual(self.norm), 2)
            own = torch.nn.functional.one_hot(y, logits.shape[1]).bool()
            nearest = (gaps.abs() / (lengths + 1e-12)).masked_fill(own, math.inf).argmin(1)
            gap, normal = gaps[rows, nearest], away[rows, nearest]
        if self.estimator.backward_mode.past_squashing:
            reach = self.reach(x, y, normal)
            reach = reach.where(reach.isfinite(), UNREACHED * math.sqrt(x[0].numel()))
            gap = reach * torch.linalg.vector_norm(normal.flatten(1), dim=1)
        # an image with outputs that are no numbers stays
        return gap.nan_to_num_(0.0, 0.0, 0.0), normal.contiguous()

    def _difference(self, x: Tensor, y: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the label's logit minus the goal's [N], and the gradient of its negative."""
        gaps, gradients = [], []
        for leaf, logits in self.estimator.passes(x):
            picked = logits.gather(1, torch.stack([y, goal], 1))
            gap = picked[:, 0] - picked[:, 1]
            gradients.append(torch.autograd.grad(-gap.sum(), leaf)[0])
            gaps.append(gap.detach() + self._room(logits.detach()))
        if len(gaps) == 1:
            return gaps[0], gradients[0]
        return torch.stack(gaps).mean(0), torch.stack(gradients).mean(0)

    def _room(self, logits: Tensor) -> Tensor:
        """Return by how much a logit must exceed the label's to count [N], of logits [N, K]."""
        if self.eps is not None:
            return torch.zeros_like(logits[:, 0])
        return (MIN_MARGIN * logits.abs().amax(1)).where(finite_rows(logits), 0.0)

    def _size(self, change: Tensor) -> Tensor:
        return norms(change.flatten(1), self.norm)

    def _noise(self, streams: Streams, runs: int, x: Tensor) -> Tensor:
        """Return random changes [N * runs, C, H, W] whose norm is 1."""
        shape = (runs, *x.shape[1:])
        if self.norm == math.inf:
            drawn = [torch.from_numpy(s.uniform(-1, 1, shape)) for s in streams]
        else:
            drawn = [torch.from_numpy(s.standard_normal(shape)) for s in streams]
        noise = torch.cat(drawn).float().to(x.device)
        return noise / each(self._size(noise))


def _share(value: float, name: str) -> float:
    """Return a number between 0 and 1, both excluded; InputError otherwise."""
    share = as_positive(value, name)
    if share >= 1:
        raise InputError(f"attack: expected {name} to be above 0 and below 1, got {value!r}")
    return share
