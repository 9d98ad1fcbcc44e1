"""The order of attackers in the reports: who is strongest, and who should not be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import ATTACKS, MadeUp

from reports.audit.audit import audit, write_audit
from reports.page.headline import cards
from reports.page.page import render
from reports.plots.plots import draw_all
from reports.plots.threats import transfer_matrix
from reports.results.operating_point import operating_points
from reports.results.threats import Threats
from reports.style.labels import Labels, read_labels
from reports.worst_case.evidence import read_evidence
from reports.worst_case.strongest import ANY, strongest_attackers, worst_case

JPEG = (("none", None), ("jpeg", 50))
ADAPTIVE = ("oblivious", "adaptive", "adaptive-diff")


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ATTACKS, "square", ("inf", 0, 900, 0.8))


def made(**options: object) -> MadeUp:
    """PGD at three eps, by attackers of growing knowledge."""
    usual = {"attacks": {"pgd": (0.1, 0.2)}, "threats": ADAPTIVE, "defences": JPEG}
    return MadeUp(**{**usual, **options})


def turned(run: MadeUp, share: float, **wanted: object) -> None:
    """Make so many of the images of some cells wrong, from the front."""
    for row in run.cells(**wanted):
        right = run.predictions[str(row["cell"])].eval("adversarial == label").to_numpy().copy()
        right[: round(share * len(right))] = False
        run.set_right(row, right)


def test_worst_case_over_adaptive_variants_image_by_image(tmp_path: Path) -> None:
    run = made()
    turned(run, 0.5, threat="adaptive-diff", defence="jpeg", eps=0.1)
    table = worst_case(read_evidence(run.write(tmp_path)))
    at = table[(table["defence"] == "jpeg") & (table["eps"] == 0.1)].set_index("threat")
    assert at.loc[ANY, "correct"] <= min(at.loc[t, "correct"] for t in ADAPTIVE)
    # another image falls to each: the worst case is worse than the strongest alone
    ids = np.arange(400)
    wrong = [
        set(ids[(run.predictions[r["cell"]]["adversarial"] != run.predictions[r["cell"]]["label"])])
        for r in run.cells(defence="jpeg", eps=0.1)
    ]
    assert at.loc[ANY, "correct"] == 400 - len(set.union(*wrong))
    assert (at.loc[ANY, "strongest"], at.loc[ANY, "strongest_threat"]) == ("pgd", "adaptive-diff")
    assert at.loc["oblivious", "strongest_threat"] == "oblivious"
    rows = strongest_attackers(table, {("digits", "lenet", "inf"): 0.1}, run.labels)
    attackers = {row["defence"]: row["attacker"] for row in rows}
    assert attackers["JPEG 50"] == "adaptive-diff: PGD"
    assert len(rows) == 2
    write_audit(tmp_path)
    assert "adaptive-diff: PGD" in render(tmp_path)


def test_an_attacker_may_leave_an_image_as_it_is(tmp_path: Path) -> None:
    """An attack that makes wrong images right does not raise the worst case above clean."""
    run = made(attacks={"pgd": (0.1, 0.2), "cw": (None,)}, defences=(("none", None),))
    for row in run.cells():
        run.set_right(row, np.ones(400, dtype=bool))
    table = worst_case(read_evidence(run.write(tmp_path)))
    clean = set(table["clean_correct"])
    assert len(clean) == 1 and max(clean) < 400
    assert set(table["correct"]) == clean
    assert table["eps"].isna().any()  # attacks without a bound, too


def test_a_stronger_threat_that_does_worse_is_a_finding() -> None:
    run = made()
    assert "fail" not in set(audit(run.evidence)["status"])
    turned(run, 0.6, threat="adaptive", defence="jpeg")
    found = audit(run.evidence).query("check == 'adaptive' and status == 'fail'")
    assert list(found["threat"]) == ["adaptive-diff"]
    assert "adaptive to adaptive-diff" in found["detail"].iloc[0]


def test_questions_that_beat_gradients_are_a_finding(square) -> None:
    run = made(attacks={"pgd": (0.1, 0.2), "square": (0.1, 0.2)})
    table = audit(run.evidence).query("check == 'white-box'")
    assert set(table["status"]) == {"ok"}
    turned(run, 0.95, attack="square", threat="adaptive")
    table = audit(run.evidence).query("check == 'white-box' and status == 'fail'")
    assert "square, adaptive to pgd" in table["detail"].iloc[0]


def transfers() -> MadeUp:
    """Two networks, each crafted on for both."""
    run = MadeUp(
        {"digits": ["lenet", "resnet"]},
        {"pgd": (0, 0.05, 0.1)},
        ("oblivious", "transfer[from=lenet]", "transfer[from=resnet]"),
        JPEG,
    )
    for row in run.cells(threat="oblivious", defence="none", eps=0.1):
        turned(run, 0.9, cell=row["cell"])
        turned(run, 0.9, threat=f"transfer[from={row['network']}]", network=row["network"], eps=0.1)
    return run


def test_transfer_matrix(tmp_path: Path) -> None:
    table, labels = transfers().table, transfers().labels
    matrix, eps = transfer_matrix(table, labels.threats)
    assert eps == 0.1
    assert list(matrix.index) == list(matrix.columns) == ["lenet", "resnet"]
    for source in matrix.index:
        for target in matrix.columns:
            (row,) = transfers().cells(
                threat=f"transfer[from={source}]", network=target, eps=0.1, defence="none"
            )
            assert matrix.loc[source, target] == row["accuracy"]
    assert matrix.loc["lenet", "lenet"] < matrix.loc["lenet", "resnet"]
    assert transfer_matrix(table[table["threat"] == "oblivious"], labels.threats) is None
    names = {path.name for path in draw_all(table, tmp_path, labels)}
    assert "transfer-digits-pgd.png" in names


def test_a_network_that_falls_to_anothers_images_only_is_a_finding() -> None:
    run = transfers()
    assert not len(audit(run.evidence).query("check == 'white-box' and status != 'ok'"))
    for row in run.cells(threat="transfer[from=resnet]", network="lenet", eps=0.05):
        turned(run, 1.0, cell=row["cell"])
    found = audit(run.evidence).query("check == 'white-box' and status == 'fail'")
    assert set(found["network"]) == {"lenet"}


def test_transfer_is_no_knowledge(tmp_path: Path) -> None:
    run = transfers()
    threats = run.labels.threats
    assert not threats.attacks_scored("transfer[from=resnet]", "none")
    assert threats.attacks_scored("oblivious", "none")
    assert not threats.attacks_scored("oblivious", "jpeg")
    assert threats.attacks_scored("adaptive", "jpeg")
    assert threats.in_order(["transfer[from=a]", "adaptive-diff", "oblivious"]) == [
        "oblivious",
        "adaptive-diff",
    ]
    assert threats.in_order(["transfer[from=a]"]) == ["transfer[from=a]"]
    table = run.table
    first = table["threat"].str.startswith("transfer")
    mixed = pd.concat([table[first], table[~first]])
    assert operating_points(mixed, threats)["aware"].isna().all()
    worst = worst_case(read_evidence(run.write(tmp_path)))
    assert all(card.left is None for card in cards(worst, table, run.labels))


def test_a_lone_table_says_nothing_of_its_threats(tmp_path: Path) -> None:
    lone = Threats()
    assert lone.in_order(["b", "a", "b", "transfer[from=c]"]) == ["b", "a", "transfer[from=c]"]
    assert not lone.sees_defence("adaptive") and not lone.crafted_elsewhere("transfer")
    shown = operating_points(made().table)
    assert shown["aware"].isna().all() and shown["unaware"].notna().all()
    assert Labels().place("mnist", "lenet") == "lenet, mnist"
    assert Labels().defence("jpeg[subsampling=0]", 50) == "jpeg[subsampling=0] 50"
    path = made().write(tmp_path) / "manifest.json"
    assert read_labels(tmp_path).defence("jpeg[subsampling=0]", 50) == "JPEG[subsampling=0] 50"
    path.write_text('{"labels": [1], "threats": {"name": 1}}')
    assert read_labels(tmp_path) == Labels()


def test_the_summary_takes_the_strongest_adaptive_attacker() -> None:
    run = made()
    turned(run, 0.7, threat="adaptive-diff", defence="jpeg")
    shown = operating_points(run.table, run.labels.threats)
    eps = shown["eps"].iloc[0]
    (row,) = run.cells(threat="adaptive-diff", defence="jpeg", eps=eps)
    assert shown["aware"].iloc[0] == row["accuracy"]


def test_networks_that_met_different_attackers_are_drawn(tmp_path: Path) -> None:
    run = MadeUp(
        {"digits": ["lenet", "resnet"]}, {"fgsm": (0, 0.1)}, ADAPTIVE, (*JPEG, ("jpeg", 20))
    )
    few = run.table.query("network == 'lenet' or threat == 'oblivious'")
    names = {path.name for path in draw_all(few, tmp_path, run.labels)}
    assert {"accuracy-digits-fgsm.png", "threats-fgsm.png"} <= names
