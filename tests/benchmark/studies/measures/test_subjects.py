"""What studies start from, where the network is external."""

from __future__ import annotations

import numpy as np
import pytest
from closed_form import linear_case
from spoilt import SQUASHING, Changed

from benchmark.studies.measures import subjects
from benchmark.studies.request import StudyRequest
from estimators.data.images import Images
from estimators.spec import Spec


@pytest.fixture
def images() -> Images:
    case = linear_case(60)
    return Images(case.x, case.y, np.arange(60), tuple("abcde"))


@pytest.mark.parametrize("squash", ["none", "sigmoid", "softmax times 100"])
def test_a_squashed_network_is_attacked_by_its_margin(
    squash: str, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a linear network one step along the margin breaks what any attack can break."""
    case = linear_case(60, scale=3.0)
    logits = case.network.eval()
    network = logits if squash == "none" else Changed(logits, SQUASHING[squash]).eval()
    monkeypatch.setattr(subjects, "network_of", lambda *_: network)
    said: list[str] = []
    request = StudyRequest((), {}, message=said.append)
    classifier = subjects.classifier_of(request, "d", Spec("mine:net"), images)
    distance = case.linf.min(axis=1)
    attack = Spec.of("fgsm", eps=float(np.median(distance)))
    x_adv = subjects.attacked(classifier, images, [attack])[attack]
    right = int((subjects.predictions(classifier, x_adv) == images.y).sum())
    possible = int((distance > np.median(distance)).sum())
    assert classifier.squashed is bool(said) is (squash != "none")
    # the gradient of cross entropy is no direction to the nearest class
    assert abs(right - possible) <= 1 if classifier.squashed else right > possible
