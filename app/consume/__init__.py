"""A consumer of a queue: messages in, answers into a store, by the service's bundle and contract.

Delivered at least once, answered once: an answer is stored unless there is one for the message's
id, and only then is the message acknowledged.
"""
