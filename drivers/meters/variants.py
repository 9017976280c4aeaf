"""Which of several firmware layouts a meter has: found by asking it, never by guessing."""

from collections.abc import Mapping, Sequence

from drivers.meters.modbus_map import Field, RegisterMap, Variant

Answer = float | int | None
"""What a probe gave: a value, or None when the meter refused the registers or had no value there."""


class VariantChooser:
    """The choices of one meter: probe fields go out, answers come in, until each choice is made.

    A variant is taken when it answers and every variant before it in the file has been heard. Where a variant must
    read above 0 to count and all read 0, the one that answers is taken only if no other does: a meter that is
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
        """The field to read for each variant of an open choice, by variant; refused ones only when all are."""
        found = {}
        for choice, variants in self._choices.items():
            if choice in self.chosen:
                continue
            names = [variant.name for variant in variants]
            worth = [name for name in names if not self._is_refused(name)] or names
            found.update({name: self._fields[name] for name in worth})
        return found

    @property
    def hopeless(self) -> bool:
        """Whether all that is left to probe has been refused: then asking seldom is enough."""
        return all(self._is_refused(name) for name in self.probes())

    def _is_refused(self, name: str) -> bool:
        return name in self._heard and self._heard[name] is None

    def heard(self, name: str, answer: Answer) -> bool:
        """Take the answer to a probe. Returns whether a choice has been made with it.

        A single time-out is no answer and must not be handed in; silence while the meter answers others is a refusal.
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
