"""What `evaluate` refuses: one line each, before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from art.defences.postprocessor import Rounded
from art.defences.preprocessor import SpatialSmoothing
from art.estimators.classification import BlackBoxClassifier, PyTorchClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import benchmark as bench
from estimators.errors import InputError

N, SIDE, CLASSES = 12, 8, 3
X = np.random.default_rng(0).random((N, 1, SIDE, SIDE), dtype=np.float32)
Y = np.arange(N) % CLASSES
NET = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES))
BAD = X.copy()
BAD[3, 0, 0, 0] = np.nan


def art(**options: Any) -> PyTorchClassifier:
    shape = {"input_shape": (1, SIDE, SIDE), "nb_classes": CLASSES, "device_type": "cpu"}
    return PyTorchClassifier(model=NET, loss=nn.CrossEntropyLoss(), **shape, **options)


# arguments that replace the good ones, and what the message says
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"x": BAD}, "data: x has NaN or infinite pixels"),
    "0 to 255": ({"x": X * 255}, "data: x has values from .*, expected .0, 1.: divide by 255"),
    "normalised": ({"x": X * 4 - 2}, "pass its numbers as mean= and std="),
    "negative integers": ({"x": np.int64(X) - 1}, "data: x has integers from -1 to -1"),
    "flat": ({"x": X.reshape(N, -1)}, r"x must be \[N,H,W\], NHWC or NCHW .* got \[12, 64\]"),
    "ragged": ({"x": [X[0], X[1, :, :4]] * 6}, "data: x cannot be read as one array"),
    "text": ({"x": np.full((N, 1, SIDE, SIDE), "a")}, "x must be uint8 or float"),
    "no images": ({"x": X[:0], "y": Y[:0]}, "data: x has no pixels"),
    "too few labels": ({"y": Y[:5]}, "data: x has 12 images, y has 5 labels"),
    "labels out of range": ({"y": Y + 2}, "has 3 outputs, and the labels of the data run up to 4"),
    "labels from 1": ({"y": Y + 1}, "labels of the data run from 1 to 3; .* subtract 1"),
    "negative labels": ({"y": Y - 1}, "data: y has the negative class -1"),
    "label fractions": ({"y": Y + 0.5}, "data: y must be one integer per image"),
    "label texts": ({"y": ["cat"] * N}, "data: y is text; pass classes="),
    "unknown text": ({"y": ["cat"] * N, "classes": ["dog"]}, "y has 'cat', which is not among"),
    "no labels": ({"y": None}, "data: y is missing"),
    "no data": ({"x": None}, "evaluate: which data?"),
    "labels twice": ({"x": DataLoader(TensorDataset(torch.from_numpy(X)))}, "brings its own"),
    "splits": ({"x": {"test": X}, "y": None}, r"got a mapping with 'test'; .* x\['test'\]"),
    "not data": ({"x": 3, "y": None}, "data: expected arrays x and y, a DataLoader, .* got int"),
    "unknown data": ({"x": "digitz", "y": None}, "unknown data set 'digitz' .did you mean"),
    "y of a name": ({"x": "digits"}, "y: belongs to data that are objects"),
    "a class name less": ({"classes": ["a", "b"]}, "data: y has class 2, but 2 are named"),
    "class name twice": ({"classes": ["a", "a", "b"]}, "two classes have the name 'a'"),
    "class names as text": ({"classes": "abc"}, "expected classes to be a list of names"),
    "wrong size": ({"x": X[:, :, :6, :6]}, r"does not take images of shape \[1, 6, 6\]"),
    "colour": ({"x": np.repeat(X, 3, 1)}, r"does not take images of shape \[3, 8, 8\]"),
    "a number": ({"model": 3}, "model: expected a torch.nn.Module, .* got int"),
    "a class": ({"model": nn.Linear}, r"model: is a class; make a network of it: Linear\(...\)"),
    "in a mapping": ({"model": {"mine": "lenet"}}, "network mine: expected a torch.nn.Module"),
    "empty": ({"model": {}}, "model: an empty mapping"),
    "one name for two": ({"model": [NET, NET]}, "two have this name; pass a mapping"),
    "unknown network": ({"model": "lenett"}, "unknown network 'lenett' .did you mean 'lenet'"),
    "to train": ({"model": "lenet"}, "network lenet: would be trained on data"),
    "a taken name": ({"network": "lenet"}, "network name 'lenet': is the name of another"),
    "a name of code": ({"network": "a:b"}, "network name 'a:b': expected letters"),
    "a taken data name": ({"dataset": "mnist"}, "data set name 'mnist': is the name of another"),
    "another classifier": (
        {"model": BlackBoxClassifier(lambda x: np.eye(3)[:1].repeat(len(x), 0), (1, 8, 8), 3)},
        "ART's BlackBoxClassifier is not supported; hand over its torch.nn.Module",
    ),
    "a defence inside": (
        {"model": art(preprocessing_defences=SpatialSmoothing())},
        "its classifier contains SpatialSmoothing; .* defences=",
    ),
    "rounded inside": (
        {"model": art(postprocessing_defences=Rounded())}, "its classifier contains Rounded",
    ),
    "mean twice": (
        {"model": art(clip_values=(0, 255)), "mean": 0.5}, "leave out mean and std",
    ),
    "means": ({"mean": [1, 2, 3]}, "mean must be a number, or one for each of 1 channels"),
    "mean": ({"mean": "0.5"}, "mean: expected a number, or one per channel, got str"),
    "std": ({"std": 0}, "std must be a number in"),
    "no eps": ({"eps": None}, "attack fgsm: needs an eps; pass eps='8/255', or write fgsm:8/255"),
    "eps": ({"eps": "8//255"}, "eps: expected a number, got '8//255'"),
    "large eps": ({"eps": 8}, "expected eps to be at most 1 .* write 8/255"),
    "no eps at all": ({"eps": []}, "eps: expected a number such as '8/255', got an empty list"),
    "eps for nobody": ({"attacks": "cw"}, r"eps: none of the attacks takes it \(cw\)"),
    "another norm": ({"norm": 2}, "attack fgsm: has the norm inf and takes no other"),
    "no such norm": ({"attacks": "pgd", "norm": 1}, "attack pgd: expected norm to be inf or 2"),
    "no attack": ({"attacks": []}, "attacks: name at least one"),
    "attack": ({"attacks": ["fgsn"]}, "unknown attack 'fgsn' .did you mean 'fgsm'"),
    "an object": ({"attacks": [nn.Identity()]}, "attacks: expected a name or a mapping"),
    "defence": ({"defences": ["jpg:75"]}, "unknown defence 'jpg' .did you mean 'jpeg'"),
    "quality": ({"defences": ["jpeg:0"]}, "quality must be an integer from 1 to 100"),
    "threat": ({"threats": "nobody"}, "unknown threat 'nobody'"),
    "samples": ({"samples": 13}, r"samples: 13 requested, but .*data has 12 images"),
    "seed": ({"seed": -1}, "evaluate: key seed"),
    "argument": ({"sample": 3}, "unknown argument of evaluate 'sample' .did you mean 'samples'"),
    "batch": ({"batch": 0}, "batch: must be at least 1"),
    "device": ({"device": "tpu"}, "device 'tpu'"),
    "label": ({"labels": {"nobody": "x"}}, "unknown name to label 'nobody'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(case: str, capfd: pytest.CaptureFixture[str]) -> None:
    changed, message = CASES[case]
    good: dict[str, Any] = {"model": NET, "x": X, "y": Y, "attacks": "fgsm", "eps": 0.1}
    with pytest.raises(InputError, match=message) as caught:
        bench.evaluate(**{**good, "threads": 1, "progress": False, **changed})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().out == ""


def test_a_class_of_main_is_not_sent_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.runs.options.check_dask", lambda option: None)

    class Mine(nn.Sequential):
        """As in a notebook."""

    Mine.__module__ = "__main__"
    with pytest.raises(InputError, match=r"its class .*Mine is defined in __main__") as caught:
        bench.evaluate(Mine(*NET), X, Y, attacks="fgsm", eps=0.1, workers=2, progress=False)
    assert "\n" not in str(caught.value)
