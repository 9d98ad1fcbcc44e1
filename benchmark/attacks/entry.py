"""What the planner, the harness and the time estimate must know of an attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from estimators.entries import Entry, load_object, parameter_text
from estimators.spec import Value

Params = Mapping[str, Any]


class Passes(NamedTuple):
    """Passes through the network that an attack takes per image.

    gradients: backward passes, each with its forward pass. forwards: forward passes alone.
    """

    gradients: float = 0.0
    forwards: float = 0.0


def default_passes(params: Params, classes: int) -> Passes:
    """Return one gradient per iteration, as far as `max_iter` tells the number of iterations."""
    return Passes(gradients=float(params.get("max_iter") or 1))


@dataclass(frozen=True, kw_only=True)
class AttackEntry(Entry):
    """One attack of the registry, or of a plug-in, before a grid gives it parameters.

    build: `package.module:object`, called with the classifier and the parameters as keywords;
        returns an attack of ART's kind (`generate`) or a `steps.crafted.OneStep`.
    stock: the same for `engine: stock`, ART's own class; empty where there is no such choice.
    norm: the norm that bounds the attack, or that it minimises.
    bounded: it takes `eps`.
    shares_gradient: `build` gives a `OneStep`: attacks that differ in eps alone share one gradient.
    whole_batch: at every step the whole batch passes the defence. Other attacks let images drop
        out, and meet a randomised defence image by image, so that each image keeps its own draws.
    uses_gradient: it computes gradients.
    counts_images: it says how many passes each image took (`steps.crafted.Found.spent`), not only
        their mean; rows have the curve of accuracy against passes.
    ignores_model: it never queries the classifier, so it is the same under every threat.
    optional: parameters like `defaults`, but recorded only where a grid names them.
    allowed: for parameters with few possible values, these values as text.
    resolve_defaults: `package.module:function` from all parameters, eps included, to those whose
        default depends on others; empty where there are none.
    stock_defaults: what `engine: stock` has in the place of `defaults`; empty where these serve.
    stock_targets: ART's class takes targets, too.
    revision: what the name stands for since it changed its meaning; part of the keys of cells, so
        that no result of the earlier attack is taken for one of this. Empty where it never did.
    moved: parameters that the name no longer takes, each with the attack that takes it.
    parts: from all parameters and the number of classes to the names of the parts of an attack that
        consists of several, in the order of `Found.part`; None for other attacks.
    passes: from all parameters and the number of classes to the passes expected per image. Where
        images drop out once they are adversarial, it is the mean over images.
    beside: the same for what an attack computes beside its passes, in the time of forward passes.
    """

    stock: str = ""
    norm: str = "inf"
    bounded: bool = True
    shares_gradient: bool = False
    whole_batch: bool = False
    uses_gradient: bool = True
    counts_images: bool = False
    ignores_model: bool = False
    optional: Mapping[str, Value] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resolve_defaults: str = ""
    stock_defaults: Mapping[str, Value] = field(default_factory=dict)
    stock_targets: bool = True
    revision: str = ""
    moved: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[Params, int], tuple[str, ...]] | None = None
    passes: Callable[[Params, int], Passes] = default_passes
    beside: Callable[[Params, int], float] = lambda params, classes: 0.0

    def modules(self) -> list[str]:
        """Return the modules of `build`, `stock` and `resolve_defaults`."""
        names = (self.build, self.stock, self.resolve_defaults)
        return [name.partition(":")[0] for name in names if name]

    def parameters(self) -> str:
        """Return all parameters, eps first, as `bench list` shows them."""
        eps = {"eps": "..."} if self.bounded else {}
        return parameter_text({**eps, **self.values, **self.params})

    @property
    def params(self) -> dict[str, Value]:
        """Return all parameters but eps, each with its value where a grid names none."""
        return {**self.defaults, **self.optional}

    def resolved(self, given: Params) -> dict[str, Any]:
        """Return the given parameters and all others with the values that they then have."""
        stock = given.get("engine") == "stock" and self.stock_defaults
        params = {**(self.stock_defaults if stock else self.defaults), **given}
        if self.resolve_defaults and params.get("eps"):
            params |= load_object(self.resolve_defaults)(params)
        return params

    def built(self, classifier: Any, given: Params) -> Any:
        """Build the attack on a classifier; ART's own class with `engine: stock`."""
        params = self.resolved(given)
        if not self.stock:
            return self.load()(classifier, **params)
        stock = params.pop("engine", "fast") == "stock"
        params.pop("target", None)  # the harness turns it into labels
        return (load_object(self.stock) if stock else self.load())(classifier, **params)


@dataclass(frozen=True, kw_only=True)
class FileEntry(AttackEntry):
    """An attack that reads a file: its name reads `family:FILE`.

    `build` gets the path as the keyword `file`. The bound is optional: with `eps` each image is
    compared with it before any work.
    """

    uses_gradient: bool = False
    ignores_model: bool = True
    passes: Callable[[Params, int], Passes] = lambda params, classes: Passes()

    @property
    def file(self) -> str:
        """Return the path, as the name gives it."""
        return self.name.partition(":")[2]

    def of(self, name: str, bounded: bool) -> FileEntry:
        """Return the entry of a file; bounded: its attack has an eps."""
        return replace(self, name=name, bounded=bounded)

    def built(self, classifier: Any, given: Params) -> Any:
        """Build the attack on a classifier."""
        return self.load()(classifier, file=self.file, **self.resolved(given))
