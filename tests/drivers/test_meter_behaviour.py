"""What a meter does that is not as the map hopes: firmware variants, ratios, refused functions and registers."""

from pathlib import Path

import msgspec
import pytest
from meter_images import Image, close, poll, poll_for

from drivers.line.owner import Result
from drivers.meters.meter import Meter
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import load_register_map
from drivers.meters.variants import VariantChooser

MAPS = Path(__file__).parents[2] / "config" / "meters"
DTSU = load_register_map(MAPS / "chint-dtsu666.toml")
ADL = load_register_map(MAPS / "acrel-adl400.toml")
SDM = load_register_map(MAPS / "eastron-sdm630.toml")

ENERGY = ("energy_import_wh",)


def dtsu(*, new: float | None, old: float | None, ct: int = 1, pt: int = 10) -> Image:
    image = Image().put(0x0006, ct, pt)
    for register, value in ((0x101E, new), (0x401E, old)):
        if value is not None:
            image.put_packed(register, "f", value)
    return image


class TestVariants:
    @pytest.mark.parametrize(
        ("new", "old", "found", "energy_wh"),
        [
            (12.5, None, "new", 12_500),
            (None, 12.5, "old", 12_500),
            # The wrong place may read 0 for ever.
            (0.0, 12.5, "old", 12_500),
            (12.5, 0.0, "new", 12_500),
            # Both count: the first of the file.
            (12.5, 99.0, "new", 12_500),
            # A new meter that knows one place only.
            (0.0, None, "new", 0),
            (None, 0.0, "old", 0),
        ],
    )
    def test_the_place_that_answers_plausibly_is_taken(
        self, new: float | None, old: float | None, found: str, energy_wh: int
    ) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        readings = poll_for(meter, dtsu(new=new, old=old), 7)
        assert meter.variants == {"energy": found}
        assert readings["energy_import_wh"].value == energy_wh

    def test_two_zeros_prove_nothing_and_are_no_value(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=0.0, old=0.0)
        assert poll_for(meter, image, 5) == {}
        assert meter.variants == {}
        image.put_packed(0x401E, "f", 0.25)
        assert poll_for(meter, image, 6, 10.0)["energy_import_wh"].value == 250
        assert meter.variants == {"energy": "old"}

    def test_no_place_that_answers_is_no_value(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        assert poll_for(meter, dtsu(new=None, old=None), 5) == {}
        assert meter.next_due(100.0) == 100.0

    def test_a_time_out_decides_nothing(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=12.5, old=77.0)
        for request in meter.requests(0.0):
            if request.register == 0x101E:
                meter.accept(Result(request, error="timeout", at_s=0.2))
            else:
                meter.accept(image.answer(request, 0.2))
        assert meter.variants == {}
        poll_for(meter, image, 2, 1.0)
        assert meter.variants == {"energy": "new"}

    @staticmethod
    def silent_on(meter: Meter, image: Image, registers: set[int], at_s: float) -> dict[str, float | int | bool]:
        """One poll of a meter that does not answer at all where others refuse."""
        found: dict[str, float | int | bool] = {}
        for request in meter.requests(at_s):
            if request.register in registers:
                image.asked.append(request)
                meter.accept(Result(request, error="timeout", at_s=at_s + 0.2))
            else:
                found |= {name: reading.value for name, reading in meter.accept(image.answer(request, at_s + 0.1))}
        return found

    def test_silence_in_one_place_is_a_refusal_when_the_meter_answers_elsewhere(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=None, old=12.5)
        for at_s in range(2):
            self.silent_on(meter, image, {0x101E}, float(at_s))
        assert meter.variants == {}
        self.silent_on(meter, image, {0x101E}, 2.0)
        self.silent_on(meter, image, {0x101E}, 3.0)
        assert meter.variants == {"energy": "old"}
        assert self.silent_on(meter, image, {0x101E}, 10.0) == {"energy_import_wh": 12_500}

    def test_silence_of_the_whole_meter_decides_nothing(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=12.5, old=12.5)
        for at_s in range(10):
            self.silent_on(meter, image, {0x101E, 0x401E, 0x0006}, float(at_s))
        assert meter.variants == {}
        poll_for(meter, image, 2, 40.0)
        assert meter.variants == {"energy": "new"}

    def test_a_damaged_reply_is_no_silence(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=12.5, old=99.0)
        for at_s in range(6):
            for request in meter.requests(float(at_s)):
                broken = request.register == 0x101E
                result = Result(request, error="crc", at_s=at_s + 0.1) if broken else image.answer(request, at_s + 0.1)
                meter.accept(result)
        assert meter.variants == {}

    def test_a_meter_that_has_neither_place_is_asked_seldom(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=None, old=None)
        poll_for(meter, image, 61)
        probes = [request for request in image.asked if request.register in (0x101E, 0x401E)]
        assert len(probes) <= 8
        image.put_packed(0x101E, "f", 5.0)
        assert poll_for(meter, image, 70, 61.0)["energy_import_wh"].value == 5000

    def test_a_place_that_was_refused_is_not_asked_again_while_another_answers(self) -> None:
        wanted = msgspec.structs.replace(
            DTSU,
            variants=[*DTSU.variants, msgspec.structs.replace(DTSU.variants[0], name="third")],
            fields=[
                *DTSU.fields,
                *(
                    msgspec.structs.replace(field, variant="third", register=0x5000)
                    for field in DTSU.fields
                    if field.variant == "old" and field.signal == "energy_import_wh"
                ),
            ],
        )
        meter = Meter(wanted, 1, 1.0, signals=ENERGY)
        image = dtsu(new=0.0, old=None).put_packed(0x5000, "f", 0.0)
        poll_for(meter, image, 5)
        assert [request.register for request in image.asked].count(0x401E) == 1
        assert [request.register for request in image.asked].count(0x5000) == 5

    def test_a_busy_meter_decides_nothing(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        for request in meter.requests(0.0):
            meter.accept(Result(request, error="exception", exception_code=6, at_s=0.2))
        assert meter.variants == {}
        assert poll_for(meter, dtsu(new=None, old=3.0), 7, 5.0)["energy_import_wh"].value == 3000

    def test_probing_ends_when_the_choice_is_made(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=ENERGY)
        image = dtsu(new=12.5, old=0.0)
        poll_for(meter, image, 3)
        image.asked.clear()
        poll_for(meter, image, 12, 20.0)
        assert {request.register for request in image.asked} == {0x0006, 0x101E}

    def test_other_signals_do_not_wait_for_the_choice(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=("frequency_hz", "energy_import_wh"))
        image = dtsu(new=0.0, old=0.0).put_packed(0x2044, "f", 5001.0)
        assert close(poll(meter, image)["frequency_hz"].value, 50.01)

    def test_nothing_is_probed_that_nobody_wants(self) -> None:
        assert not VariantChooser(DTSU, ["frequency_hz"]).open
        assert VariantChooser(DTSU, ENERGY).open

    def test_answers_that_nobody_asked_for_change_nothing(self) -> None:
        chooser = VariantChooser(DTSU, ENERGY)
        assert not chooser.heard("newer", 5.0)
        assert not chooser.heard("new", None)
        assert chooser.heard("old", 5.0)
        assert not chooser.heard("new", 5.0)
        assert chooser.chosen == {"energy": "old"}
        assert chooser.probes() == {}

    def test_the_primary_side_is_used_when_it_answers_and_else_the_ratio(self) -> None:
        signals = ("active_power_w", "current_l1_a")
        image = Image().put(0x64, 500).put(0x6A, 1000).put(0x14B, 40).put(0x16A, 0, 39999)
        meter = Meter(ADL, 1, 1.0, signals=signals)
        readings = poll_for(meter, image, 2)
        assert meter.variants == {"power": "primary"}
        assert [readings[name].value for name in signals] == [39999.0, 200.0]
        del image.words[0x16A]
        meter = Meter(ADL, 1, 1.0, signals=signals)
        readings = poll_for(meter, image, 2)
        assert meter.variants == {"power": "secondary"}
        assert [readings[name].value for name in signals] == [40000.0, 200.0]


class TestRatios:
    SIGNALS = ("voltage_l1_v", "current_l1_a", "active_power_w")

    def image(self, ct: int, pt: int) -> Image:
        image = Image().put(0x0006, ct, pt)
        for register in range(0x2000, 0x2034):
            image.put(register, 0)
        return image.put_packed(0x2006, "f", 1000.0).put_packed(0x200C, "f", 5000.0).put_packed(0x2012, "f", 10000.0)

    def test_voltage_current_and_power_take_their_own_ratios(self) -> None:
        readings = poll(Meter(DTSU, 1, 1.0, signals=self.SIGNALS), self.image(40, 1000))
        # 100.0 V times 100, 5.000 A times 40, 1000.0 W times 4000.
        assert [readings[name].value for name in self.SIGNALS] == [10000.0, 200.0, 4_000_000.0]

    @pytest.mark.parametrize(
        ("ct", "pt", "there"),
        [
            (0, 10, {"voltage_l1_v"}),
            (1, 10, {"voltage_l1_v", "current_l1_a", "active_power_w"}),
            (9999, 9999, {"voltage_l1_v", "current_l1_a", "active_power_w"}),
            (10000, 10, {"voltage_l1_v"}),
            (1, 0, {"current_l1_a"}),
            (1, 10000, {"current_l1_a"}),
        ],
    )
    def test_a_ratio_that_makes_no_sense_is_no_value(self, ct: int, pt: int, there: set[str]) -> None:
        assert poll(Meter(DTSU, 1, 1.0, signals=self.SIGNALS), self.image(ct, pt)).keys() == there

    def test_a_ratio_that_was_read_too_long_ago_is_none(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=self.SIGNALS)
        image = self.image(2, 10)
        assert len(poll(meter, image)) == 3
        del image.words[0x0006]
        # It counts for three of its intervals of 30 polls.
        assert len(poll(meter, image, 90.0)) == 3
        assert len(poll(meter, image, 91.0)) == 0

    def test_values_wait_for_the_first_ratio(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=self.SIGNALS)
        image = self.image(2, 10)
        ratio, values = meter.requests(0.0)
        assert ratio.register == 0x0006
        assert meter.accept(image.answer(values, 0.1)) == []
        meter.accept(image.answer(ratio, 0.2))
        assert len(meter.accept(image.answer(meter.requests(1.0)[0], 1.1))) == 3

    def test_a_ratio_can_be_bound_to_the_values(self) -> None:
        ratios = [
            msgspec.structs.replace(ratio, register=0x2020 + index, same_request=True)
            for index, ratio in enumerate(DTSU.ratios)
        ]
        bound: RegisterMap = msgspec.structs.replace(DTSU, ratios=ratios)
        image = self.image(1, 1).put(0x2020, 40, 1000)
        meter = Meter(bound, 1, 1.0, signals=("active_power_w",))
        [request] = meter.requests(0.0)
        assert (request.register, request.count) == (0x2012, 0x2021 - 0x2012 + 1)
        [(_, reading)] = meter.accept(image.answer(request, 0.1))
        assert reading.value == 4_000_000.0


class TestRefusals:
    def test_another_function_code_is_tried_when_the_first_is_refused(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=("frequency_hz",))
        image = Image(functions=[4]).put_packed(0x2044, "f", 5000.0)
        assert poll(meter, image) == {}
        assert poll(meter, image, 1.0)["frequency_hz"].value == 50.0
        assert [request.function for request in image.asked] == [3, 4]

    def test_when_all_function_codes_are_refused_the_last_stays(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=("frequency_hz",))
        image = Image(functions=[])
        poll_for(meter, image, 40)
        assert [request.function for request in image.asked] == [3, 4, 4, 4, 4]

    def test_a_joined_request_that_is_refused_twice_is_asked_in_parts(self) -> None:
        # This unit refuses the unnamed registers between the phases and the totals.
        signals = ("voltage_l1_v", "active_power_w")
        image = Image(functions=[4]).put_packed(0x00, "f", 230.5).put_packed(0x34, "f", 1500.0)
        image.most = 2
        map_ = msgspec.structs.replace(SDM, fields=[f for f in SDM.fields if f.signal in (*signals, "voltage_l2_v")])
        meter = Meter(map_, 1, 1.0, signals=("voltage_l1_v", "voltage_l2_v", "active_power_w"))
        image.put_packed(0x02, "f", 231.5)
        assert poll(meter, image, 0.0).keys() == {"active_power_w"}
        assert poll(meter, image, 1.0).keys() == {"active_power_w"}
        assert poll(meter, image, 2.0).keys() == {"voltage_l1_v", "voltage_l2_v", "active_power_w"}
        assert all(request.count == 2 for request in image.asked[-3:])

    def test_one_refusal_between_good_answers_changes_nothing(self) -> None:
        meter = Meter(SDM, 1, 1.0, signals=("voltage_l1_v", "voltage_l2_v"))
        image = Image(functions=[4]).put_packed(0x00, "f", 230.5, 231.5)
        for at_s in range(6):
            image.most = 2 if at_s % 2 else 125
            poll(meter, image, float(at_s))
        assert {request.count for request in image.asked} == {4}

    def test_a_single_request_that_is_refused_is_asked_again(self) -> None:
        meter = Meter(SDM, 1, 1.0, signals=("voltage_l1_v",))
        image = Image(functions=[4])
        assert poll_for(meter, image, 5) == {}
        image.put_packed(0x00, "f", 230.5)
        assert poll(meter, image, 5.0)["voltage_l1_v"].value == 230.5

    def test_a_result_of_a_request_that_is_no_longer_planned_is_dropped(self) -> None:
        meter = Meter(DTSU, 1, 1.0, signals=("frequency_hz",))
        [request] = meter.requests(0.0)
        meter.accept(Result(request, error="exception", exception_code=1, at_s=0.1))
        assert meter.accept(Result(request, (0x459C, 0x4000), at_s=0.2)) == []
