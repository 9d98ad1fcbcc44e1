"""Comparing runs: pairing, verdicts, error rates, the gate, and what is written of it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from made_up_runs import Right, Write, coins, first, grid
from scipy import stats

from reports.compare.agree import NotComparableError
from reports.compare.compare import ROWS, VERDICTS, Comparison, compare, failures
from reports.compare.gate import sections
from reports.compare.plot import write_plot
from reports.compare.render import to_csv, to_html, to_json
from reports.compare.table import as_lines
from reports.errors import TableError
from reports.gates.markdown import to_markdown
from reports.statistics.tests import adjust, fisher, mcnemar
from reports.style.cell_names import NO_ATTACK


def rows(comparison: Comparison) -> list[dict[Any, Any]]:
    return comparison.rows.to_dict("records")


# what must hold for any two runs


@pytest.mark.parametrize("predictions", [True, False])
def test_a_run_against_itself_has_no_differences(write: Write, predictions: bool) -> None:
    run = write("a", grid(20, coins(1, 100, 0.6)), predictions=predictions)
    found = compare(run, run)
    assert set(found.rows["verdict"]) == {"same"}
    assert (found.rows["difference"] == 0).all() and (found.rows["p"] == 1).all()
    assert (found.rows["low"] < 0).all() and (found.rows["high"] > 0).all()
    assert failures(found) == ()


@pytest.mark.parametrize("predictions", [True, False])
@pytest.mark.parametrize("correction", ["bh", "holm", "none"])
def test_swapping_the_sides_flips_every_sign(
    write: Write, predictions: bool, correction: Any
) -> None:
    shares = np.random.default_rng(0).random(30)
    a = write("a", grid(29, lambda i: coins(i, 150, 0.5)(i)), predictions=predictions)
    b = write(
        "b", grid(30, lambda i: coins(i, 150, shares[i])(i))[1:], "b", predictions=predictions
    )
    there, back = (compare(*pair, correction=correction) for pair in ((a, b), (b, a)))
    opposite = {"worse": "better", "better": "worse", "same": "same"}
    opposite |= {"only in A": "only in B", "only in B": "only in A"}
    # B lacks the cell at eps 0, so clean accuracy has a row of its own
    one, other = (c.rows.sort_values(["eps", "attack"], ignore_index=True) for c in (there, back))
    assert {"worse", "better", "same", "only in A", "only in B"} == set(one["verdict"])
    assert one["verdict"].map(opposite).tolist() == other["verdict"].tolist()
    for mine, theirs, sign in (
        ("difference", "difference", -1),
        ("low", "high", -1),
        ("high", "low", -1),
        ("p", "p", 1),
        ("p_adjusted", "p_adjusted", 1),
        ("accuracy_a", "accuracy_b", 1),
        ("lost", "gained", 1),
    ):
        left, right = (c.astype(float).to_numpy() for c in (one[mine], other[theirs]))
        np.testing.assert_allclose(left, sign * right, atol=1e-12)


@pytest.mark.parametrize("correction", ["bh", "holm"])
def test_shuffled_rows_change_nothing(write: Write, correction: Any) -> None:
    cells_a, cells_b = grid(15, coins(1, 80, 0.5)), grid(15, coins(2, 80, 0.7))
    plain = compare(write("a", cells_a), write("b", cells_b), correction=correction)
    mixed = compare(
        write("c", cells_a, shuffle=5), write("d", cells_b, shuffle=6), correction=correction
    )
    left, right = (c.rows.drop(columns="b") for c in (plain, mixed))
    pd.testing.assert_frame_equal(left, right)


# made-up data with and without an effect


def power_paired(n: int, lost: float, gained: float) -> float:
    """Chance that the exact McNemar test finds a drop at 5 %: summed over all outcomes."""
    total = 0.0
    for changed in range(n + 1):
        down = np.arange(changed + 1)
        found = (mcnemar(down, changed - down) <= 0.05) & (2 * down > changed)
        seen = stats.binom.pmf(down[found], changed, lost / (lost + gained)).sum()
        total += stats.binom.pmf(changed, n, lost + gained) * seen
    return total


def power_unpaired(n: int, a: float, b: float) -> float:
    """The same for Fisher's test on two independent samples."""
    x, y = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    found = (fisher(x, n, y, n) <= 0.05) & (y < x)
    seen = np.outer(stats.binom.pmf(x[:, 0], n, a), stats.binom.pmf(y[0], n, b))
    return float(seen[found].sum())


