"""``drg-engine tables``: expected values are read by hand from the tables and from shared/facts."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from case_factory import write_scheme

from drg_engine import group_one
from drg_engine.cli import main
from drg_engine.errors import TableError
from drg_engine.page_blocks import Grid, Line, show
from drg_engine.tables_command import show_diff, show_list, show_scheme, verify
from drg_engine.tables_pages import Pages
from grouper_tables import load_scheme, scheme_names
from grouper_tables._diff import differences
from grouper_tables._difference import KINDS, Difference
from grouper_tables._lookup import Lookup
from grouper_tables._verify import with_seal
from grouper_tables.rules import Alternative, Condition
from grouper_tables.words import alternative_words, condition_words

SHIPPED = ("chs_drg_1_1", "chs_drg_2_0", "harbin_2024")


@pytest.fixture(scope="module")
def national() -> Lookup:
    return Lookup(load_scheme("chs_drg_2_0"))


@pytest.fixture(scope="module")
def city() -> Lookup:
    return Lookup(load_scheme("harbin_2024"))


@pytest.fixture(scope="module")
def older() -> Lookup:
    return Lookup(load_scheme("chs_drg_1_1"))


def page(lookup: Lookup, what: str, *, everything: bool = False) -> str:
    """The page of something as it is printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        show(Pages(lookup, everything).page(*lookup.find(what)))
    return printed.getvalue()


# ---- what leads to a group


def test_hc2_is_led_to_by_its_nine_procedures(national: Lookup) -> None:
    page = national.adrg("HC2")
    assert (page.name, page.mdc, page.place, page.of) == ("胆囊切除手术", "H", 3, 18)
    assert page.partition == "surgical"
    (alternative,) = page.alternatives
    (part,) = alternative.parts
    assert part.words == "主要手术属于编码集 HC2.pproc"
    assert part.codes == (
        "51.2100",
        "51.2101",
        "51.2200",
        "51.2200x004",
        "51.2201",
        "51.2300",
        "51.2301",
        "51.2400",
        "51.2401",
    )
    assert [(g.drg, g.severity_words, g.weight) for g in page.groups] == [
        ("HC23", "有 CC 或 MCC", None),
        ("HC25", "无 CC、MCC", None),
    ]


def test_the_page_of_hc2_tells_a_coder_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_scheme("chs_drg_2_0", "hc2")
    lines = capsys.readouterr().out.splitlines()
    for line in (
        "ADRG HC2 胆囊切除手术",
        "  MDC：H 肝、胆、胰疾病及功能障碍",
        "  次序：在 MDC H 内第 3 个试（共 18 个）",
        "  类别：外科手术",
        "  · 主要诊断属于 MDC H 诊断表（766 个编码）",
        "  · 主要手术属于编码集 HC2.pproc（9 个编码）",
        "    51.2200x004  胆囊扩大切除术",
        "  HC25   无 CC、MCC     胆囊切除手术，不伴合并症或并发症",
    ):
        assert line in lines


def test_a_long_list_says_how_many_there_are(national: Lookup) -> None:
    assert "    …… 共 219 个（加 --all 全部列出）\n" in page(national, "K80.100x001")
    out = page(national, "K80.100x001", everything=True)
    assert "……" not in out
    assert len(re.findall(r"^    \S+  ", out, re.MULTILINE)) == 219 + 102


def test_a_citys_group_shows_its_weight(city: Lookup) -> None:
    assert [(g.drg, g.severity_words, g.weight) for g in city.groups_of("GB1")] == [
        ("GB11", "有 MCC", 8.6979),
        ("GB13", "有 CC", 7.5025),
        ("GB15", "无 CC、MCC", 6.5124),
    ]
    out = page(city, "GB13")
    assert "  权重：7.5025\n" in out
    assert "食管、胃、十二指肠大手术，伴并发症或合并症 ←" in out


def test_an_adrg_the_city_has_no_group_for_is_said_to_be_skipped(city: Lookup) -> None:
    assert "本方案没有这个 ADRG 的病组，分组时跳过。" in page(city, "AD1")


