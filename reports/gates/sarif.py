"""SARIF 2.1.0: findings as GitHub's code scanning and editors show them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reports.gates.cases import Case, Suite
from reports.style.plain_text import plain

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# code scanning shows no more results of one run
MOST_RESULTS = 5000


def to_sarif(suites: Sequence[Suite], version: str) -> str:
    """Return a SARIF log with one result for each case that failed, of the first MOST_RESULTS.

    A result points at line 1 of the table that was checked. version: of this package.
    """
    rules = {suite.rule: _RULES.get(suite.rule, suite.rule) for suite in suites}
    results = [
        _result(suite, case, list(rules).index(suite.rule))
        for suite in suites
        for case in suite.cases
        if case.status == "failed"
    ]
    driver: dict[str, Any] = {"name": "art-bench", "version": version}
    driver["rules"] = [
        {"id": name, "shortDescription": {"text": text}} for name, text in rules.items()
    ]
    run: dict[str, Any] = {"tool": {"driver": driver}, "results": results[:MOST_RESULTS]}
    if len(results) > MOST_RESULTS:
        run["properties"] = {"resultsLeftOut": len(results) - MOST_RESULTS}
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


_RULES = {
    "requirement": "A row of the results does not meet a requirement",
    "comparison": "A network is less robust than in the baseline, or a row is missing",
    "audit": "A check against false robustness failed",
}


def _result(suite: Suite, case: Case, index: int) -> dict[str, Any]:
    where = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(suite.file)},
            "region": {"startLine": 1},
        }
    }
    # the same row of the same suite is the same alert in the next run
    print_ = hashlib.sha256(f"{plain(suite.name)}\n{plain(case.name)}".encode()).hexdigest()
    return {
        "ruleId": suite.rule,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": plain(f"{case.name}: {case.message}")},
        "locations": [where],
        "partialFingerprints": {"cell/v1": print_},
    }


def _uri(file: str) -> str:
    """Return the address of a file: relative to the repository where it is below it."""
    path = Path(file or "results.csv")
    if path.is_absolute():
        try:
            path = path.relative_to(Path.cwd())
        except ValueError:
            return path.as_uri()
    return quote(plain(path.as_posix()))
