"""``drg-engine tables verify`` and ``diff``: tables against their hash and against others."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from case_factory import write_scheme
from commands import tables_exit

import grouper_tables
from drg_engine import group_one
from drg_engine.errors import TableError
from drg_engine.tables_command import show_diff, show_scheme, verify
from grouper_tables import load_scheme
from grouper_tables._diff import differences
from grouper_tables._difference import KINDS, Difference
from grouper_tables._lookup import Lookup
from grouper_tables._verify import with_seal

SHIPPED = ("chs_drg_1_1", "chs_drg_2_0", "harbin_2024")


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


def test_lost_characters_are_counted_and_the_mended_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verify("chs_drg_2_0")
    words = "名称里有字在转录时丢失、写作问号的编码：1 个：C88.203 M?重链病"
    assert words in capsys.readouterr().out
    folder = Path(grouper_tables.__file__).parent / "codes"
    told = tomllib.loads((folder / "provenance.toml").read_text(encoding="utf-8"))
    for one in told["mended"]:
        rows = (folder / one["table"]).read_text(encoding="utf-8").splitlines()
        names = {row.split(",")[0]: row.split(",", 2)[2] for row in rows}
        assert f"U+{ord(one['written']):X}" == one["codepoint"]
        mended = {code for code, name in names.items() if one["written"] in name}
        assert mended == set(one["codes"])


def test_trust_of_2_0_says_where_a_normal_delivery_goes() -> None:
    scheme = load_scheme("chs_drg_2_0")
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
    assert tables_exit(monkeypatch, "verify", str(folder)) == 4
    said = capsys.readouterr()
    assert "（与说明文件不符）" in said.out
    assert "表格与说明文件所载的指纹不符" in said.err
    assert "small/scheme.toml [tables_sha256]：表格指纹应为 " in said.err
    show_scheme(folder)
    assert "注意：表格与说明文件所载的指纹不符" in capsys.readouterr().out
    assert tables_exit(monkeypatch, "verify", str(folder), "--accept") == 0


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


def test_a_citys_scheme_differs_in_groups_only() -> None:
    older, city = Lookup(load_scheme("chs_drg_1_1")), Lookup(load_scheme("harbin_2024"))
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