def test_an_mdc_shows_its_entry_and_its_adrgs_in_order(national: Lookup) -> None:
    page = national.mdc("H")
    assert (page.place, page.of, len(page.diagnoses)) == (14, 26, 766)
    assert [adrg for adrg, _, _, _ in page.adrgs] == [
        *("HB1", "HC1", "HC2", "HC3", "HJ1", "HK1", "HL1", "HL2", "HR1"),
        *("HS1", "HS2", "HS3", "HT1", "HT2", "HU1", "HZ1", "HZ2", "HZ3"),
    ]
    entries = [[part.words for part in entry.parts] for entry in national.mdc("O").entries]
    assert entries == [
        ["性别为女", "主要诊断属于 MDC O 诊断表"],
        ["性别为女", "有任一诊断属于以 Z37. 开头的编码"],
    ]
    assert sorted(national.mdc("Z").sites)[:2] == ["上肢创伤", "下肢创伤"]


def test_the_page_of_an_mdc(national: Lookup) -> None:
    out = page(national, "MDC h")
    assert "  次序：第 14 个试（共 26 个 MDC）\n" in out
    assert re.search(r"^     3   HC2    外科手术            2   胆囊切除手术$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("what", "words"),
    [("HQY", "歧义组：病例在 MDC H 内最先符合的是内科诊断 ADRG"), ("0000", "每例都带有原因")],
)
def test_results_that_are_no_group_of_their_own(national: Lookup, what: str, words: str) -> None:
    assert words in page(national, what)


def test_a_medical_adrg_names_its_ambiguous_group(national: Lookup) -> None:
    assert "主要手术若在计入手术清单内，改入歧义组 HQY。" in page(national, "HU1")


# ---- where a code stands


def test_k80_100_is_grey_and_stands_nowhere(national: Lookup) -> None:
    page = national.code(*national.find("K80.100"))
    assert (page.name, page.listed, page.grey) == ("胆囊结石伴有其他胆囊炎", True, True)
    assert (page.mdcs, page.places, page.severity, page.excludes) == ((), (), None, ())
    assert page.longer == ("K80.100x001",)


def test_the_page_of_a_grey_diagnosis(national: Lookup, older: Lookup) -> None:
    assert "  灰码：是，作主要诊断时不入组，得 0000\n" in page(national, "K80.100")
    assert "  灰码：是，本方案照常入组（gray_codes = ignore）\n" in page(older, "K80.100")


def test_k80_100x001_stands_in_h_hu1_and_the_cc_list(national: Lookup) -> None:
    page = national.code(*national.find("ｋ80.100X001 "))
    assert page.mdcs == (("H", "肝、胆、胰疾病及功能障碍", ""),)
    assert [(p.owner, p.mdc, p.condition) for p in page.places] == [
        ("HU1", "H", "主要诊断属于编码集 HU1.pdx")
    ]
    assert page.severity is not None
    assert (page.severity.level, page.severity.exclusion) == ("cc", "118")
    assert len(page.severity.excluded_by) == 219
    assert page.excluding_tables == ("118",)
    assert len(page.excludes) == 102
    assert not page.grey


def test_a_procedure_stands_where_its_sets_are_looked_for(national: Lookup) -> None:
    page = national.code(*national.find("51.2300"))
    assert page.counted
    assert [p.owner for p in page.places] == ["PD1", "ZJ1", "HC2", "QJ1", "RA1", "RA3", "VJ1"]
    assert page.places[0].alternative == "主要手术属于编码集 PD1.pproc，且日龄 ≤ 28 天"


def test_a_diagnosis_of_mdc_z_stands_under_its_site(national: Lookup) -> None:
    page_of = national.code(*national.find("S42.202"))
    assert page_of.mdcs == (
        ("Z", "多发严重创伤", "上肢创伤"),
        ("I", "肌肉、骨骼疾病及功能障碍", ""),
    )
    assert "  MDC Z 多发严重创伤（部位：上肢创伤）\n" in page(national, "S42.202")


def test_a_grey_procedure_in_no_set_cannot_lead(national: Lookup) -> None:
    out = page(national, "00.0100")
    assert "  灰码：是，作主要手术时不入组，得 0000\n" in out
    assert "  计入手术（OR）清单：在清单内\n" in out
    assert "  没有 ADRG 的条件用到它。\n" in out


