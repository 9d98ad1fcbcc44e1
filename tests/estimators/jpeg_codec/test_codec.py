"""The JPEG round trip gives Pillow's pixels and ART's floats, bit for bit."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from art.defences.preprocessor import JpegCompression as ArtJpegCompression
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from estimators import compiling
from estimators.defences.jpeg import JpegCompression
from estimators.jpeg_codec import blocks, chroma, colours, numba_kernel, vectors
from estimators.jpeg_codec import tables as jpeg_tables
from estimators.jpeg_codec.codec import round_trip

IMPLEMENTATIONS = ["numba", "torch"]
CONTENTS = ["noise", "smooth", "gradient", "constant", "saturated", "edges"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@contextmanager
def implementation(name: str) -> Iterator[None]:
    """Run one of the two implementations, whatever the device."""
    with pytest.MonkeyPatch.context() as patch:
        if name == "torch":
            patch.setattr(numba_kernel, "njit", None)
        else:
            assert numba_kernel.njit is not None, "numba is missing: the fast kernel is not tested"
        yield


def pillow(images: torch.Tensor, quality: int) -> torch.Tensor:
    """The reference: every image through an encoded file in memory."""
    coded = []
    for image in images.permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        pixels = image[:, :, 0] if image.shape[2] == 1 else image
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="JPEG", quality=quality)
        coded.append(np.asarray(Image.open(file)).reshape(image.shape))
    return torch.from_numpy(np.stack(coded)).permute(0, 3, 1, 2)


def make(content: str, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """One image, uint8 [1, C, H, W]."""
    random = np.random.default_rng(seed)
    shape = (channels, height, width)
    y, x = np.mgrid[:height, :width]
    colour = random.integers(0, 256, (channels, 1, 1))
    if content == "noise":
        image = random.integers(0, 256, shape)
    elif content == "smooth":
        waves = [np.sin(random.normal(0, 0.2, (channels, 1, 1)) * axis) for axis in (x, y, x + y)]
        image = 128 + 40 * sum(waves) + random.normal(0, 3, shape)
    elif content == "gradient":
        image = (colour + random.integers(-9, 10) * x + random.integers(-9, 10) * y) % 256
    elif content == "constant":
        image = np.broadcast_to(colour, shape)
    elif content == "saturated":
        image = 255 * random.integers(0, 2, shape)
    else:
        image = np.where(x * random.normal() + y * random.normal() > 1, colour, 255 - colour)
    return torch.from_numpy(np.clip(image, 0, 255).astype(np.uint8))[None]


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)], ids=["grey", "rgb"])
def test_every_quality(channels: int, size: int, name: str) -> None:
    images = torch.cat([make(content, channels, size, size) for content in CONTENTS])
    with implementation(name):
        wrong = [
            quality
            for quality in range(1, 101)
            if not torch.equal(round_trip(images, quality), pillow(images, quality))
        ]
    assert wrong == []


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    content=st.sampled_from(CONTENTS),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    quality=st.integers(1, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_image(
    name: str, content: str, channels: int, height: int, width: int, quality: int, seed: int
) -> None:
    image = make(content, channels, height, width, seed)
    with implementation(name):
        assert torch.equal(round_trip(image, quality), pillow(image, quality))


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("quality", [1, 40, 75, 100])
def test_small_and_odd_sizes(quality: int, name: str) -> None:
    """Up to a width of 4 libjpeg repeats chroma samples, above it interpolates.

    Vectors reach beyond the rows of a plane: into the next one, of another image.
    """
    sizes = [(h, w) for h in (1, 2, 3, 9, 17) for w in (1, 2, 3, 4, 5, 6, 15, 17)]
    with implementation(name):
        for height, width in [*sizes, (33, 47), (17, 5), (16, 16), (5, 33), (9, 98)]:
            for channels in (1, 3):
                image = torch.cat([make("noise", channels, height, width, n) for n in range(3)])
                expected = pillow(image, quality)
                assert torch.equal(round_trip(image, quality), expected), (height, width, channels)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_image(channels: int, name: str) -> None:
    image = torch.cat([make("smooth", channels, 224, 224), make("noise", channels, 224, 224)])
    with implementation(name):
        assert torch.equal(round_trip(image, 75), pillow(image, 75))


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_halves_round_away_from_zero(name: str) -> None:
    """Blocks of one level have quotients of exactly k + 1/2 at many qualities."""
    levels = torch.arange(256, dtype=torch.uint8).repeat_interleave(8).expand(1, 1, 8, -1)
    with implementation(name):
        for quality in range(1, 101):
            assert torch.equal(round_trip(levels, quality), pillow(levels, quality)), quality


def test_quantisation_is_exact_for_every_coefficient_and_step() -> None:
    """The expression of both implementations, against integer division, in float32."""
    v = np.arange(8200)
    for step in range(1, 256):
        inverse = np.float32((1 + jpeg_tables.NUDGE) / (8 * step))
        quotients = np.rint(v.astype(np.float32) * inverse).astype(int)
        assert np.array_equal(quotients, (v + 4 * step) // (8 * step)), step


def test_tables_are_pillows() -> None:
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, format="JPEG", quality=quality)
        written = Image.open(file).quantization
        for table, index in zip(jpeg_tables.quantisation(quality), (0, 1), strict=True):
            assert table.tolist() == list(written[index]), quality


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_chunks_do_not_show(channels: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.cat([make("noise", channels, 9, 21, seed) for seed in range(7)])
    with implementation(name):
        whole = round_trip(images, 30)
        monkeypatch.setattr(numba_kernel, "GROUP", 2 * images[0].numel())
        assert torch.equal(round_trip(images, 30), whole)


def test_round_trip_leaves_its_input_alone() -> None:
    images = make("noise", 3, 19, 23)
    before = images.clone()
    result = round_trip(images, 10)
    assert torch.equal(images, before)
    assert result.data_ptr() != images.data_ptr()
    strided = images.expand(3, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    assert torch.equal(round_trip(strided[::2], 10), result.expand(2, -1, -1, -1))
    assert round_trip(images[:0], 10).shape == (0, 3, 19, 23)


def floats(channels: int, size: int, dtype: Any = np.float32) -> np.ndarray:
    """Images in [0, 1] with both bounds, whole levels and values between them."""
    random = np.random.default_rng(channels)
    x = random.random((6, channels, size, size)).astype(dtype)
    x[1] = np.round(x[1] * 255) / 255
    x[2] = make("smooth", channels, size, size)[0].numpy() / 255
    x[3] = x[2] + random.choice([-0.03, 0.03], x[2].shape)
    x[4], x[5] = 0, 1
    return np.clip(x, 0, 1).astype(dtype)


# Pillow 11.3 deprecated the `mode` that ART passes; later versions took the warning back.
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 15)])
def test_equals_arts_class(channels: int, size: int, dtype: Any, name: str) -> None:
    x, y = floats(channels, size, dtype), np.arange(6)
    before = x.copy()
    for quality in (1, 10, 25, 50, 75, 90, 95, 100):
        art = ArtJpegCompression((0, 1), quality=quality, channels_first=True)
        with implementation(name):
            result, labels = JpegCompression((0, 1), quality=quality, channels_first=True)(x, y)
        assert result.dtype == np.float32
        assert np.array_equal(result, art(x, y)[0]), quality
        assert labels is y
    assert np.array_equal(x, before)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_forward_tensor_equals_call(channels: int, name: str) -> None:
    x = floats(channels, 21)
    defence = JpegCompression(quality=40)
    with implementation(name):
        expected = torch.from_numpy(defence(x)[0])
        tensor = torch.from_numpy(x).requires_grad_()
        result = defence.forward_tensor(tensor)
        assert torch.equal(result, expected)
        assert not result.requires_grad
        last = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
        assert torch.equal(defence.forward_tensor(last), expected)
        assert torch.equal(defence.forward_tensor(tensor[:0]), expected[:0])


def test_reduced_precision_elsewhere_does_not_reach_it() -> None:
    """A user's autocast or TF32 must not change the pixels of the matrix products."""
    images = torch.cat([make(content, 3, 32, 32) for content in CONTENTS])
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with implementation("torch"), torch.autocast("cpu", dtype=torch.bfloat16):
            result = round_trip(images, 60)
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(result, pillow(images, 60))