@pytest.mark.slow
def test_a_known_effect_is_found_as_often_as_it_should_be(write: Write) -> None:
    n, k, lost, gained = 150, 600, 0.10, 0.03
    rng = np.random.default_rng(7)
    before = [rng.random(n) < 0.6 for _ in range(k)]
    # of those right before 10/60 are lost, of the others 3/40 gained
    after = [np.where(b, rng.random(n) >= lost / 0.6, rng.random(n) < gained / 0.4) for b in before]
    a = write("a", grid(k, lambda i: before[i]))
    b = write("b", grid(k, lambda i: after[i]), "b")
    found = compare(a, b, correction="none")
    expected = power_paired(n, lost, gained)
    assert 0.5 < expected < 0.8
    spread = (expected * (1 - expected) / k) ** 0.5
    assert found.counts()["worse"] / k == pytest.approx(expected, abs=3 * spread)
    assert found.counts()["better"] == 0
    # without the pairs the same drop is found less often
    bare = compare(a / "results.csv", b / "results.csv", correction="none")
    assert bare.counts()["worse"] < found.counts()["worse"]


@pytest.mark.slow
def test_a_known_effect_is_found_without_pairs_as_often_as_it_should_be(write: Write) -> None:
    n, k = 60, 500
    a = write("a", grid(k, coins(1, n, 0.7)), predictions=False)
    b = write("b", grid(k, coins(2, n, 0.45)), predictions=False)
    expected = power_unpaired(n, 0.7, 0.45)
    assert 0.6 < expected < 0.85
    spread = (expected * (1 - expected) / k) ** 0.5
    worse = compare(a, b, correction="none").counts()["worse"] / k
    assert worse == pytest.approx(expected, abs=3 * spread)


@pytest.mark.slow
@pytest.mark.parametrize("predictions", [True, False], ids=["paired", "unpaired"])
def test_without_an_effect_false_alarms_keep_their_rate(write: Write, predictions: bool) -> None:
    runs, k = 120, 15
    a = write("a", grid(runs * k, coins(1, 80, 0.6)), predictions=predictions)
    b = write("b", grid(runs * k, coins(2, 80, 0.6)), "b", predictions)
    found = compare(a, b, correction="none").rows
    assert 0.01 < (found["p"] <= 0.05).mean() <= 0.05 + 3 * (0.05 * 0.95 / (runs * k)) ** 0.5
    # the same cells as many small runs: how many of these raise an alarm at all
    p = found.sort_values("eps")["p"].to_numpy().reshape(runs, k)
    for correction in ("bh", "holm"):
        alarms = np.mean([(adjust(family, correction) <= 0.05).any() for family in p])
        assert alarms <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    uncorrected = np.mean([(family <= 0.05).any() for family in p])
    assert uncorrected > 0.2


@pytest.mark.parametrize("correction", ["bh", "holm", "none"])
def test_verdicts_follow_the_adjusted_p_value(write: Write, correction: Any) -> None:
    rng = np.random.default_rng(5)
    shares = rng.uniform(0.3, 0.7, 40)
    a = write("a", grid(40, coins(1, 90, 0.5)))
    b = write("b", grid(40, lambda i: rng.random(90) < shares[i]), "b")
    found = compare(a, b, correction=correction, level=0.9).rows
    adjusted = adjust(found["p"], correction)
    assert found["p_adjusted"].to_numpy() == pytest.approx(adjusted)
    sign = np.sign(found["difference"]).where(adjusted <= 0.1, 0)
    assert sign.map({-1: "worse", 0: "same", 1: "better"}).tolist() == found["verdict"].tolist()
    assert {"worse", "same", "better"} == set(found["verdict"])


