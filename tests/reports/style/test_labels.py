"""What is read in place of names, and a run in one line."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.results.columns import frame
from reports.style.labels import Labels
from reports.style.shortened import shortened
from reports.style.subtitle import named, subtitle
from tests.helpers.made_up import LABELS, MadeUp

OWN = Labels(
    {
        **LABELS,
        "networks": {"mynets:build": "v2", "lenet": "LeNet", "a[b=1]": "with b"},
        "attacks": {"pgd": "PGD", "pgd[max_iter=2]": "two steps"},
        "defences": {"jpeg": "JPEG", "jpeg 10": "strong", "jpeg[subsampling=0] 9": "fine"},
    }
)


@pytest.mark.parametrize(
    ("kind", "name", "label"),
    [
        ("networks", "mynets:build", "v2"),
        ("networks", "a[b=1]", "with b"),
        ("networks", "a[b=2]", "a[b=2]"),
        ("attacks", "pgd[max_iter=2]", "two steps"),
        ("attacks", "pgd[max_iter=3]", "PGD[max_iter=3]"),
        ("defences", "jpeg 75", "JPEG 75"),
        ("defences", "jpeg 10", "strong"),
        ("defences", "jpeg[subsampling=0] 9", "fine"),
        ("defences", "jpeg[subsampling=0] 8", "JPEG[subsampling=0] 8"),
        ("defences", "none", "none"),
        ("threats", "transfer[from=mynets:build]", "transfer[from=v2]"),
        ("threats", "transfer[from=a:b=1]", "transfer[from=with b]"),
        ("threats", "adaptive-eot[k=16]", "adaptive-eot[k=16]"),
        ("datasets", "mnist", "MNIST"),
    ],
)
def test_the_whole_name_goes_before_its_beginning(kind: str, name: str, label: str) -> None:
    assert OWN.shown(kind, name) == label


def test_a_network_of_a_manifest() -> None:
    own = Labels({"datasets": {"npz:/a": "A", "npz:/a/b": "B"}, "networks": {"n/m": "N"}})
    assert own.pair("npz:/a/b/n/m") == "N on B"
    assert own.pair("mnist/n/m") == "N on mnist"


def test_dollars_are_no_mathematics_in_figures() -> None:
    own = Labels({"networks": {"a": "$x$"}, "defences": {"none": "$"}}).for_figures()
    assert own.network("a") == r"\$x\$" and own.network("b$") == r"b\$"
    assert own.behind({"defence": "none", "quality": None}) == r"\$"
    assert own.threat("transfer[from=a]") == r"transfer[from=\$x\$]"


def test_a_run_in_one_line() -> None:
    run = MadeUp({"digits": ["lenet", "cnn"]}, {"fgsm": (0.1,), "cw": (None,)})
    text = "LeNet and CNN on digits under FGSM and C&W, without and behind 8 bits only and JPEG"
    assert subtitle(run.table, run.labels) == f"{text}; 400 images"
    bare = run.table.query("defence == 'none' and attack == 'fgsm' and network == 'cnn'")
    assert subtitle(bare, run.labels) == "CNN on digits under FGSM; 400 images"
    assert subtitle(frame([]), run.labels) == ""
    own = Labels({"defences": {"jpeg 50": "ours"}})
    behind = run.table.query("defence == 'jpeg' and attack == 'fgsm' and network == 'cnn'")
    assert subtitle(behind, own) == "cnn on digits under fgsm, behind ours; 400 images"


def test_the_sizes_of_samples() -> None:
    run = MadeUp(attacks={"fgsm": (0.1,), "cw": (None,)}, fewer={"cw": 50})
    assert subtitle(run.table, run.labels).endswith("; 50 to 400 images")
    skipped = run.table.assign(n=pd.NA, status="skipped")
    assert "images" not in subtitle(skipped, run.labels)


def test_many_names_are_counted() -> None:
    assert named("abcde", "letters") == "a, b, c, d and e"
    assert named("abcdeff", "letters") == "a, b, c, d and 2 other letters"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, "mynets.models.vision:build_network"),
        (20, "mynets.…uild_network"),
        (10, "myn…etwork"),
        (2, "m…"),
        (1, "m"),
        (0, ""),
    ],
)
def test_names_are_shortened_in_the_middle(width: int, shown: str) -> None:
    assert shortened("mynets.models.vision:build_network", width) == shown
