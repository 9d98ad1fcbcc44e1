"""An attack of another library, with ART's interface: what all adapters share."""

from __future__ import annotations

import inspect
import math
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from art.attacks.attack import EvasionAttack
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator
from torch import Tensor

from benchmark.attacks.adapters.counted_network import CountedNetwork, Enough
from benchmark.attacks.adapters.global_random import seeded
from benchmark.attacks.entry import AttackEntry, Params, Passes
from benchmark.attacks.registry import TARGETS
from benchmark.attacks.steps import checks
from benchmark.attacks.steps.checks import FloatArray, Labels
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.spec import Value

# parameters that count steps, and those that repeat them
STEPS = {"steps", "n_iter", "num_steps", "max_iterations", "max_iter", "iter", "nb_iter"}
STEPS |= {"num_iter_set", "n_queries"}
REPEATS = {"restarts", "n_restarts", "repeats", "eot_iter", "binary_search_steps"}
# passes of a rehearsal: enough for a first step
REHEARSED = 3

# network, images [N, C, H, W], labels or targets [N] and parameters to images
Run = Callable[[CountedNetwork, Tensor, Tensor, dict[str, Any]], Tensor]


@dataclass(frozen=True, kw_only=True)
class LibraryAttackEntry(AttackEntry):
    """The row of one attack of a library, made from the signature of its callable.

    run: runs the attack, called with network, images, labels or targets, and parameters: those
        that differ from the defaults, and eps, norm (inf is a float) and `targeted`.
    spelled: the library's own spelling of parameters that a grid spells in another way.
    """

    run: Run
    spelled: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Callable[..., LibraryAttack]:
        """Return a builder that checks the parameters' types."""
        return self._build

    def _build(self, classifier: Classifier, **params: object) -> LibraryAttack:
        params.pop("target", None)  # the harness turns it into labels
        chosen: dict[str, Any] = {}
        for name, value in params.items():
            default = self.params.get(name)
            if name in ("eps", "norm", "targeted"):
                value = math.inf if value == "inf" else value
            elif value == default and isinstance(value, bool) == isinstance(default, bool):
                continue
            else:
                value = _checked(default, name, value)
            chosen[self.spelled.get(name, name)] = value
        return LibraryAttack(classifier, self.run, chosen)


class LibraryAttack(EvasionAttack):  # type: ignore[misc]
    """An attack of a library on a classifier."""

    _estimator_requirements = (BaseEstimator, ClassifierMixin)

    def __init__(self, estimator: Classifier, run: Run, params: Mapping[str, Any]) -> None:
        super().__init__(estimator=checks.as_classifier(estimator))
        self._run, self._params = run, params

    def generate(self, x: FloatArray, y: Labels | None = None) -> FloatArray:
        """Return adversarial images float32 [N, C, H, W] of images x in [0, 1].

        y: int [N] or one-hot [N, classes]: true labels, or targets if targeted; never guessed.
        """
        images = checks.as_images(x)
        labels = checks.as_labels(y, len(images), self.estimator.nb_classes)
        return self._images(CountedNetwork(self.estimator), images, labels)

    def rehearse(self) -> None:
        """Take the first passes on noise: most bad parameters raise an error here.

        The images get the labels that the network gives them; where it is targeted, others.
        """
        rng = np.random.default_rng(0)
        x = rng.random((2, *self.estimator.input_shape), dtype=np.float32)
        y = self.estimator.predict(x).argmax(1)
        if self._params.get("targeted"):
            y = (y + 1) % self.estimator.nb_classes
        try:
            with seeded([0]):
                self._images(CountedNetwork(self.estimator, REHEARSED), x, y)
        except Enough:
            pass
        finally:
            self.estimator.reset_counts()

    def _images(self, network: CountedNetwork, x: FloatArray, y: Labels) -> FloatArray:
        # copies, which a library may write into
        images = torch.tensor(x, device=network.place.device)
        labels = torch.tensor(y, device=network.place.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._run(network, images, labels, dict(self._params))
        if found.shape != x.shape:
            expected = f"expected images {list(x.shape)}"
            raise InputError(f"attack: {expected} from the library, got {list(found.shape)}")
        result: FloatArray = found.detach().to("cpu", torch.float32).numpy()
        return result


def signature_entry(
    name: str,
    thing: Callable[..., object],
    run: Run,
    *,
    hidden: Set[str],
    targeted: bool,
    renamed: Mapping[str, str] | None = None,
    **about: Any,
) -> LibraryAttackEntry:
    """Return the entry of an attack with the parameters of its callable.

    name: `library:NAME`. thing: a class or function of the library; its docstring's first line is
        the summary.
    hidden: parameters that are no data, or that the adapter sets itself.
    targeted: it takes targets.
    renamed: the harness' spelling by the library's. Greek letters are spelled out in any case.
    about: other fields of the entry: norm, bounded, uses_gradient, defaults, allowed. Defaults of
        the entry win.
    """
    own: dict[str, Value] = {}
    spelled: dict[str, str] = {}
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name in hidden or parameter.kind is parameter.VAR_KEYWORD:
            continue
        ours = (renamed or {}).get(parameter.name) or latin(parameter.name)
        spelled[ours] = parameter.name
        if ours != "eps":
            own[ours] = _plain(parameter.default)
    lines = [line for line in (inspect.getdoc(thing) or "").splitlines() if line.strip()]
    entry = LibraryAttackEntry(
        name=name,
        build=f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}",
        summary=lines[0].strip() if lines else "",
        run=run,
        spelled=spelled,
        optional=TARGETS if targeted else {},
        passes=expected_steps,
        **about,
    )
    return replace(entry, defaults={**own, **entry.defaults})


def expected_steps(params: Params, classes: int) -> Passes:
    """Return a gradient per step and repetition, as far as the parameters name their number."""
    counts = [params[name] for name in STEPS | REPEATS if params.get(name)]
    return Passes(gradients=float(math.prod(counts)))


def latin(name: str) -> str:
    """Return a name with its Greek letters spelled out, as in `gamma_init`."""
    names = (unicodedata.name(c, "") if ord(c) > 127 else "" for c in name)
    pairs = zip(name, names, strict=True)
    return "".join(c if not full else full.rpartition(" ")[2].lower() for c, full in pairs)


def _checked(default: Value, name: str, value: Any) -> Any:
    """Return a value in the type of the library's own default.

    Raises InputError for another type, for a number that is not finite, and for a count below 1.
    """
    if name in STEPS | REPEATS and value is not None:
        return checks.as_count(value, name, 1)
    if isinstance(default, bool):
        return checks.as_flag(value, name)
    if isinstance(default, (int, float)) and value is not None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"expected {name} to be a number, got {value!r}")
        if not math.isfinite(value):
            raise InputError(f"expected {name} to be finite, got {value!r}")
        return float(value) if isinstance(default, float) else value
    if isinstance(default, str) and not isinstance(value, str):
        raise InputError(f"expected {name} to be a text, got {value!r}")
    return value


def _plain(value: Any) -> Value:
    """Return a default as JSON knows it; None for a parameter without one."""
    if value is inspect.Parameter.empty:
        return None
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    plain: Value = tuple(value) if isinstance(value, (list, tuple)) else value
    return plain