def test_takes_any_array_of_numpy() -> None:
    x = floats(3, 16)
    defence = JpegCompression(quality=np.int64(30))
    expected = defence(x)[0]
    frozen = x.copy()
    frozen.flags.writeable = False
    assert np.array_equal(defence(frozen)[0], expected)
    assert np.array_equal(defence(x[::-1])[0], expected[::-1])
    assert np.array_equal(defence(np.asfortranarray(x))[0], expected)


def test_is_a_preprocessor_of_art() -> None:
    defence = JpegCompression()
    assert isinstance(defence, ArtJpegCompression)
    assert (defence.quality, defence.apply_fit, defence.apply_predict) == (50, True, True)
    gradient = floats(1, 8)
    assert defence.estimate_gradient(gradient, gradient) is gradient
    defence.set_params(quality=20)
    twin = copy.deepcopy(defence)
    assert np.array_equal(twin(gradient)[0], JpegCompression(quality=20)(gradient)[0])


def test_threads_do_not_disturb_each_other() -> None:
    x = {c: torch.from_numpy(floats(c, 32)).repeat(20, 1, 1, 1) for c in (1, 3)}
    jobs = [(channels, quality) for quality in (5, 50, 95) for channels in (1, 3)] * 5

    def work(job: tuple[int, int]) -> torch.Tensor:
        return JpegCompression(quality=job[1]).forward_tensor(x[job[0]])

    expected = {job: work(job) for job in set(jobs)}
    with ThreadPoolExecutor(2) as pool:
        for job, result in zip(jobs, pool.map(work, jobs), strict=True):
            assert torch.equal(result, expected[job]), job