@pytest.mark.slow
def test_among_real_effects_few_findings_are_false(write: Write) -> None:
    shares, found_all = [], 0
    for run in range(8):
        a = write(f"a{run}", grid(40, coins(2 * run, 150, 0.6)))
        real, none = coins(2 * run + 1, 150, 0.4), coins(1000 + run, 150, 0.6)
        drawn = [(none if i % 2 else real)(i) for i in range(40)]
        b = write(f"b{run}", grid(40, drawn.__getitem__), "b")
        found = compare(a, b).rows
        named = found[found["verdict"] != "same"]
        false = (named["eps"] * 1000).round().astype(int) % 2 == 1
        shares.append(false.mean() if len(named) else 0.0)
        found_all += int((~false).sum())
    assert np.mean(shares) <= 0.05
    assert found_all / (8 * 20) > 0.8


# numbers of one comparison


def test_pairs_are_counted_by_image(write: Write) -> None:
    before = np.repeat([True, True, False, False], [50, 12, 3, 35])
    after = np.repeat([True, False, True, False], [50, 12, 3, 35])
    a, b = write("a", grid(1, lambda _: before)), write("b", grid(1, lambda _: after), "b")
    (row,) = rows(compare(a, b))
    assert (row["method"], row["lost"], row["gained"], row["n_a"]) == ("paired", 12, 3, 100)
    assert (row["accuracy_a"], row["accuracy_b"]) == (0.62, 0.53)
    assert row["difference"] == pytest.approx(-0.09)
    assert row["p"] == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert row["verdict"] == "worse" and row["low"] < -0.09 < row["high"] < 0


def test_without_predictions_the_test_is_unpaired_and_says_so(write: Write) -> None:
    a, b = write("a", grid(3, coins(1, 90, 0.5))), write("b", grid(3, coins(2, 90, 0.5)), "b")
    found = compare(a / "results.csv", b)
    assert set(found.rows["method"]) == {"unpaired"}
    assert set(found.rows["remark"]) == {"no predictions in A"}
    assert "Unpaired (3 tests; no predictions in A): Fisher's exact test" in " ".join(found.notes)
    n, hits = [90, 90], [round(90 * found.rows[f"accuracy_{s}"].iloc[0]) for s in "ab"]
    table = [[hits[0], n[0] - hits[0]], [hits[1], n[1] - hits[1]]]
    assert found.rows["p"].iloc[0] == pytest.approx(stats.fisher_exact(table)[1])


def test_the_correction_is_on_by_default_and_named(write: Write) -> None:
    a, b = write("a", grid(9, coins(1, 90, 0.5))), write("b", grid(9, coins(2, 90, 0.6)), "b")
    found = compare(a, b)
    assert "9 tests: Benjamini-Hochberg" in " ".join(found.notes)
    expected = stats.false_discovery_control(found.rows["p"])
    assert found.rows["p_adjusted"].to_numpy() == pytest.approx(expected)
    assert "Holm" in " ".join(compare(a, b, correction="holm").notes)


def test_more_runs_are_each_compared_with_the_first(write: Write) -> None:
    a, b, c = (
        write(name, [({"eps": 0.0}, first(100, hits))], name)
        for name, hits in (("a", 60), ("b", 20), ("c", 90))
    )
    found = compare(a, b, c)
    verdicts = found.rows.groupby("b")["verdict"].unique().map(list).to_dict()
    assert verdicts == {str(b): ["worse"], str(c): ["better"]}
    assert found.others == (str(b), str(c))


def test_worst_comes_first(write: Write) -> None:
    hits = {
        0.0: (50, 50),
        0.1: (90, 40),
        0.2: (90, 10),
        0.3: (10, 90),
        0.4: (50, None),
        0.5: (None, 50),
    }
    a = write("a", [({"eps": e}, first(100, h[0])) for e, h in hits.items() if h[0] is not None])
    b = write(
        "b", [({"eps": e}, first(100, h[1])) for e, h in hits.items() if h[1] is not None], "b"
    )
    found = compare(a, b)
    order = [(row["eps"], row["verdict"]) for row in rows(found)]
    assert order == [
        (0.2, "worse"),
        (0.1, "worse"),
        (0.4, "only in A"),
        (0.0, "same"),
        (0.3, "better"),
        (0.5, "only in B"),
    ]
    assert found.counts() == dict(zip(VERDICTS, (2, 1, 1, 1, 1), strict=True))
    assert list(found.rows.columns) == list(ROWS)


