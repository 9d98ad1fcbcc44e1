"""Compare runs cell by cell: what changed, by how much, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.compare.agree import exceptions, parse_allow
from reports.compare.missing import missing
from reports.compare.names import Match, hint, matches, parse_match, renamed
from reports.compare.pairing import match, records, tested
from reports.compare.runs import Run, both_labels, damages, load, narrowed
from reports.errors import TableError
from reports.gates.where import Condition, parse_where
from reports.results.rows import Row
from reports.statistics.tests import CORRECTIONS, Correction, adjust
from reports.style.cell_names import IDENTITY, describe
from reports.style.labels import NO_LABELS, Labels

# in the order of the output, worst first
VERDICTS = ("worse", "only in A", "same", "better", "only in B")

ROWS: dict[str, str] = {
    "b": "the run compared with A",
    "verdict": "worse, better, same (no difference shown), only in A, only in B",
    **dict.fromkeys(IDENTITY, "as in results.csv"),
    "n_a": "images of A in the test",
    "n_b": "the same of B",
    "accuracy_a": "accuracy of A on them",
    "accuracy_b": "accuracy of B on them",
    "difference": "accuracy of B minus that of A",
    "low": "its lower limit, not adjusted for the number of cells",
    "high": "its upper limit, likewise",
    "p": "two-sided p-value",
    "p_adjusted": "the same, adjusted for the number of cells",
    "method": "paired or unpaired",
    "lost": "images right in A and wrong in B (paired only)",
    "gained": "images wrong in A and right in B (paired only)",
    "clean_a": "clean accuracy of A, for reference",
    "clean_b": "clean accuracy of B, for reference",
    "remark": "why a side is missing, or why there are no pairs",
    "warning": "why the two sides are not comparable, where forced",
    "allowed": "checks that the two sides do not pass, and were allowed not to",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs compared with a base.

    rows: one row per cell and compared run, columns as in ROWS, worst first.
    a, others: the runs as they were named. correction, level: as requested.
    notes: methods and caveats, one sentence each.
    labels: of the runs; where they differ, that of A.
    """

    rows: pd.DataFrame
    a: str
    others: tuple[str, ...]
    correction: Correction
    level: float
    notes: tuple[str, ...]
    labels: Labels = NO_LABELS

    def counts(self) -> dict[str, int]:
        """Return how many rows have each verdict, in the order of VERDICTS."""
        counts = self.rows["verdict"].value_counts()
        return {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}


def compare(
    a: Path,
    *others: Path,
    correction: Correction = "bh",
    level: float = 0.95,
    force: bool = False,
    allow: Iterable[str] = (),
    names: Iterable[str] = (),
    where: str = "",
    only_shared: bool = False,
) -> Comparison:
    """Compare each of `others` with `a`: results CSVs or run directories.

    Rows are paired by IDENTITY. Accuracy under attack is compared, and clean accuracy if a network
    and defence has no cell at eps 0 (rows of attack NO_ATTACK). With per-image predictions on both
    sides: exact McNemar test and Newcombe's interval for pairs, on the images that both sides have;
    else Fisher's exact test and Newcombe's interval for independent samples (column method).
    p-values are adjusted over all rows, of all `others`; better and worse mean an adjusted p of at
    most 1 - `level`. A row whose status is not ok counts as missing.

    allow: the names of `agree.CHECKS` that the runs need not pass. force: they need pass none, and
    the column warning says so. names: `OLD=NEW`, a name or label of A and one of the others that
    stand for the same; names whose labels are equal do so by themselves. where: conditions on the
    rows of both sides, see `gates.where`. only_shared: leave out rows that one side lacks.

    Raises NotComparableError if a check fails that is not allowed to; TableError for files and
    options that cannot be used, and where nothing is left to compare.
    """
    if not others:
        raise TableError("compare: expected two or more results, got one; name another")
    if correction not in CORRECTIONS:
        known = ", ".join(CORRECTIONS)
        raise TableError(f"correction: expected one of {known}, got {correction!r}")
    if not 0 < level < 1:
        raise TableError(f"level: expected a number between 0 and 1, such as 0.95, got {level}")
    pairs, allowed = [parse_match(text) for text in names], parse_allow(allow)
    conditions = parse_where(where) if where else ()
    base = load(a)
    found: dict[str, tuple[Match, ...]] = {}
    runs, hints = [], []
    for path in others:
        run = load(path)
        found[run.name] = matches(base, run, pairs)
        hints.append(hint(base, run) if not found[run.name] else "")
        runs.append(narrowed(renamed(run, found[run.name]), conditions, required=False))
    base = narrowed(base, conditions, required=True)
    if not (base.table["status"] == "ok").any():
        nothing = "no row has status ok, nothing to compare with"
        raise TableError(f"results {a}: {nothing}; name another run")
    labels = both_labels([base, *runs])
    parts = [_compared(base, run, level, force, allowed, labels) for run in runs]
    if only_shared:
        parts = [
            _shared_only(part, run, base, hints) for part, run in zip(parts, runs, strict=True)
        ]
    rows = pd.concat(parts, ignore_index=True)
    unfinished = int((rows["verdict"] == "neither").sum())
    rows = rows[rows["verdict"] != "neither"].reset_index(drop=True)
    rows["p_adjusted"] = adjust(rows["p"], correction)
    # a hair of tolerance: 1 - 0.95 is not 0.05
    shown = (rows["p_adjusted"] <= 1 - level + 1e-12) & (rows["difference"] != 0)
    tested = rows["verdict"] == ""
    rows.loc[tested, "verdict"] = "same"
    rows.loc[tested & shown & (rows["difference"] < 0), "verdict"] = "worse"
    rows.loc[tested & shown & (rows["difference"] > 0), "verdict"] = "better"
    order = ["rank", "difference", "b", *IDENTITY]
    rows = rows.assign(rank=rows["verdict"].map(VERDICTS.index))
    rows = rows.sort_values(order, kind="stable", ignore_index=True)
    notes = [str(match) for matched in found.values() for match in matched]
    notes += exceptions(rows[rows["method"] != ""], allowed)
    notes += _narrowing(conditions, only_shared)
    notes += [f"No row is in both runs; {text}." for text in hints if text and not tested.any()]
    notes += _notes(rows, correction, level, unfinished)
    notes += [note for run in (base, *runs) for note in damages(run)]
    sides = base.name, tuple(run.name for run in runs)
    return Comparison(rows[list(ROWS)], *sides, correction, level, tuple(notes), labels)


