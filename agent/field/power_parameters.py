"""The parameters of power sharing from a checked site: budget, groups of modules, contactors that join them."""

from agent.control.power.parameters import AllocationContactor, ModuleGroup, PowerParameters
from agent.field.parameters import ratings_of
from agent.settings.site import Site


def power_parameters(site: Site) -> PowerParameters:
    """What power sharing must know of the pile."""
    profile, power = site.profile, site.settings.power
    fitted = {group.id: group.module_count for group in site.settings.module_group}
    ratings = {connector.number: ratings_of(site, connector) for connector in site.connectors}
    return PowerParameters(
        maximum_power_w=float(profile.maximum_power_w),
        maximum_voltage_v=profile.maximum_voltage_v,
        connector_power_w={number: power_w for number, (power_w, _) in ratings.items()},
        connector_current_a={number: current_a for number, (_, current_a) in ratings.items()},
        groups=tuple(
            ModuleGroup(
                group.id,
                group.connector,
                fitted.get(group.id) or group.module_count,
                float(group.maximum_power_w),
                group.maximum_current_a,
                profile.minimum_voltage_v,
                profile.maximum_voltage_v,
            )
            for group in profile.group
        ),
        contactors=tuple(
            AllocationContactor(entry.group, entry.connector, entry.output, entry.feedback)
            for entry in profile.allocation
        ),
        policy=power.policy,
        incomer_limit_w=None if power.incomer_limit_w is None else float(power.incomer_limit_w),
        default_limit_w=None if power.default_limit_w is None else float(power.default_limit_w),
    )
