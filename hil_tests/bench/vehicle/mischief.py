"""Commands that make the vehicle misbehave while it runs: one command per line, see ``COMMANDS``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.gbt27930.messages.table import MESSAGES, Sender

COMMANDS: tuple[tuple[str, str], ...] = (
    ("stop [REASON]", "end the charge now by BST; REASON is a field of BST, soc_target_reached if left out"),
    ("silence NAME|all", "stop sending a message of the BMS"),
    ("speak NAME|all", "send it again"),
    ("length NAME BYTES|right", "send a message with a wrong length"),
    ("payload NAME HEX|own", "send these bytes as the message, as long as they are"),
    ("single NAME|none", "send a long message without the transport protocol: one frame with its first 8 bytes"),
    ("replace NAME WITH|none", "whenever NAME is due, send the message WITH instead"),
    ("keep NAME|none", "go on sending NAME in all later phases once it has begun"),
    ("ready no|yes", "report not ready: BRO stays 00, or falls back to 00"),
    ("mismatch PERCENT", "announce a battery voltage in BCP that is off by so much"),
    ("demand VOLTS AMPERES|own", "demand this, whatever CML allows"),
    ("fault NAME", "raise a state of BSM, for example over_temperature"),
    ("untrusted NAME", "set a state of BSM to 10"),
    ("clear NAME|all", "let a state of BSM follow the battery again"),
    ("permit off|on", "BSM permit 00 (pause) and 01"),
    ("timers off|on", "go on without the charger's messages"),
    ("freeze", "neither receive nor send; contactors stay as they are"),
    ("thaw", "go on after freeze"),
    ("contactors open|follow", "force K5/K6 open"),
    ("raw IDENTIFIER DATA", "send one frame, both hexadecimal, 29-bit identifier"),
    ("when SIGN [SECONDS] COMMAND", "do COMMAND once, so long after the charger's message SIGN is next heard"),
    ("when none", "forget all commands that wait for a sign"),
    ("soc PERCENT", "set the state of charge"),
    ("target PERCENT", "set the end of the charge"),
    ("temperature DEGREES", "set the temperature of the pack"),
    ("insulation KILOOHM", "set the insulation resistance of the pack"),
    ("normal", "take all misbehaviour back; the battery stays as it is"),
    ("state", "print the state of the vehicle as JSON"),
    ("stalls", "print the longest delay of this process in ms since the last call"),
    ("help", "list these commands"),
)
"""The misbehaviour of a vehicle, set by commands."""

SPOKEN: tuple[str, ...] = tuple(name for name, message in MESSAGES.items() if message.sender is Sender.VEHICLE)
"""Messages a vehicle sends."""

BSM_STATES: dict[str, tuple[str, int]] = {
    "cell_voltage": ("cell_voltage_state", 1),
    "cell_voltage_low": ("cell_voltage_state", 2),
    "soc": ("soc_state", 1),
    "soc_low": ("soc_state", 2),
    "over_current": ("over_current_state", 1),
    "over_temperature": ("over_temperature_state", 1),
    "insulation": ("insulation_state", 1),
    "connector": ("connector_state", 1),
}
"""States of BSM by the name a command uses: field and value."""

SIGNS: tuple[str, ...] = (
    "CHM", "CRM-00", "CRM-AA", "CTS", "CML", "CRO-00", "CRO-AA", "CCS", "CST", "CSD", "CEM",
)  # fmt: skip
"""What a command can wait for: messages of the charger, CRM and CRO with their content."""

LONGEST_DELAY_S = 3600.0
LONGEST_PAYLOAD = 1785
ORDERS_AT_MOST = 64

STOP_REASONS: tuple[str, ...] = tuple(entry.name for entry in MESSAGES["BST"].fields)
"""Fields of BST."""


class CommandError(ValueError):
    """An invalid command; the text lists the valid ones."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that waits for a sign and then ``delay_s`` seconds."""

    sign: str
    delay_s: float
    command: str


def sign_of(name: str, values: Mapping[str, Any]) -> str:
    """The sign a message of the charger is: its name, with -00 or -AA for CRM and CRO."""
    field_name = {"CRM": "recognised", "CRO": "ready"}.get(name)
    return name if field_name is None else f"{name}-{'AA' if values[field_name] else '00'}"


