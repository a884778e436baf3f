"""Differences between two schemes, as the people who work by them would tell them.

Numbers that only order or name things (ranks, names of code sets, exclusion numbers) are not
compared as such: order is told where things common to both stand in another order, code sets by
the codes they hold, exclusion tables by the principal diagnoses in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from grouper_tables._difference import (
    Difference,
    compared_order,
    compared_titles,
    compared_values,
    moved_codes,
)
from grouper_tables._lookup import Lookup
from grouper_tables.rules import Alternative, Condition
from grouper_tables.words import (
    LEVEL_WORDS,
    PARTITION_WORDS,
    alternative_words,
    option_words,
)

__all__ = ["differences"]

_ROLES = {
    "principal_dx": "主要诊断",
    "other_dx": "其他诊断",
    "any_dx": "任一诊断",
    "principal_proc": "主要手术",
    "any_proc": "任一手术",
}


def differences(first: Lookup, second: Lookup) -> list[Difference]:
    """All differences, by kind in the order of KINDS; none where the schemes say the same."""
    return [
        *_options(first, second),
        *_mdcs(first, second),
        *moved_codes("mdc_code", "", _mdc_places(first), _mdc_places(second)),
        *_adrgs(first, second),
        *_orders(first, second),
        *_conditions(first, second),
        *_adrg_codes(first, second),
        *_groups(first, second),
        *_weights(first, second),
        *_levels(first, second),
        *_exclusions(first, second),
        *_counted(first, second),
    ]


def _options(first: Lookup, second: Lookup) -> Iterator[Difference]:
    words = [
        {title: f"{meaning}（{setting}）" for setting, title, meaning in option_words(options)}
        for options in (first.scheme.options, second.scheme.options)
    ]
    rates = [
        {f"费率 {insurance}": f"{rate:.2f} 元" for insurance, rate in sorted(found.items())}
        for found in (first.scheme.rates, second.scheme.rates)
    ]
    yield from compared_values("option", {**words[0], **rates[0]}, {**words[1], **rates[1]})


def _mdcs(first: Lookup, second: Lookup) -> Iterator[Difference]:
    yield from compared_values(
        "mdc", *(_titled("MDC ", side.mdc_names) for side in (first, second))
    )
    yield from compared_values(
        "mdc",
        *(
            {f"MDC {mdc} 入口": _entry(side, mdc) for mdc in first.mdc_names if mdc in common}
            for common in [first.mdc_names.keys() & second.mdc_names.keys()]
            for side in (first, second)
        ),
    )
    yield from compared_order("mdc", "MDC", list(first.mdc_names), list(second.mdc_names))


def _titled(prefix: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{code}": name for code, name in names.items()}


def _entry(side: Lookup, mdc: str) -> str:
    return "；或 ".join(alternative_words(a) for a in side.entries.get(mdc, []))


def _mdc_places(side: Lookup) -> dict[str, frozenset[str]]:
    """Where each diagnosis stands in the MDC tables: 'MDC H', or 'MDC Z 上肢' with a site."""
    places: dict[str, set[str]] = {}
    for mdc, site, code in side.scheme.source.tables["mdc_diagnoses"].pick("mdc", "site", "code"):
        places.setdefault(code, set()).add(f"MDC {mdc} {site}".strip())
    return {code: frozenset(found) for code, found in places.items()}


def _adrgs(first: Lookup, second: Lookup) -> Iterator[Difference]:
    yield from compared_titles("adrg", _adrg_titles(first), _adrg_titles(second))


def _adrg_titles(side: Lookup) -> dict[str, tuple[str, str]]:
    """Name of each ADRG, and its place; one passed over is marked."""
    grouped = set(side.scheme.adrg_codes)
    return {
        adrg: (
            name,
            f"MDC {mdc}，{PARTITION_WORDS.get(partition, partition)}"
            f"{'' if adrg in grouped else '，没有病组，分组时跳过'}",
        )
        for adrg, (mdc, partition, name) in side.adrg_rows.items()
    }


def _orders(first: Lookup, second: Lookup) -> Iterator[Difference]:
    for mdc in first.mdc_names:
        orders = [
            [adrg for adrg, (owner, _, _) in side.adrg_rows.items() if owner == mdc]
            for side in (first, second)
        ]
        yield from compared_order("order", f"MDC {mdc}", *orders)


def _conditions(first: Lookup, second: Lookup) -> Iterator[Difference]:
    """ADRGs and groups in both whose conditions have another shape, told in words."""
    for rules in ("rules", "group_rules"):
        one: dict[str, list[Alternative]] = getattr(first, rules)
        other: dict[str, list[Alternative]] = getattr(second, rules)
        named = second.group_names
        for owner in [o for o in one if o in other] if rules == "rules" else {**one, **other}:
            left, right = one.get(owner, []), other.get(owner, [])
            if _shapes(first, left) == _shapes(second, right):
                continue
            what = f"{owner} {named.get(owner) or first.group_names.get(owner, '')}"
            yield Difference("condition", what, _all_words(left), _all_words(right))


def _shapes(side: Lookup, alternatives: Iterable[Alternative]) -> list[tuple[str, ...]]:
    """What alternatives ask, but for the codes of sets; sorted, as their order is no matter.

    A set is known by its place among the owner's sets of its kind, so that the same set asked for
    twice is not the same as two sets.
    """
    numbers: dict[str, int] = {}

    def shape(condition: Condition) -> str:
        no = "not_" if condition.negated else ""
        value = condition.value
        if condition.on_codes and value in side.sets.named[_book(condition)]:
            value = f"#{numbers.setdefault(value, len(numbers))}"
        return f"{no}{condition.kind}={value}"

    return sorted(tuple(sorted(map(shape, a.conditions))) for a in alternatives)


def _book(condition: Condition) -> str:
    return "proc" if condition.kind.endswith("proc") else "dx"


def _all_words(alternatives: Iterable[Alternative]) -> str:
    return "；或 ".join(alternative_words(a) for a in alternatives)


def _adrg_codes(first: Lookup, second: Lookup) -> Iterator[Difference]:
    """Codes that another ADRG, or another of an ADRG's sets, looks for; by what it looks at."""
    sets, others = _sets_by_role(first), _sets_by_role(second)
    for role in sorted({role for role, _ in sets | others}, key=_role_order):
        sides = (
            _places(first, role, sets, others),
            _places(second, role, others, sets),
        )
        yield from moved_codes("adrg_code", _role_words(role), *sides)


