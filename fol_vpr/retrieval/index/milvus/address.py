"""The address of a Milvus server, apart from the credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from fol_vpr.errors import InputError

SCHEMES = ('http', 'https', 'tcp')
EXPECTED = (
    'expected http://HOST:19530 of a Milvus server (https:// with TLS), with /DATABASE and '
    '?token=USER:PASSWORD behind it where the server needs them, or a file that ends in .db for '
    'Milvus Lite'
)


@dataclass(frozen=True)
class MilvusAddress:
    """Where a Milvus server, or the file of Milvus Lite, is.

    Attributes:
        uri: address without credentials, which may be shown.
        token: USER:PASSWORD or an API key; empty for none. Never shown.
    """

    uri: str
    token: str = field(default='', repr=False)

    @classmethod
    def parse(cls, text: str) -> MilvusAddress:
        """Take an address apart; everything after `?token=` is the token, as it stands.

        Raises:
            InputError: it is none; the message shows no credentials.
        """
        if text.startswith('unix:'):
            address, _, token = text.partition('?token=')
            return cls(address, token)
        if '://' not in text:
            if not text.endswith('.db'):
                raise _invalid(text, '')
            return cls(text)
        address, _, query = text.partition('?')
        try:
            parts = urlsplit(address)
            port, host = parts.port, parts.hostname
        except ValueError as error:
            raise _invalid(text, 'host or port cannot be read') from error
        if parts.scheme not in SCHEMES or not host or port == 0 or parts.fragment:
            raise _invalid(text, '')
        token = unquote(parts.username or '')
        if parts.password is not None:
            token = f'{token}:{unquote(parts.password)}'
        if query:
            name, _, value = query.partition('=')
            if name != 'token' or not value:
                raise _invalid(text, 'only token=USER:PASSWORD may follow the question mark')
            if token:
                raise _invalid(text, 'it has credentials before the host, and a token')
            token = value
        place = parts.netloc.rpartition('@')[2]
        return cls(f'{parts.scheme}://{place}{parts.path.rstrip("/")}', token)

    @property
    def is_lite(self) -> bool:
        """Whether this is a file of Milvus Lite."""
        return '://' not in self.uri and not self.uri.startswith('unix:')

    def redacted(self, text: str) -> str:
        """A text without the token and the password in it."""
        for secret in (self.token, self.token.partition(':')[2]):
            if secret:
                text = text.replace(secret, '***')
        return text


def _invalid(text: str, why: str) -> InputError:
    """The error for an address, which shows it without its credentials."""
    address = re.split('[?#]', text, maxsplit=1)[0]
    rest = '' if address == text else text[len(address)] + '***'
    scheme = address.partition('://')[0] + '://' if '://' in address else ''
    login, _, place = address.removeprefix(scheme).rpartition('@')
    shown = scheme + ('***@' if login else '') + place + rest
    reason = f' ({why})' if why else ''
    return InputError(f'retrieval.index_uri is {shown!r}{reason}, {EXPECTED}')
