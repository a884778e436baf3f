"""A TOML file with a slip of the pen: told in Chinese, with its line and how to mend it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drg_engine.columns import read_mapping
from drg_engine.desk_reference import desk_settings
from drg_engine.errors import DrgEngineError
from drg_engine.policy import parse_policy
from drg_engine.scenario import parse_scenario
from drg_engine.toml_faults import toml_fault
from drg_engine.workspace import open_workspace
from performance.catalogue_methods import load_methods
from performance.plan import parse_plan

ENGLISH = ("Invalid", "Expected", "at line", "column", "Illegal", "Unclosed", "Cannot")


def told(text: str) -> str:
    with pytest.raises(ValueError) as caught:
        tomllib.loads(text)
    words = str(toml_fault("甲.toml", caught.value, text))
    assert not any(word in words for word in ENGLISH), words
    return words


@pytest.mark.parametrize(
    ("text", "row", "mend"),
    [
        ("a = 1\nname = “市一院”\n", "第 2 行 [第 8 列]", "中文引号 “ 请改为英文半角引号"),
        ("pool = 2,600,000\n", "第 1 行 [第 9 列]", "2,600,000 请写作 2600000"),
        ("pool = 2，600，000\n", "第 1 行", "2，600，000 请写作 2600000"),
        ("share = 30%\n", "第 1 行", "30% 写作 0.3"),
        ("a = [1，2]\n", "第 1 行", "逗号请用英文半角 ,"),
        ("a ＝ 1\n", "第 1 行", "等号"),
        ("a = 1\na = 2\n", "", "只留一处"),
        ("[x]\na = 1\n[x]\n", "", "合成一节"),
        ('a = "b\n', "第 1 行", "引号成对"),
        ("a = [1\n", "", "括号成对"),
        ("外科 = 1\n", "第 1 行", "英文半角引号"),
        ("a = 2026-13-01\n", "", "2026-10-01"),
    ],
)
def test_words(text: str, row: str, mend: str) -> None:
    words = told(text)
    assert row in words
    assert mend in words


def test_a_number_in_quotes_is_not_taken_for_the_fault() -> None:
    assert "千分位：" not in told('a = "2,600,000" 元\n')


BROKEN = "[run]\nscheme = “harbin_2024”\n"


def test_every_file_of_this_kind_tells_its_line(tmp_path: Path) -> None:
    for name in ("hospital.toml", "desk.toml", "columns.toml", "methods.toml"):
        (tmp_path / name).write_text(BROKEN, encoding="utf-8")
    readers = {
        "hospital.toml": lambda: open_workspace(tmp_path),
        "columns.toml": lambda: read_mapping(tmp_path / "columns.toml"),
        "methods.toml": lambda: load_methods(tmp_path / "methods.toml"),
        "plan.toml": lambda: parse_plan(BROKEN.encode()),
        "p.toml": lambda: parse_policy(BROKEN.encode(), file="p.toml"),
        "s.toml": lambda: parse_scenario(BROKEN.encode(), file="s.toml"),
        "desk.toml": lambda: desk_settings(tmp_path),
    }
    for name, read in readers.items():
        with pytest.raises(DrgEngineError) as caught:
            read()
        words = str(caught.value)
        assert f"{name} 第 2 行 [第 10 列]：值的写法不对（读到“scheme = “harbin_2024””）" in words
        assert "中文引号" in words
