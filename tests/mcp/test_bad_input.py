# SPDX-License-Identifier: GPL-3.0-or-later
"""What models get wrong, and what is too large for a client: a clear answer each time, within the limits."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest
import story
from agents import Agent, live
from story import done

TEXT_CHARS = 10_000
PICTURE_BASE64 = 900_000

Told = tuple[str, ...]

WRONG_CALLS: dict[str, tuple[str, dict[str, object], Told]] = {
    "a parameter that is none": ("execute", {"cod": "1"}, ("unknown field `cod`", "it takes", "code", "timeout_s")),
    "a parameter of another type": ("object", {"name": 5}, ("expected a string", "it takes", "name")),
    "a parameter that is missing": ("object", {}, ("missing field `name`", "it takes", "fields")),
    "nothing to run": ("execute", {}, ("pass `code`, or a `cursor`",)),
    "code and a cursor": ("execute", {"code": "1", "cursor": "text-1-1"}, ("not both",)),
    "a time out of range": ("execute", {"code": "1", "timeout_s": 0}, ("timeout_s is 0", "0.001 to 86400")),
    "a cursor of text that is none": ("execute", {"cursor": "x"}, ('"x" is not known', "without it")),
    "a cursor of text that was never given": ("execute", {"cursor": "text-999-4"}, ('"text-999-4" is not known',)),
    "docs of nothing": ("docs", {}, ("pass `name` or `query`",)),
    "docs of a name that is none": ("docs", {"name": "Objekt"}, ("Objekt",)),
    "a cursor of docs that is none": ("docs", {"name": "Object", "cursor": "x"}, ("cursor",)),
    "a page of none": ("scene", {"limit": 0}, ("limit is 0", "1 to 1000")),
    "a page too large": ("scene", {"limit": 1001}, ("limit is 1001", "1 to 1000")),
    "a side that is none": ("look", {"from": "behind"}, ("unknown variant `behind`", "`three_quarter`")),
    "a picture too small": ("look", {"size": 63}, ("size is 63", "64 to 2000")),
    "a picture too large": ("look", {"size": 2001}, ("size is 2001", "64 to 2000")),
    "a picture of no size": ("look", {"size": -1}, ("-1", "it takes")),
    "a render too large": ("render", {"width": 1_000_000}, ("width", "1000000")),
    "an animation without a folder": ("render", {"frames": [1, 2]}, ("needs both `frames` and `folder`",)),
    "an engine that is none": ("render", {"engine": "octane"}, ("unknown variant `octane`", "`cycles`")),
    "a wait too long": ("render", {"wait_s": 241}, ("wait_s is 241", "0 to 240")),
    "a job that is none": ("job", {"job": "job-999"}, ("job-999",)),
    "no job": ("job", {}, ("`job` is missing",)),
    "no steps": ("undo", {"steps": 0}, ("steps", "0")),
    "an object that is not there": ("object", {"name": "Nope"}, ("Nope",)),
    "a field that is none": ("scene", {"fields": ["colour"]}, ("colour",)),
    "a Blender that does not run": (
        "execute",
        {"code": "1", "instance": "999999"},
        ("999999", "These run"),
    ),
    "a syntax error": ("execute", {"code": "if True\n  pass"}, ("line 1",)),
}
"""A tool, its arguments, and what the answer must tell."""

REFUSED: dict[str, tuple[str, Told]] = {
    "a process": ("import os\nos.system('true')", ("line 2",)),
    "the network": ("x = 1\n\nimport socket", ("line 3, column 8", "import socket")),
    "more than one": ("import os\nos.remove('x')\nos.kill(1, 9)", ("line 2", "line 3")),
    "a file": ("open('/etc/motd', 'w').write('x')", ("line 1",)),
    "code out of a text": ("exec('1')", ("line 1",)),
}
"""A script that the guard refuses, and the lines that it must name."""

LONG = {
    "lines": "''.join(f'line {number} of many\\n' for number in range(6000))",
    "one line": "'ä' * 100_000",
    "a short line and a long one": "'x' * 9_990 + '\\n' + 'y' * 90_000",
}
"""Texts of 100,000 characters, as Python."""

NAME = "Tür 1/2 \"große\" 'kleine' %20?#\\ ☃"
MADE = f"o = bpy.data.objects.new({NAME!r}, None)\nbpy.context.collection.objects.link(o)\no.name"

MANY_MATERIALS = """
cube = bpy.data.objects['Cube']
for number in range(400):
    cube.data.materials.append(bpy.data.materials.new(f'Material {number:04} with a rather long name'))
