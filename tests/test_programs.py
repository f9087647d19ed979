"""The whole job in one call: by Gradio's client, and by an assistant's."""

import asyncio
import importlib.util

import httpx
import pytest
import torch
from gradio_client import Client

from stablevideo import load_clip, read_video
from stablevideo.layers.store import save_layers
from stablevideo.ui.page import build_app, launch_options
from stablevideo.ui.settings import Settings
from tests.clips import hue_degrees, hue_distance, make_clip

HAS_MCP = importlib.util.find_spec("mcp") is not None


@pytest.fixture(scope="module")
def settings(tmp_path_factory, ckpt):
    folder = tmp_path_factory.mktemp("programs")
    save_layers(make_clip(folder / "made"), folder / "data" / "small")
    return Settings(folder / "data", ckpt, folder / "log", model="embedded", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def address(settings):
    page = build_app(settings)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, mcp_server=HAS_MCP, **launch_options())
    yield url
    page.close()


def hue_in_front(video, settings):
    """The hue of the thing in front in a video's first frame."""
    clip = load_clip(settings.data / "small")
    inside = clip.alpha([0])[0, 0] > 0.9
    return hue_degrees(read_video(video).frames([0])[0][:, inside].T.float() / 255)


def test_one_call_does_the_whole_job(address, settings):
    person = Client(address, verbose=False)
    assert person.predict(api_name="/list_clips") == ["small"]
    video = person.predict("small", foreground="a green car", api_name="/edit_clip")
    assert read_video(video).frame_count == 6
    assert hue_distance(hue_in_front(video, settings), 120) < 40


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"clip": "small"}, "Say what should become"),
        ({"clip": "../small", "background": "snow"}, "is no clip name"),
        ({"clip": "other", "background": "snow"}, "the clips are: small"),
        ({"clip": "small", "background": "snow", "model": "x"}, "choose one of"),
    ],
)
def test_a_call_that_asks_for_nothing_is_answered_with_a_sentence(address, given, says):
    with pytest.raises(Exception, match=says):
        Client(address, verbose=False).predict(**given, api_name="/edit_clip")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MCP, reason="needs gradio[mcp]")
def test_an_assistant_sees_two_tools_and_edits_with_them(address, settings, tmp_path):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def talk():
        by_http = streamablehttp_client(f"{address}gradio_api/mcp/")
        async with by_http as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            listed = await session.call_tool("list_clips", {})
            words = {"clip": "small", "foreground": "a green car"}
            return tools, listed, await session.call_tool("edit_clip", words)

    tools, listed, edited = asyncio.run(talk())
    assert set(tools) == {"edit_clip", "list_clips"}
    asked = tools["edit_clip"].inputSchema["properties"]
    assert set(asked) == {"clip", "foreground", "background", "model", "seed"}
    assert "a red car" in asked["foreground"]["description"]
    assert "small" in listed.content[0].text
    (answer,) = edited.content
    video = tmp_path / "video.mp4"
    video.write_bytes(httpx.get(answer.text).raise_for_status().content)
    assert hue_distance(hue_in_front(video, settings), 120) < 40
