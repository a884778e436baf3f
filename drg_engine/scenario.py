"""Scenarios: small files that say what would change over a payment policy (payment.md §8).

A scenario is sparse: it names the keys it changes and leaves everything else to the policy it
stands on.  :func:`load_scenario` tells all faults of a file at once; :func:`stack` puts several
scenarios on each other.

Decisions where the specification leaves room:

- Keys in [changes] are the policy's own, dotted (``low.bound``); a table (``rates``) is changed
  entry by entry, a list (``high.tiers``) whole.  [factors] multiplies numbers, after [changes].
- A later scenario of a stack goes over an earlier one.  One that brings another scheme drops the
  weights of those before it, which were of another edition.
- Where several policies are in force over the cases' dates, a scenario changes all of them, or
  those in force on some day of the dates it states (``scenario.dates_from``, ``dates_to``).
- Weights for another scheme must say which scheme they are for (``weights.scheme``).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drg_engine._policy_keys import range_words
from drg_engine.errors import Fault, PolicyError
from drg_engine.policy import Policy
from drg_engine.scenario_weights import WeightChange, read_weights
from drg_engine.toml_faults import toml_fault

__all__ = [
    "PART_TITLES",
    "STEPS",
    "Layer",
    "PointValue",
    "Scenario",
    "SchemeChange",
    "WeightChange",
    "changed_policy",
    "check_dates",
    "covers",
    "in_order",
    "load_scenario",
    "parse_scenario",
    "stack",
]

Step = Literal["weights", "rates", "coefficient", "outlier"]
PointValue = Literal["as_policy", "fixed", "closed"]

STEPS: tuple[Step, ...] = ("weights", "rates", "coefficient", "outlier")
"""What a difference is attributed to, in the order of payment.md §8."""

PART_TITLES = {
    "scheme": "分组方案",
    "weights": "权重",
    "rates": "费率与点值",
    "coefficient": "机构系数",
    "outlier": "倍率与特殊病例规则",
    "cost": "成本",
}
"""Chinese names of the parts of an attribution."""

_TITLE = "情景文件有误"
_SHOWN = 60
_Text = Annotated[str, Field(min_length=1)]
_Positive = Annotated[float, Field(gt=0, le=1_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Info(_Section):
    title: _Text = Field(title="情景名称")
    author: _Text = Field(title="编写人")
    source: _Text = Field(title="依据：文号、通知或“测算”")
    baseline: str = Field("", title="基准政策：政策名或文件；不写为工作区的政策")
    notes: str = Field("", title="说明")
    dates_from: date | None = Field(
        None, title="只改这一天及以后有效的政策；不写为不限，基准有几份政策时用"
    )
    dates_to: date | None = Field(None, title="只改这一天以前（不含当日）有效的政策；不写为不限")


class _Weights(_Section):
    file: str | None = Field(None, title="权重文件（病组编码、权重两列）")
    scheme: str | None = Field(None, title="权重所属的分组方案")
    by_drg: dict[str, _Positive] = Field({}, title="病组权重，按病组编码")
    factors: dict[str, _Positive] = Field({}, title="病组权重乘以，按病组编码")
    scale: float = Field(1.0, title="全部权重乘以", gt=0, le=1_000)
    rescale: bool = Field(False, title="改动后等比调整全部权重，使 Σ例数×权重 不变")


class _Scheme(_Section):
    name: _Text = Field(title="分组方案名，或方案文件夹")
    options: dict[str, Any] = Field({}, title="分组选项")


class _Cost(_Section):
    percent: float = Field(title="成本增减的百分数，如 -5.0", gt=-100, le=1_000)


class _Budget(_Section):
    point_value: PointValue = Field(
        default="as_policy",
        title="点值（费率）：as_policy 依政策；fixed 用基准的点值；closed 总额不变，重新求点值",
    )


class _Attribution(_Section):
    order: tuple[Step, ...] = Field(default=(), title="归因的次序，没写到的按默认次序接在后面")


class _File(_Section):
    scenario: _Info = Field(title="情景")
    changes: dict[str, Any] = Field({}, title="改动：政策的键 = 新值")
    factors: dict[str, Any] = Field({}, title="乘以：政策的键 = 倍数")
    weights: _Weights | None = Field(None, title="权重")
    scheme: _Scheme | None = Field(None, title="分组方案")
    cost: _Cost | None = Field(None, title="成本")
    budget: _Budget = Field(_Budget(), title="预算")
    attribution: _Attribution = Field(_Attribution(), title="归因")


@dataclass(frozen=True, slots=True)
class Layer:
    """Changes of policy keys from one file: dotted key to new value, dotted key to factor.

    They go to the policies in force on some day from ``start`` until before ``stop``.
    """

    file: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    start: date | None = None
    stop: date | None = None


@dataclass(frozen=True, slots=True)
class SchemeChange:
    """Another scheme: name or folder, and options over its own."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What would change.  ``cost_factor`` multiplies every cost; ``order`` is the attribution's."""

    name: str
    title: str
    author: str = ""
    source: str = ""
    baseline: str = ""
    notes: str = ""
    layers: tuple[Layer, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    scheme: SchemeChange | None = None
    cost_factor: float = 1.0
    point_value: PointValue = "as_policy"
    order: tuple[Step, ...] = STEPS


def load_scenario(path: Path, policy: Policy | None = None) -> Scenario:
    """Read a scenario file; its name is the file's.  Weights are looked for beside the file.

    policy: the baseline, so that the changes are checked over it too.  Raises PolicyError with one
    Fault for each thing wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        fault = Fault(path.name, f"无法打开：{error.strerror}")
        raise PolicyError("读不到情景文件", [fault]) from error
    return parse_scenario(content, file=path.name, folder=path.parent, policy=policy)


def parse_scenario(
    content: bytes, *, file: str, folder: Path = Path(), policy: Policy | None = None
) -> Scenario:
    """Check the bytes of a scenario file (UTF-8 TOML); see :func:`load_scenario`."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PolicyError(
            _TITLE, [Fault(file, "不是 UTF-8 文本", mend="请另存为 UTF-8")]
        ) from error
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{_TITLE}：不是正确的 TOML", [toml_fault(file, error, text)]) from error
    faults: list[Fault] = []
    layer = _layer(data, file, faults)
    said = _model(data, file, faults)
    if policy is not None and layer is not None:
        faults.extend(_policy_faults(layer, policy))
    faults.extend(_date_faults(said, file))
    weights = _weights(data, folder, file, said, faults)
    if faults or said is None or layer is None:
        raise PolicyError(_TITLE, faults)
    info = said.scenario
    layer = replace(layer, start=info.dates_from, stop=info.dates_to)
    return Scenario(
        name=Path(file).stem,
        title=info.title,
        author=info.author,
        source=info.source,
        baseline=info.baseline,
        notes=info.notes,
        layers=(layer,) if layer.changes or layer.factors else (),
        weights=weights,
        scheme=None if said.scheme is None else SchemeChange(said.scheme.name, said.scheme.options),
        cost_factor=1.0 if said.cost is None else 1.0 + said.cost.percent / 100.0,
        point_value=said.budget.point_value,
        order=in_order(said.attribution.order),
    )


