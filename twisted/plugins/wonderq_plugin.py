"""What C{twistd} finds: WonderQ under the name C{wonderq}.  Nothing of ours is imported before it is chosen."""

from twisted.application.service import ServiceMaker

wonderq = ServiceMaker("WonderQ", "wonderq.tap", "WonderQ, a durable message queue over HTTP", "wonderq")
