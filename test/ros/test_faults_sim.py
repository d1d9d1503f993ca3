"""panda_sim over DDS while things go wrong."""

from __future__ import annotations

import pytest

pytest.importorskip("pybullet")
