"""Set a fresh checkout up, then run the demonstration hospital or the tests.

    python3 -m drg_engine.bootstrap demo [FOLDER] [options of ``drg-engine demo``]
    python3 -m drg_engine.bootstrap test [options of pytest]

Needs Python 3.11 and pip, nothing else: standard library only, no administrator, no change outside
the checkout.  The environment is ``.venv`` in the checkout.  It is made without Python's own
``ensurepip`` where a system leaves that out (Debian without python3-venv): the machine's pip then
installs into it from outside, which a system that refuses system-wide installs allows.  The
checkout is installed in place (editable), so that an edited table or rule counts at once.  Pins
come from ``constraints.txt``; where packages come from is pip's own configuration.

A stamp in the environment records what it was made from; while that holds, nothing is installed.
Exit code: the job's own, or 9 where the environment can't be made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Environment", "SetupError", "job_command", "main"]

EXIT_SETUP = 9
_LEAST_PYTHON = (3, 11)
_LEAST_PIP = (22, 3)  # the first that installs into another environment by --python
_STAMP = "drg-engine-stamp.json"
_DEMO_FOLDER = "demo-hospital"
_DEMO_PERIOD = "2026-10"
# Settings that would send an installation elsewhere, or another Python's packages into ours.
_HARMFUL = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON")

_USAGE = """用法：
  python3 -m drg_engine.bootstrap demo [文件夹] [drg-engine demo 的选项]
      准备环境，生成示范医院并跑一个月（默认写入 ./demo-hospital）
  python3 -m drg_engine.bootstrap test [pytest 的选项]
      准备环境，运行测试
Windows 上把 python3 换成 py。

Usage: "demo" sets everything up and runs the demonstration hospital's month;
"test" sets everything up and runs the tests. On Windows type py for python3."""


class SetupError(Exception):
    """The environment can't be made; the message says what is missing and how to mend it."""


