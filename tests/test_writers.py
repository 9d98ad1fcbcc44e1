"""Every file is written by the two atomic writers, or is listed here with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from calls import calls_of, found, mode_of, name_of, unlisted

# calls that write to their first argument, or to the object before the dot
WRITERS = {"write_text", "write_bytes", "savefig", "save", "savez", "savez_compressed", "tofile"}
WRITERS |= {"to_csv", "to_parquet", "to_json", "to_pickle", "to_excel", "to_feather", "imsave"}
WRITERS |= {"save_file", "copy2", "copyfile", "copytree", "copy_tree", "copyfileobj", "move"}
WRITERS |= {"touch", "symlink_to", "hardlink_to", "dump", "to_file", "savetxt", "ParquetWriter"}
# calls that write where their mode says so
OPENERS = {"open", "fdopen", "ZipFile", "TarFile", "NamedTemporaryFile", "TemporaryFile"}
IN_MEMORY = "its target is a file in memory"
TEMPORARY = "its target is the temporary file or side folder of the atomic writer that calls it"
ALLOWED = {
    ("estimators/atomic.py", "copytree"): "the atomic writer itself",
    ("estimators/atomic.py", "copy2"): "the atomic writer itself",
    ("estimators/atomic.py", "open rb+"): "the atomic writer itself",
    ("reports/results/atomic.py", "open wb"): "the atomic writer itself",
    ("reports/results/atomic.py", "write_bytes"): "a terminal or a pipe cannot be replaced",
    ("estimators/writable.py", "open ab"): "a try whether the file can be written; adds nothing",
    ("benchmark/runs/lock.py", "write_text"): "means nothing without the lock, and is removed",
    ("estimators/appending.py", "open ab"): "the writer of logs: a part of an entry is taken back",
    ("benchmark/runs/export.py", "write_text"): TEMPORARY,
    ("benchmark/runs/export.py", "to_csv"): TEMPORARY,
    ("benchmark/runs/export.py", "open wb"): TEMPORARY,
    ("benchmark/runs/export.py", "ParquetWriter"): TEMPORARY,
    ("benchmark/runs/proofs.py", "open wb"): TEMPORARY,
    ("benchmark/runs/proofs.py", "ParquetWriter"): TEMPORARY,
    ("benchmark/runs/finished/receipt.py", "write_text"): TEMPORARY,
    ("benchmark/runs/gallery.py", "write_text"): TEMPORARY,
    ("benchmark/runs/gallery.py", "save"): TEMPORARY,
    ("benchmark/studies/cache.py", "write_text"): TEMPORARY,
    ("benchmark/studies/cache.py", "to_csv"): TEMPORARY,
    ("benchmark/studies/cache.py", "savez_compressed"): TEMPORARY,
    ("benchmark/studies/cache.py", "copytree"): TEMPORARY,
    ("estimators/data/archive_writer.py", "ZipFile w"): TEMPORARY,
    ("estimators/data/archive_writer.py", "open w"): TEMPORARY,
    ("estimators/training/checkpoints.py", "write_bytes"): TEMPORARY,
    ("estimators/training/precision.py", "write_text"): TEMPORARY,
    ("estimators/training/train_or_load.py", "to_csv"): TEMPORARY,
    ("benchmark/attacks/corruptions/digital.py", "save"): IN_MEMORY,
    ("benchmark/studies/jpeg.py", "save"): IN_MEMORY,
    ("reports/page/images.py", "save"): IN_MEMORY,
    ("reports/plots/saving.py", "save"): IN_MEMORY,
    ("reports/plots/saving.py", "savefig"): IN_MEMORY,
    ("reports/plots/training.py", "savefig"): IN_MEMORY,
    ("reports/compare/plot.py", "savefig"): IN_MEMORY,
    ("estimators/yaml_values.py", "dump"): "it returns the text",
    ("estimators/data/archive_rows.py", "copyfileobj"): "a temporary file without a name",
    ("benchmark/runs/adversarial.py", "save"): "a part with the name of temporary files; it is"
    " joined to an archive that the atomic writer writes",
}


def writes(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call that writes a file, with the name that ALLOWED has for it."""
    for node in calls_of(tree):
        name = name_of(node)
        if name in OPENERS:
            mode = mode_of(node)
            if set(mode) & set("wax+"):
                yield f"{name} {mode}", node
        # `write_text` alone is the command line's function, which writes atomically; without a
        # target the others return the text
        elif (
            name in WRITERS
            and isinstance(node.func, ast.Attribute)
            and (node.args or name == "touch")
        ):
            yield name, node


def test_no_writer_but_the_atomic_ones() -> None:
    new = unlisted(writes, ALLOWED)
    advice = "write with estimators.atomic or reports.results.atomic, or give a reason in ALLOWED"
    assert not new, f"{advice}: {', '.join(new)}"


def test_the_list_holds_nothing_that_is_gone() -> None:
    assert ALLOWED.keys() <= found(writes).keys(), ALLOWED.keys() - found(writes).keys()


def test_the_test_sees_what_it_looks_for() -> None:
    code = """
path.write_text("x")
open(path, "w")
path.open(mode="ab")
path.open("rb")
figure.savefig(path)
table.to_csv(index=False)
os.fdopen(handle, "wb")
"""
    names = [name for name, _ in writes(ast.parse(code))]
    assert names == ["write_text", "open w", "open ab", "savefig", "fdopen wb"]
