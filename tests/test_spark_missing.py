"""Without pyspark the functions for Spark say what to install."""

from __future__ import annotations

import sys

import pytest

from drg_engine.errors import InputError
from drg_engine.spark import group_frame


def test_pyspark_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(InputError, match=r"drg-engine\[spark\]"):
        group_frame(None, "chs_drg_2_0")  # type: ignore[arg-type]
