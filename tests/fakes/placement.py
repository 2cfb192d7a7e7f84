"""Where fakes run: in the test's own process."""

from mosaicast.adapters.models.placement import Placement

HERE = Placement("fake", "cpu", "f32")
