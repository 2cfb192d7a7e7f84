"""How far masks reach beyond what was seen, and what must have been seen around a frame."""

from dataclasses import dataclass

LEAD_S = 0.4
"""How far verdicts must reach beyond a frame, seconds: as far as masks are led back from a face's first detection."""
MAX_GAP_S = 0.25
"""How far two neighbouring verdicts may be apart, seconds: nobody crosses the picture between two samples."""


@dataclass(frozen=True, slots=True)
class MaskPolicy:
    """How far masks reach beyond what was seen. Times in seconds, shares of the box's longer side."""

    max_gap_s: float = MAX_GAP_S
    """Two verdicts further apart bracket nothing."""
    lead_s: float = LEAD_S
    hold_s: float = 0.6
    doubt_s: float = 1.4
    """A track that turns out not to be whom it was taken for is masked from so long before: somebody may have come in
    the person's place right after the last sighting that confirmed it. The next comes 0.6 s later, with up to 0.3 s to
    a crop and 0.1 s to the answer, and an unclear one is tried once more. As far as the delay has kept the frames. Less
    where the verdict says since when it is in doubt."""
    hindsight_s: float = 0.85
    """A track that has earned its person is taken for that person from so long before, as far as its verdict says: a
    vote takes 0.4 s, and few frames that are older still wait (eight samples of 29.97 frames a second take 0.801 s).
    Doubt reaches back further, and wins."""
    margin: float = 0.2
    """Grown on each side always: a detector's box ends at the skin, hair and ears tell people apart too."""
    growth_per_s: float = 1.0
    """Grown on each side for each second between the frame and the nearest sighting of the track, besides the movement
    that its last two sightings show: walking people turn and stop within half a second."""
    blind_growth_per_s: float = 4.0
    """The same for a track that was seen once, whose movement is unknown: faces cross up to one of their own
    widths in a quarter of a second. Tracks seen twice move with `growth_per_s`, or lone false detections aside,
    every mask would swell."""
    max_growth: float = 0.75
    max_speed_per_s: float = 12.0
    """Believed movement, in boxes a second: a face of 16 cm at a walk (1.4 m/s) moves 9 of its widths a second."""
    leap: float = 0.5
    """Displacement between two sightings, in boxes, beyond which the straight line between them is not trusted alone:
    two ids that were exchanged would draw both masks into the middle. Both places are painted as well, the one that was
    left for as long as masks are held."""
    swerve: float = 0.2
    """Difference between a displacement and what the steps around it lead to, in boxes, from which on both boxes are
    painted: of the steps of real faces every tenth is so odd on a pitch or in a street, none in an interview."""
    resized: float = 1.15
    """The same for the width or height of two sightings' boxes: a detector boxes the part of a face that a wipe shows.
    It costs 2 to 4 % more area, a fifth among walkers who fill a fifteenth of the picture."""
    jump: float = 1.0
    """The same beyond which a clear track is masked: the boxes no longer meet, it may be somebody else."""
