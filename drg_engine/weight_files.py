"""Weights fitted from a file of cases, written as a scheme that differs from its base.

The folder holds ``scheme.toml`` (with ``base``) and ``groups.csv`` (with weights), which
load_scheme takes at once, and under ``report`` the quality of every group and of the whole, as
tables and as a page.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from drg_engine.errors import Fault, InputError
from drg_engine.files import file_sha256
from drg_engine.fit_inputs import FitTable, option_default, read_fit_table
from drg_engine.plain_page import Cell, PageTable, page_html
from drg_engine.toml_text import toml_text
from drg_engine.weights import (
    Choices,
    GroupFit,
    Judgement,
    Trim,
    changed_weights,
    chosen_weights,
    fit_weights,
    judge,
)
from drg_engine.writers import write_table
from grouper_tables import Scheme, load_scheme, scheme_names
from grouper_tables._source import SCHEMES

__all__ = [
    "WeightFit",
    "fit_scheme",
    "group_rows",
    "quality_page",
    "summary_rows",
    "write_scheme",
]

Floats = npt.NDArray[np.float64]

GROUP_TITLES = (
    "病组", "名称", "病例数", "裁剪后病例数", "低于下界", "高于上界", "下四分位", "中位数",
    "上四分位", "下界", "上界", "裁剪前均值", "裁剪后均值", "裁剪前CV", "裁剪后CV", "测算权重",
    "写入权重", "原方案权重", "变化率", "是否稳定", "说明",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class WeightFit:
    """Weights of a scheme's groups, aligned with ``codes``.

    ``fit`` is what the charges say; ``weights`` what is written (NaN none), after choices, changes
    by hand, rescaling and rounding; ``exact`` the same before rounding.  ``unknown`` counts cases
    whose DRG is no group of the scheme (ungrouped, ambiguous, another edition).
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    base: Floats
    fit: GroupFit
    few: npt.NDArray[np.bool_]
    wide: npt.NDArray[np.bool_]
    changed: npt.NDArray[np.bool_]
    exact: Floats
    weights: Floats
    cases: int
    unknown: int
    trim: Trim
    judgement: Judgement
    choices: Choices


def fit_scheme(
    cases: FitTable,
    base: Scheme,
    trim: Trim,
    *,
    judgement: Judgement | None = None,
    choices: Choices | None = None,
    changes: Path | None = None,
    decimals: int | None = None,
) -> WeightFit:
    """Weights for the groups of ``base`` from grouped cases (columns drg, total_charges).

    Raises InputError where no case can be used or the file of changes is faulty.
    """
    judgement, choices = judgement or Judgement.of(), choices or Choices.of()
    groups = base.source.tables["groups"]
    codes, names = tuple(groups.column("drg")), tuple(groups.column("name"))
    own = np.array([float(text) if text else np.nan for text in groups.column("weight")])
    place = {code: index for index, code in enumerate(codes)}
    label = cases.text("drg")
    to = np.array([*(place.get(name, -1) for name in label.names), -1], dtype=np.int64)
    group = to[label.codes]
    fit = fit_weights(group, cases.fen["total_charges"], len(codes), trim)
    if not fit.n.any():
        mend = f"请核对“病组”列是否为 {base.name} 的病组编码，“总费用”列是否有数"
        fault = Fault(cases.file, "没有一例可以用来测算", found=f"{cases.n:,} 行", mend=mend)
        raise InputError("不能测算权重", [fault])
    few, wide = judge(fit, judgement)
    stable = (fit.n > 0) & ~few & ~wide
    weights = chosen_weights(fit, stable, own, choices)
    new, factors = _read_changes(changes, place, weights)
    counts = fit.n if choices.count == "all" else fit.kept
    exact = changed_weights(weights, new, factors, counts)
    changed = np.zeros(len(codes), dtype=np.bool_)
    changed[[*new, *factors]] = True
    digits = option_default("decimals", decimals)
    return WeightFit(
        codes=codes,
        names=names,
        base=own,
        fit=fit,
        few=few,
        wide=wide,
        changed=changed,
        exact=exact,
        weights=_rounded(exact, digits),
        cases=cases.n,
        unknown=int((group < 0).sum()),
        trim=trim,
        judgement=judgement,
        choices=choices,
    )


