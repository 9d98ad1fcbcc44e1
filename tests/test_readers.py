"""Files that others may have written are read by the bounded readers, or are listed here."""

from __future__ import annotations

import ast
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from calls import calls_of, found, mode_of, name_of, unlisted

from benchmark.anchors.anchor import load_anchors
from benchmark.grids.model import load_grid
from benchmark.runs import lock
from benchmark.runs.finished import receipt
from benchmark.studies import cache
from estimators import bounded as of_estimators
from estimators.errors import InputError
from reports.claims import quick
from reports.errors import TableError
from reports.page.parts import gallery
from reports.results import bounded as of_reports

# calls that read a whole file, wherever it comes from
READERS = {"read_text", "read_bytes", "fromfile", "loadtxt", "genfromtxt", "memmap", "load_file"}
READERS |= {"safe_open", "ParquetFile"}
# `load` of these modules, and `read_csv` and the like of pandas
MODULES = {"np": {"load"}, "numpy": {"load"}, "torch": {"load"}, "json": {"load"}}
MODULES |= {"pickle": {"load"}, "jit": {"load"}, "export": {"load"}, "yaml": {"load", "safe_load"}}
MODULES |= {"pd": {"read_csv", "read_json", "read_table", "read_parquet", "read_pickle"}}
MODULES |= {"Image": {"open"}, "os": {"open"}, "pq": {"read_table"}}
MODULES |= {"tomllib": {"load"}}
# calls that read where their mode says so
OPENERS = {"open", "fdopen", "ZipFile", "TarFile"}

BOUNDED = "the bounded reader itself"
KERNEL = "the kernel writes it"
OURS = "a file of the installed package"
NO_CONTENT = "no content is read: the handle is for `fsync`, or the file is written"
STREAMED = "read in blocks of a fixed size, whatever the file holds"
HEADER = "the first bytes alone"
MAPPED = "mapped, so that no memory is taken before the rows that are asked for"
DECLARED = "the sizes that the archive or table declares are bounded before"
PIXELS = "Pillow refuses pixels beyond its limit before it unpacks them"
WEIGHTS = "weights take the memory that their file has; archives are bounded before"
ALLOWED = {
    ("estimators/bounded.py", "open rb"): BOUNDED,
    ("reports/results/bounded.py", "open rb"): BOUNDED,
    ("reports/results/bounded.py", "ZipFile r"): BOUNDED,
    ("reports/results/bounded.py", "np.load"): BOUNDED,
    ("reports/results/csv_file.py", "open r"): "the bounded reader of tables",
    ("reports/results/csv_file.py", "open rb"): HEADER,
    ("reports/results/predictions.py", "open rb"): DECLARED,
    ("reports/results/predictions.py", "ParquetFile"): DECLARED,
    ("reports/results/certificates.py", "open rb"): DECLARED,
    ("reports/results/certificates.py", "ParquetFile"): DECLARED,
    ("reports/results/manifest.py", "open rb"): STREAMED,
    ("reports/results/unfinished.py", "os.open"): NO_CONTENT,
    ("reports/page/page.py", "read_text"): OURS,
    ("reports/page/images.py", "Image.open"): PIXELS,
    ("reports/plots/saving.py", "Image.open"): "its source is a figure in memory",
    ("benchmark/attacks/adapters/image_files.py", "np.load"): MAPPED,
    ("benchmark/attacks/corruptions/digital.py", "Image.open"): "its source is in memory",
    ("benchmark/attacks/corruptions/frost_photos.py", "Image.open"): "a file of a package",
    ("benchmark/execution/environment.py", "read_bytes"): OURS,
    ("benchmark/execution/memory.py", "read_text"): KERNEL,
    ("benchmark/runs/records/database.py", "read_text"): KERNEL,
    ("benchmark/runs/adversarial.py", "np.load"): MAPPED,
    ("estimators/atomic.py", "os.open"): NO_CONTENT,
    ("estimators/data/archive.py", "ZipFile r"): DECLARED,
    ("estimators/data/archive.py", "open r"): DECLARED,
    ("estimators/data/archive.py", "open rb"): HEADER,
    ("estimators/data/archive_rows.py", "ZipFile r"): DECLARED,
    ("estimators/data/archive_rows.py", "open r"): DECLARED,
    ("estimators/data/archive_rows.py", "open rb"): STREAMED,
    ("estimators/data/archive_rows.py", "memmap"): MAPPED,
    ("estimators/data/photo.py", "Image.open"): PIXELS,
    ("estimators/data/handed/huggingface.py", "Image.open"): PIXELS,
    ("estimators/networks/files/pickles.py", "open rb"): HEADER,
    ("estimators/networks/files/pickles.py", "ZipFile r"): DECLARED,
    ("estimators/networks/files/pickles.py", "open r"): DECLARED,
    ("estimators/networks/files/pickles.py", "torch.load"): WEIGHTS,
    ("estimators/networks/files/pickles.py", "jit.load"): WEIGHTS,
    ("estimators/networks/files/pickles.py", "export.load"): WEIGHTS,
    ("estimators/networks/weight_files.py", "load_file"): WEIGHTS,
    ("estimators/networks/weight_files.py", "ZipFile r"): DECLARED,
    ("estimators/training/checkpoints.py", "safe_open"): WEIGHTS,
    ("estimators/processor.py", "read_text"): KERNEL,
    ("estimators/source_code.py", "read_bytes"): "code, which the run imports as it is",
    ("estimators/yaml_values.py", "yaml.load"): "its source is a text",
}


