# SPDX-License-Identifier: GPL-3.0-or-later
"""First steps in Python: `python first_steps.py`, with the project's wheel installed."""

import spindle

with spindle.connect(name="First steps") as blender:
    result = blender.run("sum(args['numbers'])", numbers=[1, 2, 3])
    print(result.value)
    try:
        blender.run("1 / 0")
    except spindle.ScriptFailed as failure:
        print(f"{failure.result.exception.type}: {failure.result.exception.message}")
    try:
        blender.object("Nobody")
    except spindle.errors.NotFound as error:
        print(error.kind)
