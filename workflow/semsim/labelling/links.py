"""The links of a campaign: who has which, without anyone being able to read it from the database.

Links follow from one random secret in a file of its own. The database knows only hashes of them, so that a copy of it
lets nobody in, while a link can be shown again whenever it is asked for. A panel's participant is known by a keyed hash
of the ID, which their link carries with a proof: nothing needs to be stored until they agree to take part.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from typing import TYPE_CHECKING

from semsim.errors import SemsimError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = re.compile(r"[\w-]{22}|[\w-]{44}", re.ASCII)
"""What stands in a link: 22 characters for an invited annotator, 44 for a panel's participant."""


class Links:
    """The links that follow from a campaign's secret.

    Parameters
    ----------
    secret : str
    panel_key : str
        What stands in the one link of a panel.
    """

    def __init__(self, secret: str, panel_key: str):
        self._secret, self.panel_key = secret, panel_key

    @property
    def signing_key(self) -> str:
        """The key with which a panel signs the IDs of its participants, if it does."""
        return self._derived("signatures").hex()

    def token_of(self, name: str) -> str:
        """Return the token of an invited annotator."""
        return _text(self._derived(f"link:{name}"))

    def participant_token(self, participant: str) -> str:
        """Return the token of a panel's participant, given the ID."""
        return self._sealed(bytes.fromhex(self.digest(participant)))

    def participant_of(self, token: str) -> str | None:
        """Return the keyed hash of the participant to whom a token belongs, or None if it is not of that kind."""
        if len(token) != 44 or not TOKEN.fullmatch(token):
            return None
        digest = base64.urlsafe_b64decode(f"{token[:22]}==")
        return digest.hex() if hmac.compare_digest(self._sealed(digest), token) else None

    def digest(self, participant: str) -> str:
        """Return the keyed hash by which a participant is known: 32 hexadecimal digits."""
        return hmac.digest(self._secret.encode(), participant.encode(), "sha256").hex()[:32]

    def signed(self, participant: str, signature: str) -> bool:
        """Return whether a signature is the hexadecimal HMAC-SHA256 of a participant's ID under `signing_key`."""
        right = hmac.digest(self.signing_key.encode(), participant.encode(), "sha256").hex()
        return hmac.compare_digest(right.encode(), signature.lower().encode())

    def _sealed(self, digest):
        return _text(digest) + _text(self._derived(f"participant:{digest.hex()}"))

    def _derived(self, purpose):
        """Return 16 bytes for a purpose; a colon tells it from participants' IDs, which have none."""
        return hmac.digest(self._secret.encode(), f":{purpose}".encode(), "sha256")[:16]


def _text(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def hashed(token: str) -> str:
    """Return what the database keeps of a token. It is random, so that a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_links(path: Path) -> Links:
    """Read a campaign's secret.

    Raises
    ------
    SemsimError
        If there is none, or it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Links(str(content["secret"]), str(content["panel_key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SemsimError(
            f"{path}: cannot be read ({error}). Links are made from it: restore it from a backup. Until then,"
            " `semsim label status` and `export` work without it."
        ) from None


def write_links(path: Path, secret: str | None = None, panel_key: str | None = None) -> None:
    """Write a campaign's secret, a new one if none is given, to a file that only its owner can read."""
    content = {"secret": secret or secrets.token_hex(32), "panel_key": panel_key or secrets.token_urlsafe(16)}
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
