"""Requirements: their grammar, and how they are decided on made-up runs with known limits."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from made_up_runs import Write, first
from scipy import stats

from reports.errors import TableError
from reports.gates.check import Verdict, check, check_run
from reports.gates.requirement import MEASURES, RATES, parse_requirement
from reports.gates.verdicts import lines
from reports.results.columns import COLUMNS
from reports.results.read_write import read_results
from reports.style.labels import labels_of


def wilson_of(hits: int, n: int) -> tuple[float, float]:
    """SciPy's Wilson interval."""
    found = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def test_the_parts_of_a_requirement() -> None:
    found = parse_requirement("accuracy >= 45% where attack=autoattack  eps=8/255")
    assert (found.column, found.operator, found.value) == ("accuracy", ">=", 0.45)
    assert [str(condition) for condition in found.where] == ["attack=autoattack", "eps=8/255"]
    assert parse_requirement("n>=1000").where == ()
    assert parse_requirement("l2_median>=1e-2").value == 0.01


def test_what_is_measured_can_be_required() -> None:
    assert set(RATES) <= set(MEASURES)
    assert {"accuracy", "over_budget", "n", "l2_mean", "proved"} <= set(MEASURES)
    assert not {"schema", "eps", "quality", "seed", "status", "cell"} & set(MEASURES)
    assert set(MEASURES) <= set(COLUMNS)


REFUSED: dict[str, str] = {
    "": "expected COLUMN>=NUMBER",
    "accuracy": "expected COLUMN>=NUMBER",
    "accuracy>=": "expected COLUMN>=NUMBER",
    "accuracy>=0.4 attack=fgsm": "expected COLUMN>=NUMBER",
    "accurcy>=0.4": "did you mean accuracy",
    "eps<=0.1": "write it behind where",
    "accuracy>=45": "accuracy is a share from 0 to 1, got 45",
    "accuracy>=-0.1": "is a share",
    "over_budget<=5%": "over_budget is no share",
    "accuracy=0.4": "a rate has an interval",
    "accuracy>=0.4.1": "expected a number",
    "accuracy>=0.4 where": "expected conditions",
    "accuracy>=0.4 where netwrk=x": "did you mean network",
    "accuracy>=0.4 where accuracy>=0.5": "unknown column 'accuracy'",
    "__import__('os').system('true')": "expected COLUMN>=NUMBER",
    "accuracy>=(lambda: 0)()": "expected COLUMN>=NUMBER",
}


@pytest.mark.parametrize("text", REFUSED)
def test_another_text_is_one_line(text: str) -> None:
    with pytest.raises(TableError, match=REFUSED[text]) as caught:
        parse_requirement(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "met", "met_by_estimate"),
    [
        # 60 of 100 right: 60 %, Wilson 50.2 to 69.1 %
        ("accuracy>=0.50", True, True),
        ("accuracy>=0.51", False, True),
        ("accuracy>=0.60", False, True),
        ("accuracy>0.60", False, False),
        ("accuracy>=0.61", False, False),
        ("accuracy<=0.70", True, True),
        ("accuracy<=0.69", False, True),
        ("accuracy<=0.60", False, True),
        ("accuracy<0.60", False, False),
    ],
)
def test_an_end_of_the_interval_decides(
    write: Write, text: str, met: bool, met_by_estimate: bool
) -> None:
    low, high = wilson_of(60, 100)
    assert (round(low, 3), round(high, 3)) == (0.502, 0.691)
    run = write("a", [({}, first(100, 60))])
    (verdict,) = check_run(run, [text])
    (row,) = verdict.rows
    assert (verdict.met, row.value) == (met, 0.6)
    assert (row.low, row.high) == pytest.approx((low, high))
    (verdict,) = check_run(run, [text], point=True)
    assert verdict.met == met_by_estimate


def test_the_bound_itself_is_met(write: Write) -> None:
    low, high = wilson_of(60, 100)
    run = write("a", [({}, first(100, 60))])
    for text, met in (
        (f"accuracy>={low!r}", True),
        (f"accuracy>{low!r}", False),
        (f"accuracy<={high!r}", True),
        (f"accuracy<{high!r}", False),
    ):
        assert check_run(run, [text])[0].met == met, text


def one(run: Any, text: str) -> Verdict:
    (verdict,) = check_run(run, [text])
    return verdict


def test_other_rates_have_intervals_too(write: Write) -> None:
    columns = {"clean_correct": 90, "success_rate": 2 / 3, "proved": 30}
    run = write("a", [({**columns, "clean_accuracy": 0.9}, first(100, 30))])
    expected = {"clean_accuracy": (90, 100), "success_rate": (60, 90), "proved": (30, 100)}
    for column, (hits, n) in expected.items():
        (row,) = one(run, f"{column}>=0.1").rows
        assert (row.low, row.high) == pytest.approx(wilson_of(hits, n)), column
        assert row.value == pytest.approx(hits / n)


