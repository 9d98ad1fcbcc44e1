"""What a run directory shows is of one run, or says that it is not: kills at every step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from killing import output_of

from benchmark.runs.finished.receipt import FILE as RECEIPT
from benchmark.runs.lock import hold
from reports.page.page import render
from reports.results.unfinished import FILE as MARK
from reports.results.unfinished import NOTE, being_written

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def killed(folder: Path, *args: str) -> list[dict[str, Any]]:
    """The records of `placed_kills`."""
    records: list[dict[str, Any]] = output_of("placed_kills.py", folder, *args)
    return records


def check(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert record["killed"], record
        # the old set, the new one, or the mark that it is neither
        assert record["unfinished"] or not record["not_old"] or not record["not_new"], record
        # and the same command finishes: the same bytes, nothing left over
        assert record["second"] == 0 and not record["unfinished_after"], record
        assert record["differ"] == [] and record["left"] == [], record


@needs_fork
def test_a_kill_while_plots_gallery_and_page_are_written(tmp_path: Path) -> None:
    within = ("inside the plots", "inside the gallery", "before the page")
    between = ("between plots and gallery", "between gallery and page")
    records = killed(tmp_path, *within, *between)
    check(records)
    shown = {
        record["place"]: [n for n in record["not_old"] if n.startswith(("plots", "gallery", "rep"))]
        for record in records
    }
    # until the set is complete, the old one is there
    assert all(shown[place] == [] for place in within)
    assert {name.partition("/")[0] for name in shown[between[0]]} == {"plots"}
    assert {name.partition("/")[0] for name in shown[between[1]]} == {"plots", "gallery"}
    assert all(record["unfinished"] for record in records)


@pytest.mark.slow
@needs_fork
def test_a_kill_at_every_fourth_step_without_an_exchange(tmp_path: Path) -> None:
    records = killed(tmp_path, "--spread", "24")
    assert len(records) >= 20
    check(records)
    states = {(r["unfinished"], bool(r["not_old"]), bool(r["not_new"])) for r in records}
    # the old set; neither; the new set
    assert {(False, False, True), (True, True, True), (False, True, False)} <= states


GRID = "name: small\nsamples: 10\nattacks: [{name: fgsm, eps: 0.1}]\n"


def test_an_unfinished_run_says_so_until_the_same_command(bench, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(GRID)
    args = ("run", "--grid", "small.yaml", "--out", "r")
    run = tmp_path / "r"
    assert bench(*args)[0] == 0
    assert (run / RECEIPT).is_file() and not (run / MARK).exists()
    whole = {p.name: p.read_bytes() for p in run.iterdir() if p.is_file()}
    readers = (
        ("report", "r"), ("summary", "r"), ("summary", "r", "--format", "csv"),
        ("compare", "r", "r"), ("check", "r", "--require", "accuracy>=0"),
        ("export", "r", "--format", "model-card"),
    )  # fmt: skip
    for reader in readers:
        code, out = bench(*reader)
        assert code == 0 and NOTE not in out, reader
    assert NOTE not in render(run)

    with pytest.raises(KeyboardInterrupt), being_written(run):
        raise KeyboardInterrupt
    for reader in readers:
        code, out = bench(*reader)
        assert code == 0 and f"warning: r: {NOTE}" in out, reader
    assert NOTE in render(run) and NOTE in (run / "report.html").read_text()

    # the receipt is there and true, and does not count
    code, out = bench(*args)
    assert code == 0
    assert "all of them are written again" in out
    assert not (run / MARK).exists()
    for name in ("results.csv", "predictions.parquet", "audit.csv"):
        assert (run / name).read_bytes() == whole[name]
    assert NOTE not in (run / "report.html").read_text()


def test_a_report_waits_for_the_run_that_writes(bench, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(GRID)
    assert bench("run", "--grid", "small.yaml", "--out", "r")[0] == 0
    page = (tmp_path / "r" / "report.html").read_bytes()
    claim = hold(tmp_path / "r")
    assert bench("report", "r")[0] == 0
    with being_written(tmp_path / "r"):
        code, out = bench("report", "r")
    claim.release()
    assert code == 2 and "another run holds it" in out and out.count("\n") == 1
    assert (tmp_path / "r" / "report.html").read_bytes() == page


def test_foreign_files_and_a_link_to_another_disk_stay(bench, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(GRID)
    run, elsewhere = tmp_path / "r", tmp_path / "elsewhere"
    (run / "gallery").mkdir(parents=True)
    elsewhere.mkdir()
    (run / "plots").symlink_to(elsewhere)
    for name in ("plots/notes.txt", "plots/old.png", "gallery/notes.txt", "gallery/099-clean.png",
                 "gallery/.art-bench-abcdefgh", "plots/.art-bench-abcdefgh"):  # fmt: skip
        (run / name).write_text("mine")
    assert bench("run", "--grid", "small.yaml", "--out", "r")[0] == 0
    assert (run / "plots").is_symlink()
    assert (elsewhere / "notes.txt").read_text() == "mine"
    assert (run / "gallery" / "notes.txt").read_text() == "mine"
    # these names are of a run
    assert not (elsewhere / "old.png").exists() and list(elsewhere.glob("*.png"))
    assert not (run / "gallery" / "099-clean.png").exists()
    assert (run / "gallery" / "gallery.json").is_file()
    # what a killed process left; also where the run is finished since
    assert not list(run.rglob(".art-bench-*")) + list(elsewhere.glob(".art-bench-*"))
    (run / "gallery" / ".art-bench-abcdefgh").write_text("")
    assert bench("run", "--grid", "small.yaml", "--out", "r")[0] == 0
    assert not list(run.rglob(".art-bench-*"))
