"""Run docs/notebook.ipynb and keep its output: python tests/tools/write_notebook.py (extra dev)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(notebook: Any) -> Any:
    """Run the cells in an empty folder; nothing of this machine stays in the metadata."""
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = nbclient.NotebookClient(
            notebook,
            timeout=None,
            kernel_name="python3",
            resources=where,
            record_timing=False,
            startup_timeout=600,
        )
        client.execute()
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell["metadata"], cell["id"] = {}, f"cell-{number}"
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(nbformat.read(NOTEBOOK, as_version=4)), NOTEBOOK)
    sys.stdout.write(f"{NOTEBOOK}\n")
