"""The words of fixed assets that entities and contracts share."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

from nexus.core import Value


class AssetStatus(enum.StrEnum):
    """What has become of an asset: only written down, used, used and depreciated to its residual value, or gone."""

    DRAFT = "draft"
    IN_USE = "in_use"
    FULLY_DEPRECIATED = "fully_depreciated"
    DISPOSED = "disposed"


class DepreciationMethod(enum.StrEnum):
    """How an asset loses its value: by equal parts, or by a share of what is left until equal parts are more."""

    STRAIGHT_LINE = "straight_line"
    DECLINING_BALANCE = "declining_balance"


class AssetMovementKind(enum.StrEnum):
    """Why an asset's cost or accumulated depreciation changed."""

    ACQUISITION = "acquisition"
    DEPRECIATION = "depreciation"
    DISPOSAL = "disposal"


class RunStatus(enum.StrEnum):
    """Whether a run counts, or has been taken back."""

    POSTED = "posted"
    UNDONE = "undone"


class DepreciationPart(Value, frozen=True, kw_only=True):
    """What an asset loses in a month."""

    on: dt.date
    """The last day of the month: the part is due then."""
    amount: Decimal
