"""What all kernels keep to, told from their sources."""

from __future__ import annotations

import ast
import pathlib

import pytest

import dedup.kernels

SOURCES = sorted(pathlib.Path(dedup.kernels.__path__[0]).glob("*.py"))


def kernels_of(path: pathlib.Path) -> list[ast.FunctionDef]:
    """Return the functions of a file that are compiled and cached by themselves."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [
        one for one in functions if any(isinstance(by, ast.Name) and by.id == "kernel" for by in one.decorator_list)
    ]


NAMES = {one.name: path.stem for path in SOURCES for one in kernels_of(path)}


def test_kernels_have_names_of_their_own() -> None:
    assert len(NAMES) == sum(len(kernels_of(path)) for path in SOURCES) >= 30


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_kernel_is_called_by_compiled_code(path: pathlib.Path) -> None:
    """Cached kernels are loaded without what LLVM would need to build them into others."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    decorated = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list]
    calls = [node.func for one in decorated for node in ast.walk(one) if isinstance(node, ast.Call)]
    assert [call.id for call in calls if isinstance(call, ast.Name) and call.id in NAMES] == []
