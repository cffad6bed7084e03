"""A server on a real socket: behaviour that only occurs on a network."""

import asyncio
import contextlib
import json
import logging
import socket
import struct
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from served import Streams, listening, made_up_frame, run, wait_for
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_now

from pyg_sybio.serving.app import create_app
from pyg_sybio.serving.limits import Limits
from pyg_sybio.serving.listening import listen
from pyg_sybio.serving.run import log_to_stderr


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams()


async def answered(producer: ClientConnection, step: int) -> dict[str, Any]:
    """Send a frame and wait for its result."""
    await producer.send(json.dumps(made_up_frame(step)))
    while (message := json.loads(await producer.recv()))["type"] != "result":
        pass
    return dict(message)


def test_a_huge_message_closes_only_its_connection(
    streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(message_bytes=10_000)

    async def abuse(port: int) -> None:
        address = f"ws://127.0.0.1:{port}/ws/poses"
        async with connect(address) as good, connect(address) as bad:
            await answered(good, 0)
            with contextlib.suppress(ConnectionClosed):
                await bad.send("x" * 200_000)
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    await bad.recv()
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1009
            assert (await answered(good, 1))["dropped"] == 0

    with caplog.at_level(logging.WARNING), listening(create_app(streams, limits=limits), limits) as port:
        run(abuse(port))
    assert "refused: a message was too big" in caplog.text


def test_small_messages_are_not_delayed() -> None:
    """Without TCP_NODELAY, a result waits up to 40 ms until the client has acknowledged the previous
    result."""

    async def no_delay() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(serve, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                try:
                    return await accepted
                finally:
                    writer.close()

    assert run(no_delay())


def test_silent_connections_are_closed(streams: Streams) -> None:
    limits = Limits(handshake=1.0)
    with (
        listening(create_app(streams, limits=limits), limits) as port,
        connect_now(f"ws://127.0.0.1:{port}/ws/poses") as good,
        socket.create_connection(("127.0.0.1", port)) as silent,
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127")
        for half_open in (silent, slow):
            half_open.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert half_open.recv(100) == b""
        good.send(json.dumps(made_up_frame()))
        assert json.loads(good.recv())["type"] == "hello"
        assert json.loads(good.recv(timeout=10))["type"] == "result"


UPGRADE = (
    b"GET /ws/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("request_of", [b"", b"GET / HTTP/1.1\r\nHos", UPGRADE % b"poses"])
def test_silent_connections_do_not_block_new_clients(streams: Streams, request_of: bytes) -> None:
    limits = Limits(producers=1, viewers=1, handshake=60)
    assert limits.connections == 34
    app = create_app(streams, limits=limits, token="secret")
    with listening(app, limits) as port, contextlib.ExitStack() as stack:
        good = stack.enter_context(connect_now(f"ws://127.0.0.1:{port}/ws/poses?token=secret"))
        for step in range(2):
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                for _ in range(40)
            ]
            for each in silent:
                with contextlib.suppress(ConnectionError):
                    each.sendall(request_of)
            viewer = stack.enter_context(connect_now(f"ws://127.0.0.1:{port}/ws/view?token=secret"))
            assert json.loads(viewer.recv(timeout=10))["type"] == "hello"
            viewer.close()
            good.send(json.dumps(made_up_frame(step)))
            while (message := json.loads(good.recv(timeout=10)))["type"] != "result":
                pass
            assert message["dropped"] == 0
        # The oldest connections were displaced.
        with contextlib.suppress(ConnectionResetError):
            while silent[0].recv(4096):
                pass


def test_a_client_that_does_not_read_is_replaced_by_another_client(streams: Streams) -> None:
    limits = Limits(viewers=1, idle=0.5, handshake=0.5)
    app = create_app(streams, limits=limits)
    service = app.state.service
    crowd = tuple(range(16))
    with (
        listening(app, limits, send_buffer=4096) as port,
        connect_now(f"ws://127.0.0.1:{port}/ws/poses") as producer,
    ):
        assert json.loads(producer.recv())["type"] == "hello"
        wait_for(lambda: service.audience.channels)
        (number,) = service.audience.channels
        with deaf_viewer(port, number):
            wait_for(lambda: len(service.viewers) == 1)
            step = 0
            while len(service.viewers):
                step += 1
                assert step < 2000
                producer.send(json.dumps(made_up_frame(step, crowd)))
                assert json.loads(producer.recv())["type"] == "result"
            with connect_now(f"ws://127.0.0.1:{port}/ws/view") as viewer:
                assert json.loads(viewer.recv())["type"] == "hello"


@pytest.mark.parametrize(
    "frame",
    [b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0", b"\0\x80\0\0\0\0"],
    ids=["pings", "pongs", "fragments"],
)
@pytest.mark.parametrize("path", [b"poses", b"view"])
def test_too_many_frames_without_a_message_close_the_connection(
    streams: Streams, path: bytes, frame: bytes
) -> None:
    with (
        listening(create_app(streams)) as port,
        connect_now(f"ws://127.0.0.1:{port}/ws/poses") as good,
        socket.create_connection(("127.0.0.1", port), timeout=10) as bad,
    ):
        bad.sendall(UPGRADE % path)
        assert bad.recv(4096).startswith(b"HTTP/1.1 101")
        with contextlib.suppress(ConnectionError):
            # The start of a message, and frames that do not end it.
            bad.sendall(b"\x01\x80\0\0\0\0" + 2000 * frame)
            while bad.recv(65536):
                pass
        assert good.ping().wait(10)


@pytest.mark.parametrize(
    "messages",
    [b"\x81\x88\0\0\0\0nonsense" * 30, b"\x81\x82\0\0\0\0\xff\xfe", b"\x82\x82\0\0\0\0ab", b"garbage"],
    ids=["errors", "no UTF-8", "binary", "no WebSocket"],
)
@pytest.mark.parametrize("path", [b"poses", b"view"])
def test_a_client_that_leaves_during_an_error_causes_no_traceback(
    streams: Streams, path: bytes, messages: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(streams)
    with logs_of_serve(), listening(app) as port:
        for waits in (True, False):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(UPGRADE % path)
                if waits:
                    client.recv(4096)
                client.sendall(messages)
                # Close the connection with a TCP reset, without a WebSocket close.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connect_now(f"ws://127.0.0.1:{port}/ws/poses") as good:
            good.send(json.dumps(made_up_frame()))
            assert json.loads(good.recv())["type"] == "hello"
            assert json.loads(good.recv(timeout=10))["type"] == "result"
        wait_for(lambda: not len(app.state.service.producers))
    assert "Traceback" not in capsys.readouterr().err


def test_a_client_that_does_not_read_does_not_slow_other_clients(streams: Streams) -> None:
    app = create_app(streams)
    service = app.state.service

    async def seen_by(viewer: ClientConnection, numbers: list[int]) -> None:
        async for text in viewer:
            message = json.loads(text)
            if message["type"] == "sources" and message["sources"]:
                await viewer.send(json.dumps({"type": "watch", "source": message["sources"][0]["id"]}))
            elif message["type"] == "frame":
                numbers.append(message["number"])

    async def watch(port: int) -> None:
        async with (
            connect(f"ws://127.0.0.1:{port}/ws/poses") as producer,
            connect(f"ws://127.0.0.1:{port}/ws/view") as viewer,
        ):
            await answered(producer, 0)
            (number,) = service.audience.channels
            numbers: list[int] = []
            seeing = asyncio.create_task(seen_by(viewer, numbers))
            others = set(service.audience.viewers)
            with deaf_viewer(port, number):
                while not (new := service.audience.viewers - others):
                    await asyncio.sleep(0.01)
                (deaf,) = new
                step, crowd = 0, tuple(range(16))
                # Send until all buffers between the server and the client that does not read are full.
                while not deaf.skipped:
                    step += 1
                    assert step < 2000
                    await producer.send(json.dumps(made_up_frame(step, crowd)))
                    while (message := json.loads(await producer.recv()))["type"] != "result":
                        pass
                    assert message["dropped"] == 0
                while not numbers or numbers[-1] < step:
                    await asyncio.sleep(0.01)
                assert len(service.audience.viewers) == 2
            seeing.cancel()

    with listening(app, send_buffer=65536) as port:
        run(watch(port))


@contextlib.contextmanager
def logs_of_serve() -> Iterator[None]:
    """The log settings of `sybio serve`, which are undone afterwards."""
    names = ("pyg_sybio.serving", "uvicorn.error", "asyncio")
    before = [(each, dict(vars(each))) for each in map(logging.getLogger, names)]
    show = warnings.showwarning
    log_to_stderr()
    try:
        yield
    finally:
        warnings.showwarning = show
        for each, state in before:
            vars(each).update(state)


@contextlib.contextmanager
def deaf_viewer(port: int, source: str) -> Iterator[None]:
    """A viewer that chooses a source and then stops reading."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(UPGRADE % b"view")
        assert deaf.recv(4096).startswith(b"HTTP/1.1 101")  # the handshake must be the first response
        wish = json.dumps({"type": "watch", "source": source}).encode()
        deaf.sendall(bytes([0x81, 0x80 | len(wish), 0, 0, 0, 0]) + wish)  # a text frame, masked with zeros
        yield


def test_clients_are_notified_when_the_server_stops(streams: Streams) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(listening(create_app(streams)))
        clients = [connect_now(f"ws://127.0.0.1:{port}/ws/{path}") for path in ("poses", "view")]
        for client in clients:
            assert json.loads(client.recv())["type"] == "hello"
        stack.close()  # returns only once the server has stopped
        for client in clients:
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    client.recv(timeout=5)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1012
            client.close()


def test_a_port_in_use_is_reported() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"^cannot listen on 127.0.0.1 port {port}: Address already in use"
        ):
            listen("127.0.0.1", port)
    with pytest.raises(OSError, match=r"^cannot listen on nowhere\.invalid port 1: "):
        listen("nowhere.invalid", 1)


def test_messages_beyond_the_queue_are_dropped_and_counted(streams: Streams) -> None:
    limits = Limits(waiting=1)

    async def hurry(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/ws/poses") as producer:
            for step in range(60):
                await producer.send(json.dumps(made_up_frame(step)))
            times, dropped = [], 0
            while not times or times[-1] < 59 / 30 - 1e-6:
                message = json.loads(await producer.recv())
                if message["type"] == "result":
                    times.append(message["timestamp"])
                    dropped = message["dropped"]
            assert times == sorted(times)
            assert len(times) + dropped == 60
            assert dropped > 0

    with listening(create_app(streams, limits=limits), limits) as port:
        run(hurry(port))
