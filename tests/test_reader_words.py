"""What readers of workbooks see of options and methods: words, with the key in brackets."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from drg_engine.month_tables import _option_rows
from drg_engine.points_command import _made_from
from grouper_tables import load_scheme
from grouper_tables._source import OPTIONS
from grouper_tables.words import OPTION_WORDS
from performance.catalogue_methods import describe_methods, load_methods


@pytest.mark.parametrize("name", ["harbin_2024", "chs_drg_2_0"])
def test_grouping_options_are_told_in_words(name: str) -> None:
    month: Any = SimpleNamespace(scheme=load_scheme(name))
    rows = list(_option_rows(month))
    assert len(rows) == len(OPTIONS)
    for section, title, content in rows:
        assert section == "分组选项"
        assert re.fullmatch(r".*[一-鿿].*（[a-z_]+）", title)
        assert re.search("[一-鿿]", content)
    told = {title: content for _, title, content in rows}
    assert told["歧义组（ambiguous_groups）"] == "手术与主要诊断无关时入歧义组"


def test_every_value_of_an_option_has_words() -> None:
    for name, values in OPTIONS.items():
        assert set(OPTION_WORDS[name][1]) == set(values), name


def test_the_catalogues_notes_name_methods_by_their_meaning() -> None:
    built: Any = SimpleNamespace(version="2026-10")
    told: Any = SimpleNamespace(made_from=[], notices=[])
    frame = _made_from(built, load_methods(), told)
    rows = dict(zip(frame["label"], frame["value"], strict=True))
    assert rows["方法：护理人员的权重"] == "0.7　（方法文件的键 staff_weights.nurse）"
    assert not any(re.match("方法：[A-Za-z]", label) for label in rows)
    assert not any("allocation.md" in text for text in rows.values())
    assert rows["方法：执业成本取院内还是诊室"].startswith("院内（facility）")
    # Different keys are not told by the same words.
    assert sum(label.startswith("方法：") for label in rows) == len(
        describe_methods(load_methods())
    )
