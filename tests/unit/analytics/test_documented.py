"""What ``analytics`` offers says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import analytics

ROOT = Path(analytics.__file__).parent


def offered() -> Iterator[tuple[str, ast.Module | ast.FunctionDef | ast.ClassDef]]:
    """All modules, their public functions and classes."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        yield str(path.relative_to(ROOT)), module
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield f"{path.relative_to(ROOT)}: {node.name}", node


def test_every_module_and_every_public_function_and_class_says_what_it_is() -> None:
    found = list(offered())
    assert len(found) > 200
    assert [name for name, node in found if not ast.get_docstring(node)] == []
