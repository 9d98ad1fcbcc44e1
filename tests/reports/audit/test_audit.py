"""Every sanity check with both outcomes, on made-up runs of which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import THREATS, MadeUp

from reports.audit.audit import CHECKS, audit, read_audit, short, write_audit
from reports.audit.finding import COLUMNS, STATUSES
from reports.audit.reversals import Case, Reversals, reversals
from reports.errors import TableError
from reports.results.predictions import Predictions, pair
from reports.worst_case.evidence import Evidence, gather, read_evidence
from reports.worst_case.strongest import COLUMNS as WORST_COLUMNS
from reports.worst_case.strongest import read_worst_case, worst_case

Break = Callable[[MadeUp], None]


def run(made: MadeUp, folder: Path, predictions: bool = True) -> pd.DataFrame:
    """The audit of a made-up run, as read back from its file."""
    made.write(folder, predictions)
    written = write_audit(folder)
    found = read_audit(folder)
    assert found is not None
    pd.testing.assert_frame_equal(found, written, check_dtype=False)
    return found


def bad(found: pd.DataFrame) -> set[tuple[str, str]]:
    """The checks that fail or warn."""
    rows = found[found["status"].isin(["fail", "warn"])]
    return set(rows[["check", "status"]].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A run in which everything is as it must be."""
    folder = tmp_path_factory.mktemp("clean")
    return folder, run(MadeUp(), folder)


def test_a_sound_run_passes_every_check(clean: tuple[Path, pd.DataFrame]) -> None:
    _, found = clean
    assert list(found.columns) == list(COLUMNS)
    assert bad(found) == set()
    # each check has at least one ok, so that none of them is idle here
    # (white-box needs attackers that this run lacks: see test_order.py; images has no rows unless
    # some are missing: see test_images.py; draws needs a random defence: see test_draws.py;
    # certificates: see test_certificates.py)
    idle = {"white-box", "images", "draws", "certificates"}
    assert set(found.loc[found["status"] == "ok", "check"]) == set(CHECKS) - idle
    assert set(found["status"]) <= set(STATUSES)
    assert (found.loc[found["status"] == "ok", "advice"] == "").all()
    assert (found.loc[found["status"] == "not tested", "advice"] != "").all()
    assert found["detail"].str.len().gt(0).all()
    assert short(found) == []


def right_of(made: MadeUp, row: dict[str, object]) -> np.ndarray:
    shown = made.predictions[str(row["cell"])]
    return (shown["adversarial"] == shown["label"]).to_numpy().copy()


def more_right(made: MadeUp, row: dict[str, object], share: float) -> None:
    """Turn so many images of a cell right again, from the front."""
    right = right_of(made, row)
    right[np.flatnonzero(~right)[: round(share * len(right))]] = True
    made.set_right(row, right)


def fewer_right(made: MadeUp, row: dict[str, object], share: float) -> None:
    """Turn so many images of a cell wrong, from the front."""
    right = right_of(made, row)
    right[np.flatnonzero(right)[: round(share * len(right))]] = False
    made.set_right(row, right)


def eps_zero_moves(made: MadeUp) -> None:
    fewer_right(made, made.cells(attack="fgsm", eps=0, threat="oblivious", defence="jpeg")[0], 0.01)


def eps_zero_swaps(made: MadeUp) -> None:
    row = made.cells(attack="fgm", eps=0, threat="oblivious", defence="none")[0]
    right = right_of(made, row)
    first, second = np.flatnonzero(right)[0], np.flatnonzero(~right)[0]
    right[[first, second]] = False, True
    made.set_right(row, right)


def over_budget(made: MadeUp) -> None:
    made.cells(attack="pgd", eps=0.1)[0]["over_budget"] = 3


def softmax_inside(made: MadeUp) -> None:
    made.manifest["outputs"]["digits/lenet"] = {
        "images": 125,
        "low": 0.0,
        "high": 1.0,
        "sum_low": 1 - 1e-7,
        "sum_high": 1.0,
    }


