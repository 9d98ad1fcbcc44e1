"""Proofs against attacks: a bound that an attack violates fails the audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import MadeUp

from reports.audit.audit import audit, write_audit
from reports.errors import TableError
from reports.page.page import write_page
from reports.plots.plots import draw_all
from reports.results.certificates import BROKEN, COLUMNS, FILE, OPEN, PROVED, read_certificates
from reports.results.rows import select
from reports.statistics.intervals import wilson
from reports.worst_case.brackets import LOOSE, best_bracket, brackets, widest_bracket
from reports.worst_case.evidence import read_evidence


def right_within(made: MadeUp, eps: float) -> np.ndarray:
    """Return which images withstand every Linf attack on the bare network up to eps."""
    rows = [r for r in made.cells(defence="none", norm="inf") if r["eps"] <= eps]
    found = [made.predictions[row["cell"]] for row in rows]
    clean = np.all([table["clean"] == table["label"] for table in found], axis=0)
    return clean & np.all([table["adversarial"] == table["label"] for table in found], axis=0)


def proofs(made: MadeUp, *methods: str) -> pd.DataFrame:
    """Return certificates that prove every second image that stands, at each eps of PGD."""
    parts = []
    for method in methods or ("crown[rows=4096]",):
        for row in made.cells(attack="pgd", threat="oblivious", defence="none"):
            images = made.predictions[row["cell"]][["id", "label"]].astype(np.int64)
            standing = right_within(made, row["eps"])
            half = standing & (images["id"] % 2 == 0)
            state = np.where(half, PROVED, np.where(standing, OPEN, BROKEN))
            about = {name: row[name] for name in ("dataset", "network", "samples", "seed", "eps")}
            about |= {"method": method, "margin": 0.5, "undecided": 7, "state": state}
            parts.append(images.assign(**about))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def written(folder: Path, made: MadeUp, table: pd.DataFrame, predictions: bool = True) -> Path:
    made.write(folder, predictions)
    table.to_parquet(folder / FILE)
    return folder


def found(folder: Path) -> pd.DataFrame:
    return select(audit(read_evidence(folder)), check="certificates")


def test_proofs_that_hold_pass(tmp_path: Path) -> None:
    made = MadeUp()
    (row,) = found(written(tmp_path, made, proofs(made))).to_dict("records")
    assert (row["status"], row["dataset"], row["network"]) == ("ok", "digits", "lenet")
    # three proofs, at eps 0.1, 0.2 and 0.6; FGSM and noise have five eps, PGD three, two threats
    assert row["cases"] == 2 * ((3 + 3 + 1) + (4 + 4 + 2) + (5 + 5 + 3))


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "noise"])
def test_a_proved_image_that_an_attack_breaks_fails(tmp_path: Path, attack: str) -> None:
    made = MadeUp()
    table = proofs(made)
    at = (table["eps"] == 0.1) & (table["state"] == PROVED)
    image = int(table.loc[at, "id"].iloc[4])
    (row,) = made.cells(attack=attack, eps=0.1, threat="adaptive", defence="none") or [None]
    shown = made.predictions[row["cell"]]
    right = (shown["adversarial"] == shown["label"]).to_numpy()
    made.set_right(row, right & (shown["id"] != image).to_numpy())
    (finding,) = found(written(tmp_path, made, table)).to_dict("records")
    assert finding["status"] == "fail"
    assert f"under {attack} at eps 0.1: {image}." in finding["detail"]
    assert "crown[rows=4096] proves at eps 0.1" in finding["detail"]
    assert (write_audit(tmp_path)["status"] == "fail").sum() == 1


def test_a_forged_proof_of_a_broken_or_wrong_image_fails(tmp_path: Path) -> None:
    made = MadeUp()
    table = proofs(made)
    broken = table.index[(table["state"] == BROKEN) & (table["eps"] == 0.1)][0]
    table.loc[broken, "state"] = PROVED
    (finding,) = found(written(tmp_path, made, table)).to_dict("records")
    assert finding["status"] == "fail" and f": {table.loc[broken, 'id']}." in finding["detail"]


@pytest.mark.parametrize("why", ["over budget", "other norm", "defence", "larger eps"])
def test_other_attacks_do_not_contradict_a_proof(tmp_path: Path, why: str) -> None:
    made = MadeUp()
    table = proofs(made)
    wanted = {"attack": "pgd", "eps": 0.2, "threat": "adaptive", "defence": "none"}
    wanted |= {"attack": "fgm", "eps": 0.5} if why == "other norm" else {}
    wanted |= {"defence": "jpeg"} if why == "defence" else {}
    (row,) = made.cells(**wanted)
    made.set_right(row, np.zeros(400, dtype=bool))
    row["over_budget"] = 3 if why == "over budget" else 0
    if why == "larger eps":
        table = table[table["eps"] < 0.2]
    (finding,) = found(written(tmp_path, made, table)).to_dict("records")
    assert finding["status"] == "ok"


def test_without_predictions_it_is_not_tested(tmp_path: Path) -> None:
    made = MadeUp()
    (finding,) = found(written(tmp_path, made, proofs(made), predictions=False)).to_dict("records")
    assert finding["status"] == "not tested"


def test_without_certificates_there_is_no_finding(tmp_path: Path) -> None:
    MadeUp().write(tmp_path)
    assert found(tmp_path).empty and read_certificates(tmp_path) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.assign(state="sure"),
        lambda table: table.drop(columns="margin"),
        lambda table: pd.concat([table, table.iloc[:1]]),
        lambda table: table.assign(eps="0.1"),
    ],
    ids=["state", "column", "twice", "text"],
)
def test_other_tables_are_refused(tmp_path: Path, spoil) -> None:
    made = MadeUp()
    written(tmp_path, made, spoil(proofs(made)))
    with pytest.raises(TableError, match="certificates") as error:
        read_certificates(tmp_path)
    assert "\n" not in str(error.value)


def test_brackets_count_and_name_the_better_method() -> None:
    made = MadeUp()
    table = proofs(made, "ibp", "crown[rows=4096]")
    weaker = (table["method"] == "ibp") & (table["id"] % 4 == 0) & (table["state"] == PROVED)
    table.loc[weaker, "state"] = OPEN
    found = brackets(table)
    assert [(b.method, b.eps) for b in found[:3]] == [("ibp", 0.1), ("ibp", 0.2), ("ibp", 0.6)]
    best = best_bracket(found, "digits", "lenet", 0.1)
    assert best is not None and best.name == "crown"
    standing = right_within(made, 0.1)
    ids = np.arange(400) * 3
    assert (best.n, best.standing) == (400, standing.sum())
    assert best.proved == (standing & (ids % 2 == 0)).sum()
    assert best.limits()[0] == wilson(best.proved, 400)[0]
    assert best.undecided == 7 and "at most 2^7 branches" in best.branching()
    assert widest_bracket(found, "digits", "lenet") == best
    assert best_bracket(found, "digits", "lenet", 0.3) is None and brackets(None) == []


def test_the_page_and_a_plot_show_the_bracket(tmp_path: Path) -> None:
    made = MadeUp()
    table = proofs(made, "ibp", "alpha-crown[rows=4096]")
    table.loc[(table["method"] == "ibp") & (table["state"] == PROVED), "state"] = OPEN
    folder = written(tmp_path, made, table)
    write_audit(folder)
    names = {path.name for path in draw_all(made.table, folder / "plots", made.labels, table)}
    assert "bracket-digits.png" in names
    text = write_page(folder).read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "From both sides: " in text and text.count(LOOSE) == 1
    assert (
        "proved by alpha-crown" in text
        and "Proved, no defence (" in text
        and "proved by ibp" not in text
    )
    assert "No attack breaks an image that is proved" in text
