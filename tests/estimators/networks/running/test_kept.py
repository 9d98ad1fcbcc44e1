"""Results that several tasks need: found by content, within a limit of memory."""

from __future__ import annotations

import numpy as np

from estimators.networks.running.kept import Kept, fingerprint


def test_what_was_not_needed_for_longest_is_forgotten() -> None:
    kept, array = Kept(limit=300), np.zeros(100, np.uint8)
    for key in "abc":
        kept.put(key, array)
    assert kept.get("a") is not None
    kept.put("d", array)
    assert [key for key in "abcd" if kept.get(key) is not None] == ["a", "c", "d"]


def test_the_same_key_takes_its_place_once() -> None:
    kept = Kept(limit=250)
    for _ in range(5):
        kept.put("a", np.zeros(100, np.uint8), np.zeros(50, np.uint8))
    kept.put("b", np.zeros(100, np.uint8))
    assert kept.get("a") is not None and kept.get("b") is not None


def test_arrays_above_the_limit_are_not_kept_and_do_no_harm() -> None:
    kept = Kept(limit=50)
    kept.put("a", np.zeros(100, np.uint8))
    assert kept.get("a") is None
    kept.put("b", np.zeros(50, np.uint8))
    assert kept.get("b") is not None


def test_fingerprints_tell_values_types_and_shapes() -> None:
    x = np.arange(6, dtype=np.float32)
    others = [x + 1, x.astype(np.float64), x.reshape(2, 3), x[::-1]]
    assert len({fingerprint(a) for a in [x, *others]}) == 5
    assert fingerprint(x[::-1]) == fingerprint(x[::-1].copy())
    assert fingerprint(x, x) != fingerprint(x)
