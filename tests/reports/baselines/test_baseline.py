"""The committed reference run is whole, and reads as what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.grids.model import load_grid
from estimators.spec import Spec
from estimators.training.checkpoints import load_checkpoint, shipped_file
from reports.results.read_write import read_results

BASELINES = Path(__file__).parents[3] / "reports" / "baselines"


@pytest.fixture(scope="module")
def full():
    return read_results(BASELINES / "full.csv")


def test_every_cell_of_the_grid_is_there(full) -> None:
    cells = load_grid("full").cells()
    assert len(full) == len(cells) == 6266
    assert set(full["status"]) == {"ok"}
    wanted = {(c.dataset, str(c.attack.without("eps")), c.threat, str(c.samples)) for c in cells}
    found = full[["dataset", "attack", "threat", "samples"]].itertuples(index=False, name=None)
    assert set(found) == wanted


def test_no_image_broke_a_rule_and_eps_zero_is_clean(full) -> None:
    assert full["over_budget"].sum() == 0
    still = full[full["eps"] == 0]
    assert len(still) > 300
    assert (still["correct"] == still["clean_correct"]).all()


def test_the_weights_are_the_shipped_ones(full) -> None:
    manifest = json.loads((BASELINES / "full.manifest.json").read_text(encoding="utf-8"))
    for (dataset, network), rows in full.groupby(["dataset", "network"]):
        shipped = load_checkpoint(shipped_file(dataset, Spec(network)))
        assert set(rows["weights_sha256"]) == {shipped.sha256[:16]}
        assert manifest["weights"][f"{dataset}/{network}"]["sha256"] == shipped.sha256
