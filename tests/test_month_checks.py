"""What a clerk gets wrong with a month's files: told with file, row and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import openpyxl
import pytest
from ledger_cases import PERIOD, WANG, make_small
from test_allocation_hospital import SMALL, SURPLUS, assert_closed, make_inputs, make_plan

from drg_engine.errors import AllocationError, DrgEngineError, InputError
from drg_engine.month_notes import input_notes
from drg_engine.month_run import record_month
from performance import Allocation, allocate, read_inputs, read_table
from performance.inputs import unread_files

ATTENDANCE = (SMALL / "inputs" / "attendance.csv").read_text(encoding="utf-8-sig")
QUALITY = (SMALL / "inputs" / "quality.csv").read_text(encoding="utf-8-sig")
CHARGES = (SMALL / "inputs" / "charges.csv").read_text(encoding="utf-8-sig")


def month(
    folder: Path, change: Callable[[Path], Any], changes: dict[str, Any] | None = None, **texts: str
) -> Allocation:
    """The small month after ``change`` was done to its folder of inputs."""
    make_inputs(folder, **texts)
    change(folder / "inputs")
    inputs = read_inputs(folder / "tables", folder / "inputs", "2026-10")
    return allocate(make_plan(changes), inputs, SURPLUS)


def refused(folder: Path, *args: Any, **texts: str) -> list[str]:
    with pytest.raises(DrgEngineError) as caught:
        month(folder, *args, **texts)
    return [str(fault) for fault in caught.value.faults]


def nothing(folder: Path) -> None:
    assert folder.is_dir()


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{name}.csv").unlink()


def renamed(name: str, new: str) -> Callable[[Path], Path]:
    return lambda folder: (folder / f"{name}.csv").rename(folder / new)


def notes_of(folder: Path, result: Allocation) -> list[str]:
    workspace = SimpleNamespace(inputs=lambda _: folder / "inputs", tables=folder / "tables")
    made = SimpleNamespace(workspace=workspace, period="2026-10", allocation=result)
    return input_notes(cast("Any", made))


# ------------------------------------------------------------------- tables that are not there


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("costs", "costs.csv：缺少科室成本表，方案用到它（costs.borne）。请放入本月的 costs.csv；"
         "本月确实没有的，放一个只有表头的"),
        ("attendance", "attendance.csv：缺少考勤表，方案用到它（staff.attendance）"),
    ],
)  # fmt: skip
def test_a_table_that_the_plan_uses_is_missed(name: str, words: str, tmp_path: Path) -> None:
    told = refused(tmp_path, without(name))
    assert len(told) == 1
    assert words in told[0]


def test_a_heading_alone_says_that_there_is_nothing(tmp_path: Path) -> None:
    assert_closed(month(tmp_path, nothing, costs="科室编码,成本项目,金额\n"))


def test_what_the_plan_lets_be_missing_is_told(tmp_path: Path) -> None:
    """quality.missing = full; no single items at all is quiet, but told."""
    result = month(tmp_path, lambda f: [without("quality")(f), without("single_items")(f)])
    lacking = result.exceptions[result.exceptions["kind"] == "缺少表"].set_index("file")
    assert lacking.loc["quality.csv", "message"] == "各科室按满分计；若应有，请放入后重跑"
    assert "按没有单项奖惩计" in lacking.loc["single_items.csv", "message"]
    notes = notes_of(tmp_path, result)
    assert notes == ["缺少质量得分表 quality.csv：各科室按满分计；若应有，请放入后重跑"]
    full = {"staff.missing_attendance": "full"}
    told = month(tmp_path / "b", without("attendance"), full).exceptions
    assert "全体按全勤计" in told[told["file"] == "attendance.csv"]["message"].iloc[0]


def test_single_items_are_missed_where_other_months_have_them(tmp_path: Path) -> None:
    result = month(tmp_path, without("single_items"))
    assert notes_of(tmp_path, result) == []
    (tmp_path / "2026-09").mkdir()
    (tmp_path / "2026-09" / "single_items.csv").write_text("x", encoding="utf-8")
    assert notes_of(tmp_path, result)[0].startswith("缺少单项奖惩表 single_items.csv")


def test_tables_that_no_plan_asks_for_are_not_missed(tmp_path: Path) -> None:
    changes = {
        "quality": {"kind": "none"}, "costs": {"funding": "within", "borne": {"*": 0.0}},
        "drg": {"kind": "none"}, "staff.attendance": "ignore",
    }  # fmt: skip

    def bare(folder: Path) -> None:
        for name in ("quality", "costs", "attendance"):
            without(name)(folder)

    result = month(tmp_path, bare, changes)
    assert "缺少表" not in set(result.exceptions["kind"])
    assert notes_of(tmp_path, result) == []


@pytest.mark.parametrize(
    ("name", "new", "words"),
    [
        ("attendance", "考勤.csv", "有 inputs/考勤.csv，请改名为 attendance.csv"),
        ("attendance", "attendance.xls", "另存为 attendance.xlsx（Excel 工作簿）或 attendance.csv"),
        ("quality", "10月质量得分表(1).csv", "请改名为 quality.csv"),
        ("quality", "quality.xls", "这种格式不读"),
        ("single_items", "单项奖惩.csv", "请改名为 single_items.csv"),
        ("charges", "收费明细.csv", "请改名为 charges.csv"),
    ],
)
def test_a_misnamed_table_is_not_taken_for_a_missing_one(
    name: str, new: str, words: str, tmp_path: Path
) -> None:
    told = refused(tmp_path, renamed(name, new))
    assert len(told) == 1
    assert words in told[0]


def test_files_that_nobody_reads_are_told(tmp_path: Path) -> None:
    make_inputs(tmp_path)
    tables, inputs = tmp_path / "tables", tmp_path / "inputs"
    assert unread_files(tables, inputs) == ()
    for name in ("attendance - 副本.csv", "attendence.xlsx", "考核汇总.xlsx", "说明.txt", "a.pdf",
                 ".~lock.xlsx", "~$quality.xlsx", "review.csv", "cases.csv"):  # fmt: skip
        (inputs / name).write_bytes(b"x")
    (tables / "quality.csv").write_bytes(b"x")
    (inputs / "calendar.csv").write_bytes(b"x")
    assert [str(stray) for stray in unread_files(tables, inputs)] == [
        "tables/quality.csv 没有程序读。读的是 inputs/quality.csv；多余的请移走",
        "inputs/attendance - 副本.csv 没有程序读。读的是 inputs/attendance.csv；多余的请移走",
        "inputs/attendence.xlsx 没有程序读。读的是 inputs/attendance.csv；多余的请移走",
        "inputs/calendar.csv 没有程序读。请移到 tables",
        "inputs/考核汇总.xlsx 没有程序读。不用的请移走",
    ]


def test_files_are_told_in_few_lines(tmp_path: Path) -> None:
    result = month(tmp_path, nothing)
    for i in range(7):
        (tmp_path / "inputs" / f"考勤{i}.csv").write_bytes(b"x")
        (tmp_path / "inputs" / f"报销 {i}.xlsx").write_bytes(b"x")
    notes = notes_of(tmp_path, result)
    assert len(notes) == 7
    assert notes[5] == "另有 2 个这样的文件"
    assert notes[6].startswith("没有程序读：inputs/报销 0.xlsx、")
    assert "等 7 个" in notes[6]


def test_a_run_says_what_was_not_read(tmp_path: Path) -> None:
    """Told with the run; its id is that of the same month without the file."""
    folder = make_small(tmp_path / "医院", PERIOD)
    clean = record_month(folder, PERIOD, signature=WANG)
    assert clean.notes == ()
    (folder / "inputs" / PERIOD / "考勤.csv").write_bytes(b"x")
    again = record_month(folder, PERIOD, signature=WANG)
    assert again.recorded.repeated
    assert again.notes == (
        f"inputs/{PERIOD}/考勤.csv 没有程序读。读的是 inputs/{PERIOD}/attendance.csv；多余的请移走",
    )


# -------------------------------------------------------- numbers and names that do not fit


def test_a_mistyped_staff_number_is_told(tmp_path: Path) -> None:
    text = ATTENDANCE.replace("100001", "1O0001")
    result = month(tmp_path, nothing, attendance=text)
    told = result.exceptions.set_index("kind").loc["考勤表的工号未知"]
    assert (told["file"], told["first_row"], told["found"]) == ("attendance.csv", 2, "1O0001")
    assert "最接近“100001”" in told["message"]
    notes = notes_of(tmp_path, result)
    assert any(note.startswith("考勤表的工号未知：1 处（1O0001）") for note in notes)
    assert any(note.startswith("没有考勤：1 处（100001）") for note in notes)


def test_a_mistyped_staff_number_where_the_plan_refuses_absence(tmp_path: Path) -> None:
    refuse = {"staff.missing_attendance": "refuse"}
    told = refused(tmp_path, nothing, refuse, attendance=ATTENDANCE.replace("100001", "1O0001"))
    assert told[0].startswith("attendance.csv [工号]：没有考勤（读到“100001”）")
    assert told[1].startswith("attendance.csv 第 2 行 [工号]：工号不在人员表（读到“1O0001”）")
    assert told[1].endswith("最接近“100001”")


def test_staff_without_any_department(tmp_path: Path) -> None:
    told = refused(tmp_path, nothing, departments="科室编码,类型\n")
    assert told == ["departments.csv：没有一个科室。请填写各科室"]


def test_a_score_above_the_plans_maximum_is_a_fault(tmp_path: Path) -> None:
    text = QUALITY.replace("96.5", "120.01")
    told = refused(tmp_path, nothing, quality=text)
    assert told == [
        "quality.csv 第 2 行 [质量得分]：质量得分超过方案的最高分（读到“D101 120.01”）。"
        "方案最高 120 分（quality.max_score）；请改正得分"
    ]
    allow = {"quality.max_score": 150.0, "quality.deduction": "redistribute"}
    allowed = month(tmp_path / "b", nothing, allow, quality=text)
    row = allowed.exceptions.set_index("kind").loc["质量得分高于 100"]
    assert (row["found"], row["first_row"]) == ("D101", 2)
    assert "得分 120.01，方案最高 150" in row["message"]


def test_charges_of_another_month_are_told_as_such(tmp_path: Path) -> None:
    told = refused(tmp_path, nothing, charges=CHARGES.replace("2026-10-", "2026-09-"))
    lines = CHARGES.count("\n2026-10-")
    assert lines > 10
    assert f"没有 2026-10 日期的收费明细（读到“2026-09 有 {lines} 行”）" in told[0]
    unreadable = CHARGES.replace("2026-10-", "十月")
    assert "没有一行读得出来" in refused(tmp_path / "b", nothing, charges=unreadable)[0]


# ------------------------------------------------------------------- what is done in Excel


def sheet(path: Path, change: Callable[[Any], Any]) -> Path:
    book = openpyxl.Workbook()
    for line in ATTENDANCE.splitlines():
        book.active.append(line.split(","))
    change(book.active)
    book.save(path)
    return path


def titled(page: Any) -> None:
    page.insert_rows(1)
    page.cell(1, 1, "十月考勤表")
    page.merge_cells("A1:C1")


def formulas(page: Any) -> None:
    page.cell(2, 3, "=B2-1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (titled, ["attendance.xlsx 第 1 行：表头不在第一行，而在第 2 行。"
                  "请删去第 1 行（标题、说明），让表头在第一行"]),
        (lambda page: page.merge_cells("A2:A3"),
         ["attendance.xlsx 第 3 行 [工号]：是合并单元格，这一行没有内容（读到“”）。"
          "在 Excel 里取消合并单元格，每一行都填上"]),
        (formulas, ["attendance.xlsx 第 2 行 [实际出勤天数]：公式没有算出的值（读到“=B2-1”）。"
                    "在 Excel 里打开、重算并保存，或复制后粘贴为数值"]),
        (lambda page: page.cell(2, 3, ""),
         ["attendance.xlsx 第 2 行 [实际出勤天数]：不能为空（读到“”）。请填写数字"]),
    ],
)  # fmt: skip
def test_what_was_done_in_excel_is_seen(
    change: Callable[[Any], Any], told: list[str], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read_table(sheet(tmp_path / "attendance.xlsx", change), "attendance")
    assert [str(fault) for fault in caught.value.faults] == told


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_title_above_the_heading_of_a_csv(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "attendance.csv").write_text("考勤表\n制表：某\n" + ATTENDANCE, encoding=encoding)
    with pytest.raises(InputError, match="表头不在第一行，而在第 3 行") as caught:
        read_table(tmp_path / "attendance.csv", "attendance")
    assert "请删去第 1 至 2 行" in str(caught.value)
    titled_lines = "十月收费\n" + CHARGES
    told = refused(tmp_path / "month", nothing, charges=titled_lines)
    assert told == ["charges.csv 第 1 行：表头不在第一行，而在第 2 行。"
                    "请删去第 1 行（标题、说明），让表头在第一行"]  # fmt: skip


def test_attendance_above_due_names_its_choice(tmp_path: Path) -> None:
    text = ATTENDANCE.replace("100002,22,20", "100002,18,22")
    with pytest.raises(AllocationError) as caught:
        month(tmp_path, nothing, attendance=text)
    told = [str(fault) for fault in caught.value.faults]
    assert told == [
        "attendance.csv 第 3 行 [实际出勤天数]：实际出勤多于应出勤"
        "（读到“工号 100002：实际 22，应出勤 18”）。"
        "请改正天数；加班照算或按全勤计的，改方案的 staff.above_full（allow 或 cap）"
    ]
