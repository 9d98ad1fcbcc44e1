"""Compare runs cell by cell: what changed, by how much, and whether chance explains it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.compare.pairing import IDENTITY, Run, damages, describe, load, match, records, tested
from reports.errors import TableError
from reports.statistics.tests import CORRECTIONS, Correction, adjust

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
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs compared with a base.

    rows: one row per cell and compared run, columns as in ROWS, worst first.
    a, others: the runs as they were named. correction, level: as requested.
    notes: methods and caveats, one sentence each.
    """

    rows: pd.DataFrame
    a: str
    others: tuple[str, ...]
    correction: Correction
    level: float
    notes: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """Return how many rows have each verdict, in the order of VERDICTS."""
        counts = self.rows["verdict"].value_counts()
        return {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}


def compare(
    a: Path, *others: Path, correction: Correction = "bh", level: float = 0.95, force: bool = False
) -> Comparison:
    """Compare each of `others` with `a`: results CSVs or run directories.

    Rows are paired by IDENTITY. Accuracy under attack is compared, and clean accuracy if a network
    and defence has no cell at eps 0 (rows of attack NO_ATTACK). With per-image predictions on both
    sides: exact McNemar test and Newcombe's interval for pairs, on the images that both sides have;
    else Fisher's exact test and Newcombe's interval for independent samples (column method).
    p-values are adjusted over all rows, of all `others`; better and worse mean an adjusted p of at
    most 1 - `level`. A row whose status is not ok counts as missing.

    Raises NotComparableError if MUST_AGREE differs, unless `force`, which fills the warning
    column; TableError for files that cannot be used.
    """
    if not others:
        raise TableError("compare: expected two or more results, got one; name another")
    if correction not in CORRECTIONS:
        known = ", ".join(CORRECTIONS)
        raise TableError(f"correction: expected one of {known}, got {correction!r}")
    if not 0 < level < 1:
        raise TableError(f"level: expected a number between 0 and 1, such as 0.95, got {level}")
    base = load(a)
    if not (base.table["status"] == "ok").any():
        nothing = "no row has status ok, nothing to compare with"
        raise TableError(f"results {a}: {nothing}; name another run")
    runs = [load(b) for b in others]
    rows = pd.concat([_compared(base, run, level, force) for run in runs], ignore_index=True)
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
    names = tuple(str(other) for other in others)
    notes = _notes(rows, correction, level, unfinished)
    notes += tuple(note for run in (base, *runs) for note in damages(run))
    return Comparison(rows[list(ROWS)], str(a), names, correction, level, notes)


def failures(comparison: Comparison, tolerance: float = 0.0) -> tuple[str, ...]:
    """Return why a gate on this comparison fails, one line per cell; empty if it passes.

    A cell fails if it is worse (after the correction) by more than `tolerance`, a share in [0, 1],
    or if A has it and the other run does not.
    """
    if not 0 <= tolerance <= 1:
        expected = "expected a share between 0 and 1, such as 0.01"
        raise TableError(f"tolerance: {expected}, got {tolerance}")
    reasons = []
    for row in records(comparison.rows):
        if row["verdict"] == "only in A":
            why = f" ({row['remark']})" if row["remark"] else ""
            reasons.append(f"missing in {row['b']}: {describe(row)}{why}")
        # 0.88 - 0.89 is a hair more than a drop of 0.01
        elif row["verdict"] == "worse" and -row["difference"] > tolerance + 1e-12:
            by = f"{-100 * row['difference']:.2f} points (adjusted p {row['p_adjusted']:.2g})"
            reasons.append(f"worse in {row['b']} by {by}: {describe(row)}")
    return tuple(reasons)


def _compared(a: Run, b: Run, level: float, force: bool) -> pd.DataFrame:
    cells = match(a, b, force)
    verdict = cells["state"].replace({"both": "", "a": "only in A", "b": "only in B"})
    rows = cells[[*IDENTITY, "warning"]].assign(b=b.name, verdict=verdict)
    return pd.concat([rows, tested(cells, a, b, level)], axis=1)


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
