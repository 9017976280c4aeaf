"""Numbers for people: money, energy, time. Integers in, text out; nothing is lost by rounding on the way."""

import datetime

_MINUTE_S = 60
_HOUR_S = 3600


def yuan(amount_e4: int) -> str:
    """An amount with two decimals, or four where it needs them."""
    sign = "-" if amount_e4 < 0 else ""
    whole, rest = divmod(abs(amount_e4), 10_000)
    return f"{sign}{whole}.{rest:04d}" if rest % 100 else f"{sign}{whole}.{rest // 100:02d}"


def price(price_e5: int) -> str:
    """A price per kWh with its five decimals."""
    whole, rest = divmod(price_e5, 100_000)
    return f"{whole}.{rest:05d}"


def kilowatt_hours(energy_wh: int) -> str:
    """Energy in kWh with three decimals."""
    sign = "-" if energy_wh < 0 else ""
    whole, rest = divmod(abs(energy_wh), 1000)
    return f"{sign}{whole}.{rest:03d}"


def duration(seconds: float) -> str:
    """A stretch of time as h:mm:ss."""
    hours, rest = divmod(int(seconds), _HOUR_S)
    minutes, left = divmod(rest, _MINUTE_S)
    return f"{hours}:{minutes:02d}:{left:02d}"


def local_time(wall_ms: int | None, utc_offset_minutes: int, *, with_date: bool = True) -> str:
    """A UTC time in milliseconds as local time of the pile; ``-`` when there is none."""
    if wall_ms is None:
        return "-"
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    moment = datetime.datetime.fromtimestamp(wall_ms / 1000, zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if with_date else "%H:%M:%S")