_Sets = dict[tuple[str, str], dict[str, Condition]]


def _sets_by_role(side: Lookup) -> _Sets:
    """By what is looked at and ADRG: the sets looked for, in the order of the rules."""
    found: _Sets = {}
    for owner, alternatives in side.rules.items():
        for condition in (c for a in alternatives for c in a.conditions if c.on_codes):
            by_key = found.setdefault((_role(condition), owner), {})
            by_key.setdefault(side.sets.key(condition, owner), condition)
    return found


def _places(side: Lookup, role: str, sets: _Sets, others: _Sets) -> dict[str, frozenset[str]]:
    """ADRGs that look for each code; with the set's number where both schemes have as many."""
    places: dict[str, set[str]] = {}
    for (own_role, owner), by_key in sets.items():
        if own_role != role:
            continue
        several = len(by_key) > 1 and len(by_key) == len(others.get((role, owner), {}))
        for number, condition in enumerate(by_key.values(), start=1):
            label = f"{owner}（第 {number} 个编码集）" if several else owner
            for code in side.sets.codes(condition, owner):
                places.setdefault(code, set()).add(label)
    return {code: frozenset(found) for code, found in places.items()}


def _role(condition: Condition) -> str:
    return f"not_{condition.kind}" if condition.negated else condition.kind


def _role_order(role: str) -> tuple[bool, int]:
    return role.startswith("not_"), list(_ROLES).index(role.removeprefix("not_"))


def _role_words(role: str) -> str:
    words = _ROLES[role.removeprefix("not_")]
    return f"{words}（不得有）" if role.startswith("not_") else words


def _group_titles(side: Lookup) -> dict[str, tuple[str, str]]:
    words = {"all": "不分严重程度", "mcc": "MCC", "cc": "CC", "none": "无 CC、MCC"}
    rows = side.scheme.source.tables["groups"].pick("drg", "adrg", "severity", "name")
    return {drg: (name, f"{adrg}，{words[severity]}") for drg, adrg, severity, name in rows}


def _groups(first: Lookup, second: Lookup) -> Iterator[Difference]:
    yield from compared_titles("group", _group_titles(first), _group_titles(second))