def group_rows(found: WeightFit, *, unstable_only: bool = False) -> pa.Table:
    """The quality page: one row for each group, headed GROUP_TITLES; null where there is none."""
    fit = found.fit
    shown = found.few | found.wide if unstable_only else np.ones(len(found.codes), dtype=np.bool_)
    stable = np.where(fit.n == 0, "无病例", np.where(found.few | found.wide, "不稳定", "稳定"))
    change = found.weights / np.where(found.base > 0, found.base, np.nan) - 1.0
    columns: list[object] = [
        found.codes, found.names, fit.n, fit.kept, fit.below, fit.above,
        *(np.round(money, 2) for money in (
            fit.q1, fit.median, fit.q3, fit.lower, fit.upper, fit.raw_mean, fit.mean)),
        *(np.round(part, 6) for part in (fit.raw_cv, fit.cv, fit.weight)),
        found.weights, found.base, np.round(change, 6), stable, _notes(found),
    ]  # fmt: skip
    arrays = [pa.array(column, from_pandas=True) for column in columns]
    table = pa.table(arrays, names=list(GROUP_TITLES))
    return table.filter(pa.array(shown))


def summary_rows(found: WeightFit) -> list[tuple[str, str]]:
    """The quality of the whole, in words and figures."""
    fit, judgement = found.fit, found.judgement
    unstable = found.few | found.wide
    total, share = int(fit.n.sum()), fit.n[unstable].sum() / fit.n.sum()
    reached = "达到" if fit.riv >= judgement.riv_at_least else "未达到"
    if not np.isfinite(fit.riv):
        reached = "算不出，各例费用相同，对照"
    before = float(np.nansum(fit.n * found.exact))
    after = float(np.nansum(fit.n * found.weights))
    return [
        ("裁剪方法", found.trim.words()),
        ("读入病例", f"{found.cases:,}"),
        ("不属于方案病组（未入组、歧义组等）", f"{found.unknown:,}"),
        ("总费用缺失或不为正", f"{fit.left_out - found.unknown:,}"),
        ("计价病例", f"{total:,}"),
        ("裁剪后病例", f"{int(fit.kept.sum()):,}"),
        ("低于下界 / 高于上界", f"{int(fit.below.sum()):,} / {int(fit.above.sum()):,}"),
        ("全部病例次均费用（裁剪前）", f"{fit.raw_overall_mean:,.2f} 元"),
        ("全部病例次均费用（裁剪后）", f"{fit.overall_mean:,.2f} 元"),
        ("RIV（裁剪前）", f"{fit.raw_riv:.4f}"),
        ("RIV（裁剪后）", f"{fit.riv:.4f}，{reached}要求 {judgement.riv_at_least:g}"),
        ("有病例的病组", f"{int((fit.n > 0).sum()):,} / {len(found.codes):,}"),
        (f"病例少于 {judgement.min_cases} 例的病组", f"{int(found.few.sum()):,}"),
        (f"CV 达到 {judgement.cv_below:g} 的病组", f"{int(found.wide.sum()):,}"),
        ("不稳定病组的病例占比", f"{share:.2%}"),
        ("人工调整的病组", f"{int(found.changed.sum()):,}"),
        ("有权重的病组", f"{int(np.isfinite(found.weights).sum()):,}"),
        ("Σ n·RW（舍入前 / 写入后）", f"{before:,.4f} / {after:,.4f}"),
    ]


