"""What people receive: workbooks, slips, nothing of one department in another's file."""

from __future__ import annotations

import hashlib
import re
import zipfile
from html import unescape
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from pay_cases import BEFORE, PERIOD, two_months
from plan_month import BASE, rich_inputs, settled
from test_allocation_hospital import make_plan
from test_plan_flow import PLANS

from drg_engine.cli import app
from drg_engine.errors import WorkspaceError
from drg_engine.pay_command import Written, write_pay
from drg_engine.pay_month import previous_period
from drg_engine.pay_second import first_shares
from drg_engine.pay_slips import slips_of
from performance import DrgSurplus, allocate


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_months(tmp_path_factory, "pay")[0]


@pytest.fixture(scope="module")
def written(folder: Path) -> Written:
    return write_pay(folder, PERIOD, folder.parent / "out")


@pytest.fixture(scope="module")
def out(written: Written, folder: Path) -> Path:
    return folder.parent / "out"


def rows_of(path: Path, name: str) -> list[list[object]]:
    sheet = openpyxl.load_workbook(path)[name]
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def table_of(path: Path, name: str, key: str) -> list[dict[str, object]]:
    """Rows of a sheet under the heading that has ``key``; headings twice there keep the first."""
    rows = rows_of(path, name)
    top = next(at for at, row in enumerate(rows) if key in row)
    heads = rows[top]
    found = []
    for row in rows[top + 1 :]:
        if row[0] is None or row[0] == "合计":
            break
        cells: dict[str, object] = {}
        for head, value in zip(heads, row, strict=True):
            if head and head not in cells:
                cells[str(head)] = value
        found.append(cells)
    return found


def text_of(path: Path) -> str:
    if path.suffix != ".xlsx":
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return "\n".join(
            unescape(archive.read(n).decode(errors="replace")) for n in archive.namelist()
        )


def test_everything_is_there(out: Path) -> None:
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == sorted(
        [
            "发放说明.txt", f"工资单-{PERIOD}.html", f"工资条-{PERIOD}.xlsx",
            *(f"科室/科室-{code}.xlsx" for code in (
                "D101-普外科", "D201-呼吸内科", "D301-重症医学科", "D401-检验科", "D402-放射科",
                "D901-医务部")),
            f"绩效分配-{PERIOD}.xlsx",
        ]
    )  # fmt: skip
    book = openpyxl.load_workbook(out / f"绩效分配-{PERIOD}.xlsx")
    assert book.sheetnames[:6] == [
        "概况", "汇总", "科室系列", "科室奖金池", "奖金池计算", "一次分配明细",
    ]  # fmt: skip
    assert {"人员名单", "单项奖惩", "科主任基金", "二次分配", "与上月比较", "合规检查", "异常",
            "方案流程", "核对", "编制依据"} <= set(book.sheetnames)  # fmt: skip
    assert len(book["方案流程"]._images) == 1  # type: ignore[attr-defined]


def test_the_summary_has_last_month_and_per_head(out: Path, written: Written) -> None:
    path = out / f"绩效分配-{PERIOD}.xlsx"
    rows = rows_of(path, "汇总")
    head = next(row for row in rows if "科室编码" in row)
    line = next(row for row in rows if row[0] == "D101")
    cells = list(zip(head, line, strict=True))
    totals = [value for name, value in cells if name == "应发合计"]
    heads = [value for name, value in cells if name == "人均"]
    # 10,547.53 + 6,392.45 + 6,195.15 + 5,381.65 + single item 2,000.00, four people
    assert totals[0] == 30516.78
    assert heads[0] == 7629.2  # 7,629.195
    assert written.pay.before is not None
    people = written.pay.before.people
    last = int(people.loc[people["department"] == "D101", "total_fen"].sum())
    assert totals[1] == last / 100
    assert dict(cells)["增减"] == round(30516.78 - last / 100, 2)


def test_changes_add_up(out: Path, written: Written) -> None:
    assert written.pay.compared is not None
    units = written.pay.compared.units
    shown = table_of(out / f"绩效分配-{PERIOD}.xlsx", "与上月比较", "原因")
    assert len(shown) == len(units)
    old, new = (sum(float(str(row[k])) for row in shown) for k in ("上月", "本月"))
    assert round(old * 100) == int(written.pay.before.units["pool_fen"].sum())  # type: ignore[union-attr]
    assert round(new * 100) == int(written.pay.allocation.department_pools["pool_fen"].sum())


