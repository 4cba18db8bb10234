"""How many examples a property is tried on: 100, or 10,000 with `pytest --hypothesis-profile=slow`."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("slow", max_examples=10_000, deadline=None)
settings.load_profile("quick")