def test_a_prefix_leads_to_the_mdc_of_births(national: Lookup) -> None:
    out = page(national, "Z37.000x001")
    assert "  进入 MDC O 妊娠、分娩及产褥期\n    · 有任一诊断属于以 Z37. 开头的编码\n" in out
    assert "  OR1 阴道分娩（MDC O）\n    · 有其他诊断属于编码集 OR1.odx\n" in out


def test_a_clinical_code_leads_to_its_insurance_code(national: Lookup) -> None:
    out = page(national, "A01.000x002")
    assert "对照表：作为临床版编码时，对应医保版 A01.003 伤寒杆菌性脓毒症" in out
    assert "诊断编码 A01.003 伤寒杆菌性脓毒症" in out
    assert "对照表：下列临床版编码对应到它：A01.000x002" in out


def test_letters_x_inside_a_group_are_no_extension(national: Lookup) -> None:
    assert national.find("bx1") == ("adrg", "BX1")
    assert national.find("H") == ("mdc", "H")
    assert national.find("hc25") == ("drg", "HC25")


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("GB19", "GB1 食管、胃、十二指肠大手术\n  GB15 "),
        ("K80.1", "K80.100 胆囊结石伴有其他胆囊炎\n  K80.100x001 胆囊结石伴胆囊炎\n"),
        ("胆囊切除", "HC2 胆囊切除手术\n"),
    ],
)
def test_an_unknown_word_gets_near_matches(city: Lookup, word: str, near: str) -> None:
    with pytest.raises(TableError) as caught:
        city.find(word)
    message = str(caught.value)
    head = f"方案 harbin_2024 里没有“{word}”：不是 MDC、ADRG、DRG，也不是已知编码。\n相近的有：\n  "
    assert message.startswith(head + near)


def test_an_unknown_word_without_likeness_gets_the_way_to_the_mdcs(national: Lookup) -> None:
    with pytest.raises(TableError, match="可先看有哪些 MDC：drg-engine tables show chs_drg_2_0"):
        national.find("@@@@")


# ---- conditions in words


@pytest.mark.parametrize(
    ("kind", "value", "negated", "words"),
    [
        ("always", "", False, "所有病例"),
        ("principal_dx", "@mdc", False, "主要诊断属于 MDC B 诊断表"),
        ("any_proc", "adrg:HC2", True, "没有任何手术属于 ADRG HC2 的手术"),
        ("other_dx", "code:Z51.100", False, "有其他诊断属于编码 Z51.100"),
        ("has_or_procedure", "yes", False, "主要手术在计入手术清单内"),
        ("has_or_procedure", "yes", True, "主要手术不在计入手术清单内"),
        ("has_or_procedure", "no", True, "主要手术在计入手术清单内"),
        ("sex", "1", True, "性别不为男"),
        ("age_max", "0", False, "年龄为 0 岁"),
        ("age_min", "18", True, "年龄 < 18 岁，或未填"),
        ("vent_hours_min", "96", False, "呼吸机时间 ≥ 96 小时"),
        ("birth_weight_max", "1499", False, "出生体重 ≤ 1499 克"),
        ("flag", "日间手术", False, "病例带有标志“日间手术”"),
        ("discharge_mode", "4|5", False, "离院方式为非医嘱离院（4）或死亡（5）"),
        ("sites_min", "2", False, "各诊断涉及的部位至少 2 处"),
    ],
)
def test_conditions_in_words(kind: str, value: str, negated: bool, words: str) -> None:
    assert condition_words(Condition(kind, value, negated, ("rules.csv", 2)), "B") == words


def test_conditions_that_must_all_hold_are_joined() -> None:
    origin = ("rules.csv", 2)
    both = (Condition("sex", "2", False, origin), Condition("los_min", "3", False, origin))
    assert alternative_words(Alternative("B", "1", both)) == "性别为女，且住院天数 ≥ 3 天"


# ---- output