def test_an_eps_that_was_computed_is_the_same_cell(write: Write) -> None:
    a = write("a", [({"eps": 0.0}, first(9, 9)), ({"eps": 0.3}, first(9, 5))])
    b = write("b", [({"eps": 0.0}, first(9, 9)), ({"eps": 0.1 + 0.2}, first(9, 5))])
    assert set(compare(a, b).rows["verdict"]) == {"same"}


def test_cells_without_eps_and_with_quality_are_paired(write: Write) -> None:
    cells = [
        (
            {"eps": None, "attack": "carlini", "norm": "2", "quality": q, "defence": "jpeg"},
            first(9, q),
        )
        for q in (3, 5)
    ]
    found = compare(write("a", cells), write("b", cells, "b"))
    named = [row for row in rows(found) if row["attack"] != NO_ATTACK]
    assert [row["quality"] for row in named] == [3, 5]


def test_clean_accuracy_is_compared_where_no_cell_has_eps_0(write: Write) -> None:
    jpeg = {"defence": "jpeg", "quality": 50}
    bare = [({"eps": 0.0}, first(50, 50)), ({"eps": 0.1}, first(50, 5))]
    behind = [({"eps": e, **jpeg, "clean_correct": 50}, first(50, 5)) for e in (0.1, 0.2)]
    a = write("a", bare + behind, predictions=False)
    less = [({**columns, "clean_correct": 10}, right) for columns, right in behind]
    b = write("b", bare + less, predictions=False)
    clean = [row for row in rows(compare(a, b)) if row["attack"] == NO_ATTACK]
    assert len(clean) == 1
    row = clean[0]
    assert (row["defence"], row["quality"], row["eps"], row["threat"]) == ("jpeg", 50, 0.0, "")
    assert (row["accuracy_a"], row["accuracy_b"], row["verdict"]) == (1.0, 0.2, "worse")


def test_clean_predictions_are_paired_too(write: Write) -> None:
    run = write("a", [({"eps": 0.1}, first(50, 20))])
    clean = [row for row in rows(compare(run, run)) if row["attack"] == NO_ATTACK]
    assert [(row["method"], row["accuracy_a"]) for row in clean] == [("paired", 1.0)]


# cells that are missing, runs that cannot be compared, files that cannot be read


def test_a_row_that_is_not_ok_counts_as_missing_and_says_why(write: Write) -> None:
    good = [({"eps": e}, first(40, 20)) for e in (0.0, 0.1, 0.2)]
    failed = {"status": "failed", "reason": "out of memory"}
    skipped = {"status": "skipped", "reason": "no data"}
    a = write("a", [*good, ({"eps": 0.3, **skipped}, first(40, 1))])
    b = write("b", [good[0], *(({"eps": e, **failed}, first(40, 1)) for e in (0.1, 0.3)), good[2]])
    found = compare(a, b)
    missing = [row for row in rows(found) if row["verdict"] == "only in A"]
    assert [(row["eps"], row["remark"]) for row in missing] == [(0.1, "failed: out of memory")]
    assert np.isnan(missing[0]["accuracy_b"]) and missing[0]["accuracy_a"] == 0.5
    assert "neither side is ok: 1." in " ".join(found.notes)
    (line,) = failures(found)
    assert line.startswith(f"missing in {b}") and line.endswith("(failed: out of memory)")


