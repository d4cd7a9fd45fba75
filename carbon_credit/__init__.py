"""Reference backend for carbon inclusion (碳普惠): from a reported ride to an offset on an exchange."""

__version__ = "0.1.0"