def test_piped_output_is_plain_and_unfolded(capsys: pytest.CaptureFixture[str]) -> None:
    long = "很长" * 120
    show([Line("题", head=True), Line(long, 1), Line(""), Grid(("甲", "数"), [(long, 1234)])])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert f"\n  {long}\n\n" in out
    assert f"\n  {long}   1,234\n" in out


def test_chinese_counts_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show([Grid((), [("病组", "名"), ("HC23", "名")], level=0)])
    assert capsys.readouterr().out == "病组  名\nHC23  名\n"


def test_list_has_a_line_for_each_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    show_list()
    out = capsys.readouterr().out
    assert scheme_names() == SHIPPED
    row = r"^chs_drg_2_0 +CHS-DRG 2.0 分组方案 +2\.0 +— +409 +634 +2024-07-23$"
    assert re.search(row, out, re.MULTILINE)
    row = r"^harbin_2024 +哈尔滨市 DRG 2024 年病组与权重 +2024 +chs_drg_1_1 +369 +703 +2024-01-01$"
    assert re.search(row, out, re.MULTILINE)
    for name in SHIPPED:
        assert re.search(rf"^  {name}  .*付费前须与本地医保局版本核对$", out, re.MULTILINE)


def test_a_scheme_without_a_word_shows_itself(capsys: pytest.CaptureFixture[str]) -> None:
    show_scheme("harbin_2024")
    out = capsys.readouterr().out
    assert "  基础方案：chs_drg_1_1\n" in out
    assert re.search(r"^  310  12252\.70$", out, re.MULTILINE)
    assert "尚无人与该市原文件逐条核对" in out


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["drg-engine", "tables", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def test_the_command_ends_with_a_code_for_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "show", "chs_drg_2_0", "HC2", "--all") == 0
    assert run(monkeypatch, "show", "chs_drg_2_0", "GB99") == 4
    assert run(monkeypatch, "show", "chs_drg_9", "H") == 4
    said = capsys.readouterr().err
    assert "错误：方案 chs_drg_2_0 里没有“GB99”" in said
    assert "没有名为“chs_drg_9”的分组方案" in said


# ---- verify


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_manifests_carry_the_hash_of_their_tables(name: str) -> None:
    scheme = load_scheme(name)
    assert scheme.manifest.tables_sha256 is not None
    assert not scheme.tables_changed


def test_verify_tells_counts_notices_hashes_and_trust(capsys: pytest.CaptureFixture[str]) -> None:
    verify("harbin_2024")
    out = capsys.readouterr().out
    assert "不在编码清单内的编码（照表使用）：4 个：K43.900（" in out
    assert "没有病组、分组时跳过的 ADRG：7 个：AC1 胰／肾联合移植、AD1 " in out
    assert "从不被排除的 CC/MCC：168 个：" in out
    assert "（加 --all 全部列出）" in out
    assert re.search(r"^  病组 +703$", out, re.MULTILINE)
    assert re.search(r"读表 \d+\.\d\d 秒，编译 \d+\.\d\d 秒", out)
    for name in ("harbin_2024", "chs_drg_1_1"):
        assert re.search(rf"{name} 本身的表格：[0-9a-f]{{64}}（与说明文件一致）", out)
    assert "可信程度：" in out


def test_verify_knows_the_one_code_of_2_0_outside_the_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verify("chs_drg_2_0", everything=True)
    assert (
        "不在编码清单内的编码（照表使用）：1 个：43.4100x026（chs_drg_2_0/procedure_sets.csv"
        in capsys.readouterr().out
    )


def test_trust_of_2_0_says_where_a_normal_delivery_goes(national: Lookup) -> None:
    scheme = national.scheme
    result = group_one(scheme, ["O80.000", "Z37.000x001"], sex=2, age=28)
    assert result.drg == "OZ19"
    assert "正常分娩因此入 OZ19，不入 OR19" in scheme.manifest.provenance["trust"]