def reads(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call that reads a file, with the name that ALLOWED has for it."""
    for node in calls_of(tree):
        name = name_of(node)
        owner = getattr(node.func, "value", None)
        module = getattr(owner, "attr", getattr(owner, "id", ""))
        if name in MODULES.get(module, ()):
            yield f"{module}.{name}", node
        elif name in OPENERS:
            mode = mode_of(node)
            if not set(mode) & set("wax+"):
                yield f"{name} {mode}", node
        elif name in READERS:
            yield name, node


def test_no_reader_but_the_bounded_ones() -> None:
    new = unlisted(reads, ALLOWED)
    advice = "read with estimators.bounded or reports.results.bounded, or give a reason in ALLOWED"
    assert not new, f"{advice}: {', '.join(new)}"


def test_the_list_holds_nothing_that_is_gone() -> None:
    assert ALLOWED.keys() <= found(reads).keys(), ALLOWED.keys() - found(reads).keys()


def test_the_test_sees_what_it_looks_for() -> None:
    code = """
path.read_text()
json.loads(path.read_bytes())
json.load(file)
open(path)
path.open("rb")
path.open("wb")
torch.jit.load(path)
np.load(path)
entry.load()
"""
    names = sorted(name for name, _ in reads(ast.parse(code)))
    expected = ["read_text", "read_bytes", "json.load", "open r", "open rb", "jit.load", "np.load"]
    assert names == sorted(expected)


@pytest.mark.parametrize("reader", [of_estimators, of_reports], ids=["estimators", "reports"])
def test_a_file_is_read_up_to_its_bound(reader: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a":\r\n"\xc3\xa9"}')
    size = path.stat().st_size
    assert reader.bounded_text(path, size) == '{"a":\n"é"}'
    assert reader.bounded_json(path, size) == {"a": "é"}
    with pytest.raises(ValueError, match=f"^{size} bytes, expected at most {size - 1}$"):
        reader.bounded_bytes(path, size - 1)
    with pytest.raises(OSError):
        reader.bounded_bytes(tmp_path / "missing")


@pytest.mark.parametrize("reader", [of_estimators, of_reports], ids=["estimators", "reports"])
def test_bad_json_is_a_value_error(reader: ModuleType, tmp_path: Path) -> None:
    for content in (b"[" * 200_000, b"\xff", b"", b"{", b"1" * 5000):
        path = tmp_path / "a.json"
        path.write_bytes(content)
        with pytest.raises(ValueError):
            reader.bounded_json(path)


@pytest.mark.parametrize("reader", [of_estimators, of_reports], ids=["estimators", "reports"])
def test_a_device_without_a_size_is_bounded(reader: ModuleType) -> None:
    device = Path("/dev/zero")
    if not device.exists():
        pytest.skip("needs /dev/zero")
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        reader.bounded_bytes(device, 1000)


def test_the_two_readers_are_the_same() -> None:
    """`reports` and `estimators` import neither each other."""
    for name in ("bounded_bytes", "bounded_text", "bounded_json"):
        bodies = [_body(Path(str(module.__file__)), name) for module in (of_estimators, of_reports)]
        assert bodies[0] == bodies[1]


def _body(path: Path, name: str) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    # the docstring, and the default of `most`, are each module's own
    own = [ast.unparse(part) for part in node.body[1:]]
    return [part for part in own if not part.startswith("most = ")]


def test_arrays_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, a=np.zeros(10_000))
    assert list(of_reports.bounded_arrays(path)) == ["a"]
    monkeypatch.setattr(of_reports, "LARGEST_ARRAYS", 50_000)
    with pytest.raises(TableError, match="unpacks to 80,128 bytes, expected at most 50,000"):
        of_reports.bounded_arrays(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", json.dumps([1]))
    with pytest.raises(TableError, match="cannot be read"):
        of_reports.bounded_arrays(path)


# each file by its name, its reader, and what it then returns
QUIET: dict[str, tuple[Callable[[Path], object], object]] = {
    receipt.FILE: (lambda path: receipt._read(path), None),
    cache.FILE: (lambda path: cache._stored_key(path.parent), None),
    quick.FILE: (lambda path: quick.quick_note(path.parent), ""),
    lock.HOLDER: (lambda path: lock._holder(path), "unknown process"),
}
# and what raises one line
LOUD: dict[str, Callable[[Path], object]] = {
    "gallery/gallery.json": lambda path: gallery(path.parent.parent, 1000),
    "grid.yaml": load_grid,
    "anchors.yaml": load_anchors,
}


def _too_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(of_reports.LARGEST_TEXT + 1)  # a file without blocks


def _too_deep(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


@pytest.mark.parametrize("spoil", [_too_large, _too_deep])
@pytest.mark.parametrize("name", [*QUIET, *LOUD])
def test_files_of_others_are_bounded(
    name: str, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    spoil(path)
    tracemalloc.start()
    if name in QUIET:
        read, expected = QUIET[name]
        assert read(path) == expected
    else:
        with pytest.raises((InputError, TableError)) as told:
            LOUD[name](path)
        assert "\n" not in str(told.value)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
