"""Expected passes per image of attacks from which images drop out once they are adversarial.

Measured on digits with LeNet: CPU seconds of the attack over those of a forward pass in batches of
125. What an attack computes beside its passes is stated as more of them.
"""

from __future__ import annotations

from benchmark.attacks.entry import Params, Passes, default_passes

# eps at which half of the steps of an iterative attack remain to be done, by norm
HALF = {"inf": 0.08, "2": 1.2, "1": 8.0}
# time of a query of Square in forward passes
SQUARE_QUERY = 1.5


def standing(params: Params) -> float:
    """Return the expected share of its steps that an image takes part in, from its eps."""
    half = HALF[str(params.get("norm", "inf"))]
    return float(1 / (1 + (params["eps"] / half) ** 4))


def projected(params: Params, classes: int) -> Passes:
    """Return the passes of PGD: all steps, or those that an image stands."""
    steps = default_passes(params, classes).gradients
    if not params.get("drop_fallen", False):
        return Passes(steps)
    return Passes(1 + standing(params) * (steps - 1))


def apgd(params: Params, classes: int) -> Passes:
    """Return the expected passes of APGD, all runs together."""
    return Passes(standing(params) * _apgd_steps(params), 8)


def apgd_targeted(params: Params, classes: int) -> Passes:
    """Return the expected passes of targeted APGD, all targets together."""
    targets = min(int(params["targets"]), classes - 1)
    return Passes(standing(params) * targets * _apgd_steps(params), 8)


def deep_fool(params: Params, classes: int) -> Passes:
    """Return the expected passes of DeepFool: one gradient per class in each step."""
    return Passes(min(10, int(params["max_iter"])) * classes, 26)


def fab(params: Params, classes: int) -> Passes:
    """Return the passes of FAB: one gradient per class in each step, or one per target."""
    targets = min(int(params.get("targets", 0)), classes - 1)
    runs = int(params["max_iter"]) * int(params["restarts"])
    return Passes(runs * (targets or classes), runs * max(1, targets) + 11)


def square(params: Params, classes: int) -> Passes:
    """Return the expected passes of Square."""
    return Passes(forwards=SQUARE_QUERY * standing(params) * params["queries"])


def art_autoattack(params: Params, classes: int) -> Passes:
    """Return the expected passes of the four parts, each on images that resist those before it."""
    first = standing(params)
    later = first**1.5
    gradients, forwards = (first + later) * _apgd_steps(params), 8.0
    if not params.get("targeted", False):
        gradients += later * 15 * classes
    if str(params["norm"]) == "inf":
        forwards += later * SQUARE_QUERY * params["queries"]
    return Passes(gradients, forwards)


def autoattack(params: Params, classes: int) -> Passes:
    """Return the expected passes of AutoAttack: most are spent on images that resist it all."""
    targets = min(9, classes - 1)
    first = standing(params)
    later = first**1.5
    if str(params["version"]) == "rand":
        return Passes(20 * 100 * (first + later), 60)
    gradients, restarts = 100.0 * first, 1
    if str(params["version"]) == "plus":
        restarts = 5
        # APGD-DLR, and FAB with one gradient per class
        gradients = restarts * 100 * (first + later) + restarts * later * 100 * classes
    gradients += later * 2 * targets * 100
    forwards = later * (100 * targets + SQUARE_QUERY * 5000)
    return Passes(gradients, forwards + 8)


def strongest(params: Params, classes: int) -> Passes:
    """Return the expected passes of the search: the first rounds break most that break at all."""
    return Passes(10 + standing(params) ** 1.5 * 0.5 * params["budget"])


def per_iteration(params: Params, gradients: float, forwards: float = 0.0) -> Passes:
    """Return passes in proportion to the iterations of all steps of a binary search."""
    iterations = params["binary_search_steps"] * params["max_iter"]
    return Passes(gradients * iterations, forwards * iterations)


def searched(params: Params, classes: int) -> Passes:
    """Return one gradient per step, and the forward passes of a bisection at the end."""
    return Passes(float(params["steps"]), 11)


def _apgd_steps(params: Params) -> int:
    passes = int(params["max_iter"]) * max(1, int(params["nb_random_init"]))
    return passes * int(params.get("eot_iter", 1))
