"""The libraries that `bench speed` compares with: their PGD and C&W on a bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from benchmark.attacks.adapters.adv_lib import without_visdom
from benchmark.attacks.registry import LIBRARIES
from benchmark.speed.rivals import Attack, Bench
from estimators.errors import InputError

EPS, STEP, ITERATIONS = 0.3, 0.01, 40
# returns the attack of a library on a bench; imports the library
Peer = Callable[[Bench], Attack]


def _foolbox_pgd(bench: Bench) -> Attack:
    import foolbox

    model = foolbox.PyTorchModel(bench.network, bounds=(0, 1), device="cpu")
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=ITERATIONS, random_start=False)
    x, y = _tensors(bench)
    return lambda: _array(attack(model, x, y, epsilons=EPS)[1])


def _torchattacks_pgd(bench: Bench) -> Attack:
    import torchattacks

    attack = torchattacks.PGD(bench.network, EPS, alpha=STEP, steps=ITERATIONS, random_start=False)
    x, y = _tensors(bench)
    return lambda: _array(attack(x, y).detach())


def _adv_lib_pgd(bench: Bench) -> Attack:
    with without_visdom():
        from adv_lib.attacks import pgd_linf
    x, y = _tensors(bench)
    about = {"steps": ITERATIONS, "random_init": False, "absolute_step_size": STEP}
    return lambda: _array(pgd_linf(bench.network, x, y, EPS, **about).detach())


def _foolbox_carlini(bench: Bench) -> Attack:
    import foolbox

    model = foolbox.PyTorchModel(bench.network, bounds=(0, 1), device="cpu")
    # of the settings tried, the quickest that reaches full success; its default of 10,000 steps
    # takes minutes and ends at the same distance
    attack = foolbox.attacks.L2CarliniWagnerAttack(steps=200, stepsize=0.1)
    x, y = _tensors(bench)
    return lambda: _array(attack(model, x, y, epsilons=None)[1])


PGD: dict[str, Peer] = {
    "adv_lib": _adv_lib_pgd,
    "torchattacks": _torchattacks_pgd,
    "foolbox": _foolbox_pgd,
}
CARLINI: dict[str, Peer] = {"foolbox": _foolbox_carlini}


def installed(
    peers: dict[str, Peer], bench: Bench, skipped: Callable[[str], object]
) -> Iterator[tuple[str, Attack]]:
    """Yield the name and the attack of each library that is installed.

    skipped: called with one line for each that is missing or cannot be imported; the line has the
        command that installs it.
    """
    for name, peer in peers.items():
        try:
            LIBRARIES[name].check_installed()
            attack = peer(bench)
        except InputError as error:
            skipped(str(error).removeprefix("attack "))
        except ImportError as error:
            skipped(f"{name}: left out, cannot be imported: {error}")
        else:
            yield name, attack


def _tensors(bench: Bench) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(bench.images.x), torch.from_numpy(bench.images.y)


def _array(images: torch.Tensor) -> npt.NDArray[np.float32]:
    return images.numpy()