TABLES = {
    "mdc": ["mdc,rank,name", "B,1,甲类", "C,2,乙类"],
    "mdc_entry": [
        "mdc,option,alternative,condition,value",
        "B,,1,principal_dx,@mdc",
        "C,,1,principal_dx,@mdc",
    ],
    "mdc_diagnoses": ["mdc,site,code", "B,,D1", "B,,D2", "C,,D3"],
    "adrg": [
        "adrg,mdc,rank,partition,name",
        "BA1,B,1,surgical,手术一",
        "BB1,B,2,surgical,手术二",
        "BR1,B,3,medical,内科",
        "CR1,C,1,medical,旧组",
    ],
    "rules": [
        "adrg,alternative,condition,value",
        "BA1,1,principal_proc,BA1.p",
        "BB1,1,principal_proc,BB1.p",
        "BR1,1,principal_dx,BR1.d",
        "CR1,1,principal_dx,CR1.d",
    ],
    "diagnosis_sets": ["set,code", "BR1.d,D1", "BR1.d,D2", "CR1.d,D3"],
    "procedure_sets": ["set,code", "BA1.p,P1", "BA1.p,P2", "BB1.p,P3"],
    "groups": [
        "drg,adrg,severity,name,weight",
        "BA19,BA1,all,手术一,1.0000",
        "BB19,BB1,all,手术二,2.5",
        "BR13,BR1,cc,内科伴CC,0.5",
        "BR15,BR1,none,内科,0.25",
        "CR19,CR1,all,旧组,1",
    ],
    "complications": ["code,level,exclusion", "D1,cc,1", "D2,mcc,2", "D3,cc,1"],
    "exclusions": ["exclusion,code", "1,D1", "1,D2", "2,D2", "2,D3"],
    "or_procedures": ["code", "P1", "P2"],
}

CHANGED = {
    **TABLES,
    "mdc_entry": [*TABLES["mdc_entry"][:2], "C,,1,sex,2", "C,,1,principal_dx,@mdc"],
    "mdc_diagnoses": ["mdc,site,code", "B,,D1", "C,,D2", "C,,D3", "C,,D4"],
    "adrg": [
        "adrg,mdc,rank,partition,name",
        "BB1,B,1,surgical,手术二",
        "BA1,B,2,surgical,手术一甲",
        "BR1,B,3,medical,内科",
        "CS1,C,1,medical,新组",
    ],
    "rules": [
        "adrg,alternative,condition,value",
        "BA1,1,principal_proc,BA1.x",
        "BB1,1,principal_proc,BB1.p",
        "BR1,1,principal_dx,BR1.d",
        "BR1,1,los_min,3",
        "CS1,1,principal_dx,CS1.d",
    ],
    "diagnosis_sets": ["set,code", "BR1.d,D1", "BR1.d,D2", "CS1.d,D3"],
    "procedure_sets": ["set,code", "BA1.x,P1", "BB1.p,P2", "BB1.p,P3"],
    "groups": [
        "drg,adrg,severity,name,weight",
        "BA19,BA1,all,手术一甲,1",
        "BB19,BB1,all,手术二,2",
        "BR13,BR1,mcc,内科伴CC,0.5",
        "BR15,BR1,none,内科,",
        "CS19,CS1,all,新组,1",
    ],
    "complications": ["code,level,exclusion", "D1,mcc,8", "D2,mcc,9", "D3,cc,9"],
    "exclusions": ["exclusion,code", "8,D1", "8,D2", "8,D4", "9,D2", "9,D3"],
    "or_procedures": ["code", "P1", "P3"],
}


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))


MANIFEST = '\n[options]  # 本地选项\ngray_codes = "ignore"\n'


def small(tmp_path: Path, name: str = "small", **tables: list[str]) -> Path:
    return write_scheme(tmp_path / name, {**TABLES, **tables}, MANIFEST)


@pytest.mark.usefixtures("_own_cache")
def test_verify_tells_all_faults_at_once(tmp_path: Path) -> None:
    folder = small(
        tmp_path,
        groups=["drg,adrg,severity,name", *["BA19,BA1,all,一"] * 2, "BR15,BR1,nun,内科"],
        rules=[*TABLES["rules"][:3], "BR1,1,principal_dx,BRX.d", "CR1,1,agemin,3"],
        adrg=[*TABLES["adrg"][:4], "CR1,C,,medical,旧组"],
    )
    with pytest.raises(TableError) as caught:
        verify(folder)
    told = {(f.file, f.row, f.column, f.found) for f in caught.value.faults}
    assert told >= {
        ("small/groups.csv", 3, "drg", "BA19"),
        ("small/groups.csv", 4, "severity", "nun"),
        ("small/rules.csv", 4, "value", "BRX.d"),
        ("small/rules.csv", 5, "condition", "agemin"),
        ("small/adrg.csv", 5, "rank", "空"),
        ("small/adrg.csv", 3, "adrg", "BB1"),
    }
    assert caught.value.exit_code == 4


