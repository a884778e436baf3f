"""What the commands that fit do: read, fit, write, show."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from pathlib import Path

import typer

from drg_engine.console import show_table
from drg_engine.errors import Fault, InputError
from drg_engine.files import written_aside
from drg_engine.fit_inputs import option_default, option_rows, read_fit_table, read_fit_tables
from drg_engine.infer import Finding, Inference, Returns, Settings, bare_policy, infer_policy
from drg_engine.policy import load_policy
from drg_engine.rates import fit_rates, rates_policy
from drg_engine.weight_files import fit_scheme, group_rows, summary_rows, write_scheme
from drg_engine.weights import Choices, Judgement, Trim
from drg_engine.writers import check_suffix, write_table
from grouper_tables import load_scheme
from reports.values import masked_ids

__all__ = ["fit_rates_and_show", "fit_weights_and_show", "infer_and_show", "show_options"]

_SHOWN = 20
_NAME = re.compile(r"[^A-Za-z0-9_.\-]")


def show_options() -> None:
    """Print every option with its default and source."""
    show_table("测算与反推的选项", ("选项", "名称", "默认", "可选", "说明", "来源"), option_rows())


def fit_weights_and_show(
    cases: Sequence[Path],
    base: str,
    out: Path,
    *,
    effective_from: str,
    title: str | None,
    authority: str,
    changes: Path | None,
    trim: Trim,
    judgement: Judgement,
    choices: Choices,
    decimals: int | None,
    sheet: str | None,
) -> None:
    """Fit weights, write the scheme, print its quality and the unstable groups."""
    day, scheme = _day(effective_from), load_scheme(base)
    table = read_fit_tables(cases, "cases", sheet=sheet)
    found = fit_scheme(
        table, scheme, trim, judgement=judgement, choices=choices, changes=changes,
        decimals=option_default("decimals", decimals),
    )  # fmt: skip
    write_scheme(
        out,
        scheme,
        found,
        title=title or f"{scheme.title}，权重由 {table.file} 测算",
        effective_from=day,
        source=cases,
        authority=authority,
    )
    show_table("权重测算", ("项目", "结果"), summary_rows(found))
    unstable = group_rows(found, unstable_only=True).select(
        ["病组", "名称", "病例数", "裁剪后病例数", "裁剪后CV", "写入权重", "说明"]
    )
    rows = [tuple("" if v is None else v for v in row.values()) for row in unstable.to_pylist()]
    if rows:
        more = f"，共 {len(rows)} 个，全部见 report/groups.csv" if len(rows) > _SHOWN else ""
        show_table(f"不稳定病组{more}", unstable.column_names, rows[:_SHOWN])
    typer.echo(f"方案：{out}，质量页：{out / 'report' / 'quality.html'}")


def fit_rates_and_show(
    budget: Path,
    out: Path,
    *,
    effective_from: str,
    policy: str,
    title: str | None,
    cases: Path | None,
    scheme: str | None,
    level: int | None,
    decimals: int | None,
    sheet: str | None,
) -> None:
    """Fit rates, write the policy, print the rates."""
    day, base = _day(effective_from), load_policy(policy)
    name = _policy_name(out, (budget, Path(policy), cases))
    weights = None
    if scheme is not None:
        loaded = load_scheme(scheme)
        pairs = zip(loaded.drg_codes, loaded.weights.tolist(), strict=True)
        weights = {code: weight for code, weight in pairs if not math.isnan(weight)}
    counted = read_fit_table(cases, "weighted_cases") if cases is not None else None
    rates = fit_rates(
        read_fit_table(budget, "budget", sheet=sheet), counted, weights, decimals=decimals
    )
    info: dict[str, object] = {
        "name": name,
        "title": title or f"{base.title}，费率由 {budget.name} 测算",
        "effective_from": day,
        "effective_to": None,
    }
    text, made = rates_policy(rates, base, info, level=level, file=out.name)
    _write_text(out, text)
    rows = [
        (r.insurance, str(r.level), f"{r.predicted:,.2f}", f"{r.split:.4%}", f"{r.weight:,.4f}",
         f"{r.rate:,.10g}")
        for r in rates
    ]  # fmt: skip
    headings = ("险种", "医院级别", "预测总费用（元）", "费用占比", "Σ n·RW", "费率（元/1.0 RW）")
    show_table("费率测算", headings, rows)
    typer.echo(f"政策：{out}（{made.title}）")


def infer_and_show(
    returns: Sequence[Path],
    out: Path,
    *,
    effective_from: str,
    policy: str | None,
    title: str | None,
    rates: Sequence[str],
    residuals: Path | None,
    settings: Settings,
    sheet: str | None,
) -> None:
    """Infer a policy, write it and the residuals, print the findings."""
    day = _day(effective_from)
    name = _policy_name(out, (*returns, residuals, Path(policy) if policy else None))
    if residuals is not None:
        check_suffix(residuals)
        if residuals.resolve() in {path.resolve() for path in returns}:
            raise InputError("输出文件名不能用", [Fault(residuals.name, "输出会覆盖输入文件")])
    table = read_fit_tables(returns, "returns", sheet=sheet)
    heading = title or f"由 {table.file} 反推的支付政策"
    base = bare_policy(name, heading, day) if policy is None else load_policy(policy)
    info: dict[str, object] = {
        "name": name,
        "title": heading,
        "effective_from": day,
        "effective_to": None,
        "source": f"{base.rules.policy.source}（未能由回款确定）" if policy else "默认（未能确定）",
    }
    found = infer_policy(
        Returns.of(table),
        base,
        info,
        settings=settings,
        known_rates=_known_rates(rates),
        file=out.name,
    )
    _write_text(out, found.text)
    if residuals is not None:
        write_table(residuals, found.residuals, bom=True)
    _show_inference(found)
    typer.echo(f"政策：{out}")
    if residuals is not None:
        typer.echo(f"不符的病例：{residuals}")


def _show_inference(found: Inference) -> None:
    sure = [finding for finding in found.findings if finding.sure]
    unsure = [finding for finding in found.findings if not finding.sure]
    headings = ("项目", "结果", "可能的区间", "符合", "依据")
    show_table("由回款确定的", headings, [_row(finding) for finding in sure])
    rows = [(f.title, f.value, _span(f), f.words) for f in unsure]
    show_table("由回款不能确定的", ("项目", "暂记", "可能的区间", "说明"), rows)
    typer.echo(
        f"支付标准相符 {found.standard_hits:,} / {found.standard_cases:,}，"
        f"支付金额相符 {found.paid_hits:,} / {found.paid_cases:,}"
    )
    held = found.residuals.slice(0, _SHOWN)
    if held.num_rows:
        keep = ["病案号", "病组", "总费用", "标准之差", "金额之差", "推算病例类型"]
        shown = held.select(keep).to_pandas()
        shown["病案号"] = masked_ids(shown["病案号"])
        rows_of = [tuple(str(value) for value in row) for row in shown.itertuples(index=False)]
        more = f"，共 {found.residuals.num_rows:,} 例" if found.residuals.num_rows > _SHOWN else ""
        show_table(f"不符的病例（差额大的在前{more}）", keep, rows_of)


def _row(finding: Finding) -> tuple[str, ...]:
    share = f"{finding.cases:,} / {finding.of:,}" if finding.of else ""
    return finding.title, finding.value, _span(finding), share, finding.words


def _span(finding: Finding) -> str:
    if math.isnan(finding.low) or finding.low == finding.high:
        return ""
    return f"{finding.low:,.8g} 至 {finding.high:,.8g}"


def _known_rates(texts: Sequence[str]) -> dict[str, float]:
    known: dict[str, float] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not sign or not name.strip() or not 0 < rate < float("inf"):
            fault = Fault("选项", "已知费率写法不对", None, "rate", text, "应如 310=12252.70")
            raise InputError("选项有误", [fault])
        known[name.strip()] = rate
    return known


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        fault = Fault("选项", "不是日期", None, "effective-from", text, "应如 2027-01-01")
        raise InputError("选项有误", [fault]) from None


def _policy_name(out: Path, inputs: Sequence[Path | None]) -> str:
    """Code of the policy from its file's name; the file must be TOML and none of the inputs."""
    faults = []
    if out.suffix.lower() != ".toml":
        faults.append(Fault(out.name, "政策文件的扩展名应为 .toml", found=out.suffix or "没有"))
    if any(path is not None and path.resolve() == out.resolve() for path in inputs):
        faults.append(Fault(out.name, "输出会覆盖输入文件", mend="换一个文件名"))
    if faults:
        raise InputError("输出文件名不能用", faults)
    name = _NAME.sub("_", out.stem)
    return name if name[:1].isascii() and name[:1].isalpha() else f"policy_{name}"


def _write_text(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")
