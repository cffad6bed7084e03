"""Tokens, host names and origins."""

import pytest
from served import Streams
from starlette.testclient import TestClient
from starlette.types import Scope
from starlette.websockets import WebSocketDisconnect

from pyg_sybio.serving.access import LOOPBACK, knows_token
from pyg_sybio.serving.app import create_app

HERE = "http://127.0.0.1:8000"


def scope(query: str = "", header: str | None = None) -> Scope:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    return {"type": "websocket", "query_string": query.encode(), "headers": headers}


def test_a_token_is_read_from_the_header_or_the_address() -> None:
    assert knows_token(None, scope())
    assert knows_token("s€cret", scope("token=s%E2%82%ACcret"))
    assert knows_token("secret", scope("a=b&token=secret"))
    assert knows_token("secret", scope(header="bearer secret"))
    # Clients send the characters of a header in UTF-8 or in Latin-1.
    assert knows_token("sécret", scope(header="Bearer sécret".encode().decode("latin-1")))
    assert knows_token("sécret", scope(header="Bearer sécret"))
    assert knows_token("s€cret", scope(header="Bearer s€cret".encode().decode("latin-1")))
    for wrong in (scope(), scope("token="), scope("token=secre"), scope(header="Basic secret")):
        assert not knows_token("secret", wrong)
    # The header takes precedence over the address.
    assert not knows_token("secret", scope("token=secret", header="Bearer sécret"))


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = create_app(Streams(), hosts=LOOPBACK, origins=["http://Localhost:3000/"])
    return TestClient(app, base_url=HERE)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1"])
def test_local_host_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::1"])
def test_other_host_names_are_refused(client: TestClient, host: str) -> None:
    reply = client.get("/", headers={"host": host})
    assert reply.status_code == 403
    assert "the server's name is 127.0.0.1 or ::1 or localhost" in reply.json()["message"]


@pytest.mark.parametrize("path", ["/ws/poses", "/ws/view"])
def test_pages_of_other_sites_are_refused(client: TestClient, path: str) -> None:
    for origin in (None, HERE, "http://localhost:3000"):
        headers = {"host": "127.0.0.1:8000"} | ({} if origin is None else {"origin": origin})
        with client.websocket_connect(path, headers=headers) as socket:
            assert socket.receive_json()["type"] == "hello"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9000", f"{HERE}.evil.example"):
        with (
            pytest.raises(WebSocketDisconnect) as refusal,
            client.websocket_connect(path, headers={"host": "127.0.0.1:8000", "origin": origin}),
        ):
            pass
        assert "may not connect" in str(getattr(refusal.value, "text", refusal.value))