@dataclass(slots=True)
class Mischief:
    """All that makes the vehicle differ from a well-behaved one. The defaults are good behaviour."""

    silenced: set[str] = field(default_factory=set)
    lengths: dict[str, int] = field(default_factory=dict)
    payloads: dict[str, bytes] = field(default_factory=dict)
    singles: set[str] = field(default_factory=set)
    replaced: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    orders: list[Order] = field(default_factory=list)
    never_ready: bool = False
    mismatch_percent: float = 0.0
    demand: tuple[float, float] | None = None
    states: dict[str, int] = field(default_factory=dict)
    permit: bool = True
    watch_timers: bool = True
    frozen: bool = False
    contactors_forced_open: bool = False

    def apply(self, text: str) -> str | None:
        """Execute one command and return its effect; None if it is not a command of misbehaviour.

        Raises CommandError when the command is one of these but its arguments are wrong.
        """
        verb, *arguments = text.split()
        handler = _HANDLERS.get(verb)
        if handler is None:
            return None
        count, usage, action = handler
        if len(arguments) != count:
            raise CommandError(f"write: {usage}")
        return action(self, *arguments)

    # ---------------------------------------------------------------------------------------------- single commands

    def _silence(self, name: str) -> str:
        self.silenced |= set(_messages(name))
        return f"silent: {', '.join(sorted(self.silenced))}"

    def _speak(self, name: str) -> str:
        self.silenced -= set(_messages(name))
        return f"silent: {', '.join(sorted(self.silenced)) or 'none'}"

    def _length(self, name: str, size: str) -> str:
        (message,) = _messages(name, everything=False)
        if size == "right":
            self.lengths.pop(message, None)
            return f"{message} has its right length"
        self.lengths[message] = int(_number(size, 1, 1785))
        return f"{message} has {self.lengths[message]} bytes"

    def _payload(self, name: str, text: str) -> str:
        (message,) = _messages(name, everything=False)
        if text == "own":
            self.payloads.pop(message, None)
            return f"{message} has its normal content"
        try:
            payload = bytes.fromhex(text)
        except ValueError:
            raise CommandError(f"{text!r} is not hexadecimal") from None
        if not 1 <= len(payload) <= LONGEST_PAYLOAD:
            raise CommandError(f"a message has 1 to {LONGEST_PAYLOAD} bytes")
        self.payloads[message] = payload
        return f"{message} has the content {payload.hex()}"

    def _single(self, name: str) -> str:
        if name == "none":
            self.singles.clear()
            return "everything long goes by the transport protocol"
        (message,) = _messages(name, everything=False)
        self.singles.add(message)
        return f"in one frame: {', '.join(sorted(self.singles))}"

    def _keep(self, name: str) -> str:
        if name == "none":
            self.kept.clear()
            return "nothing goes on beyond its phase"
        (message,) = _messages(name, everything=False)
        self.kept.add(message)
        return f"goes on: {', '.join(sorted(self.kept))}"

    def _replace(self, name: str, by: str) -> str:
        (message,) = _messages(name, everything=False)
        if by == "none":
            self.replaced.pop(message, None)
            return f"{message} is itself"
        (self.replaced[message],) = _messages(by, everything=False)
        return f"{self.replaced[message]} instead of {message}"

    def wait_for(self, arguments: list[str]) -> str:
        """``when SIGN [SECONDS] COMMAND`` or ``when none``; whether COMMAND makes sense shows when it is done."""
        if arguments == ["none"]:
            self.orders.clear()
            return "nothing waits"
        usage = f"write: when SIGN [SECONDS] COMMAND; SIGN is one of {', '.join(SIGNS)}"
        if len(arguments) < 2 or arguments[0].upper() not in SIGNS:
            raise CommandError(usage)
        sign, rest, delay_s = arguments[0].upper(), arguments[1:], 0.0
        if rest[0][0].isdigit():
            delay_s, rest = _number(rest[0], 0.0, LONGEST_DELAY_S), rest[1:]
        if not rest or rest[0] not in _VERBS or rest[0] in ("when", "help", "state", "stalls"):
            raise CommandError(usage)
        if len(self.orders) >= ORDERS_AT_MOST:
            raise CommandError(f"{ORDERS_AT_MOST} commands wait already; `when none` forgets them")
        self.orders.append(Order(sign, delay_s, " ".join(rest)))
        return f"after {sign}{f' and {delay_s:g} s' if delay_s else ''}: {' '.join(rest)}"

    def due_orders(self, sign: str) -> list[Order]:
        """Orders that wait for this sign; they wait no more."""
        found = [order for order in self.orders if order.sign == sign]
        if found:
            self.orders = [order for order in self.orders if order.sign != sign]
        return found

    def _ready(self, answer: str) -> str:
        self.never_ready = not _choice(answer, yes="yes", no="no")
        return "never ready" if self.never_ready else "ready as usual"

    def _mismatch(self, percent: str) -> str:
        self.mismatch_percent = _number(percent, -100, 200)
        return f"battery voltage in BCP is off by {self.mismatch_percent:g} %"

    def _fault(self, name: str) -> str:
        state, value = _state(name)
        self.states[state] = value
        return f"{state} is {value}"

    def _untrusted(self, name: str) -> str:
        state, _ = _state(name)
        self.states[state] = 2
        return f"{state} is 2"

    def _clear(self, name: str) -> str:
        if name == "all":
            self.states.clear()
            return "all states follow the battery"
        state, _ = _state(name)
        self.states.pop(state, None)
        return f"{state} follows the battery"

    def _permit(self, answer: str) -> str:
        self.permit = _choice(answer, yes="on", no="off")
        return f"charging permitted: {answer}"

    def _timers(self, answer: str) -> str:
        self.watch_timers = _choice(answer, yes="on", no="off")
        return f"timers {answer}"

    def _freeze(self) -> str:
        self.frozen = True
        return "frozen"

    def _thaw(self) -> str:
        self.frozen = False
        return "thawed"

    def _contactors(self, answer: str) -> str:
        self.contactors_forced_open = not _choice(answer, yes="follow", no="open")
        return f"contactors {answer}"

    def take_demand(self, arguments: list[str]) -> str:
        """``demand own`` or ``demand VOLTS AMPERES``."""
        if arguments == ["own"]:
            self.demand = None
            return "the battery's own demand"
        if len(arguments) != 2:
            raise CommandError("write: demand VOLTS AMPERES, or demand own")
        # The bounds are those of the encoding (BCL), not those of any charger: absurd demands are the purpose.
        self.demand = (_number(arguments[0], 0, 1500), _number(arguments[1], 0, 400))
        return f"demands {self.demand[0]:g} V and {self.demand[1]:g} A"


