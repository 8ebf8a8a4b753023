"""How finance's records may change. A state column changes by these moves and in no other way."""

from nexus.core import Flow, Move
from nexus.services.finance.entities import AccountingPeriod
from nexus.services.finance.terms import PeriodStatus

period_flow = Flow(
    AccountingPeriod.status,
    Move("close", [PeriodStatus.OPEN], PeriodStatus.CLOSED),
    Move("reopen", [PeriodStatus.CLOSED], PeriodStatus.OPEN),
)