def failures(comparison: Comparison, tolerance: float = 0.0) -> tuple[str, ...]:
    """Return why a gate on this comparison fails, one line each; empty if it passes.

    A cell fails if `fails` says so, and has a line of its own. Missing cells are counted by data
    set and network, with their reasons.
    """
    if not 0 <= tolerance <= 1:
        expected = "expected a share between 0 and 1, such as 0.01"
        raise TableError(f"tolerance: {expected}, got {tolerance}")
    lines = []
    for row in records(comparison.rows[comparison.rows["verdict"] == "worse"]):
        if fails(row, tolerance):
            lines.append(f"worse in {row['b']} by {drop(row)}: {_cell(row, comparison)}")
    groups = missing(comparison.rows, "only in A", comparison.labels)
    return (*lines, *(f"missing in {group.b}: {group.text}" for group in groups))


def fails(row: Row, tolerance: float) -> bool:
    """Return whether a row of a comparison fails a gate.

    It does if it is worse (after the correction) by more than `tolerance`, a share in [0, 1], or if
    A has it and the other run does not.
    """
    if row["verdict"] == "only in A":
        return True
    # 0.88 - 0.89 is a hair more than a drop of 0.01
    return bool(row["verdict"] == "worse" and -row["difference"] > tolerance + 1e-12)


def drop(row: Row) -> str:
    """Return by how much a row is worse, in words."""
    return f"{-100 * row['difference']:.2f} points (adjusted p {row['p_adjusted']:.2g})"


def _cell(row: Row, comparison: Comparison) -> str:
    return describe(row, labels=comparison.labels)


def _compared(
    a: Run, b: Run, level: float, force: bool, allow: tuple[str, ...], labels: Labels
) -> pd.DataFrame:
    cells = match(a, b, force, allow, labels)
    verdict = cells["state"].replace({"both": "", "a": "only in A", "b": "only in B"})
    rows = cells[[*IDENTITY, "warning", "allowed"]].assign(b=b.name, verdict=verdict)
    return pd.concat([rows, tested(cells, a, b, level)], axis=1)


def _shared_only(rows: pd.DataFrame, b: Run, a: Run, hints: Iterable[str]) -> pd.DataFrame:
    shared = rows[rows["verdict"] == ""]
    if shared.empty:
        advice = next((text for text in hints if text), "leave out --only-shared to see them")
        raise TableError(f"--only-shared: {a.name} and {b.name} share no row; {advice}")
    return shared


def _narrowing(conditions: tuple[Condition, ...], only_shared: bool) -> list[str]:
    said = []
    if conditions:
        said.append(f"Only rows with {' '.join(map(str, conditions))}.")
    if only_shared:
        said.append("Rows that only one run has are left out (--only-shared).")
    return said


def _notes(
    rows: pd.DataFrame, correction: Correction, level: float, unfinished: int
) -> tuple[str, ...]:
    paired, unpaired = (int((rows["method"] == m).sum()) for m in ("paired", "unpaired"))
    share = f"{100 * level:g} %"
    why = rows.loc[rows["method"] == "unpaired", "remark"].value_counts()
    reasons = "; ".join(str(reason) for reason in why.index[:3])
    forced = int((rows["warning"] != "").sum())
    notes = {
        f"Paired ({paired} tests): exact McNemar test on image ids, {share} interval by"
        " Newcombe's method 10 for pairs.": paired,
        f"Unpaired ({unpaired} tests; {reasons}): Fisher's exact test, {share} interval by"
        " Newcombe's hybrid score; on the same images the paired test has more power.": unpaired,
        f"Correction over {paired + unpaired} tests: {CORRECTIONS[correction]}. Intervals are not"
        " corrected.": True,
        f"better, worse: adjusted p at most {1 - level:.3g}; same: no difference shown, which is"
        " no proof that there is none.": True,
        f"Left out because neither side is ok: {unfinished}.": unfinished,
        f"Not comparable, but forced: {forced}; see the warnings.": forced,
    }
    return tuple(note for note, applies in notes.items() if applies)
