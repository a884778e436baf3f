"""The source itself: one numba seam, no prints, audited names, no hidden state, no city in code."""

from __future__ import annotations

import ast
import csv
import functools
import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import drg_engine
import grouper_tables

ROOT = Path(drg_engine.__file__).resolve().parent.parent
PACKAGES = ("drg_engine", "grouper_tables", "performance", "reports")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
CITIES = ("harbin", "哈尔滨", "北京", "上海", "广州", "厦门", "成都", "浙江", "江西", "黑龙江")
PRINTING = {"drg_engine/bootstrap.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def every_file(check: Callable[[Path], None]) -> Callable[[], None]:
    """A test that makes a check of every file of the packages, and names the file that fails."""

    @functools.wraps(check)
    def test() -> None:
        for path in FILES:
            try:
                check(path)
            except AssertionError as error:
                raise AssertionError(f"{name_of(path)}: {error}") from error

    del test.__wrapped__  # type: ignore[attr-defined]
    return test


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_there_are_files_to_look_at() -> None:
    assert len(FILES) > 40
    assert {path.parent.name for path in FILES} >= set(PACKAGES)


@every_file
def test_numba_is_imported_by_the_seam_alone(path: Path) -> None:
    found = {name for name in imported(tree_of(path)) if name.split(".")[0] == "numba"}
    assert not found or name_of(path) == "drg_engine/_jit.py"


def decorators(node: ast.FunctionDef) -> set[str]:
    return {ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list}


@every_file
def test_kernels_live_in_kernel_modules(path: Path) -> None:
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef)]
    known = {"kernel", "kernel_bare", "kernel_part"}
    kernels = [node.name for node in functions if decorators(node) & known]
    assert bool(kernels) == path.name.startswith("_kernels")


@every_file
def test_nothing_prints(path: Path) -> None:
    calls = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "breakpoint", "input")
    ]
    assert calls == [] or name_of(path) in PRINTING


@every_file
def test_no_threads_but_in_the_seam(path: Path) -> None:
    threads = {"threading", "multiprocessing", "concurrent.futures", "asyncio"}
    allowed = {"drg_engine/_jit.py", "drg_engine/ahead.py"}
    assert not (imported(tree_of(path)) & threads) or name_of(path) in allowed


def public_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


@every_file
def test_public_names_are_listed_sorted_and_there(path: Path) -> None:
    names = public_names(tree_of(path))
    assert names is not None, "a module says what it offers"
    assert len(set(names)) == len(names)
    constants = [name for name in names if name.isupper() or re.fullmatch(r"[A-Z0-9_]+", name)]
    classes = [name for name in names if name[0].isupper() and name not in constants]
    rest = [name for name in names if name not in constants and name not in classes]
    assert names == [*sorted(constants), *sorted(classes), *sorted(rest)] or names == sorted(names)
    if path.name == "__main__.py":
        return
    module = importlib.import_module(
        name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    )
    assert [name for name in names if not hasattr(module, name)] == []


@every_file
def test_no_state_at_module_level(path: Path) -> None:
    """No ``global``, no empty collection waiting to be filled, nothing cached by arguments."""
    tree = tree_of(path)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]
    waiting = []
    for node in tree.body:
        value = getattr(node, "value", None)
        empty = isinstance(value, (ast.List, ast.Dict)) and not ast.unparse(value).strip("[]{}")
        made = isinstance(value, ast.Call) and ast.unparse(value) in ("dict()", "list()", "set()")
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and (empty or made):
            waiting.append(ast.unparse(node))
    assert waiting == []
    cached = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and decorators(node) & {"cache", "lru_cache", "functools.cache", "functools.lru_cache"}
        and node.args.args
    ]
    assert cached == []


def literals(tree: ast.Module) -> list[str]:
    """Text in code, docstrings left out."""
    told = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            told.update(id(s.value) for s in body if isinstance(s, ast.Expr))
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


@every_file
def test_no_city_and_no_group_in_code(path: Path) -> None:
    texts = literals(tree_of(path))
    assert [text for text in texts for city in CITIES if city in text.lower()] == []
    assert [text for text in texts if text in GROUPS] == []


def known_groups() -> frozenset[str]:
    found = set()
    for table in (Path(grouper_tables.__file__).parent / "schemes").glob("*/groups.csv"):
        with table.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                found |= {row["drg"], row["adrg"]}
    return frozenset(found)


GROUPS = known_groups()


def test_the_names_at_the_top() -> None:
    assert drg_engine.__all__ == sorted(drg_engine.__all__)
    assert {"load_scheme", "read_cases", "group", "explain"} <= set(drg_engine.__all__)
    assert dir(drg_engine) == sorted(drg_engine.__all__)
    for name in drg_engine.__all__:
        assert getattr(drg_engine, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        drg_engine.nothing_such  # noqa: B018
    assert grouper_tables.__all__ == ["Scheme", "load_scheme", "scheme_names"]


def test_no_wheel_carries_absolute_paths() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[\"'](/(home|tmp|work|root)/|[A-Z]:\\\\)", text), path
