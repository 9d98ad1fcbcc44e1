"""Runs that prove: the closed form of a linear network, keys of their own, failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from closed_form import LinearCase, linear_case

from benchmark.certificates.memory import ProofNeed
from benchmark.execution import chunk
from benchmark.execution.progress import Progress
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import narrowed
from benchmark.runs.finished.result import Result
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.errors import InputError
from estimators.spec import parse_spec
from reports.results.certificates import BROKEN, OPEN, PROVED, read_certificates
from reports.statistics.intervals import wilson

EPS = (0.02, 0.05)
PROVED_COLUMNS = ["proved", "proved_low", "proved_high"]
CODE = """
from closed_form import linear_case

def make():
    return linear_case(40).network
"""


@pytest.fixture
def case(tmp_path: Path, module) -> LinearCase:
    module("linear_network", CODE)
    case = linear_case(40)
    np.savez(tmp_path / "own.npz", x_test=case.x, y_test=case.y, classes=np.array(list("abcde")))
    return case


def grid(tmp_path: Path, **changes: Any) -> Grid:
    attacks = [{"name": "pgd", "eps": list(EPS), "max_iter": 5}, {"name": "fgm", "eps": 0.5}]
    about: dict[str, Any] = {"datasets": [f"npz:{tmp_path / 'own.npz'}"], "attacks": attacks}
    about |= {"networks": ["linear_network:make"], "threats": ["oblivious"], "samples": "all"}
    about |= {"defences": ["none", "quantize"], "certify": ["ibp", "crown"]}
    return Grid(name="proofs", **{**about, **changes})


def measured(tmp_path: Path, **changes: Any) -> Result:
    options = RunOptions(out=tmp_path / "run", threads=1, retry_failed=True)
    return run(grid(tmp_path, **changes), options)


def test_a_linear_network_is_decided(tmp_path: Path, case: LinearCase) -> None:
    result = measured(tmp_path)
    nearest = case.linf.min(axis=1)
    proofs = read_certificates(tmp_path / "run")
    assert proofs is not None and len(proofs) == 2 * 2 * 40
    for (method, eps), own in proofs.groupby(["method", "eps"]):
        assert str(method).partition("[")[0] in ("ibp", "crown")
        own = own.sort_values("id")
        # attacks may reach 1e-6 + 1e-5 eps beyond eps; no image is that near to its boundary
        assert np.abs(nearest - eps).min() > 1e-4
        assert np.array_equal(own["state"] == PROVED, nearest > eps)
        assert set(own.loc[nearest <= eps, "state"]) <= {BROKEN, OPEN}
        wrong = np.isnan(own["margin"])
        assert np.array_equal(wrong, nearest <= 0) and (own["undecided"][~wrong] == 0).all()
    table = result.table
    covered = (table["norm"] == "inf") & (table["defence"] == "none")
    assert table.loc[~covered, PROVED_COLUMNS].isna().all(axis=None)
    for row in table[covered].to_dict("records"):
        count = int((nearest > row["eps"]).sum())
        assert row["proved"] == count <= row["correct"]
        assert (row["proved_low"], row["proved_high"]) == wilson(count, 40)
    checks = result.findings[result.findings["check"] == "certificates"]
    assert list(checks["status"]) == ["ok"]
    assert list((tmp_path / "run" / "plots").glob("bracket-*.png"))


def test_a_run_continues_and_other_cells_stay(
    tmp_path: Path, case: LinearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = measured(tmp_path, certify=None)
    before = (tmp_path / "run" / "predictions.parquet").read_bytes()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "certify" not in manifest["grid"] and "certificates.parquet" not in manifest["files"]
    assert bare.table[PROVED_COLUMNS].isna().all(axis=None)
    with_proofs = measured(tmp_path)
    assert with_proofs.reused == len(bare.table) == len(with_proofs.table)
    assert (tmp_path / "run" / "predictions.parquet").read_bytes() == before
    rest = [name for name in bare.table.columns if name not in PROVED_COLUMNS]
    pd.testing.assert_frame_equal(bare.table[rest], with_proofs.table[rest])
    first = (tmp_path / "run" / "certificates.parquet").read_bytes()
    # what is stored is not computed again
    monkeypatch.setattr(chunk, "certify", None)
    again = measured(tmp_path)
    assert not again.unproved and (tmp_path / "run" / "certificates.parquet").read_bytes() == first
    pd.testing.assert_frame_equal(with_proofs.table, again.table)
    # and goes where it is not asked for
    assert measured(tmp_path, certify=[]).table[PROVED_COLUMNS].isna().all(axis=None)
    assert not (tmp_path / "run" / "certificates.parquet").exists()


def test_a_certificate_that_raises_is_told(
    tmp_path: Path, case: LinearCase, monkeypatch: pytest.MonkeyPatch, bench
) -> None:
    def raising(*_: object) -> None:
        raise ValueError("no bound today")

    with monkeypatch.context() as patch:
        patch.setattr(chunk, "certify", raising)
        result = measured(tmp_path, certify="crown")
    assert set(result.unproved.values()) == {"ValueError: no bound today"}
    assert len(result.unproved) == 2 and result.table["proved"].isna().all()
    assert "no bound today" in (tmp_path / "run" / "failures.log").read_text()
    assert not measured(tmp_path, certify="crown").unproved


def test_keys_depend_on_what_decides(tmp_path: Path, case: LinearCase) -> None:
    methods = ["ibp", "crown", {"name": "crown", "rows": 5}, {"name": "crown", "rows": 4096}]
    proofs = grid(tmp_path, certify=methods).proofs()
    # the fourth is the second, with its default written out
    assert len(proofs) == 3 * len(EPS)
    from benchmark.grids.cell import Inputs

    keys = {proof.key(Inputs("data", "weights")) for proof in proofs}
    assert len(keys) == len(proofs)
    assert not keys & {proof.key(Inputs("data", "other")) for proof in proofs}
    assert {proof.key(Inputs("data", "weights")) for proof in proofs} == keys


def test_the_command_line_asks_for_methods(tmp_path: Path, case: LinearCase) -> None:
    asked = narrowed(grid(tmp_path), certify=[parse_spec("alpha-crown:steps=3")])
    assert {str(p.method) for p in asked.proofs()} == {
        "alpha-crown[optimised=4096,rows=4096,steps=3]"
    }
    assert narrowed(grid(tmp_path)).proofs() == grid(tmp_path).proofs()


@pytest.mark.parametrize(
    ("certify", "attack", "why"),
    [
        ("crwn", "{name: fgsm, eps: 0.1}", "did you mean 'crown'"),
        ("{name: crown, rows: -1}", "{name: fgsm, eps: 0.1}", "rows must be an integer"),
        ("crown", "{name: fgm, eps: 0.1}", "no cell has the norm inf"),
    ],
)
def test_grids_that_cannot_be_certified_are_refused(
    bench, tmp_path: Path, certify: str, attack: str, why: str
) -> None:
    (tmp_path / "own.yaml").write_text(f"attacks: [{attack}]\ncertify: {certify}\n")
    code, text = bench("run", "--grid", "own.yaml", "--out", "out")
    assert code == 2 and why in text and not (tmp_path / "out").exists()
    with pytest.raises(InputError):
        load_grid("own.yaml")


def test_a_network_without_bounds_is_refused_before_any_work(bench, tmp_path: Path) -> None:
    options = ("--network", "lenet:activation=tanh", "--attack", "fgsm:eps=0.1", "--out", "out")
    code, text = bench("run", *options, "--certify", "crown", "--samples", "5")
    assert code == 2 and not (tmp_path / "out").exists()
    assert "certify: network lenet[activation=tanh]: layer layers.1 (Tanh)" in text


def test_certificates_stay_within_the_memory(
    tmp_path: Path, case: LinearCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    much = measured(tmp_path)
    told: list[str] = []

    def need(*_: object) -> ProofNeed:
        return ProofNeed(1e9, 0.6e9)

    monkeypatch.setattr("benchmark.runs.run.proof_need", need)
    options = RunOptions(
        out=tmp_path / "little", threads=2, memory="3GB", progress=Progress(message=told.append)
    )
    little = run(grid(tmp_path), options)
    shown = "certificates bound 1 instead of 8 images at once, to stay below --memory"
    assert any(shown in text for text in told)
    assert "1 of 2 threads, to stay below --memory" in told
    pd.testing.assert_frame_equal(little.table[PROVED_COLUMNS], much.table[PROVED_COLUMNS])
    options = RunOptions(out=tmp_path / "none", threads=2, memory="1GB")
    with pytest.raises(InputError, match=r"^memory: the certificate .* needs 2\.1 GB for one"):
        run(grid(tmp_path), options)
    assert not (tmp_path / "none").exists()