@pytest.mark.usefixtures("_own_cache")
def test_verify_accepts_tables_once_and_then_holds_them_to_their_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small(tmp_path)
    manifest = folder / "scheme.toml"
    before = manifest.read_text(encoding="utf-8")
    verify(folder)
    assert "（说明文件没有记载；核对后可用 drg-engine tables verify" in capsys.readouterr().out
    assert manifest.read_text(encoding="utf-8") == before
    verify(folder, accept=True)
    assert "（已写入说明文件）" in capsys.readouterr().out
    after = manifest.read_text(encoding="utf-8")
    assert re.sub(r'tables_sha256 = "[0-9a-f]{64}"\n', "", after) == before
    assert "# 本地选项" in after
    verify(folder)
    assert "（与说明文件一致）" in capsys.readouterr().out

    with (folder / "or_procedures.csv").open("a", encoding="utf-8") as stream:
        stream.write("P3\n")
    assert run(monkeypatch, "verify", str(folder)) == 4
    said = capsys.readouterr()
    assert "（与说明文件不符）" in said.out
    assert "表格与说明文件所载的指纹不符" in said.err
    assert "small/scheme.toml [tables_sha256]：表格指纹应为 " in said.err
    show_scheme(folder)
    assert "注意：表格与说明文件所载的指纹不符" in capsys.readouterr().out
    assert run(monkeypatch, "verify", str(folder), "--accept") == 0


@pytest.mark.usefixtures("_own_cache")
def test_faulty_tables_are_not_accepted(tmp_path: Path) -> None:
    folder = small(tmp_path, groups=TABLES["groups"][:3])
    with pytest.raises(TableError, match="ADRG 没有病组"):
        verify(folder, accept=True)
    assert "tables_sha256" not in (folder / "scheme.toml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_own_cache")
def test_a_base_whose_tables_changed_is_told_too(tmp_path: Path) -> None:
    base = small(tmp_path)
    manifest = base / "scheme.toml"
    manifest.write_text(with_seal(manifest.read_text(encoding="utf-8"), "0" * 64), encoding="utf-8")
    write_scheme(tmp_path / "town", {"groups": TABLES["groups"]}, 'base = "small"\n')
    with pytest.raises(TableError, match=re.escape("small/scheme.toml [tables_sha256]")):
        verify(tmp_path / "town")


def test_a_seal_goes_before_the_first_section_or_replaces_the_old_one() -> None:
    text = '# 说明\r\nname = "a"  # 名\r\n\r\n[options]\r\ntables_sha256 = "other"\r\n'
    sealed = with_seal(text, "f" * 64)
    seal = 'tables_sha256 = "' + "f" * 64 + '"\r\n'
    assert sealed == text.replace("# 名\r\n", "# 名\r\n" + seal)
    assert with_seal(sealed, "e" * 64) == sealed.replace("f" * 64, "e" * 64)
    assert tomllib.loads(with_seal('name = "a"', "f" * 64)) == {
        "name": "a",
        "tables_sha256": "f" * 64,
    }


# ---- diff


