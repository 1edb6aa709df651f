# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that read make no undo step, and no change is taken for a read."""

from __future__ import annotations

import ast

import pytest

from addon.commands import purity

READS = r"""
1 + 1
len(bpy.data.objects)
bpy.context.scene.name
[o.name for o in bpy.data.objects if o.type == 'MESH']
names = []\nfor o in bpy.data.objects:\n    names.append(o.name)\nnames
d = {}\nfor o in bpy.data.objects:\n    d[o.name] = list(o.location)\nd
total = 0\nfor m in bpy.data.meshes:\n    total += len(m.vertices)\ntotal
sorted(bpy.data.objects, key=lambda o: o.name)
def f(o):\n    return o.name.upper()\n[f(o) for o in bpy.data.objects]
import json\nprint(json.dumps({'a': 1}))
from mathutils import Vector\n(Vector((1, 2, 3)) - bpy.data.objects['Cube'].location).length
max(bpy.data.objects, key=lambda o: o.dimensions.length).name
bpy.data.objects.get('Cube') is not None and bpy.data.texts['T'].as_string()
getattr(bpy.context, 'object', None)
try:\n    x = bpy.data.objects['Nope']\nexcept KeyError:\n    x = None\nx
f'{bpy.app.version_string} {len(bpy.data.meshes)}'
""".strip().split("\n")

CHANGES = r"""
bpy.context.scene['a'] = 1
del bpy.context.scene['a']
bpy.data.objects['Cube'].location.x = 1
bpy.data.objects['Cube'].location.x += 1
v = bpy.data.objects['Cube'].location\nv += v
v = bpy.data.objects['Cube'].location\nv *= 2
bpy.data.texts['T'].write('a')
bpy.data.texts['T'].clear()
bpy.ops.text.replace()
bpy.ops.object.join()
f = bpy.ops\nf.object.join()
from bpy import ops\nops.object.join()
getattr(bpy, 'ops').object.join()
getattr(bpy, 'op' + 's').object.join()
setattr(bpy.context.scene, 'frame_start', 3)
bpy.context.scene.timeline_markers.new('a')
bpy.data.materials['M'].use_fake_user = True
bpy.data.images['I'].pixels[0] = 1
bpy.data.images['I'].pixels.foreach_set([1])
list(map(bpy.data.objects.remove, list(bpy.data.objects)))
sorted(bpy.data.objects, key=bpy.data.objects.remove)
exec('bpy.context.scene[0] = 1')
a = [bpy.context.scene]\na[0]['x'] = 1
a = b = []\nb = bpy.context.scene\nb['x'] = 1
x = {}\nx = bpy.context.scene\nx['a'] = 1
def f(x):\n    x['a'] = 1\nf(bpy.context.scene)
for x in bpy.data.scenes:\n    x['a'] = 1
[x := bpy.context.scene]\nx['a'] = 1
class A:\n    bpy.x = 1
with open('f', 'w') as f:\n    pass
import somebodys_module
bpy.context.scene.frame_set(3)
for bpy.context.scene.frame_start in [1]: pass
iter(bpy.data.objects[0].select_set, 1)
d = {}\nd.update(**bpy.context.scene)
@bpy.data.objects.remove\ndef f(): pass
""".strip().split("\n")


def harmless(code: str) -> bool:
    return purity.changes_nothing(ast.parse(code.replace("\\n", "\n")))


@pytest.mark.parametrize("code", READS)
def test_reads(code: str) -> None:
    assert harmless(code)


@pytest.mark.parametrize("code", CHANGES)
def test_changes(code: str) -> None:
    assert not harmless(code)
