"""One row of the table of certificates."""

from __future__ import annotations

from dataclasses import dataclass

from estimators.entries import Entry


@dataclass(frozen=True, kw_only=True)
class CertificateEntry(Entry):
    """A method that proves margins: `build` names a function of graph, image and labels.

    It is called with the parameters of the spec and the defaults of this row, all whole numbers,
    and returns `bounds.Bounds`.
    """
