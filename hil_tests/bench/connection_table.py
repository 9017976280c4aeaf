"""What a person reads when the bench is up: what runs, and where foreign or real parts connect."""

from hil_tests.bench.assembly import MODULE_COUNT, MODULES_BITRATE_BPS, Assembly
from hil_tests.bench.gun import (
    ANALOG_ADDRESS,
    INPUTS_OUTPUTS_BAUD,
    INSULATION_MONITOR_ADDRESS,
    METER_ADDRESS,
    METER_BAUD,
    RELAY_ADDRESS,
    VEHICLE_BITRATE_BPS,
    Gun,
)
from hil_tests.bench.site import (
    INPUTS_OUTPUTS_WIRE,
    METER_WIRE,
    MODULES_WIRE,
    PILE_WIRE,
    VEHICLE_FAR_PORT,
    VEHICLE_WIRE,
    wire_name,
)


def connection_table(assembly: Assembly) -> str:
    """One line a part, then one paragraph for each part that is left out."""
    without, devices = assembly.options.without, assembly.devices
    vehicle_speed = f"slcan, {VEHICLE_BITRATE_BPS // 1000} kbit/s"
    modules_speed = f"slcan, {MODULES_BITRATE_BPS // 1000} kbit/s"
    modules = f"{MODULE_COUNT} modules" if len(assembly.guns) == 1 else f"{MODULE_COUNT} modules a group"
    rows = [("part", "runs", "the agent connects to", "settings")]
    for gun in assembly.guns:
        rows += _gun_rows(gun, assembly, vehicle_speed)
    rows.append(("power-stage", _runs("power-stage", assembly), devices[MODULES_WIRE], f"{modules_speed}, {modules}"))
    if assembly.pile_board is not None:
        rows.append(
            ("pile board", "simulated", devices[PILE_WIRE], f"{INPUTS_OUTPUTS_BAUD} 8N1, allocation contactors")
        )
    rows.append(("broker", _runs("broker", assembly), f"127.0.0.1:{assembly.mqtt_port}", "MQTT, no TLS, no password"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [_note(part, assembly) for part in sorted(without)]
    return "\n".join([*lines, *(line for note in notes for line in ["", note])])


def _gun_rows(gun: Gun, assembly: Assembly, vehicle_speed: str) -> list[tuple[str, str, str, str]]:
    devices = assembly.devices
    of = "" if len(assembly.guns) == 1 else f" of gun {gun.number}"
    meter, boards, vehicle = (
        devices[wire_name(name, gun.number)] for name in (METER_WIRE, INPUTS_OUTPUTS_WIRE, VEHICLE_WIRE)
    )
    relays = f"{INPUTS_OUTPUTS_BAUD} 8N1, relays at {RELAY_ADDRESS}, analogue inputs at {ANALOG_ADDRESS}"
    return [
        (f"vehicle{of}", _runs("vehicle", assembly), vehicle, vehicle_speed),
        (f"meter{of}", _runs("meter", assembly), meter, f"{METER_BAUD} 8N1, address {METER_ADDRESS}"),
        (f"insulation monitor{of}", "simulated", meter, f"{METER_BAUD} 8N1, address {INSULATION_MONITOR_ADDRESS}"),
        (f"inputs-outputs{of}", _runs("inputs-outputs", assembly), boards, relays),
    ]


def _runs(part: str, assembly: Assembly) -> str:
    return "left out" if part in assembly.options.without else "simulated"


def _note(part: str, assembly: Assembly) -> str:
    devices, options = assembly.devices, assembly.options
    if part == "vehicle":
        source = "nothing (give --battery-voltage or --battery-file)"
        if options.battery_file is not None:
            source = f"the file {options.battery_file} (a number in V, or JSON; see the vehicle_link module)"
        elif options.battery_voltage_v is not None:
            source = f"the setting {options.battery_voltage_v:g} V, connected from BRO 0xAA until BST or BSD"
        return (
            f"vehicle: connect a foreign BMS to {devices[VEHICLE_FAR_PORT]} (python-can: interface slcan, "
            f"{VEHICLE_BITRATE_BPS} bit/s, GB/T 27930-2015, address 0xF4).\n"
            "  A real one: set the agent's vehicle bus to its socketcan interface.\n"
            f"  The voltage at the terminals comes from {source}. `plug` and `unplug` work as always."
        )
    if part == "meter":
        return (
            f"meter: connect a foreign DJSF1352-RN (Modbus RTU slave) to {devices[f'{METER_WIRE}-far']}, "
            f"{METER_BAUD} 8N1, address {METER_ADDRESS}.\n"
            "  A real one: give the agent's meter its own bus at the adapter's port; the "
            f"insulation monitor stays on {devices[METER_WIRE]}."
        )
    if part == "power-stage":
        return (
            f"power-stage: connect foreign InfyPower modules to {devices[f'{MODULES_WIRE}-far']} (slcan, "
            f"{MODULES_BITRATE_BPS} bit/s). "
            "The bench's circuit follows what the agent demands on that line while foreign modules are heard."
        )
    if part == "inputs-outputs":
        return (
            f"inputs-outputs: connect foreign boards to {devices[f'{INPUTS_OUTPUTS_WIRE}-far']}, "
            f"{INPUTS_OUTPUTS_BAUD} 8N1, relay board at {RELAY_ADDRESS}, analogue inputs at {ANALOG_ADDRESS}, wired as "
            "config/wiring/reference-dc.toml.\n  The bench's contactors, lock and auxiliary supply then stay off."
        )
    port = options.mqtt_port or 1883
    return f"broker: run an MQTT 5 broker on 127.0.0.1:{port} and name it in the agent's uplink section."
