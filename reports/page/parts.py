"""The parts of the page: what the templates show of the files of a run directory."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from reports.errors import TableError
from reports.page import images
from reports.results.bounded import bounded_json
from reports.results.csv_file import read_csv
from reports.results.rows import Row
from reports.style.labels import Labels
from reports.style.numbers import count

ROWS_OF_A_STUDY = 12
MOST_NAMES = 12
STORIES = {
    "rescued": "attacked by an unaware attacker, and right behind the defence",
    "lost": "attacked by an unaware attacker, and wrong even behind the defence",
    "adaptive": "the same image, attacked by an attacker who is aware of the defence",
}
ROLES = {"clean": "Clean", "noise": "Noise", "attacked": "Attacked", "behind": "Behind"}


def title(manifest: Row, directory: Path) -> str:
    """Return the title of the run: its own, the name of its grid, or that of the directory."""
    grid = _mapping(manifest.get("grid"))
    return str(manifest.get("title") or grid.get("name") or directory.resolve().name)


def described(manifest: Row) -> str:
    """Return what was run, in one line: the subtitle, or the grid's description; may be empty."""
    return str(manifest.get("subtitle") or _mapping(manifest.get("grid")).get("description") or "")


def brief(table: pd.DataFrame, labels: Labels) -> str:
    """Return the size of the run in one line."""
    pairs = len(table[["dataset", "network"]].drop_duplicates())
    pairs_of = table.loc[table["defence"] != "none", ["defence", "quality"]].drop_duplicates()
    data = ", ".join(labels.dataset(name) for name in dict.fromkeys(table["dataset"]))
    threats = [labels.threat(name) for name in dict.fromkeys(table["threat"])]
    parts = [
        count(len(table), "cell"),
        f"{count(pairs, 'network')} on {data}",
        count(table["attack"].nunique(), "attack"),
        f"{'threat' if len(threats) == 1 else 'threats'} {', '.join(threats)}",
        count(len(pairs_of), "defence") if len(pairs_of) else "no defence",
    ]
    return " · ".join(parts)


def _distinct(table: pd.DataFrame, column: str, label: Callable[[str], str] = str) -> str:
    """Return the values of a column; a label that differs stands before its name."""
    values = [
        name if label(name).lower() == name.lower() else f"{label(name)} ({name})"
        for name in map(str, dict.fromkeys(table[column].dropna()))
    ]
    more = f" and {len(values) - MOST_NAMES:,} more" if len(values) > MOST_NAMES else ""
    return ", ".join(values[:MOST_NAMES]) + more


def facts(table: pd.DataFrame, manifest: Row, labels: Labels) -> list[tuple[str, str]]:
    """Return what was run, as short pairs of name and value; names as the command line has them."""
    done = table[table["status"] == "ok"]
    sizes = sorted({int(n) for n in done["n"].dropna()})
    numbers = " to ".join(f"{n:,}" for n in dict.fromkeys((*sizes[:1], *sizes[-1:])))
    pairs = [
        ("Cells", f"{len(table):,}"),
        ("Data sets", _distinct(table, "dataset", labels.dataset)),
        ("Networks", _distinct(table, "network", labels.network)),
        ("Attacks", _distinct(table, "attack")),
        ("Threats", _distinct(table, "threat")),
        ("Defences", _defences(table)),
        ("Images per cell", numbers),
        ("Seeds", _distinct(table, "seed")),
        ("art-bench", str(manifest.get("art_bench") or "")),
    ]
    return [(name, value) for name, value in pairs if value]


def _defences(table: pd.DataFrame) -> str:
    parts = []
    for defence, group in table.groupby("defence", sort=False):
        qualities = sorted({int(q) for q in group["quality"].dropna()}, reverse=True)
        more = f" (quality {', '.join(map(str, qualities))})" if qualities else ""
        parts.append(f"{defence}{more}")
    return ", ".join(parts)


def missing(table: pd.DataFrame, labels: Labels) -> list[tuple[str, int, str]]:
    """Return the cells without numbers: status, how many, reason."""
    rows = table.loc[table["status"] != "ok", ["status", "reason"]]
    counts = Counter(rows.itertuples(index=False, name=None))
    return [(str(status), n, labels.in_text(str(reason))) for (status, reason), n in counts.items()]


def run_details(manifest: Row) -> dict[str, Sequence[tuple[str, ...]]]:
    """Return data, networks, versions and machine as tables: rows of text by name of the table."""
    data = [
        (name, f"{a.get('images', '')}", _shape(a.get("shape")), _short(a.get("sha256")))
        for name, a in _entries(manifest.get("data"))
    ]
    networks = []
    for name, about in _entries(manifest.get("weights")):
        accuracy = about.get("test_accuracy")
        shown = f"{100 * accuracy:.2f} %" if isinstance(accuracy, (int, float)) else ""
        recipe, seed, sha256 = (about.get(key) for key in ("recipe", "seed", "sha256"))
        steps = [f"{k.replace('_', ' ')} {_step(v)}" for k, v in _mapping(recipe).items()]
        seed_text, recipe_text = "" if seed is None else str(seed), ", ".join(steps)
        networks.append((name, shown, seed_text, recipe_text or str(recipe or ""), _short(sha256)))
    machine = [(str(k), str(v)) for k, v in _mapping(manifest.get("machine")).items()]
    versions = [(str(k), str(v)) for k, v in _mapping(manifest.get("versions")).items()]
    for name in ("art_bench", "git_revision", "schema"):
        if manifest.get(name) is not None:
            versions.append((name.replace("_", " "), str(manifest[name])))
    return {"data": data, "networks": networks, "machine": machine, "versions": versions}


