"""What is wrong with the text of a TOML file, told in Chinese with its line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from drg_engine.errors import DrgEngineError, Fault

__all__ = ["read_toml", "toml_fault"]

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_WORDS = (
    (r"Cannot overwrite a value|Duplicate inline table key", "这个键或节写了两次", "只留一处"),
    (r"Cannot declare .* twice", "这一节写了两次", "合成一节，只写一个 [节名]"),
    (r"Cannot (mutate|redefine) .*", "这一节或这个键前面已经写过", "只留一处"),
    (r"Expected '=' after a key.*", "键的后面应为等号", "写作 键 = 值，等号和引号用英文半角"),
    (r"Invalid value", "值的写法不对", "文字加英文半角引号，数字不加；不写千分位和百分号"),
    (r"Invalid (initial character for a key part|statement)", "这里应为键或 [节名]",
     "中文名称作键要加英文半角引号，如 [drg.shares.'外科']"),
    (r"Unterminated string|Illegal character '\\n'", "文字没有收尾的引号", "引号成对，用英文半角"),
    (r"Unescaped '\\' in a string", "文字里的反斜线", "改用单引号，如 '数据\\表'，或写两个反斜线"),
    (r"Unclosed (array|inline table)", "方括号或花括号没有收尾", "括号成对，各项用英文逗号隔开"),
    (r"Expected '\]+' at the end of a table declaration.*", "节名后缺右方括号", "写作 [节名]"),
    (r"Expected newline or end of document after a statement", "这一行值的后面还有别的内容",
     "一行一个键；数字不写千分位和百分号；日期写作 2026-10-01；说明写在 # 后面"),
    (r"Invalid date or datetime", "没有这个日期", "写作 2026-10-01"),
    (r"Exceeds the limit .*", "数字太长", "请改为普通数字"),
    (r"Found invalid character.*|Illegal character.*", "看不见的控制字符", "删去后重新输入这一行"),
)  # fmt: skip

_LIKELY = (
    (r"[“”„‟‘’「」＂]", '中文引号 {found} 请改为英文半角引号，写作 "文字"'),
    (r"(?<![\w\[])\d{1,3}([,，]\d{3})+(?!\d)",
     "数字不写千分位：{found} 请写作 {plain}"),
    (r"\d\s*[%％]", "百分数请写小数，如 30% 写作 0.3"),
    (r"，", "逗号请用英文半角 ,"),
    (r"＝", "等号请用英文半角 ="),
)  # fmt: skip
_SHOWN = 60


def read_toml(path: Path, kind: type[DrgEngineError], title: str) -> dict[str, Any]:
    """Read a TOML file (UTF-8, a byte order mark is allowed).

    Raises ``kind`` with the title and what is wrong, in which row.
    """
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text)
    except OSError as error:
        fault = Fault(path.name, "打不开文件", mend="请检查路径和权限")
        raise kind(title, [fault]) from error
    except UnicodeDecodeError as error:
        fault = Fault(path.name, "编码不对", mend="在编辑器里另存为 UTF-8")
        raise kind(title, [fault]) from error
    except (ValueError, RecursionError) as error:
        raise kind(title, [toml_fault(path.name, error, text)]) from error


def toml_fault(file: str, error: ValueError | RecursionError, text: str = "") -> Fault:
    """The fault behind what ``tomllib.loads`` raised, with its row where it tells one.

    error: TOMLDecodeError, or the ValueError of a number of thousands of digits, or RecursionError.
    text: what was read; then the line is shown, and what is likely wrong in it is named.
    """
    if isinstance(error, RecursionError):
        return Fault(file, "括号一层套一层，太深了", mend="请删去多余的括号")
    place = _PLACE.search(str(error))
    row, at, line = None, None, ""
    if place is not None:
        row = int(place[1]) if place[1] else len(text.rstrip().splitlines()) or None
        at = f"第 {place[2]} 列" if place[2] else None
        line = "".join(text.splitlines()[(row or 1) - 1 : row]).strip()[:_SHOWN]
    plain = _PLACE.sub("", str(error))
    message, mend = "写法不对", "请对照示例改正这一行"
    for pattern, told, advice in _WORDS:
        if re.fullmatch(pattern, plain):
            message, mend = told, advice
            break
    else:
        line = line or plain[:80]
    return Fault(file, message, row, at, line or None, _likely(line) or mend)


def _likely(line: str) -> str:
    """How to mend what spreadsheets and Chinese input methods put into a line."""
    value = line.partition("=")[2] or line
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'|#.*", "", value)
    for pattern, mend in _LIKELY:
        found = re.search(pattern, quoted)
        if found is not None:
            return mend.format(found=found[0], plain=found[0].replace(",", "").replace("，", ""))
    return ""
