"""gRPC, derived: one service for each entity with its commands, one for the reports, with messages whose numbers come from the lock.

asked.py          the messages that all services share: package nexus.v1
descriptors.py    a lock as a descriptor of protobuf: what reflection tells and messages are made of
proto.py          a descriptor as the text of a .proto file
words.py          what its comments say, from the declarations
"""