@pytest.mark.parametrize(
    ("column", "left", "right", "told"),
    [
        ("data_sha256", "d0", "d1", "d0 in A, d1 in B"),
        ("weights_sha256", "w0", "", "w0 in A, none in B"),
        ("samples", "100", "all", "100 in A, all in B"),
        (
            "attack_params",
            '{"steps": 10, "eps": 0.1}',
            '{"steps": 40, "eps": 0.1}',
            "steps 10 in A, 40 in B",
        ),
    ],
)
def test_what_is_not_comparable_is_refused_unless_forced(
    write: Write, column: str, left: str, right: str, told: str
) -> None:
    a = write("a", [({"eps": 0.0}, first(50, 50)), ({"eps": 0.1, column: left}, first(50, 20))])
    b = write(
        "b", [({"eps": 0.0}, first(50, 50)), ({"eps": 0.1, column: right}, first(50, 20))], "b"
    )
    with pytest.raises(NotComparableError) as caught:
        compare(a, b)
    message = str(caught.value)
    assert f"{column} differs in 1 of 2 cells" in message and told in message
    assert "eps 0.1" in message and "--force" in message and "\n" not in message
    found = compare(a, b, force=True)
    assert {row["eps"]: row["warning"] for row in rows(found)} == {
        0.0: "",
        0.1: f"{column} differs",
    }
    assert "Not comparable, but forced: 1" in " ".join(found.notes)
    shown = to_markdown("", sections(found, every=True)).replace("\\", "")
    assert f"(warning: {column} differs)" in shown and f"{column} differs" in to_csv(found)


def test_the_order_of_parameters_does_not_matter(write: Write) -> None:
    a, b = (
        write(name, [({"eps": 0.0, "attack_params": text}, first(9, 3))])
        for name, text in (("a", '{"x": 1, "y": 2}'), ("b", '{"y": 2, "x": 1.0}'))
    )
    assert compare(a, b).counts()["same"] == 1


def test_forced_runs_of_other_samples_are_paired_on_shared_images(write: Write) -> None:
    a = write("a", [({"eps": 0.0, "samples": "60"}, first(60, 30))], ids=np.arange(60))
    b = write("b", [({"eps": 0.0, "samples": "40"}, first(40, 30))], ids=np.arange(20, 60))
    (row,) = rows(compare(a, b, force=True))
    assert (row["method"], row["n_a"], row["n_b"]) == ("paired", 40, 40)
    assert (row["accuracy_a"], row["accuracy_b"]) == (0.25, 0.75)
    assert row["remark"] == "40 shared images of 60 in A and 40 in B"


def test_other_data_of_the_same_samples_are_not_paired(write: Write) -> None:
    """The index of a photo is its position: another photo has it where one was added before it."""
    row = {"eps": 0.0, "samples": "all"}
    a = write("a", [({**row, "data_sha256": "0" * 16}, first(60, 30))])
    b = write("b", [({**row, "data_sha256": "1" * 16}, first(60, 31))])
    (found,) = rows(compare(a, b, allow=["data"]))
    assert (found["method"], found["remark"]) == ("unpaired", "the same samples of other data")
    c = write("c", [({**row, "data_sha256": "1" * 16, "samples": "59"}, first(59, 31))])
    (found,) = rows(compare(a, c, allow=["data", "samples"]))
    assert found["method"] == "paired"


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (np.arange(100, 140), "no image in common"),
        (np.arange(1, 41), "images of the same id have other labels"),
    ],
)
def test_images_that_are_not_the_same_are_not_paired(
    write: Write, ids: npt.NDArray[np.int64], told: str
) -> None:
    a = write("a", grid(1, lambda _: first(40, 30)))
    b = write("b", grid(1, lambda _: first(40, 20)), "b", ids=ids)
    (row,) = rows(compare(a, b))
    assert (row["method"], row["remark"]) == ("unpaired", told)


def breakages() -> dict[str, Callable[[Path], object]]:
    def edit(change: Callable[[pd.DataFrame], pd.DataFrame], file: str) -> Callable[[Path], object]:
        def apply(run: Path) -> None:
            path = run / file
            if file == "results.csv":
                change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(
                    path, index=False
                )
            else:
                change(pd.read_parquet(path)).to_parquet(path, index=False)

        return apply

    table, images = "results.csv", "predictions.parquet"
    return {
        "no such file": lambda run: (run / table).unlink(),
        "not a CSV table": lambda run: (run / table).write_bytes(b"\xff\xfe\x00 not a table"),
        "no rows": edit(lambda t: t.head(0), table),
        "two rows for": edit(lambda t: pd.concat([t, t.tail(1)]), table),
        "lacks the columns": edit(lambda t: t.drop(columns="seed"), table),
        "schema 99": edit(lambda t: t.assign(schema="99"), table),
        "results": edit(lambda t: t.assign(eps="large"), table),
        "do not fit": edit(lambda t: t.assign(correct="101"), table),
        "cannot be read": lambda run: (run / images).write_bytes(b"PAR1 and no more"),
        "cannot be read ": edit(lambda t: t.drop(columns="label"), images),
        "id holds other": edit(lambda t: t.assign(id=t["id"].astype(str)), images),
        "label holds other": edit(lambda t: t.assign(label=None), images),
        "twice": edit(lambda t: pd.concat([t, t.tail(1)]), images),
        "of different runs": edit(lambda t: t.assign(adversarial=t["label"]), images),
    }


