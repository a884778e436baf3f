"""``drg-engine tables``: list, show, verify and diff for the grouping schemes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from drg_engine.errors import Fault, TableError
from drg_engine.page_blocks import Block, Grid, Line, show
from drg_engine.tables_pages import Pages, scheme_facts
from grouper_tables import Scheme, load_scheme, scheme_names
from grouper_tables._compile import Compiled, compile_scheme
from grouper_tables._diff import differences
from grouper_tables._difference import KINDS, Difference
from grouper_tables._lookup import Lookup
from grouper_tables._source import SchemeSource, read_source, scheme_folder, tables_hash
from grouper_tables._verify import Notice, Seal, all_faults, notices, seals, write_seal

__all__ = ["show_diff", "show_list", "show_scheme", "verify"]

_FEW = 8
"""Items of a notice, or codes of a difference, that are shown."""


def show_list() -> None:
    """Print the schemes that ship with the engine."""
    schemes = [load_scheme(name) for name in scheme_names()]
    rows = [_list_row(scheme) for scheme in schemes]
    headings = ("名称", "标题", "版次", "基础方案", "ADRG", "病组", "生效日期")
    blocks: list[Block] = [Grid(headings, rows, level=0), Line("可信程度", head=True)]
    blocks.append(Grid((), [(scheme.name, _in_brief(scheme)) for scheme in schemes]))
    show(blocks)


def _list_row(scheme: Scheme) -> tuple[str | int, ...]:
    manifest = scheme.manifest
    groups = len(scheme.drg_codes) - len(scheme.mdc_codes) - 1
    return (
        scheme.name,
        scheme.title,
        manifest.edition,
        manifest.base or "—",
        len(scheme.adrg_codes),
        groups,
        str(manifest.effective_from),
    )


def _in_brief(scheme: Scheme) -> str:
    """The manifest's one line on trust, or the first sentence of what it says of it."""
    provenance = scheme.manifest.provenance
    brief = provenance.get("in_brief") or provenance.get("trust", "").partition("。")[0]
    return brief or "说明文件没有写可信程度"


def show_scheme(scheme: str | Path, what: str | None = None, *, everything: bool = False) -> None:
    """Print a scheme's page, or that of one MDC, ADRG, DRG or code in it.

    everything: all codes of each list.  Raises TableError where there is no such thing.
    """
    lookup = Lookup(load_scheme(scheme))
    pages = Pages(lookup, everything)
    show(pages.scheme() if what is None else pages.page(*lookup.find(what)))
    if lookup.scheme.tables_changed:
        show([Line("注意：表格与说明文件所载的指纹不符，请运行 drg-engine tables verify。")])


def verify(scheme: str | Path, *, accept: bool = False, everything: bool = False) -> None:
    """Check a scheme's tables and print what was found.

    accept: write their hash into the manifest, once they are found sound.  everything: all items
    of each notice.  Raises TableError with every fault, or where the tables are not those of the
    stated hash.
    """
    folder = scheme_folder(scheme)
    started = time.perf_counter()
    source = read_source(folder)
    faults = all_faults(source, source.manifest.options)
    if faults:
        raise TableError(f"分组方案 {source.manifest.name} 的表格有误", faults)
    read = time.perf_counter()
    compiled = compile_scheme(source, source.manifest.options)
    seconds = (read - started, time.perf_counter() - read)
    written = bool(accept and write_seal(folder))
    found = seals(folder)
    few = None if everything else _FEW
    show(
        [
            *_verified(source, compiled, seconds),
            *_notice_lines(notices(source, source.manifest.options), few),
            *_seal_lines(found, tables_hash(folder), written=written),
        ]
    )
    broken = [seal for seal in found if seal.broken]
    if broken:
        raise TableError("表格与说明文件所载的指纹不符", [_broken_fault(seal) for seal in broken])


def _broken_fault(seal: Seal) -> Fault:
    return Fault(
        f"{seal.scheme}/scheme.toml",
        f"表格指纹应为 {seal.stated}",
        column="tables_sha256",
        found=seal.actual,
        mend=f"若改动是有意的，核对后运行 drg-engine tables verify {seal.scheme} --accept",
    )


def _verified(
    source: SchemeSource, compiled: Compiled, seconds: tuple[float, float]
) -> Iterator[Block]:
    yield Line(f"{source.manifest.title}：表格没有错误", head=True)
    yield from (Line(f"{label}：{words}", 1) for label, words in scheme_facts(source.manifest))
    yield Line("表格", head=True)
    yield Grid((), _counts(source, len(compiled.names["adrg_codes"])))
    yield Line(f"读表 {seconds[0]:.2f} 秒，编译 {seconds[1]:.2f} 秒", 1)


