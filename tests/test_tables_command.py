"""``drg-engine tables``: expected values are read by hand from the tables and from shared/facts."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from commands import tables_exit

from drg_engine.errors import TableError
from drg_engine.page_blocks import Grid, Line, show
from drg_engine.tables_command import show_list, show_scheme
from drg_engine.tables_pages import Pages
from grouper_tables import load_scheme, scheme_names
from grouper_tables._lookup import Lookup
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


def test_the_command_ends_with_a_code_for_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables_exit(monkeypatch, "show", "chs_drg_2_0", "HC2", "--all") == 0
    assert tables_exit(monkeypatch, "show", "chs_drg_2_0", "GB99") == 4
    assert tables_exit(monkeypatch, "show", "chs_drg_9", "H") == 4
    said = capsys.readouterr().err
    assert "错误：方案 chs_drg_2_0 里没有“GB99”" in said
    assert "没有名为“chs_drg_9”的分组方案" in said