_HANDLERS: Mapping[str, tuple[int, str, Callable[..., str]]] = {
    "silence": (1, "silence NAME, or silence all", Mischief._silence),
    "speak": (1, "speak NAME, or speak all", Mischief._speak),
    "length": (2, "length NAME BYTES, or length NAME right", Mischief._length),
    "payload": (2, "payload NAME HEX, or payload NAME own", Mischief._payload),
    "single": (1, "single NAME, or single none", Mischief._single),
    "replace": (2, "replace NAME WITH, or replace NAME none", Mischief._replace),
    "keep": (1, "keep NAME, or keep none", Mischief._keep),
    "ready": (1, "ready yes, or ready no", Mischief._ready),
    "mismatch": (1, "mismatch PERCENT", Mischief._mismatch),
    "fault": (1, "fault NAME", Mischief._fault),
    "untrusted": (1, "untrusted NAME", Mischief._untrusted),
    "clear": (1, "clear NAME, or clear all", Mischief._clear),
    "permit": (1, "permit on, or permit off", Mischief._permit),
    "timers": (1, "timers on, or timers off", Mischief._timers),
    "freeze": (0, "freeze", Mischief._freeze),
    "thaw": (0, "thaw", Mischief._thaw),
    "contactors": (1, "contactors open, or contactors follow", Mischief._contactors),
}

_VERBS = frozenset(usage.split()[0] for usage, _ in COMMANDS)


def number(text: str, low: float, high: float) -> float:
    """A number of a command. Raises CommandError if it is none or out of range."""
    return _number(text, low, high)


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise CommandError(f"{text!r} is not a number") from None
    if not low <= value <= high:
        raise CommandError(f"{text} is outside {low:g} to {high:g}")
    return value


def _choice(answer: str, *, yes: str, no: str) -> bool:
    if answer not in (yes, no):
        raise CommandError(f"{answer!r} is neither {yes} nor {no}")
    return answer == yes


def _messages(name: str, *, everything: bool = True) -> tuple[str, ...]:
    if everything and name == "all":
        return SPOKEN
    if name.upper() not in SPOKEN:
        raise CommandError(f"the vehicle sends no {name}; it sends {', '.join(SPOKEN)}")
    return (name.upper(),)


def _state(name: str) -> tuple[str, int]:
    if name not in BSM_STATES:
        raise CommandError(f"BSM has no state {name}; it has {', '.join(BSM_STATES)}")
    return BSM_STATES[name]


def help_text() -> str:
    """The commands as a table of text."""
    width = max(len(usage) for usage, _ in COMMANDS)
    return "\n".join(f"{usage:{width}}  {meaning}" for usage, meaning in COMMANDS)
