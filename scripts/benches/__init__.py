# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts/bench measures: a file per group of rows, on `measuring`, `programs`, `blender` and `peer`.

A group is a function that takes `Options` and returns rows.
"""
