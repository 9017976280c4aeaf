"""Signs the end of a session with the pile's own key (Ed25519), in a process of its own.

Run with the path of the key file, it makes the key if there is none (mode 0600), then answers each line
with a hash in hexadecimal by a line ``public key, signature`` in hexadecimal, until its input ends. It is a
separate, short-lived process because the library costs 8.5 MB that a service with a 30 MB budget should not hold
for a few signatures a day. Verifying is for the command line and imports the library in place.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

KEY_FILE = Path("keys") / "record-key.pem"
"""Place of the private key in the state folder."""


def key_id_of(public_key: bytes) -> str:
    """Short name of a key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature over ``message`` (a record's hash) was made with the key. Never raises."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def serve(key_file: Path) -> None:
    """Answer hashes on standard input; see the module. Raises OSError, ValueError if the key is unusable."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )

    if not key_file.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_private(key_file, pem)
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{key_file} is not an Ed25519 key")
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for line in sys.stdin:
        print(public.hex(), key.sign(bytes.fromhex(line.strip())).hex(), flush=True)


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user may read, wholly or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]))
    except (OSError, ValueError) as problem:
        sys.exit(f"record key: {problem}")