def quality_page(found: WeightFit, title: str) -> str:
    """The quality of the whole and of every group as one HTML page, unstable groups first."""
    summary = PageTable("", ("项目", "结果"), summary_rows(found), found=False)
    unstable = _page_table("不稳定病组", group_rows(found, unstable_only=True), mark=True)
    every = _page_table("全部病组", group_rows(found), mark=False)
    words = [
        f"{title}。{found.trim.words()}；稳定：裁剪后不少于 {found.judgement.min_cases} 例，"
        f"且 CV 小于 {found.judgement.cv_below:g}；总体 RIV 要求 {found.judgement.riv_at_least:g}。"
    ]
    return page_html("权重测算质量", words, [summary, unstable, every], "查找：病组、名称或说明")


def _page_table(title: str, table: pa.Table, *, mark: bool) -> PageTable:
    """A table of groups; figures stand to the right, what makes a group unstable is marked."""
    told = table.num_columns - 1
    texts = frozenset((0, 1, told - 1, told))
    rows = [
        [Cell(_shown(name, value), mark=mark and name == "说明") for name, value in row.items()]
        for row in table.to_pylist()
    ]
    numbers = frozenset(range(table.num_columns)) - texts
    return PageTable(f"{title}（{table.num_rows:,} 个）", table.column_names, rows, numbers)


def _shown(name: str, value: object) -> str:
    """A figure as people read it: weights and CV to four decimals, changes in percent."""
    if isinstance(value, float):
        if name == "变化率":
            return f"{value:+.2%}"
        return f"{value:,.4f}" if "权重" in name or "CV" in name else f"{value:,.2f}"
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_scheme(
    folder: Path,
    base: Scheme,
    found: WeightFit,
    *,
    title: str,
    effective_from: dt.date,
    source: Path | Sequence[Path],
    authority: str = "",
) -> Scheme:
    """Write the scheme difference into a new folder and load it, so that it is known to load.

    source: the file or files that the cases came from, told with their hashes.

    Raises InputError where the folder is there and not empty, or has a shipped scheme's name.
    """
    if folder.name in scheme_names():
        fault = Fault(folder.name, "与随软件提供的方案同名，以后会取错", mend="换一个文件夹名")
        raise InputError("不能写出方案", [fault])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fault = Fault(folder.name, "文件夹已存在且不为空", mend="换一个文件夹，或先移走旧的")
        raise InputError("不能写出方案", [fault])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as held:
        aside = Path(held) / folder.name
        aside.mkdir()
        sources = [source] if isinstance(source, Path) else source
        text = _manifest(folder, base, found, title, effective_from, sources, authority)
        (aside / "scheme.toml").write_text(text, encoding="utf-8", newline="\n")
        _write_groups(aside / "groups.csv", base, found)
        if base.source.tables["rates"].rows:
            rates = ",".join(base.source.tables["rates"].columns)
            (aside / "rates.csv").write_text(f"{rates}\n", encoding="utf-8", newline="\n")
        write_table(aside / "report" / "groups.csv", group_rows(found), bom=True)
        (aside / "report" / "quality.html").write_text(
            quality_page(found, title), encoding="utf-8", newline="\n"
        )
        whole = summary_rows(found)
        table = pa.table({"项目": [one for one, _ in whole], "结果": [two for _, two in whole]})
        write_table(aside / "report" / "summary.csv", table, bom=True)
        if folder.is_dir():
            folder.rmdir()
        aside.rename(folder)
    return load_scheme(folder.resolve())


