"""The plan as a picture and as rows."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from plan_month import BASE, CMI_LADDER, FIXED, INCOME, KPI, LADDERS, MEAN, POOLS, RW_PRICE
from test_allocation_hospital import make_plan
from test_plan_parameters import BASELINE, FORMULA, PRICED, QUALITY_POOL, SPLIT

from performance import load_plan
from performance.compliance import check_plan_alone
from performance.plan import list_plans
from performance.plan_flow import STAGES, flow_rows, plan_flow
from performance.plan_svg import flow_png, flow_svg

PLANS = {
    "small": {},
    "rw_price": RW_PRICE,
    "cmi": CMI_LADDER,
    "kpi": KPI,
    "split": SPLIT,
    "ladders": LADDERS,
    "mean": MEAN,
    "income": INCOME,
    "fixed": PRICED,
    "baseline": BASELINE,
    "quality_pool": QUALITY_POOL,
    "quality_formula": FORMULA,
    "staff": {
        "staff.fixed": FIXED, "staff.sub_pools": POOLS, "staff.average_share": 0.1,
        "staff.head_fund_share": 0.05, "bounds": {"floor": 0.8, "cap": 1.2},
    },
}  # fmt: skip


def boxes(text: str) -> list[tuple[float, float, float, float]]:
    """x, y, width, height of the boxes of a picture."""
    root = ET.fromstring(text)  # noqa: S314
    found = []
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        rect = group[0]
        found.append(tuple(float(rect.attrib[name]) for name in ("x", "y", "width", "height")))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_drawn(name: str) -> None:
    flow = plan_flow(make_plan(BASE | PLANS[name]))
    names = [box.name for box in flow.boxes]
    assert len(set(names)) == len(names)
    for source, target in flow.arrows:
        assert source in names
        assert target in names
    drawn = {end for arrow in flow.arrows for end in arrow}
    assert drawn == set(names), "every box is joined to another"
    pay = next(box for box in flow.boxes if box.name == "pay")
    assert STAGES[pay.stage] == "结果"
    reached, before = {"pay", "kept", "funds"}, set()
    while reached != before:
        before = set(reached)
        reached |= {source for source, target in flow.arrows if target in reached}
    assert reached >= set(names), "everything leads to pay or to what is kept"


@pytest.mark.parametrize("name", PLANS)
def test_the_picture(name: str) -> None:
    flow = plan_flow(make_plan(BASE | PLANS[name]))
    text = flow_svg(flow)
    assert text == flow_svg(plan_flow(make_plan(BASE | PLANS[name])))
    found = boxes(text)
    assert len(found) == len(flow.boxes)
    for i, (x, y, width, height) in enumerate(found):
        for other_x, other_y, other_width, other_height in found[:i]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height
    for box in flow.boxes:
        assert f">{box.title}<" in text
    size = re.search(r'width="(\d+)" height="(\d+)"', text)
    assert size is not None
    assert all(x + w <= int(size[1]) and y + h <= int(size[2]) for x, y, w, h in found)


def test_texts_are_escaped() -> None:
    plan = make_plan({"plan.title": "<甲> & 乙"})
    assert "&lt;甲&gt; &amp; 乙" in flow_svg(plan_flow(plan))


def test_the_picture_as_png() -> None:
    data = flow_png(plan_flow(load_plan("demo_plan")), scale=0.5)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")


def test_rows_for_a_sheet() -> None:
    rows = flow_rows(load_plan("demo_plan"))
    assert rows[0] == ("数据", "收费明细", "数量、科室、日期", "工作点数")
    assert [stage for stage, *_ in rows] == sorted((r[0] for r in rows), key=STAGES.index)
    drg = next(row for row in rows if row[1] == "DRG 部分")
    assert "医保盈亏 × 0.11（外科）" in drg[2]


def test_what_the_boxes_say() -> None:
    flow = plan_flow(make_plan(BASE | PLANS["staff"]))
    told = {box.title: box.lines for box in flow.boxes}
    assert told["按个人点数"][0] == "工作量 60%：岗位 × 职称 × 出勤率"
    assert told["按个人点数"][1] == "考核 40%：得分 × 职称 × 出勤率"
    assert told["固定份额"] == ("主任津贴 100 元/人",)
    assert "保底 80%，封顶 120%" in told["医生"]


@pytest.mark.parametrize("name", list_plans())
def test_bundled_plans_stand_and_can_be_approved(name: str) -> None:
    plan = load_plan(name)
    assert not (check_plan_alone(plan)["status"] == "blocks").any()
    assert len(boxes(flow_svg(plan_flow(plan)))) > 10


def test_every_kind_of_cost_is_drawn() -> None:
    borne = {"*": 0.0, "办公耗材": 0.5, "水电": 0.2, "维修": 0.1, "洗涤消毒": 0.25, "绿化": 0.3}
    cost = {"costs": {"borne": borne, "funding": "outside"}}
    text = flow_svg(plan_flow(make_plan(BASE | cost)))
    assert "洗涤消毒 25%" in text
    assert "绿化 30%" in text
