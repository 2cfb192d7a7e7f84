"""hls.js comes with the set-up, if npm's registry is in reach; what needs it is skipped without."""

import pytest

from services.api.http.watch import HLS_JS, player_folder

HAS_PLAYER = (player_folder() / HLS_JS).is_file()
NEEDS_PLAYER = pytest.mark.skipif(not HAS_PLAYER, reason="hls.js was not fetched by scripts/setup")
