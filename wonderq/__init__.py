"""WonderQ: a message queue that needs nothing but HTTP."""

__version__ = "0.1.0"
