"""gRPC, derived: one service for each entity with its commands, one for the reports, with messages whose numbers come from the lock.

asked.py          the messages that all services share: package nexus.v1
descriptors.py    a lock as a descriptor of protobuf: what reflection tells and messages are made of
proto.py          a descriptor as the text of a .proto file
words.py          what its comments say, from the declarations
messages.py       messages as JSON and back; values.py, of each type
asks.py           what is asked of an operation, from its message
calling.py        what comes with a call: credential, key, version, deadline
refusals.py       problems as status codes with details
calls.py          every operation as a method; ended.py, what is told of a call at its end
many.py           many records as one call
events.py         the stream of events
commands.py       commands as calls between processes
server.py         the server, with health; reflecting.py, reflection

The library is imported only by who starts a server or calls one: nothing here that a process without gRPC needs imports it.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # or the library tells standard error of every connection that ends
