"""From a method's spec to a checked one."""

from __future__ import annotations

from benchmark.certificates.registry import CERTIFICATES
from estimators.errors import unknown, whole
from estimators.spec import Spec

# of the arithmetic; certificates of other versions are computed again
VERSION = 2
# largest value of a parameter
MOST = 10**6


def method_of(spec: Spec) -> Spec:
    """Return a method with all its parameters.

    Raises InputError for an unknown method or parameter, and for values out of range.
    """
    if spec.name not in CERTIFICATES:
        raise unknown("certificate", spec.name, CERTIFICATES)
    known = CERTIFICATES[spec.name].defaults
    for name, value in spec.params:
        if name not in known:
            raise unknown(f"parameter of the certificate {spec.name}", name, known or ["(none)"])
        whole(f"certificate {spec.name}: {name}", value, 0, MOST)
    return Spec.of(spec.name, {**known, **spec.kwargs})
