"""What was measured before a demand judges nothing that comes after it."""

import pytest
from control_world import parameters_with

from agent.control.chassis.image import ProcessImage
from agent.control.safety.rules import conditions
from agent.control.safety.situation import Situation
from drivers.reading import Reading


@pytest.mark.parametrize("name", ["outside_voltage_v", "inside_voltage_v", "meter_voltage_v", "module_voltage_v"])
@pytest.mark.parametrize(("taken_at_s", "raised"), [(9.99, False), (10.0, True), (10.5, True)])
def test_only_readings_of_this_demand_count(name: str, taken_at_s: float, raised: bool) -> None:
    image = ProcessImage()
    image.put(name, Reading(456.0, "V", taken_at_s))
    situation = Situation(now_s=10.5, started_at_s=0.0, voltage_ceiling_v=387.0, voltage_ceiling_since_s=10.0)
    assert ("output_over_voltage" in conditions(image, situation, parameters_with())) is raised
