"""What all adapters share, on a stand-in for a library (helpers/stand_in_library.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stand_in_library
import torch
from closed_form import linear_case
from torch import nn

from benchmark.attacks.adapters import library
from benchmark.attacks.adapters.library_attack import latin
from benchmark.attacks.lookup import all_params, attack_norm, check_attack, expected_passes
from benchmark.attacks.registry import LIBRARIES
from benchmark.attacks.steps.craft import craft
from benchmark.attacks.steps.crafted import Crafted
from benchmark.attacks.steps.trial import check_built
from benchmark.execution.plugin_code import code_hashes, plugin_code
from benchmark.grids.cell import Cell, Inputs
from benchmark.grids.model import Grid, load_grid
from benchmark.runs.options import RunOptions
from benchmark.runs.run import run
from estimators.classifier import Classifier
from estimators.errors import InputError
from estimators.spec import Spec, Value


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_library.register(monkeypatch)
    stand_in_library.SEEN.clear()


def crafted(name: str, case, **params: Value) -> Crafted:
    """What an attack makes of the images of a case."""
    spec = check_attack(Spec.of(name, params))
    ids = np.arange(len(case.x))
    ((_, made),) = craft([spec], case.classifier, case.x, case.y, ids, 0)
    return made


def between(distances: np.ndarray) -> float:
    """Return a number half way between the two distances in the middle."""
    middle = np.sort(distances)[len(distances) // 2 - 1 :][:2]
    return float(middle.mean())


def test_it_reaches_the_closed_form_and_counts_its_steps() -> None:
    case = linear_case(20, classes=2)
    eps = between(case.linf.min(1))
    made = crafted("standin:ascent", case, eps=eps, steps=3)
    right = case.classifier.predict(made.images.numpy()).argmax(1) == case.y
    assert np.array_equal(right, case.linf.min(1) > eps)
    assert made.passes == (3, 0)
    assert not made.zero_gradient.any()


def test_a_network_that_ends_in_a_softmax_is_attacked_past_it() -> None:
    """Its gradient vanishes in float32; the second run goes past the softmax, as for ours."""
    case = linear_case(20, classes=2, scale=1000)
    eps = between(case.linf.min(1))
    squashed = nn.Sequential(case.network, nn.Softmax(dim=1))
    right = []
    for said in (False, True):
        classifier = Classifier(squashed, (1, 8, 8), 2, squashed=said)
        made = crafted("standin:ascent", replace(case, classifier=classifier), eps=eps)
        right.append(case.classifier.predict(made.images.numpy()).argmax(1) == case.y)
    assert right[0].all()
    assert np.array_equal(right[1], case.linf.min(1) > eps)


def test_every_kind_of_pass_counts() -> None:
    assert crafted("standin:by_class", linear_case(6)).passes == (5, 1)


def test_a_rude_library_changes_nothing_of_ours() -> None:
    case = linear_case(4)
    before, weights = case.x.copy(), case.classifier.network.state_dict()
    made = crafted("standin:rude", case, gamma_0=0.25)
    assert np.array_equal(case.x, before)
    assert made.images.dtype == torch.float32
    np.testing.assert_allclose(made.images.numpy(), (before + 0.25).clip(0, 1), atol=1e-6)
    after = case.classifier.network
    assert not after.training and not any(p.requires_grad for p in after.parameters())
    assert all(torch.equal(weights[key], value) for key, value in after.state_dict().items())


def test_what_a_library_draws_is_repeatable_and_leaves_the_streams_alone() -> None:
    """The seeds come from the chunk: see also `test_determinism`."""
    from benchmark.attacks.adapters.global_random import seeded

    case = linear_case(4)
    torch.manual_seed(5)
    following = torch.rand(3)
    torch.manual_seed(5)
    images = []
    for seed in (1, 1, 2):
        with seeded([seed, 0, 4]):
            images.append(crafted("standin:chance", case, eps=0.1).images)
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
    assert torch.equal(torch.rand(3), following)


def test_parameters_come_from_the_signature() -> None:
    spec = check_attack(Spec.of("standin:rude"))
    assert all_params(spec) == '{"gamma_0":0.5}'
    assert expected_passes(check_attack(Spec.of("standin:ascent", eps=0.1, steps=7)), 10) == 21
    assert attack_norm(spec) == "inf"
    assert latin("steps") == "steps"
    assert latin("\N{GREEK SMALL LETTER ALPHA}_0") == "alpha_0"


BAD = {
    "unknown attack": (Spec("standin:asscent"), "unknown attack of standin 'asscent' (did you"),
    "unknown parameter": (Spec.of("standin:ascent", eps=0.1, step=3), "(did you mean 'steps'?)"),
    "greek": (Spec.of("standin:rude", γ_0=0.1), "known: gamma_0"),
    "no eps": (Spec.of("standin:ascent"), "expected eps to be a number from 0 up"),
    "eps of none": (Spec.of("standin:rude", eps=0.1), "unknown parameter of the attack"),
    "targets of none": (Spec.of("standin:rude", targeted=True), "unknown parameter"),
    "no number": (Spec.of("standin:rude", gamma_0="x"), "expected gamma_0 to be a number, got 'x'"),
    "nan": (Spec.of("standin:rude", gamma_0=float("nan")), "expected gamma_0 to be finite"),
    "flag": (Spec.of("standin:rude", gamma_0=True), "expected gamma_0 to be a number, got True"),
    "no text": (Spec.of("standin:choosy", loss=1), "expected loss to be a text, got 1"),
    "no steps": (Spec.of("standin:ascent", eps=0.1, steps=0), "steps to be an integer of at least"),
    "its own error": (Spec.of("standin:choosy", loss="dlr"), "KeyError: 'dlr'"),
    "another shape": (Spec("standin:smaller"), "from the library, got [2, 3, 31, 32]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parameters_are_one_line_before_any_data(case: str, bench, monkeypatch) -> None:
    spec, message = BAD[case]
    with pytest.raises(InputError) as caught:
        check_built([check_attack(spec)])
    assert message in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setattr(
        "benchmark.runs.loading.gather.load_images", lambda *_: pytest.fail("data loaded")
    )
    named = ",".join(f"{name}={value}" for name, value in spec.params)
    code, out = bench("run", "--attack", f"{spec.name}:{named}" if named else spec.name)
    assert code == 2 and "Traceback" not in out


def test_a_rehearsal_takes_few_passes_and_counts_none() -> None:
    case = linear_case(2)
    spec = Spec.of("standin:ascent", eps=0.1, steps=10**6)
    check_built([spec])
    assert stand_in_library.SEEN
    assert stand_in_library.SEEN[-1].classifier.gradients == 0
    assert case.classifier.gradients == 0


def test_a_missing_library_names_the_command(monkeypatch, bench) -> None:
    stand_in_library.register(monkeypatch, "no-such-distribution")
    with pytest.raises(InputError, match="standin is missing; run: pip install standin"):
        check_attack(Spec("standin:ascent"))
    for command in (["run", "--attack", "standin:ascent"], ["list", "--attack", "standin:"]):
        code, out = bench(*command)
        assert code == 2 and "run: pip install standin" in out


def test_a_library_that_cannot_be_imported(monkeypatch) -> None:
    stand_in_library.register(monkeypatch)
    monkeypatch.setattr(stand_in_library, "attacks", lambda: 1 / 0)
    with pytest.raises(InputError, match="cannot be imported \\(ZeroDivisionError"):
        check_attack(Spec("standin:ascent"))


def test_another_version_is_another_cell(monkeypatch) -> None:
    spec = Spec.of("standin:ascent", eps=0.1)
    cell = Cell("digits", Spec("lenet"), spec, "oblivious", Spec("none"), 5, 0)
    keys, codes = [], []
    for version in ("1.0", "1.1", "1.0"):
        monkeypatch.setattr(library, "version", lambda _, number=version: number)
        codes.append(plugin_code(cell))
        keys.append(cell.key(Inputs("data", "weights", code=codes[-1])))
        assert code_hashes(codes[-1]) == codes[-1]
    assert codes[0] == {"attacks/standin:ascent": "numpy 1.0"}
    assert keys[0] == keys[2] != keys[1]


def test_list_shows_norm_and_parameters(bench, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    code, out = bench("list", "--attack", "standin:")
    assert code == 0
    (line,) = (line for line in out.splitlines() if "standin:ascent" in line)
    assert "Linf within eps: Steps along the sign" in line and "eps=... steps=5" in line
    assert "smallest: Switches modes" in out and "gamma_0=0.5" in out
    code, out = bench("list", "--attack", "standin:asc")
    assert code == 0 and "standin:ascent" in out and "standin:rude" not in out
    code, out = bench("list", "--attack", "standin:x")
    assert code == 2 and "unknown attack of standin 'x'" in out
    code, out = bench("list", "--attack", "standout:")
    assert code == 2 and "did you mean 'standin'" in out


@pytest.mark.parametrize("family", [name for name in LIBRARIES if name != "standin"])
def test_a_grid_file_may_name_a_library(family: str, tmp_path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text(f"name: mine\nattacks: [{{name: '{family}:NoSuchAttack'}}]\n")
    with pytest.raises(InputError) as caught:
        load_grid(file)
    assert "allow-import" not in str(caught.value)
    file.write_text(f"name: mine\nattacks: [{{name: '{family}:os.path:exists'}}]\n")
    with pytest.raises(InputError, match="allow-import"):
        load_grid(file)


def test_a_run_judges_the_images_itself(tmp_path, monkeypatch) -> None:
    """Budget, accuracy and passes of the row are the harness' own."""
    attack = {"name": "standin:ascent", "eps": [0.0, 0.1], "steps": 3}
    grid = Grid(name="lib", attacks=[attack], defences=["none"], samples=20, threats=["adaptive"])
    monkeypatch.setattr("benchmark.grids.names.PATTERNS", {"attacks": [LIBRARIES["standin"]]})
    table = run(grid, RunOptions(out=tmp_path / "run")).table.set_index("eps")
    assert table.loc[0.0, "accuracy"] == table.loc[0.0, "clean_accuracy"]
    assert table.loc[0.1, "accuracy"] < table.loc[0.1, "clean_accuracy"]
    assert (table["over_budget"] == 0).all()


def test_one_class_of_network_is_enough() -> None:
    """The adapter gives a plain module, not the classifier."""
    case = linear_case(3)
    crafted("standin:ascent", case, eps=0.1)
    (model,) = stand_in_library.SEEN
    assert isinstance(model, nn.Module) and not isinstance(model, Classifier)
