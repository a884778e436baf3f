"""What settling writes: a table of cases, the tables of a region, and what each column means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from drg_engine.grouping import STATUS
from drg_engine.money import to_fen
from drg_engine.payment import KIND_TITLES, KINDS, MISSING_FEN, MODE_TITLES, MODES, Settlement
from drg_engine.payment_columns import Coded
from drg_engine.payment_fund import FundSplit
from drg_engine.payment_words import PART_TITLES, PARTS
from drg_engine.settle_totals import FUND_TITLES, KEY_TITLES
from drg_engine.surplus import MEASURE_TITLES

__all__ = [
    "CASE_COLUMNS",
    "CaseColumn",
    "case_schema",
    "case_table",
    "described",
    "shown_cases",
    "shown_table",
]

Fen = npt.NDArray[np.int64]
STATUS_TITLES = ("入组", "歧义组", "未入组", "不能分组")


@dataclass(frozen=True, slots=True)
class CaseColumn:
    """A column of the table of cases; amounts are named with ``_fen``."""

    name: str
    title: str
    unit: str
    meaning: str


_PART_COLUMNS = tuple(
    CaseColumn(f"{name}_fen", title, "元", f"{title}对支付金额的增减，已在调整之内；规则未开时为空")
    for name, title in zip(PARTS, PART_TITLES, strict=True)
)

CASE_COLUMNS = (
    CaseColumn("case_id", "病案号", "", "照输入"),
    CaseColumn("hospital", "医院", "", "照输入"),
    CaseColumn("hospital_level", "医院级别", "", "3、2、1；未知为 0"),
    CaseColumn("department", "科室", "", "照输入"),
    CaseColumn("doctor", "医生", "", "照输入"),
    CaseColumn("status", "入组状态", "", "入组、歧义组、未入组、不能分组"),
    CaseColumn("drg", "DRG 编码", "", "照输入，或本次分组的结果"),
    CaseColumn("weight", "权重 RW", "", "该病组的相对权重；没有为空"),
    CaseColumn("insurance", "险种", "", "照输入"),
    CaseColumn("policy", "政策", "", "支付该病例的政策代号"),
    CaseColumn("kind", "病例类型", "", "正常、低倍率、高倍率、未入组……"),
    CaseColumn("mode", "支付方式", "", "按支付标准、据实支付、标准加超界部分的比例……"),
    CaseColumn("basis", "支付依据", "", "为什么这样支付，用到的规则"),
    CaseColumn("ratio", "倍率", "倍", "总费用 ÷ 支付标准（或次均费用，依政策）；不判倍率的为空"),
    CaseColumn("bound", "高倍率界值", "倍", "该病例适用的高倍率界值；不判倍率的为空"),
    CaseColumn("total_charges_fen", "总费用", "元", "照输入"),
    CaseColumn("standard_fen", "支付标准", "元", "没有支付标准的病例为空"),
    CaseColumn("paid_fen", "支付金额", "元", "按政策应支付该病例的总额；缺总费用的病例为空"),
    CaseColumn("fund_fen", "基金支付", "元", "按政策的基金支付算法；缺所需的金额列时为空"),
    CaseColumn("personal_pay_fen", "个人负担", "元", "照输入"),
    CaseColumn("other_fund_fen", "其他基金支付", "元", "照输入，没有按 0"),
    CaseColumn("received_fen", "医院实收", "元", "基金支付 + 个人负担 + 其他基金支付"),
    CaseColumn("prepaid_fen", "月度预付", "元", "基金支付 × 月度预付比例"),
    CaseColumn("retained_fen", "质量保证金", "元", "基金支付 × 质量保证金比例"),
    CaseColumn("formula_fen", "公式盈亏", "元", "支付标准 − 总费用；没有支付标准为 0"),
    CaseColumn("adjustment_fen", "调整", "元", "医保盈亏 − 公式盈亏：倍率、特例单议、除外支付等"),
    CaseColumn("surplus_fen", "医保盈亏", "元", "支付金额 − 总费用 = 公式盈亏 + 调整"),
    *_PART_COLUMNS,
    CaseColumn("cost_fen", "成本", "元", "照输入"),
    CaseColumn("cost_surplus_fen", "成本盈亏", "元", "支付金额 − 成本；没有成本为空"),
)
"""The columns of the table of cases in their order."""

_WORDS = {
    "kind": dict(zip(KINDS, KIND_TITLES, strict=True)),
    "mode": dict(zip(MODES, MODE_TITLES, strict=True)),
    "status": dict(zip(STATUS, STATUS_TITLES, strict=True)),
}
_TITLES = {**KEY_TITLES, **MEASURE_TITLES, **FUND_TITLES}


def case_table(settlement: Settlement, fund: FundSplit) -> pa.Table:
    """Some cases as CASE_COLUMNS: amounts int64 fen, null where missing; texts as dictionaries."""
    cases, n = settlement.cases, settlement.n
    basis = settlement.basis_words()
    texts: dict[str, Coded] = {
        "hospital": cases.hospital,
        "department": cases.labels.get("department", Coded.same("", n)),
        "doctor": cases.labels.get("doctor", Coded.same("", n)),
        "status": Coded(cases.status.astype(np.int32), STATUS),
        "drg": Coded(cases.drg, cases.drg_codes),
        "insurance": cases.insurance,
        "policy": Coded.same(settlement.policy.name, n),
        "kind": Coded(settlement.kind.astype(np.int32), KINDS),
        "mode": Coded(settlement.mode.astype(np.int32), MODES),
        "basis": Coded(np.asarray(basis.codes, dtype=np.int32), tuple(basis.categories)),
    }
    amounts: dict[str, Fen | None] = {
        "total_charges": cases.charges,
        "personal_pay": fund.patient,
        "other_fund": fund.other,
        "cost": cases.cost,
        **{name: settlement.parts.get(name) for name in PARTS},
    }
    for name in ("standard", "paid", "formula", "adjustment", "surplus", "cost_surplus"):
        amounts[name] = getattr(settlement, name)
    for name in ("fund", "received", "prepaid", "retained"):
        amounts[name] = getattr(fund, name)
    made: dict[str, pa.Array] = {
        "case_id": cases.case_id,
        "hospital_level": pa.array(cases.level),
        "weight": _floats(cases.weight),
        "ratio": _floats(settlement.ratio),
        "bound": _floats(settlement.bound),
        **{name: _dictionary(label) for name, label in texts.items()},
        **{f"{name}_fen": _fen(column, n) for name, column in amounts.items()},
    }
    columns = [made[column.name] for column in CASE_COLUMNS]
    return pa.Table.from_arrays(columns, schema=_schema(columns))


def case_schema() -> pa.Schema:
    """The table of cases with texts as such, as other programs take them."""
    numbers = {"hospital_level": pa.int8(), "weight": pa.float64()}
    numbers |= {"ratio": pa.float64(), "bound": pa.float64()}
    kinds = {one.name: pa.int64() for one in CASE_COLUMNS if one.name.endswith("_fen")} | numbers
    return pa.schema([(one.name, kinds.get(one.name, pa.string())) for one in CASE_COLUMNS])


def shown_cases(table: pa.Table) -> pa.Table:
    """The table of cases as people read it: Chinese headings and words, exact yuan."""
    columns = []
    for column in CASE_COLUMNS:
        held = table[column.name].combine_chunks()
        if isinstance(held, pa.ChunkedArray):
            held = pa.concat_arrays(held.chunks) if held.num_chunks else held
        if column.name in _WORDS:
            words = [_WORDS[column.name][text] for text in held.dictionary.to_pylist()]
            held = pa.DictionaryArray.from_arrays(held.indices, pa.array(words, pa.string()))
        columns.append(_yuan(held) if column.name.endswith("_fen") else held)
    return pa.table(columns, names=[column.title for column in CASE_COLUMNS])


def shown_table(frame: pd.DataFrame, titles: Mapping[str, str] = _TITLES) -> pa.Table:
    """A table of a region with Chinese headings, exact yuan, nothing for what is not known."""
    columns, names = [], []
    for key in frame.columns:
        values = frame[key]
        if key.endswith("_fen"):
            column = _yuan(_fen(values.to_numpy(dtype=np.int64), len(frame)))
        elif key == "mean_charges":
            column = _yuan(_rounded(values.to_numpy(dtype=np.float64)))
        elif key in _WORDS:
            column = pa.array([_WORDS[key].get(text, text) for text in values], pa.string())
        else:
            column = pa.Array.from_pandas(values)
        columns.append(column)
        names.append(titles.get(key, key))
    return pa.table(columns, names=names)


def described() -> pa.Table:
    """What each column of the table of cases means, in Chinese."""
    rows: Sequence[CaseColumn] = CASE_COLUMNS
    units = ["分（csv、xlsx 中为元）" if one.unit == "元" else one.unit for one in rows]
    return pa.table(
        {
            "Parquet 列名": [one.name for one in rows],
            "表头": [one.title for one in rows],
            "单位": units,
            "含义": [one.meaning for one in rows],
        }
    )


def _schema(columns: Sequence[pa.Array]) -> pa.Schema:
    """Each field says its heading, unit and meaning."""

    def fields() -> Iterator[pa.Field]:
        for column, array in zip(CASE_COLUMNS, columns, strict=True):
            unit = "分" if column.unit == "元" else column.unit
            about = {"title": column.title, "unit": unit, "meaning": column.meaning}
            yield pa.field(column.name, array.type, metadata=about)

    return pa.schema(list(fields()))


def _dictionary(label: Coded) -> pa.DictionaryArray:
    codes = pa.array(label.codes, mask=label.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(label.names), pa.string()))


def _fen(column: Fen | None, n: int) -> pa.Array:
    if column is None:
        return pa.nulls(n, pa.int64())
    return pa.array(column, mask=column == MISSING_FEN)


def _floats(column: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(column, mask=np.isnan(column))


def _rounded(yuan: npt.NDArray[np.float64]) -> pa.Array:
    missing = np.isnan(yuan)
    return pa.array(to_fen(np.where(missing, 0.0, yuan)), mask=missing)


def _yuan(fen: pa.Array) -> pa.Array:
    """Whole fen as yuan with two decimals, without a way through floats."""
    low = np.ascontiguousarray(fen.fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
    wide = np.empty((low.size, 2), dtype=np.int64)
    wide[:, 0], wide[:, 1] = low, low >> 63
    valid = None
    if fen.null_count:
        there = np.packbits(fen.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        valid = pa.py_buffer(there.tobytes())
    kind: Any = pa.decimal128(20, 2)
    return pa.Array.from_buffers(kind, low.size, [valid, pa.py_buffer(wide.tobytes())])
