"""The parameters of the control core from a checked site. Loads no driver: the first evaluation needs none."""

from agent.control.dc.parameters import ControlParameters
from agent.control.metering.billing import BillingTariff
from agent.control.power_quality.limits import EventLimits, Limit, PowerQualityParameters
from agent.settings.catalogue import threshold_of
from agent.settings.schema import Meter
from agent.settings.site import ConnectorOfSite, Site
from drivers.meters.register_form import RegisterForm


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


def billing_tariff(site: Site) -> BillingTariff:
    """The tariff in the form of the bill."""
    tariff = site.tariff
    return BillingTariff(
        id=tariff.id,
        version=tariff.version,
        electricity_e5={name: rate.electricity_e5 for name, rate in tariff.rates.items()},
        service_e5={name: rate.service_e5 for name, rate in tariff.rates.items()},
        slots=tuple(tariff.slots),
        utc_offset_minutes=site.settings.tariff.utc_offset_minutes,
    )


def ratings_of(site: Site, connector: ConnectorOfSite) -> tuple[float, float]:
    """Most power (W) and current (A) of a connector: the profile's, tightened by the site. Groups have their own."""
    profile, settings = site.profile, connector.settings
    power_w = _least(profile.maximum_power_w, settings.maximum_power_w)
    return power_w, _least(profile.maximum_current_a, settings.maximum_current_a)


def connector_parameters(site: Site, connector: ConnectorOfSite, *, boot_id: str, version: str) -> ControlParameters:
    """What the core of one connector must know. Site limits tighten profile and catalogue, never loosen them."""
    settings, profile = site.settings, site.profile
    limits, faults, meter = settings.limits, site.faults, connector.settings.meter
    maximum_power_w, maximum_current_a = ratings_of(site, connector)
    due = None if meter is None else meter.verification_due
    return ControlParameters(
        pile_id=settings.pile.id,
        boot_id=boot_id,
        version=version,
        connector=connector.number,
        maximum_power_w=maximum_power_w,
        maximum_voltage_v=_least(profile.maximum_voltage_v, connector.settings.maximum_voltage_v),
        minimum_voltage_v=profile.minimum_voltage_v,
        maximum_current_a=maximum_current_a,
        minimum_current_a=profile.minimum_current_a,
        tariff=billing_tariff(site),
        faults=faults,
        edition=connector.settings.edition,
        charger_number=settings.pile.charger_number,
        meter={} if meter is None else meter_in_record(meter),
        register_form=connector.register_form or RegisterForm(),
        verification_due_day=None if due is None else due.toordinal(),
        refuse_after_verification_due=meter is not None and meter.refuse_after_verification_due,
        # One connector keeps what the whole pile has at its grid side.
        power_quality=_power_quality(site) if connector.number == site.connectors[0].number else None,
        recorder_lost_stop_s=_least(threshold_of(faults, "recorder_lost"), limits.recorder_lost_stop_s),
        start_time_limit_s=limits.start_time_limit_s,
        telemetry_interval_s=float(settings.record.telemetry_interval_s),
        telemetry_idle_interval_s=float(settings.record.telemetry_idle_interval_s),
        over_temperature_c=_least(threshold_of(faults, "over_temperature"), limits.connector_temperature_stop_c),
        temperature_derate_c=_least(threshold_of(faults, "temperature_high"), limits.connector_temperature_derate_c),
    )


def meter_in_record(meter: Meter) -> dict[str, str | int]:
    """The billing meter as the record shows it."""
    due = meter.verification_due
    return {
        "model": meter.model,
        "address": meter.number or meter.address,
        "serial_number": meter.serial_number,
        "certificate_number": meter.certificate_number,
        "accuracy_class": meter.accuracy_class,
        "verification_due": "" if due is None else due.isoformat(),
        "energy_unit_wh": f"{meter.energy_unit_wh:g}",
    }