for number in range(400):
    one = bpy.data.objects.new(f'Many {number:03} with a rather long name', None)
    bpy.context.collection.objects.link(one)
    one.select_set(True)
"""

NOISE = """
scene = bpy.context.scene
scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = 'CYCLES', 1, False
scene.render.resolution_x, scene.render.resolution_y = 1200, 1200
scene.view_settings.view_transform = 'Standard'
scene.world.use_nodes = True
tree = scene.world.node_tree
texture, place = tree.nodes.new('ShaderNodeTexWhiteNoise'), tree.nodes.new('ShaderNodeTexCoord')
tree.links.new(place.outputs['Window'], texture.inputs['Vector'])
tree.links.new(texture.outputs['Color'], tree.nodes['Background'].inputs['Color'])
bpy.data.objects['Cube'].hide_render = True
"""


@pytest.fixture
def with_agent(program, shared) -> Callable[[Callable[[Agent], Awaitable[None]]], None]:
    """Live a story with the shared Blender."""
    place, _ = shared
    return lambda lived: live("mcp auto", place.server(program), lived)


def check(text: str, told: Told) -> None:
    """An answer tells all of this, and is no longer than clients can take."""
    assert len(text) <= TEXT_CHARS
    for part in told:
        assert part in text, text


def test_wrong_calls_are_told_what_is_wrong(with_agent) -> None:
    """Each by an answer that the model sees, after which the next call works."""

    async def story(agent: Agent) -> None:
        misled: dict[str, str] = {}
        for name, (tool, arguments, told) in WRONG_CALLS.items():
            answer = await agent.call(tool, **arguments)
            assert len(answer.text) <= TEXT_CHARS, name
            if not answer.is_error or not all(part in answer.text for part in told):
                misled[name] = answer.text
        assert not misled
        assert (await done(agent, "execute", code="1 + 1")).data["value"] == 2

    with_agent(story)


@pytest.mark.parametrize("kind", ["mcp legacy", "mcp 2026-07-28", "fastmcp"])
def test_a_tool_that_is_none_is_named(kind, program, shared) -> None:
    """It is an error of the protocol, which lists those that there are."""
    place, _ = shared

    async def story(agent: Agent) -> None:
        with pytest.raises(Exception, match='no tool is called "sculpt"; there are execute, scene, object'):
            await agent.call("sculpt")
        with pytest.raises(Exception, match="nothing is at spindle://nowhere"):
            await agent.read("spindle://nowhere")

    live(kind, place.server(program), story)


def test_a_refused_script_comes_back_with_remedies(with_agent) -> None:
    """Each finding has its line and what to do, and nothing ran."""

    async def story(agent: Agent) -> None:
        for name, (code, told) in REFUSED.items():
            answer = await agent.call("execute", code=f"bpy.context.scene['ran'] = {name!r}; {code}")
            assert answer.is_error, name
            check(answer.text, ("The guard refused the script:", "Nothing ran. Change these lines", *told))
            findings = [line for line in answer.text.splitlines() if line.startswith("  ")]
            assert findings and all(len(line) > 40 for line in findings), answer.text
        assert (await done(agent, "execute", code="bpy.context.scene.get('ran')")).data.get("value") is None

    with_agent(story)


@pytest.mark.parametrize("name", LONG)
def test_long_output_comes_in_pages(name: str, with_agent) -> None:
    """They join to the whole, and none is longer than clients can take."""

    async def story(agent: Agent) -> None:
        answer = await done(agent, "execute", code=f"print({LONG[name]}, end='')")
        pages = [answer.data["output"]]
        while cursor := answer.data.get("next_cursor"):
            check(answer.text, (cursor,))
            answer = await done(agent, "execute", cursor=cursor)
            pages.append(answer.data["output"])
        check(answer.text, ())
        assert len(pages) > 10 and "".join(pages) == eval(LONG[name])

    with_agent(story)


def test_many_objects_come_in_pages(with_agent) -> None:
    """All of them, each once."""
    make = "for n in range(300): bpy.context.collection.objects.link(bpy.data.objects.new(f'Many {n:03}', None))"
    unmake = "for o in [o for o in bpy.data.objects if o.name.startswith('Many')]: bpy.data.objects.remove(o)"

    async def story(agent: Agent) -> None:
        await done(agent, "execute", code=make)
        names: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await done(agent, "scene", name="Many*", limit=1000, fields=["name", "matrix", "bounds"], **cursor)
            check(page.text, ())
            names += [item["name"] for item in page.data["objects"]]
            if "next_cursor" not in page.data:
                break
            cursor = {"cursor": page.data["next_cursor"]}
        assert names == [f"Many {number:03}" for number in range(300)] and page.data["total"] == 300
        await done(agent, "execute", code=unmake)

    with_agent(story)


def test_what_has_long_lists_is_told_in_short(program, place, start) -> None:
    """An object with hundreds of materials, of hundreds that are selected; and a large value beside a long output."""
    start(place)

    async def story(agent: Agent) -> None:
        await done(agent, "execute", code=MANY_MATERIALS)
        for tool, arguments in (("object", {"name": "Cube"}), ("scene", {"name": "Cube", "fields": ["materials"]})):
            answer = await done(agent, tool, **arguments)
            check(answer.text, ("Material 0000", "more"))
            assert len(json.dumps(answer.data, ensure_ascii=False, separators=(",", ":"))) <= TEXT_CHARS
        page = await done(agent, "scene", name="Many*")
        check(page.text, ("Many 000", "more"))
        assert len(page.data["objects"]) > 10
        answer = await done(agent, "execute", code="print('a' * 100_000)\n'v' * 3_900")
        check(answer.text, ('value: "vvv', "[the output goes on"))
        assert answer.data["value"] == "v" * 3_900 and len(json.dumps(answer.data)) <= TEXT_CHARS

    live("mcp auto", place.server(program), story)


def test_any_name_works_in_a_uri(with_agent) -> None:
    """Spaces, quotes, slashes, umlauts and what else Blender allows."""

    async def story(agent: Agent) -> None:
        assert (await done(agent, "execute", code=MADE)).data["value"] == NAME
        told = json.loads(await agent.read(f"spindle://object/{quote(NAME, safe='')}"))
        assert told["name"] == NAME
        assert (await done(agent, "object", name=NAME, fields=["name"])).data["object"]["name"] == NAME
        await done(agent, "execute", code=f"bpy.data.objects.remove(bpy.data.objects[{NAME!r}])")

    with_agent(story)


def test_a_noisy_picture_is_small_enough(program, place, start) -> None:
    """Noise is what JPEG can do least with: it is made coarser until every client takes it."""
    start(place)

    async def tell(agent: Agent) -> None:
        await done(agent, "execute", code=NOISE)
        answer = await done(agent, "render", wait_s=120)
        assert answer.data["state"] == "done"
        assert len(base64.b64encode(await agent.read(answer.links[0]))) > PICTURE_BASE64
        for asked, most in (({}, 768), ({"size": 2000}, 2000), ({"size": 64}, 64)):
            (picture,) = (await done(agent, "look", **{"from": "camera", "shading": "rendered", **asked})).pictures
            assert len(base64.b64encode(picture)) < PICTURE_BASE64
            assert max(story.jpeg_size(picture)) <= most
        (picture,) = answer.pictures
        assert max(story.jpeg_size(picture)) == story.USUAL_PIXELS
        assert len(base64.b64encode(picture)) < PICTURE_BASE64

    live("mcp auto", place.server(program), tell)
