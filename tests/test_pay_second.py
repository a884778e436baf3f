"""Second allocations: what heads hand back, every fault told, the money of a department unmoved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pay_cases import PERIOD, amounts, copy_of, fill, second_of, two_months

from drg_engine.cli import app
from drg_engine.errors import InputError, LedgerError
from drg_engine.ledger import open_ledger
from drg_engine.month import compute_month
from drg_engine.month_run import record_month
from drg_engine.pay_command import hand_in_and_show, write_pay
from drg_engine.pay_handed import read_second
from drg_engine.pay_second import SecondRows, check_code, first_shares, second_file, store_second
from drg_engine.workspace import open_workspace

AMOUNT, REASON, PERSON, NAME, SERIES = 9, 13, 2, 3, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small hospital; beside it what was given out (``out``)."""
    return two_months(tmp_path_factory, "second")[0]


@pytest.fixture(scope="module")
def sheet(made: Path) -> Path:
    """The workbook of the department of 100001 to 100004."""
    return next((made.parent / "out" / "科室").glob("科室-D101-*.xlsx"))


@pytest.fixture(scope="module")
def known(made: Path) -> dict[str, pd.DataFrame]:
    month = compute_month(open_workspace(made), PERIOD, lambda _: None)
    assert month.allocation is not None
    first = first_shares(month.allocation.staff_pay)
    return {str(name): frame for name, frame in first.groupby("department")}


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "医院")


def told(path: Path, known: dict[str, pd.DataFrame], period: str = PERIOD) -> list[str]:
    rows, faults = read_second(path, period, known)
    assert (rows is None) == bool(faults)
    return [str(fault) for fault in faults]


def test_it_begins_with_the_first_allocation(sheet: Path) -> None:
    assert amounts(sheet) == [
        ("100001", "医生", 10547.53), ("100002", "医生", 6392.45),
        ("100003", "护理", 6195.15), ("100004", "护理", 5381.65),
    ]  # fmt: skip


def test_handed_back_as_it_is_nothing_changes(sheet: Path, known: dict[str, pd.DataFrame]) -> None:
    rows, faults = read_second(sheet, PERIOD, known)
    assert faults == []
    assert rows is not None
    assert rows.frame["second_fen"].tolist() == [1054753, 639245, 619515, 538165]


MOVED = {(1, AMOUNT): 10047.52, (2, AMOUNT): 6892.46, (2, REASON): "夜班多"}


def test_the_next_run_pays_it_and_holds_its_hash(folder: Path, sheet: Path, tmp_path: Path) -> None:
    back = fill(sheet, tmp_path / "交回.xlsx", MOVED)
    app(["pay", "import", str(folder), PERIOD, str(back)], standalone_mode=False)
    assert [row["二次分配"] for row in second_of(folder, "D101")][:2] == ["10047.52", "6892.46"]
    ran = record_month(folder, PERIOD)
    allocation = ran.month.allocation
    assert allocation is not None
    pay = allocation.staff_pay.set_index("staff_id")
    # 10,047.52 and the single item of 2,000; 6,892.46.
    assert pay.loc["100001", "total_fen"] == 1204752
    assert pay.loc["100001", "taxable_fen"] == 1204752
    assert pay.loc["100002", "total_fen"] == 689246
    assert pay.loc["100003", "total_fen"] == 619515
    assert "二次" not in pay.loc["100003", "words"]
    assert pay.loc["100002", "words"].endswith(
        "二次分配：首次 6,392.45 + 调整 500.01 = 6,892.46（夜班多）"
    )
    parts = allocation.staff_parts
    own = parts[parts["staff_id"] == "100002"]
    assert own["amount_fen"].tolist() == [639245, 50001]
    assert own["part"].tolist()[-1] == "二次调整"
    money = pay.assign(own=pay["average_fen"] + pay["performance_fen"])
    sums = money.groupby(["department", "series"])["own"].sum()
    pools = allocation.department_pools.set_index(["department", "series"])["staff_fen"]
    assert sums.to_dict() == pools[pools.index.isin(sums.index)].to_dict()
    with open_ledger(open_workspace(folder)) as ledger:
        names = {file["name"] for file in ledger.run(PERIOD).content["identity"]["inputs"]}
    assert f"inputs/{PERIOD}/second/D101.csv" in names
    again = record_month(folder, PERIOD)
    assert again.recorded.repeated


def test_an_outdated_one_is_not_paid_and_told(folder: Path, sheet: Path, tmp_path: Path) -> None:
    hand_in_and_show(folder, PERIOD, [fill(sheet, tmp_path / "a.xlsx", MOVED)], None)
    attendance = folder / "inputs" / PERIOD / "attendance.csv"
    text = attendance.read_text(encoding="utf-8-sig")
    line = next(line for line in text.splitlines() if line.startswith("100002"))
    cells = line.split(",")
    changed = ",".join([*cells[:-1], "1"])
    attendance.write_text(text.replace(line, changed), encoding="utf-8-sig")
    month = compute_month(open_workspace(folder), PERIOD, lambda _: None)
    assert month.second is not None
    assert month.allocation is not None
    assert month.second.used == ()
    assert month.second.rows.empty
    last = month.allocation.exceptions.iloc[-1]
    assert last["kind"] == "二次分配未采用"
    assert "首次分配已变" in last["message"]
    people = month.allocation.staff_pay
    assert not people["words"].str.contains("二次").any()


