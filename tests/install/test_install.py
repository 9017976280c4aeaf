"""`make install` into a folder, and what was installed at work: with the system's interpreter and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil_tests.bench.runner import start_bench
from hil_tests.bench.site import write_site_file

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = Path("/usr/bin/python3")


def system_python_fits() -> bool:
    if not SYSTEM_PYTHON.exists():
        return False
    command = [
        str(SYSTEM_PYTHON),
        "-c",
        "import sys; print(sys.version_info[:2] == " + repr(sys.version_info[:2]) + ")",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "True"


pytestmark = pytest.mark.skipif(
    not system_python_fits(), reason="the launcher runs on /usr/bin/python3, which is of another version here"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    destination = tmp_path_factory.mktemp("destination") / "root"
    environment = {**os.environ, "PYTHON": sys.executable, "DESTDIR": str(destination)}
    subprocess.run([str(ROOT / "scripts" / "install")], check=True, env=environment, timeout=300, cwd="/")
    # Moved, so that nothing can count on where it was installed.
    moved = destination.with_name("moved")
    destination.rename(moved)
    yield moved
    shutil.rmtree(moved)


def run(installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # An environment that would lead a careless launcher astray.
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/nonexistent", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    command = [str(installed / "usr" / "bin" / "pile-agent"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=60, check=False)


def test_the_launcher_answers(installed: Path) -> None:
    answer = run(installed, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "field" in answer.stdout


def test_a_site_file_is_checked_with_the_installed_data(installed: Path, tmp_path: Path) -> None:
    site_file = write_site_file(tmp_path, mqtt_port=1883)
    answer = run(installed, "--config", str(site_file), "check")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_wrong_site_file_is_exit_code_2(installed: Path, tmp_path: Path) -> None:
    site_file = write_site_file(tmp_path, mqtt_port=1883, control={"cycle_ms": 1})
    answer = run(installed, "--config", str(site_file), "check")
    assert answer.returncode == 2
    assert "cycle_ms" in answer.stdout + answer.stderr


@pytest.mark.parametrize("name", ["pile.toml.example", "pile-monitor.toml.example"])
def test_the_examples_keys_are_legal(installed: Path, name: str) -> None:
    example = installed / "etc" / "pile-agent" / name
    answer = run(installed, "--config", str(example), "check")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_everything_is_in_its_place_and_nothing_else(installed: Path) -> None:
    library = installed / "usr" / "lib" / "pile-agent"
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith("usr/lib/pile-agent/")} == {
        "usr/bin/pile-agent",
        "usr/lib/systemd/system/pile-agent.target",
        "usr/lib/systemd/system/pile-agent.service",
        "usr/lib/systemd/system/pile-agent-control.service",
        "usr/lib/sysusers.d/pile-agent.conf",
        "usr/lib/tmpfiles.d/pile-agent.conf",
        "etc/pile-agent/pile.toml.example",
        "etc/pile-agent/pile-monitor.toml.example",
    }
    for source in (ROOT / "config").rglob("*.toml"):
        assert (library / "agent" / "data" / source.relative_to(ROOT / "config")).read_bytes() == source.read_bytes()
    assert not (library / "bin").exists()
    assert not (library / "hil_tests").exists()
    for tool in ("pytest", "mypy", "ruff", "coverage"):
        assert not (library / tool).exists()


def test_no_path_of_the_build_is_left_in_it(installed: Path) -> None:
    traces = [str(ROOT).encode(), str(installed.with_name("root")).encode(), sys.prefix.encode()]
    for path in installed.rglob("*"):
        # Compiled libraries carry their own makers' paths, not ours.
        if path.is_file() and path.suffix in {".py", ".pyc", "", ".service", ".conf", ".json"}:
            content = path.read_bytes()
            assert not [trace for trace in traces if trace in content], path


def test_the_service_s_user_needs_to_write_nothing(installed: Path) -> None:
    library = installed / "usr" / "lib" / "pile-agent"
    before = set(library.rglob("*.pyc"))
    assert any(path.name.startswith("main.") for path in before)
    run(installed, "--help")
    assert set(library.rglob("*.pyc")) == before


def test_uninstall_takes_everything_but_configuration(installed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(installed, copy, symlinks=True)
    own = copy / "etc" / "pile-agent" / "pile.toml"
    own.write_text("schema = 2\n")
    subprocess.run([str(ROOT / "scripts" / "uninstall")], check=True, env={**os.environ, "DESTDIR": str(copy)})
    assert [path for path in copy.rglob("*") if path.is_file()] == [own]


@pytest.mark.bench
def test_both_processes_start_from_what_was_installed(installed: Path) -> None:
    # pytest's own folders are too long for a unix socket below them.
    folder = Path(tempfile.mkdtemp(prefix="pa-"))
    with start_bench(folder) as bench:
        site_file = write_site_file(folder, mqtt_port=bench.mqtt_port)
        program = str(installed / "usr" / "bin" / "pile-agent")
        with (folder / "agent.log").open("wb") as log:
            service = subprocess.Popen([program, "--config", str(site_file), "run"], stdout=log, stderr=log, cwd="/")
        try:
            deadline_s = time.monotonic() + 30.0
            while (answer := run(installed, "--config", str(site_file), "status", "--json")).returncode != 0:
                assert service.poll() is None, (folder / "agent.log").read_text()
                assert time.monotonic() < deadline_s, answer.stderr
                time.sleep(0.2)
            assert json.loads(answer.stdout)["connectors"][0]["state"] == "idle"
        finally:
            service.terminate()
            assert service.wait(45) == 0
    shutil.rmtree(folder)
