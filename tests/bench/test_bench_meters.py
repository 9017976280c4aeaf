"""Every shipped map, served by the bench and read back by the service's own bus owner and driver over a port."""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from bench_meters import Reader

from drivers.dlt645.mapped import mapped_meter
from drivers.dlt645.meter import Dlt645Meter
from drivers.meters.meter import Meter
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import load_map
from drivers.meters.signals import is_energy
from hil_tests.bench.meters.dlt645 import IdentifierModel
from hil_tests.bench.meters.line import FIRST_NUMBER, MAPS, MeterSpec
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.serving import serving

NAMES = sorted(path.stem for path in MAPS.glob("*.toml"))


def firmwares() -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Every shipped map in every firmware that it knows: variants, and the other function code."""
    for name in NAMES:
        loaded = load_map(MAPS / f"{name}.toml")
        if not isinstance(loaded, RegisterMap):
            yield name, (), False
            continue
        choices: dict[str, list[str]] = {}
        for variant in loaded.variants:
            choices.setdefault(variant.choice, []).append(variant.name)
        for variants in product(*choices.values()):
            yield name, variants, False
        if loaded.function_alternatives:
            yield name, tuple(each[0] for each in choices.values()), True


CASES = list(firmwares())


def test_the_shipped_maps_are_all_there() -> None:
    assert len(NAMES) >= 15
    assert {name for name, _, _ in CASES} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "variants", "alternative"), CASES, ids=["-".join((n, *v, *["other-function"] * a)) for n, v, a in CASES]
)
def test_every_map_is_read_back(tmp_path: Path, name: str, variants: tuple[str, ...], alternative: bool) -> None:
    spec = MeterSpec.of(name, variants=variants, alternative=alternative)
    port = tmp_path / "line"
    # The pace of the wire has a test of its own.
    with serving([spec], port, settings=(115200, None, None), checks_settings=True) as running:
        model = running.line.meters[0].model
        device: Meter | Dlt645Meter
        if isinstance(model, MeterModel):
            wanted = tuple(dict.fromkeys(field.signal for field in model.fields() if field.channel == 1))
            device = Meter(model.map, model.address, 0.2, signals=model.map.signals())
        else:
            wanted = tuple(dict.fromkeys(item.signal for item in model.map.items if item.channel == 1))
            device = mapped_meter(model.map, model.address, 0.2, signals=wanted)
        with closing(Reader(port, running.line.wire_settings, [device])) as reader:
            reader.run_until(lambda: set(wanted) <= set(reader.readings))
        for signal in wanted:
            shown = model.values.now[signal]
            assert shown is not None
            assert reader.readings[signal].value == pytest.approx(float(shown), abs=step_of(model, signal), rel=1e-6)
        if isinstance(device, Meter):
            assert set(device.variants.values()) <= set(variants)


def step_of(model: MeterModel | IdentifierModel, signal: str) -> float:
    """The largest error that rounding to the meter's digits makes."""
    if isinstance(model, MeterModel):
        steps = [model.resolution(field) for field in model.fields() if field.signal == signal]
    else:
        steps = [model.resolution(item) for item in model.map.items if item.signal == signal]
    return float(max(steps)) * (1.001 if is_energy(signal) else 0.501)


@pytest.mark.parametrize(("name", "baud"), [("acrel-djsf1352-rn", 9600), ("yada-dcm3366q", 9600)])
def test_bytes_take_their_time_on_the_wire(tmp_path: Path, name: str, baud: int) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of(name)], port, settings=(baud, None, None), checks_settings=True) as running:
        model = running.line.meters[0].model
        device: Meter | Dlt645Meter
        if isinstance(model, MeterModel):
            device = Meter(model.map, model.address, 0.1, signals=["meter_voltage_v"])
        else:
            device = mapped_meter(model.map, model.address, 0.1, signals=["meter_voltage_v"])
        with closing(Reader(port, running.line.wire_settings, [device])) as reader:
            begin_s = time.monotonic()
            reader.run_until(lambda: len(reader.results) >= 1)
            elapsed_s = time.monotonic() - begin_s
        request = reader.results[0].request
        settings = running.line.wire_settings
        bits = 9 + settings.stop_bits + (settings.parity != "N")
        # Never faster than the wire: how much slower is the machine's own affair.
        assert elapsed_s >= (len(request.encode()) + request.reply_bytes() - 4) * bits / baud


