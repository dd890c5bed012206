import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.server.tls import TlsUnusable, tls_context
from tests.support.certificates import Certificates, certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("tls"))


def test_without_files_there_is_no_tls() -> None:
    assert tls_context(None, None, "tls-1.2") is None


@pytest.mark.parametrize(
    ("word", "version"), [("tls-1.2", ssl.TLSVersion.TLSv1_2), ("tls-1.3", ssl.TLSVersion.TLSv1_3)]
)
def test_the_oldest_version(made: Certificates, word: str, version: ssl.TLSVersion) -> None:
    context = tls_context(made.key, made.cert, word)
    assert context is not None
    assert context.minimum_version is version


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param(lambda m: (m.key, None), "requires both a cert and a key file", id="key-alone"),
        pytest.param(lambda m: (None, m.cert), "requires both a cert and a key file", id="certificate-alone"),
        pytest.param(lambda m: (m.key, Path("/nix")), "/nix: No such file or directory", id="missing"),
        pytest.param(lambda m: (m.key, m.key), "not a PEM file with a certificate", id="no-certificate"),
        pytest.param(lambda m: (m.cert, m.cert), "not a PEM file with a certificate", id="no-key"),
    ],
)
def test_files_that_cannot_be_used(
    made: Certificates, files: Callable[[Certificates], tuple[Path | None, Path | None]], reason: str
) -> None:
    with pytest.raises(TlsUnusable, match=reason):
        tls_context(*files(made), "tls-1.2")


def test_the_key_of_another_certificate(made: Certificates, tmp_path: Path) -> None:
    with pytest.raises(TlsUnusable, match="the key is not that of the certificate"):
        tls_context(certificates(tmp_path).key, made.cert, "tls-1.2")
