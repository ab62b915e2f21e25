"""Names: a class is called by one name in the whole package, so that a reader knows which one is meant."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import densnet


def test_no_two_classes_have_one_name() -> None:
    trees = [ast.parse(path.read_text("utf-8")) for path in Path(densnet.__file__).parent.rglob("*.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
