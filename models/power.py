"""Power and space: what sites use, what grids connect, and the scarcity that both classes feel."""

from __future__ import annotations

import sympy as sp

from jevons.elements import Auxiliary, Flow, LogNormal, Parameter, Range, Sector, Stock
from jevons.functions import Names, smooth_positive, soft_limit

v = Names()

LBNL_QUEUES = "Rand et al., Queued Up (LBNL): 2 years in 2008, 5 years in 2022 from request to operation (generation)"

SECTOR = Sector(
    "power",
    [
        Stock(
            "connected_power",
            "GW",
            initial=v.initial_power_headroom * v.allocated_power,
            doc="Facility power that is connected to a grid.",
        ),
        Stock(
            "power_queue",
            "GW",
            initial=v.queue_time
            * (v.connected_power / v.connection_life + v.perceived_power_growth * v.connected_power),
            doc="Power requested and not yet connected.",
        ),
        Stock(
            "perceived_power_growth",
            "1/yr",
            initial=v.initial_power_growth,
            doc="Growth of allocated power as perceived by those who request connections.",
        ),
        Flow(
            "power_requests",
            "GW/yr",
            target="power_queue",
            equation=smooth_positive(
                v.power_trend_need
                + (v.desired_power - v.connected_power) / v.power_correction_time
                + (v.queue_time * v.power_trend_need - v.power_queue) / v.power_correction_time,
                v.request_width * v.connected_power,
            ),
            doc="Requests: replacement, trend, and corrections of connected power and queue.",
        ),
        Flow(
            "power_connection",
            "GW/yr",
            source="power_queue",
            target="connected_power",
            equation=soft_limit(
                v.power_queue / v.queue_time,
                v.largest_power_growth * v.connected_power,
                v.connection_limit_order,
            ),
            doc="Connections, limited by what grids can build.",
        ),
        Flow(
            "power_disconnection",
            "GW/yr",
            source="connected_power",
            equation=v.connected_power / v.connection_life,
            doc="Sites that close.",
        ),
        Flow(
            "power_growth_perception",
            "1/yr**2",
            target="perceived_power_growth",
            equation=(v.allocated_power_growth - v.perceived_power_growth) / v.power_perception_time,
            doc="Perception of the growth of allocated power.",
        ),
        Auxiliary(
            "allocated_power",
            "GW",
            equation=v.ai_power * v.cluster_overhead * v.pue_ai
            + v.conventional_power * v.pue_conventional / v.conventional_load_factor,
            doc="Power that sites hold for their kit.",
        ),
        Auxiliary(
            "allocated_power_growth",
            "1/yr",
            equation=(
                (v.conventional_power_installation - v.conventional_power_retirement)
                * v.pue_conventional
                / v.conventional_load_factor
                + (v.ai_power_installation - v.ai_power_retirement) * v.cluster_overhead * v.pue_ai
            )
            / v.allocated_power,
            doc="Growth of allocated power at constant PUE.",
        ),
        Auxiliary(
            "vacancy",
            "1",
            equation=1 - v.allocated_power / v.connected_power,
            doc="Share of connected power that is not allocated.",
        ),
        Auxiliary(
            "space_availability",
            "1",
            equation=1 - sp.exp(-smooth_positive(v.vacancy, v.vacancy_width) / v.vacancy_scale),
            doc="Share of wanted installations that find power and space.",
        ),
        Auxiliary(
            "desired_power",
            "GW",
            equation=(1 + v.target_vacancy)
            * (v.allocated_power + v.ai_on_order * v.chip_power * v.cluster_overhead * v.pue_ai),
            doc="Power wanted: allocated and on order, with a margin.",
        ),
        Auxiliary(
            "power_trend_need",
            "GW/yr",
            equation=v.connected_power / v.connection_life + v.perceived_power_growth * v.connected_power,
            doc="Connections that replacement and perceived growth need.",
        ),
        Parameter(
            "queue_time",
            "yr",
            value=4.0,
            prior=LogNormal(4.0, 0.3),
            status="fitted",
            source=f"{LBNL_QUEUES}; used as a proxy for loads",
            doc="Time from request to connection.",
        ),
        Parameter(
            "power_perception_time",
            "yr",
            value=2.5,
            prior=LogNormal(2.5, 0.3),
            status="assumed",
            source="assumed: planning of utilities",
            doc="Perception time of power growth.",
        ),
        Parameter(
            "target_vacancy",
            "1",
            value=0.08,
            prior=LogNormal(0.08, 0.3),
            status="fitted",
            source="CBRE North America Data Center Trends: 8 to 10 % in 2020-2021",
            doc="Vacancy planned for.",
        ),
        Parameter(
            "vacancy_scale",
            "1",
            value=0.025,
            prior=LogNormal(0.025, 0.5),
            status="fitted",
            source="assumed",
            doc="Vacancy at which 63 % of installations find space.",
        ),
        Parameter(
            "largest_power_growth",
            "1/yr",
            value=0.27,
            prior=LogNormal(0.27, 0.25),
            status="fitted",
            source="assumed, chosen with the build-out limits named by IEA 2026 in view; no data before 2026",
            doc="Largest growth rate of connected power.",
        ),
        Parameter(
            "initial_power_headroom",
            "1",
            value=1.11,
            status="assumed",
            prior=Range(1.05, 1.2),
            source="assumed: vacancy of about 10 %",
            doc="Connected over allocated power at the start.",
        ),
        Parameter(
            "initial_power_growth",
            "1/yr",
            value=0.06,
            status="assumed",
            prior=Range(0.03, 0.1),
            source="assumed; no influence on results after 2012",
            doc="Perceived power growth at the start.",
        ),
        Parameter(
            "connection_life",
            "yr",
            value=15.0,
            status="assumed",
            prior=Range(10, 25),
            source="assumed: life of a facility's power system",
            doc="Life of a connection.",
        ),
        Parameter(
            "power_correction_time",
            "yr",
            value=1.0,
            status="assumed",
            prior=Range(0.5, 2),
            source="assumed",
            doc="Time to close gaps in connected power and queue.",
        ),
        Parameter(
            "request_width",
            "1/yr",
            value=0.01,
            status="assumed",
            prior=Range(0.003, 0.03),
            source="numerical: width of the bend at zero requests",
            doc="Width of the bend at zero requests.",
        ),
        Parameter(
            "connection_limit_order",
            "1",
            value=4.0,
            status="assumed",
            prior=Range(2, 8),
            source="assumed: the limit binds gradually",
            doc="Sharpness of the limit on connections.",
        ),
        Parameter(
            "vacancy_width",
            "1",
            value=0.002,
            status="assumed",
            prior=Range(5e-4, 5e-3),
            source="numerical: width of the bend at zero vacancy",
            doc="Width of the bend at zero vacancy.",
        ),
        Parameter(
            "conventional_load_factor",
            "1",
            value=0.48,
            status="assumed",
            prior=Range(0.4, 0.6),
            source="IEA 2025, Energy and AI; Shehabi et al. 2024: 48 to 50 %",
            doc="Mean over allocated power of conventional kit.",
        ),
    ],
    doc="Grid connections shared by both classes of computing.",
)
