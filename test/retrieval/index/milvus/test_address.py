"""Addresses of Milvus servers."""

from __future__ import annotations

import pytest

from fol_vpr.errors import InputError
from fol_vpr.retrieval.index.milvus.address import MilvusAddress


@pytest.mark.parametrize(
    ('text', 'uri', 'token'),
    [
        ('http://fleet:19530', 'http://fleet:19530', ''),
        ('https://fleet', 'https://fleet', ''),
        ('http://[::1]:19530/', 'http://[::1]:19530', ''),
        ('http://fleet:19530/maps', 'http://fleet:19530/maps', ''),
        ('http://fleet:1?token=root:s3cret', 'http://fleet:1', 'root:s3cret'),
        ('http://fleet:1/db?token=a:b&c=d?e%41', 'http://fleet:1/db', 'a:b&c=d?e%41'),
        ('tcp://root:s3%40cret@fleet:1', 'tcp://fleet:1', 'root:s3@cret'),
        ('https://key@fleet', 'https://fleet', 'key'),
        ('unix:/run/milvus.sock', 'unix:/run/milvus.sock', ''),
        ('maps/fleet.db', 'maps/fleet.db', ''),
    ],
)
def test_credentials_are_taken_out(text, uri, token):
    address = MilvusAddress.parse(text)
    assert (address.uri, address.token) == (uri, token)
    assert not token or token not in repr(address)
    assert address.is_lite == text.endswith('.db')


@pytest.mark.parametrize(
    'text',
    [
        'ftp://root:s3cret@fleet:1',
        'fleet:19530?token=root:s3cret',
        'http://root:s3cret@fleet:port',
        'http://fleet:99999?token=root:s3cret',
        'http://?token=root:s3cret',
        'http://fleet:1?db=x&token=root:s3cret',
        'http://fleet:1?token=',
        'http://root:s3cret@fleet:1?token=root:s3cret',
        'http://fleet:1/x#root:s3cret',
        'root:s3cret@fleet:19530',
        'map.folmap',
        '',
    ],
)
def test_a_wrong_address_is_refused_without_its_credentials(text):
    with pytest.raises(InputError, match=r'retrieval.index_uri is .* expected http') as caught:
        MilvusAddress.parse(text)
    assert 's3cret' not in str(caught.value)


def test_credentials_are_taken_out_of_foreign_texts():
    address = MilvusAddress.parse('http://fleet:1?token=root:s3cret')
    assert address.redacted('root:s3cret was refused, s3cret') == '*** was refused, ***'
