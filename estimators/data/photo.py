"""One photo: from a file to grey levels, upright, in 8 bits, in the size that is asked for.

Grey levels are those of Pillow's `convert`, with these choices:

- a photo is turned as its EXIF orientation says (`ImageOps.exif_transpose`);
- transparency is dropped and the colour behind it kept, as torchvision's `ImageFolder` does;
- of 16 bits the upper 8 are kept, as Pillow does for 16-bit colour (its `convert` would clip 16-bit
  grey at 255, which reads nearly every pixel as white); 8-bit levels in 16 or 32 bits are no image,
  since they would be read as black;
- floats are taken as [0, 1], as everywhere in this project; others are no image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from estimators.data.geometry import Geometry

# others are not opened: a file called a.png may be PostScript, for which Pillow starts a program
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM")
GREY_MODES = ("1", "L", "LA", "La", "I", "F")
ORIENTATION = 0x0112
IMAGE_WIDTH, IMAGE_LENGTH = 256, 257
SWAPS_SIDES = (5, 6, 7, 8)
MODES = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class Header:
    """What the header of an image file says, without its pixels.

    grey: one channel. width, height: in pixels, upright.
    """

    grey: bool
    width: int
    height: int


def read_header(path: Path | str) -> Header | None:
    """Return what the header of a file says; None for a file that is no image, or too large."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            check_pixels(*image.size)
            width, height = image.size
            if _orientation(image) in SWAPS_SIDES and not _size_is_upright(image):
                width, height = height, width
            return Header(is_grey(image.mode), width, height)
    except Exception:
        # Pillow's decoders raise OSError, SyntaxError, DecompressionBombError and others
        return None


def read_photo(path: Path | str, channels: int, geometry: Geometry) -> npt.NDArray[np.uint8]:
    """Return the first frame of an image file as uint8 [C, H, W].

    channels: 1 for grey, 3 for colour; a grey photo becomes colour.

    Raises ValueError for pixels that are no grey levels, for a photo smaller than the crop and for
    colour where grey is expected. Pillow raises others for a file that is damaged or no image.
    """
    with Image.open(path, formats=FORMATS) as image:
        check_pixels(*image.size)
        if channels == 1 and not is_grey(image.mode):
            raise ValueError("in colour, expected grey as the photos before it")
        image.seek(0)
        photo = in_mode(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
    pixels = np.asarray(sized(photo, geometry))
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def check_pixels(width: int, height: int) -> None:
    """Raise ValueError for more pixels than Pillow warns of: a small file may declare any size."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise ValueError(f"{width} x {height} pixels, expected at most {limit:,}")


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return an image in mode L or RGB; see the top of this file for what that means."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.int32)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError(f"pixels from {levels.min()} to {levels.max()}, expected 16 bits")
        if 0 < levels.max() <= 255:
            text = "expected levels up to 65535: save 8-bit levels in 8 bits"
            raise ValueError(
                f"the largest level of its {image.mode} pixels is {levels.max()}, {text}"
            )
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    elif image.mode == "F":
        levels = np.asarray(image)
        # written so that NaN fails
        if not (levels.min() >= 0 and levels.max() <= 1):
            text = "expected [0, 1]: divide float pixels by their largest possible value"
            raise ValueError(f"pixels from {levels.min():g} to {levels.max():g}, {text}")
        image = Image.fromarray(np.round(levels * 255).astype(np.uint8))
    elif image.mode in ("La", "RGBa"):
        # premultiplied: the colour behind the transparency comes back first
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    elif image.mode in ("P", "PA"):
        # in this order Pillow has nothing to warn of where the palette is transparent
        image = image.convert("RGBA").convert("RGB")
    elif image.mode == "LAB":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def sized(photo: Image.Image, geometry: Geometry) -> Image.Image:
    """Return a photo resized and cropped, with the pixels that torchvision gives Pillow's images.

    They equal `transforms.Resize` (antialiased) and, without `floor`, `transforms.CenterCrop`.
    torchvision is not used, since its import takes a second and 170 MB.
    """
    height, width = _resized(photo.height, photo.width, geometry)
    check_pixels(width, height)
    if (width, height) != photo.size:
        photo = photo.resize((width, height), MODES[geometry.interpolation])
    if geometry.crop is not None:
        if min(photo.size) < geometry.crop:
            side = geometry.crop
            text = f"smaller than the crop of {side} x {side}; give resize={side} or more too"
            raise ValueError(f"{photo.width} x {photo.height} pixels, {text}")
        over = (side - geometry.crop for side in photo.size)
        left, top = (n // 2 if geometry.floor else round(n / 2) for n in over)
        photo = photo.crop((left, top, left + geometry.crop, top + geometry.crop))
    return photo


def size_after(header: Header, geometry: Geometry) -> tuple[int, int]:
    """Return the height and width that a photo gets."""
    height, width = header.height, header.width
    if geometry.crop is not None:
        return geometry.crop, geometry.crop
    return _resized(height, width, geometry)


def _resized(height: int, width: int, geometry: Geometry) -> tuple[int, int]:
    """Return the height and width of a photo before it is cropped."""
    if geometry.resize is None:
        return height, width
    if geometry.squash:
        return geometry.resize, geometry.resize
    short, long = sorted((height, width))
    longer = int(geometry.resize * long / short)
    return (geometry.resize, longer) if height <= width else (longer, geometry.resize)


def is_grey(mode: str) -> bool:
    """Return whether an image of a mode has one channel."""
    return mode in GREY_MODES or mode.startswith("I;16")


def _size_is_upright(image: Image.Image) -> bool:
    """Return whether the size is that of the turned image, as newer Pillow has it for TIFF."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return image.size == (tags.get(IMAGE_LENGTH), tags.get(IMAGE_WIDTH))


def _orientation(image: Image.Image) -> int:
    # Pillow decodes a whole PNG in search of the tag
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    orientation = image.getexif().get(ORIENTATION, 1)
    return orientation if isinstance(orientation, int) else 1
