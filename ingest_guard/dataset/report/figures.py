"""Numbers as people read them: with separators, units, and ticks at round values."""

import math

NOTHING = "\N{EN DASH}"
_THOUSAND = 1000
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_UNITS = (("d", _DAY), ("h", _HOUR), ("min", _MINUTE), ("s", 1.0))
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def count(value: float) -> str:
    """``1234567`` -> ``1,234,567``."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """``1234567`` -> ``1.23 M``: three digits and a unit, for axes and tiles."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size * 0.9995:
            return f"{_digits(value / size)} {unit}"
    return _digits(value)


def size(value: float) -> str:
    """``1234567`` -> ``1.23 MB``."""
    for unit, unit_size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(value) >= unit_size * 0.9995:
            return f"{_digits(value / unit_size)} {unit}"
    return f"{value:.0f} B"


def percent(part: float, whole: float) -> str:
    """Return a share; never 0 % or 100 % for what is not."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    if 0 < share < 0.01:  # noqa: PLR2004 - what two decimals can show
        return "< 0.01 %"
    if part < whole and share > 99.99:  # noqa: PLR2004 - the same
        return "> 99.99 %"
    return f"{share:.1f} %" if 10 <= share <= 99.9 or share == 100 else f"{share:.2f} %"  # noqa: PLR2004 - 3 digits


def seconds(value: float) -> str:
    """``0.0123`` -> ``12.3 ms``."""
    if value and value < 1:
        return f"{_digits(value * _THOUSAND)} ms"
    return f"{_digits(value)} s"


def span(value: float) -> str:
    """``93784`` -> ``1 d 2 h``: the two largest units."""
    if value < _MINUTE:
        return f"{_digits(value)} s"
    parts: list[str] = []
    for unit, unit_size in _UNITS:
        whole, value = divmod(value, unit_size)
        if whole or parts:
            parts.append(f"{whole:.0f} {unit}" if whole else "")
        if len(parts) == 2:  # noqa: PLR2004 - as promised
            break
    return " ".join(part for part in parts if part)


def ticks(highest: float, most: int = 5) -> list[float]:
    """Return round values from 0 to at least ``highest``, at equal distances; a whole-numbered top of at least 1."""
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in _STEPS if each * power >= raw * 0.9999)
    return [index * step for index in range(math.ceil(highest / step - 1e-9) + 1)]


def span_ticks(highest: float, most: int = 5) -> list[float]:
    """Return round times from 0 to at least ``highest`` seconds, at equal distances."""
    step = next((each for each in _TIME_STEPS if highest / each <= most), None)
    step = step or math.ceil(highest / most / _DAY) * int(_DAY)
    return [float(index * step) for index in range(max(1, math.ceil(highest / step)) + 1)]


def log_ticks(lowest: float, highest: float) -> list[float]:
    """Return powers of ten from at most ``lowest`` to at least ``highest``."""
    first = math.floor(math.log10(lowest) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(highest) - 1e-9))
    return [10.0**power for power in range(first, last + 1)]


def time_ticks(total: float, most: int = 5) -> list[tuple[float, str]]:
    """Return (seconds, label) at round times from 0 to at most ``total``; all in one unit, so that labels are short."""
    if total < 1:
        return [(0.0, "0 s"), (total, f"{total:.2g} s")]
    step = next((each for each in _TIME_STEPS if total / each <= most), None)
    step = step or math.ceil(total / most / _DAY) * int(_DAY)
    unit, size = next((unit, size) for unit, size in _UNITS if step >= size)
    return [(float(at), f"{at / size:g} {unit}" if at else "0") for at in range(0, int(total) + 1, step)]


def _digits(value: float) -> str:
    """Return three digits, fewer where they are zeros behind the point."""
    if abs(value) >= 99.95:  # noqa: PLR2004 - three digits before the point
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{float(text):g}" if "e" in text else text