def test_the_calculation_in_words_holds(out: Path, written: Written) -> None:
    """Every row of the first allocation's detail, worked out again from its own words."""
    from decimal import Decimal
    from math import prod

    shown = table_of(out / f"绩效分配-{PERIOD}.xlsx", "一次分配明细", "计算过程")
    assert len(shown) == len(written.pay.allocation.item_points)
    for row in shown:
        left, _, right = str(row["计算过程"]).partition(" = ")
        assert prod(Decimal(part) for part in left.split(" × ")) == Decimal(right)
    points = sum(float(str(row["点数"])) for row in shown)
    whole = int(written.pay.allocation.department_points["points_e6"].sum())
    assert points == pytest.approx(whole / 1e6, abs=1e-9)


def test_every_check_agrees(out: Path) -> None:
    rows = rows_of(out / f"绩效分配-{PERIOD}.xlsx", "核对")
    verdicts = [cell for row in rows for cell in row if cell in ("一致", "不一致")]
    assert len(verdicts) > 15
    assert set(verdicts) == {"一致"}


def test_a_department_sees_only_itself(out: Path, written: Written) -> None:
    staff = written.pay.inputs.staff
    departments = written.pay.inputs.departments
    cases = written.pay.month.cases.case_id.to_pylist()
    assert cases
    whole = text_of(out / f"绩效分配-{PERIOD}.xlsx")
    for code in departments["department"]:
        path = next((out / "科室").glob(f"科室-{code}-*.xlsx"))
        text = text_of(path)
        foreign = [str(c) for c in departments["department"] if c != code]
        own_name = departments.loc[departments["department"] == code, "department_name"].iloc[0]
        foreign += [str(n) for n in departments["department_name"] if n != own_name]
        others = staff[staff["department"] != code]
        foreign += [str(one) for one in [*others["staff_id"], *others["name"], *cases]]
        for word in foreign:
            assert not re.search(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])", text), word
        mine = staff[staff["department"] == code]
        for word in [*mine["staff_id"], *mine["name"], code]:
            assert str(word) in text
            assert str(word) in whole


def test_no_case_id_anywhere(out: Path, written: Written) -> None:
    for path in out.rglob("*"):
        if path.is_file():
            text = text_of(path)
            for case in written.pay.month.cases.case_id.to_pylist():
                assert not re.search(rf"(?<![0-9A-Za-z]){case}(?![0-9A-Za-z])", text), path


def test_the_sheet_to_fill_in(out: Path) -> None:
    path = next((out / "科室").glob("科室-D101-*.xlsx"))
    sheet = openpyxl.load_workbook(path)["二次分配"]
    assert sheet.protection.sheet
    assert sheet.protection.password is None
    top = next(row for row in range(1, 60) if sheet.cell(row, 2).value == "工号")
    free = {
        cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked
    }
    assert free == {f"{letter}{row}" for letter in "IM" for row in range(top + 1, top + 5)}
    (check,) = sheet.data_validations.dataValidation
    assert str(check.sqref) == f"I{top + 1}:I{top + 4}"
    assert f"I{top + 1}>=0" in str(check.formula1)
    formulas = [c.value for row in sheet.iter_rows() for c in row if c.data_type == "f"]
    # Two series with four cells, four people with two.
    assert len(formulas) == 16
    sums = f"$I${top + 1}:$I${top + 4}"
    assert sum(sums in str(formula) for formula in formulas) == 2


