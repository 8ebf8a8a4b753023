"""What CRM keeps."""

from nexus.services.crm.entities.activities import Activity, CallLog
from nexus.services.crm.entities.clocks import BusinessCalendar, ResponseClock, ResponsePolicy
from nexus.services.crm.entities.deals import Deal, DealStage, LostReason, Pipeline, Quote, StageChange
from nexus.services.crm.entities.leads import ConversionRecord, Lead, LeadSource
from nexus.services.crm.entities.owned import Owned
from nexus.services.crm.entities.parties import Account, AccountContact, Competitor, Contact, Redirect
from nexus.services.crm.entities.planning import AssignmentRule, Quota, Territory
from nexus.services.crm.entities.scoring import ScoreFrequency, ScoringRule

__all__ = [
    "Account",
    "AccountContact",
    "Activity",
    "AssignmentRule",
    "BusinessCalendar",
    "CallLog",
    "Competitor",
    "Contact",
    "ConversionRecord",
    "Deal",
    "DealStage",
    "Lead",
    "LeadSource",
    "LostReason",
    "Owned",
    "Pipeline",
    "Quota",
    "Quote",
    "Redirect",
    "ResponseClock",
    "ResponsePolicy",
    "ScoreFrequency",
    "ScoringRule",
    "StageChange",
    "Territory",
]
