"""The published constants of every kind, severity and size, as numbers alone.

Sources: 224 is ImageNet-C as the library imagecorruptions 1.1.2 has it (motion blur, snow and the
elastic transform differ there from the authors' code), 64 is Tiny ImageNet-C and 32 is CIFAR-10-C,
both from github.com/hendrycks/robustness (make_tinyimagenet_c.py, make_cifar_c.py).
"""

from __future__ import annotations

Strength = tuple[float, ...]
SEVERITIES = (1, 2, 3, 4, 5)
# shorter side in pixels below which the constants of a size are used
SMALLER_THAN = {32: 48, 64: 144}
LARGEST = 224


def _each(*values: float) -> tuple[Strength, ...]:
    return tuple((value,) for value in values)


# by kind and size: one tuple of constants per severity; the functions say what they mean
STRENGTHS: dict[str, dict[int, tuple[Strength, ...]]] = {
    # standard deviation
    "gaussian_noise": {
        32: _each(0.04, 0.06, 0.08, 0.09, 0.10),
        64: _each(0.04, 0.08, 0.12, 0.15, 0.18),
        224: _each(0.08, 0.12, 0.18, 0.26, 0.38),
    },
    # photons of a white pixel
    "shot_noise": {
        32: _each(500, 250, 100, 75, 50),
        64: _each(250, 100, 50, 30, 15),
        224: _each(60, 25, 12, 5, 3),
    },
    # share of values
    "impulse_noise": {
        32: _each(0.01, 0.02, 0.03, 0.05, 0.07),
        64: _each(0.01, 0.02, 0.05, 0.08, 0.14),
        224: _each(0.03, 0.06, 0.09, 0.17, 0.27),
    },
    # standard deviation relative to the pixel
    "speckle_noise": {
        32: _each(0.06, 0.1, 0.12, 0.16, 0.2),
        64: _each(0.15, 0.2, 0.25, 0.3, 0.35),
        224: _each(0.15, 0.2, 0.35, 0.45, 0.6),
    },
    # sigma
    "gaussian_blur": {
        32: _each(0.4, 0.6, 0.7, 0.8, 1),
        64: _each(0.5, 0.75, 1, 1.25, 1.5),
        224: _each(1, 2, 3, 4, 6),
    },
    # sigma, largest shift, rounds
    "glass_blur": {
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    },
    # radius of the disk, sigma that smooths it
    "defocus_blur": {
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    },
    # radius, sigma
    "motion_blur": {
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    },
    # end and step of the zoom factors, from 1
    "zoom_blur": {
        32: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        64: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        224: ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    },
    # mean, deviation, zoom, threshold, blur radius, blur sigma, weight of the image
    "snow": {
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        224: (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    },
    # weights of image and frost, scale of the photograph of frost
    "frost": {
        32: ((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
        64: ((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
        224: ((1, 0.4, 1.1), (0.8, 0.6, 1.1), (0.7, 0.7, 1.1), (0.65, 0.7, 1.1), (0.6, 0.75, 1.1)),
    },
    # amount, decay of the fractal
    "fog": {
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    },
    # mean, deviation, sigma, threshold, strength or sigma of the mask, 0 for water and 1 for mud
    "spatter": {
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        224: (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
    },
    # added to the value
    "brightness": {
        32: _each(0.05, 0.1, 0.15, 0.2, 0.3),
        64: _each(0.1, 0.2, 0.3, 0.4, 0.5),
        224: _each(0.1, 0.2, 0.3, 0.4, 0.5),
    },
    # factor on the distance from the mean
    "contrast": {
        32: _each(0.75, 0.5, 0.4, 0.3, 0.15),
        64: _each(0.4, 0.3, 0.2, 0.1, 0.05),
        224: _each(0.4, 0.3, 0.2, 0.1, 0.05),
    },
    # factor and summand of the saturation
    "saturate": {
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    },
    # shares of the image's side: size of the displacement, its sigma, corners of the affine map
    "elastic_transform": {
        32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05),
             (0.1, 0.03, 0.03)),
        64: ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03),
             (0.16, 0.03, 0.02)),
        224: ((0.0625, 0.01, 0), (0.08125, 0.01, 0), (0.10625, 0.01, 0), (0.125, 0.01, 0),
              (0.15, 0.01, 0)),
    },
    # side of the small image
    "pixelate": {
        32: _each(0.95, 0.9, 0.85, 0.75, 0.65),
        64: _each(0.9, 0.8, 0.7, 0.6, 0.5),
        224: _each(0.6, 0.5, 0.4, 0.3, 0.25),
    },
    # quality
    "jpeg_compression": {
        32: _each(80, 65, 58, 50, 40),
        64: _each(65, 58, 50, 40, 25),
        224: _each(25, 18, 15, 10, 7),
    },
}  # fmt: skip


def published_size(height: int, width: int) -> int:
    """Return the size, 32, 64 or 224, whose constants are used for images of some size.

    Lengths in pixels are used as they are published; shares of the side follow the image.
    """
    side = min(height, width)
    return next((size for size, end in SMALLER_THAN.items() if side < end), LARGEST)


def strength(kind: str, severity: int, size: int) -> Strength:
    """Return the constants of a kind at a severity from 1 to 5, for size 32, 64 or 224."""
    return STRENGTHS[kind][size][severity - 1]
