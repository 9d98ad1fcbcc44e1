"""What a run proved, image by image: `certificates.parquet`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from reports.errors import TableError
from reports.results.bounded import bounded
from reports.results.manifest import check_sha256

FILE = "certificates.parquet"
PROVED, BROKEN, OPEN = "proved", "broken", "open"
STATES = (PROVED, BROKEN, OPEN)
# name: meaning; the table in docs/results.md has the same, a test compares the two
COLUMNS: dict[str, str] = {
    "dataset": "data set",
    "network": "network with its parameters",
    "samples": "images requested",
    "seed": "seed of the subset",
    "method": "method of the bound with its parameters",
    "eps": "Linf radius in pixels of [0, 1]",
    "id": "official index of the image",
    "label": "its true class",
    "margin": "proved lower bound of the label's logit less the largest other one, within the"
    " radius; empty for an image that is wrong without attack",
    "undecided": "ReLUs and pooled values that the bounds leave open; -1 without a margin",
    "state": "proved; broken (wrong without attack, or under an attack of the run within the"
    " radius); open",
}
# 200 certificates of 50,000 images; a row takes ten numbers
MOST_ROWS = 10_000_000
# what one certificate has in common
PLACE = ("dataset", "network", "samples", "seed", "method", "eps")


def read_certificates(run: Path) -> pd.DataFrame | None:
    """Read the certificates of a run directory; None where it has none.

    Raises TableError for a file that is damaged (see `results.manifest`) or no such table.
    """
    path = run / FILE
    if not path.is_file():
        return None
    check_sha256(path)
    try:
        # a file, since pyarrow takes no name that is not UTF-8
        with path.open("rb") as file:
            whole = bounded(pq.ParquetFile(file), MOST_ROWS)
            table: pd.DataFrame = whole.read(columns=list(COLUMNS)).to_pandas()[list(COLUMNS)]
    # pyarrow's own errors are subclasses of these, and so is TableError
    except (ValueError, KeyError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(
            f"certificates {path}: cannot be read ({first}); write it again"
        ) from error
    texts = ("dataset", "network", "samples", "method", "state")
    numbers = [name for name in COLUMNS if name not in texts]
    table = table.astype(dict.fromkeys(texts, object))
    sound = set(table["state"]) <= set(STATES) and not table[list(PLACE)].isna().any().any()
    sound &= all(pd.api.types.is_numeric_dtype(table[name]) for name in numbers)
    sound &= not table.duplicated([*PLACE, "id"]).any()
    if not sound:
        what = f"states other than {', '.join(STATES)}, or an image twice"
        raise TableError(f"certificates {path}: {what}; write it again")
    return table