@dataclass(frozen=True)
class Environment:
    """The checkout at ``root`` and the environment ``.venv`` inside it."""

    root: Path

    @property
    def folder(self) -> Path:
        """Where the environment is."""
        return self.root / ".venv"

    @property
    def scripts(self) -> Path:
        """The folder of the environment's commands."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.command("python")

    def command(self, name: str) -> Path:
        """A command of the environment."""
        return self.scripts / (f"{name}.exe" if os.name == "nt" else name)

    def activation(self) -> str:
        """What a person types to use the environment."""
        return r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"

    def stamp(self) -> dict[str, str]:
        """What the environment must have been made from."""
        digest = hashlib.sha256()
        for name in ("pyproject.toml", "constraints.txt"):
            digest.update((self.root / name).read_bytes() + b"\0")
        return {
            "python": _version_text(),
            "checkout": str(self.root),
            "inputs": digest.hexdigest(),
        }

    def recorded(self) -> dict[str, str]:
        """What it was made from, empty if that isn't known."""
        try:
            found = json.loads((self.folder / _STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_ready(self, *, dev: bool) -> bool:
        """Whether it can be used as it is; ``dev`` asks for the tools of the tests too."""
        recorded = self.recorded()
        extras = recorded.pop("extras", "")
        return recorded == self.stamp() and self.python.exists() and (extras == "dev" or not dev)

    def variables(self) -> dict[str, str]:
        """The variables for programs run in it."""
        kept = {name: value for name, value in os.environ.items() if name not in _HARMFUL}
        kept["VIRTUAL_ENV"] = str(self.folder)
        kept["PATH"] = str(self.scripts) + os.pathsep + kept.get("PATH", os.defpath)
        return kept

    def prepare(self, *, dev: bool) -> None:
        """Make or mend the environment; quick if nothing changed."""
        if self.is_ready(dev=dev):
            return
        stamp = self.stamp()
        # Once asked for, the tools of the tests stay: the two commands take turns.
        dev = dev or self.recorded().get("extras") == "dev"
        if not self._usable():
            _say(f"[1/3] 建立环境 .venv（Python {_version_text()}）")
            self._create()
        (self.folder / _STAMP).unlink(missing_ok=True)
        pip = self._pip()
        _say("[2/3] 安装依赖（只在第一次或依赖变化时，约需 1–3 分钟）")
        self._install(pip, ".[dev]" if dev else ".")
        text = json.dumps({**stamp, "extras": "dev" if dev else ""}, ensure_ascii=False, indent=1)
        (self.folder / _STAMP).write_text(text + "\n", encoding="utf-8")

    def _usable(self) -> bool:
        """Whether a Python of our version runs there, for this place of the checkout."""
        recorded = self.recorded()
        if recorded and recorded.get("checkout") != str(self.root):
            return False
        return self.python.exists() and _version_of(self.python) == _version_text()

    def _is_ours_to_clear(self) -> bool:
        """Whether nothing but an environment (or nothing at all) is there."""
        if not self.folder.exists() or (self.folder / "pyvenv.cfg").is_file():
            return True
        return self.folder.is_dir() and not any(self.folder.iterdir())

    def _create(self) -> None:
        try:
            import venv
        except ImportError:
            raise SetupError(_WORDS["venv"]) from None
        if not self._is_ours_to_clear():
            raise SetupError(_WORDS["occupied"].format(folder=self.folder))
        try:
            venv.EnvBuilder(clear=True, symlinks=os.name != "nt").create(self.folder)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupError(_WORDS["create"].format(folder=self.folder, error=error)) from None

    def _pip(self) -> list[str]:
        """The start of a pip command that installs into the environment."""
        inside = [str(self.python), "-m", "pip"]
        if _pip_version(inside):
            return inside
        ensure = [str(self.python), "-m", "ensurepip"]
        if _quiet(ensure, self.variables()).returncode == 0 and _pip_version(inside):
            return inside
        old = ""
        base = getattr(sys, "_base_executable", None)
        for outside in dict.fromkeys((sys.executable, base or sys.executable)):
            version = _pip_version([outside, "-m", "pip"])
            if version >= _LEAST_PIP:
                return [outside, "-m", "pip", "--python", str(self.python)]
            old = ".".join(map(str, version)) or old
        raise SetupError(_WORDS["old_pip"].format(version=old) if old else _WORDS["pip"])

    def _install(self, pip: list[str], what: str) -> None:
        variables = self.variables()
        # By variables, so that the build of the project itself is pinned too (pip runs a second
        # pip for it).  A relative path: pip would cut one with a space in two.
        variables["PIP_CONSTRAINT"] = variables["PIP_BUILD_CONSTRAINT"] = "constraints.txt"
        variables["PIP_USER"] = variables["PIP_REQUIRE_VIRTUALENV"] = "0"
        variables["PIP_DISABLE_PIP_VERSION_CHECK"] = variables["PIP_NO_INPUT"] = "1"
        code = _run([*pip, "install", "--editable", what], self.root, variables)
        if code:
            raise SetupError(_WORDS["install"].format(code=code, python=_version_text()))


_WORDS = {
    "python": """需要 Python 3.11 或更新的版本，这里是 {version}。
  Debian 12 / Ubuntu 24.04：系统自带 python3 即可；已装多个版本时用 python3.11 代替 python3
  Windows：从 Python 官方网站安装，再用 py -3.11 -m drg_engine.bootstrap …
Python 3.11 or later is needed; this is {version}.
Install it, or name it: python3.11 -m drg_engine.bootstrap …""",
    "checkout": """请在源码目录（有 pyproject.toml 和 constraints.txt 的文件夹）中运行。
Run this in a checkout of the source, where pyproject.toml and constraints.txt are.""",
    "venv": """这个 Python 没有标准库模块 venv，无法建立独立环境。
  Debian / Ubuntu：sudo apt install python3-venv
  Windows：请用官方安装程序安装的 Python，不要用“embeddable”压缩包
This Python lacks the module venv of the standard library.
Debian / Ubuntu: sudo apt install python3-venv. Windows: use the full installer.""",
    "occupied": """{folder} 已存在，但不是 Python 环境；为免误删，请改名或移走后重试。
{folder} exists and isn't a Python environment; move it away and try again.""",
    "create": """无法建立环境 {folder}：{error}
  请确认磁盘有 1 GB 以上空间，并且对源码目录有写权限。
The environment can't be made there; check free space (1 GB) and the right to write.""",
    "pip": """缺少 pip：这个 Python 既没有 pip，也没有 ensurepip，无法安装依赖。
  Debian / Ubuntu：sudo apt install python3-pip   （或 python3-venv，二者有一即可）
  Windows：重新运行 Python 安装程序，选 Modify，勾选 pip
pip is missing, and ensurepip too.
Debian / Ubuntu: sudo apt install python3-pip (or python3-venv). Windows: modify the
installation and tick pip. Then run the same command again.""",
    "old_pip": """pip 版本太旧（{version}），不能向独立环境安装；需要 22.3 或更新。
  Debian / Ubuntu：sudo apt install python3-venv，或升级 pip
pip {version} is too old to install into an environment from outside; 22.3 is needed,
or python3-venv: sudo apt install python3-venv. Then run the same command again.""",
    "install": """依赖没有装好（pip 返回 {code}，详情见上）。改好后重新运行同一命令即可，常见原因：
  - 连不上软件包索引：内网机器请先用 pip config set global.index-url 指向本院或学校的镜像，
    需要代理时设置 HTTPS_PROXY
  - 磁盘不足：依赖约需 1 GB
  - 这个 Python（{python}）还没有某个依赖的现成安装包：Python 3.11 – 3.13 都有
The dependencies were not installed (pip returned {code}; see above). Usual causes: the
package index can't be reached (set pip's global.index-url to a mirror, or HTTPS_PROXY), the disk
is full (1 GB), or a dependency has no wheel for Python {python} (3.11 to 3.13 have them all).
Then run the same command again.""",
}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _version_text() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _quiet(
    command: Sequence[str], variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, env=variables, check=False,
        )  # fmt: skip
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _version_of(python: Path) -> str:
    """The version of another Python, empty if it doesn't run (its system Python has gone, say)."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return _quiet([str(python), "-I", "-c", ask]).stdout.strip()


def _pip_version(pip: list[str]) -> tuple[int, ...]:
    """Version of the pip that this command starts, empty if it doesn't."""
    found = re.match(r"pip (\d+)\.(\d+)", _quiet([*pip, "--version"]).stdout)
    return tuple(map(int, found.groups())) if found else ()


def _run(command: Sequence[str], folder: Path, variables: dict[str, str]) -> int:
    """Run a program with our own input and output; returns its exit code as a shell would."""
    code = subprocess.run(command, cwd=folder, env=variables, check=False).returncode
    return code if code >= 0 else 128 - code


def job_command(environment: Environment, job: str, arguments: Sequence[str]) -> list[str]:
    """The command for ``job`` (``demo`` or ``test``) with what the user added to it.

    A demonstration hospital that is there already is not made again, its month is run again.
    """
    if job == "test":
        parallel = ["-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"]
        if _names_workers(arguments):
            parallel = []
        return [str(environment.python), "-m", "pytest", *parallel, *arguments]
    rest = list(arguments)
    named = bool(rest) and not rest[0].startswith("-")
    folder = rest.pop(0) if named else _DEMO_FOLDER
    command = str(environment.command("drg-engine"))
    if not rest and (environment.root / folder / "hospital.toml").is_file():
        return [command, "run", folder, _DEMO_PERIOD]
    return [command, "demo", folder, *rest]


def _names_workers(arguments: Sequence[str]) -> bool:
    """Whether the user says how many processes the tests use, or wants to debug in one."""
    starts = ("-n", "--numprocesses", "--dist", "--pdb", "--trace", "--collect-only", "--co", "-h")
    return any(argument.startswith(starts) for argument in arguments)


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Prepare the environment and run the job named first; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in ("demo", "test"):
        asked = given[:1] in (["-h"], ["--help"])
        print(_USAGE, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    environment = Environment(root or Path(__file__).resolve().parent.parent)
    try:
        if sys.version_info[:2] < _LEAST_PYTHON:
            raise SetupError(_WORDS["python"].format(version=_version_text()))
        if not (environment.root / "constraints.txt").is_file():
            raise SetupError(_WORDS["checkout"])
        environment.prepare(dev=given[0] == "test")
        _say("[3/3] 运行测试" if given[0] == "test" else "[3/3] 运行示范医院")
        command = job_command(environment, given[0], given[1:])
        code = _run(command, environment.root, environment.variables())
        if given[0] == "demo" and code == 0:
            _say(f"接下来：运行 {environment.activation()} 启用环境，即可使用命令 drg-engine。")
        return code
    except SetupError as error:
        _say(f"\n错误：{error}")
        return EXIT_SETUP
    except KeyboardInterrupt:
        _say("\n已中断。可以重新运行同一命令。")
        return 130


if __name__ == "__main__":
    sys.exit(main())
