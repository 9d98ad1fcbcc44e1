"""Where a network looks: saliency and Grad-CAM maps, and how maps compare."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from captum.attr import LayerAttribution, LayerGradCam, Saliency
from scipy.stats import rankdata
from torch import nn

from benchmark.studies.measures.spectra import pearson
from benchmark.studies.measures.subjects import FloatArray, IntArray, batches_of
from estimators.classifier import BATCH
from estimators.errors import InputError
from estimators.random_streams import stream

Floats = npt.NDArray[np.float64]
TOP = 0.1  # of an image's pixels count as salient
METHODS = ("saliency", "gradcam")


def last_convolution(network: nn.Module) -> nn.Conv2d:
    """Return the last convolution by order of definition; InputError where there is none."""
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    if not convolutions:
        raise InputError("saliency: the network has no convolution for Grad-CAM")
    return convolutions[-1]


def map_of(
    method: str, network: nn.Module, x: FloatArray, classes: IntArray, batch: int = BATCH
) -> Floats:
    """Return a map [N, H, W] of each image [N, C, H, W] for the logit of its class.

    saliency: the largest |dS_c / dI| over the channels (Simonyan et al. 2014).
    gradcam: ReLU of the maps of the last convolution, weighted by their mean gradients, scaled up
    bilinearly (Selvaraju et al. 2017); 0 everywhere where no map supports the class.
    batch: images per pass.
    """
    device = next(network.parameters()).device
    parts = []
    # outputs that are no numbers belong to no class, and have a map of NaN whichever is taken
    for part, target in batches_of(batch, device, x, np.maximum(classes, 0)):
        part.requires_grad_(True)
        if method == "saliency":
            maps = Saliency(network).attribute(part, target=target).amax(dim=1)
        else:
            coarse = LayerGradCam(network, last_convolution(network)).attribute(
                part, target=target, relu_attributions=True
            )
            size = (int(x.shape[2]), int(x.shape[3]))
            maps = LayerAttribution.interpolate(coarse, size, "bilinear")[:, 0]
        parts.append(maps.detach().cpu().numpy())
    return np.concatenate(parts).astype(np.float64)


def salient(maps: Floats) -> npt.NDArray[np.bool_]:
    """Return which pixels [N, H, W] are the top 10 % of each map; the first ones win ties."""
    flat = maps.reshape(len(maps), -1)
    count = max(1, round(TOP * flat.shape[1]))
    top = np.argsort(-flat, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(flat.shape, dtype=np.bool_)
    np.put_along_axis(chosen, top, True, axis=1)
    return chosen.reshape(maps.shape)


def overlap(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> Floats:
    """Return the share [N] of the pixels of each a that are in b too; by chance, the share of b."""
    return np.asarray((a & b).sum(axis=(1, 2)) / a.sum(axis=(1, 2)))


def rank_correlation(a: Floats, b: Floats) -> Floats:
    """Return Spearman's rank correlation [N] of maps [N, H, W]; NaN where one is constant."""
    one, other = (rankdata(m.reshape(len(m), -1), axis=1) for m in (a, b))
    return pearson(one, other)


def energy_share(noise: FloatArray, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Return the share [N] of each noise's energy in its chosen pixels; NaN without noise.

    noise: [N, C, H, W]. chosen: [N, H, W].
    """
    energy = (noise.astype(np.float64) ** 2).sum(axis=1)
    whole = energy.sum(axis=(1, 2))
    return np.asarray((energy * chosen).sum(axis=(1, 2)) / np.where(whole > 0, whole, np.nan))


def others(ids: IntArray, y: IntArray, seed: int, count: int) -> tuple[list[IntArray], IntArray]:
    """Return for each image positions of up to `count` others, and of one of its class (or -1).

    They are drawn among the given images, from a random stream per image.
    """
    drawn, same = [], np.full(len(ids), -1, dtype=np.int64)
    for n, image in enumerate(ids):
        order = stream(seed, int(image), "comparison").permutation(len(ids))
        order = order[order != n]
        drawn.append(order[:count])
        alike = order[y[order] == y[n]]
        if len(alike):
            same[n] = alike[0]
    return drawn, same
