"""Execute every notebook of this folder in a temporary folder; fail on an error or on outputs kept in the file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def main() -> int:
    """Return the number of notebooks that failed."""
    failed = 0
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        kept = [c for c in notebook.cells if c.cell_type == "code" and (c.outputs or c.execution_count)]
        problem = f"{len(kept)} cells keep their outputs; strip them" if kept else ""
        with tempfile.TemporaryDirectory() as folder:
            client = NotebookClient(
                notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
            )
            try:
                client.execute()
            except CellExecutionError as error:
                problem = str(error)
        print(f"{path.name}: {problem or 'executed'}")
        failed += bool(problem)
    return failed


if __name__ == "__main__":
    sys.exit(main())
