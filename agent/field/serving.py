"""What every role of the field process is put together with: its local socket and its pace."""

import selectors
import time
from pathlib import Path

from agent.field.base_loop import Pace
from agent.field.server import FieldServer
from agent.link.messages import SOCKET_NAME, Hello
from agent.settings.site import Site


def serve(site: Site, boot_id: str, version: str, selector: selectors.BaseSelector) -> FieldServer:
    """The local socket in the runtime folder of a site."""
    settings = site.settings
    hello = Hello(boot_id, settings.pile.id, version, time.time_ns() // 1_000_000)
    return FieldServer(Path(settings.paths.runtime) / SOCKET_NAME, selector, hello)


def pace_of(site: Site) -> Pace:
    """How often a site is evaluated and its readings are kept."""
    settings = site.settings
    return Pace(
        settings.control.cycle_ms / 1000.0,
        settings.record.readings_interval_s,
        settings.record.readings_idle_interval_s,
    )
