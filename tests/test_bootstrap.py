"""Setting a fresh checkout up: what is made, when, with which words where something is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drg_engine import bootstrap
from drg_engine.bootstrap import Environment, SetupError, job_command, main

ROOT = Path(__file__).resolve().parent.parent


class Outside:
    """What the machine has, and which programs were run with our input and output."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.pip_inside: tuple[int, ...] = ()
        self.pip_outside: tuple[int, ...] = (23, 0)
        self.ensurepip = False
        self.code = 0
        self.ran: list[list[str]] = []
        self.variables: list[dict[str, str]] = []

    @property
    def inside(self) -> str:
        return str(self.checkout / ".venv")

    def pip_version(self, pip: list[str]) -> tuple[int, ...]:
        return self.pip_inside if pip[0].startswith(self.inside) else self.pip_outside

    def quiet(self, command, variables=None):
        if command[1:] == ["-m", "ensurepip"]:
            if self.ensurepip:
                self.pip_inside = (23, 0)
            return subprocess.CompletedProcess(command, 0 if self.ensurepip else 1, "", "")
        return REAL_QUIET(command, variables)

    def run(self, command, folder, variables) -> int:
        assert folder == self.checkout
        self.ran.append(command)
        self.variables.append(variables)
        return self.code

    def installs(self) -> list[list[str]]:
        return [command for command in self.ran if "install" in command]


REAL_QUIET = bootstrap._quiet
PARALLEL = ["-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"]


@pytest.fixture
def outside(tmp_path, monkeypatch):
    checkout = tmp_path / "我的 医院"  # a blank and Chinese in the path
    checkout.mkdir()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, checkout / name)
    outside = Outside(checkout)
    monkeypatch.setattr(bootstrap, "_pip_version", outside.pip_version)
    monkeypatch.setattr(bootstrap, "_quiet", outside.quiet)
    monkeypatch.setattr(bootstrap, "_run", outside.run)
    return outside


