# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients do while scripts/soak watches. `clients` has the rounds; `steps` are what the client library offers, and
`rude` what others do, over a `wire` of their own."""
