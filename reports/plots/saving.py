"""Save figures under their names: one as PNG, several as an animated GIF."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from reports.results.atomic import PREFIX, replace_by, replace_bytes
from reports.style.axes import wrap_heading
from reports.style.file_names import FileName, file_name
from reports.style.style import DPI, styled

# of what a folder of figures holds
SUFFIXES = (".png", ".gif", ".svg")
FRAME = 350  # milliseconds
# key and value in a PNG without pixels of a data set: a page may show it on a dark ground
CONTENT, LINES = "Content", "lines and text"
# names of files without their suffix, each with its figure or with the frames of an animation
# figures that are drawn only if they are wanted
Drawings = Iterator[tuple[FileName, Callable[[], Figure]]]
Figures = Iterator[tuple[str, Figure | Iterator[Figure]]]


def save_all(figures: Figures, folder: Path) -> list[Path]:
    """Draw figures in the style of the project, write them into a folder, return their paths."""
    written = []
    with styled(), warnings.catch_warnings():
        # a label may hold letters that no installed font has
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        for name, figure in figures:
            # a name may hold that of a data set or network: `npz:PATH`, `torchvision:NAME`
            safe = file_name(name)
            path = folder / (f"{safe}.png" if isinstance(figure, Figure) else f"{safe}.gif")
            if isinstance(figure, Figure):
                wrap_heading(figure)
                replace_by(
                    path, partial(figure.savefig, format="png", dpi=DPI, metadata=_content(figure))
                )
            else:
                replace_bytes(path, _animation(figure))
            written.append(path)
    return written


def _content(figure: Figure) -> dict[str, str]:
    """Return the metadata of a PNG: what it holds, if that is lines and text alone."""
    return {} if any(axes.images for axes in figure.axes) else {CONTENT: LINES}


def is_foreign(name: str) -> bool:
    """Whether a file of a folder of figures is none, nor a temporary file of this project."""
    return not name.endswith(SUFFIXES) and not name.startswith(PREFIX)


def remove_others(folder: Path, kept: Iterable[Path]) -> None:
    """Remove figures from a folder that are not among those kept: an earlier run drew them."""
    names = {path.name for path in kept}
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.suffix in SUFFIXES and path.name not in names:
            path.unlink()


def saved(figures: Callable[[Path], Figures]) -> Callable[[Path], list[Path]]:
    """Return the `draw` of a study from the generator of its figures."""

    @wraps(figures)
    def draw(folder: Path) -> list[Path]:
        return save_all(figures(folder), folder)

    return draw


def _animation(figures: Iterator[Figure]) -> bytes:
    """Return figures of one size as an endless GIF, in 32 colours to keep it small."""
    frames = []
    for figure in figures:
        drawn = BytesIO()
        figure.savefig(drawn, format="png")
        with Image.open(drawn) as image:
            frames.append(image.convert("RGB").quantize(32, dither=Image.Dither.NONE))
    content = BytesIO()
    options = {"append_images": frames[1:], "duration": FRAME, "loop": 0}
    frames[0].save(content, format="GIF", save_all=True, **options)
    return content.getvalue()
