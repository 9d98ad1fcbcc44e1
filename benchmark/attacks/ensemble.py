"""What AutoAttack consists of, by version: names alone, without torch."""

from __future__ import annotations

from benchmark.attacks.entry import Params

# the parts in their order (Croce and Hein 2020, section 5; `rand`: the authors' code)
VERSIONS = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
    "rand": ("apgd-ce", "apgd-dlr"),
}
# classes that a loss needs; with fewer, the difference of two logits takes its place
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}


def part_names(params: Params, classes: int) -> tuple[str, ...]:
    """Return the names of AutoAttack's parts, which say where another loss replaces their own."""
    parts = VERSIONS[str(params.get("version", "standard"))]
    return tuple(_with_loss(part, classes) for part in parts)


def art_part_names(params: Params, classes: int) -> tuple[str, ...]:
    """Return the names of the parts of ART's sequence."""
    targeted = bool(params.get("targeted", False))
    # the ratio for targets needs one class more
    parts = ["apgd-ce", _with_loss("apgd-dlr", classes - targeted)]
    parts += [] if targeted else ["deepfool"]
    return (*parts, *(["square"] if str(params.get("norm", "inf")) == "inf" else []))


def _with_loss(part: str, classes: int) -> str:
    return part if classes >= LEAST_CLASSES.get(part, 2) else f"{part} (logit difference)"
