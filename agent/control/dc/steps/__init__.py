"""The steps of the sequence: one function per state. Each sees a view of one instant and returns what it wants."""

from collections.abc import Callable, Mapping

from agent.control.dc.steps import charging, idle, insulation, precharge, reconnecting, start, stopping
from agent.control.dc.view import View
from agent.control.dc.wants import Wants
from agent.vocabulary import states

STEPS: Mapping[str, Callable[[View], Wants]] = {
    states.IDLE: idle.idle,
    states.PLUGGED: idle.plugged,
    states.SETTLED: idle.settled,
    states.FAULTED: idle.faulted,
    states.LOCKED: start.locked,
    states.HANDSHAKE: start.handshake,
    states.INSULATION: insulation.insulation,
    states.RECOGNITION: start.recognition,
    states.PARAMETERS: start.parameters,
    states.PRECHARGE: precharge.precharge,
    states.CHARGING: charging.charging,
    states.RECONNECTING: reconnecting.reconnecting,
    states.STOPPING: stopping.stopping,
}
