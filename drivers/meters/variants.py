"""Which of several firmware layouts a meter has: found by asking it, never by guessing."""

from collections.abc import Mapping, Sequence

from drivers.meters.modbus_map import Field, RegisterMap, Variant

Answer = float | int | None
"""What a probe gave: a value, or None when the meter refused the registers or had no value there."""


class VariantChooser:
    """The choices of one meter: probe fields go out, answers come in, until each choice is made.

    A variant is taken when it answers and every variant before it in the file has been heard. Where a variant must
    read above 0 to be believed and all read 0, the one that answers is taken only if no other does: a meter that is
    new reads 0 in the right place, a meter of the other firmware reads 0 in the wrong one.
    """

    def __init__(self, register_map: RegisterMap, signals: Sequence[str]) -> None:
        self._choices: dict[str, list[Variant]] = {}
        needed = {field.variant for field in register_map.fields if field.signal in signals}
        for variant in register_map.variants:
            self._choices.setdefault(variant.choice, []).append(variant)
        self._choices = {
            choice: variants
            for choice, variants in self._choices.items()
            if any(variant.name in needed for variant in variants)
        }
        self._fields = {
            variant.name: field
            for variant in register_map.variants
            for field in register_map.fields
            if field.variant == variant.name and field.signal == variant.probe
        }
        self._heard: dict[str, Answer] = {}
        self.chosen: dict[str, str] = {}
        """Variant taken, by choice."""

    @property
    def open(self) -> bool:
        """Whether a choice is still to be made."""
        return len(self.chosen) < len(self._choices)

    def probes(self) -> Mapping[str, Field]:
        """The field to read for each variant of an open choice, by variant."""
        return {
            variant.name: self._fields[variant.name]
            for choice, variants in self._choices.items()
            if choice not in self.chosen
            for variant in variants
        }

    def heard(self, name: str, answer: Answer) -> bool:
        """Take the answer to a probe. Returns whether a choice has been made with it.

        A time-out is no answer: it must not be handed in.
        """
        choice = next((c for c, variants in self._choices.items() if any(v.name == name for v in variants)), None)
        if choice is None or choice in self.chosen:
            return False
        self._heard[name] = answer
        taken = self._decide(self._choices[choice])
        if taken is None:
            return False
        self.chosen[choice] = taken
        return True

    def _decide(self, variants: Sequence[Variant]) -> str | None:
        answering = []
        for variant in variants:
            if variant.name not in self._heard:
                return None
            answer = self._heard[variant.name]
            if answer is None:
                continue
            if not variant.above_zero or answer > 0:
                return variant.name
            answering.append(variant.name)
        return answering[0] if len(answering) == 1 else None
