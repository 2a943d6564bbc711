"""What a request looks like in each protocol: bytes -> `Call`, and a prediction -> bytes.

One module per protocol; none knows the web framework, the engine or how requests are admitted.
"""
