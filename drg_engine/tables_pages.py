"""Pages of ``tables show``: a scheme, an MDC, an ADRG, a group or a code, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drg_engine.page_blocks import Block, Grid, Line
from grouper_tables._lookup import Lookup
from grouper_tables._pages import (
    AdrgPage,
    AlternativePage,
    CodePage,
    GroupLine,
    Part,
    Place,
)
from grouper_tables._source import Manifest
from grouper_tables.words import LEVEL_WORDS, PARTITION_WORDS, option_words

__all__ = ["Pages", "scheme_facts"]

_FIRST = 12
"""Codes of a list that are shown unless all are asked for."""


def scheme_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """What a scheme's manifest says of it, as label and words."""
    until = f" 至 {manifest.effective_to}" if manifest.effective_to else " 起"
    return [
        ("名称", manifest.name),
        ("版次", manifest.edition),
        ("发布机关", manifest.authority),
        ("文件", manifest.document),
        ("生效", f"{manifest.effective_from}{until}"),
        ("基础方案", manifest.base or "无（完整方案）"),
        ("来源", manifest.provenance.get("source", "未写")),
        ("整理方法", manifest.provenance.get("method", "未写")),
        ("可信程度", manifest.provenance.get("trust", "未写")),
    ]


@dataclass(frozen=True)
class Pages:
    """Makes the pages of one scheme.  ``everything``: list all codes, not the first few only."""

    lookup: Lookup
    everything: bool = False

    def page(self, kind: str, code: str) -> list[Block]:
        """The page of what Lookup.find found."""
        if kind == "mdc":
            return list(self._mdc(code))
        if kind == "adrg":
            return list(self._adrg(self.lookup.adrg(code), chosen=""))
        if kind == "drg":
            return list(self._group(code))
        return list(self._code(self.lookup.code(kind, code)))

    def scheme(self) -> list[Block]:
        """The scheme itself: where it comes from, its options, its MDCs."""
        scheme, lookup = self.lookup.scheme, self.lookup
        counts: dict[str, list[int]] = {mdc: [0, 0] for mdc in lookup.mdc_names}
        for adrg in scheme.adrg_codes:
            counts[lookup.adrg_rows[adrg][0]][0] += 1
        for adrg in scheme.source.tables["groups"].column("adrg"):
            counts[lookup.adrg_rows[adrg][0]][1] += 1
        mdcs = [
            (place, mdc, counts[mdc][0], counts[mdc][1], name)
            for place, (mdc, name) in enumerate(lookup.mdc_names.items(), start=1)
        ]
        blocks: list[Block] = [Line(scheme.title, head=True)]
        blocks += [Line(f"{label}：{words}", 1) for label, words in scheme_facts(scheme.manifest)]
        blocks.append(Line("选项", head=True))
        blocks.append(Grid((), [(t, m, s) for s, t, m in option_words(scheme.options)]))
        if scheme.rates:
            blocks.append(Line("费率（元 / 1.0 权重）", head=True))
            rates = sorted(scheme.rates.items())
            blocks.append(Grid((), [(insurance, f"{rate:.2f}") for insurance, rate in rates]))
        blocks.append(Line("MDC（按试入的先后）", head=True))
        blocks.append(Grid(("次序", "MDC", "ADRG", "病组", "名称"), mdcs))
        return blocks

    # --- MDC, ADRG, group ------------------------------------------------------------------------

    def _mdc(self, mdc: str) -> Iterator[Block]:
        page = self.lookup.mdc(mdc)
        yield Line(f"MDC {page.mdc} {page.name}", head=True)
        yield self._scheme_line()
        yield Line(f"次序：第 {page.place} 个试（共 {page.of} 个 MDC）", 1)
        yield Line(f"诊断表：{len(page.diagnoses):,} 个编码", 1)
        if page.sites:
            sites = "、".join(f"{site} {count:,}" for site, count in page.sites.items())
            yield Line(f"按部位：{sites}", 1)
        yield Line("进入条件", head=True)
        yield from self._alternatives(page.entries)
        yield Line("其中的 ADRG（按试入的先后，先符合者为准）", head=True)
        rows = [
            (place, adrg, PARTITION_WORDS.get(partition, partition), groups or "跳过", name)
            for place, (adrg, partition, name, groups) in enumerate(page.adrgs, start=1)
        ]
        yield Grid(("次序", "ADRG", "类别", "病组数", "名称"), rows)
        if any(not groups for _, _, _, groups in page.adrgs):
            yield Line("“跳过”：本方案没有这个 ADRG 的病组，分组时不试。", 1)

    def _adrg(self, page: AdrgPage, chosen: str) -> Iterator[Block]:
        yield Line(f"ADRG {page.adrg} {page.name}", head=True)
        if not chosen:
            yield self._scheme_line()
        partition = PARTITION_WORDS.get(page.partition, page.partition)
        yield Line(f"MDC：{page.mdc} {page.mdc_name}", 1)
        yield Line(f"次序：在 MDC {page.mdc} 内第 {page.place} 个试（共 {page.of} 个）", 1)
        yield Line(f"类别：{partition}", 1)
        if not page.groups:
            yield Line("本方案没有这个 ADRG 的病组，分组时跳过。", 1)
        yield Line(f"先要进入 MDC {page.mdc}，条件为", head=True)
        yield from self._alternatives(self.lookup.mdc(page.mdc).entries, listed=False)
        yield Line(f"再要符合 {page.adrg} 的条件", head=True)
        yield from self._alternatives(page.alternatives)
        if page.partition == "medical" and self.lookup.scheme.options["ambiguous_groups"]:
            suffix = self.lookup.scheme.manifest.ambiguous_suffix
            yield Line(f"主要手术若在计入手术清单内，改入歧义组 {page.mdc}{suffix}。", 1)
        if page.groups:
            yield Line("病组", head=True)
            yield self._groups(page.groups, chosen)
            yield from self._group_conditions(page.groups)

    def _groups(self, groups: Sequence[GroupLine], chosen: str) -> Grid:
        headings = ["病组", "条件", "权重", "名称"]
        rows: list[list[str | int | float | None]] = []
        for group in groups:
            words = f"{group.parent} 之下" if group.parent else group.severity_words
            mark = " ←" if group.drg == chosen else ""
            weight = None if group.weight is None else f"{group.weight:.4f}"
            rows.append([group.drg, words, weight, group.name + mark])
        if all(group.weight is None for group in groups):
            headings.remove("权重")
            rows = [[row[0], row[1], row[3]] for row in rows]
        return Grid(headings, rows)

    def _group_conditions(self, groups: Sequence[GroupLine]) -> Iterator[Block]:
        for group in groups:
            if group.alternatives:
                yield Line(f"{group.drg} 另有条件", head=True)
                yield from self._alternatives(group.alternatives)

    def _group(self, drg: str) -> Iterator[Block]:
        lookup = self.lookup
        name = lookup.group_names[drg]
        yield Line(f"DRG {drg} {name}", head=True)
        yield self._scheme_line()
        adrg = lookup.adrg_of(drg)
        if adrg:
            page = lookup.adrg(adrg)
            group = next(one for one in page.groups if one.drg == drg)
            weight = "本方案没有给出" if group.weight is None else f"{group.weight:.4f}"
            yield Line(f"严重程度：{group.severity_words}", 1)
            yield Line(f"权重：{weight}", 1)
            yield from self._adrg(page, drg)
        elif drg == lookup.scheme.manifest.ungrouped_code:
            yield Line("不能入组的病例得到这个代码，每例都带有原因（结果的 reason 列）。", 1)
        else:
            mdc = drg.removesuffix(lookup.scheme.manifest.ambiguous_suffix)
            yield Line(
                f"歧义组：病例在 MDC {mdc} 内最先符合的是内科诊断 ADRG，"
                "而主要手术在计入手术清单内，即手术与主要诊断无关。",
                1,
            )
            if not lookup.scheme.options["ambiguous_groups"]:
                yield Line("本方案不设歧义组（ambiguous_groups = false）。", 1)

    def _alternatives(
        self, alternatives: Sequence[AlternativePage], *, listed: bool = True
    ) -> Iterator[Block]:
        """Conditions with their codes; ``listed`` False gives only how many codes there are."""
        told: set[Part] = set()
        if len(alternatives) > 1:
            yield Line(f"下面 {len(alternatives)} 条满足一条即可；一条内各项须同时满足。", 1)
        for number, alternative in enumerate(alternatives, start=1):
            level = 1
            if len(alternatives) > 1:
                yield Line(f"第 {number} 条", 1)
                level = 2
            for part in alternative.parts:
                yield from self._part(part, level, listed=listed, again=part in told)
                told.add(part)

    def _part(self, part: Part, level: int, *, listed: bool, again: bool) -> Iterator[Block]:
        if not part.kind:
            yield Line(f"· {part.words}", level)
            return
        above = "，见上" if again and listed else ""
        yield Line(f"· {part.words}（{len(part.codes):,} 个编码{above}）", level)
        if listed and not again:
            yield from self._code_list(part.codes, level + 1)

    def _code_list(self, codes: Sequence[str], level: int) -> Iterator[Block]:
        shown = codes if self.everything else codes[:_FIRST]
        if shown:
            yield Grid((), [(code, self._name(code)) for code in shown], level)
        if len(codes) > len(shown):
            yield Line(f"…… 共 {len(codes):,} 个（加 --all 全部列出）", level)

    def _name(self, code: str) -> str:
        name = self.lookup.code_names.get(code)
        if name is None:
            return "（不在编码清单内）"
        return f"{name}（灰码）" if code in self.lookup.grey else name

    def _scheme_line(self) -> Line:
        scheme = self.lookup.scheme
        return Line(f"方案：{scheme.title}（{scheme.name}）", 1)

    # --- a code ----------------------------------------------------------------------------------

    def _code(self, page: CodePage) -> Iterator[Block]:
        word = "诊断" if page.kind == "dx" else "手术操作"
        yield Line(f"{word}编码 {page.code} {page.name}".rstrip(), head=True)
        yield self._scheme_line()
        yield Line(f"编码清单（医保版）：{'在' if page.listed else '不在'}清单内", 1)
        if page.listed:
            yield Line(f"灰码：{self._grey_words(page)}", 1)
        yield from self._crosswalk(page)
        if page.code in self.lookup.known[page.kind]:
            yield from self._standing(page)
        else:
            yield Line("本方案的表格里没有它，下面是对应的医保版编码。", 1)
            yield Line("")
            yield from self._code(self.lookup.code(page.kind, page.crosswalk.insurance))

    def _standing(self, page: CodePage) -> Iterator[Block]:
        """Where a code that the scheme knows stands in its tables."""
        if page.kind == "dx":
            yield from self._mdcs(page)
        else:
            yield Line(f"计入手术（OR）清单：{'在' if page.counted else '不在'}清单内", 1)
        yield from self._places(page.places)
        if page.kind == "dx":
            yield from self._severity(page)
        if page.longer:
            yield Line(f"以 {page.code} 开头的扩展编码", head=True)
            yield from self._code_list(page.longer, 1)

    def _grey_words(self, page: CodePage) -> str:
        if not page.grey:
            return "否"
        options = self.lookup.scheme.options
        if options["gray_codes"] == "ignore":
            return "是，本方案照常入组（gray_codes = ignore）"
        ungrouped = self.lookup.scheme.manifest.ungrouped_code
        if page.kind == "dx":
            return f"是，作主要诊断时不入组，得 {ungrouped}"
        if page.places:
            return "是，但在 ADRG 的手术表内，照常入组"
        return f"是，作主要手术时不入组，得 {ungrouped}"

    def _crosswalk(self, page: CodePage) -> Iterator[Block]:
        target = page.crosswalk.insurance
        if target:
            name = self.lookup.code_names.get(target, "（不在编码清单内）")
            yield Line(f"对照表：作为临床版编码时，对应医保版 {target} {name}", 1)
        if page.crosswalk.clinical:
            codes = "、".join(page.crosswalk.clinical)
            yield Line(f"对照表：下列临床版编码对应到它：{codes}", 1)

    def _mdcs(self, page: CodePage) -> Iterator[Block]:
        yield Line("MDC 诊断表", head=True)
        if not page.mdcs:
            yield Line("不在任何 MDC 的诊断表内：作主要诊断时不能按诊断进入 MDC。", 1)
        for mdc, name, site in page.mdcs:
            yield Line(f"MDC {mdc} {name}{f'（部位：{site}）' if site else ''}", 1)

    def _places(self, places: Sequence[Place]) -> Iterator[Block]:
        yield Line("用到它的条件", head=True)
        if not places:
            yield Line("没有 ADRG 的条件用到它。", 1)
        for place in places:
            skipped = "" if place.has_groups else "（本方案没有病组，分组时跳过）"
            entry = place.owner == place.mdc
            words = f"{place.owner} {place.name}（MDC {place.mdc}）{skipped}"
            yield Line(f"进入 MDC {place.mdc} {place.name}" if entry else words, 1)
            yield Line(f"· {place.condition}", 2)
            if place.alternative != place.condition:
                yield Line(f"该条全文：{place.alternative}", 2)

    def _severity(self, page: CodePage) -> Iterator[Block]:
        yield Line("作其他诊断：CC/MCC", head=True)
        if page.severity is None:
            yield Line("不是 CC，也不是 MCC。", 1)
        else:
            found = page.severity
            many = len(found.excluded_by)
            words = f"排除表 {found.exclusion}，主要诊断为表内 {many:,} 个编码之一时不计"
            if not many:
                words = f"排除表号 {found.exclusion} 没有对应的排除表，从不被排除"
            yield Line(f"{LEVEL_WORDS[found.level]}；{words}", 1)
            yield from self._code_list(found.excluded_by, 2)
        yield Line("作主要诊断：使哪些 CC/MCC 不计", head=True)
        if not page.excludes:
            yield Line("没有：不在任何排除表内。", 1)
            return
        tables = "、".join(page.excluding_tables)
        yield Line(f"在排除表 {tables} 内，下列 {len(page.excludes):,} 个 CC/MCC 不计", 1)
        yield from self._code_list(page.excludes, 2)
