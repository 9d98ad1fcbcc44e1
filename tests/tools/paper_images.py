"""Copy the figures that docs/paper.md shows from a run of `bench paper`.

Run as `python tests/tools/paper_images.py RUN`; `--photos` for a run of `bench paper --photos`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

# name in docs/images/paper: file of the run
FIGURES = {
    "accuracy-cifar10.png": "plots/accuracy-cifar10-fgsm.png",
    "accuracy-mnist.png": "plots/accuracy-mnist-fgsm.png",
    "clean-accuracy.png": "plots/clean-accuracy-quality.png",
    "threats.png": "plots/threats-fgsm.png",
    **{
        name: f"studies/{source}"
        for name, source in {
            "classes.png": "data/classes-mnist.png",
            "data-sheet.png": "data/sheet-cifar10-test-random.png",
            "first-error-mnist.png": "first-error/panels-mnist-lenet.png",
            "first-error-survival.png": "first-error/survival.png",
            "first-error.png": "first-error/panels-cifar10-lenet.png",
            "fourier-attacked-cifar10.png": "fourier/attacked-cifar10-lenet.png",
            "fourier-attacked-mnist.png": "fourier/attacked-mnist-lenet.png",
            "fourier-noises.png": "fourier/noises-mnist-lenet.png",
            "fourier-shares.png": "fourier/shares.png",
            "jpeg-qualities.png": "jpeg/qualities-cifar10.png",
            "jpeg-rescued.png": "jpeg/rescued.png",
            "jpeg-story.png": "jpeg/story-mnist-lenet.png",
            "low-pass-mnist.png": "low-pass/accuracy-mnist-lenet.png",
            "low-pass.png": "low-pass/accuracy-cifar10-lenet.png",
            "noise-panels.png": "noise/noise-mnist-lenet.png",
            "overfitting-gap.png": "overfitting/gap-mnist-lenet.png",
            "overfitting.png": "overfitting/accuracy-mnist-lenet.png",
            "overparameterization.png": "overparameterization/accuracy-mnist-lenet.png",
            "saliency-attacks.png": "saliency/attacks-mnist-lenet.png",
            "saliency-images.png": "saliency/images-cifar10-cnn.png",
            "saliency-noise.png": "saliency/noise-on-salient.png",
            "targeted-pairs.png": "targeted/pairs-mnist-lenet.png",
            "targeted-sheet.png": "targeted/sheet-mnist-lenet.png",
            "training-cnn.png": "training/curves-cifar10-cnn.png",
            "training-lenet.png": "training/curves-mnist-lenet.png",
            "training-resnet.png": "training/curves-mnist-resnet.png",
            "transfer-cifar10.png": "transfer-function/curves-cifar10.png",
            "transfer-destroyed.png": "transfer-function/destroyed.png",
            "transfer-heat.png": "transfer-function/jpeg-mnist.png",
            "transfer-jpeg.gif": "transfer-function/jpeg-mnist.gif",
            "transfer.png": "transfer-function/curves-mnist.png",
        }.items()
    },
}
# name in docs/images/photos: file of the run
PHOTOS = {
    "accuracy.png": "plots/accuracy-photos-fgsm.png",
    "accuracy-pgd.png": "plots/accuracy-photos-pgd.png",
    "threats.png": "plots/threats-fgsm.png",
    **{
        name: f"studies/photos/{source}"
        for name, source in {
            "cutoffs.png": "cutoffs.png",
            "gains.png": "gains.png",
            "gratings.png": "gratings.png",
            "radial.png": "fourier/radial.png",
            "saliency.png": "saliency/images-photos-efficientnet_lite0.png",
            "smallest.png": "smallest.png",
            "transfer.png": "transfer-function/curves-photos.png",
        }.items()
    },
}


def copy_figures(run: Path, folder: Path, figures: Mapping[str, str] = FIGURES) -> list[str]:
    """Copy the figures that the run has; return the files that it lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for name, source in figures.items():
        if (run / source).is_file():
            shutil.copyfile(run / source, folder / name)
        else:
            missing.append(source)
    return missing


def main() -> None:
    """Copy the figures of a run into docs/images/paper."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run directory of `bench paper`")
    parser.add_argument("--photos", action="store_true", help="a run of `bench paper --photos`")
    images = Path(__file__).parents[2] / "docs" / "images"
    options = parser.parse_args()
    name, figures = ("photos", PHOTOS) if options.photos else ("paper", FIGURES)
    for missing in copy_figures(options.run, images / name, figures):
        print(f"not in the run, left unchanged: {missing}")


if __name__ == "__main__":
    main()
