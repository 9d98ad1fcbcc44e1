"""Random numbers per image: one stream for each seed, image, purpose and draw.

A result must not depend on the batch or the order in which an image comes. So nothing draws from
a global generator: every image has a stream of its own (Philox, Salmon et al. 2011), and every
purpose has counter words of its own, which keeps the streams of one image apart.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

Purpose = Literal["noise", "attack", "defence", "comparison"]


def stream(seed: int, image: int, purpose: Purpose, n: int = 0) -> np.random.Generator:
    """Return the random numbers of one image for one purpose.

    seed: of the run, from 0 to 2^32 - 1. image: the official index of the image, from 0 up.
    purpose: `noise` is the control attack, `attack` an attack (n counts the parts of an attack
        that consists of several), `defence` a randomised defence (n counts its draws),
        `comparison` the choice of the images that a study compares an image with.
    n: from 0 up.
    """
    # `comparison` shares that of `noise`: the committed tables of the saliency study came from it
    words = [0, 0, (n + 1) * (purpose == "attack"), (n + 1) * (purpose == "defence")]
    return np.random.Generator(np.random.Philox(key=[seed, int(image)], counter=words))


def scoring_seed(seed: int, n: int) -> int:
    """Return the seed of the n-th draw that a random defence is scored by, from 0 to 2^32 - 1.

    Scoring takes draw 0 of this seed, attackers the later draws of the run's own (`stream`), so
    that no attacker ever meets a draw that is scored. The first is the run's seed itself.
    """
    if n == 0:
        return seed
    digest = hashlib.blake2b(f"{seed} {n}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")
