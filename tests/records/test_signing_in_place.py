"""The signing service itself, with its input and output in the test's hands."""

import io
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.records import signing


def _answers(key: Path, lines: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    signing.serve(key)
    return capsys.readouterr().out.splitlines()


def test_a_key_is_made_once_and_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "keys" / "record-key.pem"
    first = _answers(key, f"{'aa' * 32}\n{'bb' * 32}\n", monkeypatch, capsys)
    content = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    again = _answers(key, f"{'aa' * 32}\n", monkeypatch, capsys)
    assert again == first[:1], "the same key signs the same hash as before"
    assert key.read_bytes() == content
    for line, hash_ in zip(first, (b"\xaa" * 32, b"\xbb" * 32), strict=True):
        public, signature = (bytes.fromhex(part) for part in line.split())
        assert signing.verify(public, signature, hash_)
        assert not signing.verify(public, signature, b"\xcc" * 32)


def test_nothing_to_sign_still_makes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _answers(tmp_path / "key.pem", "", monkeypatch, capsys) == []
    assert (tmp_path / "key.pem").exists()


def test_what_a_write_cut_short_left_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key.new").write_text("half a key")
    assert len(_answers(tmp_path / "key.pem", f"{'aa' * 32}\n", monkeypatch, capsys)) == 1
    assert not (tmp_path / "key.new").exists()


def test_a_key_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(ValueError, match=r"key\.pem is not an Ed25519 key"):
        signing.serve(tmp_path / "key.pem")


def test_a_line_that_is_no_hash_ends_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        _answers(tmp_path / "key.pem", "no hash\n", monkeypatch, capsys)
