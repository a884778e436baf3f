"""Every example of README.md runs, in order, and says what the README shows.

Fences: ``python`` is run, and what it prints compared with a ``text`` fence right after it;
``console`` holds commands after ``$`` and what they say (``…`` stands for anything: within a line
for text, alone for lines); ``csv NAME`` and ``toml NAME`` are files to save, or, where a CSV is
there already, what it must hold.  ``sh`` holds what ``.ci/run`` runs, and nothing else.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import command_variables

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(?P<words>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    kind: str
    name: str
    body: str
    line: int


def blocks(text: str = README) -> list[Block]:
    found = []
    for fence in FENCE.finditer(text):
        kind, _, name = fence["words"].strip().partition(" ")
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(kind, name, fence["body"], line))
    return found


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def says(shown: str, said: str) -> bool:
    """Whether ``said`` is what the README shows; blank lines and line ends don't count."""
    pattern = ""
    for line in lines_of(shown):
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*?".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in lines_of(said))) is not None


def must_say(shown: str, said: str, where: str) -> None:
    if not says(shown, said):
        pytest.fail(f"{where} says otherwise:\n{said}", pytrace=False)


@pytest.mark.parametrize(
    ("shown", "said", "equal"),
    [
        ("a\nb", "a\n\nb  \n", True),
        ("a\nb", "a\nc", False),
        ("a", "a\nb", False),
        ("a\n…", "a\nb\nc", True),
        ("a\n…\nc", "a\nc", True),
        ("a\n…\nc", "a\nb", False),
        ("in … s", "in 12.3 s", True),
        ("in … s", "in 12.3 s\nmore", False),
        ("in … s", "in 12.3\n4 s", False),
        ("1.5 (x)", "1x5 (x)", False),
    ],
)
def test_what_counts_as_equal(shown, said, equal):
    assert says(shown, said) is equal


class Walk:
    """Follows the README from top to bottom in a folder of its own."""

    def __init__(self, folder: Path, command: Path, demo: Path) -> None:
        self.folder = folder
        self.command = command
        self.demo = demo
        self.printed: str | None = None

    def follow(self, block: Block) -> None:
        printed, self.printed = self.printed, None
        if block.kind == "python":
            self.printed = self.run([sys.executable, "-c", block.body])
        elif block.kind == "text" and printed is not None:
            must_say(block.body, printed, f"README.md:{block.line}")
        elif block.kind == "console":
            self.console(block)
        elif block.name:
            self.file(block)

    def console(self, block: Block) -> None:
        assert block.body.startswith("$ "), f"README.md:{block.line}: no command"
        for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            said = self.say(shlex.split(command))
            must_say(shown, said, f"README.md:{block.line} `{command}`")

    def say(self, words: list[str]) -> str:
        assert words[0] == "drg-engine", f"{words}: only the command itself runs here"
        if words[1] == "demo":
            # Made once for all tests, by this very command.
            assert len(words) == 3
            shutil.copytree(self.demo, self.folder / words[2])
            said = self.demo.with_suffix(".txt").read_text(encoding="utf-8")
            return said.replace(str(self.demo), words[2])
        return self.run([str(self.command), *words[1:]])

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=command_variables(self.command.parent),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}"
        return done.stdout

    def file(self, block: Block) -> None:
        path = self.folder / block.name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = list(csv.reader(file))
        shown = list(csv.reader(block.body.splitlines()))
        assert found == shown, f"README.md:{block.line}: {block.name} holds otherwise: {found}"


def test_every_example_runs_and_says_what_is_shown(tmp_path, drg_engine_command, demo_hospital):
    walk = Walk(tmp_path, drg_engine_command, demo_hospital)
    kinds = set()
    for block in blocks():
        kinds.add(block.kind)
        walk.follow(block)
    assert {"python", "console", "csv", "sh"} <= kinds


def test_the_other_commands_are_those_that_ci_runs():
    run = {
        "python3 -m drg_engine.bootstrap demo",
        "python3 -m drg_engine.bootstrap test",
        "DRG_ENGINE_NO_JIT=1 python3 -m drg_engine.bootstrap test",
    }
    for command in run:
        assert f"readme_command '{command}'" in CI
    shown = [line for block in blocks() if block.kind == "sh" for line in lines_of(block.body)]
    assert run <= set(shown)
    assert set(shown) - run <= {". .venv/bin/activate"}


def test_windows_commands_name_the_same_jobs():
    shown = [
        line for block in blocks() if block.kind == "powershell" for line in lines_of(block.body)
    ]
    assert shown == [
        "py -m drg_engine.bootstrap demo",
        "py -m drg_engine.bootstrap test",
        r".venv\Scripts\activate",
    ]


def test_every_fence_has_a_kind_that_is_looked_at():
    known = {"python", "text", "console", "csv", "toml", "sh", "powershell"}
    assert {block.kind for block in blocks()} <= known


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCE.sub("", text))
    for target in targets:
        if "://" not in target:
            assert (ROOT / target).exists(), f"{name}: {target}"


def test_pictures_are_there_and_small():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        data = (ROOT / picture).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 300_000


def test_each_section_is_in_both_languages():
    for heading in re.findall(r"^## (.+)$", README, re.MULTILINE):
        chinese, _, english = heading.partition(" · ")
        assert re.search(r"[\u4e00-\u9fff]", chinese), heading
        assert re.fullmatch(r"[\x20-\x7e]+", english), heading


def test_the_layout_names_every_folder():
    layout = next(block.body for block in blocks() if "drg_engine/" in block.body)
    named = {line.split()[0] for line in lines_of(layout)}
    tracked = {
        "drg_engine/",
        "grouper_tables/",
        "performance/",
        "reports/",
        "tests/",
        "benchmarks/",
    }
    assert tracked <= named
    for name in named:
        assert (ROOT / name).exists(), name


def test_no_machine_of_ours_is_named():
    home = os.path.expanduser("~")  # noqa: PTH111
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert home not in text or home == "/"
