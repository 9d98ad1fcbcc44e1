"""`report.html`: everything that a run directory holds as one file that needs no other."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.audit.audit import CHECKS, read_audit
from reports.audit.finding import STATUSES
from reports.errors import TableError
from reports.page import captions as figure_texts
from reports.page import images as pictures
from reports.page import parts as page_parts
from reports.page.cell_data import cell_data
from reports.page.claims import claims
from reports.page.headline import Card, cards, eps_text, overall
from reports.results.atomic import replace_text
from reports.results.columns import read_results
from reports.results.manifest import read_manifest
from reports.results.operating_point import headline
from reports.worst_case import order as attackers
from reports.worst_case.strongest import read_worst_case

FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
# the page stays under 10 MB: what pictures may take of it, as text in base64; studies may have what
# the plots leave
PLOT_BYTES = 4_500_000
STUDY_BYTES = 2_500_000
GALLERY_BYTES = 1_000_000


def write_page(directory: Path, baseline: Path | None = None) -> Path:
    """Write `report.html` into a run directory and give its path.

    Reads what is on disk: `results.csv`, and where they are there `manifest.json`, `audit.csv`,
    `worst_case.csv`, `plots/*.png`, `gallery/gallery.json`, `studies/`, `claims.csv`. Nothing is
    computed again but the comparison with `baseline`, a results CSV or a run directory.

    The page makes no request: style, script, pictures and the table are in it, and a content
    security policy forbids everything else. Raises TableError for files that cannot be used and
    for a baseline that is not comparable; an old page stays until the new one is whole.
    """
    text = render(directory, baseline)
    path = directory / FILE
    replace_text(path, text)
    return path


def render(directory: Path, baseline: Path | None = None) -> str:
    """The page of a run directory as HTML text; see `write_page`."""
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that `bench run` wrote")
    table = read_results(directory)
    manifest = read_manifest(directory)
    worst = read_worst_case(directory)
    findings = read_audit(directory)
    plots = sorted((directory / "plots").glob("*.png"))
    kinds = figure_texts.kinds(plots, table)
    shown = [figure.path for _, figures in kinds for figure in figures]
    images = pictures.embed(shown, PLOT_BYTES)
    left = PLOT_BYTES - sum(len(picture.uri) for picture in images)
    css, js = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    found = [] if worst is None else cards(worst, table)
    context: dict[str, Any] = {
        "title": page_parts.title(manifest, directory),
        "description": page_parts.described(manifest),
        "brief": page_parts.brief(table),
        "facts": page_parts.facts(table, manifest),
        "missing": page_parts.missing(table),
        "cards": found,
        "overall": overall(found),
        "strongest": [] if worst is None else _strongest(worst, found),
        "summary": headline(table).to_dict("records"),
        "audit": None if findings is None else _audit(findings),
        "statuses": STATUSES,
        "kinds": kinds,
        "chance": figure_texts.chance(table),
        "images": {picture.name: picture for picture in images},
        "gallery": page_parts.gallery(directory, GALLERY_BYTES),
        "studies": page_parts.studies(directory, STUDY_BYTES + left),
        "claims": claims(directory),
        "comparison": None if baseline is None else page_parts.comparison(baseline, directory),
        "run": page_parts.run_details(manifest),
        "cells": _for_script(cell_data(directory / "results.csv")),
        "css": Markup(css),
        "js": Markup(js),
        "policy": _policy(css, js),
    }
    return _environment().get_template("page.html").render(context)


def _strongest(worst: pd.DataFrame, found: list[Card]) -> list[dict[str, Any]]:
    budgets = {(card.dataset, card.network, card.norm): card.eps for card in found}
    return attackers.as_rows(attackers.strongest(worst, budgets))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}\u00a0%"
    environment.filters["number"] = lambda value: "" if pd.isna(value) else f"{value:.4g}"
    # a number and its per cent sign stay on one line
    environment.filters["nobreak"] = lambda text: str(text).replace(" %", "\u00a0%")
    environment.filters["eps"] = eps_text
    environment.globals["named"] = page_parts.named
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment


def _audit(findings: pd.DataFrame) -> dict[str, Any]:
    """Findings by check, the worst check and the worst finding first."""
    rank = {status: place for place, status in enumerate(STATUSES)}
    checks = []
    for check, group in findings.groupby("check", sort=False):
        title, rule = CHECKS.get(str(check), (str(check), ""))
        rows = sorted(group.to_dict("records"), key=lambda row: rank[row["status"]])
        counts = {s: n for s in STATUSES if (n := sum(row["status"] == s for row in rows))}
        checks.append(
            {
                "title": title,
                "rule": rule,
                "counts": counts,
                "status": rows[0]["status"],
                "rows": [row for row in rows if row["status"] != "ok"],
                "fine": [row for row in rows if row["status"] == "ok"],
            }
        )
    checks.sort(key=lambda check: rank[check["status"]])
    counts = {status: int((findings["status"] == status).sum()) for status in STATUSES}
    return {"checks": checks, "counts": counts}


def _for_script(content: Any) -> Markup:
    """JSON that cannot end the script element it stands in, whatever its strings hold."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _policy(css: str, js: str) -> str:
    """Only this very style and script, only pictures that are in the page, and nothing else."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        "default-src 'none'; img-src data:;"
        f" style-src 'sha256-{digest(css)}'; script-src 'sha256-{digest(js)}';"
        " base-uri 'none'; form-action 'none'"
    )