def test_needs_only_the_standard_library():
    """Without site-packages, as on a machine where nothing is installed."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-m", "drg_engine.bootstrap", "--help"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "python3 -m drg_engine.bootstrap demo" in done.stdout
    assert "python3 -m drg_engine.bootstrap test" in done.stdout


def test_an_unknown_job_is_told_with_the_usage(capsys):
    assert main(["dmeo"]) == 2
    assert "用法" in capsys.readouterr().err


def test_a_new_environment_is_made_and_filled_from_outside(outside):
    environment = Environment(outside.checkout)
    environment.prepare(dev=True)
    assert environment.python.exists()
    assert environment.is_ready(dev=True)
    (command,) = outside.ran
    assert command == [
        *(sys.executable, "-m", "pip", "--python", str(environment.python)),
        *("install", "--editable", ".[dev]"),
    ]
    # Relative, since pip cuts the variable at blanks; for the build of the project as well.
    assert outside.variables[0]["PIP_CONSTRAINT"] == "constraints.txt"
    assert outside.variables[0]["PIP_BUILD_CONSTRAINT"] == "constraints.txt"


def test_pip_inside_is_preferred(outside):
    outside.ensurepip = True
    Environment(outside.checkout).prepare(dev=False)
    (command,) = outside.ran
    assert command[0].startswith(outside.inside)
    assert command[1:] == ["-m", "pip", "install", "--editable", "."]


def test_settings_that_would_install_elsewhere_are_dropped(outside, monkeypatch):
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    Environment(outside.checkout).prepare(dev=False)
    (variables,) = outside.variables
    assert "PIP_TARGET" not in variables
    assert "PYTHONPATH" not in variables
    assert variables["PIP_USER"] == "0"


def test_a_second_call_installs_nothing(outside):
    for job in ("demo", "demo", "test", "test", "demo"):
        assert main([job], root=outside.checkout) == 0
    whats = [command[-1] for command in outside.installs()]
    assert whats == [".", ".[dev]"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_into_the_same_environment(outside, name):
    environment = Environment(outside.checkout)
    environment.prepare(dev=True)
    kept = environment.folder / "kept"
    kept.touch()
    with (outside.checkout / name).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    # The demonstration doesn't take the tests' tools away.
    environment.prepare(dev=False)
    assert [command[-1] for command in outside.installs()] == [".[dev]", ".[dev]"]
    assert kept.exists()


def test_a_failed_installation_is_tried_again(outside, capsys):
    outside.code = 1
    assert main(["demo"], root=outside.checkout) == 9
    told = capsys.readouterr().err
    assert "依赖没有装好（pip 返回 1" in told
    assert "The dependencies were not installed" in told
    assert len(outside.ran) == 1  # the job isn't run
    outside.code = 0
    assert main(["demo"], root=outside.checkout) == 0
    assert len(outside.installs()) == 2


def test_an_installation_that_failed_after_a_change_leaves_no_old_stamp(outside):
    environment = Environment(outside.checkout)
    environment.prepare(dev=False)
    before = (outside.checkout / "constraints.txt").read_bytes()
    (outside.checkout / "constraints.txt").write_bytes(before + b"# changed\n")
    outside.code = 1
    with pytest.raises(SetupError):
        environment.prepare(dev=False)
    # Half installed from the changed file: going back to the first is no reason to trust it.
    (outside.checkout / "constraints.txt").write_bytes(before)
    assert not environment.is_ready(dev=False)


def test_an_environment_of_another_python_is_made_again(outside, monkeypatch):
    environment = Environment(outside.checkout)
    environment.prepare(dev=False)
    left = environment.folder / "left"
    left.touch()
    monkeypatch.setattr(bootstrap, "_version_text", lambda: "3.99")
    environment.prepare(dev=False)
    assert not left.exists()
    assert len(outside.installs()) == 2


def test_a_moved_checkout_makes_its_environment_again(outside, tmp_path):
    Environment(outside.checkout).prepare(dev=False)
    (outside.checkout / ".venv" / "left").touch()
    outside.checkout = outside.checkout.rename(tmp_path / "moved")
    Environment(outside.checkout).prepare(dev=False)
    assert not (outside.checkout / ".venv" / "left").exists()
    assert len(outside.installs()) == 2


def test_an_environment_whose_python_has_gone_is_made_again(outside):
    environment = Environment(outside.checkout)
    environment.prepare(dev=False)
    environment.python.unlink()
    environment.prepare(dev=False)
    assert environment.python.exists()
    assert len(outside.installs()) == 2


@pytest.mark.parametrize("stamp", ["", "[]", "{", '{"inputs": 1}', "\xff"])
def test_a_damaged_stamp_is_no_stamp(outside, stamp):
    environment = Environment(outside.checkout)
    environment.prepare(dev=False)
    (environment.folder / "drg-engine-stamp.json").write_bytes(stamp.encode("latin-1"))
    assert not environment.is_ready(dev=False)
    environment.prepare(dev=False)
    assert environment.is_ready(dev=False)


def test_a_folder_of_someone_elses_is_not_cleared(outside, capsys):
    (outside.checkout / ".venv").mkdir()
    theirs = outside.checkout / ".venv" / "notes.txt"
    theirs.write_text("mine")
    assert main(["demo"], root=outside.checkout) == 9
    assert "请改名或移走" in capsys.readouterr().err
    assert theirs.read_text() == "mine"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ((), ("缺少 pip", "apt install python3-pip", "pip is missing", "Windows")),
        ((22, 2), ("太旧（22.2）", "apt install python3-venv", "pip 22.2 is too old")),
    ],
)
def test_a_machine_without_a_fit_pip_is_told_what_to_install(outside, capsys, version, words):
    outside.pip_outside = version
    assert main(["test"], root=outside.checkout) == 9
    told = capsys.readouterr().err
    for word in words:
        assert word in told


def test_an_old_python_is_told(outside, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "_LEAST_PYTHON", (99, 0))
    assert main(["demo"], root=outside.checkout) == 9
    told = capsys.readouterr().err
    assert "需要 Python 3.11" in told
    assert "Python 3.11 or later is needed" in told


def test_outside_a_checkout_is_told(tmp_path, capsys):
    assert main(["demo"], root=tmp_path) == 9
    assert "请在源码目录" in capsys.readouterr().err


@pytest.mark.parametrize("job", ["demo", "test"])
@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_the_jobs_exit_code_is_passed_on(outside, job, code):
    Environment(outside.checkout).prepare(dev=True)
    outside.code = code
    assert main([job], root=outside.checkout) == code


def test_a_job_ended_by_a_signal_has_the_shells_code(tmp_path):
    kill = "import os; os.kill(os.getpid(), 15)" if sys.platform != "win32" else "exit(143)"
    assert bootstrap._run([sys.executable, "-c", kill], tmp_path, {}) == 143


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["demo", "demo-hospital"]),
        (["elsewhere"], ["demo", "elsewhere"]),
        (["--seed", "7"], ["demo", "demo-hospital", "--seed", "7"]),
        (["elsewhere", "--seed", "7"], ["demo", "elsewhere", "--seed", "7"]),
    ],
)
def test_the_demonstration_command(tmp_path, arguments, expected):
    environment = Environment(tmp_path)
    assert job_command(environment, "demo", arguments) == [
        str(environment.scripts / "drg-engine"),
        *expected,
    ]


def test_a_demonstration_hospital_that_is_there_runs_its_month_again(tmp_path):
    (tmp_path / "demo-hospital").mkdir()
    (tmp_path / "demo-hospital" / "hospital.toml").touch()
    command = job_command(Environment(tmp_path), "demo", [])
    assert command[1:] == ["run", "demo-hospital", "2026-10"]


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ([], PARALLEL),
        (["-k", "money"], PARALLEL),
        (["-n0"], []),
        (["--pdb"], []),
    ],
)
def test_the_test_command(tmp_path, arguments, added):
    environment = Environment(tmp_path)
    assert job_command(environment, "test", arguments) == [
        *(str(environment.python), "-m", "pytest"),
        *added,
        *arguments,
    ]


def test_where_windows_has_it(monkeypatch):
    environment = Environment(Path("checkout"))
    monkeypatch.setattr(bootstrap.os, "name", "nt")
    found = environment.python, environment.command("drg-engine")
    monkeypatch.undo()
    assert [path.as_posix() for path in found] == [
        "checkout/.venv/Scripts/python.exe",
        "checkout/.venv/Scripts/drg-engine.exe",
    ]


PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==[0-9][0-9a-z.]*( ; [a-z_]+ [<>=!]+ '[^'/]+')?")


def test_every_requirement_is_pinned_and_no_place_is_named():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [PIN.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(pins), lines
    pinned = {pin["name"] for pin in pins if pin}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    extras = project["project"]["optional-dependencies"].values()
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(requirement for extra in extras for requirement in extra),
    ]
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in wanted}
    assert names - pinned == set()
    comments = "".join(line for line in lines if line.startswith("#"))
    assert "//" not in comments
