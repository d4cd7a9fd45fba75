"""Development keys: made once, kept, private, and one for all who start together."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from carbon_credit.kernel.keys import DEVELOPMENT_MARK, development_keys, private_key, public_pem

START = """
import sys, time
from pathlib import Path
from carbon_credit.kernel.keys import development_keys
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
keys = development_keys(Path(sys.argv[1]))
parts = (keys.mac, keys.link, keys.voucher, keys.webhook, keys.token_private_pem, keys.dossier_private_pem)
parts += (keys.voucher_private_pem,)
print(b"|".join(parts).hex())
"""


def test_processes_that_start_together_agree_on_every_key(tmp_path: Path) -> None:
    folder, go = tmp_path / "keys", tmp_path / "go"
    command = [sys.executable, "-c", START, str(folder), str(go)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    go.touch()
    found = {process.communicate(timeout=60)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(found) == 1
    assert found != {""}
    assert len(list(folder.iterdir())) == 7, "no drafts are left"


def test_keys_are_kept_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = development_keys(tmp_path)
    assert development_keys(tmp_path) == first
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len({first.mac, first.link, first.voucher, first.webhook}) == 4
    assert min(map(len, (first.mac, first.link, first.voucher, first.webhook))) == 32


def test_two_installations_share_no_key(tmp_path: Path) -> None:
    one, other = development_keys(tmp_path / "one"), development_keys(tmp_path / "other")
    assert one.mac != other.mac
    assert one.token_private_pem != other.token_private_pem


def test_a_development_key_is_marked_and_can_sign(tmp_path: Path) -> None:
    made = development_keys(tmp_path)
    assert DEVELOPMENT_MARK.encode() in made.token_private_pem
    key = private_key(made.token_private_pem)
    public = load_pem_public_key(public_pem(key.public_key()))
    public.verify(key.sign(b"text"), b"text")  # type: ignore[union-attr,call-arg]


def test_a_key_of_another_kind_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    text = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="Ed25519"):
        private_key(text)


def test_keys_are_not_printed(tmp_path: Path) -> None:
    made = development_keys(tmp_path)
    assert repr(made) == "Keys()"
