"""What a comparison looks like in a terminal: rows that differ, groups, and widths."""

from __future__ import annotations

import re
from typing import Any

import pytest
from made_up_runs import Right, Write, first

from reports.compare.compare import Comparison, compare, failures
from reports.compare.gate import suites
from reports.compare.table import Line, as_lines
from reports.errors import TableError

LONG = "company_networks.production.classifiers.resnet_variants:build_resnet18_version2"


def cells(hits: dict[float, int], **columns: Any) -> list[tuple[dict[str, Any], Right]]:
    return [({"eps": eps, **columns}, first(200, h)) for eps, h in hits.items()]


@pytest.fixture
def mixed(write: Write) -> Comparison:
    """Of networks with long names: 2 worse, 1 better, 3 missing in two groups, 2 same."""
    a = cells({0.0: 190, 0.1: 150, 0.2: 100, 0.3: 60, 0.4: 20}, network=LONG)
    b = cells({0.0: 190, 0.1: 60, 0.2: 20, 0.3: 160, 0.4: 21}, network=LONG)
    gone = cells({0.0: 190, 0.1: 3}, network="lenet")
    # a second attack of the long network, half of it missing
    more = cells({0.0: 190, 0.1: 3}, network=LONG, attack="pgd")
    return compare(write("a", [*a, *more, *gone]), write("b", [*b, *more[:1]]))


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


@pytest.mark.parametrize("width", [70, 80, 100, 160, 300])
def test_rows_fit_the_terminal_and_are_told_apart(mixed: Comparison, width: int) -> None:
    lines = as_lines(mixed, width)
    rows = [line.text for line in lines if line.style in ("bold red", "green")]
    assert all(len(row) <= width for row in rows), rows
    named = [row for row in rows if row.startswith(("worse", "better"))]
    assert [row.split()[0] for row in named] == ["worse", "worse", "better"]
    found = [re.search(r"eps ([0-9.]+)", row) for row in named]
    assert [match.group(1) for match in found if match] == ["0.1", "0.2", "0.3"]
    # a table has one line for a row, a narrow terminal two
    assert len(rows) == (3 if width >= 100 else 6)
    assert all("45.0" in text([line]) for line in lines if "-45.0" in line.text)


def test_long_names_are_cut_in_the_middle(mixed: Comparison) -> None:
    narrow, wide = as_lines(mixed, 110), as_lines(mixed, 400)
    cut = next(line.text for line in narrow if line.text.startswith("worse"))
    assert "…" in cut and "company_" in cut and "version2" in cut and LONG not in cut
    assert LONG in next(line.text for line in wide if line.text.startswith("worse"))


def test_the_others_are_counted(mixed: Comparison) -> None:
    shown = text(as_lines(mixed, 120))
    assert "only in A: digits, lenet: all 2 rows" in shown
    assert re.search(r"only in A: digits, company\S*…\S*version2, pgd Linf eps 0.1, ", shown)
    assert "same: 3 rows show no difference; 1 accuracies moved, at most by +0.5 points (" in shown
    assert shown.count("\nonly in A") == 2


def test_all_shows_every_row(mixed: Comparison) -> None:
    lines = as_lines(mixed, 200, limit=None, every=True)
    counts = mixed.counts()
    for verdict in ("worse", "better", "same", "only in A"):
        rows = [line for line in lines if line.text.startswith(f"{verdict} ")]
        assert len(rows) == counts[verdict], verdict


def test_more_rows_than_the_limit_are_counted(mixed: Comparison) -> None:
    assert "and 2 more rows; --all shows all" in text(as_lines(mixed, 120, limit=1))


def test_thousands_of_missing_cells_are_a_few_lines(write: Write) -> None:
    shared = [({"eps": i / 1000}, first(20, 9)) for i in range(5)]
    gone = [
        ({"eps": i / 1000, "network": f"net{j}"}, first(20, 9))
        for i in range(60)
        for j in range(20)
    ]
    found = compare(write("a", [*shared, *gone], predictions=False), write("b", shared))
    shown = as_lines(found, 80)
    assert len(shown) < 30
    assert "only in A: 480 more rows in 8 more groups" in text(shown)
    assert len(failures(found)) == 20
    assert failures(found)[0].endswith("digits, net0: all 60 rows")


def test_missing_cells_say_why(write: Write) -> None:
    bad = {"status": "failed", "reason": "out of memory"}
    a = write("a", cells({0.0: 9, 0.1: 9, 0.2: 9, 0.3: 9}))
    b = write("b", [*cells({0.0: 9}), *cells({0.1: 9, 0.2: 9}, **bad)])
    (line,) = failures(compare(a, b))
    where = "digits, lenet: 3 of 4 rows (fgsm 3)"
    assert line == f"missing in {b}: {where}; failed: out of memory (2)"


def test_warnings_stand_below_their_rows(write: Write) -> None:
    a = write("a", cells({0.0: 190, 0.1: 150}))
    b = write("b", cells({0.0: 190, 0.1: 10}, weights_sha256="w1"), "b")
    for width in (80, 160):
        shown = text(as_lines(compare(a, b, force=True), width))
        assert "warning: weights_sha256 differs" in shown


def test_cases_of_a_comparison(mixed: Comparison) -> None:
    (suite,) = suites(mixed)
    assert len(suite.cases) == len(mixed.rows)
    assert suite.count("failed") == 5 and suite.count("skipped") == 0
    worse = [case for case in suite.cases if case.message.startswith("worse by ")]
    missing = [case for case in suite.cases if case.message.startswith("missing in ")]
    assert (len(worse), len(missing)) == (2, 3)
    # a tolerance takes the drops out, and not what is missing
    (suite,) = suites(mixed, tolerance=0.5)
    assert suite.count("failed") == 3


def test_rows_that_are_new_are_skipped(write: Write) -> None:
    a, b = write("a", cells({0.0: 9})), write("b", cells({0.0: 9, 0.1: 9}))
    (suite,) = suites(compare(a, b))
    assert [case.status for case in suite.cases] == ["passed", "skipped"]


def test_a_tolerance_is_a_share(mixed: Comparison) -> None:
    with pytest.raises(TableError, match="expected a share between 0 and 1"):
        failures(mixed, 30)