def softmax_attacked_by_margin(made: MadeUp) -> None:
    softmax_inside(made)
    made.manifest["squashed"] = {"digits/lenet": "its outputs are probabilities"}


def bad_gradients(column: str, share: float, margin_too: bool = False) -> Break:
    def change(made: MadeUp) -> None:
        for row in made.cells(threat="adaptive", defence="jpeg", attack="fgsm"):
            row[column] = share
        if margin_too:
            made.manifest["squashed"] = {"digits/lenet": "its outputs lie in [0, 1]"}

    return change


def zero_gradients(share: float) -> Break:
    return bad_gradients("zero_gradient", share)


def no_numbers(made: MadeUp) -> None:
    (row,) = made.cells(attack="pgd", eps=0.1, threat="oblivious", defence="none")
    row["non_finite"] = 1


def misleading(queried: bool) -> Break:
    def change(made: MadeUp) -> None:
        made.manifest["misleading"] = ["digits/lenet"]
        made.manifest["wrapping"] = {"digits/lenet": ["its gradient is not that of its outputs"]}
        for row in made.cells(attack="fgm") if queried else ():
            row |= {"gradients": 0, "forwards": 100}

    return change


def one_eps_that_helps(made: MadeUp) -> None:
    """An attack of one eps, after which more images are right than without it."""
    for row in made.cells(attack="fgm"):
        if row["eps"] != 1.0:
            row["status"] = "failed"
    (row,) = made.cells(attack="fgm", eps=1.0, threat="oblivious", defence="none")
    shown = made.predictions[str(row["cell"])]
    wrong = (shown["label"] + 1) % 10
    shown["clean"] = wrong.where(shown.index < len(shown) // 10, shown["label"])
    row["clean_correct"] = int((shown["clean"] == shown["label"]).sum())
    row["clean_accuracy"] = row["clean_correct"] / len(shown)
    more_right(made, row, 1.0)


def rise(share: float) -> Break:
    def change(made: MadeUp) -> None:
        place = {"attack": "fgm", "threat": "oblivious", "defence": "none"}
        (before,), (after,) = (made.cells(eps=eps, **place) for eps in (1.0, 2.0))
        made.set_right(after, right_of(made, before))
        more_right(made, after, share)

    return change


def stuck(attack: str, share: float) -> Break:
    def change(made: MadeUp) -> None:
        for row in made.cells(attack=attack, threat="adaptive", defence="jpeg"):
            if row["eps"] is None or row["eps"] >= 0.2:
                more_right(made, row, share)

    return change


def pgd_weak(made: MadeUp) -> None:
    (row,) = made.cells(attack="pgd", eps=0.1, threat="adaptive", defence="quantize")
    more_right(made, row, 0.4)


def carlini_wide(made: MadeUp) -> None:
    for row in made.cells(attack="cw", threat="oblivious", defence="none"):
        row["l2_median"] = 2.5


def adaptive_weak(made: MadeUp) -> None:
    # far above what the oblivious attacker leaves behind 8 bits
    (row,) = made.cells(attack="fgsm", eps=0.1, threat="adaptive", defence="quantize")
    more_right(made, row, 0.3)


def noise_strong(made: MadeUp) -> None:
    for eps in (0.1, 0.2, 0.6):
        for row in made.cells(attack="noise", eps=eps, threat="oblivious", defence="none"):
            fewer_right(made, row, 0.9)


FAULTS: dict[str, tuple[Break, str, str, str]] = {
    "eps 0 changes images": (eps_zero_moves, "eps-zero", "fail", "1 of 3 cells differ; JPEG 50"),
    "eps 0 swaps images": (eps_zero_swaps, "eps-zero", "fail", "1 of 3 cells differ"),
    "budget": (over_budget, "budget", "fail", "3 images outside in 1 cell"),
    "softmax": (softmax_inside, "logits", "fail", "probabilities"),
    "some zero gradients": (zero_gradients(0.05), "zero-gradient", "warn", "At most 5 %"),
    "squashed": (softmax_attacked_by_margin, "logits", "warn", "probabilities"),
    "saturated": (bad_gradients("zero_gradient", 0.9, True), "zero-gradient", "warn", "90 %"),
    "one NaN gradient": (bad_gradients("nan_gradient", 0.0025), "nan-gradient", "warn", "0.25 %"),
    "NaN gradients": (bad_gradients("nan_gradient", 0.1), "nan-gradient", "fail", "sees JPEG 50"),
    "NaN outputs": (no_numbers, "finite", "warn", "At most 1 of 400 images (pgd, eps 0.1"),
    "many zero gradients": (zero_gradients(0.2), "zero-gradient", "fail", "sees JPEG 50"),
    "another gradient": (misleading(False), "wrapping", "fail", "not that of its outputs"),
    "another gradient, and queries": (misleading(True), "wrapping", "warn", "not that of its out"),
    "an attack that helps": (one_eps_that_helps, "monotone", "fail", "eps 0 to 1, no defence"),
    "a large rise": (rise(0.1), "monotone", "fail", "eps 1 to 2, no defence"),
    "a small rise": (rise(0.045), "monotone", "warn", "1 of 18 pairs of eps beyond chance"),
    "one step stuck": (stuck("fgsm", 0.3), "large-eps", "warn", "30.0 % of 400 images (eps 0.6"),
    "iteration stuck": (stuck("pgd", 0.1), "large-eps", "fail", "Above 0 in 1 of 3 curves"),
    "no bound and stuck": (stuck("cw", 0.1), "large-eps", "fail", "no bound, JPEG 50"),
    "pgd weaker than fgsm": (pgd_weak, "iterative", "fail", "fgsm to pgd at eps 0.1, 8 bits only"),
    "carlini beaten": (carlini_wide, "iterative", "fail", "fgm at eps 2 turns"),
    "adaptive weaker": (adaptive_weak, "adaptive", "fail", "oblivious to adaptive at eps 0.1"),
    "noise stronger": (noise_strong, "control", "fail", "noise (eps 0.1) to"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault: str, tmp_path: Path) -> None:
    change, check, status, words = FAULTS[fault]
    made = MadeUp()
    change(made)
    found = run(made, tmp_path)
    assert (check, status) in bad(found)
    rows = found[(found["check"] == check) & (found["status"] == status)]
    assert rows["detail"].str.contains(words, regex=False).any(), rows["detail"].tolist()
    assert (rows["advice"] != "").all()
    lines = short(found, [status])
    assert any(line.startswith(f"{status}: {CHECKS[check][0]}: digits, lenet") for line in lines)


def test_what_chance_explains_is_no_fault(tmp_path: Path) -> None:
    made = MadeUp()
    rise(0.01)(made)
    row = made.cells(attack="noise", eps=0.1, threat="oblivious", defence="none")[0]
    right = right_of(made, row)
    right[np.flatnonzero(~right)[:3]] = True
    made.set_right(row, right)
    assert bad(run(made, tmp_path)) == set()


def test_an_oblivious_iteration_may_survive_jpeg_less_well(tmp_path: Path) -> None:
    made = MadeUp()
    for row in made.cells(attack="fgsm", threat="oblivious", defence="jpeg"):
        if row["eps"]:
            fewer_right(made, row, 0.5)
    found = run(made, tmp_path)
    assert "iterative" not in {check for check, _ in bad(found)}


def test_defences_that_no_attacker_saw_are_marked(tmp_path: Path) -> None:
    found = run(MadeUp(threats=["oblivious"]), tmp_path / "blind")
    assert bad(found) == {("judged", "warn")}
    rows = found[found["check"] == "judged"]
    assert set(rows["defence"]) == {"quantize", "jpeg"}
    assert rows["detail"].str.contains("oblivious attackers only").all()
    # noise is no attacker, and one step is a weak one
    made = MadeUp(attacks={"fgsm": (0, 0.1, 0.6), "noise": (0, 0.1, 0.6)})
    found = run(made, tmp_path / "weak")
    assert found.loc[found["check"] == "judged", "detail"].str.contains("one-step").all()
    made = MadeUp(defences=[("none", None), ("jpeg", 50), ("jpeg", 20)])
    made.rows = [r for r in made.rows if (r["quality"], r["threat"]) != (20, "adaptive")]
    (detail,) = run(made, tmp_path / "part").query("check == 'judged'")["detail"]
    assert detail.startswith("1 of 2 qualities")


def test_what_the_grid_lacks_is_not_tested(tmp_path: Path) -> None:
    made = MadeUp(attacks={"pgd": (0.05, 0.1)}, threats=["adaptive"])
    made.manifest = {"threats": THREATS}
    found = run(made, tmp_path)
    status = found.groupby("check")["status"].agg(set)
    for check in ("eps-zero", "logits", "large-eps", "iterative", "adaptive", "control"):
        assert status[check] == {"not tested"}, check
    assert (
        found.loc[found["check"] == "large-eps", "advice"].iloc[0] == "Add eps 0.5 to the attack."
    )


@pytest.mark.parametrize(("norm", "large"), [("2", "14"), ("1", "392"), ("0", "784")])
def test_what_is_large_and_what_noise_is_within_depends_on_the_norm(
    norm: str, large: str, tmp_path: Path
) -> None:
    """Half of the range for 784 values in L2 and L1; every value in L0."""
    made = MadeUp(attacks={"fgm": (2.0,), "noise": (0.05,)}, threats=["adaptive"])
    for row in made.rows:
        row |= {"l0_max": 1.5, "l1_max": 1.5, "l2_max": 1.5}
        row["norm"] = norm if row["attack"] == "fgm" else "inf"
    found = run(made, tmp_path).set_index("check")
    assert set(found.loc[["large-eps"], "advice"]) >= {f"Add eps {large} to the attack."}
    assert "not tested" not in set(found.loc[["control"], "status"])
    # an old table has no such columns: nothing is known to be within
    if norm != "2":
        for row in made.rows:
            row.pop(f"l{norm}_max")
        old = run(made, tmp_path / "old").set_index("check")
        assert set(old.loc[["control"], "status"]) == {"not tested"}


def test_without_predictions_the_counts_are_tested(tmp_path: Path) -> None:
    made = MadeUp()
    rise(0.3)(made)
    found = run(made, tmp_path, predictions=False)
    assert ("monotone", "fail") in bad(found)
    worst = read_worst_case(tmp_path)
    assert worst is not None and worst.empty


def test_targeted_attacks_are_not_held_against_others(tmp_path: Path) -> None:
    made = MadeUp()
    pgd_weak(made)
    for row in made.cells(attack="pgd"):
        row["attack_params"] = '{"max_iter":40,"targeted":true}'
    assert "iterative" not in {check for check, _ in bad(run(made, tmp_path))}


def test_the_same_run_gives_the_same_bytes(clean: tuple[Path, pd.DataFrame]) -> None:
    folder, _ = clean
    before = {name: (folder / name).read_bytes() for name in ("audit.csv", "worst_case.csv")}
    write_audit(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert b"\r" not in before["audit.csv"]


def test_rows_without_numbers_do_not_matter(tmp_path: Path) -> None:
    made = MadeUp()
    for row in made.cells(attack="pgd", threat="adaptive"):
        row.update(status="failed", reason="made up", n=None, correct=None, accuracy=None)
    found = run(made, tmp_path)
    assert bad(found) == set()
    assert not ((found["attack"] == "pgd") & (found["threat"] == "adaptive")).any()


def test_an_empty_run_has_an_empty_audit() -> None:
    made = MadeUp()
    table = made.table.assign(status="failed")
    assert audit(gather(table)).empty
    assert worst_case(gather(table)).empty


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\x00\x01"])
def test_a_broken_audit_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "audit.csv").write_text(text)
    with pytest.raises(TableError, match=r"audit .*audit\.csv"):
        read_audit(tmp_path)
    assert read_audit(tmp_path / "nowhere") is None


def null_evidence(rng: np.random.Generator, paired: bool) -> Evidence:
    """Ten eps at which each image is right by chance alone, with the same rate."""
    n = 150
    made = MadeUp(
        attacks={"fgsm": tuple(np.linspace(0.1, 1.0, 10))},
        threats=["oblivious"],
        defences=[("none", None)],
        samples=n,
    )
    right = rng.random((10, n)) < 0.4
    for row, drawn in zip(made.rows, right, strict=True):
        row.update(correct=int(drawn.sum()), accuracy=drawn.mean())
    arrays = {
        "id": np.tile(np.arange(n), 10),
        "label": np.zeros(10 * n, dtype=int),
        "clean": np.zeros(10 * n, dtype=int),
        "adversarial": (~right).ravel().astype(int),
    }
    spans = {row["cell"]: slice(i * n, (i + 1) * n) for i, row in enumerate(made.rows)}
    return gather(made.table, Predictions(Path("p"), spans, arrays) if paired else None)


def test_cases_are_paired_image_by_image(tmp_path: Path) -> None:
    """Together as one by one: of equal images, of other ones, and without predictions."""
    made = MadeUp(samples=40, fewer={"noise": 25})
    made.write(tmp_path)
    evidence = read_evidence(tmp_path)
    rows = evidence.rows
    assert evidence.predictions is not None
    del evidence.predictions.spans[rows[0]["cell"]]
    cases = [Case(a, b) for a in rows[:40] for b in rows[-40:]]
    kinds = set()
    tested = reversals(evidence, cases)
    columns = tested.n, tested.before, tested.after
    for (weaker, stronger), n, before, after in zip(cases, *columns, strict=True):
        a, b = evidence.scored(weaker), evidence.scored(stronger)
        if a is None or b is None:
            kinds.add("alone")
            assert n == min(weaker["n"], stronger["n"])
            assert before == weaker["correct"] / weaker["n"]
            continue
        pairs = pair(a, b)
        assert not isinstance(pairs, str)
        kinds.add("same" if len(a.ids) == len(b.ids) else "shared")
        assert n == sum(pairs)
        assert before == (pairs.both + pairs.only_a) / n
        assert after == (pairs.both + pairs.only_b) / n
    assert kinds == {"alone", "same", "shared"}


@pytest.mark.parametrize(
    ("after", "p", "status", "worst"),
    [
        ([0.2, 0.9, 0.3], [1, 1, 1], "ok", 1),
        ([0.2, 0.9, 0.54], [1, 1, 0.01], "warn", 2),
        ([0.52, 0.9, 0.6], [0.05, 1, 0.01], "fail", 2),
        ([0.6, math.nan, 0.6], [1, 1, 1], "ok", 0),
    ],
)
def test_the_worst_case_is_the_largest_rise_beyond_chance(
    after: list[float], p: list[float], status: str, worst: int
) -> None:
    n, before = np.full(3, 100), np.full(3, 0.5)
    tested = Reversals([Case({}, {})] * 3, n, before, np.array(after), np.array(p))
    assert (tested.status(), tested.worst()) == (status, worst)


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_false_alarms_stay_within_the_level(paired: bool) -> None:
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        evidence = null_evidence(rng, paired)
        rows = evidence.rows
        cases = [Case(rows[i], rows[j]) for j in range(10) for i in range(j)]
        alarms += bool(reversals(evidence, cases).beyond.any())
    # Holm bounds the chance of any alarm by 0.05; binomial(100, 0.05) exceeds 11 once in 200
    assert alarms <= 11


def test_worst_case_by_hand(tmp_path: Path) -> None:
    made = MadeUp(
        attacks={"fgsm": (0, 0.1, 0.2), "pgd": (0.1,), "noise": (0.2,)},
        samples=4,
        defences=[("none", None), ("jpeg", 50)],
    )
    truth = {
        ("fgsm", 0): "1110",
        ("fgsm", 0.1): "1010",
        ("fgsm", 0.2): "1100",
        ("pgd", 0.1): "0110",
        ("noise", 0.2): "1110",
    }
    for row in made.rows:
        text = truth[row["attack"], row["eps"]]
        if row["defence"] == "jpeg" and row["threat"] == "oblivious" and row["eps"]:
            text = "1110"
        made.set_right(row, np.array([c == "1" for c in text]))
        clean = np.array([True, True, True, False])
        shown = made.predictions[row["cell"]]
        shown["clean"] = np.where(clean, shown["label"], (shown["label"] + 1) % 10)
        row["clean_correct"], row["clean_accuracy"] = 3, 0.75
    made.write(tmp_path)
    write_audit(tmp_path)
    table = read_worst_case(tmp_path)
    assert table is not None and list(table.columns) == list(WORST_COLUMNS)
    place = table.set_index(["threat", "defence", "eps"]).sort_index()
    # at 0.1: 1010 and 0110 leave image 2; at 0.2 image 2 falls to fgsm
    assert list(place.loc[("oblivious", "none")]["correct"]) == [3, 1, 0]
    assert place.loc[("oblivious", "none", 0.1), "attacks"] == "fgsm + pgd"
    assert place.loc[("oblivious", "none", 0.2), "attacks"] == "fgsm + pgd + noise"
    assert place.loc[("oblivious", "none", 0.2), "strongest"] == "fgsm"
    assert list(place.loc[("oblivious", "jpeg")]["correct"]) == [3, 3, 3]
    # the aware attacker may do either
    assert list(place.loc[("adaptive", "jpeg")]["correct"]) == [3, 1, 0]
    assert list(place.loc[("any", "jpeg")]["correct"]) == [3, 1, 0]
    assert place.loc[("oblivious", "jpeg", 0.1), "gain"] == pytest.approx(0.5)
    assert place.loc[("any", "jpeg", 0.1), "gain"] == 0
    assert place.loc[("any", "none"), "gain"].isna().all()
    assert (place["clean_correct"] == 3).all()
    assert ((place["low"] <= place["accuracy"]) & (place["accuracy"] <= place["high"])).all()


def test_worst_case_takes_the_images_that_all_saw(tmp_path: Path) -> None:
    made = MadeUp(fewer={"pgd": 100, "cw": 30})
    made.write(tmp_path)
    table = worst_case(read_evidence(tmp_path))
    n = table.set_index(["norm", "eps"])["n"]
    assert set(n.loc["inf"]) == {100}
    assert set(n.loc["2"][n.loc["2"].index.notna()]) == {400}
    assert set(table.loc[table["eps"].isna(), "n"]) == {30}
    assert table.loc[table["eps"].isna(), "attacks"].str.contains("cw").all()
    for _, curve in table[table["eps"].notna()].groupby(["norm", "threat", "defence"]):
        assert curve.sort_values("eps")["correct"].is_monotonic_decreasing


def test_kinds_of_attacks() -> None:
    made = MadeUp()
    kinds = {row["attack"]: row["kind"] for row in gather(made.table).rows}
    assert kinds == {
        "fgsm": "one-step",
        "fgm": "one-step",
        "pgd": "iterative",
        "cw": "iterative",
        "noise": "control",
    }
    for row in made.cells(attack="pgd"):
        row.update(gradients=0.0, forwards=500.0)
    kinds = {row["attack"]: row["kind"] for row in gather(made.table).rows}
    assert kinds["pgd"] == "query"
