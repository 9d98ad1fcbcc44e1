"""The networks with known answers, as `anchors.yaml` lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from estimators.bounded import bounded_text
from estimators.errors import InputError, unknown
from estimators.yaml_values import read_yaml

SHIPPED = Path(__file__).with_name("anchors.yaml")
# the module that has every factory that an anchor may name
FACTORIES = "benchmark.anchors.networks"
NETWORKS = ("cnn_a", "lenet5", "smallcnn")
# what is measured, and its unit
MEASURES = {"accuracy": " %", "l2_median": "", "linf_median": ""}
Measure = Literal["accuracy", "l2_median", "linf_median"]


@dataclass(frozen=True)
class File:
    """A file that somebody published.

    file: its name in the folder of weights. sha256: of its bytes.
    source: address of the repository. commit: 40 hex digits. path: in the repository.
    licence: its SPDX name.
    """

    file: str
    sha256: str
    source: str
    commit: str
    path: str
    licence: str

    @property
    def address(self) -> str:
        """Return where the file can be had."""
        return f"{self.source}/blob/{self.commit}/{self.path}"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One known answer.

    measure: `accuracy` in percent of all images, `l2_median` or `linf_median` of the smallest
        perturbations of images that are right. attack: as on the command line; empty for clean.
    of: images that the answer is about. samples: how many of them are used without `--full`.
    published: the answer. by: of whom.
    proved: lower and upper limit that are proved, where they are.
    accept: the answers of ours that pass; None is no limit.
    """

    measure: Measure
    of: int
    samples: int
    published: float
    by: str
    accept: tuple[float | None, float | None]
    attack: str = ""
    proved: tuple[float, float] | None = None


@dataclass(frozen=True)
class Anchor:
    """A network with known answers.

    name, about: what it is. network: its factory in `benchmark.anchors.networks`.
    weights: its file. data: an archive in the same folder, or the name of a data set.
    checks: the known answers.
    """

    name: str
    about: str
    network: str
    weights: File
    data: File | str
    checks: tuple[Check, ...]


def load_anchors(path: Path = SHIPPED) -> list[Anchor]:
    """Return the anchors of a YAML file; InputError for one that is not as documented."""
    try:
        content = read_yaml(bounded_text(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: no YAML ({' '.join(str(error).split())[:100]})") from error
    if not isinstance(content, list) or not content:
        raise InputError(f"{path}: expected a list of anchors")
    return [_anchor(entry, f"{path}: anchor {n + 1}") for n, entry in enumerate(content)]


def _anchor(entry: object, where: str) -> Anchor:
    fields = _fields(entry, where, ("name", "about", "network", "weights", "data", "checks"))
    if fields["network"] not in NETWORKS:
        raise unknown(f"network of {where}", str(fields["network"]), NETWORKS)
    data = fields["data"]
    fields["weights"] = _file(fields["weights"], f"{where}: weights")
    fields["data"] = data if isinstance(data, str) else _file(data, f"{where}: data")
    if not isinstance(fields["checks"], list):
        raise InputError(f"{where}: expected checks to be a list")
    checks = enumerate(fields["checks"])
    fields["checks"] = tuple(_check(check, f"{where}: check {n + 1}") for n, check in checks)
    return Anchor(**fields)


def _file(entry: object, where: str) -> File:
    names = ("file", "sha256", "source", "commit", "path", "licence")
    fields = _fields(entry, where, names)
    for name in names:
        if not isinstance(fields[name], str):
            raise InputError(f"{where}: expected {name} to be text, got {fields[name]!r}")
    if Path(fields["file"]).name != fields["file"] or fields["file"] in ("", ".", ".."):
        raise InputError(f"{where}: expected file to be a name without folders")
    if not re.fullmatch("[0-9a-f]{64}", fields["sha256"]):
        raise InputError(f"{where}: expected sha256 to be 64 hex digits")
    return File(**fields)


def _check(entry: object, where: str) -> Check:
    needed = ("measure", "of", "samples", "published", "by", "accept")
    fields = _fields(entry, where, needed, optional=("attack", "proved"))
    if fields["measure"] not in MEASURES:
        raise unknown(f"measure of {where}", str(fields["measure"]), MEASURES)
    if fields["samples"] == "all":
        fields["samples"] = fields["of"]
    for name in ("of", "samples"):
        if isinstance(fields[name], bool) or not isinstance(fields[name], int) or fields[name] < 0:
            raise InputError(f"{where}: expected {name} to be a number of images")
    limits: list[tuple[str, object, tuple[type, ...]]]
    limits = [("accept", fields["accept"], (int, float, type(None)))]
    limits += [("proved", fields["proved"], (int, float))] if "proved" in fields else []
    for name, pair, kinds in limits:
        if not (
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(v, kinds) for v in pair)
        ):
            raise InputError(f"{where}: expected {name} to be [lowest, highest]")
        fields[name] = tuple(pair)
    return Check(**fields)


def _fields(
    entry: object, where: str, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a mapping with all fields needed and no unknown one."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected names and values")
    for name in entry:
        if name not in (*needed, *optional):
            raise unknown(f"field of {where}", str(name), (*needed, *optional))
    missing = [name for name in needed if name not in entry]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing")
    return dict(entry)
