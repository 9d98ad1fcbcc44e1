"""Photos of every kind as grey levels, and their size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps
from torchvision import transforms

from estimators.data.geometry import Geometry
from estimators.data.photo import Header, read_header, read_photo, size_after

PLAIN = Geometry()
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def grey_of(path: Path) -> np.ndarray:
    return read_photo(path, 1, PLAIN)[0]


def colour_of(path: Path) -> np.ndarray:
    return read_photo(path, 3, PLAIN).transpose(1, 2, 0)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_grey_keeps_its_upper_8_bits(tmp_path: Path, ending: str) -> None:
    wide = GREY.astype(np.uint16) * 257
    path = tmp_path / f"a.{ending}"
    Image.fromarray(wide).save(path)
    header = read_header(path)
    assert header is not None and header.grey
    assert np.array_equal(grey_of(path), GREY)
    assert np.array_equal(colour_of(path), np.stack([GREY] * 3, axis=-1))


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_16_bit_of_either_byte_order(tmp_path: Path, mode: str) -> None:
    from estimators.data.photo import in_mode

    wide = (GREY.astype(np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2")
    image = Image.frombytes(mode, (9, 6), wide.tobytes())
    assert np.array_equal(np.asarray(in_mode(image, "L")), GREY)


def test_32_bit_integers_are_taken_as_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(GREY.astype(np.int32) * 257).save(path)
    assert np.array_equal(grey_of(path), GREY)
    Image.fromarray(GREY.astype(np.int32) * 70000).save(path)
    with pytest.raises(ValueError, match="expected 16 bits"):
        grey_of(path)


@pytest.mark.parametrize("kind", [np.int32, np.uint16])
def test_8_bit_levels_in_more_bits_are_not_read_as_black(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(GREY.astype(kind)).save(path)
    with pytest.raises(ValueError, match=f"is {GREY.max()}, expected levels up to 65535: save"):
        grey_of(path)
    Image.fromarray(np.zeros_like(GREY, kind)).save(path)
    assert not grey_of(path).any()


def test_floats_lie_in_0_to_1(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.fromarray(GREY.astype(np.float32) / 255).save(path)
    assert np.array_equal(grey_of(path), GREY)
    for bad in (GREY.astype(np.float32), np.full((6, 9), np.nan, np.float32)):
        Image.fromarray(bad).save(path)
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            grey_of(path)


def test_1_bit_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY > 127).save(tmp_path / "a.png")
    assert np.array_equal(grey_of(tmp_path / "a.png"), np.where(GREY > 127, 255, 0))


def test_palettes_become_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB"))
    assert np.array_equal(colour_of(tmp_path / "a.png"), expected)
    # one transparent colour, and an opacity per colour
    for transparency in (3, bytes(range(16))):
        picture.save(tmp_path / "b.png", transparency=transparency)
        assert np.array_equal(colour_of(tmp_path / "b.png"), expected)
    picture.save(tmp_path / "c.gif")
    header = read_header(tmp_path / "c.gif")
    assert header is not None and not header.grey
    assert np.array_equal(colour_of(tmp_path / "c.gif"), expected)


def test_transparency_is_dropped_as_torchvision_does(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, ALPHA])).save(tmp_path / "a.png")
    assert np.array_equal(colour_of(tmp_path / "a.png"), COLOUR)
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(tmp_path / "b.png")
    assert np.array_equal(grey_of(tmp_path / "b.png"), GREY)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), COLOUR)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces_as_pillow_converts_them(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(COLOUR).convert(mode)
    picture.save(tmp_path / "a.tif")
    expected = np.asarray(picture.convert("RGB"))
    try:
        with Image.open(tmp_path / "a.tif") as image:
            image.load()
    except OSError as error:
        # Pillow 12 writes YCbCr without its subsampling
        pytest.skip(f"Pillow cannot read the TIFF that it wrote ({error})")
    assert np.array_equal(colour_of(tmp_path / "a.tif"), expected)
    assert np.abs(expected.astype(int) - COLOUR).max() <= 4


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    soft = np.full((6, 9, 3), (120, 90, 70), np.uint8)
    picture = ImageCms.applyTransform(Image.fromarray(soft), to_lab)
    assert picture is not None
    picture.save(tmp_path / "a.tif")
    assert np.abs(colour_of(tmp_path / "a.tif").astype(int) - soft).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_photos_are_turned_as_exif_says(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(COLOUR).save(path, exif=exif, **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    read = colour_of(path)
    assert np.array_equal(read, expected)
    if orientation == 6:
        assert np.array_equal(read, np.rot90(COLOUR, -1))
    header = read_header(path)
    assert header is not None
    assert (header.height, header.width) == read.shape[:2]


@pytest.mark.parametrize("ending", ["gif", "webp", "tif", "png"])
def test_the_first_frame_of_several(tmp_path: Path, ending: str) -> None:
    first, *others = (Image.new("RGB", (8, 8), (60 * n + 10, 20, 30)) for n in range(3))
    options = {"lossless": True} if ending == "webp" else {}
    path = tmp_path / f"a.{ending}"
    first.save(path, save_all=True, append_images=others, **options)
    assert np.abs(colour_of(path).astype(int) - (10, 20, 30)).max() <= 1


def test_a_grey_photo_among_colour_ones_gets_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=100)
    three = read_photo(tmp_path / "a.jpg", 3, PLAIN)
    assert np.array_equal(three[0], three[1]) and np.array_equal(three[0], three[2])
    assert np.array_equal(three[0], grey_of(tmp_path / "a.jpg"))


SIZES = [(40, 60), (61, 37), (64, 64), (33, 200), (1, 50)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "crop"), [(32, 28), (33, 28), (57, 41), (32, None), (100, 1)])
def test_sizes_are_those_of_torchvision(
    tmp_path: Path, size: tuple[int, int], interpolation: str, resize: int, crop: int | None
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = read_photo(tmp_path / "a.png", 3, Geometry(resize, crop, interpolation))  # type: ignore[arg-type]
    mode = transforms.InterpolationMode(interpolation)
    steps: list[torch.nn.Module] = [transforms.Resize(resize, mode)]
    steps += [] if crop is None else [transforms.CenterCrop(crop)]
    expected = np.asarray(transforms.Compose(steps)(Image.fromarray(pixels)))
    assert np.array_equal(read.transpose(1, 2, 0), expected)
    header = read_header(tmp_path / "a.png")
    assert header is not None
    assert size_after(header, Geometry(resize, crop)) == expected.shape[:2]


def test_a_photo_in_another_format_than_its_ending_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n")
    assert read_header(tmp_path / "a.png") is None
    with pytest.raises(OSError, match="cannot identify"):
        read_photo(tmp_path / "a.png", 3, PLAIN)


def test_a_photo_smaller_than_the_crop_is_not_padded(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="9 x 6 pixels, smaller than the crop"):
        read_photo(tmp_path / "a.png", 3, Geometry(None, 8))


def test_a_photo_of_too_many_pixels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (120, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 11_999)
    with pytest.raises((ValueError, Warning), match=r"12000|120 x 100"):
        read_photo(tmp_path / "a.png", 3, PLAIN)


def test_a_photo_grows_to_no_more_pixels_than_one_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of one pixel's height would become a strip of its height squared."""
    Image.new("RGB", (4000, 1)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(ValueError, match="896000 x 224 pixels, expected at most 100,000"):
        read_photo(tmp_path / "a.png", 3, Geometry(224, 224))


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "ppm", "tif", "jpg", "webp"])
def test_a_header_that_declares_a_giant_is_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Else the network would be tried with images of that size."""
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (120, 100)).save(path)
    assert read_header(path) == Header(False, 120, 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 11_999)
    assert read_header(path) is None


def test_a_png_of_a_small_file_and_a_giant_size(tmp_path: Path) -> None:
    """A real bomb of 30,000 x 30,000 pixels; nothing of it is decoded."""
    Image.new("1", (30_000, 30_000)).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size < 1_000_000
    tracemalloc.start()
    assert read_header(tmp_path / "a.png") is None
    with pytest.raises((ValueError, Image.DecompressionBombError)):
        read_photo(tmp_path / "a.png", 1, Geometry(8, 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_jpeg_of_several_pictures_gives_the_first(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), (9, 9, 9)), Image.new("RGB", (8, 8), (90, 90, 90))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert np.abs(colour_of(tmp_path / "a.jpg").astype(int) - 9).max() <= 1
