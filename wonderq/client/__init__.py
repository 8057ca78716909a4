"""WonderQ from another process, with Twisted: the verbs over HTTP."""

from wonderq.client.client import Client

__all__ = ["Client"]
