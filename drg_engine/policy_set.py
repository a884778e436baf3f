"""Several policies at once: named one by one, or all those of a folder; dates choose among them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drg_engine.errors import Fault, PolicyError
from drg_engine.policy import Policy, load_policy

__all__ = ["load_policies"]

_PARTS = (",", "，", "、")


def load_policies(names: str | Sequence[str], folder: Path | None = None) -> tuple[Policy, ...]:
    """Policies in order of time.

    names: names of presets or files, or a folder whose TOML files are policies; several parted by
    commas or as a list.  ``folder`` is where relative files are looked for first.
    Raises PolicyError with the faults of all of them, and where two have one name or days in common
    (each case must have one policy).
    """
    wanted = [names] if isinstance(names, str) else list(names)
    texts = [text for name in wanted for text in _parted(name)]
    if not texts:
        raise PolicyError("没有写政策", [Fault("政策", "政策名或文件为空")])
    found: list[Policy] = []
    faults: list[Fault] = []
    for text in texts:
        for place in _files(text, folder):
            try:
                found.append(load_policy(place))
            except PolicyError as error:
                faults += error.faults
    if faults:
        raise PolicyError("政策文件有误", faults)
    found.sort(key=lambda policy: (policy.rules.policy.effective_from, policy.name))
    _check_apart(found)
    return tuple(found)


def _parted(text: str) -> list[str]:
    for mark in _PARTS:
        text = text.replace(mark, "\n")
    return [part.strip() for part in text.splitlines() if part.strip()]


def _files(text: str, folder: Path | None) -> list[str | Path]:
    """The file or name, or the TOML files of a folder in order of their names."""
    place = Path(text) if folder is None or not (folder / text).exists() else folder / text
    if not place.is_dir():
        return [place if place.is_file() else text]
    held: list[str | Path] = [*sorted(place.glob("*.toml"))]
    if not held:
        raise PolicyError("文件夹里没有政策", [Fault(text, "没有 .toml 文件")])
    return held


def _check_apart(policies: Sequence[Policy]) -> None:
    from drg_engine.payment_dated import in_force_faults

    faults = in_force_faults(policies)
    if faults:
        raise PolicyError("政策有效期有误", faults)
