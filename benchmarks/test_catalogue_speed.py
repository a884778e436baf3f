"""Proposing values for 40,000 price items, half of them with values."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from performance.catalogue_methods import load_methods
from performance.catalogue_similar import plain_name, propose
from performance.catalogue_values import VALUES

ITEMS = 40_000
WAYS = ("腹腔镜", "开腹", "经皮", "超声引导", "内镜下", "显微镜下", "双侧", "单侧")
PLACES = ("胆囊", "阑尾", "甲状腺", "膝关节", "髋关节", "肺叶", "胃", "结肠", "直肠", "肾")
WORKS = ("切除术", "修补术", "成形术", "活检术", "引流术", "造影", "检查", "测定", "护理")
CLASSES = ("手术", "检查", "治疗", "化验", "护理")


def items() -> pd.DataFrame:
    rng = np.random.default_rng(20261122)
    words = [np.array(one, dtype=object)[rng.integers(0, len(one), ITEMS)]
             for one in (WAYS, PLACES, PLACES, WORKS)]  # fmt: skip
    number = [f"（{n}）" for n in rng.integers(0, 60, ITEMS)]
    price = (np.exp(rng.normal(5.0, 1.5, ITEMS)) * 100).astype(np.int64) + 1
    frame = pd.DataFrame(
        {
            "item_code": [f"{n:06d}" for n in range(ITEMS)],
            "item_name": words[0] + words[1] + words[2] + words[3] + np.array(number, dtype=object),
            "item_class": np.array(CLASSES)[rng.choice(5, ITEMS, p=[0.5, 0.15, 0.15, 0.15, 0.05])],
            "price_fen": price,
        }
    )
    half = np.arange(ITEMS) % 2 == 0
    for name in VALUES:
        frame[name] = np.where(half, 20_000, -1)
    return frame


def test_proposals(benchmark: Any, show: Any) -> None:
    """Finding the nearest costs little more than comparing the names; < 30 s in all."""
    frame, methods = items(), load_methods()
    known = np.arange(ITEMS) % 2 == 0
    how = (methods.proposal, methods.decimals)
    made = benchmark.pedantic(lambda: propose(frame, known, ~known, how), rounds=1)
    seconds = benchmark.stats.stats.min
    names = [plain_name(name) for name in frame["item_name"]]
    kinds = frame["item_class"].to_numpy()
    comparing = 0.0
    for kind in CLASSES:
        asked = [names[at] for at in np.flatnonzero(~known & (kinds == kind))]
        given = [names[at] for at in np.flatnonzero(known & (kinds == kind))]
        started = time.perf_counter()
        for start in range(0, len(asked), 500):
            cdist(asked[start : start + 500], given, scorer=Indel.normalized_similarity,
                  score_cutoff=0.5, dtype=np.float32, workers=-1)  # fmt: skip
        comparing += time.perf_counter() - started
    show("建议 40,000 个项目的点数", "< 30 s", f"{seconds:.1f} s")
    show("建议 ÷ 只比名称", "≤ 4", f"{seconds / comparing:.1f}")
    assert len(made) > ITEMS // 4
    assert seconds < 30
    assert seconds <= 4 * comparing + 1
