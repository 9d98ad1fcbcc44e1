"""Expected passes per image of attacks from which images drop out once they are adversarial.

Fitted to the passes that LeNet takes on digits at three eps in each norm. What an attack computes
beside its passes is stated apart, in the time of a forward pass in batches of 125.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.attacks.entry import Params, Passes, default_passes

# eps at which half of the steps of an iterative attack remain to be done, by norm
HALF = {"inf": 0.07, "2": 1.2, "1": 13.0}
# the same for queries of Square
SQUARE_HALF = {"inf": 0.088, "2": 2.0, "1": 21.0}
# time that a query takes beside its forward pass: proposals are drawn image by image
SQUARE_DRAW, DECISION_DRAW = 0.5, 0.7
# queries of Square in AutoAttack
AUTO_QUERIES = 5000
# steps of DeepFool, and of a bisection
DEEP_FOOL_STEPS, BISECTION = 16, 10


def standing(params: Params, half: Mapping[str, float] = HALF) -> float:
    """Return the expected share of its steps that an image takes part in, from its eps."""
    return float(1 / (1 + (params["eps"] / half[str(params.get("norm", "inf"))]) ** 5))


def projected(params: Params, classes: int) -> Passes:
    """Return the passes of PGD: all steps, or those that lead out of the class."""
    steps = default_passes(params, classes).gradients
    if not params.get("drop_fallen", False):
        return Passes(steps)
    share, length = standing(params), params["eps_step"] or params["eps"]
    falls = min(steps, 1 + 1.5 * HALF[str(params.get("norm", "inf"))] / length)
    return Passes(share * steps + (1 - share) * falls)


def apgd(params: Params, classes: int) -> Passes:
    """Return the expected passes of APGD, all runs together."""
    return Passes(standing(params) * _apgd_steps(params), 8)


def apgd_targeted(params: Params, classes: int) -> Passes:
    """Return the expected passes of targeted APGD, all targets together."""
    targets = min(int(params["targets"]), classes - 1)
    return Passes(standing(params) * targets * _apgd_steps(params), 8)


def deep_fool(params: Params, classes: int) -> Passes:
    """Return the expected passes of DeepFool: one gradient per class in each step."""
    steps = min(DEEP_FOOL_STEPS, int(params["max_iter"]))
    return Passes(steps * classes, steps + BISECTION)


def fab(params: Params, classes: int) -> Passes:
    """Return the passes of FAB: one gradient per class in each step, or one per target."""
    targets = min(int(params.get("targets", 0)), classes - 1)
    runs = int(params["max_iter"]) * int(params["restarts"])
    return Passes(runs * (targets or classes), runs * max(1, targets) + 11)


def square(params: Params, classes: int) -> Passes:
    """Return the expected passes of Square."""
    return Passes(forwards=standing(params, SQUARE_HALF) * params["queries"])


def square_draws(params: Params, classes: int) -> float:
    """Return the time of Square beside its passes."""
    return SQUARE_DRAW * square(params, classes).forwards


def hop_skip_jump(params: Params, classes: int) -> Passes:
    """Return the passes of HopSkipJump: images that are right spend all queries."""
    return Passes(forwards=float(params["queries"]))


def decision_draws(params: Params, classes: int) -> float:
    """Return the time of HopSkipJump beside its passes."""
    return DECISION_DRAW * float(params["queries"])


def carlini(params: Params, classes: int) -> Passes:
    """Return the expected passes of C&W: images leave once another c brings them no closer."""
    searched = min(3, int(params["binary_search_steps"]))
    return Passes(0.76 * searched * int(params["max_iter"]))


def art_autoattack(params: Params, classes: int) -> Passes:
    """Return the expected passes of the four parts, each on images that resist those before it."""
    first, later = standing(params), standing(params) ** 2
    gradients, forwards = (first + later) * _apgd_steps(params), 8.0
    if not params.get("targeted", False):
        gradients += later * DEEP_FOOL_STEPS * classes
    return Passes(gradients, forwards + _late_queries(params, params["queries"]))


def autoattack(params: Params, classes: int) -> Passes:
    """Return the expected passes of AutoAttack: most are spent on images that resist it all."""
    targets = min(9, classes - 1)
    first, later = standing(params), standing(params) ** 2
    if str(params["version"]) == "rand":
        return Passes(20 * 100 * (first + later), 60)
    gradients, restarts = 100.0 * first, 1
    if str(params["version"]) == "plus":
        restarts = 5
        # APGD-DLR, and FAB with one gradient per class
        gradients = restarts * 100 * (first + later) + restarts * later * 100 * classes
    gradients += later * 2 * targets * 100
    forwards = later * 100 * targets + _late_queries(params, AUTO_QUERIES)
    return Passes(gradients, forwards + 8)


def late_draws(params: Params, classes: int) -> float:
    """Return the time beside the passes of Square as the last part of an ensemble."""
    if str(params.get("version", "standard")) == "rand":
        return 0.0
    return SQUARE_DRAW * _late_queries(params, params.get("queries", AUTO_QUERIES))


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


def _late_queries(params: Params, queries: float) -> float:
    """Return the expected queries of Square on images that resist the parts before it."""
    if "version" not in params and str(params["norm"]) != "inf":
        return 0.0  # ART's sequence has it in Linf
    return standing(params) ** 2 * queries


def _apgd_steps(params: Params) -> int:
    passes = int(params["max_iter"]) * max(1, int(params["nb_random_init"]))
    return passes * int(params.get("eot_iter", 1))
