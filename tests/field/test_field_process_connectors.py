"""What the field process drives: every connector of the site file, on one backlog, and all of them end before it."""

import selectors
from pathlib import Path

import pytest

from agent.field import process
from agent.field.loop import FieldLoop
from agent.field.process import _begin_chargers, _begin_listeners, _Shutdown
from agent.settings.load import load_site
from hil_tests.bench.site import write_monitor_file, write_two_guns_file


@pytest.fixture
def loop(tmp_path: Path) -> FieldLoop:
    site = load_site(write_two_guns_file(tmp_path, mqtt_port=1883))
    built = _begin_chargers(site, "0" * 32, "test", False, selectors.SelectSelector())
    assert isinstance(built, FieldLoop)
    return built


def test_every_connector_has_a_core_and_all_share_one_backlog(loop: FieldLoop) -> None:
    assert list(loop.cores) == [1, 2]
    assert loop.cores[1].backlog is loop.cores[2].backlog is loop.pile.backlog
    assert [core.parameters.connector for core in loop.cores.values()] == [1, 2]
    assert loop.state == "idle, idle"
    loop.close()


def test_listeners_are_built_of_each_connector(tmp_path: Path) -> None:
    site = load_site(write_monitor_file(tmp_path, tmp_path, mqtt_port=1883))
    built = _begin_listeners(site, "0" * 32, "test", False, selectors.SelectSelector())
    assert list(built.cores) == [1]
    built.close()


class _Ended:
    """Cores of which some are not safe yet."""

    def __init__(self) -> None:
        self.acknowledged, self.last_number = 4, 5
        self.safe_to_exit = False
        self.asked = 0
        self.state = "charging, idle"
        self.pile = self.backlog = self

    def request_shutdown(self) -> None:
        self.asked += 1


def test_the_end_waits_for_every_session_and_then_for_the_last_records() -> None:
    ended, shutdown = _Ended(), _Shutdown()
    assert not shutdown.is_over(ended, 10.0)  # type: ignore[arg-type]  # what it asks of a loop
    ended.safe_to_exit = True
    assert not shutdown.is_over(ended, 11.0)  # type: ignore[arg-type]  # as above
    ended.acknowledged = 5
    assert shutdown.is_over(ended, 12.0)  # type: ignore[arg-type]  # as above
    assert ended.asked == 1


@pytest.mark.parametrize(("safe", "limit_s"), [(True, process._LAST_RECORDS_S), (False, process._SHUTDOWN_LIMIT_S)])
def test_the_end_does_not_wait_for_ever(safe: bool, limit_s: float) -> None:
    ended, shutdown = _Ended(), _Shutdown()
    ended.safe_to_exit = safe
    assert not shutdown.is_over(ended, 10.0)  # type: ignore[arg-type]  # as above
    assert not shutdown.is_over(ended, 10.0 + limit_s)  # type: ignore[arg-type]  # as above
    assert shutdown.is_over(ended, 10.1 + limit_s)  # type: ignore[arg-type]  # as above
