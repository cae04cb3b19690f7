"""Functions of Vensim and XMILE that have no meaning as stocks, flows and algebra, and why."""

from __future__ import annotations

from collections.abc import Mapping

_CONVEYOR = "keeps every parcel on a conveyor, which stocks and flows do not"
_QUEUE = "keeps a queue of single items, which stocks and flows do not"
_MARKET = "finds a price in a market of profiles; only ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY are translated"
_SOLVER = "asks for a solver of simultaneous equations, which a run in steps does not have"
_ELSEWHERE = "reads another program or file while the model runs"
_DATA = "works on whole series of data; compute them before, and give them with data='...'"
_ALONE = "must stand alone in its equation, with its arguments in single quotes"
_REALITY = "belongs to Reality Check, which tests a model and is no part of it"
_FISCAL = "collects flows within fiscal periods in a way that is not published"
_INVERSE = "draws from a distribution whose inverse has no closed form, so one number a step cannot give it"
_SESSION = "depends on earlier runs or on the person at the screen, so no run could be repeated"
_UNPUBLISHED = "has no published definition that fixes its value"

WITHOUT_MEANING: Mapping[str, str] = {
    "a_function_of": "stands for an equation that is still to be written: the file gives only its causes",
    "tabxl": _ELSEWHERE,
    "message": "shows a message to the person at the screen",
    "simultaneous": _SOLVER,
    "find_zero": _SOLVER,
    "reinitial": "computes initial values again during the run",
    "interpolate": _DATA,
    "cumulate": _DATA,
    "cumulatef": _DATA,
    "get_data_stdv": "does not say whether it divides by the number of points or by one less",
    **dict.fromkeys(("endval", "runcount", "sensiruncount", "sensirun", "clocktime", "interface"), _SESSION),
    **dict.fromkeys(("queue_fifo", "queue_fifo_attrib", "queue_age_average", "queue_age_in_range"), _QUEUE),
    **dict.fromkeys(("queue_age_oldest", "queue_attrib_average", "queue_attrib_in_range"), _QUEUE),
    **dict.fromkeys(("queue_attrib_max", "queue_attrib_min", "queue_attrib_quantity", "queue_attrib_stdv"), _QUEUE),
    **dict.fromkeys(("delay_conveyor", "conveyor", "oven", "qelem", "cyclecount", "cyclemax", "cyclemean"), _CONVEYOR),
    **dict.fromkeys(("cyclemin", "cyclestddev", "cycletime", "throughput", "ctflow", "ctmax", "ctmean"), _CONVEYOR),
    **dict.fromkeys(("delay_batch", "delay_profile", "delayp"), _CONVEYOR),
    "allocate": "shares out by Stella's own rules; ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY are translated",
    **dict.fromkeys(("alloc_p", "marketp", "find_market_price", "demand_at_price", "supply_at_price"), _MARKET),
    **dict.fromkeys(("internal_rate_of_return", "irr"), "searches for a rate over a whole stream of payments"),
    **dict.fromkeys(("net_present_value", "depreciate_by_schedule"), _FISCAL),
    **dict.fromkeys(("random_gamma", "random_beta", "gamma", "beta", "negbinomial"), _INVERSE),
    **dict.fromkeys(("get_xls_data", "get_xls_lookups", "get_xls_constants", "get_xls_subscript"), _ALONE),
    **dict.fromkeys(("get_direct_data", "get_direct_lookups", "get_direct_constants"), _ALONE),
    **dict.fromkeys(("get_direct_subscript", "with_lookup", "tabbed_array"), _ALONE),
    **dict.fromkeys(("get_vdf_data", "get_vdf_constants", "get_odbc_data", "get_odbc_constants"), _ELSEWHERE),
    **dict.fromkeys(("get_odbc_lookups", "get_123_data", "get_123_constants", "get_123_lookups"), _ELSEWHERE),
    **dict.fromkeys(("rc_compare", "rc_decay", "rc_grow", "rc_ramp", "rc_step", "rc_step_check"), _REALITY),
    **dict.fromkeys(("pmt", "pv", "fv", "derivn", "lookupmean", "lookuparea", "logisticbound"), _UNPUBLISHED),
    **dict.fromkeys(("expbound", "ssum", "stdv"), _UNPUBLISHED),
}
"""Function, and what comes after its name in the message."""
