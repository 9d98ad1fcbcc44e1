"""JUnit's XML, which GitHub actions, GitLab, Jenkins and Azure show as test results."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from reports.gates.cases import Case, Suite, failed
from reports.style.plain_text import plain, printable


def to_junit(suites: Sequence[Suite], name: str) -> str:
    """Return the XML of some suites: a `testcase` per case, with `failure` or `skipped` inside.

    name: of the whole, such as `bench check`.
    """
    total = _counts(suites)
    # Jenkins' schema has `skipped` for a suite alone
    del total["skipped"]
    root = ElementTree.Element("testsuites", _clean({"name": name, **total}))
    for suite in suites:
        about = {"name": suite.name, **_counts([suite])}
        inside = ElementTree.SubElement(root, "testsuite", _clean(about))
        for case in suite.cases:
            _add(inside, suite, case)
    ElementTree.indent(root, " ")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, suite: Suite, case: Case) -> None:
    about = {"classname": suite.name, "name": case.name, "time": "0"}
    element = ElementTree.SubElement(parent, "testcase", _clean(about))
    if case.status == "passed":
        return
    tag = "failure" if case.status == "failed" else "skipped"
    attributes = {"message": case.message}
    if case.status == "failed":
        attributes["type"] = suite.rule
    inner = ElementTree.SubElement(element, tag, _clean(attributes))
    if case.details:
        inner.text = printable(case.details)


def _counts(suites: Sequence[Suite]) -> dict[str, str]:
    counts = {
        "tests": sum(len(suite.cases) for suite in suites),
        "failures": failed(suites),
        "errors": 0,
        "skipped": sum(suite.count("skipped") for suite in suites),
        "time": 0,
    }
    return {key: str(value) for key, value in counts.items()}


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {key: plain(text) for key, text in attributes.items()}
