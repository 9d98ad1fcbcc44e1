"""`report.html`: the content of a run directory as one self-contained file."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from reports.audit.audit import CHECKS, read_audit
from reports.audit.finding import STATUSES
from reports.errors import TableError
from reports.page import captions, images, parts
from reports.page.cell_data import cell_data
from reports.page.claims import claims
from reports.page.corruptions import corruptions
from reports.page.headline import Card, cards, overall
from reports.results.atomic import replace_text
from reports.results.certificates import read_certificates
from reports.results.manifest import read_manifest, squashed_networks
from reports.results.operating_point import operating_points
from reports.results.read_write import read_results
from reports.results.rows import Row, as_rows
from reports.style.labels import Labels, labels_of
from reports.style.numbers import eps_text
from reports.style.subtitle import subtitle
from reports.style.summary import best_defence
from reports.style.templates import environment
from reports.worst_case.brackets import brackets
from reports.worst_case.strongest import read_worst_case, strongest_attackers

FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
# the page stays under 10 MB: bytes of its images in base64; studies may use what the plots leave
PLOT_BYTES = 4_500_000
STUDY_BYTES = 2_500_000
GALLERY_BYTES = 1_000_000


def write_page(directory: Path, baseline: Path | None = None) -> Path:
    """Write `report.html` into a run directory and return its path.

    Reads `results.csv` and, if they exist, `manifest.json`, `audit.csv`, `worst_case.csv`,
    `plots/*.png`, `gallery/gallery.json`, `studies/`, `claims.csv`. Nothing is computed again but
    the comparison with `baseline`, a results CSV or a run directory.

    The page makes no request: it holds style, script, images and the table, and a content security
    policy forbids everything else. Raises TableError for files that cannot be used and for a
    baseline that is not comparable; an old page stays until the new one is complete.
    """
    text = render(directory, baseline)
    path = directory / FILE
    replace_text(path, text)
    return path


def render(directory: Path, baseline: Path | None = None) -> str:
    """Return the page of a run directory as HTML text; see `write_page`."""
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that `bench run` wrote")
    table = read_results(directory)
    manifest = read_manifest(directory)
    labels = labels_of(manifest)
    worst = read_worst_case(directory)
    findings = read_audit(directory)
    plots = sorted((directory / "plots").glob("*.png"))
    proved = brackets(read_certificates(directory))
    kinds = captions.kinds(plots, table, labels, proved)
    shown = [figure.path for _, figures in kinds for figure in figures]
    embedded = images.embed(shown, PLOT_BYTES)
    left = PLOT_BYTES - sum(len(picture.uri) for picture in embedded)
    css, js = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    summary = [] if worst is None else cards(worst, table, labels, proved)
    context: Row = {
        "title": parts.title(manifest, directory),
        "subtitle": subtitle(table, labels),
        "description": parts.described(manifest),
        "brief": parts.brief(table),
        "facts": parts.facts(table, manifest),
        "missing": parts.missing(table),
        "squashed": squashed_networks(manifest),
        "cards": summary,
        "overall": overall(summary),
        "strongest": [] if worst is None else _strongest(worst, summary, labels),
        "summary": _summary(table, labels),
        "corruptions": corruptions(directory, labels),
        "audit": None if findings is None else _audit(findings),
        "statuses": STATUSES,
        "kinds": kinds,
        "chance": captions.chance(table),
        "images": {picture.name: picture for picture in embedded},
        "gallery": parts.gallery(directory, GALLERY_BYTES),
        "studies": parts.studies(directory, STUDY_BYTES + left),
        "claims": claims(directory),
        "comparison": None if baseline is None else parts.comparison(baseline, directory),
        "run": parts.run_details(manifest),
        "cells": _for_script(cell_data(directory / "results.csv")),
        "css": Markup(css),
        "js": Markup(js),
        "policy": _policy(css, js),
    }
    return _environment(labels).get_template("page.html").render(context)


def _summary(table: pd.DataFrame, labels: Labels) -> list[Row]:
    points = as_rows(operating_points(table, labels.threats))
    who = ("unaware", "aware")
    return [{**p, **{name: best_defence(p, name, labels) for name in who}} for p in points]


def _strongest(worst: pd.DataFrame, summary: list[Card], labels: Labels) -> list[Row]:
    budgets = {(card.dataset, card.network, card.norm): card.eps for card in summary}
    return strongest_attackers(worst, budgets, labels)


def _environment(labels: Labels) -> Environment:
    templates = environment(TEMPLATES)
    templates.filters["percent"] = lambda share: f"{100 * share:.1f}\u00a0%"
    templates.filters["number"] = lambda value: "" if pd.isna(value) else f"{value:.4g}"
    # a number and its per cent sign stay on one line
    templates.filters["nobreak"] = lambda text: str(text).replace(" %", "\u00a0%")
    templates.filters["eps"] = eps_text
    templates.globals["named"] = labels.subject
    templates.globals["shown"] = labels.shown
    return templates


def _audit(findings: pd.DataFrame) -> Row:
    """Return the findings by check, the worst check and the worst finding first."""
    rank = STATUSES.index
    checks = []
    for check, group in findings.groupby("check", sort=False):
        known = CHECKS.get(str(check))
        rows = sorted(group.to_dict("records"), key=lambda row: rank(row["status"]))
        counts = {s: n for s in STATUSES if (n := sum(row["status"] == s for row in rows))}
        title, rule = (known.title, known.rule) if known else (str(check), "")
        bad, fine = ([r for r in rows if (r["status"] == "ok") == ok] for ok in (False, True))
        about = {"title": title, "rule": rule, "counts": counts, "status": rows[0]["status"]}
        checks.append({**about, "rows": bad, "fine": fine})
    checks.sort(key=lambda check: rank(check["status"]))
    counts = {status: int((findings["status"] == status).sum()) for status in STATUSES}
    return {"checks": checks, "counts": counts}


def _for_script(content: object) -> Markup:
    """Return JSON that cannot end its script element, whatever its strings hold."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _policy(css: str, js: str) -> str:
    """Return a policy that allows this style, this script and embedded images, nothing else."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    own = f"style-src 'sha256-{digest(css)}'; script-src 'sha256-{digest(js)}'"
    return f"default-src 'none'; img-src data:; {own}; base-uri 'none'; form-action 'none'"