def _counts(source: SchemeSource, with_groups: int) -> list[tuple[str, int]]:
    tables, codes = source.tables, source.codes
    levels = tables["complications"].column("level")
    sets = {*tables["diagnosis_sets"].column("set"), *tables["procedure_sets"].column("set")}
    return [
        ("MDC", len(tables["mdc"].rows)),
        ("ADRG", len(tables["adrg"].rows)),
        ("其中有病组的 ADRG", with_groups),
        ("病组", len(tables["groups"].rows)),
        ("入组条件（条）", len(set(tables["rules"].pick("adrg", "alternative")))),
        ("编码集", len(sets)),
        ("诊断编码集（行）", len(tables["diagnosis_sets"].rows)),
        ("手术编码集（行）", len(tables["procedure_sets"].rows)),
        ("MDC 诊断表（行）", len(tables["mdc_diagnoses"].rows)),
        ("MCC", levels.count("mcc")),
        ("CC", levels.count("cc")),
        ("排除表", len(set(tables["exclusions"].column("exclusion")))),
        ("计入手术（OR）", len(tables["or_procedures"].rows)),
        ("编码清单：诊断", len(codes["diagnoses"].rows)),
        ("编码清单：手术操作", len(codes["procedures"].rows)),
    ]


def _notice_lines(told: Sequence[Notice], few: int | None) -> Iterator[Block]:
    yield Line("提示（不是错误）" if told else "提示：无", head=True)
    for notice in told:
        shown = "、".join(notice.items[:few])
        left_out = few is not None and len(notice.items) > few
        rest = " ……（加 --all 全部列出）" if left_out else ""
        yield Line(f"{notice.words}：{len(notice.items):,} 个：{shown}{rest}", 1)


def _seal_lines(found: Sequence[Seal], whole: str, *, written: bool) -> Iterator[Block]:
    yield Line("指纹（SHA-256）", head=True)
    for seal in found:
        if written and seal is found[0]:
            words = "已写入说明文件"
        elif seal.stated is None:
            command = f"drg-engine tables verify {seal.scheme} --accept"
            words = f"说明文件没有记载；核对后可用 {command} 写入"
        else:
            words = "与说明文件不符" if seal.broken else "与说明文件一致"
        yield Line(f"{seal.scheme} 本身的表格：{seal.actual}（{words}）", 1)
    yield Line(f"全部（说明、表格、编码清单，含基础方案）：{whole}", 1)


def show_diff(first: str | Path, second: str | Path, limit: int = 20) -> None:
    """Print what differs between two schemes: counts by kind, then up to ``limit`` of each kind.

    limit 0 shows all.
    """
    lookups = (Lookup(load_scheme(first)), Lookup(load_scheme(second)))
    found = differences(*lookups)
    one, other = (lookup.scheme for lookup in lookups)
    blocks: list[Block] = [
        Line(f"甲：{one.title}（{one.name}）", head=True),
        Line(f"乙：{other.title}（{other.name}）", head=True),
    ]
    if not found:
        show([*blocks, Line("两个方案没有差别。")])
        return
    blocks.append(_summary(found))
    names = {**lookups[0].code_names, **lookups[1].code_names}
    for kind, same in groupby(found, key=lambda difference: difference.kind):
        blocks.extend(_details(kind, list(same), limit, names))
    show(blocks)


def _summary(found: Sequence[Difference]) -> Grid:
    """By kind: how many things or codes are only in the first, only in the second, changed."""
    rows: list[tuple[str | int | None, ...]] = []
    for kind, heading in KINDS.items():
        own = [difference for difference in found if difference.kind == kind]
        if not own:
            continue
        of_codes = any(difference.codes for difference in own)
        gone = sum(_size(d) for d in own if not d.second)
        come = sum(_size(d) for d in own if not d.first)
        changed = sum(_size(d) for d in own if d.first and d.second)
        rows.append((heading, gone, come, changed, "编码" if of_codes else "项"))
    return Grid(("类别", "只在甲", "只在乙", "改变", "单位"), rows, level=0)


def _size(difference: Difference) -> int:
    return len(difference.codes) or 1


def _details(
    kind: str, found: Sequence[Difference], limit: int, names: dict[str, str]
) -> Iterator[Block]:
    yield Line("")
    yield Line(f"{KINDS[kind]}（{len(found):,} 处）", head=True)
    shown = found[:limit] if limit > 0 else found
    for difference in shown:
        yield Line(_difference_words(difference), 1)
        if difference.codes:
            yield Line(_codes_words(difference.codes, names, everything=limit <= 0), 2)
    if len(shown) < len(found):
        yield Line(f"…… 还有 {len(found) - len(shown):,} 处（--limit 0 全部列出）", 1)


def _difference_words(difference: Difference) -> str:
    first, second = difference.first, difference.second
    head = f"{difference.what}：" if difference.what else ""
    count = f"  {len(difference.codes):,} 个编码" if difference.codes else ""
    if not first:
        return f"＋ {head}只在乙：{second}{count}"
    if not second:
        return f"－ {head}只在甲：{first}{count}"
    return f"～ {head}{first} → {second}{count}"


def _codes_words(codes: Sequence[str], names: dict[str, str], *, everything: bool) -> str:
    shown = codes if everything else codes[:_FEW]
    words = "、".join(f"{code} {names.get(code, '')}".rstrip() for code in shown)
    return words + (f" …… 共 {len(codes):,} 个" if len(codes) > len(shown) else "")
