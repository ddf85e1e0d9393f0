"""Secrets taken out of recorded events: one secret becomes one hash wherever it stands, so that events still fit.

The key of the hashes is random and kept nowhere: who has the file cannot try passwords against it, and the same secret
in another file has another hash. What no name and no form gives away stays: a password in a field called ``x``.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from labkit.plan.recording import Recorded

#: A field is a secret whose name has one of these in it, without case, hyphens and underscores.
NAMES = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "authorization", "apikey", "accesskey", "privatekey",
    "session", "cookie", "credential", "jwt", "csrf", "xsrf", "bearer", "otp",
)  # fmt: skip

#: A field is a secret that is called just so: within longer names these letters say nothing.
WHOLE_NAMES = ("auth", "pin", "sid", "cvv", "cvc", "pass", "ssn", "iban")

_JWT = re.compile(r"(eyJ[A-Za-z0-9_-]{5,})\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+(?!redacted-)[A-Za-z0-9._~+/=-]{8,}")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")
_PLAIN = re.compile(r"[^a-z0-9]")


class Redactor:
    """Takes secrets out of one file.

    Args:
        fields: further names of fields, without case, hyphens and underscores.

    Attributes:
        counts: how many secrets of each kind were taken out.
    """

    def __init__(self, fields: Iterable[str] = ()) -> None:
        self._more = {_plain(name) for name in fields}
        self._key = secrets.token_bytes(32)
        self.counts: Counter[str] = Counter()

    def event(self, event: Recorded) -> Recorded:
        """The event without its secrets."""
        return replace(event, arguments=tuple(self.value(one) for one in event.arguments))

    def value(self, value: Any) -> Any:
        """A value of JSON (and bytes) without secrets, keys excepted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                key: self._hidden(key, one) if self.is_secret(key) else self.value(one) for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def text(self, text: str) -> str:
        """A text without the secrets that their form gives away: JWTs, what follows Bearer, secrets in addresses."""
        if "://" in text:
            text = _ADDRESS.sub(lambda found: self.address(found[0]), text)
        text = _JWT.sub(self._jwt, text)
        return _BEARER.sub(lambda found: f"{found[1]} {self._counted('Authorization', found[0])}", text)

    def address(self, url: str) -> str:
        """An address without secrets in its query and without a password before its host."""
        try:
            parts = urlsplit(url)
            pairs = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError:
            return url
        place = parts.netloc
        if "@" in place:
            name, _, host = place.rpartition("@")
            place = f"{self._counted('passwords of addresses', name)}@{host}"
        if not any(self.is_secret(name) for name, _ in pairs):
            return url if place == parts.netloc else urlunsplit(parts._replace(netloc=place))
        told = [(name, self._hidden(name, one, "in addresses") if self.is_secret(name) else one) for name, one in pairs]
        return urlunsplit(parts._replace(netloc=place, query=urlencode(told)))

    def is_secret(self, name: Any) -> bool:
        """Whether a field is a secret by its name."""
        if not isinstance(name, str):
            return False
        plain = _plain(name)
        return plain in self._more or plain in WHOLE_NAMES or any(part in plain for part in NAMES)

    def _hidden(self, name: str, value: Any, where: str = "fields") -> Any:
        """A secret by its field's name. Nothing, truth and emptiness stay, since they tell nothing."""
        if value is None or isinstance(value, bool) or value in ("", [], {}, b""):
            return value
        if isinstance(value, dict):  # auth: {"user": ..., "id": ...}
            return {key: self._hidden(name, one, where) for key, one in value.items()}
        if isinstance(value, list):
            return [self._hidden(name, one, where) for one in value]
        if isinstance(value, str) and (found := _JWT.fullmatch(value.strip())):
            return self._jwt(found)
        return self._counted(f"{where} named {name.lower()[:40]}", value)

    def _jwt(self, found: "re.Match[str]") -> str:
        head = found[1]
        try:
            told = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        except (ValueError, binascii.Error, RecursionError):
            return found[0]
        return f"{head}.{self._counted('JWTs', found[0])}." if isinstance(told, dict) else found[0]

    def _counted(self, kind: str, secret: Any) -> str:
        self.counts[kind] += 1
        data = secret if isinstance(secret, bytes) else str(secret).encode("utf-8", "surrogatepass")
        return f"redacted-{hashlib.blake2b(data, digest_size=8, key=self._key).hexdigest()}"


def _plain(name: str) -> str:
    return _PLAIN.sub("", name.lower())
