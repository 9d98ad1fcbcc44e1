"""The certificates by short name: one row per method, without torch."""

from __future__ import annotations

from benchmark.certificates.entry import CertificateEntry
from estimators.entries import table

CERTIFICATES: dict[str, CertificateEntry] = table(
    CertificateEntry(
        name="ibp", label="IBP", summary="intervals passed on layer by layer (Gowal et al. 2018)",
        build="benchmark.certificates.ibp:ibp",
    ),
    CertificateEntry(
        name="crown", label="CROWN",
        summary="linear bounds of each ReLU, passed backward (Zhang et al. 2018)",
        build="benchmark.certificates.crown:crown", defaults={"rows": 8192},
    ),
    CertificateEntry(
        name="alpha-crown", label="alpha-CROWN",
        summary="CROWN with its slopes optimised by gradient (Xu et al. 2021)",
        build="benchmark.certificates.alpha_crown:alpha_crown",
        defaults={"rows": 8192, "steps": 10, "optimised": 4096},
    ),
)  # fmt: skip