@pytest.mark.usefixtures("_own_cache")
def test_every_kind_of_difference_is_told(tmp_path: Path) -> None:
    changed = write_scheme(
        tmp_path / "changed", CHANGED, '\n[options]\ngray_codes = "reject"\nhiv_entry = "any"\n'
    )
    found = differences(Lookup(load_scheme(small(tmp_path))), Lookup(load_scheme(changed)))
    assert found == [
        Difference(
            "option",
            "灰码",
            "照常入组（gray_codes = ignore）",
            "作主要诊断不入组（gray_codes = reject）",
        ),
        Difference(
            "mdc",
            "MDC C 入口",
            "主要诊断属于 MDC C 诊断表",
            "性别为女，且主要诊断属于 MDC C 诊断表",
        ),
        Difference("mdc_code", "", "", "MDC C", ("D4",)),
        Difference("mdc_code", "", "MDC B", "MDC C", ("D2",)),
        Difference("adrg", "CR1", "旧组（MDC C，内科诊断）", ""),
        Difference("adrg", "CS1", "", "新组（MDC C，内科诊断）"),
        Difference("adrg_name", "BA1", "手术一", "手术一甲"),
        Difference("order", "MDC B 内的 BB1", "排在 BA1 之后", "排在最前"),
        Difference(
            "condition",
            "BR1 内科",
            "主要诊断属于编码集 BR1.d",
            "主要诊断属于编码集 BR1.d，且住院天数 ≥ 3 天",
        ),
        Difference("adrg_code", "主要诊断", "CR1", "CS1", ("D3",)),
        Difference("adrg_code", "主要手术", "BA1", "BB1", ("P2",)),
        Difference("group", "BR13", "内科伴CC（BR1，CC）", "内科伴CC（BR1，MCC）"),
        Difference("group", "CR19", "旧组（CR1，不分严重程度）", ""),
        Difference("group", "CS19", "", "新组（CS1，不分严重程度）"),
        Difference("group_name", "BA19", "手术一", "手术一甲"),
        Difference("weight", "BB19 手术二", "2.5", "2（-20.0%）"),
        Difference("weight", "BR15 内科", "0.25", "无权重"),
        Difference("level", "", "CC", "MCC", ("D1",)),
        Difference("exclusion", "排除表 1（后者为 8） 增加的主要诊断", "", "有", ("D4",)),
        Difference("exclusion", "改挂排除表的 CC/MCC", "前者的表 1", "后者的表 9", ("D3",)),
        Difference("counted", "", "", "计入", ("P3",)),
        Difference("counted", "", "计入", "", ("P2",)),
    ]
    assert list(dict.fromkeys(d.kind for d in found)) == list(KINDS)


@pytest.mark.usefixtures("_own_cache")
def test_names_and_numbers_alone_are_no_difference(tmp_path: Path) -> None:
    folder = small(tmp_path)
    renamed = shutil.copytree(folder, tmp_path / "renamed")
    for name, pairs in {
        "adrg.csv": [("BB1,B,2", "BB1,B,20"), ("BR1,B,3", "BR1,B,30")],
        "rules.csv": [("BA1.p", "proc_a")],
        "procedure_sets.csv": [("BA1.p", "proc_a")],
        "complications.csv": [(",1", ",71")],
        "exclusions.csv": [("1,D", "71,D")],
        "groups.csv": [("1.0000", "1")],
    }.items():
        path = renamed / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    assert differences(Lookup(load_scheme(folder)), Lookup(load_scheme(renamed))) == []


def test_a_citys_scheme_differs_in_groups_only(older: Lookup, city: Lookup) -> None:
    found = differences(older, city)
    assert {d.kind for d in found} == {"option", "adrg", "group"}
    skipped = {d.what for d in found if d.kind == "adrg"}
    assert skipped == {"PB1", "PJ1", "AD1", "AF1", "RA4", "NG1", "AC1"}
    assert Difference("group", "HC29", "胆囊切除手术（HC2，不分严重程度）", "") in found
    assert differences(city, city) == []


def test_diff_shows_counts_then_as_many_of_each_kind_as_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_diff("chs_drg_1_1", "chs_drg_2_0", 1)
    out = capsys.readouterr().out
    assert re.search(r"^选项与费率 +0 +0 +2   项$", out, re.MULTILINE)
    assert re.search(r"^计入手术清单的编码 +299 +2,624 +0   编码$", out, re.MULTILINE)
    assert "  ～ Y 类（HIV）入口：仅看主要诊断（hiv_entry = principal） → 任一诊断在表内" in out
    assert "  …… 还有 1 处（--limit 0 全部列出）\n" in out
    assert "  ～ MDC O 内的 OR1：排在 OJ1 之后 → 排在 OZ1 之后\n" in out
    assert "\x1b" not in out