def test_slips_add_up_and_show_how(out: Path, written: Written) -> None:
    slips = slips_of(written.pay)
    assert len(slips) == 14
    first = next(slip for slip in slips if slip.staff_id == "100001")
    assert first.total_fen == 1254753
    assert [line.amount_fen for line in first.lines] == [1054753, 200000]
    assert first.lines[0].words == "16,939.98 × 1.8 × 1 ÷ 2.890909 = 10,547.53"
    page = text_of(out / f"工资单-{PERIOD}.html")
    assert page.count("<section ") == 14
    assert "break-after: page" in page
    for word in ("10,547.53", "新技术奖", "12,547.53"):
        assert word in page
    assert "http" not in page
    sheet = openpyxl.load_workbook(out / f"工资条-{PERIOD}.xlsx")["工资条"]
    ids = [cell.value for cell in sheet["A"] if re.fullmatch(r"1000\d\d", str(cell.value))]
    assert ids == sorted(ids)
    assert len(ids) == 14
    # Every department begins a page.
    assert len(sheet.row_breaks.brk) == 5
    # Every strip, cut apart, says whose it is and of which month.
    title = f"{written.pay.hospital}　{PERIOD} 绩效工资条"
    rows = [cell.row for cell in sheet["A"] if re.fullmatch(r"1000\d\d", str(cell.value))]
    assert [sheet.cell(row - 2, 1).value for row in rows] == [title] * 14
    words = str(sheet.cell(4, 1).value).splitlines()
    assert words[-1] == "合计：10,547.53 + 2,000.00 = 12,547.53"


def test_text_is_never_a_formula_or_markup(tmp_path: Path) -> None:
    from reports.slips import Slip, SlipLine, write_slip_page, write_slip_strips

    evil = '=HYPERLINK("http://x")<script>alert(1)</script>'
    line = SlipLine(evil, evil, evil, 100)
    slip = Slip("=1", evil, "D1", evil, evil, 100, 0, 0, 100, (line,))
    write_slip_page("医院", PERIOD, [slip], tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    write_slip_strips("医院", PERIOD, [slip], tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    assert sheet is not None
    assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert sheet["A3"].value == "=1"


def test_the_same_month_gives_the_same_bytes(
    written: Written, out: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Written twice, of two copies of the hospital in two places."""
    other = two_months(tmp_path_factory, "same")[1]

    def hashes(base: Path) -> dict[str, str]:
        return {
            path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }

    assert hashes(out) == hashes(other)
    assert len(written.files) == len(hashes(out))


def test_it_never_overwrites_another_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("x")
    with pytest.raises(WorkspaceError, match="已有别的内容"):
        write_pay(folder, PERIOD, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["a.txt"]


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first month has none before it; what an earlier call wrote is replaced."""
    target = tmp_path / "out"
    target.mkdir()
    (target / "发放说明.txt").write_text("上次", encoding="utf-8")
    (target / "旧.xlsx").write_text("上次", encoding="utf-8")
    app(["pay", str(folder), BEFORE, "--out", str(target)], standalone_mode=False)
    said = capsys.readouterr().out
    assert "账本当前运行，草稿" in said
    assert not (target / "旧.xlsx").exists()
    text = text_of(target / f"绩效分配-{BEFORE}.xlsx")
    assert "账本中没有上月的运行" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_month_without_a_plan(tmp_path: Path) -> None:
    from ledger_cases import make_bare

    bare = make_bare(tmp_path / "医院")
    (bare / "inputs" / PERIOD).mkdir(parents=True)
    with pytest.raises(WorkspaceError, match="没有分配方案"):
        write_pay(bare, PERIOD, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_months() -> None:
    assert previous_period("2026-01") == "2025-12"
    assert previous_period("2026-12") == "2026-11"


EVERY_PLAN = [name for name in PLANS if name != "staff"]


@pytest.mark.parametrize("name", EVERY_PLAN)
def test_what_slips_list_is_the_pay_under_every_plan(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Parts and single items come to every person's total; posts to every department's money."""
    folder = tmp_path_factory.getbasetemp() / "pay-rich"
    inputs = rich_inputs(folder)
    plan = make_plan(BASE | PLANS[name])
    settlement, transferred, died = settled()
    surplus = DrgSurplus.from_settlement(
        settlement, plan.model.drg, transferred=transferred, died=died
    )
    made = allocate(plan, inputs, surplus)
    items = made.single_items
    own = items[(items["status"] == "paid") & (items["staff_id"] != "")]
    listed = pd.concat([made.staff_parts, own])[["staff_id", "amount_fen"]]
    sums = listed.groupby("staff_id")["amount_fen"].sum()
    totals = made.person_pay.set_index("staff_id")["total_fen"]
    assert totals[totals != 0].to_dict() == sums[sums != 0].to_dict()
    first = first_shares(made.staff_pay).groupby(["department", "series"])["first_fen"].sum()
    pools = made.department_pools.set_index(["department", "series"])["staff_fen"]
    assert first[first != 0].to_dict() == pools[pools != 0].to_dict()
