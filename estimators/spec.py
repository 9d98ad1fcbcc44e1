"""A name with parameters: how grid files and the command line name attacks, defences, networks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Union

import yaml

from estimators.errors import InputError, check_utf8
from estimators.yaml_values import read_yaml

# `fgsm[eps=0.1]`, as a spec prints
_PRINTED = re.compile(r"([^\[\]=]+)\[(\s*[\w.\-]+\s*=.*)\]\s*", re.DOTALL)
# a name of a package, or `hf:OWNER/NAME` and `hf:./FOLDER`; not a number such as 8/255
_SECOND_PART = re.compile(r"[A-Za-z_][\w.\-]*|(?![-+.\d]+/[.\d]+$)[^=,:\[\]]*/[^=,:\[\]]*")
# `family:FILE`, with or without parameters; the name of a file may hold colons and equals signs
_WITH_FILE = re.compile(r"([A-Za-z_]\w*:.+?\.(?:npz|npy|pt|pth))(?::(?=[A-Za-z_]\w*=)(.*))?", re.S)
# what comes first where there is no file: a parameter, or an object and its parameter
_PARAMETER = re.compile(r"[^:=]*:(?:[A-Za-z_][\w.]*:)?[A-Za-z_][\w.]*=")
# a name, of one part or two, and a number or a list without the name of its parameter
_SHORT = re.compile(r"[^:=\[\]]+(?::[A-Za-z_][\w.\-]*)?:(?:[-+.\d]|\[)[^:=]*", re.DOTALL)
# Union: `|` does not take the forward reference at run time
Value = Union[bool, int, float, str, None, tuple["Value", ...]]  # noqa: UP007


class Values(tuple[Value, ...]):
    """A list of values that can be hashed; messages show it as the user wrote it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(list(self))


@dataclass(frozen=True, order=True)
class Spec:
    """One attack, defence or network; prints as `fgsm[eps=0.1]`.

    name: a short name of a registry or a plug-in, a dotted name of ART's, `torchvision:NAME` and
        its like, or `package.module:thing`.
    params: (parameter, value) pairs sorted by parameter; values as JSON knows them.
    """

    name: str
    params: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError for a name or a value that no table can hold."""
        if not self.name.isascii():
            check_utf8("name", self.name)
        for key, value in self.params:
            for text in (key, value):
                if isinstance(text, str) and not text.isascii():
                    check_utf8(f"{self.name}: value", text)

    @classmethod
    def of(cls, name: str, params: Mapping[str, Value] | None = None, **more: Value) -> Spec:
        """Return a spec from keywords; lists become tuples, so that it can be hashed."""
        merged = {**(params or {}), **more}
        return cls(name, tuple(sorted((k, _frozen(v)) for k, v in merged.items())))

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}[{','.join(f'{k}={_plain(v)}' for k, v in self.params)}]"

    @property
    def kwargs(self) -> dict[str, Value]:
        """Return the parameters as keyword arguments."""
        return dict(self.params)

    def get(self, param: str, default: Value = None) -> Value:
        """Return the value of one parameter, or the default."""
        return self.kwargs.get(param, default)

    def without(self, *params: str) -> Spec:
        """Return the spec without some of its parameters."""
        return Spec(self.name, tuple((k, v) for k, v in self.params if k not in params))

    def canonical(self) -> str:
        """Return JSON text for keys and hashes: equal specs have equal texts."""
        return json.dumps([self.name, self.kwargs], sort_keys=True, separators=(",", ":"))


def _frozen(value: Value) -> Value:
    return Values(_frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def _plain(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def is_short(text: str) -> bool:
    """Return whether a text is a name and a bare value, as `jpeg:75` and `pgd:[2/255,4/255]`."""
    return _SHORT.fullmatch(text) is not None and _WITH_FILE.fullmatch(text) is None


def parse_spec(text: str, main: Callable[[str], str] | None = None) -> Spec:
    """Read a spec as the command line writes it; values are read by `yaml_values.read_yaml`.

    Examples: `pgd`, `pgd:eps=0.1,max_iter=40`, `torchvision:resnet18`,
    `package.module:factory:depth=3`, `images:out/pgd.npz:eps=0.1`, and as it prints,
    `pgd[eps=0.1,max_iter=40]`. What follows the first colon belongs to the name unless it has an
    equals sign.

    main: returns the parameter of a name whose value may stand there bare, as in `jpeg:75`. Without
        it each value needs its parameter.

    Raises InputError for a text of another form.
    """
    printed = _PRINTED.fullmatch(text)
    if printed is not None:
        text = f"{printed[1]}:{printed[2]}"
    name, _, rest = text.partition(":")
    file = None if _PARAMETER.match(text) else _WITH_FILE.fullmatch(text)
    second, colon, params_text = rest.partition(":")
    if file is not None:
        name, rest = file[1], file[2] or ""
    elif _SECOND_PART.fullmatch(second):
        name, rest = f"{name.strip()}:{second}", params_text
    elif colon and "=" not in second:
        raise InputError(f"{text!r}: expected NAME or NAME:PARAMETER=VALUE,...")
    params: dict[str, Value] = {}
    for at, part in enumerate(filter(None, _split(rest))):
        key, equals, value = part.partition("=")
        if at == 0 and not equals and main is not None and is_short(f"{name}:{part}"):
            key, equals, value = main(name.strip()), "=", part
        if not equals or not key.strip():
            raise InputError(f"{text!r}: expected NAME or NAME:PARAMETER=VALUE,...")
        try:
            parsed = read_yaml(value)
        except InputError as error:
            raise InputError(f"{text!r}: the value of {key}: {error}") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(
                f"{text!r}: the value of {key} cannot be read; write it as in YAML"
            ) from error
        if not _is_value(parsed):
            raise InputError(f"{text!r}: the value of {key} must be a number, a text or a list")
        params[key.strip()] = parsed
    return Spec.of(name.strip(), params)


def _split(text: str) -> list[str]:
    """Split at commas, except within the brackets of a list."""
    parts, depth = [""], 0
    for piece in re.split(r"([\[\],])", text):
        depth += (piece == "[") - (piece == "]")
        if piece == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _is_value(value: object) -> bool:
    """Return whether a value is a number, a text, or a list of these."""
    values = value if isinstance(value, list) else [value]
    return all(v is None or isinstance(v, (bool, int, float, str)) for v in values)
