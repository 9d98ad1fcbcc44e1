"""The check of proofs against attacks: a bound and an attack cannot both be right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from reports.audit.finding import Finding, finding
from reports.results.certificates import PLACE, PROVED
from reports.results.rows import Row
from reports.worst_case.evidence import Evidence

CERTIFICATES_RULE = (
    "Fails where an image that is proved right within an eps is wrong without attack, or under an"
    " Linf attack of at most this eps on the undefended network, by any attacker. Attacks with"
    " images beyond their budget do not count."
)
_ADVICE = (
    "Either the bound or the attack's images are wrong: trust neither, and report it with the"
    " image's id."
)


def certificates(evidence: Evidence) -> Iterator[Finding]:
    """Check that no attack breaks an image that is proved; nothing without certificates."""
    if evidence.certificates is None:
        return
    for (dataset, network), group in evidence.certificates.groupby(
        ["dataset", "network"], sort=False
    ):
        scope = str(dataset), str(network)
        rows = [row for row in evidence.rows if _counts(row, *scope)]
        rows = [row for row in rows if evidence.scored(row) is not None]
        proofs = [(dict(zip(PLACE, place, strict=True)), own) for place, own in
                  group.groupby(list(PLACE), sort=False)]  # fmt: skip
        pairs = [(p, own, row) for p, own in proofs for row in rows if row["eps"] <= p["eps"]]
        if not pairs:
            yield finding(scope, "not tested", 0, "No Linf attack within eps has predictions.")
            continue
        faults = [fault for pair in pairs if (fault := _violated(evidence, *pair))]
        status = "fail" if faults else "ok"
        detail = faults[0] if faults else "No attack breaks a proved image."
        yield finding(scope, status, len(faults) or len(pairs), detail, _ADVICE)


def _counts(row: Row, dataset: str, network: str) -> bool:
    """Return whether a row attacks the bare network in Linf, within its budget."""
    same = (row["dataset"], row["network"]) == (dataset, network)
    bounded = row["norm"] == "inf" and row["eps"] is not None and not row["over_budget"]
    return same and bounded and row["defence"] == "none"


def _violated(evidence: Evidence, proof: Row, own: pd.DataFrame, row: Row) -> str:
    """Return which proved images are wrong in a row, in words; "" for none."""
    proved = own.loc[own["state"] == PROVED, "id"].to_numpy()
    for prediction in ("clean", "adversarial"):
        scored = evidence.scored(row, prediction)
        if scored is None:
            continue
        wrong = np.intersect1d(scored.ids[~scored.right], proved)
        if len(wrong):
            by = "without attack" if prediction == "clean" else f"under {row['attack']}"
            at = "" if prediction == "clean" else f" at eps {row['eps']:.4g}"
            some = ", ".join(str(i) for i in wrong[:3].tolist())
            return (
                f"{len(wrong)} images that {proof['method']} proves at eps {proof['eps']:.4g} are"
                f" wrong {by}{at}: {some}{', ...' if len(wrong) > 3 else ''}."
            )
    return ""