def _weights(first: Lookup, second: Lookup) -> Iterator[Difference]:
    """Weights of groups in both; a scheme without any weight is not compared."""
    ones, others = _weight_texts(first), _weight_texts(second)
    if not any(ones.values()) or not any(others.values()):
        return
    for drg, one in ones.items():
        other = others.get(drg, one)
        if (one and float(one)) != (other and float(other)):
            change = f"（{float(other) / float(one) - 1:+.1%}）" if one and other else ""
            what = f"{drg} {second.group_names[drg]}"
            yield Difference("weight", what, one or "无权重", f"{other or '无权重'}{change}")


def _weight_texts(side: Lookup) -> dict[str, str]:
    groups = side.scheme.source.tables["groups"]
    return dict(zip(groups.column("drg"), groups.column("weight"), strict=True))


def _levels(first: Lookup, second: Lookup) -> Iterator[Difference]:
    sides = [
        {code: frozenset({LEVEL_WORDS[level]}) for code, (level, _) in _graded(side).items()}
        for side in (first, second)
    ]
    yield from moved_codes("level", "", *sides)


def _graded(side: Lookup) -> dict[str, tuple[str, str]]:
    rows = side.scheme.source.tables["complications"].pick("code", "level", "exclusion")
    return {code: (level, number) for code, level, number in rows}


def _exclusion_tables(side: Lookup) -> dict[str, frozenset[str]]:
    tables: dict[str, set[str]] = {}
    for number, code in side.scheme.source.tables["exclusions"].pick("exclusion", "code"):
        tables.setdefault(number, set()).add(code)
    return {number: frozenset(codes) for number, codes in tables.items()}


def _exclusions(first: Lookup, second: Lookup) -> Iterator[Difference]:
    """Tables by their content, then the CC/MCC codes that now hang on another table."""
    ones, others = _exclusion_tables(first), _exclusion_tables(second)
    pairs = _paired(ones, others)
    for number, other in pairs.items():
        gone, come = ones[number] - others[other], others[other] - ones[number]
        name = f"排除表 {number}" if number == other else f"排除表 {number}（后者为 {other}）"
        if gone:
            yield Difference("exclusion", f"{name} 去掉的主要诊断", "有", "", tuple(sorted(gone)))
        if come:
            yield Difference("exclusion", f"{name} 增加的主要诊断", "", "有", tuple(sorted(come)))
    for number, codes in ones.items():
        if number not in pairs:
            yield Difference("exclusion", f"排除表 {number}", "有", "", tuple(sorted(codes)))
    for number, codes in others.items():
        if number not in pairs.values():
            yield Difference("exclusion", f"排除表 {number}", "", "有", tuple(sorted(codes)))
    yield from _rehung(first, second, pairs)


def _rehung(first: Lookup, second: Lookup, pairs: Mapping[str, str]) -> Iterator[Difference]:
    """CC/MCC codes in both lists whose exclusion table is not the counterpart of the former one."""
    graded, regraded = _graded(first), _graded(second)
    listed = set(_exclusion_tables(second))
    before: dict[str, frozenset[str]] = {}
    after: dict[str, frozenset[str]] = {}
    for code in graded.keys() & regraded.keys():
        old, new = graded[code][1], regraded[code][1]
        if pairs.get(old, "") != (new if new in listed else ""):
            before[code] = frozenset({f"前者的表 {old}"})
            after[code] = frozenset({f"后者的表 {new}"})
    yield from moved_codes("exclusion", "改挂排除表的 CC/MCC", before, after)


def _paired(
    ones: Mapping[str, frozenset[str]], others: Mapping[str, frozenset[str]]
) -> dict[str, str]:
    """Each table's counterpart: the same content, else the one it shares most with (over half)."""
    pairs: dict[str, str] = {}
    free = dict(others)
    for number, codes in ones.items():
        same = [number] if free.get(number) == codes else [n for n, c in free.items() if c == codes]
        if same:
            pairs[number] = same[0]
            del free[same[0]]
    for number, codes in ones.items():
        if number in pairs or not free:
            continue
        share, near = max((len(codes & c) / len(codes | c), n) for n, c in sorted(free.items()))
        if share > 0.5:
            pairs[number] = near
            del free[near]
    return {number: pairs[number] for number in ones if number in pairs}


def _counted(first: Lookup, second: Lookup) -> Iterator[Difference]:
    sides = [
        dict.fromkeys(
            side.scheme.source.tables["or_procedures"].column("code"), frozenset({"计入"})
        )
        for side in (first, second)
    ]
    yield from moved_codes("counted", "", *sides)
