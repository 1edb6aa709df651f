# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts/package does, in its order: build_info, wheel, program, extension, checks, bundle."""