def in_order(order: Sequence[Step]) -> tuple[Step, ...]:
    """The stated steps, then those left out in their usual order."""
    return (*order, *(step for step in STEPS if step not in order))


def stack(scenarios: Sequence[Scenario], *, title: str = "") -> Scenario:
    """Several scenarios as one, each over those before it; the last one's order counts.

    Raises PolicyError where they stand on different baselines.
    """
    if not scenarios:
        raise ValueError("没有情景可叠加")
    bases = sorted({scenario.baseline for scenario in scenarios})
    if len(bases) > 1:
        found = "、".join(base or "（工作区的政策）" for base in bases)
        raise PolicyError("情景不能叠加", [Fault("baseline", "各情景的基准政策不同", found=found)])
    whole = scenarios[0]
    for later in scenarios[1:]:
        fresh = later.scheme is not None
        said = later.point_value != "as_policy"
        whole = replace(
            whole,
            layers=whole.layers + later.layers,
            weights=later.weights if fresh else whole.weights + later.weights,
            scheme=later.scheme or whole.scheme,
            cost_factor=whole.cost_factor * later.cost_factor,
            point_value=later.point_value if said else whole.point_value,
            order=later.order,
        )
    if len(scenarios) == 1:
        return replace(whole, title=title or whole.title)
    return replace(
        whole,
        name="+".join(scenario.name for scenario in scenarios),
        title=title or " + ".join(scenario.title for scenario in scenarios),
        author="、".join(dict.fromkeys(s.author for s in scenarios if s.author)),
        source="；".join(dict.fromkeys(s.source for s in scenarios if s.source)),
    )


