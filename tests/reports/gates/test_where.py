"""Conditions on rows: what they mean, and what is refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.errors import TableError
from reports.gates.requirement import parse_requirement
from reports.gates.where import COLUMNS, known_values, matching, parse_where
from reports.style.labels import NO_LABELS, Labels

TABLE = pd.DataFrame(
    [
        ("mnist", "lenet", "fgsm", "inf", 0.1, "oblivious", "none", None, 0, "100"),
        ("mnist", "lenet[adversarial=pgd]", "pgd[norm=2,steps=5]", "2", 8 / 255, "adaptive",
         "jpeg", 50, 0, "100"),
        ("cifar10", "my.nets:build", "cw", "2", None, "adaptive", "jpeg", 75, 1, "all"),
    ],
    columns=list(COLUMNS),
)  # fmt: skip
LABELS = Labels(
    {
        "networks": {"my.nets:build": "ResNet 18, v2", "lenet": "LeNet"},
        "attacks": {"pgd": "PGD"},
        "datasets": {"cifar10": "CIFAR-10"},
    }
)

MEANS: dict[str, list[int]] = {
    "dataset=mnist": [0, 1],
    "dataset=mnist network=lenet": [0, 1],
    "network=lenet[]": [0],
    "network=LeNet[]": [0],
    "network!=lenet[]": [1, 2],
    "network=lenet network!=lenet[]": [1],
    "attack=pgd[]": [],
    "network=lenet[adversarial=pgd]": [1],
    "network=my.nets:build": [2],
    "network='ResNet 18, v2'": [2],
    'network="resnet 18, V2"': [2],
    "network=LeNet": [0, 1],
    "dataset=CIFAR-10": [2],
    "attack=PGD": [1],
    "attack=pgd[norm=2,steps=5]": [1],
    "attack=pgd[norm=2,steps=5.0]": [1],
    "attack=fgsm,cw": [0, 2],
    "attack = fgsm , cw": [0, 2],
    "attack=fgsm, dataset=mnist": [0],
    "attack=fgsm,dataset=cifar10": [],
    "attack!=fgsm,cw": [1],
    "dataset=mnist and attack=fgsm": [0],
    "norm=L2": [1, 2],
    "norm=Linf": [0],
    "eps=8/255": [1],
    "eps=0.1": [0],
    "eps<=0.1": [0, 1],
    "eps<0.1": [1],
    "eps>=8/255": [0, 1],
    "eps>8/255": [0],
    "eps=none": [2],
    "eps!=none": [0, 1],
    "quality=50,75": [1, 2],
    "quality=none": [0],
    "defence=none": [0],
    "defence=jpeg quality>60": [2],
    "seed=1": [2],
    "seed==1": [2],
    "samples=all": [2],
    "threat=adaptive": [1, 2],
}


@pytest.mark.parametrize("text", MEANS)
def test_a_condition_means_these_rows(text: str) -> None:
    assert matching(parse_where(text), TABLE, LABELS).nonzero()[0].tolist() == MEANS[text]


@pytest.mark.parametrize("text", [text for text, rows in MEANS.items() if rows])
def test_a_condition_is_printed_as_it_can_be_read(text: str) -> None:
    conditions = parse_where(text)
    assert parse_where(" ".join(map(str, conditions))) == conditions


REFUSED: dict[str, str] = {
    "": "expected conditions",
    "netwrk=lenet": r"unknown column 'netwrk' \(did you mean network\?\)",
    "accuracy>=0.5": "unknown column 'accuracy'",
    "dataset": "expected COLUMN=VALUE",
    "dataset=": "expected a value",
    "dataset=mnist lenet": "got 'lenet'",
    "network='lenet": "not closed",
    "network<=lenet": "network is a text; use = or !=",
    "eps=large": "eps is a number",
    "eps=1/0": "eps is a number",
    "eps<=none": "no meaning",
    "eps=0.1; import os": "eps is a number, such as 0.1 or 8/255, or none, got '0.1;'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_another_text_is_one_line(text: str) -> None:
    with pytest.raises(TableError, match=REFUSED[text]) as caught:
        parse_where(text)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("--where")


def test_an_empty_choice_says_what_there_is() -> None:
    def said(text: str, labels: Labels = NO_LABELS) -> str:
        return known_values(parse_where(text), TABLE, labels)

    assert said("dataset=mnist attack=x").endswith(
        "attack is one of: cw, fgsm, pgd[norm=2,steps=5]"
    )
    assert said("eps=0.5").endswith("eps is one of: 0.0313725490196, 0.1, none")
    assert "none meets all of them" in said("dataset=cifar10 attack=fgsm")


def test_many_values_are_not_all_listed() -> None:
    many: Any = pd.DataFrame({name: ["x"] * 40 for name in COLUMNS})
    many["attack"] = [f"a{i}" for i in range(40)]
    assert known_values(parse_where("attack=b"), many).endswith("and 28 more")


PIECES = [*COLUMNS, "=", "!=", "<=", ">", ",", " ", "'", '"', "[", "]", "(", "and", "where", "none"]
PIECES += ["accuracy", "clean_accuracy", "0.5", "8/255", "1/0", "%", "lenet", "-", "nan", "1e999"]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        conditions = parse_where(text)
        assert matching(conditions, TABLE, LABELS).shape == (3,)
        assert parse_where(" ".join(map(str, conditions))) == conditions
    except TableError as error:
        assert "\n" not in str(error)
    for requirement in (text, f"accuracy>=0.5 where {text}", f"accuracy{text}"):
        try:
            parse_requirement(requirement)
        except TableError as error:
            assert "\n" not in str(error)
