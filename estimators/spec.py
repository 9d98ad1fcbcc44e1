"""A name with parameters: one attack, defence or network, as a grid file names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

import yaml

from estimators.errors import InputError

# Union: `|` does not take the forward reference at run time
Value = Union[bool, int, float, str, None, tuple["Value", ...]]  # noqa: UP007


@dataclass(frozen=True, order=True)
class Spec:
    """One attack, defence or network; prints as `fgsm[eps=0.1]`.

    name: a short name of a registry, or a dotted Python name.
    params: (parameter, value) pairs sorted by parameter; values as JSON knows them.
    """

    name: str
    params: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, name: str, params: Mapping[str, Value] | None = None, **more: Value) -> Spec:
        """A spec from keywords; lists become tuples, so that a spec can be hashed."""
        merged = {**(params or {}), **more}
        return cls(name, tuple(sorted((k, _frozen(v)) for k, v in merged.items())))

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}[{','.join(f'{k}={_plain(v)}' for k, v in self.params)}]"

    @property
    def kwargs(self) -> dict[str, Value]:
        """The parameters as keyword arguments."""
        return dict(self.params)

    def get(self, param: str, default: Value = None) -> Value:
        """The value of one parameter, or the default."""
        return self.kwargs.get(param, default)

    def without(self, *params: str) -> Spec:
        """The same spec less some parameters: what a family of cells has in common."""
        return Spec(self.name, tuple((k, v) for k, v in self.params if k not in params))

    def canonical(self) -> str:
        """JSON text that is the same for equal specs: what goes into keys and hashes."""
        return json.dumps([self.name, self.kwargs], sort_keys=True, separators=(",", ":"))


def _frozen(value: Value) -> Value:
    return tuple(_frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def parse_spec(text: str) -> Spec:
    """A spec from the command line: `pgd` or `pgd:eps=0.1,max_iter=40` (values as in YAML)."""
    name, _, rest = text.partition(":")
    params: dict[str, Value] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{text!r}: wanted NAME or NAME:PARAMETER=VALUE,...")
        try:
            params[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(
                f"{text!r}: the value of {key} cannot be read; write it as in YAML"
            ) from error
    return Spec.of(name.strip(), params)
