"""Labels that users give: in the entries of a grid, under `labels`, and by `--label`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.grids.labels import LONGEST, given_labels, with_labels
from benchmark.grids.model import Grid, load_grid
from benchmark.grids.overrides import titled
from benchmark.runs.labels import grid_labels
from estimators.errors import InputError
from estimators.spec import Spec, parse_spec


def grid(**parts: Any) -> Grid:
    return Grid.model_validate({"name": "own", "attacks": [{"name": "fgsm", "eps": 0.1}], **parts})


GIVEN: dict[str, tuple[dict[str, Any], dict[str, dict[str, str]]]] = {
    "a network": (
        {"networks": [{"name": "mynets:build", "label": "resnet18-v2"}]},
        {"networks": {"mynets:build": "resnet18-v2"}},
    ),
    "a data set with options": (
        {"datasets": [{"name": "imagefolder:p", "resize": 32, "label": "photos"}]},
        {"datasets": {"imagefolder:p[resize=32]": "photos"}},
    ),
    "an attack with several eps": (
        {"attacks": [{"name": "fgsm", "eps": [0.1, 0.2], "label": "one step"}]},
        {"attacks": {"fgsm": "one step"}},
    ),
    "an attack with several steps": (
        {"attacks": [{"name": "pgd", "eps": 0.1, "max_iter": [2, 3], "label": "P"}]},
        {"attacks": {"pgd[max_iter=2]": "P[max_iter=2]", "pgd[max_iter=3]": "P[max_iter=3]"}},
    ),
    "stock attacks": (
        {"attacks": [{"name": "fgsm", "eps": 0.1, "label": "F"}], "engine": "stock"},
        {"attacks": {"fgsm[engine=stock]": "F"}},
    ),
    "one quality": (
        {"defences": [{"name": "jpeg", "quality": 75, "label": "ours"}]},
        {"defences": {"jpeg 75": "ours"}},
    ),
    "several qualities": (
        {"defences": [{"name": "jpeg", "quality": [75, 50], "label": "ours"}]},
        {"defences": {"jpeg 75": "ours 75", "jpeg 50": "ours 50"}},
    ),
    "a network in two blocks": (
        {"blocks": [{"networks": [{"name": "lenet", "label": "L"}]}, {"networks": ["lenet"]}]},
        {"networks": {"lenet": "L"}},
    ),
    "the key labels": (
        {"labels": {"lenet": "L", "jpeg": "J", "fgsm": "F"}, "defences": [
            {"name": "jpeg", "quality": [9, 8]}]},
        {"networks": {"lenet": "L"}, "attacks": {"fgsm": "F"},
         "defences": {"jpeg 9": "J 9", "jpeg 8": "J 8"}},
    ),
    "the key replaces the entry": (
        {"labels": {"lenet": "new"}, "networks": [{"name": "lenet", "label": "old"}]},
        {"networks": {"lenet": "new"}},
    ),
    "as the command line writes it": (
        {
            "labels": {"pgd:max_iter=2": "two"},
            "attacks": [{"name": "pgd", "eps": 0.1, "max_iter": [2, 3]}],
        },
        {"attacks": {"pgd[max_iter=2]": "two"}},
    ),
    "a network to craft on": (
        {"labels": {"cnn": "C"}, "threats": ["transfer:from=cnn"]},
        {"networks": {"cnn": "C"}},
    ),
}  # fmt: skip
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"networks": [{"name": "lenet", "label": 18}]}, "expected a text, got 18"),
    "empty": ({"networks": [{"name": "lenet", "label": " "}]}, "1 to 60 printable"),
    "two lines": ({"networks": [{"name": "lenet", "label": "a\nb"}]}, "on one line"),
    "reversed": ({"networks": [{"name": "lenet", "label": "a\u202eb"}]}, "printable"),
    "long": ({"networks": [{"name": "lenet", "label": "a" * (LONGEST + 1)}]}, "1 to 60"),
    "two labels": (
        {"networks": [{"name": "lenet", "label": "a"}, {"name": "lenet", "label": "b"}]},
        "lenet: two labels, 'a' and 'b'",
    ),
    "two labels by eps": (
        {"attacks": [{"name": "fgsm", "eps": e, "label": f"at {e}"} for e in (0.1, 0.2)]},
        "fgsm: two labels",
    ),
    "an unknown name": ({"labels": {"lenett": "L"}}, "did you mean 'lenet'"),
    "one label of two": (
        {"networks": [{"name": "lenet", "label": "a"}, {"name": "resnet", "label": "A"}]},
        "give each its own",
    ),
    "the label of another": (
        {"networks": ["lenet", {"name": "resnet", "label": "LeNet"}]},
        "label 'LeNet': of both resnet and lenet",
    ),
}


@pytest.mark.parametrize("case", GIVEN)
def test_labels_stand_under_the_names_of_the_results(case: str) -> None:
    parts, expected = GIVEN[case]
    assert given_labels(grid(**parts)) == expected


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_are_refused(case: str) -> None:
    parts, message = BAD[case]
    with pytest.raises(InputError, match=message) as raised:
        grid_labels(grid(**parts))
    assert "\n" not in str(raised.value)


def test_a_label_changes_no_cell() -> None:
    entries = {"networks": ["lenet"], "defences": ["none", {"name": "jpeg", "quality": [75, 50]}]}
    labelled = {
        "networks": [{"name": "lenet", "label": "mine"}],
        "defences": ["none", {"name": "jpeg", "quality": [75, 50], "label": "J"}],
    }
    assert grid(**entries).cells() == grid(**labelled, labels={"fgsm": "F"}, title="T").cells()


def test_a_label_is_no_code(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    attack, network = "{name: fgsm, eps: 0.1}", "{name: lenet, label: 'os:system'}"
    path.write_text(f"attacks: [{attack}]\nnetworks: [{network}]\n")
    assert given_labels(load_grid(path)) == {"networks": {"lenet": "os:system"}}


@pytest.mark.parametrize(
    ("texts", "network", "expected"),
    [
        (["lenet=mine"], None, {"lenet": "mine"}),
        (["mine"], "lenet", {"lenet": "mine"}),
        (["a=b"], "lenet", {"lenet": "a=b"}),
        (["lenet=a=b", "fgsm=F"], "lenet", {"lenet": "a=b", "fgsm": "F"}),
        ([], "lenet", {}),
    ],
)
def test_labels_of_the_command_line(
    texts: list[str], network: str | None, expected: dict[str, str]
) -> None:
    networks = [] if network is None else [parse_spec(network)]
    assert with_labels(grid(), texts, networks).labels == expected


def test_a_name_with_an_equals_sign_is_the_longest_that_fits() -> None:
    both = grid(networks=["lenet", {"name": "lenet", "extra_layers": 4}])
    found = with_labels(both, ["lenet[extra_layers=4]=deep", "lenet=flat"])
    assert given_labels(found)["networks"] == {"lenet[extra_layers=4]": "deep", "lenet": "flat"}
    found = with_labels(both, ["lenet:extra_layers=4=deep"])
    assert given_labels(found)["networks"] == {"lenet[extra_layers=4]": "deep"}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["mine"], "a label of what"),
        (["one", "two"], "a label of what"),
        (["lenett=mine"], "did you mean 'lenet'"),
    ],
)
def test_a_label_of_nothing_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_labels(grid(), texts, [] if len(texts) < 2 else [Spec("lenet")])


def test_titles() -> None:
    assert titled(grid(title="a"), None).title == "a"
    assert titled(grid(title="a"), " b ").title == "b"
    for text in ("", "a\nb", "a" * 200):
        with pytest.raises(InputError, match="--title: expected 1 to 120 printable"):
            titled(grid(), text)
