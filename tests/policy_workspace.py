"""A small workspace with two policies in time, whose cases bring every column of payment."""

from __future__ import annotations

from pathlib import Path

POLICY = """
[policy]
name = "{name}"
title = "{title}"
effective_from = {begin}
source = "示例"
{more}
[rates]
310 = {rate}
390 = 8000.0

[low]
bound = 0.4

[high]
cap_share = 1.0

[[scope]]
code = "bureau"
title = "医保局剔除"
listed = true

[[scope]]
code = "elsewhere"
title = "异地就医"
regions_outside = ["230100"]

[[extra]]
code = "new"
title = "新药"
column = "extra_drug"
means_file = "means.csv"

[standard]
overall_mean = 10000.0

[review]
column = "review_paid"
cap_share = 1.0

[readmission]
days = 15

[fund]
way = "share"
k = {{ 310 = 0.5 }}
prepaid = 0.85
"""

HEADINGS = (
    "病案号,人员编号,性别,年龄,住院天数,离院方式,主要诊断编码,主要手术编码,入院日期,出院日期,结算日期,险种,"
    "参保地,总费用,全自费,先行自付,超限价,起付线,个人负担,其他基金,除外药品费,出院科室"
)
# RW of HC25 is 1.6413, of ES35 0.3825.
ROWS = [
    "A00000001,甲,女,52,5,1,K80.101,51.2300,2026-06-20,2026-06-25,2026-07-02,310,230100,"
    "15000,1000,300,200,800,4000,,",
    "A00000002,甲,女,52,5,1,K80.101,51.2300,2026-07-02,2026-07-05,2026-07-06,310,230100,"
    "15000,1000,500,,800,4000,,",
    "A00000003,乙,女,33,4,1,J18.900,,2026-06-26,2026-06-30,2026-07-01,310,230100,"
    "4000,0,0,,0,1000,,",
    "A00000004,丙,女,33,4,1,J18.900,,2026-07-01,2026-07-04,2026-07-04,310,110000,"
    "4000,0,0,,0,1000,,",
    "A00000005,丁,女,33,4,1,J18.900,,2026-07-01,2026-07-04,2026-07-04,310,230100,"
    "4000,0,0,,0,1000,100,",
    "A00000006,戊,女,33,4,1,J18.900,,2026-07-01,2026-07-04,2026-07-04,390,230100,"
    "30000,0,0,,0,9000,,20000",
]  # fmt: skip


def policy(folder: Path, name: str, **said: str) -> None:
    text = POLICY.format(**{"name": name, "title": name, "more": "", **said})
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def make_workspace(folder: Path) -> Path:
    """A hospital whose July has a stay of June and one of July, by a policy each."""
    policies = folder / "policies"
    policies.mkdir(parents=True)
    (policies / "means.csv").write_text("病组,次均费用\nES35,500.00\n", encoding="utf-8")
    until = "effective_to = 2026-07-01\n"
    policy(policies, "spring", title="上半年", begin="2026-01-01", rate="10000.0", more=until)
    policy(policies, "summer", title="下半年", begin="2026-07-01", rate="9000.0")
    settings = (
        '[hospital]\nname = "甲医院"\nlevel = 3\n'
        '[run]\nscheme = "harbin_2024"\npolicy = "policies"\n'
    )
    (folder / "hospital.toml").write_text(settings, encoding="utf-8")
    inputs = folder / "inputs" / "2026-07"
    inputs.mkdir(parents=True)
    rows = [f"{row},D101" for row in ROWS]
    (inputs / "cases.csv").write_text("\n".join([HEADINGS, *rows]) + "\n", encoding="utf-8-sig")
    return folder
