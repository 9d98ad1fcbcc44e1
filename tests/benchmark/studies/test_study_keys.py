"""A finished study is reused until code, data or parameters that decide its numbers change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmark.studies.cache import run_study, study_key
from benchmark.studies.entry import StudyEntry
from benchmark.studies.lookup import study_entry
from benchmark.studies.registry import LENET, STUDIES
from benchmark.studies.request import make_request
from estimators import source_code
from estimators.errors import InputError

Edit = Callable[[str], None]
OWN = """
    import pandas as pd
    from benchmark.studies.entry import StudyEntry
    from benchmark.studies.request import Findings

    def compute(request):
        from own_helper import FACTOR

        value = FACTOR * request["size"]
        return Findings({"table": pd.DataFrame({"value": [value]})})

    def draw(folder):
        (folder / "figure.png").write_bytes(b"drawn")

    STUDY = StudyEntry(
        name="own",
        build="own_study:compute",
        plot="own_study:draw",
        summary="a study of one number",
        figures="none",
        subjects=(),
        defaults={"size": 3},
    )
"""


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Let a module's source read as if a line had been added."""

    def change(module: str) -> None:
        spec = find_spec(module)
        assert spec is not None and spec.origin is not None
        path, read = Path(spec.origin), source_code.read_source
        added = b"\n# edited\n"
        monkeypatch.setattr(
            source_code, "read_source", lambda p: read(p) + (added if p == path else b"")
        )

    return change


def key_of(name: str) -> str:
    return study_key(STUDIES[name], make_request(STUDIES[name], "digits", LENET))


@pytest.mark.parametrize(
    ("study", "module"),
    [
        ("overfitting", "benchmark.studies.measures.robustness"),
        ("low-pass", "benchmark.studies.measures.robustness"),
        ("fourier", "benchmark.studies.measures.spectra"),
        ("saliency", "benchmark.studies.measures.saliency_maps"),
        ("noise", "benchmark.attacks.carlini"),
        ("jpeg", "estimators.jpeg_codec.numba_kernel"),
        ("first-error", "reports.statistics.intervals"),
        ("data", "estimators.data.registry"),
    ],
)
def test_an_edit_of_an_imported_module_changes_the_key(edit: Edit, study: str, module: str) -> None:
    before = key_of(study)
    edit(module)
    assert key_of(study) != before


@pytest.mark.parametrize(
    "module", ["benchmark.terminal.console", "reports.page.page", "benchmark.studies.noise"]
)
def test_an_edit_elsewhere_keeps_the_key(edit: Edit, module: str) -> None:
    before = key_of("fourier")
    edit(module)
    assert key_of("fourier") == before


def test_a_study_is_computed_again_after_an_edit_of_a_leaf(edit: Edit, tmp_path: Path) -> None:
    request = make_request(STUDIES["data"], "digits", LENET, {"images": 3})
    run_study("data", request, tmp_path / "out")
    edit("benchmark.terminal.console")
    assert run_study("data", request, tmp_path / "out").reused
    edit("estimators.data.images")
    assert not run_study("data", request, tmp_path / "out").reused
    assert run_study("data", request, tmp_path / "out").reused


def test_a_study_of_a_plugin(module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module("own_helper", "FACTOR = 2")
    folder = module("own_study", OWN)
    info = folder / "own_studies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-studies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[art_bench.studies]\nown = own_study:STUDY\n")
    for name in ("own", "own_study:STUDY"):
        study = study_entry(name)
        assert isinstance(study, StudyEntry) and study.summary == "a study of one number"
    out = tmp_path / "out"
    request = make_request(study, params={"size": 4})
    assert not run_study("own", request, out).reused
    assert (out / "table.csv").read_text() == "value\n8\n"
    assert (out / "figure.png").read_bytes() == b"drawn"
    assert run_study("own", request, out).reused
    module("own_helper", "FACTOR = 20")
    del sys.modules["own_helper"]
    assert not run_study("own", request, out).reused
    assert (out / "table.csv").read_text() == "value\n80\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nois", r"unknown study 'nois' \(did you mean 'noise'\?\)"),
        ("own_study:compute", "expected a StudyEntry, got function"),
    ],
)
def test_bad_studies(module, name: str, message: str) -> None:
    module("own_study", OWN)
    with pytest.raises(InputError, match=message):
        study_entry(name)