def changed_policy(scenario: Scenario, policy: Policy) -> Policy:
    """The policy with the scenario's keys changed; the same object where none is.

    Changes for other dates than those on which the policy is in force are left out.  Raises
    PolicyError with the faults of the changed policy, under the scenario's file.
    """
    span = policy
    for layer in scenario.layers:
        if covers(layer, span):
            policy = _with_layer(policy, layer)
    return policy


def covers(change: Layer | WeightChange, policy: Policy) -> bool:
    """Whether a policy is in force on some day of the dates that a change is for."""
    info = policy.rules.policy
    begins = change.stop is None or info.effective_from < change.stop
    return begins and (
        change.start is None or info.effective_to is None or info.effective_to > change.start
    )


def check_dates(scenario: Scenario, policies: Sequence[Policy]) -> None:
    """Raise PolicyError where a scenario's dates meet no policy in force."""
    changes: list[Layer | WeightChange] = [*scenario.layers, *scenario.weights]
    faults = [
        Fault(one.file, "情景写明的日期内没有生效的政策", column="scenario.dates_from")
        for one in changes
        if not any(covers(one, policy) for policy in policies)
    ]
    if faults:
        raise PolicyError("情景不能运行", faults)


def _date_faults(said: _File | None, file: str) -> Iterator[Fault]:
    if said is None:
        return
    start, stop = said.scenario.dates_from, said.scenario.dates_to
    if start is not None and stop is not None and stop <= start:
        yield Fault(file, "须晚于 dates_from", column="scenario.dates_to", found=str(stop))
    if said.scheme is not None and (start is not None or stop is not None):
        mend = "请删去 dates_from、dates_to，或另写一个情景"
        yield Fault(file, "换分组方案时不能限定日期", column="scenario.dates_from", mend=mend)


def _with_layer(policy: Policy, layer: Layer) -> Policy:
    if layer.changes:
        policy = policy.with_changes(layer.changes, file=layer.file)
    changes: dict[str, Any] = {}
    for key, factor in layer.factors.items():
        changes.update(_multiplied(key, _value(policy.rules, key), factor, layer.file))
    return policy.with_changes(changes, file=layer.file) if changes else policy


def _policy_faults(layer: Layer, policy: Policy) -> Iterator[Fault]:
    try:
        _with_layer(policy, layer)
    except PolicyError as error:
        yield from error.faults


def _value(rules: Any, key: str) -> Any:
    """Value at a dotted key, None where there is none."""
    for part in key.split("."):
        rules = rules.get(part) if isinstance(rules, dict) else getattr(rules, part, None)
    return rules


def _multiplied(key: str, value: Any, factor: float, file: str) -> dict[str, Any]:
    """The numbers at ``key`` times ``factor`` as changes.  An unknown key is left to the policy."""
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, entry in value.items():
            found |= _multiplied(f"{key}.{name}", entry, factor, file)
        return found
    if value is None or (isinstance(value, float | int) and not isinstance(value, bool)):
        return {key: factor if value is None else value * factor}
    fault = Fault(file, "这一项不是数，不能乘以倍数", column=f"factors.{key}", found=str(value))
    raise PolicyError(_TITLE, [fault])


def _layer(data: dict[str, Any], file: str, faults: list[Fault]) -> Layer | None:
    """[changes] and [factors] with dotted keys; nested tables are the same as dots."""
    changes, factors = data.get("changes", {}), data.get("factors", {})
    if not isinstance(changes, dict) or not isinstance(factors, dict):
        return None
    flat = dict(_flat(factors, ""))
    wrong = [
        Fault(file, "倍数应为正数", column=f"factors.{key}", found=str(value))
        for key, value in flat.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6
    ]
    faults.extend(wrong)
    return None if wrong else Layer(file, dict(_flat(changes, "")), flat)


