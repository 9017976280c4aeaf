"""The meter of the field process: what a site names is what is built, and nothing more is imported."""

import subprocess
import sys
from pathlib import Path

from agent.field.assembly import build_hardware
from agent.settings.load import load_site
from drivers.dlt645.meter import Dlt645Meter
from drivers.meters.meter import Meter

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "site-example.toml"


def test_a_modbus_meter() -> None:
    hardware = build_hardware(load_site(EXAMPLE))
    assert isinstance(hardware.modbus_lines[0].devices[1], Meter)


def test_a_dlt645_meter_beside_the_insulation_monitor(tmp_path: Path) -> None:
    path = tmp_path / "pile.toml"
    text = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(
        text.replace('model = "acrel-djsf1352-rn"', 'model = "yada-dcm3366q"\nnumber = "000000000161"'),
        encoding="utf-8",
    )
    devices = build_hardware(load_site(path)).modbus_lines[0].devices
    assert list(devices) == ["000000000161", 2]
    assert isinstance(devices["000000000161"], Dlt645Meter)


def test_a_pile_with_a_modbus_meter_does_not_load_dlt645() -> None:
    code = (
        "import sys; from agent.field.assembly import build_hardware; from agent.settings.load import load_site; "
        f"from pathlib import Path; build_hardware(load_site(Path({str(EXAMPLE)!r}))); "
        "print([name for name in sys.modules if name.startswith(('drivers.dlt645', 'dlt645', 'loguru'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
