#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# First steps in a shell: `sh first_steps.sh`, with the command spindle on PATH.
set -eu

spindle run -c 'sum(args["numbers"])' --arg 'numbers=[1, 2, 3]'
if ! spindle run -c '1 / 0' 2> failure.txt; then
    grep '^ZeroDivisionError' failure.txt
fi
rm failure.txt
spindle call object.get '{"name": "Nobody"}' --json | sed -n 's/.*"kind": "\(.*\)".*/\1/p'