@pytest.mark.parametrize(
    ("images", "quality", "message"),
    [
        (torch.zeros(1, 3, 8, 8), 50, "uint8, not torch.float32"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), 50, r"C 1 or 3, not \[3, 8, 8\]"),
        (torch.zeros(1, 4, 8, 8, dtype=torch.uint8), 50, r"C 1 or 3, not \[1, 4, 8, 8\]"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), 50, "C 1 or 3"),
        (torch.zeros(1, 1, 0, 8, dtype=torch.uint8), 50, "height and width"),
        (torch.zeros(1, 1, 1, 65501, dtype=torch.uint8), 50, "1 to 65500"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0, "1 to 100, not 0"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 101, "1 to 100, not 101"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 50.0, r"integer, not 50\.0"),
    ],
)
def test_round_trip_refuses(images: torch.Tensor, quality: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        round_trip(images, quality)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.004, r"not in \[0, 1\.004\]"),
        (-0.001, r"not in \[-0.001"),
        (-1e-30, r"not in \[-1e-30"),
        (np.nan, "NaN"),
        (np.inf, "inf"),
    ],
)
def test_values_outside_the_range_are_refused(
    value: float, message: str, dtype: Any, channels: int, name: str
) -> None:
    x = np.zeros((2, channels, 8, 8), dtype)
    x[1, -1, 3, 4] = value
    with implementation(name), pytest.raises(ValueError, match=message):
        JpegCompression()(x)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bounds_of_the_range(dtype: Any, channels: int, name: str) -> None:
    x = np.ones((2, channels, 8, 8), dtype)
    with implementation(name):
        expected = JpegCompression()(0 * x)[0]
        assert np.array_equal(JpegCompression()(-0.0 * x)[0], expected)
        x[0, -1, 7, 7] = np.nextafter(dtype(1), dtype(2))
        with pytest.raises(ValueError, match=r"not in \[1, 1\]"):
            JpegCompression()(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 1, 8, 8), np.uint8), "float32 or float64, not torch.uint8"),
        (np.zeros((1, 8, 8, 3), np.float32), "C 1 or 3"),
        (np.zeros((1, 2, 8, 8), np.float32), "C 1 or 3"),
        (np.zeros((1, 3, 2, 8, 8), np.float32), "C 1 or 3"),
    ],
)
def test_other_arrays_are_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JpegCompression()(x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 0}, "1 to 100"),
        ({"quality": 50.5}, "integer"),
        ({"channels_first": False}, "channels_first=True"),
        ({"clip_values": (0, 255)}, "clip_values"),
        ({"clip_values": (-1, 1)}, "min value must be 0"),
    ],
)
def test_other_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JpegCompression(**options)


