"""What a page about an MDC, ADRG, group or code holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "AdrgPage",
    "AlternativePage",
    "CodePage",
    "CrosswalkPage",
    "GroupLine",
    "MdcPage",
    "Part",
    "Place",
    "SeverityPage",
]


@dataclass(frozen=True, slots=True)
class Part:
    """One condition in words, with the codes it looks for; none where it is not about codes."""

    words: str
    kind: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlternativePage:
    """Conditions that must all hold."""

    number: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A group; weight None where the scheme gives none."""

    drg: str
    severity: str
    severity_words: str
    name: str
    weight: float | None
    parent: str
    alternatives: tuple[AlternativePage, ...]


@dataclass(frozen=True, slots=True)
class AdrgPage:
    """What leads to an ADRG.  ``place`` of ``of``: its turn among the MDC's ADRGs."""

    adrg: str
    name: str
    mdc: str
    mdc_name: str
    place: int
    of: int
    partition: str
    alternatives: tuple[AlternativePage, ...]
    groups: tuple[GroupLine, ...]


@dataclass(frozen=True, slots=True)
class MdcPage:
    """How a case enters an MDC, and its ADRGs in order of trial: code, partition, name, groups."""

    mdc: str
    name: str
    place: int
    of: int
    entries: tuple[AlternativePage, ...]
    diagnoses: tuple[str, ...]
    sites: Mapping[str, int]
    adrgs: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A condition under which a code is looked for."""

    owner: str
    name: str
    mdc: str
    condition: str
    alternative: str
    has_groups: bool


@dataclass(frozen=True, slots=True)
class SeverityPage:
    """A diagnosis in the CC/MCC list; ``excluded_by`` are the principal diagnoses that void it."""

    level: str
    exclusion: str
    excluded_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrosswalkPage:
    """Clinical codes read as this one, and this clinical code's insurance code ('' none)."""

    clinical: tuple[str, ...]
    insurance: str


@dataclass(frozen=True, slots=True)
class CodePage:
    """Where a code stands.  ``excludes``: CC/MCC codes void under it as the principal diagnosis."""

    code: str
    kind: str
    name: str
    listed: bool
    grey: bool
    mdcs: tuple[tuple[str, str, str], ...]
    places: tuple[Place, ...]
    severity: SeverityPage | None
    excludes: tuple[str, ...]
    excluding_tables: tuple[str, ...]
    counted: bool
    crosswalk: CrosswalkPage
    longer: tuple[str, ...]
