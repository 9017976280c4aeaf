"""The command ``limit`` on its way through the loop: value, expiry, end, refusals, and who may speak for whom."""

from pathlib import Path
from typing import Any

import pytest
from field_world import WALL_MS, FieldWorld, PaperClient, one_gun, two_guns

from agent.link.messages import Command
from agent.vocabulary import kinds, reasons, states

HOUR_MS = 3_600_000
RATED_W = 60_000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    return one_gun(tmp_path, monkeypatch)


def limit(world: FieldWorld, client: PaperClient, command_id: str, **arguments: Any) -> tuple[str, str]:
    origin = reasons.ORIGIN_PLATFORM if client is world.north else reasons.ORIGIN_LOCAL
    reply = world.ask(client, "limit", command_id, arguments=arguments, origin=origin)
    assert reply.id == command_id
    return reply.result, reply.reason


def test_a_lower_limit_holds_without_an_end_until_off(world: FieldWorld) -> None:
    assert "power" not in world.loop.status(world.clock.now_s)
    assert limit(world, world.local, "a", power_w=20_000) == ("accepted", "")
    assert world.budget() == (20_000, "command:local")
    world.clock.now_s += 100_000.0
    assert world.budget() == (20_000, "command:local")
    assert limit(world, world.local, "b", off=True) == ("accepted", "")
    assert world.budget() == (RATED_W, "profile")


def test_from_the_first_limit_on_the_core_has_a_share_that_must_be_renewed(world: FieldWorld) -> None:
    core = world.loop.cores[1]
    world.step()
    before = core.point.share
    assert before is None
    limit(world, world.local, "a", power_w=20_000)
    share = core.point.share
    assert share is not None
    assert share.at(share.expires_at_s + 0.01) == (0.0, 0.0, "expired")
    world.step()
    assert core.point.share is not None
    assert core.point.share.expires_at_s > share.expires_at_s


def test_a_limit_with_an_end_runs_out_at_its_end(world: FieldWorld) -> None:
    assert limit(world, world.local, "a", power_w=20_000, until_ms=WALL_MS + 60_000) == ("accepted", "")
    world.clock.now_s = 1059.9
    assert world.budget() == (20_000, "command:local")
    world.clock.now_s = 1060.0
    assert world.budget() == (RATED_W, "profile")
    assert {"event": "power_limit_expired", "origin": "local"} in world.bodies(kinds.EVENT)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "bad_arguments: power_w"),
        ({"power_w": True}, "bad_arguments: power_w"),
        ({"power_w": "20"}, "bad_arguments: power_w"),
        ({"power_w": -1}, "bad_arguments: power_w"),
        ({"power_w": float("nan")}, "bad_arguments: power_w"),
        ({"power_w": float("inf")}, "bad_arguments: power_w"),
        ({"off": False}, "bad_arguments: power_w"),
        ({"off": 2}, "bad_arguments: power_w"),
        ({"power_w": 20_000, "until_ms": True}, "bad_arguments: until_ms"),
        ({"power_w": 20_000, "until_ms": "tomorrow"}, "bad_arguments: until_ms"),
        ({"power_w": 20_000, "until_ms": WALL_MS}, "expired"),
        ({"power_w": 80_000}, "no_expiry"),
        ({"power_w": 80_000, "until_ms": 0}, "no_expiry"),
        ({"power_w": 80_000, "until_ms": float("nan")}, "no_expiry"),
        ({"power_w": 80_000, "until_ms": WALL_MS + 25 * HOUR_MS}, "expiry_too_far"),
    ],
)
@pytest.mark.parametrize("who", ["local", "north"])
def test_a_limit_that_cannot_be_taken_changes_nothing(
    world: FieldWorld, arguments: dict[str, Any], reason: str, who: str
) -> None:
    client = getattr(world, who)
    limit(world, client, "first", power_w=30_000)
    before = world.budget()
    assert before[0] == 30_000
    assert limit(world, client, "second", **arguments) == ("rejected", reason)
    assert world.budget() == before


