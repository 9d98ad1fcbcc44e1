"""The check on random defences: attackers must average over draws."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reports.audit.finding import Finding, finding
from reports.results.rows import Row, grouped
from reports.worst_case.evidence import Evidence, params_of

DRAWS_RULE = (
    "For defences that draw and are attacked by an attacker who sees them. The gradient of a single"
    " draw is noise: an iterative attack must average it over several (expectation over"
    " transformation, EOT: threat adaptive-eot, or eot_iter of an attack), and AutoAttack has the"
    " version rand for it. If the run has neither, the check warns; if it has one of them, the"
    " other is not tested."
)
_AVERAGED = re.compile(r"\[k=(\d+)\]")
_EOT = "threat adaptive-eot (k=16 or more)"
_RAND = "the attack autoattack:version=rand"


def draws(evidence: Evidence) -> Iterator[Finding]:
    """Check that gradients were averaged over the draws of each random defence."""
    drawn = [row for row in evidence.rows if row["draws"] is not None]
    for scope, group in grouped(drawn, ["dataset", "network", "defence"]):
        sees = [row for row in group if row["attacks_scored"] and row["eps"] != 0]
        attacks = [row for row in sees if row["kind"] in ("one-step", "iterative")]
        if not attacks:
            continue  # `judged` says that nobody who sees it attacked it
        rand = [row for row in attacks if _version(row) == "rand"]
        averaged = [row for row in attacks if row not in rand and _passes(row) > 1]
        iterative = [row for row in averaged if row["kind"] == "iterative"]
        advice = ""
        if iterative and rand:
            status, detail = "ok", "gradients averaged over draws, and AutoAttack rand."
        elif iterative:
            status, detail = "not tested", "gradients averaged over draws; no AutoAttack rand."
            advice = f"Add {_RAND}."
        elif rand:
            status, detail = "not tested", "AutoAttack rand; no other attack averages gradients."
            advice = f"Add {_EOT}."
        else:
            status, detail = "warn", "only single draws were attacked: an upper bound."
            if averaged:
                detail = "averaged over draws by one-step attacks only: an upper bound."
            advice = f"Add {_EOT} with an iterative attack, and {_RAND}."
        detail = f"The defence draws; {detail}"
        yield finding(scope[:2], status, len(attacks), detail, advice, scope[2])


def _version(row: Row) -> object:
    return params_of(row["attack_params"]).get("version")


def _passes(row: Row) -> int:
    """Return how many draws each gradient of an attack is averaged over, at least."""
    match = _AVERAGED.search(str(row["threat"]))
    own = params_of(row["attack_params"]).get("eot_iter", 1)
    return max(int(match[1]) if match else 1, own if isinstance(own, int) else 1)
