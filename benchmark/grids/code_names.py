"""A grid file is data: names in it that would import code are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from benchmark.attacks.corruptions.kinds import FAMILY as CORRUPTION
from benchmark.attacks.registry import FILES as ATTACK_FILES
from benchmark.attacks.registry import LIBRARIES
from benchmark.grids.expand import LABEL, Entry
from estimators.data.registry import FILES
from estimators.errors import InputError
from estimators.networks.registry import FAMILIES

# what may stand before a colon: it does not let the file choose the code
NOT_CODE = {
    "datasets": tuple(FILES),
    "networks": tuple(FAMILIES),
    "threats": tuple(FAMILIES),
    "attacks": (*LIBRARIES, CORRUPTION),
}
# what stands before the path of a file
PATHS = {"datasets": tuple(FILES), "attacks": tuple(ATTACK_FILES)}
_CODE = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*):(?=[A-Za-z_])")


def refuse_imports(entries: Iterable[tuple[str, Entry]]) -> None:
    """Raise InputError where an entry names code outside ART and the installed plug-ins.

    entries: each with the key of the grid file that it belongs to.
    """
    for key, entry in entries:
        for text in _texts(entry):
            # `NAME:PARAMETER=VALUE`; the name of a threat is never code
            refuse_import(key, text.partition(":")[2] if key == "threats" else text)


def refuse_import(key: str, text: str) -> None:
    """Raise InputError where a text of a grid file contains `package.module:object`."""
    allowed = NOT_CODE.get(key, ())
    if text.partition(":")[0] in PATHS.get(key, ()):
        return  # the rest is a path
    if any(match.group(1) not in allowed for match in _CODE.finditer(text)):
        raise InputError(
            f"key {key}: {text!r} is code to import, which a grid file may not ask for (a dotted"
            " name must begin with 'art.'); add --allow-import (in Python allow_import=True) if you"
            " trust the file, or name it on the command line"
        )


def _texts(entry: object) -> Iterator[str]:
    """Yield the name of an entry and every text in its parameters.

    Not `weights`, which names a data file, and not its label.
    """
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list):
        for value in entry:
            yield from _texts(value)
    elif isinstance(entry, dict):
        yield from _texts(
            [value for param, value in entry.items() if param not in ("weights", LABEL)]
        )