def test_more_power_needs_an_end_and_is_granted_with_one(world: FieldWorld) -> None:
    limit(world, world.local, "a", power_w=20_000)
    assert limit(world, world.local, "b", power_w=40_000) == ("rejected", "no_expiry")
    assert limit(world, world.local, "c", power_w=40_000, until_ms=WALL_MS + HOUR_MS) == ("accepted", "")
    assert world.budget() == (40_000, "command:local")


def test_an_end_means_nothing_while_the_clock_is_unset(world: FieldWorld) -> None:
    world.clock.quality = states.CLOCK_UNSET
    assert limit(world, world.local, "a", power_w=20_000, until_ms=WALL_MS + 1000) == ("accepted", "")
    assert limit(world, world.local, "b", power_w=30_000, until_ms=WALL_MS + HOUR_MS) == ("rejected", "no_expiry")
    world.clock.now_s += 10.0
    assert world.budget() == (20_000, "command:local")


def test_platform_and_pile_each_keep_their_own_limit_and_the_least_holds(world: FieldWorld) -> None:
    limit(world, world.north, "a", power_w=30_000)
    limit(world, world.local, "b", power_w=20_000)
    assert world.budget() == (20_000, "command:local")
    assert limit(world, world.local, "c", off=True) == ("accepted", "")
    assert world.budget() == (30_000, "command:platform")
    limit(world, world.local, "d", off=True)
    assert world.budget() == (30_000, "command:platform"), "a person's off ends no limit of the platform"
    limit(world, world.north, "e", off=True)
    assert world.budget() == (RATED_W, "profile")


def test_only_the_recorder_speaks_for_the_platform(world: FieldWorld) -> None:
    reply = world.ask(world.local, "limit", "a", arguments={"power_w": 20_000}, origin=reasons.ORIGIN_PLATFORM)
    assert reply.result == "accepted"
    assert world.budget() == (20_000, "command:local")
    assert [body["origin"] for body in world.commands()] == ["local"]


def test_the_expiry_of_the_message_counts_for_a_limit_without_one(world: FieldWorld) -> None:
    reply = world.ask(
        world.north, "limit", "a", arguments={"power_w": 20_000},
        origin=reasons.ORIGIN_PLATFORM, expires_wall_ms=WALL_MS + 5_000,
    )  # fmt: skip
    assert reply.result == "accepted"
    assert world.budget() == (20_000, "command:platform")
    world.clock.now_s += 5.0
    assert world.budget() == (RATED_W, "profile")


def test_taken_and_refused_limits_are_recorded(world: FieldWorld) -> None:
    limit(world, world.north, "a", power_w=20_000)
    limit(world, world.local, "b", power_w=-1)
    assert [
        (body["id"], body["name"], body["origin"], body["result"], body.get("reason", "")) for body in world.commands()
    ] == [
        ("a", "limit", "platform", "accepted", ""),
        ("b", "limit", "local", "rejected", "bad_arguments: power_w"),
    ]


def test_a_repeated_id_gets_its_former_answer_and_acts_no_second_time(world: FieldWorld) -> None:
    limit(world, world.north, "a", power_w=30_000)
    limit(world, world.north, "b", power_w=20_000)
    limit(world, world.north, "c", off=True)
    assert limit(world, world.north, "b", power_w=20_000) == ("accepted", "")
    assert world.budget() == (RATED_W, "profile")
    assert len(world.commands()) == 3


def test_a_limit_is_for_the_whole_pile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_guns(tmp_path, monkeypatch)
    rated_w, by = world.budget()
    assert by == "profile"
    assert limit(world, world.local, "a", power_w=25_000) == ("accepted", "")
    assert rated_w > 25_000
    assert world.budget() == (25_000, "command:local")
    assert [core.point.share is not None for core in world.loop.cores.values()] == [True, True]
    # Any other command without a connector is refused on this pile, and answered once.
    assert not world.take(world.local, Command("b", "start"))
    world.step()
    assert [(reply.id, reply.reason) for reply in world.local.replies] == [("a", ""), ("b", "connector_missing")]
