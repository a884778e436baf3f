"""Every key of a plan's points sections moves an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from points_month import HEAD, plan_of, work_of

from performance.work import Work

ITEMS = (Path(__file__).parent / "data" / "allocation" / "session_items.csv").read_text(
    encoding="utf-8"
)
HEADING, *ROWS = ITEMS.splitlines()
BUSY = {
    "items": "\n".join(
        [
            f"{HEADING},开单系数,工作量RVU,业务成本RVU",
            *(f"{row},0.2,," for row in ROWS),
            "0102,手术,1.5,,,,,,0.2,,",
            "RVU1,检查,,,,,,,0.1,1.2,0.7",
            "",
        ]
    ),
    "charges": HEAD.strip()
    + ",执行日期,结算日期,来源,修饰\n"
    + "".join(
        f"2026-10-{day},{case},{code},1,1,S1,1,S1,2,{done},{paid},{source},{mark}\n"
        for day, case, code, done, paid, source, mark in [
            ("12", "A", "27447", "2026-10-12", "2026-10-13", "住院", ""),
            ("12", "A", "64721", "2026-10-12", "2026-10-13", "住院", ""),
            ("12", "B", "45385", "2026-10-12", "2026-10-13", "住院", ""),
            ("12", "B", "45380", "2026-10-12", "2026-10-13", "住院", ""),
            ("12", "C", "74177", "2026-10-12", "2026-10-13", "住院", ""),
            ("12", "C", "70450", "2026-10-12", "2026-10-13", "住院", ""),
            ("13", "D", "27447", "2026-10-13", "2026-10-13", "住院", "双侧"),
            ("13", "E", "27447", "2026-10-13", "2026-10-13", "住院", "助手"),
            ("13", "F", "27447", "2026-10-13", "2026-10-13", "住院", "双主刀"),
            ("10", "G", "0102", "2026-10-11", "2026-11-01", "门诊", ""),
            ("01", "H", "0102", "2026-11-02", "2026-10-02", "门诊", ""),
            ("03", "I", "RVU1", "2026-10-03", "2026-10-03", "门诊", ""),
            ("01", "J", "0102", "2026-10-14", "2026-10-14", "住院", ""),
        ]
    ),
    "calendar": "日期,类型\n2026-10-01,节假日\n2026-10-10,补班\n",
    "operations": "日期,项目编码,角色,工号\n2026-10-12,0102,主刀,1\n2026-10-10,0102,一助,4\n",
    "nursing": "科室编码,床日,入院,护理费,护理时数,岗位数\nS1,100,10,9000,3,10\n",
    "shifts": "工号,科室编码,班次,次数\n2,S1,夜班,8\n5,S1,白班,10\n",
}
RULE = {"source": "门诊", "item_class": "手术", "date": "execution"}
SHIFTS = {"夜班": 0.3, "白班": 0.1}
ALL: dict[str, Any] = {
    "calendar": {"makeup": 1.1},
    "dates": {"rules": [RULE]},
    "roles": {"titles": {"*": 1.0}},
    "nursing": {"points": 2.5, "shifts": SHIFTS},
    "sessions": {},
}


def _rule(**changed: str) -> dict[str, Any]:
    return {"rules": [RULE | changed]}


MOVES: list[tuple[str, str, dict[str, Any]]] = [
    ("points.personal", "points", {"personal": "none"}),
    ("points.indices", "points", {"indices": [1.0, 1.5, 1.0]}),
    ("calendar.makeup", "calendar", {"makeup": 1.2}),
    ("calendar.holiday", "calendar", {"holiday": 3.0}),
    ("calendar.weekend", "calendar", {"weekend": 1.5}),
    ("calendar.workday", "calendar", {"workday": 1.01}),
    ("calendar.applies_to", "calendar", {"applies_to": ["order", "execution"]}),
    ("calendar.item_classes", "calendar", {"item_classes": ["检查"]}),
    ("dates.default", "dates", {"default": "payment", "rules": []}),
    ("dates.rules", "dates", {"rules": []}),
    ("dates.rules.source", "dates", _rule(source="住院")),
    ("dates.rules.item_class", "dates", _rule(item_class="检查")),
    ("dates.rules.date", "dates", _rule(date="payment")),
    ("roles.coefficients", "roles", {"coefficients": {"主刀": 0.9, "一助": 0.4}}),
    ("roles.titles", "roles", {"titles": {"主任医师": 1.2, "*": 1.0}}),
    ("roles.instead_of", "roles", {"instead_of": ["手术"]}),
    ("nursing.points", "nursing", {"points": 2.6}),
    ("nursing.grade", "nursing", {"grade": "off"}),
    ("nursing.coefficient", "nursing", {"coefficient": 1.1}),
    ("nursing.shifts", "nursing", {"shifts": {"夜班": 0.5, "白班": 0.1}}),
    ("nursing.instead_of", "nursing", {"instead_of": ["检查"]}),
    ("sessions.procedures", "sessions", {"procedures": "off"}),
    ("sessions.steps", "sessions", {"steps": [1.0, 0.4]}),
    ("sessions.endoscopy", "sessions", {"endoscopy": "off"}),
    ("sessions.imaging", "sessions", {"imaging": "off"}),
    ("sessions.technical", "sessions", {"technical": 0.4}),
    ("sessions.professional", "sessions", {"professional": 0.9}),
    ("sessions.bilateral", "sessions", {"bilateral": 1.4}),
    ("sessions.assistant", "sessions", {"assistant": 0.2}),
    ("sessions.two_surgeons", "sessions", {"two_surgeons": 0.6}),
    ("sessions.bilateral_marks", "sessions", {"bilateral_marks": ["两侧"]}),
    ("sessions.assistant_marks", "sessions", {"assistant_marks": []}),
    ("sessions.two_surgeons_marks", "sessions", {"two_surgeons_marks": ["62"]}),
]
TRIED_THERE = [key for key, *_ in MOVES]


def _outcome(folder: Path, sections: dict[str, Any]) -> tuple[Work, dict[str, Any]]:
    work = work_of(folder, plan_of(**sections), **BUSY)
    return work, {"persons": work.personal, "units": work.by_department}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work, tables = _outcome(tmp_path_factory.mktemp("before"), ALL)
    assert int(work.cells.rows.sum()) == work.cells.rows_read == 13
    return tables


@pytest.mark.parametrize(("key", "section", "change"), MOVES, ids=TRIED_THERE)
def test_every_key_moves_an_output(
    key: str, section: str, change: dict[str, Any], before: dict[str, Any], tmp_path: Path
) -> None:
    assert key.startswith(section)
    _, after = _outcome(tmp_path, ALL | {section: ALL.get(section, {}) | change})
    assert not all(before[name].equals(after[name]) for name in before)
