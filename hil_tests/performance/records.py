"""Figure "records": how fast records become durable, and how fast the uplink brings them to a broker."""

import random
import selectors
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent.records.ledger import Ledger
from agent.uplink.mqtt import pile_connection
from agent.uplink.service import Identity, Uplink
from agent.vocabulary.messages import Topics
from agent.vocabulary.record import Record
from agent.vocabulary.states import ROLE_CHARGER
from hil_tests.performance.broker import broker
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import summarise
from hil_tests.performance.virtual_pile import reference_site

GROUP = "records"
BATCH = 50
_WALL_MS = 1_790_000_000_000
_BOOT = "0" * 32
_DRAIN_TIMEOUT_S = 120.0


def messages(kind: str, session: str | None = None) -> Iterator[Record]:
    """Records of a size that a charge makes, numbered from 1."""
    number = 0
    while True:
        number += 1
        yield Record(
            boot_id=_BOOT,
            number=number,
            kind=kind,
            at_s=number * 0.01,
            wall_ms=_WALL_MS + number * 10,
            wall_quality="synced",
            connector=1,
            session=session,
            body={
                "state": "charging",
                "register_wh": 1_234_567 + number,
                "voltage_dv": 3841,
                "current_da": 1203,
                "power_w": 46_207,
                "energy_wh": number,
                "soc_percent": 57,
                "demand_voltage_dv": 3888,
                "demand_current_da": 1300,
                "limit_w": 60_000,
            },
        )


def _batches(folder: Path, count: int) -> Figure:
    source = messages("telemetry")
    ledger = Ledger(folder, _WALL_MS)
    try:
        batches = [[next(source) for _ in range(BATCH)] for _ in range(count)]
        begin_s = time.monotonic()
        for batch in batches:
            ledger.append(batch)
        rate = count * BATCH / (time.monotonic() - begin_s)
    finally:
        ledger.close()
    return Figure(GROUP, f"durable records in batches of {BATCH}", round(rate), "1/s", samples=count * BATCH)


def _singles(folder: Path, count: int) -> Figure:
    """Each record alone in its transaction: what a start waits for before anything is energised."""
    source = messages("state")
    ledger = Ledger(folder, _WALL_MS)
    costs_ms: list[float] = []
    try:
        for _ in range(count):
            message = next(source)
            begin_s = time.monotonic()
            ledger.append([message])
            costs_ms.append((time.monotonic() - begin_s) * 1000.0)
    finally:
        ledger.close()
    summary = summarise(costs_ms)
    return Figure(
        GROUP,
        "one durable record, p99",
        round(summary.p99, 2),
        "ms",
        samples=count,
        detail={"p50_ms": round(summary.p50, 2), "max_ms": round(summary.maximum, 2)},
    )


def _drain(folder: Path, count: int) -> Figure:
    """The uplink's own loop against mosquitto: all of them acknowledged by the broker, QoS 1."""
    name = "uplink from the ledger to the broker, QoS 1"
    source = messages("telemetry")
    with broker(folder) as port:
        site = reference_site(folder, port)
        ledger = Ledger(folder / "drain", _WALL_MS)
        selector = selectors.DefaultSelector()
        try:
            for _ in range(count // 500):
                ledger.append([next(source) for _ in range(500)])
            settings = site.settings
            identity = Identity(_BOOT, "bench", Topics(settings.pile.operator_id, settings.pile.id), {1: ROLE_CHARGER})
            connection = pile_connection(
                settings.uplink, settings.pile.id, identity.topics, _BOOT, selector=selector, draw=random.random
            )
            uplink = Uplink(identity, connection, ledger, window=settings.uplink.window)
            deadline_s = time.monotonic() + _DRAIN_TIMEOUT_S
            begin_s = 0.0
            while uplink.pending:
                now_s = time.monotonic()
                if now_s > deadline_s:
                    return not_measured(GROUP, name, "1/s", f"{uplink.pending} left, uplink {uplink.state}")
                uplink.turn(now_s, time.time_ns() // 1_000_000, clock_set=True)
                if not begin_s and connection.connected:
                    begin_s = now_s
                for _, mask in selector.select(max(0.0, min(0.1, uplink.next_due(now_s) - now_s))):
                    connection.ready(mask, time.monotonic())
            rate = count / (time.monotonic() - begin_s)
            uplink.stop(time.monotonic())
        finally:
            ledger.close()
            selector.close()
    return Figure(
        GROUP, name, round(rate), "1/s", samples=count, detail={"window": site.settings.uplink.window, "bytes": 300}
    )


def measure(*, quick: bool) -> list[Figure]:
    """Durable batches, single durable records, and the uplink."""
    with tempfile.TemporaryDirectory(prefix="pile-") as name:
        folder = Path(name)
        return [
            _batches(folder / "batches", 20 if quick else 200),
            _singles(folder / "singles", 100 if quick else 1000),
            _drain(folder, 2000 if quick else 20000),
        ]
