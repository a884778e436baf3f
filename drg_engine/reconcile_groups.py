"""What ``drg-engine reconcile groups`` does: a month's groups and payments against the bureau's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from drg_engine.cases import CaseReader, Cases, joined
from drg_engine.console import show_table, stages
from drg_engine.explanation import Explainer
from drg_engine.group_agreement import GroupAgreement, compare_groups
from drg_engine.grouping import Grouping, group
from drg_engine.money import MISSING_FEN, format_fen
from drg_engine.money_tables import MoneyTable, read_money_table
from drg_engine.month_settle import month_policies, settle_month
from drg_engine.reconcile_command import (
    made_from,
    reject_lines,
    tell_results,
    write_results,
)
from drg_engine.settlement_files import settlement_words
from drg_engine.workspace import Workspace, open_workspace
from grouper_tables import Scheme, load_scheme
from reports import book as books

__all__ = ["groups_and_show"]

_LAYOUT = Path(books.__file__).with_name("group_agreement.toml")
_MOST_PATHS = 20_000


def groups_and_show(
    folder: Path, period: str, returns: Path, out: Path, *, unmask: bool = False
) -> None:
    """Compare a month's groups and payments with the bureau's returns, into ``out``.

    Raises the DrgEngineError of whatever is wrong with workspace, month or returns.
    """
    workspace = open_workspace(folder)
    words = settlement_words()
    with stages(4) as begin:
        begin("读取医保端返回")
        told = read_money_table(returns, words["returns"])
        begin("分组与付费")
        scheme, cases, grouping, ours = _month(workspace, period)
        begin("比较")
        theirs = told.frame if _told_money(told) else told.frame.drop(columns="paid_fen")
        found = compare_groups(ours, theirs, scheme)
        begin("写结果")
        source = workspace.cases_file(period)
        tables = {
            "counts": _counts(found),
            "cases": _disagreements(found, cases, grouping),
            "rejects": _left_out(told, found),
            "made_from": made_from(
                {"病例": source, "医保端返回": returns}, [("分组方案", scheme.title)]
            ),
        }
        figures = {
            "cases": found.both,
            "same_drg": found.same_drg / found.both if found.both else None,
            "same_adrg": found.same_adrg / found.both if found.both else None,
            "paid_fen_difference": _total(found, "paid_fen_difference"),
        }
        known = {key: value for key, value in figures.items() if value is not None}
        write_results(out, "入组比较", _LAYOUT, tables, known, unmask=unmask)
    _show(found)
    tell_results(out, "入组比较.xlsx")


def _month(workspace: Workspace, period: str) -> tuple[Scheme, Cases, Grouping, pd.DataFrame]:
    run = workspace.run
    options = {"clinical_codes": True} if run.clinical_codes else {}
    scheme = load_scheme(workspace.named_or_file(run.scheme), options=options)
    policies = month_policies(workspace)
    cases = joined(list(CaseReader(workspace.cases_file(period)).parts()))
    grouping = group(cases, scheme)
    paid = settle_month(workspace, period, cases, grouping, policies).dated.whole.paid
    frame = pd.DataFrame(
        {
            "case_id": cases.case_id.to_pylist(),
            "drg": np.array(scheme.drg_codes, dtype=object)[grouping.drg],
            "paid_fen": np.where(paid == MISSING_FEN, 0, paid),
        }
    )
    return scheme, cases, grouping, frame


def _told_money(told: MoneyTable) -> bool:
    return bool((told.frame["paid_fen"] != 0).any())


def _counts(found: GroupAgreement) -> pd.DataFrame:
    titles = settlement_words()["agreement"]
    one_sided = found.counts["agreement"].isin(["only_hospital", "only_bureau"])
    share = found.counts["cases"] / max(found.both, 1)
    return found.counts.rename(columns={"cases": "agreement_cases"}).assign(
        agreement_title=found.counts["agreement"].map(titles),
        share=share.where(~one_sided, np.nan),
    )


def _disagreements(found: GroupAgreement, cases: Cases, grouping: Grouping) -> pd.DataFrame:
    """The cases that disagree, with our path for as many as a sheet can hold."""
    rows = found.cases[found.cases["agreement"] != "same"].reset_index(drop=True)
    explainer = Explainer(grouping.scheme)
    paths = [
        "\n".join(explainer.lines(cases, grouping, place)[1:]) if place >= 0 else ""
        for place in rows["place"].head(_MOST_PATHS).tolist()
    ]
    paths += [""] * (len(rows) - len(paths))
    titles = settlement_words()["agreement"]
    return rows.assign(agreement_title=rows["agreement"].map(titles), path=paths)


def _left_out(told: MoneyTable, found: GroupAgreement) -> pd.DataFrame:
    repeated = pd.DataFrame(
        {
            "file": told.file,
            "row": found.repeated["row"],
            "column": "病案号",
            "found": "",
            "message": "同一病案号前面已有一行，这一行没有比较",
        }
    )
    return pd.concat([reject_lines([told.rejects]), repeated], ignore_index=True)


def _total(found: GroupAgreement, name: str) -> int | None:
    return int(found.cases[name].sum()) if name in found.cases.columns else None


def _show(found: GroupAgreement) -> None:
    titles = settlement_words()["agreement"]
    rows = [
        (
            str(titles[row["agreement"]]),
            int(row["cases"]),
            format_fen(row["paid_fen_difference"]) if "paid_fen_difference" in row else "",
        )
        for row in found.counts.to_dict("records")
        if row["cases"]
    ]
    both = max(found.both, 1)
    title = (
        f"两端都有 {found.both:,} 例，DRG 一致 {found.same_drg / both:.2%}，"
        f"ADRG 一致 {found.same_adrg / both:.2%}"
    )
    show_table(title, ("一致与分歧", "例数", "支付差额（元）"), rows)
