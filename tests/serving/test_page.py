"""The page in a real browser; skipped if none is installed."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, Page, chromium
from served import CLASSES, SKELETON, Streams, listening, made_up_frame, made_up_recording
from websockets.sync.client import connect

from pyg_sybio.serving.app import create_app

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PICTURE = "document.getElementById('scene').toDataURL()"
LABELS = "[...document.querySelectorAll('.person .label')].map((label) => label.textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        page.look()
        yield page


@pytest.fixture
def port(page: Page) -> Iterator[int]:
    recordings = [("one", made_up_recording()), ("three", made_up_recording(people=3))]
    with listening(create_app(Streams(), recordings=recordings)) as port:
        yield port
        page.open("about:blank")


def text_of(page: Page, name: str) -> str:
    return str(page.ask(f"document.getElementById('{name}').textContent"))


def test_the_page_shows_the_persons(page: Page, port: int, tmp_path: Path) -> None:
    page.open(f"http://127.0.0.1:{port}/")
    page.wait_for("document.getElementById('empty').hidden")
    assert text_of(page, "state") == "connected"
    assert text_of(page, "model") == "skeleton ntu25, 25 joints · 3 classes"
    (label,) = page.ask(LABELS)
    assert label in CLASSES
    first = page.ask(PICTURE)
    page.wait_for(f"{PICTURE} !== {json.dumps(first)}")
    page.wait_for("/p95 .* frames/.test(document.getElementById('figures').textContent)")
    page.wait_for("document.getElementById('scene').getAttribute('aria-label').startsWith('One skeleton')")

    # Sides and end joints are derived from the skeleton.
    sides = page.ask("model.skeleton.bone_sides")
    for bone, side in zip(SKELETON.bones, sides, strict=True):
        named = {word for joint in bone for word in joint.split("_")}
        assert side == ("left" in named) - ("right" in named)
    ends = {SKELETON.joints[joint] for joint in page.ask("model.skeleton.ends")}
    assert ends == {joint for joint in SKELETON.joints if sum(joint in bone for bone in SKELETON.bones) == 1}

    page.ask(
        "(() => { const menu = get('source'); menu.value = '1'; menu.dispatchEvent(new Event('change')); })()"
    )
    page.wait_for(f"{LABELS}.length === 3")
    page.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert page.complaints == []


def test_the_page_responds_to_mouse_and_keyboard(page: Page, port: int) -> None:
    page.open(f"http://127.0.0.1:{port}/")
    page.wait_for("document.getElementById('empty').hidden")
    page.press("p")
    page.wait_for("document.getElementById('pause').textContent === 'Resume'")
    page.wait_for(
        "new Promise((done) => { const number = frame.number;"
        " setTimeout(() => done(number === frame.number), 300); })"
    )
    still = page.ask(f"new Promise((done) => setTimeout(() => done({PICTURE}), 300))")

    pictures = [still]
    for act in (
        lambda: page.drag((300, 400), (420, 430)),
        lambda: page.wheel((300, 400), -300),
        lambda: page.press("f"),
    ):
        act()
        page.wait_for(f"!{json.dumps(pictures)}.includes({PICTURE})")
        pictures.append(page.ask(PICTURE))
    assert page.ask("document.getElementById('ghost').getAttribute('aria-pressed')") == "false"
    assert page.ask("[yaw !== 0, zoom > 1]") == [True, True]
    page.press("0")
    assert page.ask("[yaw, zoom]") == [0, 1]

    page.press("p")
    page.wait_for("document.getElementById('pause').textContent === 'Pause'")
    assert page.complaints == []


def test_the_page_reconnects(page: Page) -> None:
    with contextlib.ExitStack() as stack:
        app = create_app(Streams(), token="s&cret")
        port = stack.enter_context(listening(app))
        page.open(f"http://127.0.0.1:{port}/")
        page.wait_for(
            "document.getElementById('error').textContent.startsWith('the token is missing or wrong')"
        )
        page.open(f"http://127.0.0.1:{port}/?token=s%26cret")
        page.wait_for("document.getElementById('state').textContent === 'connected'")
        assert "Waiting for poses" in text_of(page, "empty")
        with connect(f"ws://127.0.0.1:{port}/ws/poses?token=s%26cret") as producer:
            page.wait_for("watched !== null")
            while app.state.service.audience.viewers and not page.ask(
                "document.getElementById('empty').hidden"
            ):
                producer.send(json.dumps(made_up_frame()))
                producer.send(json.dumps({"type": "reset"}))
            assert page.ask(LABELS)[0] in CLASSES
        page.wait_for("document.getElementById('empty').textContent.includes('Waiting for poses')")
        # Without a connection, the page keeps trying to connect.
        page.ask("socket.close()")
        page.wait_for("document.getElementById('state').className === 'bad'")
        page.wait_for("document.getElementById('state').textContent === 'connected'")
    page.wait_for("document.getElementById('state').className === 'bad'")
    assert "The server" in text_of(page, "error")
