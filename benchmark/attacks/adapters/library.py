"""Libraries whose attacks a grid names as `library:NAME`; none is imported before that."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from benchmark.attacks.entry import AttackEntry
from estimators.entries import load_object
from estimators.errors import InputError, unknown
from estimators.plugins import describe_error


@dataclass(frozen=True, kw_only=True)
class Library(AttackEntry):
    """The row of a library: its name reads `library:NAME`.

    build: `package.module:function` that imports the library and returns its attacks by NAME.
    distribution: the package that holds the library, as `pip` names it.
    install: the command that installs it.
    """

    distribution: str
    install: str

    def attacks(self) -> Mapping[str, AttackEntry]:
        """Import the library and return the entries of its attacks by NAME.

        Raises InputError where the library is missing or cannot be imported.
        """
        self.check_installed()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Mapping[str, AttackEntry] = load_object(self.build)()
        except Exception as error:
            # external code may raise anything
            raise InputError(
                f"attack {self.name}: {self.version} cannot be imported ({describe_error(error)});"
                f" run: {self.install}"
            ) from error
        return found

    def check_installed(self) -> None:
        """Raise InputError where the library is missing; it is not imported."""
        if not self.version:
            raise InputError(f"attack {self.name}: {self.family} is missing; run: {self.install}")

    def attack(self, name: str) -> AttackEntry:
        """Return the entry of `library:NAME`; InputError for another name, with the nearest."""
        known = self.attacks()
        short = name.partition(":")[2]
        if short not in known:
            raise unknown(f"attack of {self.family}", short, known)
        return known[short]

    @property
    def version(self) -> str:
        """Return the distribution with its version; "" where it is not installed."""
        try:
            return f"{self.distribution} {version(self.distribution)}"
        except PackageNotFoundError:
            return ""
