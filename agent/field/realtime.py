"""Priority, memory and garbage collection of the field process."""

import ctypes
import gc
import logging
import os

_LOG = logging.getLogger(__name__)

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def set_priority(priority: int) -> str:
    """Ask for SCHED_FIFO at ``priority`` (0 leaves it) and return what is really in force, for the status page."""
    if priority > 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except OSError as error:
            _LOG.warning(
                "real-time priority %d refused (%s): reaction times are not bounded. "
                "Give the service LimitRTPRIO=%d or CAP_SYS_NICE.",
                priority,
                error.strerror,
                priority,
            )
    policy = os.sched_getscheduler(0)
    if policy == os.SCHED_FIFO:
        return f"fifo {os.sched_getparam(0).sched_priority}"
    return "normal"


def lock_memory() -> bool:
    """Keep all touched pages in memory. Pages never touched stay unmapped, so this costs no extra memory."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return True
    _LOG.warning(
        "memory could not be locked (%s). Give the service LimitMEMLOCK=infinity.", os.strerror(ctypes.get_errno())
    )
    return False


def tame_collector() -> None:
    """Take the garbage collector out of the loop: what lives now is never looked at again, cycles wait for idle."""
    gc.collect()
    gc.freeze()
    gc.disable()
