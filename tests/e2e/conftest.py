"""Fixtures of the tests on the whole pile, and the summary of the measured opening times."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from hil_tests.harness import standstill
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import IS_FULL, OPENING_TIME


@pytest.fixture
def pile() -> Iterator[Pile]:
    with Pile() as running:
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [] if IS_FULL else [item for item in items if item.get_closest_marker("full_form")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    standstill.mark([item for item in items if item.path.is_relative_to(Path(__file__).parent)])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    return (yield from standstill.judge(pyfuncitem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    running = getattr(item, "funcargs", {}).get("pile")
    if report.failed and call.when == "call" and isinstance(running, Pile):
        report.sections.append(("what the pile has said", running.story()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    times = [
        (float(str(value)), report.nodeid)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == OPENING_TIME
    ]
    if times:
        slowest, where = max(times)
        terminalreporter.write_line(
            f"contactors opened at most {slowest:.2f} s after the death of the field process ({where}), "
            f"{len(times)} measured"
        )
