"""The HTTP front: bytes in, verbs out.

C{operations} holds one function for each call of the protocol and knows nothing of the server it runs in; C{api} is
the Klein app that finds the operation of a path.  The rest says how to read (C{query}, C{content}, C{envelopes}), how
to write (C{codec}, C{problems}) and what not to take at all (C{paths}, C{limits}, C{site}).
"""
