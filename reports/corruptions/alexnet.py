"""AlexNet's errors on ImageNet-C, by which the paper divides: the fifteen kinds of its mean."""

from __future__ import annotations

NAME = "alexnet"
# Hendrycks and Dietterich 2019, Table 1, with the digits of github.com/google-research/augmix,
# imagenet.py: top-1 errors, the mean over the five severities
ALEXNET = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
