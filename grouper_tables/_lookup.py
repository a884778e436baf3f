"""What leads to an MDC, ADRG or group, and where a code stands: read from a scheme's tables."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from drg_engine.code_form import normal_code
from drg_engine.errors import TableError
from grouper_tables._pages import (
    AdrgPage,
    AlternativePage,
    CodePage,
    CrosswalkPage,
    GroupLine,
    MdcPage,
    Part,
    Place,
    SeverityPage,
)
from grouper_tables.rules import CODE_CONDITIONS, Alternative, CodeSets, read_alternatives
from grouper_tables.scheme import Scheme
from grouper_tables.words import (
    alternative_words,
    condition_words,
    severity_words,
)

__all__ = ["Lookup"]

_NEAR = 8


def _same_start(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    alike = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(alike, min(len(one), len(other)))


@dataclass(frozen=True)
class Lookup:
    """Reads one scheme's tables; each index is made when first needed."""

    scheme: Scheme

    def find(self, text: str) -> tuple[str, str]:
        """Kind (mdc, adrg, drg, dx, proc) and code of what was asked for.

        Raises TableError with near matches where nothing of that name stands in the scheme.
        """
        word = unicodedata.normalize("NFKC", text).strip().upper()
        bare = word.removeprefix("MDC").strip()
        for kind, known in (("mdc", self.mdc_names), ("adrg", self.adrg_rows)):
            if bare in known:
                return kind, bare
        if word in self.scheme.drg_codes:
            return "drg", word
        code = normal_code(text)
        for kind in ("dx", "proc"):
            if code in self.known[kind] or code in self._to_insurance[kind]:
                return kind, code
        raise TableError(self._unknown(text.strip(), code))

    def _unknown(self, text: str, code: str) -> str:
        message = f"方案 {self.scheme.name} 里没有“{text}”：不是 MDC、ADRG、DRG，也不是已知编码。"
        near = self._near(text, code)
        if not near:
            return message + f"\n可先看有哪些 MDC：drg-engine tables show {self.scheme.name}"
        return "\n".join([message, "相近的有：", *(f"  {line}" for line in near)])

    def _near(self, text: str, code: str) -> list[str]:
        """Codes that begin so, names that hold the text, then codes that look alike."""
        if not code:
            return []
        named = {**self.mdc_names, **self.group_names, **self.code_names}
        found = [key for key in named if key.startswith(code)]
        found += [key for key, name in named.items() if text in name]
        if not found:
            alike = [key for key in named if key[:1] == code[:1]]
            close = difflib.get_close_matches(code, alike, 10 * _NEAR, 0.6)
            found = sorted(close, key=lambda key: -_same_start(key, code))
        unique = list(dict.fromkeys(found))
        lines = [f"{key} {named[key]}" for key in unique[:_NEAR]]
        return lines + ([f"…… 共 {len(unique)} 个"] if len(unique) > _NEAR else [])

    # --- names -----------------------------------------------------------------------------------

    @cached_property
    def mdc_names(self) -> dict[str, str]:
        """Names of the MDCs in order of trial."""
        return dict(zip(self.scheme.mdc_codes, self.scheme.mdc_names, strict=True))

    @cached_property
    def adrg_rows(self) -> dict[str, tuple[str, str, str]]:
        """MDC, partition and name of every ADRG in order of trial, without groups included."""
        rows = self.scheme.source.tables["adrg"].pick("adrg", "mdc", "rank", "partition", "name")
        turn = {mdc: place for place, mdc in enumerate(self.mdc_names)}
        ordered = sorted(rows, key=lambda row: (turn[row[1]], int(row[2])))
        return {adrg: (mdc, partition, name) for adrg, mdc, _, partition, name in ordered}

    @cached_property
    def group_names(self) -> dict[str, str]:
        """Names of the ADRGs and of every result code."""
        adrgs = {adrg: name for adrg, (_, _, name) in self.adrg_rows.items()}
        return adrgs | dict(zip(self.scheme.drg_codes, self.scheme.drg_names, strict=True))

    @cached_property
    def code_names(self) -> dict[str, str]:
        """Official names of all listed codes."""
        codes = self.scheme.source.codes
        return {
            code: name
            for listed in ("procedures", "diagnoses")
            for code, name in codes[listed].pick("code", "name")
        }

    @cached_property
    def grey(self) -> frozenset[str]:
        """Grey codes, diagnoses and procedures."""
        codes = self.scheme.source.codes
        return frozenset(
            code
            for listed in ("procedures", "diagnoses")
            for code, grey in codes[listed].pick("code", "grey")
            if grey == "1"
        )

    @cached_property
    def known(self) -> dict[str, dict[str, int]]:
        """Every code the scheme knows, by kind."""
        names = self.scheme.names
        return {kind: dict.fromkeys(names[kind], 0) for kind in ("dx", "proc")}

    @cached_property
    def _to_insurance(self) -> dict[str, dict[str, str]]:
        codes = self.scheme.source.codes
        return {
            kind: {old: new for old, new in codes[name].pick("clinical", "insurance")}  # noqa: C416
            for kind, name in (("dx", "diagnosis_crosswalk"), ("proc", "procedure_crosswalk"))
        }

    # --- rules -----------------------------------------------------------------------------------

    def _alternatives(self, table: str, owner: str) -> dict[str, list[Alternative]]:
        return read_alternatives(self.scheme.source.tables[table], owner, self.scheme.options, [])

    @cached_property
    def rules(self) -> dict[str, list[Alternative]]:
        """Alternatives of each ADRG."""
        return self._alternatives("rules", "adrg")

    @cached_property
    def entries(self) -> dict[str, list[Alternative]]:
        """Alternatives of each MDC's entry, under the scheme's options."""
        return self._alternatives("mdc_entry", "mdc")

    @cached_property
    def group_rules(self) -> dict[str, list[Alternative]]:
        """Alternatives of each group that has conditions of its own."""
        return self._alternatives("group_rules", "drg")

    @cached_property
    def sets(self) -> CodeSets:
        """Resolves conditions to codes."""
        return CodeSets(self.scheme.source, self.known, self.rules)

    def _page(self, alternative: Alternative) -> AlternativePage:
        parts = [
            Part(
                condition_words(condition, alternative.owner),
                CODE_CONDITIONS.get(condition.kind, ""),
                tuple(dict.fromkeys(self.sets.codes(condition, alternative.owner)))
                if condition.on_codes
                else (),
            )
            for condition in alternative.conditions
        ]
        return AlternativePage(alternative.number, tuple(parts))

    # --- pages -----------------------------------------------------------------------------------

    def groups_of(self, adrg: str) -> tuple[GroupLine, ...]:
        """The ADRG's groups in the table's order; empty where the scheme passes it over."""
        table = self.scheme.source.tables["groups"]
        rows = zip(
            *(table.column(name) for name in ("drg", "adrg", "severity", "name")),
            table.column("weight"),
            table.column("parent"),
            strict=True,
        )
        own = [row for row in rows if row[1] == adrg]
        beside = {severity for _, _, severity, _, _, _ in own}
        return tuple(
            GroupLine(
                drg,
                severity,
                severity_words(severity, beside),
                name,
                float(weight) if weight else None,
                parent,
                tuple(self._page(a) for a in self.group_rules.get(drg, [])),
            )
            for drg, _, severity, name, weight, parent in own
        )

    def adrg(self, adrg: str) -> AdrgPage:
        """What leads to an ADRG."""
        mdc, partition, name = self.adrg_rows[adrg]
        beside = [other for other, (owner, _, _) in self.adrg_rows.items() if owner == mdc]
        return AdrgPage(
            adrg,
            name,
            mdc,
            self.mdc_names[mdc],
            beside.index(adrg) + 1,
            len(beside),
            partition,
            tuple(self._page(a) for a in self.rules[adrg]),
            self.groups_of(adrg),
        )

    def adrg_of(self, drg: str) -> str:
        """The ADRG of a group; '' for an ambiguous group and for the code of ungrouped cases."""
        rows = self.scheme.source.tables["groups"].pick("drg", "adrg")
        return next((adrg for own, adrg in rows if own == drg), "")

    def mdc(self, mdc: str) -> MdcPage:
        """How a case enters an MDC, and its ADRGs."""
        rows = self.scheme.source.tables["mdc_diagnoses"].pick("mdc", "site", "code")
        own = [(site, code) for owner, site, code in rows if owner == mdc]
        sites: dict[str, int] = {}
        for site, _ in own:
            if site:
                sites[site] = sites.get(site, 0) + 1
        counts: dict[str, int] = {}
        for adrg in self.scheme.source.tables["groups"].column("adrg"):
            counts[adrg] = counts.get(adrg, 0) + 1
        return MdcPage(
            mdc,
            self.mdc_names[mdc],
            list(self.mdc_names).index(mdc) + 1,
            len(self.mdc_names),
            tuple(self._page(a) for a in self.entries.get(mdc, [])),
            tuple(dict.fromkeys(code for _, code in own)),
            dict(sorted(sites.items())),
            tuple(
                (adrg, partition, name, counts.get(adrg, 0))
                for adrg, (owner, partition, name) in self.adrg_rows.items()
                if owner == mdc
            ),
        )

    def code(self, kind: str, code: str) -> CodePage:
        """Where a code of the given kind (dx, proc) stands."""
        tables = self.scheme.source.tables
        listed = self.scheme.source.codes["diagnoses" if kind == "dx" else "procedures"]
        is_dx = kind == "dx"
        excluding = self._exclusions_with(code) if is_dx else ()
        crosswalk = self._to_insurance[kind]
        return CodePage(
            code,
            kind,
            self.code_names.get(code, ""),
            code in listed.column("code"),
            code in self.grey,
            tuple(self._mdcs_with(code)) if is_dx else (),
            tuple(self._places_of(kind, code)),
            self._severity_of(code) if is_dx else None,
            self._voided_by(excluding),
            excluding,
            not is_dx and code in tables["or_procedures"].column("code"),
            CrosswalkPage(
                tuple(sorted(old for old, new in crosswalk.items() if new == code)),
                crosswalk.get(code, ""),
            ),
            tuple(sorted(c for c in self.known[kind] if c != code and c.startswith(code))),
        )

    def _mdcs_with(self, code: str) -> Iterator[tuple[str, str, str]]:
        """MDC, its name and the site (MDC Z) of each table that holds a diagnosis."""
        rows = self.scheme.source.tables["mdc_diagnoses"].pick("mdc", "site", "code")
        found = {(mdc, site) for mdc, site, own in rows if own == code}
        for mdc, name in self.mdc_names.items():
            for owner, site in sorted(found):
                if owner == mdc:
                    yield mdc, name, site

    def _places_of(self, kind: str, code: str) -> Iterator[Place]:
        """Every condition that looks for the code, in order of trial; MDC tables left aside."""
        named = {name for name, codes in self.sets.named[kind].items() if code in codes}
        order = [
            *((self.entries.get(mdc, []), mdc) for mdc in self.mdc_names),
            *((self.rules.get(adrg, []), row[0]) for adrg, row in self.adrg_rows.items()),
            *(
                (alternatives, self.adrg_rows[self.adrg_of(drg)][0])
                for drg, alternatives in self.group_rules.items()
            ),
        ]
        grouped = set(self.scheme.source.tables["groups"].column("adrg"))
        for alternatives, mdc in order:
            for alternative in alternatives:
                owner = alternative.owner
                for condition in alternative.conditions:
                    if CODE_CONDITIONS.get(condition.kind) != kind or condition.value == "@mdc":
                        continue
                    value = condition.value
                    codes = self.sets.codes(condition, owner) if ":" in value else ()
                    if value in named or code in codes:
                        name = self.mdc_names.get(owner) or self.group_names[owner]
                        is_adrg = owner in self.adrg_rows
                        yield Place(
                            owner,
                            name,
                            mdc,
                            condition_words(condition, owner),
                            alternative_words(alternative),
                            not is_adrg or owner in grouped,
                        )

    def _severity_of(self, code: str) -> SeverityPage | None:
        rows = self.scheme.source.tables["complications"].pick("code", "level", "exclusion")
        own = next((row for row in rows if row[0] == code), None)
        if own is None:
            return None
        _, level, number = own
        table = self.scheme.source.tables["exclusions"].pick("exclusion", "code")
        return SeverityPage(level, number, tuple(c for n, c in table if n == number))

    def _exclusions_with(self, code: str) -> tuple[str, ...]:
        rows = self.scheme.source.tables["exclusions"].pick("exclusion", "code")
        return tuple(dict.fromkeys(number for number, own in rows if own == code))

    def _voided_by(self, numbers: tuple[str, ...]) -> tuple[str, ...]:
        rows = self.scheme.source.tables["complications"].pick("code", "exclusion")
        return tuple(code for code, number in rows if number in numbers)