def test_several_meters_of_both_protocols_on_one_line(tmp_path: Path) -> None:
    port = tmp_path / "line"
    names = ["acrel-djsf1352-rn", "acrel-djsf1352-rn", "eastron-dcm230", "enlyta-djsf2669d"]
    specs = [MeterSpec.of(name, address) for address, name in enumerate(names, start=1)]
    specs.append(MeterSpec.of("yada-dcm3366q"))
    with serving(specs, port, settings=(115200, "E", 1), checks_settings=True) as running:
        devices: list[Meter | Dlt645Meter] = []
        for index, meter in enumerate(running.line.meters):
            model = meter.model
            running.do(lambda model=model, index=index: model.values.set("meter_voltage_v", 300 + index))  # type: ignore[misc]  # bound now
            if isinstance(model, MeterModel):
                devices.append(Meter(model.map, model.address, 0.1, signals=["meter_voltage_v"]))
            else:
                devices.append(mapped_meter(model.map, model.address, 0.1, signals=["meter_voltage_v"]))
        with closing(Reader(port, running.line.wire_settings, list(devices))) as reader:
            reader.run_until(
                lambda: (
                    {result.request.address for result in reader.results if result.ok}
                    == {1, 2, 3, 4, str(FIRST_NUMBER)}
                )
            )
        by_address = {result.request.address: result for result in reader.results if result.ok}
        for index, device in enumerate(devices):
            [(_, reading)] = device.accept(by_address[device.address])
            assert reading.value == pytest.approx(300 + index, abs=0.06)


def test_sixteen_meters_on_one_line(tmp_path: Path) -> None:
    port = tmp_path / "line"
    modbus = [name for name in NAMES if isinstance(load_map(MAPS / f"{name}.toml"), RegisterMap)]
    specs = [MeterSpec.of(modbus[index % len(modbus)], 1 + index) for index in range(16)]
    with serving(specs, port, settings=(115200, "N", 1), checks_settings=True) as running:
        devices = []
        for meter in running.line.meters:
            model = meter.model
            assert isinstance(model, MeterModel)
            signal = next(each for each in model.map.signals() if "voltage" in each or "current" in each)
            devices.append(Meter(model.map, model.address, 0.5, signals=[signal]))
        with closing(Reader(port, running.line.wire_settings, list(devices))) as reader:
            reader.run_until(
                lambda: {result.request.address for result in reader.results if result.ok} == set(range(1, 17))
            )


def test_values_that_a_meter_does_not_have_are_absent(tmp_path: Path) -> None:
    port = tmp_path / "line"
    with serving([MeterSpec.of("abb-b23")], port, settings=(115200, None, None)) as running:
        model = running.line.meters[0].model
        assert isinstance(model, MeterModel)
        running.do(lambda: model.values.set("voltage_l1_v", None))
        device = Meter(model.map, model.address, 0.1, signals=["voltage_l1_v", "voltage_l2_v"])
        with closing(Reader(port, running.line.wire_settings, [device])) as reader:
            reader.run_until(lambda: "voltage_l2_v" in reader.readings)
            assert "voltage_l1_v" not in reader.readings


def test_ratios_that_are_set_in_the_meter_count(tmp_path: Path) -> None:
    port = tmp_path / "line"
    spec = MeterSpec.of("chint-dtsu666", ratios={"ct": 40.0})
    with serving([spec], port, settings=(115200, None, None)) as running:
        model = running.line.meters[0].model
        assert isinstance(model, MeterModel)
        running.do(lambda: model.values.set("current_l1_a", 120.0))
        device = Meter(model.map, model.address, 0.1, signals=["current_l1_a"])
        with closing(Reader(port, running.line.wire_settings, [device])) as reader:
            reader.run_until(lambda: "current_l1_a" in reader.readings)
            assert reader.readings["current_l1_a"].value == pytest.approx(120.0, abs=0.05)
            [raw] = [field for field in model.fields() if field.signal == "current_l1_a"]
            assert raw.ratios, "this map has the ratio that the test is about"
