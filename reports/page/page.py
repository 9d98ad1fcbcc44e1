"""`report.html`: the content of a run directory as one self-contained file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from reports.audit.audit import read_audit
from reports.audit.finding import STATUSES
from reports.errors import TableError
from reports.page import cases, figures, parts
from reports.page.baseline import comparison
from reports.page.card import Card
from reports.page.cell_data import cell_data
from reports.page.checks import checks_of
from reports.page.claims import claims
from reports.page.corruptions import corruptions
from reports.page.headline import cards, lowest
from reports.page.requirements import requirements
from reports.page.sentences import overall
from reports.page.single import lowest_by_attack
from reports.results.atomic import replace_text
from reports.results.certificates import read_certificates
from reports.results.manifest import read_manifest, squashed_networks
from reports.results.norms import NO_NORM
from reports.results.read_write import read_results
from reports.results.rows import Row
from reports.results.unfinished import NOTE, is_unfinished
from reports.style.labels import Labels, labels_of
from reports.style.numbers import NORMS, budget, count, eps_text
from reports.style.templates import environment
from reports.worst_case.brackets import brackets
from reports.worst_case.strongest import read_worst_case, strongest_attackers

FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
# one element holds them, in this order
SCRIPTS = ("data.js", "chart.js", "plot.js", "table.js")
# the page stays under 3 MB: bytes of its images in base64; studies may use what figures leave
FIGURE_BYTES = 500_000
STUDY_BYTES = 900_000
GALLERY_BYTES = 400_000
MOST_REASONS = 5


def write_page(directory: Path, baseline: Path | None = None, shown: Path | None = None) -> Path:
    """Write `report.html` into a run directory and return its path.

    Reads `results.csv` and, if they exist, `manifest.json`, `audit.csv`, `worst_case.csv`,
    `per_class.csv`, own figures in `plots/`, `gallery/gallery.json`, `studies/`, `claims.csv`.
    Nothing is computed again but the comparison with `baseline`, a results CSV or a run directory.

    shown: the folder that has plots and gallery and gets the page; a run names its side folder, and
    then the page says nothing of the run's mark (`results.unfinished`).

    The page makes no request: it holds style, script, images and the table, and a content security
    policy forbids everything else. Raises TableError for files that cannot be used and for a
    baseline that is not comparable; an old page stays until the new one is complete.
    """
    text = render(directory, baseline, shown)
    path = (shown or directory) / FILE
    replace_text(path, text)
    return path


def render(directory: Path, baseline: Path | None = None, shown: Path | None = None) -> str:
    """Return the page of a run directory as HTML text; see `write_page`."""
    if not directory.is_dir():
        raise TableError(f"run {directory}: no such directory; name one that `bench run` wrote")
    table = read_results(directory)
    manifest = read_manifest(directory)
    labels = labels_of(manifest)
    findings = read_audit(directory)
    known = read_worst_case(directory)
    per_image = known is not None and not known.empty
    worst = known if known is not None and per_image else lowest_by_attack(table)
    listed = cards(worst, table, labels, brackets(read_certificates(directory)), per_image)
    drawn = figures.own_figures(shown or directory, FIGURE_BYTES)
    left = FIGURE_BYTES - sum(len(figure["image"].uri) for figure in drawn)
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    js = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    ranking, reasons = _ranking(worst, listed, labels), parts.missing(table, labels)
    failing = 0 if findings is None else int((findings["status"] == "fail").sum())
    context: Row = {
        "title": parts.title(manifest, directory),
        "description": parts.described(manifest),
        "brief": parts.brief(table, labels),
        "facts": parts.facts(table, manifest, labels),
        "missing": reasons[:MOST_REASONS],
        "missing_more": max(0, len(reasons) - MOST_REASONS),
        "missing_total": sum(n for _, n, _ in reasons),
        "failing": failing,
        "unfinished": NOTE if shown is None and is_unfinished(directory) else "",
        "requirements": requirements(table, manifest, labels),
        "squashed": squashed_networks(manifest),
        "cards": listed,
        "lowest": lowest(listed),
        "defended": any(card.best for card in listed),
        "together": len({(card.dataset, card.network) for card in listed}) > 1,
        "per_image": per_image,
        "overall": overall(listed),
        "ranking": ranking,
        "left_out": any(row["eps"] is not None for row in ranking) and worst["eps"].isna().any(),
        "transfers": figures.transfers(table, labels),
        "per_class": cases.by_class(directory, table, listed, labels),
        "drawn": bool(((table["status"] == "ok") & table["accuracy"].notna()).any()),
        "corruptions": corruptions(directory, labels),
        "audit": None if findings is None else checks_of(findings, labels),
        "statuses": STATUSES,
        "figures": drawn,
        "gallery": parts.gallery(shown or directory, GALLERY_BYTES),
        "studies": parts.studies(directory, STUDY_BYTES + left),
        "claims": claims(directory),
        "comparison": None if baseline is None else comparison(baseline, directory, labels),
        "run": parts.run_details(manifest),
        "cell_count": count(len(table), "cell"),
        "cells": _for_script(_cells(directory, table, listed, labels)),
        "css": Markup(css),
        "js": Markup(js),
        "policy": _policy(css, js),
    }
    return _environment(labels).get_template("page.html").render(context)


def _cells(directory: Path, table: pd.DataFrame, listed: Sequence[Card], labels: Labels) -> Row:
    """Return the rows of the table, and where the plot starts: at the answer."""
    begin = cases.start(table, lowest(listed), labels.threats)
    return {**cell_data(directory / "results.csv", labels), "start": begin}


def _ranking(worst: pd.DataFrame, listed: Sequence[Card], labels: Labels) -> list[Row]:
    """Return the worst accuracy behind each defence at the budgets of the cards, lowest first."""
    budgets = {(card.dataset, card.network, card.norm): card.eps for card in listed}
    rows = strongest_attackers(worst, budgets, labels)
    # without a bound every network falls: such rows say little beside the others
    rows = [row for row in rows if row["eps"] is not None] or rows
    for row in rows:
        norm, eps = row["norm"], row["eps"]
        free = "no norm" if norm == NO_NORM else f"{NORMS.get(norm, f'L{norm}')}, no bound"
        row["budget"] = free if eps is None else budget(norm, eps)
    return sorted(rows, key=lambda row: (row["accuracy"], row["clean"]))


def _environment(labels: Labels) -> Environment:
    templates = environment(TEMPLATES)
    templates.filters["percent"] = lambda share: f"{100 * share:.1f}\u00a0%"
    templates.filters["number"] = lambda value: "" if pd.isna(value) else f"{value:.4g}"
    # a number and its per cent sign stay on one line
    templates.filters["nobreak"] = lambda text: str(text).replace(" %", "\u00a0%")
    templates.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:].rstrip('.')}."
    templates.filters["eps"] = eps_text
    templates.globals["named"] = labels.subject
    templates.globals["attacked"] = labels.attack
    return templates


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
