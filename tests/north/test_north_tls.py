"""TLS: both sides prove who they are; what is wrong is said in one line and tried again for ever."""

import datetime
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from north_world import World, eventually, world

_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _certificate(name: str, issuer: _Pair | None = None) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(key if issuer is None else issuer[1], hashes.SHA256())
    )
    return certificate, key


def _write(folder: Path, name: str, pair: _Pair) -> None:
    (folder / f"{name}.pem").write_bytes(pair[0].public_bytes(Encoding.PEM))
    private = pair[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(private)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Certificates of an authority, of the broker, of the pile, and of an authority nobody knows."""
    authority = _certificate("authority")
    _write(tmp_path, "ca", authority)
    _write(tmp_path, "broker", _certificate("broker", authority))
    _write(tmp_path, "pile", _certificate("pile-1", authority))
    _write(tmp_path, "stranger", _certificate("stranger"))
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


def test_a_pile_without_certificate(keys: Path) -> None:
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
