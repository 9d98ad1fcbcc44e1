"""What the fuzz tests feed: strategies for names, grid files, tables, archives, command lines."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

from benchmark.attacks.registry import ATTACKS
from estimators.data.registry import DATASETS
from estimators.defences.registry import DEFENCES
from estimators.networks.registry import NETWORKS
from reports.results.columns import COLUMNS

EVIL = [
    "",
    " ",
    "../../outside",
    "/etc/passwd",
    "a/../../b",
    "a\0b",
    "<script>alert(1)</script>",
    "=cmd()",
    "a" * 5000,
    "é\u202e\u2028",
    "\ud800",
    "C:\\x",
    "none",
    "inf",
    "nan",
    "-1",
    "1e999",
    "art.attacks.evasion.DeepFool",
    "art.attacks.evasion.Nowhere",
    "os.system",
    "npz:",
    "npz:/",
    "npz:../x.npz",
    "imagefolder:.",
    "imagefolder:\0",
    "imagefolder:.[crop=8]",
    "imagefolder:.[resize=,x=]",
    "{}",
    "[1, 2]",
    "!!python/object:os.system",
]
known = st.sampled_from([*DATASETS, *NETWORKS, *ATTACKS, *DEFENCES, "oblivious", "adaptive"])
text = st.one_of(st.sampled_from(EVIL), known, st.text(max_size=12))
number = st.one_of(
    st.integers(-3, 200), st.integers(), st.floats(), st.sampled_from([10**400, -1, 2**63, 2**32])
)
scalar = st.one_of(text, number, st.booleans(), st.none())
value = st.recursive(
    scalar,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)
params = st.dictionaries(
    st.sampled_from(
        [
            "eps",
            "max_iter",
            "norm",
            "quality",
            "engine",
            "targeted",
            "target",
            "extra_layers",
            "dropout",
            "eps_step",
            "confidence",
            "activation",
        ]
    ),
    st.one_of(scalar, st.lists(scalar, max_size=3)),
    max_size=2,
)
entry = st.one_of(
    text,
    st.builds(lambda name, more: {"name": name, **more}, st.one_of(known, text), params),
    value,
)
KEYS = ("datasets", "networks", "attacks", "threats", "defences", "samples", "seed")
plausible: dict[str, st.SearchStrategy[Any]] = {
    "name": st.one_of(st.just("g"), text),
    "datasets": st.lists(st.one_of(st.just("digits"), text), max_size=2),
    "networks": st.lists(st.one_of(st.just("lenet"), entry), max_size=2),
    "attacks": st.lists(
        st.one_of(st.builds(lambda n, e: {"name": n, "eps": e}, known, st.floats(0, 1)), entry),
        max_size=3,
    ),
    "threats": st.lists(st.sampled_from(["oblivious", "adaptive", "blind"]), max_size=2),
    "defences": st.lists(entry, max_size=2),
    "samples": st.one_of(st.integers(1, 5), st.just("all"), scalar),
    "seed": st.one_of(st.integers(0, 5), scalar),
    "engine": st.sampled_from(["fast", "stock", "slow"]),
    "blocks": st.lists(st.dictionaries(st.sampled_from(KEYS), value, max_size=2), max_size=2),
}


@st.composite
def grid_files(draw: st.DrawFn) -> bytes:
    """A grid file: a plausible one, one with any values, or bytes."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return draw(st.text(max_size=200)).encode("utf-8", "surrogatepass")
    if kind == 2:
        return laughs(draw(st.integers(2, 30)))
    if kind == 3:
        content: Any = draw(value)
    elif kind > 6:
        # a good grid, with at most one thing changed
        content = {"attacks": [{"name": "fgsm", "eps": [0, 0.1]}, "cw"], "samples": 5}
        for key in draw(st.lists(st.sampled_from(sorted(plausible)), max_size=1)):
            content[key] = draw(plausible[key])
    else:
        keys = draw(st.lists(st.sampled_from(sorted(plausible)), unique=True, max_size=6))
        content = {key: draw(plausible[key]) for key in ["attacks", *keys]}
    try:
        return yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass")
    except ValueError:
        # an integer with more digits than Python writes
        return b"seed: 1" + b"0" * 5000