def test_counts_are_compared_as_they_are(write: Write) -> None:
    run = write("a", [({"over_budget": 3, "l2_mean": 0.5}, first(100, 30))])
    for text, met in (
        ("over_budget=0", False),
        ("over_budget=3", True),
        ("over_budget!=3", False),
        ("over_budget<=3", True),
        ("over_budget<3", False),
        ("l2_mean<=0.5", True),
        ("n>=100", True),
        ("n>100", False),
    ):
        verdict = one(run, text)
        assert verdict.met == met, text
        assert np.isnan(verdict.rows[0].low)


def test_every_row_must_meet_it_and_the_worst_comes_first(write: Write) -> None:
    hits = {0.1: 90, 0.2: 40, 0.3: 60}
    run = write("a", [({"eps": eps}, first(100, h)) for eps, h in hits.items()])
    verdict = one(run, "accuracy>=0.6")
    assert len(verdict.rows) == 3 and not verdict.met
    assert [row.value for row in verdict.failed] == [0.4, 0.6]
    assert one(run, "accuracy>=0.6 where eps=0.1").met


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_row_that_is_not_ok_does_not_meet_it(write: Write, status: str) -> None:
    bad = {"eps": 0.2, "status": status, "reason": "no data"}
    run = write("a", [({"over_budget": 0}, first(100, 99)), (bad, first(100, 99))])
    for text in ("accuracy>=0.1", "accuracy<=1", "over_budget!=7"):
        (row,) = one(run, text).failed[:1]
        assert row.reason == f"{status}: no data", text
    assert one(run, "accuracy>=0.1 where eps=0.1").met


def test_a_row_without_the_number_does_not_meet_it(write: Write) -> None:
    run = write("a", [({}, first(100, 99))])
    (row,) = one(run, "proved>=0").failed
    assert row.reason == "proved is empty in this row"


def test_a_requirement_that_means_no_row_is_an_error(write: Write) -> None:
    run = write("a", [({}, first(100, 99))])
    with pytest.raises(TableError, match="no row is meant, attack is one of: fgsm"):
        check_run(run, ["accuracy>=0.1", "accuracy>=0.1 where attack=autoattack"])


def test_nothing_required_is_an_error(write: Write) -> None:
    run = write("a", [({}, first(100, 99))])
    for path in (run, run / "results.csv"):
        with pytest.raises(TableError, match="nothing is required; add --require"):
            check_run(path)


@pytest.mark.parametrize("require", ["accuracy>=0.9", ["accuracy>=0.9"]])
def test_the_requirements_of_the_grid_file_come_from_the_manifest(
    write: Write, require: Any
) -> None:
    run = write("a", [({}, first(100, 80))], grid={"require": require})
    (verdict,) = check_run(run)
    assert verdict.requirement.text == "accuracy>=0.9" and not verdict.met
    # those of the command line replace them
    (verdict,) = check_run(run, ["accuracy>=0.5"])
    assert verdict.met


def test_a_manifest_with_a_bad_requirement_is_one_line(write: Write) -> None:
    run = write("a", [({}, first(100, 80))], grid={"require": ["accurcy>=1"]})
    with pytest.raises(TableError, match="did you mean accuracy"):
        check_run(run)


def test_labels_name_the_rows_and_are_understood(write: Write) -> None:
    labels = {"networks": {"lenet": "Our LeNet"}, "attacks": {"fgsm": "FGSM"}}
    run = write("a", [({}, first(100, 10))], labels=labels)
    verdict = one(run, "accuracy>=0.5 where network='our lenet'")
    shown = "\n".join(lines([verdict]))
    assert "digits, Our LeNet, FGSM Linf eps 0.1, oblivious, no defence: accuracy 10 %" in shown
    assert "lower end below 50 %" in shown


def test_lines_are_as_wide_as_the_terminal(write: Write) -> None:
    run = write("a", [({"eps": i / 100}, first(100, 10)) for i in range(30)])
    shown = lines([one(run, "accuracy>=0.5")], width=80)
    assert shown[0] == "FAIL  accuracy>=0.5: 0 of 30 rows meet it"
    assert sum("lower end below 50 %" in line for line in shown) == 20
    assert "      and 10 more rows" in shown
    assert all(len(line) <= 80 for line in shown[:-1])
    assert shown[-1].startswith("0 of 1 requirements met. Each row must meet")


def test_json_of_a_hostile_manifest_is_only_text(write: Write) -> None:
    run = write("a", [({}, first(100, 80))])
    (run / "manifest.json").write_text(json.dumps({"grid": {"require": [{"a": 1}]}}))
    with pytest.raises(TableError, match="expected COLUMN>=NUMBER"):
        check_run(run)


def test_the_reason_of_a_row_shows_labels(write: Write) -> None:
    bad = {"network": "nets:build", "status": "failed", "reason": "network nets:build: too bright"}
    table = read_results(write("a", [(bad, first(100, 99))]))
    labels = labels_of({"labels": {"networks": {"nets:build": "resnet18-v2"}}})
    (verdict,) = check(table, [parse_requirement("accuracy>=0.1")], labels)
    assert verdict.failed[0].reason == "failed: network resnet18-v2: too bright"
    assert "nets:build" not in verdict.failed[0].cell
