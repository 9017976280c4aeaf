"""The parameters of the control core from a checked site. Loads no driver: the first evaluation needs none."""

from agent.control.dc.parameters import ControlParameters
from agent.control.metering.billing import BillingTariff
from agent.control.power_quality.limits import EventLimits, Limit, PowerQualityParameters
from agent.settings.catalogue import threshold_of
from agent.settings.load import Site


def _least(*values: float | None) -> float:
    return min(value for value in values if value is not None)


def _power_quality(site: Site) -> PowerQualityParameters | None:
    """The grid-side meter, None if there is none."""
    supply = site.supply_limits
    for entry, (_, meter_map) in zip(site.settings.auxiliary_meter, site.auxiliary_maps, strict=True):
        phases = 1 if meter_map.kind == "ac1" else 3
        return PowerQualityParameters(
            meter=entry.model,
            phases=phases,
            nominal_voltage_v=entry.nominal_voltage_v,
            poll_interval_s=entry.poll_interval_ms / 1000.0,
            indicative=entry.measurement_class == "",
            limits=tuple(
                Limit(limit.id, limit.fault, limit.quantity, limit.statistic, limit.high, limit.low)
                for limit in supply.limit
                if limit.phases in (0, phases)
            ),
            events=EventLimits(
                supply.events.sag_below_percent,
                supply.events.swell_above_percent,
                supply.events.interruption_below_percent,
                supply.events.hysteresis_percent,
            ),
        )
    return None


def control_parameters(site: Site, *, boot_id: str, version: str) -> ControlParameters:
    """What the control core must know. Site limits tighten the profile and the catalogue, never loosen them."""
    settings, profile, tariff = site.settings, site.profile, site.tariff
    connector, limits, faults = settings.connector, settings.limits, site.faults
    due = connector.meter.verification_due
    return ControlParameters(
        pile_id=settings.pile.id,
        boot_id=boot_id,
        version=version,
        connector=connector.number,
        maximum_power_w=_least(profile.maximum_power_w, connector.maximum_power_w),
        maximum_voltage_v=_least(profile.maximum_voltage_v, connector.maximum_voltage_v),
        minimum_voltage_v=profile.minimum_voltage_v,
        maximum_current_a=_least(profile.maximum_current_a, connector.maximum_current_a),
        minimum_current_a=profile.minimum_current_a,
        tariff=BillingTariff(
            id=tariff.id,
            version=tariff.version,
            electricity_e5={name: rate.electricity_e5 for name, rate in tariff.rates.items()},
            service_e5={name: rate.service_e5 for name, rate in tariff.rates.items()},
            slots=tuple(tariff.slots),
            utc_offset_minutes=settings.tariff.utc_offset_minutes,
        ),
        faults=faults,
        edition=connector.edition,
        charger_number=settings.pile.charger_number,
        meter={
            "model": connector.meter.model,
            "address": connector.meter.number or connector.meter.address,
            "serial_number": connector.meter.serial_number,
            "certificate_number": connector.meter.certificate_number,
            "accuracy_class": connector.meter.accuracy_class,
            "verification_due": "" if due is None else due.isoformat(),
            "energy_unit_wh": f"{connector.meter.energy_unit_wh:g}",
        },
        register_form=site.register_form,
        verification_due_day=None if due is None else due.toordinal(),
        refuse_after_verification_due=connector.meter.refuse_after_verification_due,
        power_quality=_power_quality(site),
        recorder_lost_stop_s=_least(threshold_of(faults, "recorder_lost"), limits.recorder_lost_stop_s),
        start_time_limit_s=limits.start_time_limit_s,
        telemetry_interval_s=float(settings.record.telemetry_interval_s),
        telemetry_idle_interval_s=float(settings.record.telemetry_idle_interval_s),
        over_temperature_c=_least(threshold_of(faults, "over_temperature"), limits.connector_temperature_stop_c),
        temperature_derate_c=_least(threshold_of(faults, "temperature_high"), limits.connector_temperature_derate_c),
    )