@pytest.mark.parametrize("told", list(breakages()))
@pytest.mark.parametrize("broken_side", ["a", "b"])
def test_bad_input_is_one_line_that_names_the_file(
    write: Write, told: str, broken_side: str
) -> None:
    runs = {name: write(name, grid(3, coins(1, 100, 0.5))) for name in "ab"}
    breakages()[told](runs[broken_side])
    with pytest.raises(TableError, match=told.strip()) as caught:
        compare(runs["a"], runs["b"])
    assert "\n" not in str(caught.value) and str(runs[broken_side]) in str(caught.value)


def test_a_base_without_a_finished_cell_is_refused(write: Write) -> None:
    a = write("a", [({"eps": 0.0, "status": "failed"}, first(9, 3))])
    b = write("b", grid(1, lambda _: first(9, 3)))
    with pytest.raises(TableError, match="no row has status ok"):
        compare(a, b)
    assert compare(b, a).counts()["only in A"] == 1


@pytest.mark.parametrize(
    "options", [{"correction": "bonferroni"}, {"level": 1.0}, {"level": 0.0}], ids=str
)
def test_bad_options_are_refused(write: Write, options: dict[str, Any]) -> None:
    run = write("a", grid(1, lambda _: first(9, 3)))
    with pytest.raises(TableError, match="expected"):
        compare(run, run, **options)
    with pytest.raises(TableError, match="two or more"):
        compare(run)
    with pytest.raises(TableError, match="tolerance"):
        failures(compare(run, run), 1.5)


# the gate


@pytest.mark.parametrize(
    ("before", "after", "tolerance", "fails"),
    [
        (890, 880, 0.0, False),  # a drop that chance explains
        (890, 700, 0.01, True),
        (890, 700, 0.2, False),  # significant, and tolerated
        (1000, 700, 0.3, False),  # exactly the tolerance is not more than it
        (1000, 699, 0.3, True),
        (700, 890, 0.0, False),
    ],
)
def test_the_gate_fails_on_a_drop_that_is_significant_and_large(
    write: Write, before: int, after: int, tolerance: float, fails: bool
) -> None:
    a = write("a", grid(1, lambda _: first(1000, before)), predictions=False)
    b = write("b", grid(1, lambda _: first(1000, after)), predictions=False)
    assert bool(failures(compare(a, b), tolerance)) == fails


def test_the_gate_fails_on_missing_cells_and_not_on_new_ones(write: Write) -> None:
    cells = grid(3, lambda _: first(50, 20))
    a, b = write("a", cells), write("b", cells[:2])
    (line,) = failures(compare(a, b), 1.0)
    cell = "digits, lenet, fgsm Linf eps 0.002, oblivious, no defence, seed 0"
    assert line == f"missing in {b}: {cell}"
    assert failures(compare(b, a)) == ()


# what is written


HOSTILE = {"attack": "fgsm[eps=0.1]|<script>alert(1)</script>", "defence": "a*b_c <b> & `d` $x$"}


@pytest.fixture
def mixed(write: Write) -> Comparison:
    """Worse, better, same, missing and new cells with names that need escaping."""

    def cells(hits: dict[float, int]) -> list[tuple[dict[str, Any], Right]]:
        attack = HOSTILE["attack"]
        return [
            ({**HOSTILE, "eps": eps, "attack": f"{attack}{eps}"}, first(40, h))
            for eps, h in hits.items()
        ]

    a = write("a", cells({0.0: 38, 0.1: 30, 0.2: 5, 0.3: 9}))
    return compare(a, write("b", cells({0.0: 38, 0.1: 5, 0.2: 35, 0.4: 9}), "b"))


