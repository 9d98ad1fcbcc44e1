"""Certificates in the store, in `certificates.parquet` and in the columns of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.execution.outcome import Proved
from benchmark.grids.cell import Cell
from benchmark.grids.proof import Proof, is_certifiable
from benchmark.runs.store import Row, Store, Stored
from estimators.atomic import replace
from estimators.data.samples import shown_samples
from reports.results.certificates import BROKEN, COLUMNS, OPEN, PROVED
from reports.statistics.intervals import wilson

Ids = npt.NDArray[np.int64]


def proved(key: str, found: Proved, seconds: float) -> Stored:
    """Return a finished certificate as it is stored; a margin that is no number is None."""
    margin = found.found.margin
    row: Row = {"status": "ok", "reason": "", "id": found.ids.tolist()}
    row |= {"label": found.label.tolist(), "proved": found.found.proved.astype(int).tolist()}
    row |= {"margin": [v if np.isfinite(v) else None for v in margin.tolist()]}
    row |= {"undecided": found.found.undecided.tolist()}
    return Stored(key, row, seconds, None)


def failed_proof(key: str, message: str, seconds: float) -> Stored:
    """Return a certificate that raised."""
    return Stored(key, {"status": "failed", "reason": message}, seconds, None)


class Certificates(NamedTuple):
    """The certificates of a run.

    done: what each proves by image; columns id, label, margin, proved, undecided.
    failed: reason by certificate.
    """

    done: dict[Proof, pd.DataFrame]
    failed: dict[Proof, str]


def certificates(keys: Mapping[Proof, str], rows: Mapping[str, Row]) -> Certificates:
    """Return the certificates of these keys from the rows of the store."""
    found = Certificates({}, {})
    for proof, key in keys.items():
        row = rows[key]
        if row["status"] == "ok":
            table = {name: row[name] for name in ("id", "label", "proved", "margin", "undecided")}
            kinds = {"proved": bool, "margin": float}
            found.done[proof] = pd.DataFrame(table).astype(kinds)
        else:
            found.failed[proof] = str(row["reason"])
    return found


def proved_columns(cell: Cell, row: Row, known: Certificates) -> Row:
    """Return the columns `proved`, `proved_low` and `proved_high` of a row; none without a proof.

    An image counts if one of the methods proves it.
    """
    tables = [table for proof, table in known.done.items() if proof.covers(cell)]
    if not tables or row["status"] != "ok":
        return {}
    ids = np.unique(np.concatenate([table.loc[table["proved"], "id"] for table in tables]))
    low, high = wilson(len(ids), row["n"])
    return {"proved": len(ids), "proved_low": float(low), "proved_high": float(high)}


def write_certificates(
    known: Certificates, cells: Sequence[Cell], keys: Mapping[Cell, str], store: Store, path: Path
) -> None:
    """Write `certificates.parquet`; remove an earlier one where the grid asks for none.

    cells: those whose predictions are in the store.
    """
    if not known.done:
        path.unlink(missing_ok=True)
        return
    attacked = _attacked(known, cells, keys, store)
    replace(path, lambda target: _write(target, known, attacked))


def _attacked(
    known: Certificates, cells: Sequence[Cell], keys: Mapping[Cell, str], store: Store
) -> dict[tuple[Any, ...], list[tuple[float, Ids]]]:
    """Return eps and broken images of each Linf cell without a defence, by data and network.

    A cell with images beyond its budget does not say which these are, so it counts for nothing.
    """
    wanted = {(proof.dataset, proof.network) for proof in known.done}
    attacked: dict[tuple[Any, ...], list[tuple[float, Ids]]] = {}
    for cell in cells:
        place = cell.dataset, cell.network
        if place not in wanted or not is_certifiable(cell) or cell.eps is None:
            continue
        stored = store.get(keys[cell])
        if stored.predictions is not None and not stored.row["over_budget"]:
            table = stored.predictions
            wrong = table.loc[table["adversarial"] != table["label"], "id"]
            attacked.setdefault(place, []).append((cell.eps, wrong.to_numpy(np.int64)))
    return attacked


def _write(
    path: Path, known: Certificates, attacked: Mapping[tuple[Any, ...], list[tuple[float, Ids]]]
) -> None:
    texts = ("dataset", "network", "samples", "method", "state")
    kinds = {name: pa.dictionary(pa.int32(), pa.string()) for name in texts}
    kinds |= {"seed": pa.int64(), "eps": pa.float64(), "id": pa.int64(), "label": pa.int64()}
    kinds |= {"margin": pa.float64(), "undecided": pa.int64()}
    schema = pa.schema([(name, kinds[name]) for name in COLUMNS])
    # a file, since pyarrow takes no name that is not UTF-8
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for proof, table in known.done.items():
            within = attacked.get((proof.dataset, proof.network), [])
            broken = [ids for eps, ids in within if eps <= proof.eps]
            wrong = np.isin(table["id"], np.concatenate(broken)) if broken else False
            state = np.where(wrong | table["margin"].isna(), BROKEN, OPEN)
            about: Row = {"dataset": proof.dataset, "network": str(proof.network), "eps": proof.eps}
            about |= {"samples": shown_samples(proof.samples), "seed": proof.seed}
            about |= {
                "method": str(proof.method),
                "state": np.where(table["proved"], PROVED, state),
            }
            whole = table.assign(**about).astype({"label": np.int64, "id": np.int64})
            writer.write_table(
                pa.Table.from_pandas(whole[list(COLUMNS)], schema=schema, preserve_index=False)
            )
