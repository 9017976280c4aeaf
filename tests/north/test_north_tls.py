"""TLS: both sides prove who they are; what is wrong is said in one line and tried again for ever."""

from pathlib import Path
from typing import Any

import pytest
from certificates import certificate, write
from north_world import World, eventually, world


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Certificates of an authority, of the broker, of the pile, and of an authority nobody knows."""
    authority = certificate("authority")
    write(tmp_path, "ca", authority)
    write(tmp_path, "broker", certificate("broker", authority))
    write(tmp_path, "pile", certificate("pile-1", authority))
    write(tmp_path, "stranger", certificate("stranger"))
    return tmp_path


def _tls(keys: Path) -> str:
    return (
        f"cafile {keys}/ca.pem\ncertfile {keys}/broker.pem\nkeyfile {keys}/broker.key\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )


def _offline(site: World, words: str) -> None:
    site.broker.start()
    site.north.start()
    site.field.record("state")
    eventually(site.field.all_kept)
    eventually(lambda: [health for health in site.field.health if words in health.uplink])
    assert site.north.running()
    assert site.north.log().count("uplink offline: not") == 0
    assert "Traceback" not in site.north.log()


def test_both_sides_know_each_other(keys: Path) -> None:
    uplink: dict[str, Any] = {"tls": True, "ca_file": f"{keys}/ca.pem"}
    with world(keys, _tls(keys), certificate_file=f"{keys}/pile.pem", key_file=f"{keys}/pile.key", **uplink) as site:
        site.broker.start()
        site.field.record("telemetry", count=300)
        site.north.start()
        eventually(lambda: site.field.health and site.field.health[-1].uplink == "connected")
        eventually(lambda: site.field.health[-1].uplink_pending == 0)


def test_an_unknown_authority(keys: Path) -> None:
    with world(keys, _tls(keys), tls=True, ca_file=f"{keys}/stranger.pem") as site:
        _offline(site, "is not trusted")


def test_a_pile_withoutcertificate(keys: Path) -> None:
    with world(keys, _tls(keys), tls=True, ca_file=f"{keys}/ca.pem") as site:
        _offline(site, "offline: ")


def test_a_missing_file(keys: Path) -> None:
    with world(keys, tls=True, ca_file=f"{keys}/nothing.pem") as site:
        _offline(site, "certificate or key file is missing")


def test_a_broker_that_speaks_no_tls(keys: Path) -> None:
    with world(keys, tls=True, ca_file=f"{keys}/ca.pem") as site:
        _offline(site, "check uplink.port and uplink.tls")


def test_an_unknown_name(keys: Path) -> None:
    with world(keys, tls=False, host="no-such-broker.invalid") as site:
        _offline(site, "name no-such-broker.invalid is unknown")
