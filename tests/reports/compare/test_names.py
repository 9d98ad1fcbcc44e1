"""Retrained and renamed networks: exceptions by name, pairing by label, narrowing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import Right, Write, first, grid

from reports.compare.agree import CHECKS, NotComparableError, parse_allow
from reports.compare.compare import compare, failures
from reports.compare.gate import suites
from reports.compare.names import parse_match
from reports.compare.render import to_csv, to_json
from reports.errors import TableError

Cells = list[tuple[dict[str, Any], Right]]


def cells(**columns: Any) -> Cells:
    return grid(3, lambda i: first(50, 20 + i), **columns)


DIFFERENT = {
    "data": {"data_sha256": "d1"},
    "samples": {"samples": "all"},
    "weights": {"weights_sha256": "w1"},
    "attack-params": {"attack_params": '{"eps": 0.2}'},
}


@pytest.mark.parametrize("check", CHECKS)
def test_one_check_is_allowed_to_fail_and_no_other(write: Write, check: str) -> None:
    a, b = write("a", cells()), write("b", cells(**DIFFERENT[check]), "b")
    others = [name for name in CHECKS if name != check]
    for allow in ([], others):
        with pytest.raises(NotComparableError, match=f"--allow {check} compares them"):
            compare(a, b, allow=allow)
    found = compare(a, b, allow=[check])
    assert set(found.rows["allowed"]) == {check} and set(found.rows["warning"]) == {""}
    assert f"Allowed to differ: {check} (differs in 3 of 3 rows)." in found.notes
    assert f",{check},bh," in to_csv(found)
    assert json.loads(to_json(found))["rows"][0]["allowed"] == check


def test_an_exception_that_was_not_needed_says_so(write: Write) -> None:
    run = write("a", cells())
    notes = compare(run, run, allow=["weights"]).notes
    assert "Allowed to differ: weights (differs in 0 of 3 rows)." in notes


def test_several_exceptions_in_one_text_or_many(write: Write) -> None:
    a, b = write("a", cells()), write("b", cells(**DIFFERENT["weights"], **DIFFERENT["data"]), "b")
    for allow in (["weights,data"], ["data", "weights"], ["weights", "data, weights"]):
        assert set(compare(a, b, allow=allow).rows["allowed"]) == {"data; weights"}
    with pytest.raises(NotComparableError, match="--allow data,weights compares"):
        compare(a, b)
    for bad in (["weight"], [""], ["weights,"]):
        with pytest.raises(TableError, match="unknown check"):
            parse_allow(bad)


def test_force_still_warns_and_exceptions_do_not(write: Write) -> None:
    a, b = write("a", cells()), write("b", cells(**DIFFERENT["weights"], **DIFFERENT["data"]), "b")
    found = compare(a, b, force=True, allow=["weights"])
    assert set(found.rows["warning"]) == {"data_sha256 differs"}
    assert set(found.rows["allowed"]) == {"weights"}


def test_rows_on_clean_accuracy_know_no_attack_parameters(write: Write) -> None:
    a, b = (
        write(name, [({"eps": 0.1, **columns}, first(50, 20))])
        for name, columns in (("a", {}), ("b", DIFFERENT["attack-params"]))
    )
    found = compare(a, b, allow=["attack-params"]).rows.set_index("attack")["allowed"]
    assert found.to_dict() == {"fgsm": "attack-params", "no attack": ""}


OLD, NEW = "nets:build_v1", "nets:build_v2"


def labelled(write: Write, name: str, network: str, label: str = "", salt: str = "") -> Path:
    labels = {"networks": {network: label}} if label else None
    return write(name, cells(network=network), salt, labels=labels)


def test_networks_of_one_label_are_compared(write: Write) -> None:
    a, b = labelled(write, "a", OLD, "ResNet"), labelled(write, "b", NEW, "ResNet", "b")
    found = compare(a, b)
    assert found.counts()["same"] == 3 and set(found.rows["method"]) == {"paired"}
    said = f"The network {NEW} is compared with {OLD} in A (both have the label ResNet)."
    assert said in found.notes
    assert all("ResNet" in case.name for case in suites(found)[0].cases)


def test_networks_of_other_labels_are_not(write: Write) -> None:
    a, b = labelled(write, "a", OLD, "ResNet"), labelled(write, "b", NEW, "ResNet 2", "b")
    found = compare(a, b)
    assert (found.counts()["only in A"], found.counts()["only in B"]) == (3, 3)
    assert f"No row is in both runs; to compare other networks with each other, add --match '{OLD}={NEW}'." in found.notes  # fmt: skip  # noqa: E501


def test_a_label_of_two_networks_pairs_none(write: Write) -> None:
    labels = {"networks": dict.fromkeys((OLD, NEW, "nets:c"), "ResNet")}
    a = write("a", cells(network=OLD), labels=labels)
    b = write("b", [*cells(network=NEW), *cells(network="nets:c")], labels=labels)
    assert compare(a, b).counts()["same"] == 0


def test_a_name_that_both_have_is_not_renamed(write: Write) -> None:
    labels = {"networks": dict.fromkeys((OLD, NEW), "ResNet")}
    a = write("a", cells(network=OLD), labels=labels)
    b = write("b", [*cells(network=OLD), *cells(network=NEW)], labels=labels)
    counts = compare(a, b).counts()
    assert (counts["same"], counts["only in B"]) == (3, 3)


@pytest.mark.parametrize("text", [f"{OLD}={NEW}", f"Old net={NEW}", "old NET = new net"])
def test_the_user_says_what_is_the_same(write: Write, text: str) -> None:
    a, b = labelled(write, "a", OLD, "Old net"), labelled(write, "b", NEW, "New net", "b")
    found = compare(a, b, names=[text])
    assert found.counts()["same"] == 3 and failures(found) == ()
    assert f"The network {NEW} is compared with {OLD} in A (as --match says)." in found.notes


def test_a_network_is_compared_with_another_of_the_same_run(write: Write) -> None:
    a = write("a", cells(network="lenet"))
    b = write("b", [*cells(network="lenet"), *cells(network="cnn")])
    found = compare(a, b, names=["lenet=cnn"])
    assert found.counts() == {**dict.fromkeys(found.counts(), 0), "same": 3}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lenet", "lenet[weights=new.pt]"),
        ("x:y[weights=a/old.pt]", "x:y[weights=b/new.pt]"),
        ("x:y[depth=2,weights=old.pt]", "x:y[depth=2,weights=new.pt]"),
        ("x:y[weights=old.pt,width=2]", "x:y[weights=new.pt,width=2]"),
    ],
)
def test_other_weights_are_the_same_network(write: Write, old: str, new: str) -> None:
    a, b = write("a", cells(network=old)), write("b", cells(network=new, weights_sha256="w1"), "b")
    with pytest.raises(NotComparableError, match="--allow weights"):
        compare(a, b)
    found = compare(a, b, allow=["weights"])
    assert found.counts()["same"] == 3
    why = "the same network with other weights"
    assert f"The network {new} is compared with {old} in A ({why})." in found.notes


def test_other_parameters_are_another_network(write: Write) -> None:
    a, b = (
        write(name, cells(network=network))
        for name, network in (("a", "x:y[depth=2,weights=w]"), ("b", "x:y[depth=3,weights=w]"))
    )
    assert compare(a, b).counts()["same"] == 0
    # and two files of weights are not told apart
    c = write("c", [*cells(network="x:y[weights=v]"), *cells(network="x:y[weights=w]")])
    d = write("d", cells(network="x:y[weights=u]"))
    assert compare(d, c).counts()["same"] == 0


def test_a_name_may_leave_out_its_parameters(write: Write) -> None:
    a, b = write("a", cells(network="lenet")), write("b", cells(network="x:y[weights=w.pt]"))
    assert compare(a, b, names=["lenet=x:y"]).counts()["same"] == 3
    # of two it is not clear which is meant
    c = write("c", [*cells(network="x:y[weights=w.pt]"), *cells(network="x:y[weights=v.pt]")])
    with pytest.raises(TableError, match="c has no name or label 'x:y'"):
        compare(a, c, names=["lenet=x:y"])


def test_data_sets_and_attacks_are_matched_too(write: Write) -> None:
    a = write("a", cells(dataset="folder:/home/x/photos", attack="fgsm"))
    b = write(
        "b",
        cells(dataset="folder:/ci/photos", attack="own:fgsm"),
        labels={"datasets": {"folder:/home/x/photos": "photos", "folder:/ci/photos": "photos"}},
    )
    found = compare(a, b, names=["folder:/home/x/photos=folder:/ci/photos", "fgsm=own:fgsm"])
    assert found.counts()["same"] == 3


def test_parameters_belong_to_a_name() -> None:
    assert parse_match("lenet[adversarial=pgd]=lenet[a=1,b=2]") == (
        "lenet[adversarial=pgd]",
        "lenet[a=1,b=2]",
    )
    for bad in ("lenet", "=x", "x=", "lenet[a=1]", ""):
        with pytest.raises(TableError, match="expected OLD=NEW"):
            parse_match(bad)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["lenet2=cnn"], "a has no name or label 'lenet2'; its networks: lenet"),
        (["lenet=cnn2"], "b has no name or label 'cnn2'; its networks: cnn"),
        (["lenet=digits"], "names of different kinds"),
        (["lenet=cnn", "lenet=cnn"], "lenet is named 2 times"),
    ],
)
def test_a_pair_that_cannot_be_is_one_line(write: Write, names: list[str], told: str) -> None:
    a, b = write("a", cells(network="lenet")), write("b", cells(network="cnn"))
    with pytest.raises(TableError, match=told) as caught:
        compare(a, b, names=names)
    assert "\n" not in str(caught.value)


def test_where_narrows_both_sides(write: Write) -> None:
    everything = [*cells(network="lenet"), *cells(network="cnn"), *cells(dataset="mnist")]
    a, b = write("a", everything), write("b", cells(network="lenet"))
    assert compare(a, b).counts()["only in A"] == 6
    found = compare(a, b, where="dataset=digits network=lenet")
    assert found.counts() == {**dict.fromkeys(found.counts(), 0), "same": 3}
    assert "Only rows with dataset=digits network=lenet." in found.notes
    with pytest.raises(TableError, match=r"no row of .*a meets it, network is one of: cnn, lenet"):
        compare(a, b, where="network=resnet")
    # what A has and B has not is missing
    assert len(failures(compare(a, b, where="network=cnn"))) == 1


def test_where_understands_the_name_of_either_side(write: Write) -> None:
    a, b = labelled(write, "a", OLD, "ResNet"), labelled(write, "b", NEW, "ResNet", "b")
    for where in (f"network={OLD}", "network=ResNet"):
        assert compare(a, b, where=where).counts()["same"] == 3


def test_only_shared_leaves_out_what_one_side_lacks(write: Write) -> None:
    a, b = write("a", cells()), write("b", [*cells()[:2], *cells(network="cnn")])
    found = compare(a, b, only_shared=True)
    assert found.counts() == {**dict.fromkeys(found.counts(), 0), "same": 2}
    assert failures(found) == () and len(failures(compare(a, b))) == 1
    assert "Rows that only one run has are left out (--only-shared)." in found.notes


def test_only_shared_of_nothing_does_not_pass(write: Write) -> None:
    a, b = write("a", cells(network="lenet")), write("b", cells(network="cnn"))
    with pytest.raises(TableError, match=r"share no row; .*add --match 'lenet=cnn'"):
        compare(a, b, only_shared=True)
