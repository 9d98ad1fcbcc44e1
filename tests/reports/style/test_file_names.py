"""Names of files: safe on every file system, and different for different texts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.style.file_names import LONGEST, FileName, file_name

# texts that come close to each other, and any text at all
NEAR = st.text(alphabet="ab-_. /:[]=A\u00e4\n", max_size=8)
PARTS = st.lists(st.one_of(NEAR, st.text(max_size=200)), min_size=1, max_size=4).map(tuple)


@given(PARTS)
def test_a_name_is_safe(parts: tuple[str, ...]) -> None:
    name = file_name(*parts)
    assert re.fullmatch(r"[A-Za-z0-9=_][A-Za-z0-9.=_-]*", name) and len(name) <= LONGEST
    assert not name.endswith((".", " ")) and Path(name).name == name
    assert name.partition(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt1")


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(*[st.tuples(*[NEAR] * n)] * 2)))
def test_different_texts_give_different_names(
    pair: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    first, second = (file_name(*parts).lower() for parts in pair)
    assert (first == second) == (pair[0] == pair[1])


@given(PARTS)
def test_a_name_of_a_file_stays(parts: tuple[str, ...]) -> None:
    name = file_name(*parts)
    assert isinstance(name, FileName) and file_name(name) == name
    # the same letters as a text of a user are another thing
    if re.search(r"-[0-9a-f]{8}$", name):
        assert file_name(str(name)) != name


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("accuracy", "fashion_mnist", "apgd-t"), "accuracy-fashion_mnist-apgd-t"),
        (("success", "norm-inf"), "success-norm-inf"),
        (("clean-accuracy-quality",), "clean-accuracy-quality"),
        (("study", "first-error"), "study-first-error"),
        (("panels", "mnist", "lenet"), "panels-mnist-lenet"),
    ],
)
def test_plain_names_stay(parts: tuple[str, ...], name: str) -> None:
    assert file_name(*parts) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("k", "npz:/a/b.npz"), ("k", "npz:/a_b.npz")),
        (("k", "a-b", "c"), ("k", "a", "b-c")),
        (("k", "LeNet"), ("k", "lenet")),
        (("k", "a" * 300), ("k", "a" * 301)),
        (("k", "../../x"), ("k", "x")),
        (("k", "\ud800"), ("k", "\udfff")),
    ],
    ids=["slashes", "hyphens", "capitals", "length", "out of the folder", "surrogates"],
)
def test_neighbours(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert file_name(*one).lower() != file_name(*other).lower()
