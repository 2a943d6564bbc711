"""The wire format of each protocol: request body -> `Call`, prediction -> reply.

One module per protocol; none knows the web framework, the engine or admission control.
"""
