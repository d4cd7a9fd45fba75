"""An invented city: a grid of metro lines whose crossings are transfer stations."""

from functools import lru_cache
from random import Random

from carbon_credit.methodology.network import Network

BLOCKS = 4  # between two parallel lines, in stations
LINES = 4  # in each direction
SIDE = BLOCKS * (LINES - 1) + 1
SEGMENT_M = (800, 1_500)
FIRST = "云松梅兰竹荷桂榕枫柳桃杏棉"  # by column
SECOND = "岭湖溪湾桥坊园洲塘浦台关里"  # by row


def metro_csv(*, seed: int, programme: str, city: str | None = None) -> bytes:
    """The city's segments, as `Network.from_csv` reads them. `city`: what the column says, instead of the
    programme's code."""
    draw = Random(f"{seed}/{programme}/city")  # noqa: S311 reproducible, not secret
    rows = ["city,line,from_station,to_station,metres"]
    for line in range(LINES):
        for along in range(SIDE - 1):
            across = line * BLOCKS
            east = (_name(along, across), _name(along + 1, across))
            north = (_name(across, along), _name(across, along + 1))
            for number, (here, there) in ((line + 1, east), (line + 1 + LINES, north)):
                rows.append(f"{city or programme},{number}号线,{here},{there},{draw.randint(*SEGMENT_M)}")
    return ("\n".join(rows) + "\n").encode()


@lru_cache(maxsize=8)
def metro(*, seed: int, programme: str) -> Network:
    """The city's metro network, about ninety stations."""
    return Network.from_csv(metro_csv(seed=seed, programme=programme))


def _name(column: int, row: int) -> str:
    return FIRST[column] + SECOND[row]
