"""The lines that `bench speed` can measure, by the name that `--only` takes; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.speed.growth.axes import GROWTH
from estimators.entries import Entry, table
from estimators.errors import unknown
from estimators.spec import Value

# measured on its own, in processes of its own
MEMORY = "memory"
ROOM = "benchmark.speed.measure"


@dataclass(frozen=True, kw_only=True)
class Line(Entry):
    """One line, or several of one kind. `build` names a function of `measure.Subjects`.

    arguments: what the function takes besides. goal: how many times faster the project wants to be.
    asked: whether it is measured only where `--only` asks for it, since it takes minutes.
    """

    arguments: tuple[Value, ...] = ()
    goal: float | None = None
    asked: bool = False


LINES: dict[str, Line] = table(
    Line(name="grid lenet oblivious", build=f"{ROOM}:mnist_grid",
         summary="a grid on MNIST, LeNet", arguments=("lenet", 1000, "oblivious"), goal=15),
    Line(name="grid lenet adaptive", build=f"{ROOM}:mnist_grid",
         summary="the same through the defence", arguments=("lenet", 1000, "adaptive"), goal=25),
    Line(name="grid resnet oblivious", build=f"{ROOM}:mnist_grid",
         summary="a grid on MNIST, ResNet", arguments=("resnet", 250, "oblivious"), goal=6),
    Line(name="jpeg grey", build=f"{ROOM}:jpeg_grey", summary="JPEG of grey images", goal=80),
    Line(name="jpeg rgb", build=f"{ROOM}:jpeg_colour", summary="JPEG of colour images", goal=40),
    Line(name="photos oblivious", build=f"{ROOM}:photo_grid",
         summary="a grid on photos, EfficientNet-Lite0", arguments=("oblivious",), goal=3),
    Line(name="photos adaptive", build=f"{ROOM}:photo_grid",
         summary="the same through the defence", arguments=("adaptive",), goal=3),
    Line(name="pgd", build=f"{ROOM}:pgd", summary="PGD against other libraries", goal=2),
    Line(name="cw", build=f"{ROOM}:carlini", summary="C&W against the same", goal=10),
    Line(name="autoattack", build=f"{ROOM}:autoattack",
         summary="AutoAttack against its authors' code", goal=2),
    Line(name="startup", build=f"{ROOM}:startup",
         summary="start of commands, beside the import of torch"),
    Line(name="paper quick", build=f"{ROOM}:paper_quick",
         summary="`bench paper --quick`; minutes, so with --only paper alone", goal=1, asked=True),
)  # fmt: skip


def chosen(only: str) -> list[Line]:
    """Return the lines whose names contain a text; capital letters count as small ones.

    An empty text stands for all lines but those that must be asked for.

    Raises InputError where there is none.
    """
    part = only.strip().lower()
    found = [line for name, line in LINES.items() if part in name and (part or not line.asked)]
    if not found:
        raise unknown("line of --only", only, [*LINES, MEMORY, GROWTH])
    return found
