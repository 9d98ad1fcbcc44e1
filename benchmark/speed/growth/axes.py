"""What `bench speed --only growth` varies, by name; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from estimators.entries import Entry, table
from estimators.errors import unknown

GROWTH = "growth"
ROOM = "benchmark.speed.growth.points"


@dataclass(frozen=True, kw_only=True)
class Axis(Entry):
    """One size that grows. `build` names a function of a size that returns seconds.

    sizes: the sizes that are measured, in rising order. unit: what a size counts.
    goal: the most seconds and MB at the largest size; None without a goal.
    """

    sizes: tuple[int, ...]
    unit: str
    goal: tuple[float, float] | None = None


AXES: dict[str, Axis] = table(
    Axis(name="growth images", build=f"{ROOM}:images", sizes=(1_000, 5_000, 10_000, 50_000),
         unit="images", summary="FGSM at two eps, LeNet, images of 28x28"),
    Axis(name="growth classes", build=f"{ROOM}:classes", sizes=(10, 100, 1_000),
         unit="classes", summary="FGSM at two eps, LeNet, 1,000 images of more classes"),
    Axis(name="growth cells", build=f"{ROOM}:cells", sizes=(100, 1_000, 10_000, 100_000),
         unit="cells", summary="planning, export and audit of finished cells of 100 images",
         goal=(60.0, 2_000.0)),
    Axis(name="growth pixels", build=f"{ROOM}:pixels", sizes=(28, 56, 112, 224, 512),
         unit="pixels per side", summary="FGSM at two eps, LeNet, 100 images of more pixels"),
)  # fmt: skip


def axes(only: str) -> list[Axis]:
    """Return the axes whose names contain a text; empty for one that does not begin as GROWTH.

    Raises InputError for a text such as `growth weight`, which names none.
    """
    text = only.strip().lower()
    if not text.startswith(GROWTH):
        return []
    found = [axis for name, axis in AXES.items() if text in name]
    if not found:
        raise unknown("line of --only", only, AXES)
    return found