def _read_changes(
    path: Path | None, place: dict[str, int], weights: Floats
) -> tuple[dict[int, float], dict[int, float]]:
    """New weights and factors by group place, from a table of changes by hand."""
    new: dict[int, float] = {}
    factors: dict[int, float] = {}
    if path is None:
        return new, factors
    table = read_fit_table(path, "changes")
    nothing = np.full(table.n, np.nan)
    columns = {name: table.numbers.get(name, nothing).tolist() for name in ("weight", "factor")}
    label = table.text("drg")
    faults: list[Fault] = []
    rows = zip(label.codes.tolist(), *columns.values(), table.rows.tolist(), strict=True)
    for code, weight, factor, row in rows:
        drg = label.names[code] if code >= 0 else ""
        at = place.get(drg)
        said = [value for value in (weight, factor) if not math.isnan(value)]
        if at is None:
            faults.append(Fault(path.name, "分组方案里没有这个病组", row, "病组", drg))
        elif at in new or at in factors:
            faults.append(Fault(path.name, "同一病组写了两行", row, "病组", drg))
        elif len(said) != 1 or not said[0] > 0:
            mend = "“权重”和“调整系数”写且只写一个，须为正数"
            faults.append(Fault(path.name, "调整写法不对", row, found=drg, mend=mend))
        elif not math.isnan(weight):
            new[at] = weight
        elif not np.isfinite(weights[at]):
            mend = "请改写“权重”"
            faults.append(Fault(path.name, "该病组没有权重，不能乘系数", row, "病组", drg, mend))
        else:
            factors[at] = factor
    if faults:
        raise InputError(f"{path.name} 不能用作权重调整表", faults)
    return new, factors


def _rounded(weights: Floats, digits: int) -> Floats:
    """Weights to ``digits`` decimals; one that would become 0 keeps two figures that count."""
    found = np.round(weights, digits)
    lost = (found == 0) & (weights > 0)
    found[lost] = [float(f"{weight:.2g}") for weight in weights[lost]]
    return found


def _notes(found: WeightFit) -> list[str]:
    rows = zip(found.few.tolist(), found.wide.tolist(), found.changed.tolist(), strict=True)
    few = f"裁剪后少于 {found.judgement.min_cases} 例"
    wide = f"CV 达到 {found.judgement.cv_below:g}"
    parts = [[few if a else "", wide if b else "", "人工调整" if c else ""] for a, b, c in rows]
    return ["；".join(filter(None, words)) for words in parts]


def _manifest(
    folder: Path,
    base: Scheme,
    found: WeightFit,
    title: str,
    effective_from: dt.date,
    sources: Sequence[Path],
    authority: str,
) -> str:
    fit, choices = found.fit, found.choices
    words = {"keep": "照用", "none": "不给权重", "base": "沿用原方案（折到同一水平）"}
    data = {
        "name": folder.name,
        "title": title,
        "edition": str(effective_from.year),
        "authority": authority,
        "document": "由地区病例测算，不是公布的权重",
        "effective_from": effective_from,
        "base": _base_name(base, folder),
        "provenance": {
            "source": "；".join(f"{one.name}，SHA-256 {file_sha256(one)}" for one in sources),
            "method": f"RW = 病组裁剪后均值 ÷ 全部病例裁剪后均值；{found.trim.words()}；"
            f"不稳定病组{words[choices.unstable]}，无病例病组{words[choices.absent]}；"
            f"人工调整 {int(found.changed.sum())} 个病组",
            "trust": f"计价 {int(fit.n.sum()):,} 例，RIV {fit.riv:.4f}，"
            f"不稳定病组 {int((found.few | found.wide).sum())} 个；逐组质量见 report/groups.csv",
        },
    }
    heading = ["地区方案：只写与 base 的差别。groups.csv 的权重由测算得出。"]
    return toml_text(data, heading=heading)


def _base_name(base: Scheme, folder: Path) -> str:
    """Name by which the base is found again: shipped schemes by name, others from beside."""
    if base.folder.parent == SCHEMES:
        return base.folder.name
    return os.path.relpath(base.folder, folder.resolve().parent).replace(os.sep, "/")


def _write_groups(path: Path, base: Scheme, found: WeightFit) -> None:
    table = base.source.tables["groups"]
    columns = table.columns if "weight" in table.columns else (*table.columns, "weight")
    texts = ["" if math.isnan(weight) else repr(weight) for weight in found.weights.tolist()]
    held = {name: table.column(name) for name in columns} | {"weight": texts}
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(held[name] for name in columns), strict=True))
    path.write_text(sink.getvalue(), encoding="utf-8", newline="\n")