def laughs(depth: int) -> bytes:
    """Ten references to ten references to ...: a few lines that stand for 10^depth values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, depth):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    lines.append(f"attacks: *a{depth - 1}")
    return "\n".join(lines).encode()


field = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "-1",
            "1e400",
            "nan",
            "inf",
            "-inf",
            "0x10",
            "1_000",
            "=1+1",
            "@SUM(A1)",
            "99999999999999999999",
            "\x00",
            "\ud800",
            "ok",
            "failed",
            "'",
            "9" * 200_000,
            "{" * 3000,
            '{"eps": NaN}',
            "<img src=x>",
            "../../x",
            "True",
        ]
    ),
    st.text(max_size=6),
    st.floats().map(repr),
    st.integers().map(str),
)


@st.composite
def tables(draw: st.DrawFn, rows: list[dict[str, str]]) -> bytes:
    """A results file: the given rows with some fields, columns or bytes changed."""
    header = list(COLUMNS)
    body = [[row[name] for name in header] for row in rows]
    for _ in range(draw(st.integers(0, 3))):
        column, line = draw(st.sampled_from(header)), draw(st.integers(0, len(body) - 1))
        body[line][header.index(column)] = draw(field)
    kind = draw(st.integers(0, 12))
    if kind == 0:
        header[draw(st.integers(0, len(header) - 1))] = draw(field)
    elif kind == 1:
        body[draw(st.integers(0, len(body) - 1))].append(draw(field))
    elif kind == 2:
        body = []
    elif kind == 3:
        body += body[:1]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *body])
    content = out.getvalue().encode("utf-8", "surrogatepass")
    if kind == 4:
        content = content.decode("utf-8", "replace").encode("utf-16")
    elif kind == 5:
        content = content[: draw(st.integers(0, len(content)))]
    elif kind == 6 and content:
        place = draw(st.integers(0, len(content) - 1))
        content = content[:place] + draw(st.binary(max_size=3)) + content[place + 1 :]
    elif kind == 7:
        content = draw(st.binary(max_size=300))
    return content


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """An npz file: arrays of many shapes and types under the names that are wanted, or damaged."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    kinds = st.sampled_from(["u1", "f4", "f8", "i8", "?", "c8", "U3", "S2", "M8[s]", "u8", "f2"])
    shapes = st.lists(st.sampled_from([0, 1, 2, 3, 8, 10]), max_size=5)
    arrays: dict[str, Any] = {
        "x_test": np.zeros((4, 12, 12), np.uint8),
        "y_test": np.arange(4) % 2,
        "x_train": np.zeros((4, 12, 12), np.uint8),
        "y_train": np.arange(4) % 2,
    }
    for name in draw(st.lists(st.sampled_from([*arrays, "idx_test", "classes"]), max_size=3)):
        array = np.ones(draw(shapes), draw(kinds))
        if array.dtype.kind == "f" and array.size and draw(st.booleans()):
            array.flat[0] = draw(st.sampled_from([np.nan, np.inf, -1.0, 2.0]))
        arrays[name] = array
    out = io.BytesIO()
    (np.savez_compressed if draw(st.booleans()) else np.savez)(out, **arrays)
    content = bytearray(out.getvalue())
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 9)) == 0:
        del content[draw(st.integers(0, len(content))) :]
    return bytes(content)


# what the system hands to a program holds no NUL
argument = text.map(lambda t: t.replace("\0", "")).filter(
    lambda t: not any(0xD800 <= ord(c) < 0xE000 for c in t)
)
GATE_FILES = ["--junit", "--markdown", "--sarif"]
OPTIONS = {
    "run": [
        "--grid",
        "--dataset",
        "--network",
        "--attack",
        "--threat",
        "--samples",
        "--seed",
        "--out",
        "--threads",
        "--baseline",
        "--require",
        "--no-require",
        "--retry-failed",
        "--data-dir",
        "--device",
    ],
    "summary": ["--network", "--dataset", "--data-dir"],
    "compare": [
        "--force",
        "--correction",
        "--level",
        "--format",
        "--plot",
        "--out",
        "--fail-on",
        "--tolerance",
        "--allow",
        "--match",
        "--where",
        "--only-shared",
        "--all",
        *GATE_FILES,
    ],
    "check": ["--require", "--point", *GATE_FILES],
    "report": ["--baseline", "--fail-on", *GATE_FILES],
    "train": ["--network", "--dataset", "--epochs", "--seed", "--out", "--data-dir"],
}


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with options and values, most of them wrong."""
    command = draw(st.sampled_from(sorted(OPTIONS)))
    found = [command]
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.integers(0, 5)):
            found.append(draw(st.sampled_from(OPTIONS[command])))
        if draw(st.integers(0, 5)):
            spec = st.builds(lambda n, k, v: f"{n}:{k}={v}", argument, argument, argument)
            found.append(draw(st.one_of(argument, spec, number.map(_plain))))
    return found


def _plain(value: Any) -> str:
    return "1" + "0" * 400 if isinstance(value, int) and abs(value) > 10**300 else str(value)
