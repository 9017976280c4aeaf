"""What a map says about the energy register, and what it does not."""

from pathlib import Path

import msgspec
import pytest

from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_form import RegisterForm, register_form
from drivers.meters.register_map import load_map

MAPS = Path(__file__).parents[2] / "config" / "meters"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        # 32 bits of 1 Wh.
        ("acrel-djsf1352-rn", RegisterForm(1000, 1 << 32, True)),
        # Floats have no digit that is known beforehand.
        ("eastron-dcm230", RegisterForm()),
        # Eight decimal digits of 0.01 kWh.
        ("yada-dcm3366q", RegisterForm(10_000, 1_000_000_000)),
    ],
)
def test_the_shipped_maps(name: str, form: RegisterForm) -> None:
    assert register_form(load_map(MAPS / f"{name}.toml")) == form


@pytest.mark.parametrize(
    ("energy_unit_wh", "step_mwh", "modulus_wh"),
    [(0.1, 100, 429_496_729), (10.0, 10_000, 42_949_672_960), (0.0001, None, 429_496)],
)
def test_the_unit_of_the_site_scales_digit_and_modulus(
    energy_unit_wh: float, step_mwh: int | None, modulus_wh: int
) -> None:
    form = register_form(load_map(MAPS / "acrel-djsf1352-rn.toml"), energy_unit_wh)
    assert form == RegisterForm(step_mwh, modulus_wh, True)


def with_energy(**changes: object) -> RegisterMap:
    meter_map = load_map(MAPS / "acrel-djsf1352-rn.toml")
    assert isinstance(meter_map, RegisterMap)
    fields = [
        msgspec.structs.replace(field, **changes) if field.signal == "meter_energy_wh" else field
        for field in meter_map.fields
    ]
    return msgspec.structs.replace(meter_map, fields=fields)


@pytest.mark.parametrize("changes", [{"exponent_register": 16}, {"ratios": ["ct"]}, {"type": "f32"}])
def test_a_digit_that_changes_is_not_known(changes: dict[str, object]) -> None:
    assert register_form(with_energy(**changes)) == RegisterForm(unit_disputed=True)


def test_a_signed_register_does_not_say_where_it_begins_again() -> None:
    assert register_form(with_energy(type="i32")) == RegisterForm(1000, None, True)
    assert register_form(with_energy(type="i32", rollover=100_000)) == RegisterForm(1000, 100_000, True)


def test_places_that_differ_between_firmware_versions_are_no_form() -> None:
    meter_map = with_energy()
    [energy] = [field for field in meter_map.fields if field.signal == "meter_energy_wh"]
    twice = msgspec.structs.replace(meter_map, fields=[*meter_map.fields, msgspec.structs.replace(energy, register=99)])
    assert register_form(twice) == RegisterForm(unit_disputed=True)


def test_a_second_channel_has_the_form_of_its_own_register() -> None:
    # Channels at addresses of their own have the same registers, others have their own.
    assert register_form(with_energy(), channel=2) == RegisterForm(1000, 1 << 32, True)
    flat = msgspec.structs.replace(with_energy(), channel_address_step=0)
    assert register_form(flat, channel=2) == RegisterForm(unit_disputed=True)


@pytest.mark.parametrize(("step_mwh", "step_wh"), [(None, 1), (1, 1), (1000, 1), (1001, 2), (10_000, 10)])
def test_a_digit_in_whole_wh(step_mwh: int | None, step_wh: int) -> None:
    assert RegisterForm(step_mwh).step_wh == step_wh
