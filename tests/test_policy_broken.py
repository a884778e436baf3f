"""Broken policy files: each in data/policies/broken, with the words its message must contain.

The first line of a file says the words, parted by ｜; a second comment line may name the DRGs of
the scheme that the policy is to be used with.  To add one, put a file there.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from drg_engine.errors import PolicyError
from drg_engine.payment import PaymentColumns, settle
from drg_engine.policy import load_policy

BROKEN = sorted((Path(__file__).parent / "data" / "policies" / "broken").glob("*.toml"))
SAYS, DRGS = "# 应说：", "# 方案的病组："


def test_there_are_as_many_as_asked_for() -> None:
    assert len(BROKEN) >= 30


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_file(path: Path) -> None:
    first, second, *_ = [*path.read_text(encoding="utf-8").splitlines(), "", ""]
    assert first.startswith(SAYS)
    with pytest.raises(PolicyError) as caught:
        policy = load_policy(path)
        assert second.startswith(DRGS), "没有错误，也没有写方案的病组"
        codes = second.removeprefix(DRGS).split()
        empty = pd.DataFrame({"case_id": [], "drg": []}, dtype=object)
        settle(PaymentColumns.from_frame(empty, codes), policy)
    words = str(caught.value)
    for part in first.removeprefix(SAYS).split(" ｜ "):
        assert part in words
    for fault in caught.value.faults:
        assert fault.file
        assert fault.message
