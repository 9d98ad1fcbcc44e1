"""The committed run of `bench paper` is what the code and the docs say."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from write_claims import with_verdicts

from benchmark.studies.registry import STUDIES
from benchmark.studies.request import make_request
from reports.claims.evaluate import evaluate, read_claims

ROOT = Path(__file__).parents[3]
# of the checkout: an installed package has no committed runs
BASELINE = ROOT / "reports" / "baselines" / "paper"
PHOTOS = ROOT / "reports" / "baselines" / "photos"
NUMBERS = ["effect", "low", "high"]


def test_the_claims_are_what_the_committed_numbers_give() -> None:
    committed, again = read_claims(BASELINE), evaluate(BASELINE)
    told = ["claim", "attacker", "part", "subject", "measured", "units", "rule", "verdict"]
    assert (committed[told] == again[told].fillna("")).all(axis=None)
    assert not committed["measured"].str.startswith("not measured").any()
    for name in NUMBERS:
        pd.testing.assert_series_equal(committed[name], again[name], rtol=1e-3)


def test_the_docs_have_the_verdicts() -> None:
    page = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    assert with_verdicts(page, BASELINE, PHOTOS) == page


@pytest.mark.skipif(not (PHOTOS / "claims.csv").is_file(), reason="no run of photos is committed")
def test_the_claims_about_photos_are_what_the_committed_numbers_give() -> None:
    committed, again = read_claims(PHOTOS), evaluate(PHOTOS, "photos")
    told = ["claim", "attacker", "part", "subject", "units", "rule", "verdict"]
    assert (committed[told] == again[told].fillna("")).all(axis=None)
    assert not committed["measured"].str.startswith("not measured").any()
    for name in NUMBERS:
        pd.testing.assert_series_equal(committed[name], again[name], rtol=1e-3)


@pytest.mark.skipif(not (PHOTOS / "claims.csv").is_file(), reason="no run of photos is committed")
def test_the_study_of_photos_is_there_at_full_size() -> None:
    folder = PHOTOS / "studies" / "photos"
    about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    size = _size("photos")
    assert about["params"] == size
    for path in folder.rglob("*.csv"):
        assert path.stat().st_size < 600_000 and len(pd.read_csv(path)) > 0, path
    for path in folder.glob("*/study.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["study"] == path.parent.name


def _size(name: str) -> dict[str, object]:
    """Return the parameters of a study at full size, as JSON has them."""
    size: dict[str, object] = json.loads(json.dumps(dict(make_request(STUDIES[name]).params)))
    return size


@pytest.mark.parametrize("name", [n for n, study in STUDIES.items() if study.run == "paper"])
def test_every_study_is_there_at_full_size(name: str) -> None:
    folder = BASELINE / "studies" / name
    about = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert about["params"] == _size(name)
    assert [d for d, _ in about["subjects"]] == [d for d, _ in STUDIES[name].subjects]
    tables = sorted(folder.glob("*.csv"))
    assert tables
    for path in tables:
        assert path.stat().st_size < 800_000, path
        assert len(pd.read_csv(path)) > 0, path


def test_table_1_names_the_slip_of_the_report() -> None:
    table = pd.read_csv(BASELINE / "studies" / "overparameterization" / "parameters.csv")
    ten = table[table["extra_layers"] == 10].iloc[0]
    assert ten["parameters"] == 677_314 and ten["printed"] == 743_106
    others = table[(table["extra_layers"] != 10) & table["printed"].notna()]
    assert len(others) >= 5 and (others["parameters"] == others["printed"]).all()
