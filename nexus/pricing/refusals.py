"""What cannot be priced."""

from __future__ import annotations

from decimal import Decimal


class Unpriceable(ValueError):
    """A line, a discount or a tax makes no sense: `field` says where (`lines[2].taxes`), `message` why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message

    def within(self, place: str) -> Unpriceable:
        """The same, told from further out."""
        return Unpriceable(f"{place}.{self.field}", self.message)


def check_number(field: str, number: Decimal, least: int, most: int) -> None:
    """Unpriceable where a number is none, out of its bounds, or has more than twenty decimals."""
    if not number.is_finite() or not least <= number <= most:
        raise Unpriceable(field, f"is from {least} to {most}")
    if int(number.as_tuple().exponent) < -20:
        raise Unpriceable(field, "has more than 20 decimals")