def _flat(table: Mapping[str, Any], head: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{head}.{name}" if head else name
        if isinstance(value, dict):
            yield from _flat(value, key)
        else:
            yield key, value


def _model(data: dict[str, Any], file: str, faults: list[Fault]) -> _File | None:
    try:
        said = _File.model_validate(_tuples(data))
    except ValidationError as error:
        faults.extend(_fault(file, dict(item)) for item in error.errors(include_url=False))
        return None
    order = said.attribution.order
    if len(set(order)) < len(order):
        found = "、".join(order)
        faults.append(Fault(file, "归因的次序有重复", column="attribution.order", found=found))
    return said


def _weights(
    data: dict[str, Any], folder: Path, file: str, said: _File | None, faults: list[Fault]
) -> tuple[WeightChange, ...]:
    """The [weights] section with its file read; the file is told of even beside other faults."""
    raw = data.get("weights")
    if not isinstance(raw, dict):
        return ()
    listed: dict[str, float] = {}
    if isinstance(raw.get("file"), str):
        listed = read_weights(folder / raw["file"], faults)
    if said is None or said.weights is None:
        return ()
    part = said.weights
    if said.scheme is not None and (listed or part.by_drg) and part.scheme != said.scheme.name:
        fault = Fault(
            file,
            "换了分组方案，须写明权重是哪个方案的，并与新方案相同",
            column="weights.scheme",
            found=part.scheme,
            mend=f'weights.scheme = "{said.scheme.name}"',
        )
        faults.append(fault)
    return (
        WeightChange(
            file,
            part.scheme,
            listed | part.by_drg,
            part.factors,
            part.scale,
            part.rescale,
            said.scenario.dates_from,
            said.scenario.dates_to,
        ),
    )


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tuples(entry) for name, entry in value.items()}
    return tuple(_tuples(entry) for entry in value) if isinstance(value, list) else value


def _fault(file: str, item: dict[str, Any]) -> Fault:
    """One pydantic error in Chinese, with the meaning or the nearest known name."""
    place = [str(part) for part in item["loc"] if part != "[key]"]
    key = ".".join(place)
    if item["type"] == "extra_forbidden":
        names = list(_fields(place[:-1]))
        near = difflib.get_close_matches(place[-1], names, 1, 0.5)
        mend = f"是否想写 {near[0]}？" if near else f"这里可写：{'、'.join(names)}"
        section = isinstance(item["input"], dict)
        if section and not near:
            mend += "。要改政策的键，写在 [changes]（新值）或 [factors]（倍数）之下"
        message = "没有这一节" if section else "不认识的键"
        return Fault(file, message, column=key, found=_told(item["input"]), mend=mend)
    meaning = next(
        (f"“{known.title}”" for known in (_field(place[:end]) for end in (3, 2, 1)) if known), None
    )
    if item["type"] == "missing":
        return Fault(file, "缺少必填项", column=key, mend=meaning)
    message = range_words(item) or "写法不对"
    return Fault(file, message, column=key, found=_told(item["input"]), mend=meaning)


def _told(value: Any) -> str:
    """A value as the file writes it, cut short."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dict):
        text = "，".join(f"{name} = {_told(entry)}" for name, entry in _flat(value, ""))
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(_told(entry) for entry in value)}]"
    else:
        text = str(value)
    return text[:_SHOWN]


def _fields(place: Iterable[str]) -> Mapping[str, Any]:
    """Fields of the section at a place, none where it is not a section."""
    fields: Mapping[str, Any] = _File.model_fields
    models: dict[str, type[BaseModel]] = {
        "scenario": _Info,
        "weights": _Weights,
        "scheme": _Scheme,
        "cost": _Cost,
        "budget": _Budget,
        "attribution": _Attribution,
    }
    for part in place:
        fields = models[part].model_fields if part in models else {}
    return fields


def _field(place: Sequence[str]) -> Any:
    return _fields(place[:-1]).get(place[-1]) if place else None
