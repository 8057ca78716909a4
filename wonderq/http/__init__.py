"""The HTTP front: bytes in, verbs out.

C{operations} holds one function for each call of the protocol and knows nothing of the server it runs in; C{api} is
the Klein app that finds the operation of a path, and C{site} serves it in twisted.web.  The daemon listens with
C{factory}, whose connections (C{channel}) find the operations of the hot calls by themselves (C{lane}) and ask the app
for the rest (C{bridge}).  The other modules say how to read (C{query}, C{content}, C{envelopes}), how to write
(C{codec}, C{problems}, C{heads}) and what not to take at all (C{paths}, C{limits}, C{framing}, C{incoming}).
"""