def _step(value: object) -> str:
    """Return a value of a recipe; one with parts of its own as `pgd eps=0.3`."""
    if not isinstance(value, dict):
        return str(value)
    parts = [str(v) if k == "method" else f"{k}={v}" for k, v in value.items() if v is not None]
    return " ".join(parts)


def gallery(directory: Path, budget: int) -> list[Row]:
    """Return the entries of `gallery/gallery.json` by network and data set, images as data URIs.

    Entries are omitted if their images are missing or do not fit in `budget` bytes.
    """
    folder = directory / "gallery"
    path = folder / "gallery.json"
    if not path.is_file():
        return []
    try:
        listed = bounded_json(path)
    except (OSError, ValueError) as error:
        raise TableError(f"gallery {path}: cannot be read ({error})") from error
    groups: dict[tuple[str, str], list[Row]] = {}
    for entry in map(_mapping, listed if isinstance(listed, list) else []):
        shown, pictures = [], entry.get("pictures")
        for picture in map(_mapping, pictures if isinstance(pictures, list) else []):
            # only the name: a file list from elsewhere must not reach out of its folder
            embedded = images.as_is(folder / Path(str(picture.get("file", ""))).name)
            role = str(picture.get("role", ""))
            shown.append({**picture, "label": ROLES.get(role, role), "picture": embedded})
        budget -= sum(len(picture["picture"].uri) for picture in shown)
        if budget < 0 or not shown or not all(picture["picture"].uri for picture in shown):
            continue
        story = STORIES.get(str(entry.get("story")), "")
        place = (str(entry.get("dataset", "")), str(entry.get("network", "")))
        groups.setdefault(place, []).append({**entry, "caption": story, "pictures": shown})
    return [{"dataset": d, "network": n, "entries": e} for (d, n), e in groups.items()]


def studies(directory: Path, budget: int) -> list[Row]:
    """Return the studies under `studies/` by name, with their figures and tables.

    The figures take at most `budget` bytes. A file without a folder counts as a study of its own.
    """
    folder = directory / "studies"
    embedded = {}
    left = budget
    # first what cannot be made smaller, as long as half of the budget is left for the rest
    for path in sorted(folder.rglob("*.gif")):
        moving = images.as_is(path)
        fits = left - len(moving.uri) >= budget / 2
        left -= len(moving.uri) if fits else 0
        embedded[path] = moving if fits else moving._replace(uri="")
    still = sorted(folder.rglob("*.png"))
    embedded.update(zip(still, images.embed(still, left), strict=True))
    parts: dict[str, Row] = {}
    for path in sorted([*embedded, *folder.rglob("*.csv")]):
        place = path.relative_to(folder)
        name = place.with_suffix("").parts[0]
        empty = {"id": f"study-{len(parts) + 1}", "name": name, "figures": [], "tables": []}
        part = parts.setdefault(name, empty)
        if path in embedded:
            figure = {"file": place.as_posix(), "caption": re.sub("[-_]", " ", path.stem)}
            part["figures"].append({**figure, "picture": embedded[path]})
        else:
            # a study of studies has files of one name in several folders
            inside = "/".join(place.parts[1:]) or place.name
            part["tables"].append({**(plain_table(path, ROWS_OF_A_STUDY) or {}), "file": inside})
    for part in parts.values():
        counts = (count(len(part[kind]), kind[:-1]) for kind in ("figures", "tables") if part[kind])
        part["contents"] = ", ".join(counts)
    return list(parts.values())


def plain_table(path: Path, limit: int | None = None) -> Row | None:
    """Return a CSV as header and rows of text, the first `limit` of them; None without a file.

    Raises TableError for a file that is no table.
    """
    if not path.is_file():
        return None
    table = read_csv(path, "table")
    rows = table.head(len(table) if limit is None else limit)
    texts = [[_shortened(v) for v in row] for row in rows.itertuples(index=False, name=None)]
    about = {"file": path.name, "header": list(table.columns)}
    return {**about, "rows": texts, "left_out": len(table) - len(rows)}


def _shortened(text: str) -> str:
    """Return a number with four digits, to be read; the file has all of them."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if len(text) <= 6 or number != number else f"{number:.4g}"


def _mapping(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _entries(value: object) -> list[tuple[str, Row]]:
    return [(str(name), _mapping(about)) for name, about in _mapping(value).items()]


def _shape(value: object) -> str:
    return " x ".join(str(v) for v in value) if isinstance(value, list) else ""


def _short(value: object) -> str:
    return str(value or "")[:16]
