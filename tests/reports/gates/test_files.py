"""The files for CI systems: JUnit, Markdown and SARIF, from cases with hostile names."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_up_runs import Write, first

from reports.gates import findings as audits
from reports.gates import verdicts
from reports.gates.cases import Case, Suite, unique
from reports.gates.check import check_run
from reports.gates.junit import to_junit
from reports.gates.markdown import MOST_BYTES, Section, to_markdown
from reports.gates.sarif import MOST_RESULTS, to_sarif

HOSTILE = "a<b>&\"c'\x00\x1b[31m\ud800]]>\n|`$x$` [l](javascript:1)"
SUITES = [
    Suite(
        "accuracy>=0.5 where network=\x07x",
        "requirement",
        (
            Case("one", "passed"),
            Case(HOSTILE, "failed", HOSTILE, HOSTILE),
            Case("three", "skipped", "new"),
        ),
        "run dir/results.csv",
    ),
    Suite("second", "comparison", (Case("one", "failed", "worse"),), "b.csv"),
]


def test_junit_has_the_attributes_that_ci_systems_read() -> None:
    root = ElementTree.fromstring(to_junit(SUITES, "bench check run").encode())
    assert root.tag == "testsuites"
    counts = {"tests": "4", "failures": "2", "errors": "0", "time": "0"}
    assert root.attrib == {"name": "bench check run", **counts}
    one, two = root
    assert (one.tag, one.get("tests"), one.get("failures"), one.get("skipped")) == (
        "testsuite", "3", "1", "1",
    )  # fmt: skip
    assert [two.get(name) for name in ("name", "tests", "failures")] == ["second", "1", "1"]
    for case in root.iter("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
    tags = [[child.tag for child in case] for case in one]
    assert tags == [[], ["failure"], ["skipped"]]
    failure = one[1][0]
    assert failure.get("type") == "requirement" and failure.get("message")


def test_junit_escapes_what_it_holds_and_what_xml_cannot_hold() -> None:
    text = to_junit(SUITES, "x")
    root = ElementTree.fromstring(text.encode())
    name = next(
        case.get("name") for case in root.iter("testcase") if "a<b>" in case.get("name", "")
    )
    assert name == "a<b>&\"c'\\x00\\x1b[31m\\ud800]]> |`$x$` [l](javascript:1)"
    assert not any(character in text for character in "\x00\x1b\x07\ud800")


def test_names_are_told_apart() -> None:
    cases = unique([Case("a", "passed"), Case("a", "failed"), Case("b", "passed")])
    assert [case.name for case in cases] == ["a", "a (2)", "b"]


def test_sarif_has_a_result_for_each_failure() -> None:
    log = json.loads(to_sarif(SUITES, "1.2.3"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("art-bench", "1.2.3")
    rules = [rule["id"] for rule in driver["rules"]]
    assert rules == ["requirement", "comparison"]
    assert [result["ruleId"] for result in run["results"]] == rules
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] == "error" and result["message"]["text"]
        (place,) = result["locations"]
        assert place["physicalLocation"]["region"]["startLine"] == 1
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "run%20dir/results.csv"
    prints = [result["partialFingerprints"]["cell/v1"] for result in run["results"]]
    assert len(set(prints)) == 2


def test_sarif_says_what_it_leaves_out() -> None:
    cases = tuple(Case(str(i), "failed", "m") for i in range(MOST_RESULTS + 3))
    (run,) = json.loads(to_sarif([Suite("s", "audit", cases)], "1"))["runs"]
    assert len(run["results"]) == MOST_RESULTS and run["properties"] == {"resultsLeftOut": 3}


def test_the_place_of_a_finding_is_relative_to_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, expected in (
        (str(tmp_path / "run" / "results.csv"), "run/results.csv"),
        ("/elsewhere/r.csv", "file:///elsewhere/r.csv"),
    ):
        suite = Suite("s", "audit", (Case("c", "failed", "m"),), file)
        (result,) = json.loads(to_sarif([suite], "1"))["runs"][0]["results"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == expected


def test_markdown_is_text_and_fits_the_summary_of_a_step() -> None:
    rows = [[HOSTILE * 20, "x" * 500] for _ in range(5000)]
    text = to_markdown(HOSTILE, [Section("t", "", ["a", "b"], rows)])
    assert len(text.encode("utf-8", "surrogatepass")) <= MOST_BYTES < 1 << 20
    assert "more rows are not shown here." in text
    assert "<b>" not in text and "\\<b\\>" in text
    small = to_markdown("t", [Section("t", "", ["a", "b"], rows[:2000])], most=20_000)
    assert len(small.encode("utf-8", "surrogatepass")) <= 20_000


def test_markdown_of_requirements(write: Write) -> None:
    run = write("a", [({"eps": eps}, first(100, 60)) for eps in (0.1, 0.2)])
    found = check_run(run, ["accuracy>=0.5", "accuracy>=0.7 where eps=0.2"])
    text = to_markdown("bench check", verdicts.sections(found, str(run)))
    assert "### ❌ 1 of 2 requirements met" in text
    assert "| ✅ | accuracy\\>=0.5 | 2 of 2 rows meet it; the closest: " in text
    failing = text.partition("### Rows that fail")[2]
    assert failing.count("\n| ") == 3 and "eps 0.2" in failing


def test_cases_of_requirements(write: Write) -> None:
    run = write("a", [({"eps": eps}, first(100, 60)) for eps in (0.1, 0.2)])
    found = check_run(run, ["accuracy>=0.5", "accuracy>=0.7 where eps=0.2"])
    suites = verdicts.suites(found, "r.csv")
    assert [suite.name for suite in suites] == ["accuracy>=0.5", "accuracy>=0.7 where eps=0.2"]
    assert [[case.status for case in suite.cases] for suite in suites] == [
        ["passed", "passed"],
        ["failed"],
    ]
    assert "lower end below 70 %" in suites[1].cases[0].message


def test_findings_of_an_audit(write: Write) -> None:
    from reports.audit.audit import write_audit

    run = write("a", [({"eps": eps, "over_budget": 3}, first(100, 60)) for eps in (0.0, 0.2)])
    table = write_audit(run)
    (suite,) = audits.suites(table, "audit.csv")
    ended = {name: suite.count(name) for name in ("passed", "failed", "skipped")}
    counts = table["status"].value_counts()
    assert ended == {
        "passed": counts.get("ok", 0) + counts.get("warn", 0),
        "failed": counts["fail"],
        "skipped": counts["not tested"],
    }
    assert len({case.name for case in suite.cases}) == len(table)
    assert "budget" in to_markdown("t", audits.sections(table))