def test_csv_holds_every_number_and_what_was_done(mixed: Comparison) -> None:
    read = list(csv.DictReader(io.StringIO(to_csv(mixed))))
    assert [line["verdict"] for line in read] == mixed.rows["verdict"].tolist()
    assert {(line["a"], line["correction"], line["level"]) for line in read} == {
        (mixed.a, "bh", "0.95")
    }
    assert float(read[0]["difference"]) == mixed.rows["difference"].iloc[0]
    assert read[0]["attack"] == HOSTILE["attack"] + "0.1" and read[-1]["p"] == ""


def test_json_is_strict_and_holds_every_number(mixed: Comparison) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    content = json.loads(to_json(mixed), parse_constant=refuse)
    assert content["verdicts"] == mixed.counts() and content["correction"] == "bh"
    kept = [row["p"] for row in content["rows"] if row["p"] is not None]
    assert kept == mixed.rows["p"].dropna().tolist() and len(kept) == len(mixed.rows) - 2
    assert content["rows"][0]["n_a"] == 40
    assert list(content["rows"][0]) == list(ROWS)


def test_markdown_is_a_table_in_which_names_are_only_text(mixed: Comparison) -> None:
    text = to_markdown("t", sections(mixed, every=True))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(mixed.rows)
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "<script>" not in text.replace("\\<", "")
    assert "Benjamini" in text and "same: no difference shown" in text


def test_markdown_has_the_rows_that_differ_and_counts_the_others(mixed: Comparison) -> None:
    text = to_markdown("t", sections(mixed))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [line.split()[1] for line in lines[2:]] == ["worse", "better"]
    assert "* only in A: " in text and "* only in B: " in text
    assert "* same: 1 row shows no difference, and equal accuracies" in text


class Page(HTMLParser):
    """Counts what a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("page", [True, False])
def test_html_is_well_formed_self_contained_and_escaped(mixed: Comparison, page: bool) -> None:
    parser = Page()
    parser.feed(to_html(mixed, page))
    parser.close()
    assert parser.open == [] and parser.addresses == []
    assert not {"script", "b"} & set(parser.seen)
    assert parser.seen.count("tr") == 1 + len(mixed.rows)
    assert ("body" in parser.seen) == page


def test_letters_stand_for_more_than_two_runs(write: Write) -> None:
    cells = grid(2, lambda _: first(40, 20))
    a, b, c = write("a", cells), write("b", cells), write("c", cells[:1])
    found = compare(a, b, c)
    text = to_markdown("t", sections(found, every=True))
    assert "| only in A | C |" in text and "| same | B |" in text
    assert f"C = {c}".replace("_", "\\_") in text
    (line,) = (line.text for line in as_lines(found, 200) if line.text.startswith("only in"))
    assert line.startswith("only in A, not in C: ")


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_plot_is_written(mixed: Comparison, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"plot.{kind}"
    write_plot(mixed, path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    assert path.read_bytes().startswith(start)


def test_a_plot_that_cannot_be_is_one_line(mixed: Comparison, write: Write, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"\.png, \.svg, \.pdf"):
        write_plot(mixed, tmp_path / "plot.bmp")
    with pytest.raises(TableError, match="cannot be written"):
        write_plot(mixed, tmp_path / "nowhere" / "plot.png")
    apart = compare(
        write("x", grid(1, lambda _: first(9, 3))), write("y", grid(2, lambda _: first(9, 3))[1:])
    )
    with pytest.raises(TableError, match="no cell is in both"):
        write_plot(apart, tmp_path / "plot.png")


def test_starting_a_comparison_loads_nothing_heavy() -> None:
    code = (
        "import sys, reports.compare.compare, reports.compare.render, reports.compare.plot;"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    root = Path(__file__).parents[3]
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    heavy = {"torch", "torchvision", "art", "sklearn", "scipy", "matplotlib", "seaborn", "rich"}
    assert heavy & set(out.stdout.split()) == set()