def test_without_numba_torch_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiling.load_njit() is None


def test_switched_off_numba_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert compiling.load_njit() is None


def test_without_a_place_for_the_cache_it_compiles_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(**options: bool) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiling, "njit", njit)
    assert compiling.compiled(pillow) is pillow


def test_nothing_compiled_is_kept_in_the_package(tmp_path: Path) -> None:
    """What pip does not know it leaves behind, where it hides the package of a later install."""
    package = Path(numba_kernel.__file__).parent
    before = set(package.rglob("*.nb[ic]"))
    program = (
        "import torch; from estimators.jpeg_codec.codec import round_trip;"
        "round_trip(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 50);"
        "import numba; assert not numba.config.CACHE_DIR"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    env.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", program], check=True, env=env, cwd=package.parents[1])
    assert set(package.rglob("*.nb[ic]")) == before
    assert list(tmp_path.rglob("*.nbi"))


def test_kernels_are_compiled_again_when_their_vectors_change() -> None:
    digest = hashlib.sha256(Path(vectors.__file__).read_bytes()).hexdigest()
    for kernel in (chroma, colours):
        assert digest.startswith(kernel.VECTORS), f'set "{digest[:8]}" in {kernel.__file__}'


def test_every_level_is_divided_as_float32_is() -> None:
    if numba_kernel.njit is None:
        pytest.skip("numba is not installed")
    levels = np.arange(256, dtype=np.uint8)
    expected = levels.astype(np.float32) / np.float32(255)
    grey, rgb = np.empty(256, np.float32), np.empty((256, 3, 1), np.float32)
    parts = colours.LARGE, colours.SMALL
    colours.from_levels(levels, *parts, grey)
    np.testing.assert_array_equal(grey, expected)
    no_colour = np.full((1, 2, 256), 128, np.uint8)
    # as vectors, and the remainders of loops
    for image in (rgb.reshape(1, 3, 256), rgb):
        one = len(image) == 1
        chroma = no_colour if one else no_colour.reshape(256, 2, 1)
        colours.to_rgb(levels.reshape(len(image), -1), chroma, *parts, image)
        for plane in range(3):
            np.testing.assert_array_equal(image[:, plane].reshape(-1), expected)


def test_the_butterflies_are_the_matrix() -> None:
    forward, inverse = (getattr(f, "py_func", f) for f in (blocks._forward, blocks._inverse))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_rotated", "_shifted"):
            part = getattr(blocks, name)
            patch.setattr(blocks, name, getattr(part, "py_func", part))
        for k, one in enumerate(np.eye(8, dtype=np.int32)):
            np.testing.assert_array_equal(forward(one, 0, 0), np.array(jpeg_tables.MATRIX)[:, k])
            np.testing.assert_array_equal(inverse(one, 0, 0), np.array(jpeg_tables.MATRIX)[k])