def test_a_file_put_there_by_hand_is_told(folder: Path, sheet: Path) -> None:
    place = folder / "inputs" / PERIOD / "second"
    place.mkdir()
    (place / "科室-D101.xlsx").write_bytes(sheet.read_bytes())
    (place / "~$科室-D101.xlsx").write_bytes(b"lock")
    (place / "D201.csv").write_text("乱", encoding="utf-8")
    month = compute_month(open_workspace(folder), PERIOD, lambda _: None)
    assert month.second is not None
    assert month.second.told["status"].tolist() == ["outdated", "outdated"]
    assert "缺少这一列" in month.second.told["message"].iloc[0]
    assert "pay import" in month.second.told["message"].iloc[1]


FAULTS = {
    "unknown person": (
        {(1, PERSON): "999999"},
        ["[工号]：本科室名单中没有这个人（读到“999999”", "不见了（读到“100001”"],
    ),
    "twice": ({(2, PERSON): "100001", (2, NAME): "甲一"}, ["第 19 行重复", "不见了（读到“100002”"]),
    "sum": ({(1, AMOUNT): 10547.54}, ["医生合计应为 16,939.98 元，差 -0.01 元"]),
    "between series": ({(1, AMOUNT): 10546.53, (3, AMOUNT): 6196.15}, ["医生合计", "护理合计"]),
    "negative": ({(1, AMOUNT): -1}, ["第 19 行 [二次分配]：不能为负数（读到“-1.00”"]),
    "no number": ({(1, AMOUNT): "一万"}, ["第 19 行 [二次分配]：不是金额（读到“一万”"]),
    "blank": ({(1, AMOUNT): None}, ["第 19 行 [二次分配]：没有金额"]),
    "thousandths": ({(1, AMOUNT): 10547.531}, ["第 19 行 [二次分配]：多于两位小数"]),
    "huge": ({(1, AMOUNT): 1e15}, ["数字过大"]),
    "name": ({(1, NAME): "别人"}, ["[姓名]：与工号不符，名单中是 甲一（读到“别人”"]),
    "series": ({(1, SERIES): "护理"}, ["[系列]：系列与名单不同（读到“护理”", "不见了"]),
    "added": ({(5, NAME): "新来的", (5, AMOUNT): 1}, ["第 23 行 [工号]：没有工号（读到“新来的”"]),
    "two at once": ({(1, AMOUNT): -1, (2, AMOUNT): "x"}, ["第 19 行", "第 20 行"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_faults(case: str, sheet: Path, known: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    changes, expected = FAULTS[case]
    said = told(fill(sheet, tmp_path / "交回.xlsx", changes), known)
    assert len(said) == len(expected)
    for fault, words in zip(said, expected, strict=True):
        assert words in fault
        assert fault.startswith("交回.xlsx 二次分配")


LABELS = {
    "month": ("2026-10", "2026-09", "不是 2026-10 的二次分配"),
    "department": ("D101", "D999", "没有这个科室"),
    "code": (None, "0123456789ab", "首次分配已变"),
}


@pytest.mark.parametrize("case", LABELS)
def test_the_wrong_month_department_or_run(
    case: str, sheet: Path, known: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    import openpyxl

    old, new, expected = LABELS[case]
    old = old or check_code(PERIOD, "D101", known["D101"])
    book = openpyxl.load_workbook(sheet)
    page = book["二次分配"]
    cells = [cell for row in page.iter_rows(max_row=6) for cell in row if cell.value == old]
    assert len(cells) == 1
    cells[0].value = new
    book.save(tmp_path / "a.xlsx")
    (fault,) = told(tmp_path / "a.xlsx", known)
    assert expected in fault
    assert new in fault


def test_what_is_no_workbook(known: dict[str, pd.DataFrame], tmp_path: Path, sheet: Path) -> None:
    import openpyxl

    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04broken")
    assert "已损坏" in told(tmp_path / "broken.xlsx", known)[0]
    assert "没有这个文件" in told(tmp_path / "gone.xlsx", known)[0]
    (tmp_path / "a.pdf").write_bytes(b"%PDF-")
    assert "只收 .xlsx 或 .csv" in told(tmp_path / "a.pdf", known)[0]
    book = openpyxl.load_workbook(sheet)
    del book["二次分配"]
    book.save(tmp_path / "cut.xlsx")
    assert "没有这张工作表" in told(tmp_path / "cut.xlsx", known)[0]
    (tmp_path / "a.csv").write_text("工号,二次分配\n100001,1\n", encoding="utf-8")
    assert [fault.split("[")[1][:3] for fault in told(tmp_path / "a.csv", known)] == [
        "月份]", "科室编", "校验码", "系列]",
    ]  # fmt: skip


def test_sound_files_are_kept_beside_faulty_ones(folder: Path, sheet: Path, tmp_path: Path) -> None:
    good = fill(sheet, tmp_path / "好.xlsx", MOVED)
    other = next(sheet.parent.glob("科室-D201-*.xlsx"))
    bad = fill(other, tmp_path / "坏.xlsx", {(1, AMOUNT): 1, (2, AMOUNT): "x"})
    with pytest.raises(InputError) as caught:
        hand_in_and_show(folder, PERIOD, [bad, good, good], None)
    assert "2 个文件没有收下" in str(caught.value)
    assert "同一科室" in str(caught.value)
    assert len(second_of(folder, "D101")) == 4
    assert not (folder / "inputs" / PERIOD / "second" / "D201.csv").exists()


def test_a_closed_month_takes_nothing(folder: Path, sheet: Path) -> None:
    from ledger_cases import LI, ZHANG, book, clock

    with book(folder) as ledger:
        reasons = {str(f["rule"]): "已议定" for f in ledger.run(PERIOD).findings}
        ledger.move(PERIOD, "check", LI, clock=clock)
        ledger.move(PERIOD, "approve", ZHANG, reasons=reasons, clock=clock)
    with pytest.raises(LedgerError, match="已批准，不再收二次分配"):
        hand_in_and_show(folder, PERIOD, [sheet], None)
    # Nor is anything given out but what was approved; another program of the same pay may.
    attendance = folder / "inputs" / PERIOD / "attendance.csv"
    approved = attendance.read_bytes()
    attendance.write_bytes(approved + b"\r\n")
    out = folder.parent / "发放"
    assert write_pay(folder, PERIOD, out).pay.standing.startswith("与账本当前运行")
    kept = (out / "发放说明.txt").read_bytes()
    single = folder / "inputs" / PERIOD / "single_items.csv"
    single.write_text(
        single.read_text(encoding="utf-8-sig") + ",100001,补发,1.00\n", encoding="utf-8-sig"
    )
    with pytest.raises(LedgerError, match="没有写出发放文件"):
        write_pay(folder, PERIOD, out)
    assert (out / "发放说明.txt").read_bytes() == kept


def test_status(
    folder: Path, sheet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in_and_show(folder, PERIOD, [fill(sheet, tmp_path / "a.xlsx", MOVED)], None)
    capsys.readouterr()
    app(["pay", "status", str(folder), PERIOD], standalone_mode=False)
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if "D101" in line)
    assert "已收下，待重跑" in line
    assert "已采用 0 个科室，已收下待重跑 1 个" in said
    assert said.count("未报") == 5
    record_month(folder, PERIOD)
    capsys.readouterr()
    app(["pay", "status", str(folder), PERIOD], standalone_mode=False)
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if "D101" in line)
    assert "已采用" in line
    assert "已采用 1 个科室" in said


@settings(max_examples=40)
@given(st.data())
def test_whatever_a_head_does_the_money_stays(
    known: dict[str, pd.DataFrame], made: Path, data: st.DataObject
) -> None:
    """Any amounts are taken exactly where every series comes to its money, to the fen."""
    first = known["D101"]
    frame = first[["staff_id", "series"]].assign(second_fen=0, reason="=1+1")
    for _, own in first.groupby("series"):
        whole = int(own["first_fen"].sum())
        cut = data.draw(st.integers(0, whole))
        frame.loc[own.index, "second_fen"] = [cut, whole - cut]
    off = data.draw(st.sampled_from([0, 0, 1, -1]))
    place = frame.index[data.draw(st.integers(0, len(frame) - 1))]
    frame.loc[place, "second_fen"] = max(int(frame.loc[place, "second_fen"]) + off, 0)
    workspace = open_workspace(made)
    code = check_code(PERIOD, "D101", first)
    path = store_second(workspace, PERIOD, code, SecondRows("D101", "x", frame), first)
    try:
        rows, faults = read_second(path, PERIOD, known)
    finally:
        path.unlink()
        path.parent.rmdir()
    due = first.groupby("series")["first_fen"].sum()
    even = bool((frame.groupby("series")["second_fen"].sum() == due).all())
    assert (rows is not None) == even == (faults == [])
    if rows is not None:
        back = rows.frame.merge(frame, on=["staff_id", "series"])
        assert np.array_equal(back["second_fen_x"], back["second_fen_y"])
        assert set(rows.frame["reason"]) == {"=1+1"}


def test_any_department_code_gives_a_safe_file(made: Path) -> None:
    workspace = open_workspace(made)
    folder = workspace.inputs(PERIOD) / "second"
    for code in ("D101", "../../x", "内科/一", "a b", "心内"):
        path = second_file(workspace, PERIOD, code)
        assert path.parent == folder
        assert path.resolve().parent == folder.resolve()
