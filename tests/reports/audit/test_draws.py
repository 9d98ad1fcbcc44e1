"""The check of random defences: who averaged over draws."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made_up import MadeUp

from reports.audit.audit import audit

EOT = "adaptive-eot[k=16]"


def made(*threats: str, draws: int | None = 10, **params: Any) -> MadeUp:
    """A run behind a random defence; params: of the iterative attack."""
    run = MadeUp(
        attacks={"fgsm": (0.1,), "pgd": (0.1,)},
        threats=("oblivious", *threats),
        defences=(("none", None), ("gaussian", None)),
    )
    listed = {"name": "adaptive-eot", "sees_defence": True, "crafted_elsewhere": False}
    run.manifest["threats"] = [*run.manifest["threats"], listed]
    for row in run.cells(defence="gaussian"):
        row["draws"] = draws
    for row in run.cells(defence="gaussian", attack="pgd"):
        row["attack_params"] = json.dumps({"max_iter": 40, **params})
    return run


CASES: dict[str, tuple[MadeUp, list[tuple[str, str]]]] = {
    "no draws": (made("adaptive", draws=None), []),
    "oblivious alone": (made(), []),
    "single draws": (made("adaptive"), [("warn", "adaptive-eot (k=16 or more) with an")]),
    "one draw is no average": (made("adaptive-eot[k=1]"), [("warn", "autoattack:version=rand")]),
    "eot": (made("adaptive", EOT), [("not tested", "Add the attack autoattack:version=rand.")]),
    "eot of the attack": (made("adaptive", eot_iter=20), [("not tested", "version=rand")]),
    "rand alone": (made("adaptive", version="rand"), [("not tested", "Add threat adaptive-eot")]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_check_asks_for_what_is_missing(case: str) -> None:
    run, expected = CASES[case]
    found = audit(run.evidence)
    found = found[found["check"] == "draws"]
    assert list(found["status"]) == [status for status, _ in expected]
    for advice, (_, part) in zip(found["advice"], expected, strict=True):
        assert part in advice
    assert set(found["defence"]) <= {"gaussian"}


def test_both_are_enough() -> None:
    run = made("adaptive", EOT)
    for row in run.cells(defence="gaussian", attack="pgd", threat="adaptive"):
        row["attack_params"] = json.dumps({"max_iter": 40, "version": "rand"})
    found = audit(run.evidence)
    assert list(found.loc[found["check"] == "draws", "status"]) == ["ok"]


def test_images_of_a_file_prove_no_attacker() -> None:
    run = made("adaptive")
    for row in run.rows:
        row.update(attack="images:a.npz", gradients=0.0)
    found = audit(run.evidence)
    assert "draws" not in set(found["check"])
    judged = found[found["check"] == "judged"]
    assert list(judged["status"]) == ["warn"]
    assert "large-eps" not in set(found["check"]) and "eps-zero" not in set(found["check"])
