"""Compiling a scheme's tables and loading the snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import best

from grouper_tables import load_scheme, scheme_names


@pytest.mark.parametrize("name", scheme_names())
def test_compile_and_load(benchmark: Any, name: str, tmp_path: Path, show: Any) -> None:
    places = iter(range(100))
    compiling = best(lambda: load_scheme(name, cache=tmp_path / str(next(places))), 3)
    benchmark.pedantic(lambda: load_scheme(name, cache=tmp_path / "0"), rounds=5)
    loading = benchmark.stats.stats.min
    show(f"编译 {name}", "< 2 s", f"{compiling:.2f} s")
    show(f"读 {name} 的编译缓存", "< 0.2 s", f"{loading:.3f} s")
    assert compiling < 2
    assert loading < 0.2
